"""What a terminal's bytes look like: a fold over its journal, one :class:`Screen` per terminal.

A screen belongs to one thread at a time; see :mod:`terminals.live` for who that is. Nothing here does I/O but
:meth:`Screen.save_history` and :meth:`Screen.load_history`.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from quarterdeck.errors import Broken
from quarterdeck.keys import KeyPress
from quarterdeck.paths import write_file
from quarterdeck.rows import Cursor, Modes, Row, View
from quarterdeck.text import safe
from terminals.adapter import clamp
from terminals.screen.ansi import render
from terminals.screen.encode import Encoder
from terminals.screen.ffi import EMULATOR, Emulator, EmulatorError, Sink, Unfinished
from terminals.screen.replies import STATUS_ANSWER, STATUS_QUERY
from terminals.screen.reports import Report, parse_status
from terminals.screen.rows import RowReader
from terminals.screen.scanner import Scanner
from terminals.snapshot import Snapshot

HISTORY_LINES = 2000
_TITLE_SHOWN = 256
_REPORT_LIMIT = 1000
"""Reports kept of one feed; a program that rings a million bells is heard a thousand times.

The last one of each kind (and of each id) is among them: a state told before the bells must not be lost to them.
"""
_HISTORY_HEAD = struct.Struct("<8sHQ")
_HISTORY_MAGIC = b"QDHIST1\n"


_COMBINES = re.compile(
    rb"^[\x80-\xbf]|[\xcc\xcd\xd6-\xdf\xe0\xe1]|\xe2(?:\x80\x8d|\x83)|\xea|\xef\xb8|\xf0(?:\x9f\x8f|[\x90-\x9e])|\xf3\xa0"
)
"""UTF-8 of what may join the character before it: marks of all scripts, joiners, variations, skin tones.

The emulator adds these to a cell without marking its row as changed.
"""


class Fed(NamedTuple):
    """What feeding bytes caused: the emulator's answers to the program, and what the program reported."""

    replies: bytes
    reports: list[Report]


def _unknown(content: bytes, truncated: bool, sink: Sink) -> None:
    """Called in stream order, so that the answer to an OSC 7501 query precedes that to the DA1 behind it."""
    if content == STATUS_QUERY:
        sink.replies += STATUS_ANSWER
    elif content.startswith(b"7501;"):
        report = parse_status(content[5:].decode("utf-8", "replace"), cut=truncated)
        if report is not None:
            sink.reports.append(report)


def _bounded(reports: list[Report]) -> list[Report]:
    """At most ``_REPORT_LIMIT`` of them in their order: the last of each, then the latest."""
    if len(reports) <= _REPORT_LIMIT:
        return reports[:]
    last = {(report.kind, report.data.get("id")): at for at, report in enumerate(reports)}
    chosen = set(sorted(last.values())[-_REPORT_LIMIT:])
    latest = (at for at in range(len(reports) - 1, -1, -1) if at not in chosen)
    chosen.update(islice(latest, _REPORT_LIMIT - len(chosen)))
    return [reports[at] for at in sorted(chosen)]


_UNCOUNTED = {
    "lost": "[what was printed in the last moments before the machine stopped may be missing here]",
    "unseen": "[what was printed while nobody recorded it is missing here]",
}


