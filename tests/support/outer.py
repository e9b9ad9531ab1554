"""An outer terminal: a PTY with the real emulator behind it, which answers what the program in it asks."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from terminals.screen import Screen

PATIENCE = 30.0
MODES = (1, 7, 9, 25, 47, 1000, 1002, 1003, 1004, 1006, 1015, 1016, 1049, 2004, 2026, 2027, 2031, 2048)


class Outer:
    """Runs programs one after the other on one terminal, as a shell does. ``close`` ends what is left."""

    def __init__(self, cols: int = 100, lines: int = 30) -> None:
        self.master, self.slave = os.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, cols, 0, 0))
        self.screen = Screen(cols, lines)
        self.written = b""
        """All that programs wrote."""
        self.process: subprocess.Popen[bytes] | None = None

    def run(self, argv: Sequence[str], environ: Mapping[str, str]) -> None:
        """Start a program in a session of its own with this terminal."""
        self.process = subprocess.Popen(
            argv,
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            env=dict(environ),
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )

    def state(self) -> dict[Any, Any]:
        """Everything a program can have changed: the line discipline, modes, keyboard flags, screen, cursor shape."""
        found: dict[Any, Any] = {"attributes": termios.tcgetattr(self.slave), "modes": self.screen.modes}
        for mode in MODES:
            found[mode] = self.screen.feed(f"\x1b[?{mode}$p".encode()).replies
        found["kitty"] = self.screen.feed(b"\x1b[?u").replies
        return found

    def pump(self, seconds: float = 0.0) -> bool:
        """Take what was written and answer it; whether there was anything."""
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.master, 1 << 16)
        except OSError:
            return False
        self.written += data
        if replies := self.screen.feed(data).replies:
            os.write(self.master, replies)
        return bool(data)

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        """Pump until ``condition`` holds."""
        end = time.monotonic() + PATIENCE
        while not (value := condition()):
            assert time.monotonic() < end, f"never happened: {what}\n{self.screen.text()}\n{self.written[-2000:]!r}"
            self.pump(0.02)
        return value

    def shows(self, text: str) -> str:
        """Wait until ``text`` stands on the screen."""
        self.until(lambda: text in self.screen.text(), f"{text!r} on the screen")
        return self.screen.text()

    def type(self, data: bytes) -> None:
        """Type bytes."""
        os.write(self.master, data)

    def end(self) -> int:
        """Wait for the program's end and take all it wrote; its exit status."""
        process = self.process
        assert process is not None
        status = self.until(lambda: None if process.poll() is None else (process.returncode,), "its end")[0]
        while self.pump():
            pass
        return int(status)

    def close(self) -> None:
        """End what still runs, and the terminal."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        self.screen.close()
        for end in (self.master, self.slave):
            with contextlib.suppress(OSError):
                os.close(end)
