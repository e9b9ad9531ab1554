"""The orchestrator's handle on the preloaded parent: start it, ask it to fork, start it again when it died."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from pathlib import Path
from typing import Any

from quarterdeck import openfiles
from quarterdeck.errors import Broken, Unreachable
from terminals.holder import wire

ANSWER_WITHIN = 15.0
AT_ONCE = 32
"""Requests under way at one time, far fewer than the socket queues."""
_TRIES = 3
_KEPT_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "HOME", "TMPDIR")


class Preloaded:
    """One parent process per orchestrator, started when first needed; holders outlive it and us."""

    def __init__(self, run: Path) -> None:
        self.socket = run / "parent.sock"
        """Where requests go; 0600. A pane's pipe command hands its stdin over here."""
        self._process: asyncio.subprocess.Process | None = None
        self._control: socket.socket | None = None
        self._starting = asyncio.Lock()
        self._turn = asyncio.Semaphore(AT_ONCE)

    @property
    def pid(self) -> int | None:
        """The living parent's process id."""
        return self._process.pid if self._process is not None and self._control is not None else None

    async def ready(self) -> None:
        """Have a living parent. Raises Broken when it cannot be started."""
        async with self._starting:
            if self._control is None:
                await self._bury()
                await self._start()

    async def request(self, kind: int, request: dict[str, Any], handle: int | None = None) -> dict[str, Any]:
        """What the new holder answers to a SPAWN, or to an ADOPT of ``handle``, which stays the caller's to close.

        Raises Unreachable when none answers; then none lives.
        """
        asked = wire.json_frame(kind, request)
        async with self._turn:
            for _ in range(_TRIES):
                await self.ready()
                asked_of = self._control
                try:
                    async with asyncio.timeout(ANSWER_WITHIN):
                        answer = await self._ask(asked, handle)
                except TimeoutError:
                    break
                except OSError:
                    answer = None
                if answer is not None:
                    return answer
                # Nobody held our connection any more: nothing was started, and that parent is dead. Ask the next.
                if self._control is asked_of:
                    self._dead()
        raise Unreachable("the process that starts terminals does not answer; nothing was started")

    async def aclose(self) -> None:
        """End the parent; holders live on."""
        async with self._starting:
            self._dead()
            await self._bury()
            with contextlib.suppress(OSError):
                self.socket.unlink()

    async def _ask(self, asked: bytes, handle: int | None) -> dict[str, Any] | None:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            await asyncio.get_running_loop().sock_connect(connection, os.fspath(self.socket))
            begun = socket.send_fds(connection, [asked[:1]], [handle]) if handle is not None else 0
        except BaseException:
            connection.close()
            raise
        reader, writer = await asyncio.open_unix_connection(sock=connection)
        try:
            writer.write(asked[begun:])
            await writer.drain()
            decoder = wire.Decoder()
            while data := await reader.read(65536):
                for kind, payload in decoder.feed(data):
                    if kind == wire.RESULT:
                        return wire.parse_json(payload)
            return None
        except wire.Malformed as error:
            raise ConnectionError(str(error)) from error
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _start(self) -> None:
        main = Path(__file__).parent / "holder" / "__main__.py"
        ours, control = socket.socketpair()
        try:
            with control, self._listen() as listener:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    *("-P", "-E", "-S", "-X", "utf8", os.fspath(main)),
                    *(str(control.fileno()), str(listener.fileno())),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.DEVNULL,
                    env={name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ},
                    pass_fds=(control.fileno(), listener.fileno()),
                    start_new_session=True,
                )
        except OSError as error:
            ours.close()
            raise Broken(
                f"cannot start the process that starts terminals: {error.strerror or error}", path=str(self.socket)
            ) from error
        openfiles.as_before(self._process.pid)  # it has been asked for nothing yet
        ours.setblocking(False)
        self._control = ours
        asyncio.get_running_loop().add_reader(ours, self._dead)

    def _listen(self) -> socket.socket:
        """A socket under its final name at once, so that requests may queue before the parent is up."""
        fresh = self.socket.with_name(f".parent-{os.getpid()}")
        with contextlib.suppress(FileNotFoundError):
            fresh.unlink()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(os.fspath(fresh))
            fresh.chmod(0o600)
            listener.listen(128)
            fresh.rename(self.socket)
        except OSError:
            listener.close()
            raise
        return listener

    def _dead(self) -> None:
        """The control socket reached its end, or is given up: this parent takes no more requests."""
        control, self._control = self._control, None
        if control is not None:
            asyncio.get_running_loop().remove_reader(control)
            control.close()

    async def _bury(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            await process.wait()
