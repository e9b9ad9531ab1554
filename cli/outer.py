"""The terminal a person sits at, while ``attach`` has it: raw, on its alternate screen, with the agent's modes.

It is opened a second time by name, so that making it non-blocking does not touch the descriptor the shell shares.
Everything that is switched on is remembered and switched off by :meth:`Outer.leave`, whatever ends the attachment.
"""

from __future__ import annotations

import asyncio
import os
import select
import sys
import termios
import time
import tty
from collections.abc import Callable

from quarterdeck.errors import Invalid
from quarterdeck.rows import Modes
from quarterdeck.text import safe

_LEAVE_SECONDS = 1.0
_MOUSE = {9: "9", 1000: "1000", 1002: "1002", 1003: "1003"}
_ENTER = (
    "\x1b[?1049h\x1b[22;2t\x1b[?1007s"  # alternate screen; keep the title and the wheel's mode
    "\x1b[?1007l\x1b[?1l\x1b>\x1b[?2004l\x1b[?7l\x1b[r\x1b(B\x0f\x1b[m\x1b[H\x1b[2J"
)
_LEAVE = "\x1b[m\x1b[r\x1b[?7h\x1b[0 q\x1b[?25h\x1b[?1007r\x1b[23;2t\x1b[?1049l"


class Outer:
    """A person's terminal. ``rich``: it is known to take true colour and underline kinds."""

    def __init__(self) -> None:
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise Invalid(
                "attach needs a terminal on stdin and stdout", hint="quarterdeck show AGENT prints the screen"
            )
        try:
            name = os.ttyname(sys.stdout.fileno())
        except OSError:
            name = "/dev/tty"
        self._fd = os.open(name, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        self._saved = termios.tcgetattr(self._fd)
        self._inside = False
        self._modes = Modes()
        self._title = ""
        self._kitty_pushed = False
        environ = os.environ
        self.rich = (
            environ.get("COLORTERM", "").lower() in ("truecolor", "24bit")
            or "TMUX" in environ
            or environ.get("TERM", "").startswith(
                ("tmux", "xterm-kitty", "xterm-ghostty", "foot", "alacritty", "wezterm")
            )
        )

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines, as they are now."""
        try:
            size = os.get_terminal_size(self._fd)
        except OSError:
            return 80, 24
        return max(1, size.columns), max(1, size.lines)

    def enter(self) -> None:
        """Raw mode and the alternate screen; what was typed ahead is kept for the agent."""
        if self._inside:
            return
        self._inside = True
        self._modes, self._title, self._kitty_pushed = Modes(), "", False
        tty.setraw(self._fd, termios.TCSADRAIN)
        self._write_now(_ENTER)

    def leave(self) -> None:
        """Give the terminal back as it was. Safe to call more than once, and where the terminal is gone."""
        if not self._inside:
            return
        self._inside = False
        off = self._mode_changes(Modes()) + ("\x1b[<u" if self._kitty_pushed else "")
        try:
            # what a stalled terminal has not taken yet is worthless now, and would make the next write wait
            termios.tcflush(self._fd, termios.TCOFLUSH)
            self._write_now("\x1b\\\x1b[?2026l" + off + _LEAVE)
            termios.tcflush(self._fd, termios.TCIFLUSH)  # mouse and focus reports nobody waits for
            termios.tcsetattr(self._fd, termios.TCSANOW, self._saved)
        except (OSError, termios.error):
            return  # the terminal itself is gone

    def close(self) -> None:
        """Leave, and let go of the terminal."""
        self.leave()
        os.close(self._fd)

    def mirror(self, modes: Modes, title: str) -> str:
        """What to write so that the terminal encodes keys, mouse and pastes as the agent expects."""
        out = self._mode_changes(modes)
        title = safe(title)
        if title != self._title:
            self._title = title
            out += f"\x1b]2;{title}\x1b\\"
        return out

    def _mode_changes(self, modes: Modes) -> str:
        old, self._modes = self._modes, modes
        if old == modes:
            return ""
        out: list[str] = []

        def switch(code: str, before: bool, after: bool) -> None:
            if before != after:
                out.append(f"\x1b[?{code}{'h' if after else 'l'}")

        switch("1", old.app_cursor, modes.app_cursor)
        switch("2004", old.bracketed_paste, modes.bracketed_paste)
        switch("1004", old.focus_events, modes.focus_events)
        switch("1007", old.alternate_scroll and old.alt_screen, modes.alternate_scroll and modes.alt_screen)
        if old.app_keypad != modes.app_keypad:
            out.append("\x1b=" if modes.app_keypad else "\x1b>")
        if old.mouse != modes.mouse:
            out += [f"\x1b[?{_MOUSE[old.mouse]}l"] if old.mouse in _MOUSE else []
            out += [f"\x1b[?{_MOUSE[modes.mouse]}h"] if modes.mouse in _MOUSE else []
        switch("1006", old.sgr_mouse, modes.sgr_mouse)
        if old.kitty != modes.kitty:
            if not self._kitty_pushed:
                self._kitty_pushed = True
                out.append("\x1b[>0u")
            out.append(f"\x1b[={modes.kitty & 31};1u")
        return "".join(out)

    def read(self) -> bytes | None:
        """What was typed; None when the terminal is gone, empty when there is nothing now."""
        try:
            return os.read(self._fd, 65536) or None
        except BlockingIOError:
            return b""
        except OSError:
            return None

    def on_input(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` on the running loop whenever there is something to read."""
        asyncio.get_running_loop().add_reader(self._fd, callback)

    def ignore_input(self) -> None:
        """Stop what :meth:`on_input` began."""
        asyncio.get_running_loop().remove_reader(self._fd)

    async def write(self, text: str) -> bool:
        """Write all of ``text``, waiting for a slow terminal. One caller at a time. False when the terminal is gone."""
        data = memoryview(text.encode("utf-8", "replace"))
        loop = asyncio.get_running_loop()
        while data:
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:
                writable: asyncio.Future[None] = loop.create_future()
                loop.add_writer(self._fd, _done, writable)
                try:
                    await writable
                finally:
                    loop.remove_writer(self._fd)
            except OSError:
                return False
        return True

    def _write_now(self, text: str) -> None:
        """Write without a loop, for at most a second: a terminal that takes nothing must not keep us."""
        data = memoryview(text.encode())
        end = time.monotonic() + _LEAVE_SECONDS
        while data and time.monotonic() < end:
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:
                select.select([], [self._fd], [], 0.1)
            except OSError:
                return


def _done(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
