"""The one place that touches libghostty-vt: every key wrapped once, with the out-type its header names.

``ghostty_*_get`` writes through a ``void *``: a wrong out-type does not fail, it overwrites the heap. So nothing
outside this module and ``rows`` calls a raw getter. A terminal may be touched by one thread at a time, whichever;
overlapping calls crash the process.
"""

from __future__ import annotations

import struct
import weakref
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, NamedTuple

from quarterdeck.rows import Cursor, Modes
from terminals.screen.library import ffi, lib
from terminals.screen.reports import Report

EMULATOR = f"pyghostty {version('pyghostty')}"
"""Names the emulator and its version; a snapshot of another one is restored from its rendering."""

CELL_WIDTH, CELL_HEIGHT = 8, 16
"""Pixels of a cell, for programs that ask; what people see is decided by their own terminal."""

FOREGROUND, BACKGROUND = (0xD8, 0xD8, 0xD8), (0x12, 0x12, 0x12)
"""Answers to OSC 10 and 11: a dark terminal."""

CONTINUATION_LIMIT = 64 << 10
"""Bytes of an unfinished sequence that a snapshot can carry."""

UNKNOWN_LIMIT = 4096
"""Bytes kept of a sequence the emulator does not know (OSC 7501)."""

TEXT_LIMIT = 4096
CLIPBOARD_LIMIT = 1 << 20
REPLIES_LIMIT = 64 << 10
"""Bytes of replies kept of one feed: a program that asks more at once does not read them either."""
BELLS_LIMIT = 1000
"""Bell characters in one feed beyond which they are not heard one by one; each costs a callback."""
HISTORY_BYTES = 32 << 20
"""Scrollback bound in bytes beside the one in lines: styled rows of a wide terminal are large."""

TERMINFO = b"xterm-256color"
NAME = b"quarterdeck"

_READY, _PAGE = 5, 3
_ENVELOPE = 10
_RECORD = struct.Struct("<HII")


class EmulatorError(RuntimeError):
    """The emulator refused a call; ``result`` is its GhosttyResult."""

    def __init__(self, what: str, result: int) -> None:
        super().__init__(f"{what}: result {result}")
        self.result = result


class Unfinished(EmulatorError):
    """A snapshot was asked for inside a sequence that is too long to be kept."""


class Unreadable(EmulatorError):
    """A snapshot is damaged or of another format."""


class Sink:
    """What the callbacks of one terminal fill while it is fed."""

    def __init__(self) -> None:
        self.replies = bytearray()
        self.reports: list[Report] = []
        self.cols = self.lines = 0
        self.held = False
        self.holds = 0
        """How many synchronized updates have begun."""
        self.hold: Callable[[], None] | None = None
        """Called when synchronized output begins, to keep the picture before it."""
        self.unknown: Callable[[bytes, bool, Sink], None] | None = None
        self.error: BaseException | None = None


def _text(string: Any, limit: int = TEXT_LIMIT) -> str:
    size = min(string.len, limit)
    return bytes(ffi.buffer(string.ptr, size)).decode("utf-8", "replace") if size else ""


def _failed(kind: Any, error: BaseException, trace: Any) -> None:
    # cffi prints and swallows what a callback raises; the sink is found in the callback's frame.
    frame = trace.tb_frame if trace is not None else None
    sink = frame.f_locals.get("sink") if frame is not None else None
    if isinstance(sink, Sink) and sink.error is None:
        sink.error = error


def _callback(signature: str, error: Any = None) -> Callable[[Any], Any]:
    def wrap(function: Any) -> Any:
        if error is None:
            return ffi.callback(signature, function, onerror=_failed)
        return ffi.callback(signature, function, error=error, onerror=_failed)

    return wrap


@_callback("GhosttyTerminalWritePtyFn")
def _on_reply(terminal: Any, user: Any, data: Any, size: int) -> None:
    sink: Sink = ffi.from_handle(user)
    reply = bytes(ffi.buffer(data, size))
    if reply.startswith((b"\x1b]5522", b"\x1b]99", b"\x1b]72")):  # these echo an id the program chose
        return
    if len(sink.replies) < REPLIES_LIMIT:
        sink.replies += reply


