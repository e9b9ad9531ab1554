"""The outer terminal: raw input without polling, the keyboard protocols asked for, and its real cursor."""

from __future__ import annotations

import contextlib
import os
import selectors
import sys
import termios
import threading
import tty
from collections.abc import Callable
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, TextIO, cast

from textual import events, messages
from textual._ansi_sequences import SYNC_END, SYNC_START
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from quarterdeck.keys import ALT, CTRL, SHIFT, KeyPress
from quarterdeck.rows import Cursor
from tui.names import textual_name
from tui.typed import Attributes, Background, Focused, Parser, Pasted, Pointer, Report, Scheme, Typed

if TYPE_CHECKING:
    from textual.app import App

KEYBOARD_ON = "\x1b[=5;1u\x1b[>4;1m"
"""Kitty keyboard flags 1 and 4 (unambiguous keys, base layout) in place of Textual's; xterm's modifyOtherKeys 1."""
KEYBOARD_OFF = "\x1b[>4m"
KEYBOARD_ANEW = f"{SYNC_END}\x1b[<99u\x1b[>1u"
"""No frame half drawn, nothing on the stack of keyboard flags but an entry of ours, which the end takes off again."""
GIVEN_BACK = (
    f"{SYNC_END}{KEYBOARD_OFF}\x1b[<99u\x1b[0 q\x1b[?2004l\x1b[?7h\x1b[?2048l"
    "\x1b[?2031l\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?1016l\x1b[?1049l\x1b[?25h\x1b[?1004l\x1b[0m"
)
"""Every mode a client may have set, off; the alternate screen is left last of what belongs to it."""
ASK_COLORS = "\x1b]11;?\x1b\\\x1b[c"
"""What the background is; what the terminal is, which each one answers, so that no other answer is waited for."""
TELL_COLORS, TELL_NO_COLORS = "\x1b[?2031h", "\x1b[?2031l"
_LAST_WORDS = 0.2
"""Seconds an answer is waited for at the end, so that it is not typed into the shell."""
_SHAPES = {"block": 2, "underline": 4, "bar": 6}
_SYNCHRONIZED = 2026
_POINTERS: dict[str, type[events.MouseEvent]] = {
    "press": events.MouseDown,
    "release": events.MouseUp,
    "move": events.MouseMove,
    "wheel_up": events.MouseScrollUp,
    "wheel_down": events.MouseScrollDown,
    "wheel_left": events.MouseScrollLeft,
    "wheel_right": events.MouseScrollRight,
}


class Key(events.Key):
    """A key that also carries what was pressed in the form the orchestrator takes. Textual dispatches by class name."""

    def __init__(self, press: KeyPress) -> None:
        super().__init__(*textual_name(press))
        self.press = press


class Surroundings(Message):
    """What the outer terminal tells of its colours: its ``background``, or whether they are ``dark`` from now on."""

    def __init__(self, *, background: int | None = None, dark: bool | None = None) -> None:
        super().__init__()
        self.background = background
        self.dark = dark


class _Outlet:
    """The outer terminal's file. Once it is gone, what is written is dropped: nobody can wait for it any more."""

    def __init__(self, file: TextIO, gone: Callable[[], None]) -> None:
        self._file = file
        self._gone = gone

    def write(self, text: str) -> None:
        """Write, or find that there is nothing to write to."""
        try:
            self._file.write(text)
        except OSError:
            self._gone()

    def flush(self) -> None:
        """Flush, likewise."""
        try:
            self._file.flush()
        except OSError:
            self._gone()

    def fileno(self) -> int:
        """The file's descriptor."""
        return self._file.fileno()