class Screen:
    """An emulated terminal with changed rows, history, key encoding and snapshots."""

    def __init__(
        self, cols: int, lines: int, *, history_lines: int = HISTORY_LINES, emulator: Emulator | None = None
    ) -> None:
        self.history_lines = history_lines
        self._emulator = emulator or Emulator.new(*clamp(cols, lines), history_lines)
        self._sink = self._emulator.sink
        self._sink.unknown = _unknown
        self._scanner = Scanner()
        self._reader = RowReader(self._emulator)
        self._sink.hold = self._reader.capture
        self._encoder = Encoder(self._emulator)
        self._rows: list[Row] = []
        self._stamps: list[int] = []
        """The version at which each row last changed."""
        self._version = 1
        self._full = 1
        """Whoever has seen less than this version needs all rows."""
        self._size = (0, 0)
        self._cursor, self._modes, self._title, self._history = Cursor(), Modes(), "", 0
        self._stale = True
        self._reread = False

    def close(self) -> None:
        """Free the emulator's memory; the screen is unusable afterwards."""
        self._sink.hold = None
        self._encoder.close()
        self._reader.close()
        self._emulator.close()

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines."""
        return self._sink.cols, self._sink.lines

    @property
    def held(self) -> bool:
        """Whether the program is between the begin and end of a synchronized update (mode 2026)."""
        return self._sink.held

    @property
    def holds(self) -> int:
        """How many synchronized updates have begun: tells one hold from the next."""
        return self._sink.holds

    @property
    def ground(self) -> bool:
        """Whether the parser is outside every sequence and character."""
        return self._emulator.ground()

    # --- the fold

    def feed(self, data: bytes) -> Fed:
        """Take what the program printed."""
        if data:
            self._stale = True
            if not data.isascii() and _COMBINES.search(data):
                self._reread = True
            self._emulator.feed(data)
            self._sink.reports += self._scanner.feed(data)
        return self._taken()

    def _taken(self) -> Fed:
        replies, reports = bytes(self._sink.replies), _bounded(self._sink.reports)
        self._sink.replies.clear()
        self._sink.reports.clear()
        return Fed(replies, reports)

    def resize(self, cols: int, lines: int) -> bytes:
        """Set the size (clamped); returns an in-band size report where the program asked for those."""
        cols, lines = clamp(cols, lines)
        if (cols, lines) != self.size:
            self._stale = True
            self._emulator.resize(cols, lines)
        return self._taken().replies

    def missing(self, count: int, reason: str) -> None:
        """Leave whatever sequence was open and print a line that says that ``count`` bytes are not there, and why.

        Where nobody knows how many there were, the notice says what happened instead.
        """
        notice = _UNCOUNTED.get(reason, f"[{count:,} bytes of output are missing here: {reason}]")
        self._scanner.reset()
        # CAN ends any sequence; a pending synchronized update would hide the notice.
        self.feed(b"\x18\x1b[?2026l\x1b[0m")
        line = b"\r\n" if self._emulator.facts().x else b"\r"
        self.feed(line + f"\x1b[2m{safe(notice, 400)}\x1b[0m\r\n".encode())

    # --- the picture

    def view(self, since: int = 0, offset: int = 0, *, through_hold: bool = False) -> View:
        """What changed after version ``since``; 0 for everything.

        During a synchronized update the picture before it is shown, unless ``through_hold``.
        """
        if self._stale:
            self._refresh(through_hold=through_hold)
        version = self._version
        full = since < self._full or since > version
        if full:
            rows = tuple(enumerate(self._rows))
        elif since == version:
            rows = ()
        else:
            rows = tuple((y, self._rows[y]) for y, stamp in enumerate(self._stamps) if stamp > since)
        cols, lines = self._size
        return View(
            version, offset, cols, lines, full, rows, self._cursor, self._modes, self._title, self._history
        )  # fmt: skip

    def _refresh(self, *, through_hold: bool) -> None:
        held = self._sink.held and not through_hold
        if not held:
            if self._reread:
                self._reader.forget()
                self._reread = False
            self._reader.capture()
        version, size = self._version + 1, self.size
        changed = False
        if size != self._size:
            self._size, self._full, changed = size, version, True
            self._rows, self._stamps = [Row()] * size[1], [version] * size[1]
        for y, row in self._reader.read():
            if y < len(self._rows) and row != self._rows[y]:
                self._rows[y], self._stamps[y], changed = row, version, True
        facts = self._emulator.facts()
        title = safe(self._emulator.title(), _TITLE_SHOWN)
        other = (self._reader.cursor(), facts.modes, title, facts.history)
        if other != (self._cursor, self._modes, self._title, self._history):
            self._cursor, self._modes, self._title, self._history = other
            changed = True
        if changed:
            self._version = version
        self._stale = held

    def cover(self, other: Screen) -> None:
        """Take over from ``other``, whose viewers go on with their versions and get what differs."""
        other.view()
        self._rows, self._stamps = list(other._rows), list(other._stamps)
        self._version, self._full, self._size = other._version, other._full, other._size
        self._cursor, self._modes, self._title, self._history = (
            other._cursor, other._modes, other._title, other._history,
        )  # fmt: skip
        self._stale = True

    @property
    def modes(self) -> Modes:
        """The present modes."""
        return self._emulator.facts().modes

    @property
    def title(self) -> str:
        """The title as the program set it: bounded, not safe to show."""
        return self._emulator.title()

    @property
    def history_rows(self) -> int:
        """How many rows lie above the active screen."""
        return self._emulator.facts().history

    def history(self, first: int, count: int) -> tuple[tuple[Row, ...], int]:
        """``count`` rows of history from ``first`` (0 the oldest), and how many there are."""
        total = self._emulator.facts().history
        last = min(total, first + count)
        first = max(0, first)
        if first >= last:
            return (), total
        return tuple(self._scrolled(first, last)), total

    def _scrolled(self, first: int, last: int) -> Iterator[Row]:
        """Rows read by moving the viewport, with a reader of their own."""
        if self._stale:
            self._refresh(through_hold=False)
        reader = RowReader(self._emulator)
        try:
            while first < last:
                self._emulator.scroll(first)
                reader.capture()
                for y, row in reader.read():
                    if y < last - first:
                        yield row
                first += self.size[1]
        finally:
            self._emulator.scroll(None)
            reader.close()
            self._reread = self._stale = True  # the other reader took the marks of what changed

    def text(self, *, history: bool = False) -> str:
        """The screen as it is now (held or not) as plain text, rows as shown; with ``history`` everything kept."""
        return self._emulator.plain(history=history)

    def shed(self, *, join: bool) -> tuple[str, bool] | None:
        """The history as text, gone from the screen afterwards, and whether its last line goes on below.

        With ``join`` wrapped rows are one line. None while nothing can be taken: on the alternate screen and inside
        a sequence.
        """
        if not self._emulator.ground() or self.modes.alt_screen:
            return None
        found = self._emulator.scrolled(unwrap=join)
        if self.history_rows:
            self._stale = True
            self._emulator.feed(b"\x1b[3J")
        return found

    def ansi(self, *, history: bool = False) -> str:
        """The screen as lines with colours, safe for a person's terminal."""
        rows = list(self.history(0, self.history_rows)[0]) if history else []
        self.view(through_hold=True)
        return render([*rows, *self._rows])

    # --- input

    def key(self, press: KeyPress) -> bytes:
        """The bytes of a key in the present modes."""
        return self._encoder.key(press)

    def mouse(self, action: str, x: int, y: int, button: int = 0, mods: int = 0) -> bytes:
        """The bytes of a mouse event, b"" when the program does not listen."""
        return self._encoder.mouse(action, x, y, button, mods)

    def paste(self, text: str) -> bytes:
        """The bytes of a paste: bracketed where asked for, harmless."""
        return self._encoder.paste(text)

    def focus(self, focused: bool) -> bytes:
        """The bytes of a focus change, b"" when the program does not listen."""
        return self._encoder.focus(focused)

    # --- freezing

    def snapshot(self, offset: int) -> Snapshot | None:
        """The screen without history, standing at ``offset``; None inside a sequence too long to be kept."""
        try:
            state = self._emulator.encode(history=False)
        except Unfinished:
            return None
        title = safe(self._emulator.title(), _TITLE_SHOWN)
        rendering = self._emulator.rendering() + f"\x1b]2;{title}\x1b\\".encode()
        cols, lines = self.size
        return Snapshot(
            offset=offset,
            cols=cols,
            lines=lines,
            emulator=EMULATOR,
            state=zlib.compress(state, 1),
            rendering=zlib.compress(rendering, 1),
        )

    @classmethod
    def restored(cls, snapshot: Snapshot, *, history_lines: int = HISTORY_LINES) -> Screen:
        """The screen a snapshot froze. Raises :class:`Broken` when neither of its forms can be read."""
        if snapshot.emulator == EMULATOR:
            try:
                return cls._thawed(zlib.decompress(snapshot.state), history_lines, history=False)
            except (EmulatorError, zlib.error):
                pass
        try:
            rendering = zlib.decompress(snapshot.rendering)
        except zlib.error as error:
            raise Broken(
                "a screen snapshot is damaged; the journal is not", hint="the screen is rebuilt from the journal"
            ) from error
        screen = cls(snapshot.cols, snapshot.lines, history_lines=history_lines)
        screen.feed(rendering)
        return screen

    @classmethod
    def _thawed(cls, state: bytes, history_lines: int, *, history: bool) -> Screen:
        emulator = Emulator.decode(state, history_lines, history=history)
        screen = cls(0, 0, history_lines=history_lines, emulator=emulator)
        screen._scanner.feed(emulator.continuation())
        return screen

    def save_history(self, path: Path, offset: int) -> bool:
        """Write screen and history to a file, so that it never tears; False inside an endless sequence."""
        try:
            state = self._emulator.encode(history=True)
        except Unfinished:
            return False
        name = EMULATOR.encode()
        body = zlib.compress(state, 1)
        head = _HISTORY_HEAD.pack(_HISTORY_MAGIC, len(name), offset) + name
        write_file(path, head + struct.pack("<I", zlib.crc32(body)) + body)
        return True

    @classmethod
    def load_history(cls, path: Path, *, history_lines: int = HISTORY_LINES) -> tuple[Screen, int]:
        """The screen of :meth:`save_history` and its offset. Raises :class:`Broken` for anything but a whole file."""
        try:
            data = path.read_bytes()
            magic, size, offset = _HISTORY_HEAD.unpack_from(data)
            at = _HISTORY_HEAD.size + size
            (crc,) = struct.unpack_from("<I", data, at)
            if magic != _HISTORY_MAGIC or zlib.crc32(data[at + 4 :]) != crc:
                raise ValueError("not a whole history file")
            if data[_HISTORY_HEAD.size : at].decode() != EMULATOR:
                raise ValueError("written by another version of the emulator")
            return cls._thawed(zlib.decompress(data[at + 4 :]), history_lines, history=True), offset
        except (OSError, ValueError, struct.error, zlib.error, EmulatorError) as error:
            raise Broken(
                f"saved history {path.name} cannot be used: {error}", hint="it is read again from the journal",
                path=str(path),
            ) from error  # fmt: skip