@_callback("GhosttyTerminalBellFn")
def _on_bell(terminal: Any, user: Any) -> None:
    sink: Sink = ffi.from_handle(user)
    sink.reports.append(Report("bell", {}))


@_callback("GhosttyTerminalTitleChangedFn")
def _on_title(terminal: Any, user: Any) -> None:
    sink: Sink = ffi.from_handle(user)
    out = ffi.new("GhosttyString*")
    if lib.ghostty_terminal_get(terminal, lib.GHOSTTY_TERMINAL_DATA_TITLE, out) == 0:
        sink.reports.append(Report("title", {"title": _text(out[0])}))


@_callback("GhosttyTerminalPwdChangedFn")
def _on_cwd(terminal: Any, user: Any) -> None:
    sink: Sink = ffi.from_handle(user)
    out = ffi.new("GhosttyString*")
    if lib.ghostty_terminal_get(terminal, lib.GHOSTTY_TERMINAL_DATA_PWD, out) == 0:
        sink.reports.append(Report("cwd", {"cwd": _text(out[0])}))


@_callback("GhosttyTerminalDesktopNotificationFn")
def _on_notification(terminal: Any, user: Any, note: Any) -> None:
    sink: Sink = ffi.from_handle(user)
    sink.reports.append(Report("notify", {"title": _text(note.title), "body": _text(note.body)}))


_PROGRESS = ("remove", "set", "error", "indeterminate", "pause")


@_callback("GhosttyTerminalProgressReportFn")
def _on_progress(terminal: Any, user: Any, report: Any) -> None:
    sink: Sink = ffi.from_handle(user)
    data: dict[str, str | int] = {"state": _PROGRESS[report.state]}
    if report.progress >= 0:
        data["progress"] = report.progress
    sink.reports.append(Report("progress", data))


@_callback("GhosttyTerminalClipboardWriteFn")
def _on_clipboard(terminal: Any, user: Any, write: Any) -> None:
    # No reply is given: the protocols that wait for one take that as a refusal.
    sink: Sink = ffi.from_handle(user)
    place = ("clipboard", "selection", "primary")[write.location]
    text = ""
    for index in range(write.contents_len):
        if _text(write.contents[index].mime).startswith("text/plain"):
            if write.contents[index].data.len > CLIPBOARD_LIMIT:
                return
            text = _text(write.contents[index].data, CLIPBOARD_LIMIT)
    sink.reports.append(Report("clipboard", {"place": place, "text": text}))


@_callback("GhosttyTerminalUnknownSequenceFn")
def _on_unknown(terminal: Any, user: Any, sequence: Any) -> None:
    sink: Sink = ffi.from_handle(user)
    if sequence.tag != lib.GHOSTTY_TERMINAL_UNKNOWN_SEQUENCE_OSC or sink.unknown is None:
        return
    osc = sequence.value.osc
    sink.unknown(bytes(ffi.buffer(osc.content.ptr, osc.content.len)) if osc.content.len else b"", osc.truncated, sink)


@_callback("GhosttyTerminalSizeFn", error=False)
def _on_size(terminal: Any, user: Any, out: Any) -> bool:
    sink: Sink = ffi.from_handle(user)
    out.rows, out.columns, out.cell_width, out.cell_height = sink.lines, sink.cols, CELL_WIDTH, CELL_HEIGHT
    return True


@_callback("GhosttyTerminalColorSchemeFn", error=False)
def _on_color_scheme(terminal: Any, user: Any, out: Any) -> bool:
    out[0] = lib.GHOSTTY_COLOR_SCHEME_DARK
    return True


_NAME = ffi.new("uint8_t[]", NAME)
_TERMINFO = ffi.new("uint8_t[]", TERMINFO)


@_callback("GhosttyTerminalXtversionFn")
def _on_version(terminal: Any, user: Any) -> Any:
    return ffi.new("GhosttyString*", {"ptr": _NAME, "len": len(NAME)})[0]


@_callback("GhosttyTerminalRenderHoldFn")
def _on_hold(terminal: Any, user: Any, held: bool) -> None:
    sink: Sink = ffi.from_handle(user)
    if held and not sink.held:
        sink.holds += 1
        if sink.hold is not None:
            sink.hold()
    sink.held = held