class Terminal(LinuxDriver):
    """Textual's driver with input of our own: no wake-up while nothing is typed, every key told apart."""

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        assert sys.__stderr__ is not None
        self._file = cast("TextIOWrapper", _Outlet(sys.__stderr__, self._hang_up))
        self._wake_read, self._wake_write = os.pipe()
        self._cursor: Cursor | None = None
        self._cursor_shown = False
        self._last = (0, 0)
        self.synchronized = False
        """Whether the outer terminal holds its screen between the two marks of mode 2026."""
        self._answered = threading.Event()
        """Set while no answer of the outer terminal is under way."""
        self._answered.set()
        self._away = False
        self._taken = False
        """Whether the outer terminal is in our modes."""

    @property
    def away(self) -> bool:
        """Whether the outer terminal is another program's for now."""
        return self._away

    def suspend_application_mode(self) -> None:
        """Leave the outer terminal to another program; what is drawn meanwhile is dropped."""
        super().suspend_application_mode()
        self._away = True

    def resume_application_mode(self) -> None:
        """Take it back; everything has to be drawn anew."""
        self._cursor, self._cursor_shown = None, False
        super().resume_application_mode()

    def start_application_mode(self) -> None:
        """Textual's, then the keyboard protocols this client wants.

        A client that was killed left its modes behind: what it had asked of the keyboard is dropped, and a terminal
        that is raw before we begin is given back as a shell wants it.
        """
        self._taken, self._away = True, False
        super().start_application_mode()  # type: ignore[no-untyped-call]
        self.attrs_before = _cooked(self.attrs_before)
        self.write(KEYBOARD_ANEW + KEYBOARD_ON)
        if _speaks():
            self._answered.clear()
            self.write(TELL_COLORS + ASK_COLORS)

    def stop_application_mode(self) -> None:
        """Give the outer terminal back as it was."""
        self._answered.wait(_LAST_WORDS)
        self.write(SYNC_END + TELL_NO_COLORS + KEYBOARD_OFF + "\x1b[0 q\x1b[?25h")
        super().stop_application_mode()
        self._taken, self._away = False, True

    def give_back(self) -> None:
        """Give the outer terminal back once nothing else runs any more, where that did not happen in good order."""
        if not self._taken:
            return
        self._taken = False
        with contextlib.suppress(termios.error, OSError):
            termios.tcflush(self.fileno, termios.TCIFLUSH)
            if self.attrs_before is not None:
                termios.tcsetattr(self.fileno, termios.TCSANOW, self.attrs_before)
        assert sys.__stderr__ is not None
        with contextlib.suppress(OSError):
            os.write(sys.__stderr__.fileno(), GIVEN_BACK.encode())

    def disable_input(self) -> None:
        """End the input thread, which otherwise waits for a byte."""
        self._stir()
        super().disable_input()

    def close(self) -> None:
        """Stop writing and close the wake-up pipe."""
        super().close()
        for end in (self._wake_read, self._wake_write):
            with contextlib.suppress(OSError):
                os.close(end)
        self._wake_read, self._wake_write = os.pipe() if self._auto_restart and not self._app._exit else (-1, -1)

    def _stir(self) -> None:
        with contextlib.suppress(OSError):
            os.write(self._wake_write, b"x")

    # output

    def show_cursor(self, cursor: Cursor | None, x: int = 0, y: int = 0) -> None:
        """Put the outer terminal's own cursor at a cell, in the shape of ``cursor``; None hides it."""
        wanted = cursor if cursor is not None and cursor.visible else None
        if wanted is None:
            if self._cursor_shown:
                self._cursor, self._cursor_shown = None, False
                self._put("\x1b[?25l")
            return
        shape = ""
        if self._cursor is None or (wanted.shape, wanted.blink) != (self._cursor.shape, self._cursor.blink):
            shape = f"\x1b[{_SHAPES.get(wanted.shape, 2) - bool(wanted.blink)} q"
        show = "" if self._cursor_shown else "\x1b[?25h"
        if shape or show or self._last != (x, y):
            self._put(f"\x1b[{y + 1};{x + 1}H{shape}{show}")
        self._cursor, self._cursor_shown, self._last = wanted, True, (x, y)

    def write(self, data: str) -> None:
        """Write; a painted frame hides the cursor while it moves over the screen."""
        if self._cursor_shown and len(data) > 8 and data not in (SYNC_START, SYNC_END):
            data = f"\x1b[?25l{data}\x1b[{self._last[1] + 1};{self._last[0] + 1}H\x1b[?25h"
        self._put(data)

    def _put(self, data: str) -> None:
        if not self._away:
            super().write(data)

    def write_frame(self, data: str) -> None:
        """Write positioned lines at once where the outer terminal can hold its screen until they are complete."""
        self.write(f"{SYNC_START}{data}{SYNC_END}" if self.synchronized else data)

    def call(self, data: str) -> None:
        """Ring or notify: moves nothing on the screen."""
        self._put(data)

    # input

    def _run_input_thread(self) -> None:
        """Textual's, which would print a traceback of its own."""
        try:
            self.run_input_thread()
        except Exception as error:  # noqa: BLE001  without its keys the client cannot go on
            with contextlib.suppress(RuntimeError):  # the loop has ended already
                self._loop.call_soon_threadsafe(self._app._handle_exception, error)

    def run_input_thread(self) -> None:
        """Read until told to end; blocks while nothing is typed and no sequence waits for its rest."""
        parser = Parser(_escape_patience(), expecting=_speaks())
        with selectors.DefaultSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            selector.register(self._wake_read, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                ready = {key.fd for key, _ in selector.select(parser.wait)}
                if self._wake_read in ready:
                    os.read(self._wake_read, 64)
                    break
                if self.fileno in ready:
                    try:
                        data = os.read(self.fileno, 1 << 14)
                    except OSError:
                        data = b""
                    if not data:
                        self._hang_up()
                        break
                    found = parser.feed(data)
                else:
                    found = parser.settle()
                for value in found:
                    if (message := self._message(value)) is not None:
                        self.process_message(message)

    def _hang_up(self) -> None:
        """The outer terminal is gone: this client ends, the agents do not care. Called from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended already
            self._loop.call_soon_threadsafe(self._app.exit)

    def _message(self, value: Typed) -> Message | None:
        match value:
            case KeyPress():
                return Key(value)
            case Pasted(text):
                return events.Paste(text)
            case Focused(inside):
                return events.AppFocus() if inside else events.AppBlur()
            case Report(mode, setting):
                if mode != _SYNCHRONIZED or not setting:
                    return None
                self.synchronized = True
                return messages.TerminalSupportsSynchronizedOutput()
            case Pointer():
                return self._pointer(value)
            case Background(color):
                return Surroundings(background=color)
            case Scheme(dark):
                self._put(ASK_COLORS)
                return Surroundings(dark=dark)
            case Attributes():
                self._answered.set()
        return None

    def _pointer(self, pointer: Pointer) -> events.MouseEvent:
        before = self._last_move_event
        delta_x, delta_y = (pointer.x - before.x, pointer.y - before.y) if before else (0, 0)
        return _POINTERS[pointer.action](
            None,
            pointer.x,
            pointer.y,
            delta_x,
            delta_y,
            pointer.button,
            bool(pointer.mods & SHIFT),
            bool(pointer.mods & ALT),
            bool(pointer.mods & CTRL),
            screen_x=pointer.x,
            screen_y=pointer.y,
        )


def _cooked(attrs: list[Any] | None) -> list[Any] | None:
    """Terminal attributes as a shell has them, where these are what a killed program left: no lines, no echo."""
    if attrs is None or attrs[tty.LFLAG] & (termios.ICANON | termios.ECHO):
        return attrs
    attrs = list(attrs)
    attrs[tty.IFLAG] |= termios.ICRNL | termios.IXON
    attrs[tty.OFLAG] |= termios.OPOST | termios.ONLCR
    attrs[tty.LFLAG] |= termios.ICANON | termios.ECHO | termios.ECHOE | termios.ECHOK | termios.ISIG | termios.IEXTEN
    return attrs


def _speaks() -> bool:
    """Whether the outer terminal takes questions; consoles may show them instead."""
    return os.environ.get("TERM", "") not in ("", "linux", "dumb", "unknown")


def _escape_patience() -> float:
    """Seconds to wait for the rest of a sequence after ESC; ``ESCDELAY`` (milliseconds) as curses knows it."""
    digits = os.environ.get("ESCDELAY", "")
    return max(1, int(digits)) / 1000 if digits.isdigit() else 0.02


def usable() -> bool:
    """Whether standard input and error are a terminal the driver can use."""
    return bool(sys.__stdin__ and sys.__stdin__.isatty() and sys.__stderr__ and sys.__stderr__.isatty())
