"""Wires the parts into one process: adapters, deck, engine, server."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable

from orchestrator.app import build
from orchestrator.engine import Engine
from orchestrator.server import Server, bind
from quarterdeck import __version__
from quarterdeck.clock import SystemClock
from quarterdeck.paths import Paths
from sessions.deck import Deck

log = logging.getLogger(__name__)


async def serve(paths: Paths, on_started: Callable[[], None], on_stopping: Callable[[], None]) -> None:
    """Serve ``paths`` until SIGTERM, SIGINT or a request to stop. The caller holds the lock.

    ``on_started`` is called when requests are answered, ``on_stopping`` when the end begins.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    log.info("starting", extra={"version": __version__, "home": str(paths.home), "pid": os.getpid()})
    async with Deck.open(paths, adapters(paths), SystemClock(), profiles(paths)) as deck:
        async with Engine.open(paths, deck, stopping) as engine:
            log.info("serving", extra={"agents": len(deck.agents())})
            server = Server(build(engine), stopping, on_started=on_started, on_stopping=on_stopping)
            listener = bind(paths.socket)
            await server.serve(sockets=[listener])
        log.info("stopping")
    log.info("stopped")
