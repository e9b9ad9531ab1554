"""Wires the parts into one process: adapters, deck, engine, server."""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import logging
import os
import signal
from collections.abc import Callable, Mapping
from typing import cast

import profiles.builtin
import terminals.builtin
from orchestrator.app import build
from orchestrator.engine import Engine
from orchestrator.memories import Memories
from orchestrator.problems import Problems
from orchestrator.runs import Runs
from orchestrator.server import Server, bind
from orchestrator.texts import Texts
from quarterdeck import __version__, config, hooks
from quarterdeck.clock import SystemClock
from quarterdeck.held import Held, leave_out_mistakes
from quarterdeck.kept import Kept
from quarterdeck.paths import Paths
from sessions.deck import Deck
from sessions.launch import Limits
from terminals.adapter import Adapter

log = logging.getLogger(__name__)

END_WITHIN, FAIL_WITHIN = 60, 10
"""Seconds the end may take that was asked for, and the end after a part of the deck has failed.

What hangs for longer would keep a dead deck from being replaced. Nothing is lost with it, as with any kill: the next
orchestrator finds all of it again.
"""


async def serve(paths: Paths, on_started: Callable[[], None], on_stopping: Callable[[], None]) -> None:
    """Serve ``paths`` until SIGTERM, SIGINT or a request to stop. The caller holds the lock.

    ``on_started`` is called when requests are answered, ``on_stopping`` when the end begins.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    log.info("starting", extra={"version": __version__, "home": str(paths.home), "pid": os.getpid()})
    plugins = hooks.load([profiles.builtin, terminals.builtin])
    user = config.user_folder()
    variables = leave_out_mistakes(os.environ)
    settings = config.load(held=Held(user, Kept(paths.kept / "config.toml"))).config
    adapters = cast(Mapping[str, Adapter], plugins.adapters(paths))
    async with Deck.open(
        paths,
        adapters,
        SystemClock(),
        Limits(
            journal=settings.journal_limit,
            history_lines=settings.history_lines,
            typing_pause=settings.typing_pause,
        ),
        user=user,
        profile_folders=plugins.profile_folders(),
    ) as deck:
        async with (
            Memories.open(paths, deck, settings.memory, plugins) as memories,
            Texts.open(paths, deck, memories, settings.memory.texts) as texts,
            Problems.open(deck, user, (*plugins.problems, *variables)) as problems,
            Runs.open(paths, deck) as runs,
            Engine.open(paths, deck, stopping, memories, texts, problems, runs) as engine,
        ):
            server = Server(build(engine), stopping, on_started=on_started, on_stopping=on_stopping)
            listener = bind(paths.socket)
            log.info("serving", extra={"agents": len(deck.agents())})
            gc.freeze()  # what is there now stays: a full collection that looks at it all holds up keys for 30 ms
            gc.enable()
            try:
                await server.serve(sockets=[listener])
            finally:
                faulthandler.dump_traceback_later(END_WITHIN if stopping.is_set() else FAIL_WITHIN, exit=True)
        log.info("stopping")
    log.info("stopped")