_CALLBACKS = (
    (lib.GHOSTTY_TERMINAL_OPT_WRITE_PTY, _on_reply),
    (lib.GHOSTTY_TERMINAL_OPT_BELL, _on_bell),
    (lib.GHOSTTY_TERMINAL_OPT_TITLE_CHANGED, _on_title),
    (lib.GHOSTTY_TERMINAL_OPT_PWD_CHANGED, _on_cwd),
    (lib.GHOSTTY_TERMINAL_OPT_DESKTOP_NOTIFICATION, _on_notification),
    (lib.GHOSTTY_TERMINAL_OPT_PROGRESS_REPORT, _on_progress),
    (lib.GHOSTTY_TERMINAL_OPT_CLIPBOARD_WRITE, _on_clipboard),
    (lib.GHOSTTY_TERMINAL_OPT_UNKNOWN_SEQUENCE, _on_unknown),
    (lib.GHOSTTY_TERMINAL_OPT_SIZE, _on_size),
    (lib.GHOSTTY_TERMINAL_OPT_COLOR_SCHEME, _on_color_scheme),
    (lib.GHOSTTY_TERMINAL_OPT_XTVERSION, _on_version),
    (lib.GHOSTTY_TERMINAL_OPT_RENDER_HOLD, _on_hold),
)

_MODE_NUMBERS = (9, 1000, 1002, 1003, 1006, 2004, 1004, 1, 66, 1007, 2026)
_TERMINAL_KEYS = ffi.new(
    "GhosttyTerminalData[]",
    [
        *[lib.GHOSTTY_TERMINAL_DATA_MODE] * len(_MODE_NUMBERS),
        lib.GHOSTTY_TERMINAL_DATA_ACTIVE_SCREEN,
        lib.GHOSTTY_TERMINAL_DATA_KITTY_KEYBOARD_FLAGS,
        lib.GHOSTTY_TERMINAL_DATA_SCROLLBACK_ROWS,
        lib.GHOSTTY_TERMINAL_DATA_CURSOR_X,
        lib.GHOSTTY_TERMINAL_DATA_CURSOR_Y,
    ],
)
_SHAPES = ("bar", "block", "underline", "block")


class Facts(NamedTuple):
    """What one call reads of a terminal."""

    modes: Modes
    history: int
    x: int
    y: int


