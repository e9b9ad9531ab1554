"""Where processes that tmux starts for us report: the stub of a new pane, and the command at the end of a pane's pipe.

Both send one frame of :mod:`terminals.holder.wire`: the stub ``STUB`` with the token made for it, the pipe's command
(:mod:`terminals.holder.handover`) the ``ADOPT`` it would send to the parent, with the pipe attached by SCM_RIGHTS. It
is passed on to the parent from here, because an adopted screen must stand in the journal before the pipe's first byte.
Whoever comes under another uid or is not waited for is dropped. Where nobody listens, a pipe's command helps itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from quarterdeck.errors import Unreachable
from terminals.holder import wire

STUB = 67
"""Frame type: ASCII token."""
_PENDING = 256
"""Connections that have not reported yet; more are dropped."""
_LONGEST = 1 << 16


class Caller:
    """A process that reported. ``handle`` is the descriptor it handed over, -1 for none."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self.connection = connection
        self.decoder = wire.Decoder(_LONGEST)
        self.handle = -1
        self.request: dict[str, Any] = {}
        self.answered = False

    def receive(self) -> str | None:
        """Read once; who it is when the frame is complete, "" when it is nobody."""
        try:
            data, handles, _, _ = socket.recv_fds(self.connection, _LONGEST, 1)
        except BlockingIOError:
            return None
        except OSError:
            return ""
        for handle in handles:
            os.set_inheritable(handle, False)
            if self.handle >= 0:
                os.close(self.handle)
            self.handle = handle
        try:
            for kind, payload in self.decoder.feed(data):
                if kind == STUB:
                    return payload.decode("ascii", "replace")
                if kind == wire.ADOPT and self.handle >= 0:
                    self.request = wire.parse_json(payload)
                    return f"pipe {self.request.get('agent')}"
                return ""
        except wire.Malformed:
            return ""
        return None if data else ""

    def answer(self, result: dict[str, Any]) -> None:
        """Tell a pipe's command what became of it; it may be gone."""
        self.answered = True
        with contextlib.suppress(OSError):
            self.connection.send(wire.json_frame(wire.RESULT, result))

    def close(self) -> None:
        """Drop the connection and the descriptor; an unanswered pipe's command is told, or it would help itself."""
        if self.request and not self.answered:
            self.answer({"error": "unwanted", "errno": 0, "detail": ""})
        self.connection.close()
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1


class Gate:
    """A listening socket at ``path``, 0600. Open from :meth:`open` to :meth:`close`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._listener: socket.socket | None = None
        self._unknown: set[Caller] = set()
        self._expected: dict[str, asyncio.Future[Caller]] = {}

    def open(self) -> None:
        """Listen; a socket left by an earlier orchestrator is replaced. Raises OSError."""
        if self._listener is not None:
            return
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with contextlib.suppress(FileNotFoundError):
                self.path.unlink()
            listener.bind(os.fspath(self.path))
            self.path.chmod(0o600)
            listener.listen(_PENDING)
            listener.setblocking(False)
        except OSError:
            listener.close()
            raise
        self._listener = listener
        asyncio.get_running_loop().add_reader(listener, self._accept)

    def close(self) -> None:
        """Stop listening; whoever still waits gets :class:`Unreachable`."""
        if self._listener is None:
            return
        asyncio.get_running_loop().remove_reader(self._listener)
        self._listener.close()
        self._listener = None
        for caller in list(self._unknown):
            self._forget(caller)
            caller.close()
        for waiting in self._expected.values():
            if not waiting.done():
                waiting.set_exception(Unreachable("the orchestrator is going away; nothing was started"))
        with contextlib.suppress(OSError):
            self.path.unlink()

    @contextlib.contextmanager
    def expect(self, who: str) -> Iterator[asyncio.Future[Caller]]:
        """The report of ``who`` to come: a stub's token, or ``pipe`` and the agent. It is closed at the end."""
        report: asyncio.Future[Caller] = asyncio.get_running_loop().create_future()
        self._expected[who] = report
        try:
            yield report
        finally:
            if self._expected.get(who) is report:
                del self._expected[who]
            if not report.cancel() and not report.cancelled() and report.exception() is None:
                report.result().close()

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        if len(self._unknown) >= _PENDING or not _is_own(connection):
            connection.close()
            return
        caller = Caller(connection)
        self._unknown.add(caller)
        asyncio.get_running_loop().add_reader(connection, self._hear, caller)

    def _hear(self, caller: Caller) -> None:
        who = caller.receive()
        if who is None:
            return
        self._forget(caller)
        expected = self._expected.get(who)
        if expected is None or expected.done():
            caller.close()
        else:
            expected.set_result(caller)

    def _forget(self, caller: Caller) -> None:
        self._unknown.discard(caller)
        asyncio.get_running_loop().remove_reader(caller.connection)


def _is_own(connection: socket.socket) -> bool:
    """Whether the peer runs under our uid (the folder is 0700 as well; where the kernel does not say, that is all)."""
    if sys.platform != "linux":
        return True
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    uid: int = struct.unpack("iII", credentials)[1]
    return uid == os.getuid()
