"""The HTTP server on the Unix socket: uvicorn without its timer, its signals and its way with socket files."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from asyncio.transports import BaseTransport
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from orchestrator.roles import Peer

BACKLOG = 512
MESSAGE_LIMIT = 5 << 20
"""Bytes of one WebSocket message: a paste of the 4 MB a terminal takes at most, and its wrapping."""
GRACE = 2
"""Seconds that requests which still run get when the server stops."""


class PeerProtocol(H11Protocol):
    """HTTP that notes who connected; requests and the WebSocket find it in their scope as ``state["peer"]``."""

    def connection_made(self, transport: BaseTransport) -> None:
        link = transport.get_extra_info("socket")
        self.app_state = {**self.app_state, "peer": Peer.of(link)}
        super().connection_made(cast(asyncio.Transport, transport))


def bind(path: Path) -> socket.socket:
    """A socket listening at ``path``, 0600 from the start. What lies there is a dead process's: we hold the lock."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(os.fspath(path))
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    finally:
        os.umask(mask)
    return listener


class Server(uvicorn.Server):
    """Serves until ``stopping`` is set; tells when requests are answered, and before connections close."""

    def __init__(
        self,
        app: Any,
        stopping: asyncio.Event,
        *,
        on_started: Callable[[], None],
        on_stopping: Callable[[], None],
    ) -> None:
        config = uvicorn.Config(
            app,
            http=PeerProtocol,
            ws="websockets-sansio",
            ws_per_message_deflate=False,
            ws_max_size=MESSAGE_LIMIT,
            ws_ping_interval=None,
            ws_ping_timeout=None,
            loop="asyncio",
            lifespan="off",
            access_log=False,
            proxy_headers=False,
            log_config=None,
            server_header=False,
            date_header=False,
            backlog=BACKLOG,
            timeout_graceful_shutdown=GRACE,
        )
        super().__init__(config)
        self._stopping = stopping
        self._on_started = on_started
        self._on_stopping = on_stopping

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the process's, not the server's."""
        yield

    async def main_loop(self) -> None:
        """Wait without a timer: an idle orchestrator does not wake up."""
        self.server_state.default_headers = list(self.config.encoded_headers)
        self._on_started()
        try:
            await self._stopping.wait()
        except asyncio.CancelledError:  # what is served has failed: nobody is to be told of a state that is closed
            for server in self.servers:
                server.close()
            for connection in list(self.server_state.connections):
                connection.shutdown()
            raise
        self._on_stopping()