class Emulator:
    """One emulated terminal. ``sink`` collects what feeding it causes."""

    def __init__(self, handle: Any, cols: int, lines: int, history_lines: int) -> None:
        self._terminal = handle
        self._free = weakref.finalize(self, lib.ghostty_terminal_free, handle)
        self.sink = Sink()
        self.sink.cols, self.sink.lines = cols, lines
        self._user = ffi.new_handle(self.sink)
        self._keep: list[Any] = []
        self._configure(history_lines)
        self._configs = [ffi.new("GhosttyTerminalModeConfig*", {"mode": number}) for number in _MODE_NUMBERS]
        self._active = ffi.new("GhosttyTerminalScreen*")
        self._kitty = ffi.new("GhosttyKittyKeyFlags*")
        self._history = ffi.new("size_t*")
        self._x, self._y = ffi.new("uint16_t*"), ffi.new("uint16_t*")
        self._outs = ffi.new(
            "void*[]", [*self._configs, self._active, self._kitty, self._history, self._x, self._y]
        )  # fmt: skip

    @classmethod
    def new(cls, cols: int, lines: int, history_lines: int) -> Emulator:
        """An empty terminal."""
        out = ffi.new("GhosttyTerminal*")
        _check(lib.ghostty_terminal_new(ffi.NULL, out, cols, lines), "new")
        return cls(out[0], cols, lines, history_lines)

    def _configure(self, history_lines: int) -> None:
        def option(name: int, ctype: str, value: Any) -> None:
            _check(lib.ghostty_terminal_set(self._terminal, name, ffi.new(ctype, value)), f"option {name}")

        _check(lib.ghostty_terminal_set(self._terminal, lib.GHOSTTY_TERMINAL_OPT_USERDATA, self._user), "user data")
        for name, callback in _CALLBACKS:
            _check(lib.ghostty_terminal_set(self._terminal, name, callback), f"callback {name}")
        option(lib.GHOSTTY_TERMINAL_OPT_SCROLLBACK_MAX_LINES, "size_t*", history_lines)
        option(lib.GHOSTTY_TERMINAL_OPT_SCROLLBACK_MAX_BYTES, "size_t*", HISTORY_BYTES if history_lines else 0)
        option(lib.GHOSTTY_TERMINAL_OPT_COLOR_FOREGROUND, "GhosttyColorRgb*", FOREGROUND)
        option(lib.GHOSTTY_TERMINAL_OPT_COLOR_BACKGROUND, "GhosttyColorRgb*", BACKGROUND)
        option(lib.GHOSTTY_TERMINAL_OPT_UNKNOWN_MAX_BYTES, "size_t*", UNKNOWN_LIMIT)
        option(lib.GHOSTTY_TERMINAL_OPT_CONTINUATION_MAX_BYTES, "size_t*", CONTINUATION_LIMIT)
        option(lib.GHOSTTY_TERMINAL_OPT_TERMINFO_NAME, "GhosttyString*", {"ptr": _TERMINFO, "len": len(TERMINFO)})
        option(lib.GHOSTTY_TERMINAL_OPT_TITLE_REPORT, "bool*", False)
        # No client can show images or glyphs, so programs are told that there are none.
        option(lib.GHOSTTY_TERMINAL_OPT_KITTY_IMAGE_STORAGE_LIMIT, "uint64_t*", 0)
        option(lib.GHOSTTY_TERMINAL_OPT_GLYPH_PROTOCOL, "bool*", False)
        option(lib.GHOSTTY_TERMINAL_OPT_CLIPBOARD_WRITE_MAX_BYTES, "size_t*", CLIPBOARD_LIMIT)
        option(lib.GHOSTTY_TERMINAL_OPT_APC_MAX_BYTES, "size_t*", CONTINUATION_LIMIT)

    def close(self) -> None:
        """Free the terminal now."""
        self._free()

    @property
    def raw(self) -> Any:
        """The handle, for this package's other wrappers."""
        if not self._free.alive:
            raise EmulatorError("closed", 0)
        return self._terminal

    def feed(self, data: bytes) -> None:
        """Interpret ``data``; replies and reports are in :attr:`sink` afterwards."""
        silent = len(data) > BELLS_LIMIT and data.count(7) > BELLS_LIMIT
        if silent:
            lib.ghostty_terminal_set(self.raw, lib.GHOSTTY_TERMINAL_OPT_BELL, ffi.NULL)
        lib.ghostty_terminal_vt_write(self.raw, data, len(data))
        if silent:
            lib.ghostty_terminal_set(self.raw, lib.GHOSTTY_TERMINAL_OPT_BELL, _on_bell)
            self.sink.reports.append(Report("bell", {}))
        if (error := self.sink.error) is not None:
            self.sink.error = None
            raise error

    def resize(self, cols: int, lines: int) -> None:
        """Set the size; a line that does not fit flows on, and rows come back from history when there is room."""
        self.sink.cols, self.sink.lines = cols, lines
        _check(lib.ghostty_terminal_resize(self.raw, cols, lines, CELL_WIDTH, CELL_HEIGHT), "resize")

    def facts(self) -> Facts:
        """Modes, history length and cursor cell in one call."""
        _check(
            lib.ghostty_terminal_get_multi(self.raw, len(self._outs), _TERMINAL_KEYS, self._outs, ffi.NULL), "facts"
        )  # fmt: skip
        x10, m1000, m1002, m1003, sgr, paste, focus, cursor, keypad, scroll, _sync = (c.value for c in self._configs)
        mouse = 1003 if m1003 else 1002 if m1002 else 1000 if m1000 else 9 if x10 else 0
        alternate = self._active[0] == lib.GHOSTTY_TERMINAL_SCREEN_ALTERNATE
        modes = Modes(alternate, mouse, sgr, paste, focus, cursor, keypad, scroll, self._kitty[0])
        return Facts(modes, self._history[0], self._x[0], self._y[0])

    def mode(self, number: int, *, ansi: bool = False) -> bool:
        """Whether a DEC private mode (or with ``ansi`` an ANSI mode) is set."""
        config = ffi.new("GhosttyTerminalModeConfig*", {"mode": number | (ansi << 15)})
        _check(lib.ghostty_terminal_get(self.raw, lib.GHOSTTY_TERMINAL_DATA_MODE, config), f"mode {number}")
        return bool(config.value)

    def ground(self) -> bool:
        """Whether the parser is outside every sequence and character."""
        out = ffi.new("bool*")
        _check(lib.ghostty_terminal_get(self.raw, lib.GHOSTTY_TERMINAL_DATA_VT_GROUND, out), "ground")
        return bool(out[0])

    def continuation(self) -> bytes:
        """The bytes of the sequence the parser is inside of; b"" at ground or where they are not kept."""
        out = ffi.new("size_t*")
        if lib.ghostty_terminal_continuation_buf(self.raw, ffi.NULL, 0, out) != lib.GHOSTTY_OUT_OF_SPACE or not out[0]:
            return b""
        buffer = ffi.new("uint8_t[]", out[0])
        _check(lib.ghostty_terminal_continuation_buf(self.raw, buffer, len(buffer), out), "continuation")
        return bytes(ffi.buffer(buffer, out[0]))

    def title(self) -> str:
        """The title as the program set it, bounded, not made safe."""
        return self._string(lib.GHOSTTY_TERMINAL_DATA_TITLE)

    def cwd(self) -> str:
        """What OSC 7 or its like said last, as it was sent."""
        return self._string(lib.GHOSTTY_TERMINAL_DATA_PWD)

    def _string(self, key: int) -> str:
        out = ffi.new("GhosttyString*")
        _check(lib.ghostty_terminal_get(self.raw, key, out), "string")
        return _text(out[0])

    # --- text

    def _grid(self, x: int, y: int, tag: int) -> Any:
        point = ffi.new("GhosttyPointS*", {"tag": tag, "value": {"x": x, "y": y}})
        ref = ffi.new("GhosttyGridRef*", {"size": ffi.sizeof("GhosttyGridRef")})
        _check(_grid_ref(self.raw, point[0], ref), "grid ref")
        return ref

    def plain(self, *, history: bool) -> str:
        """The active screen as text, one line per row, trailing blanks left out; with ``history`` all rows."""
        tag = lib.GHOSTTY_POINT_TAG_SCREEN if history else lib.GHOSTTY_POINT_TAG_ACTIVE
        return self._plain(tag, self.sink.lines + (self.facts().history if history else 0), unwrap=False)

    def scrolled(self, *, unwrap: bool) -> tuple[str, bool]:
        """The history alone as text, and whether its last row continues on the screen."""
        count = self.facts().history
        if not count:
            return "", False
        tag = lib.GHOSTTY_POINT_TAG_HISTORY
        row, wrapped = ffi.new("GhosttyRow*"), ffi.new("bool*")
        _check(lib.ghostty_grid_ref_row(self._grid(0, count - 1, tag), row), "row")
        _check(lib.ghostty_row_get(row[0], lib.GHOSTTY_ROW_DATA_WRAP, wrapped), "wrap")
        return self._plain(tag, count, unwrap=unwrap), bool(wrapped[0])

    def _plain(self, tag: int, rows: int, *, unwrap: bool) -> str:
        options = ffi.new("GhosttyTerminalSelectionFormatOptions*", {"size": ffi.sizeof(_FORMAT_OPTIONS)})
        selection = ffi.new("GhosttySelection*", {"size": ffi.sizeof("GhosttySelection")})
        selection.start = self._grid(0, 0, tag)[0]
        selection.end = self._grid(self.sink.cols - 1, rows - 1, tag)[0]
        options.emit, options.selection = lib.GHOSTTY_FORMATTER_FORMAT_PLAIN, selection
        options.trim, options.unwrap = True, unwrap
        return _filled(
            lambda buffer, size, out: lib.ghostty_terminal_selection_format_buf(self.raw, options[0], buffer, size, out)
        ).decode("utf-8", "replace")

    def link(self, x: int, y: int, cell: int) -> str:
        """The OSC 8 target of a viewport cell; "" when the cell is no longer ``cell``."""
        ref = self._grid(x, y, lib.GHOSTTY_POINT_TAG_VIEWPORT)
        found = ffi.new("GhosttyCell*")
        if lib.ghostty_grid_ref_cell(ref, found) != 0 or found[0] != cell:
            return ""
        data = _filled(lambda buffer, size, out: lib.ghostty_grid_ref_hyperlink_uri(ref, buffer, size, out))
        return data[:TEXT_LIMIT].decode("utf-8", "replace")

    def rendering(self) -> bytes:
        """VT text that draws the active screen, its modes and cursor in a fresh terminal of the same size."""
        options = ffi.new("GhosttyFormatterTerminalOptions*")
        _sized(options, ffi.typeof("GhosttyFormatterTerminalOptions"))
        options.emit, options.trim = lib.GHOSTTY_FORMATTER_FORMAT_VT, False
        extra = options.extra
        extra.palette = False
        extra.modes = extra.scrolling_region = extra.tabstops = extra.pwd = extra.keyboard = True
        screen = extra.screen
        screen.cursor = screen.style = screen.hyperlink = screen.protection = True
        screen.kitty_keyboard = screen.charsets = True
        selection = ffi.new("GhosttySelection*", {"size": ffi.sizeof("GhosttySelection")})
        selection.start = self._grid(0, 0, lib.GHOSTTY_POINT_TAG_ACTIVE)[0]
        selection.end = self._grid(self.sink.cols - 1, self.sink.lines - 1, lib.GHOSTTY_POINT_TAG_ACTIVE)[0]
        options.selection = selection
        formatter = ffi.new("GhosttyFormatter*")
        _check(lib.ghostty_formatter_terminal_new(ffi.NULL, formatter, self.raw, options[0]), "formatter")
        try:
            return _filled(
                lambda buffer, size, out: lib.ghostty_formatter_format_buf(formatter[0], buffer, size, out)
            )  # fmt: skip
        finally:
            lib.ghostty_formatter_free(formatter[0])

    def scroll(self, row: int | None) -> None:
        """Move the viewport to a row counted from the oldest; None: back to the live screen."""
        where = ffi.new("GhosttyScrollViewportS*")
        where.tag = lib.GHOSTTY_SCROLL_VIEWPORT_BOTTOM if row is None else lib.GHOSTTY_SCROLL_VIEWPORT_ROW
        where.row = row or 0
        _scroll_viewport(self.raw, where[0])

    # --- snapshots

    def encode(self, *, history: bool) -> bytes:
        """The terminal in the emulator's own form. Without ``history`` the stream ends at its READY record.

        Raises :class:`Unfinished` inside a sequence too long to be kept.
        """
        stream = bytearray()
        state = {"at": _ENVELOPE, "ready": False}

        @ffi.callback("GhosttyWriterFn", error=False)  # type: ignore[untyped-decorator]
        def write(user: Any, data: Any, size: int) -> bool:
            stream.extend(ffi.buffer(data, size))
            while not history and state["at"] + _RECORD.size <= len(stream):
                tag, length, _ = _RECORD.unpack_from(stream, state["at"])
                if state["at"] + _RECORD.size + length > len(stream):
                    break
                state["at"] += _RECORD.size + length
                if tag == _READY:
                    state["ready"] = True
                    del stream[state["at"] :]
                    return False
            return True

        result = lib.ghostty_snapshot_encode(self.raw, ffi.new("GhosttyWriter*", {"write": write})[0])
        if result == lib.GHOSTTY_INVALID_VALUE:
            raise Unfinished("snapshot inside a long sequence", result)
        if not state["ready"]:
            _check(result, "snapshot")
        return bytes(stream)

    @classmethod
    def decode(cls, stream: bytes, history_lines: int, *, history: bool) -> Emulator:
        """A terminal from :meth:`encode`. Raises :class:`Unreadable`; a damaged tail only shortens the history."""
        source = ffi.new("uint8_t[]", stream)
        decoder = ffi.new("GhosttySnapshotDecoder*")
        _check(lib.ghostty_snapshot_decoder_new_buf(ffi.NULL, decoder, source, len(stream)), "decoder")
        try:
            limit, keep = ffi.new("size_t*", CONTINUATION_LIMIT), ffi.new("bool*", True)
            lib.ghostty_snapshot_decoder_set(
                decoder[0], lib.GHOSTTY_SNAPSHOT_DECODER_OPT_MAX_CONTINUATION_BYTES, limit
            )  # fmt: skip
            lib.ghostty_snapshot_decoder_set(decoder[0], lib.GHOSTTY_SNAPSHOT_DECODER_OPT_RETAIN_CONTINUATION, keep)
            out = ffi.new("GhosttyTerminal*")
            if result := lib.ghostty_snapshot_decoder_ready(decoder[0], out):
                raise Unreadable("snapshot cannot be read", result)
            terminal = out[0]
            while history and lib.ghostty_snapshot_decoder_next(decoder[0]) == 0:
                pass
        finally:
            lib.ghostty_snapshot_decoder_free(decoder[0])
        cols, lines = ffi.new("uint16_t*"), ffi.new("uint16_t*")
        lib.ghostty_terminal_get(terminal, lib.GHOSTTY_TERMINAL_DATA_COLS, cols)
        lib.ghostty_terminal_get(terminal, lib.GHOSTTY_TERMINAL_DATA_ROWS, lines)
        emulator = cls(terminal, cols[0], lines[0], history_lines)
        emulator.sink.held = emulator.mode(2026)
        return emulator


