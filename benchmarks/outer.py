"""Outer terminals: programs in PTYs of a given size, read as fast as they write.

Everything happens on the caller's thread: whoever waits for one terminal reads all of them, so that no program ever
stalls because nobody looks at it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import selectors
import signal
import struct
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from quarterdeck.process import Identity, alive, identity

READ = 1 << 18
RECENT = 1 << 15
_ANSWERS = {b"\x1b[?2026$p": b"\x1b[?2026;2$y", b"\x1b[c": b"\x1b[?62;22c"}
"""What a present-day terminal says of itself: it knows synchronized output, and what it is (DA1)."""


class Outer:
    """One program in a PTY of ``cols`` x ``lines``; made by :meth:`Outers.open`."""

    def __init__(self, argv: Sequence[str], cols: int, lines: int, environ: Mapping[str, str], cwd: str) -> None:
        pid, self.fd = pty.fork()
        if pid == 0:
            try:
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", lines, cols, 0, 0))
                os.chdir(cwd)
                os.execvpe(argv[0], list(argv), dict(environ))
            finally:
                os._exit(127)
        found = identity(pid)
        assert found, f"{argv[0]} did not start"
        self.who: Identity = found
        self.taken = 0
        """Bytes read so far."""
        self.recent = b""
        """The end of what was read."""
        self.hears: Callable[[bytes], object] = len
        """Is given all that is read."""
        self._wanted = b""
        self._tail = b""
        self._found = 0.0

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.who.pid

    def send(self, data: bytes) -> None:
        """Type ``data``."""
        while data:
            data = data[os.write(self.fd, data) :]

    def want(self, token: bytes) -> None:
        """From now on look for ``token`` in what it writes."""
        self._wanted, self._tail, self._found = token, b"", 0.0

    @property
    def found(self) -> float:
        """When the wanted token was read (time.monotonic), 0 while it was not."""
        return self._found

    def take(self) -> bool:
        """Read once; False when the program is gone."""
        try:
            data = os.read(self.fd, READ)
        except OSError:
            return False
        now = time.monotonic()
        if not data:
            return False
        self.taken += len(data)
        self.hears(data)
        self.recent = (self.recent + data)[-RECENT:]
        for query, answer in _ANSWERS.items():
            if query in data:
                self.send(answer)
        if self._wanted and not self._found:
            text = self._tail + data
            if self._wanted in text:
                self._found = now
            self._tail = text[-len(self._wanted) :]
        return True


class Outers:
    """All outer terminals of one measurement."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._open: list[Outer] = []

    def open(
        self, argv: Sequence[str], *, cols: int = 120, lines: int = 40, environ: Mapping[str, str], cwd: str = "/"
    ) -> Outer:
        """Run ``argv`` in a new terminal."""
        outer = Outer(argv, cols, lines, environ, cwd)
        self._selector.register(outer.fd, selectors.EVENT_READ, outer)
        self._open.append(outer)
        return outer

    def pump(self, seconds: float, until: Callable[[], object] = lambda: None) -> bool:
        """Read everything for so many ``seconds``, or until ``until()`` is true; whether it was."""
        deadline = time.monotonic() + seconds
        while not until():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            for key, _ in self._selector.select(left):
                if not key.data.take():
                    self._selector.unregister(key.fd)
        return True

    def until(self, condition: Callable[[], object], what: str, seconds: float = 60.0, poll: float = 0.01) -> None:
        """Read everything until ``condition()``, asked every ``poll`` seconds, is true."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"never happened: {what}"
            self.pump(poll)

    def expect(self, outer: Outer, token: bytes, seconds: float = 60.0) -> float:
        """Read until ``outer`` has shown ``token``, just now or then; when it was read (at the latest)."""
        if token in outer.recent:
            return time.monotonic()
        outer.want(token)
        return self.wait(outer, seconds)

    def wait(self, outer: Outer, seconds: float = 60.0) -> float:
        """Read until the token ``outer`` wants was there; when it was."""
        shown = self.pump(seconds, lambda: outer.found)
        assert shown, f"{outer._wanted!r} was never shown; the last that was: {outer.recent[-400:]!r}"
        return outer.found

    def key(self, outer: Outer, key: bytes, token: bytes, seconds: float = 10.0) -> float:
        """Type ``key`` and read until ``token`` is shown; milliseconds between."""
        outer.want(token)
        began = time.monotonic()
        outer.send(key)
        return (self.wait(outer, seconds) - began) * 1000

    def close(self, outer: Outer, number: int = signal.SIGKILL) -> None:
        """End one program and wait for it."""
        if outer not in self._open:
            return
        self._open.remove(outer)
        with contextlib.suppress(ProcessLookupError):
            os.kill(outer.pid, number)
        with contextlib.suppress(KeyError):
            self._selector.unregister(outer.fd)
        os.close(outer.fd)
        deadline = time.monotonic() + 10
        while os.waitpid(outer.pid, os.WNOHANG) == (0, 0):
            if time.monotonic() > deadline and alive(outer.who):
                os.kill(outer.pid, signal.SIGKILL)
            time.sleep(0.005)

    def close_all(self) -> None:
        """End all programs."""
        for outer in list(self._open):
            self.close(outer)
        self._selector.close()


@contextlib.contextmanager
def outers() -> Iterator[Outers]:
    """Outer terminals that are all gone afterwards."""
    made = Outers()
    try:
        yield made
    finally:
        made.close_all()
