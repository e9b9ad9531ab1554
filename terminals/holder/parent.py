"""The preloaded parent: everything imported once, then one fork per terminal.

It ends when its control socket closes; the holders it forked live on. It takes one request per connection on its
listening socket (see :mod:`terminals.holder.wire`) and the new holder answers on that same connection, so that neither
a dead parent nor a dead orchestrator can lose or swap an answer.
"""

from __future__ import annotations

import contextlib
import gc
import os
import selectors
import signal
import socket
import time
from typing import Any

from terminals.holder import birth, wire
from terminals.holder.system import be_called, become_subreaper, ignore_signals

REQUEST_LIMIT = 16 << 20
"""Bytes of one request; an environment may take a few megabytes."""
REQUEST_WITHIN = 10.0


class _Asking:
    """A connection whose request is not complete yet."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self.socket = connection
        self.decoder = wire.Decoder(REQUEST_LIMIT)
        self.handed: list[int] = []
        self.by = time.monotonic() + REQUEST_WITHIN

    def close(self) -> None:
        self.socket.close()
        for handle in self.handed:
            os.close(handle)
        self.handed = []


class Parent:
    """Serves until ``control`` reaches its end. Single-threaded: forking is safe at any time."""

    def __init__(self, control: socket.socket, listener: socket.socket) -> None:
        self._control, self._listener = control, listener
        self._selector = selectors.DefaultSelector()
        self._asking: list[_Asking] = []
        self._umask = os.umask(0o077)
        self._wake, self._wake_write = os.pipe()

    def run(self) -> None:
        """Serve requests and reap holders."""
        become_subreaper()
        be_called("qd-holder")
        ignore_signals()
        for handle in (self._wake, self._wake_write):
            os.set_blocking(handle, False)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        self._listener.setblocking(False)
        self._control.setblocking(False)
        self._selector.register(self._wake, selectors.EVENT_READ, self._reap)
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self._control, selectors.EVENT_READ, None)
        # What lives now lives for ever: a collection in a holder must not touch, and so copy, what it shares with us.
        gc.collect()
        gc.freeze()
        while True:
            due = min((asking.by for asking in self._asking), default=None)
            timeout = None if due is None else max(0.0, due - time.monotonic())
            for key, _ in self._selector.select(timeout):
                if key.data is None:
                    if self._ended():
                        return
                elif isinstance(key.data, _Asking):
                    self._hear(key.data)
                else:
                    key.data()
            now = time.monotonic()
            for asking in [asking for asking in self._asking if now >= asking.by]:
                self._forget(asking)

    def _ended(self) -> bool:
        try:
            return not self._control.recv(4096)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self._wake, 512):
                pass
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            asking = _Asking(connection)
            self._asking.append(asking)
            self._selector.register(connection, selectors.EVENT_READ, asking)

    def _forget(self, asking: _Asking) -> None:
        self._asking.remove(asking)
        self._selector.unregister(asking.socket)
        asking.close()

    def _hear(self, asking: _Asking) -> None:
        try:
            data, handles, _, _ = socket.recv_fds(asking.socket, 1 << 16, 4)
        except BlockingIOError:
            return
        except OSError:
            data, handles = b"", []
        for handle in handles:
            os.set_inheritable(handle, False)
        asking.handed += handles
        request: tuple[int, dict[str, Any]] | None = None
        try:
            for kind, payload in asking.decoder.feed(data):
                request = kind, wire.parse_json(payload)
                break
        except wire.Malformed:
            data = b""
        if request is not None and self._valid(request[0], asking):
            self._fork(request[1], asking)
        elif request is not None or not data:
            self._forget(asking)

    @staticmethod
    def _valid(kind: int, asking: _Asking) -> bool:
        return (kind == wire.SPAWN and not asking.handed) or (kind == wire.ADOPT and len(asking.handed) == 1)

    def _fork(self, request: dict[str, Any], asking: _Asking) -> None:
        with contextlib.suppress(KeyError, TypeError, ValueError):  # the holder says what is wrong with it
            birth.replies(request)  # compiled here, once, it is memory all holders share
        try:
            pid = os.fork()
        except OSError as error:
            answer = {"error": "fork", "errno": error.errno or 0, "detail": error.strerror or ""}
            with contextlib.suppress(OSError):
                asking.socket.send(wire.json_frame(wire.RESULT, answer))
            self._forget(asking)
            return
        if pid:
            self._forget(asking)
            return
        try:
            self._leave(asking)
            birth.live(request, asking.socket, asking.handed[0] if asking.handed else None, self._umask)
        finally:
            os._exit(0)

    def _leave(self, mine: _Asking) -> None:
        """In the new holder: let go of everything that is the parent's."""
        signal.set_wakeup_fd(-1)
        self._selector.close()
        self._listener.close()
        self._control.close()
        os.close(self._wake)
        os.close(self._wake_write)
        for asking in self._asking:
            if asking is not mine:
                asking.close()