def _check(result: int, what: str) -> None:
    if result:
        raise EmulatorError(what, result)


def _sized(pointer: Any, ctype: Any) -> None:
    """Set the leading ``size`` of a struct and of every struct inside it."""
    for name, field in ctype.fields:
        if name == "size":
            pointer.size = ffi.sizeof(ctype)
        elif field.type.kind == "struct":
            _sized(ffi.addressof(pointer, name) if ctype.kind == "struct" else pointer, field.type)


def _filled(call: Callable[[Any, int, Any], int]) -> bytes:
    """The bytes of a C function that tells the size it needs first."""
    out = ffi.new("size_t*")
    result = call(ffi.NULL, 0, out)
    if result not in (0, lib.GHOSTTY_OUT_OF_SPACE):
        if result == lib.GHOSTTY_NO_VALUE:
            return b""
        raise EmulatorError("format", result)
    if not out[0]:
        return b""
    buffer = ffi.new("uint8_t[]", out[0])
    _check(call(buffer, len(buffer), out), "format")
    return bytes(ffi.buffer(buffer, out[0]))


_FORMAT_OPTIONS = "GhosttyTerminalSelectionFormatOptions"
# ABI-mode cffi cannot pass a union by value; these twins have the same layout and calling convention.
assert ffi.sizeof("GhosttyScrollViewportS") == ffi.sizeof("GhosttyTerminalScrollViewport")
_scroll_viewport = ffi.cast(
    "void(*)(GhosttyTerminal, GhosttyScrollViewportS)", ffi.addressof(lib, "ghostty_terminal_scroll_viewport")
)
_grid_ref = ffi.cast(
    "GhosttyResult(*)(GhosttyTerminal, GhosttyPointS, GhosttyGridRef*)", ffi.addressof(lib, "ghostty_terminal_grid_ref")
)


def cursor_of(state: Any, out: Any) -> Cursor:
    """The cursor of a render state; ``out`` is a GhosttyRenderStateCursor with its size set."""
    _check(lib.ghostty_render_state_get(state, lib.GHOSTTY_RENDER_STATE_DATA_CURSOR, out), "cursor")
    x, y = (out.viewport_x, out.viewport_y) if out.viewport_has_value else (0, 0)
    if out.viewport_has_value and out.wide_tail and x:
        x -= 1
    visible = bool(out.visible and out.viewport_has_value)
    return Cursor(x, y, visible, _SHAPES[out.visual_style], bool(out.blinking))
