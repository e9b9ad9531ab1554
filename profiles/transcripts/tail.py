"""The lines of a file that grows, each read once; what happens to the file otherwise is noticed, never guessed over.

The file belongs to an agent, so nothing about it is taken for granted: it may be replaced, cut off, rewritten in place,
missing, no file at all, hold lines without end or a last line that is still being written.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from profiles.lines import Lines

FIRST = 2 << 20
"""Bytes before the end at which the first look at a longer file starts."""
PIECE = 256 << 10
"""Bytes one call reads at most."""
LINE_LIMIT = 4 << 20
"""A longer line is passed over; agents write pictures into theirs."""
_ANCHOR = 64


@dataclass(slots=True)
class Read:
    """What one call found. ``fresh``: what was read before is no longer this file; these lines begin it anew."""

    lines: list[bytes] = field(default_factory=list)
    past: bool = False
    """Whether the lines come from before the place where the first look started."""
    fresh: bool = False


@dataclass(slots=True)
class _Span:
    """A stretch of the file that is read from ``at`` on; ``end`` -1 as far as the file goes."""

    lines: Lines
    at: int = 0
    end: int = -1


class Tail:
    """Reads one file; see the module. Holds no descriptor between calls."""

    def __init__(self, path: Path, *, first: int = FIRST, piece: int = PIECE, line_limit: int = LINE_LIMIT) -> None:
        self.path = path
        self.more = False
        """Whether another call would find more at once."""
        self._first, self._piece, self._line_limit = first, piece, line_limit
        self._seen: tuple[int, ...] = ()
        self._which = (-1, -1)
        self._anchor = b""
        self._now = self._span()
        self._past = self._span(end=0)
        self._passed = 0
        self._middle = False
        """Whether the first look started within a line whose end was not found yet; that line belongs to the past."""

    @property
    def passed(self) -> int:
        """Lines passed over because they were too long."""
        return self._passed + self._now.lines.passed + self._past.lines.passed

    @property
    def current(self) -> bool:
        """Whether the last call read as far as the file went."""
        return self._now.at >= self._seen[2] if self._seen else True

    @property
    def whole(self) -> bool:
        """Whether everything before the place where the first look started was read as well."""
        return self._past.at >= self._past.end

    def read(self) -> Read:
        """The complete lines of the next piece: new ones first, then, piece by piece, those before the first look.

        A missing file, or one that cannot be read, has none. Costs one ``stat`` while nothing changed.
        """
        try:
            found = os.stat(self.path)
        except (OSError, ValueError):
            self.more = False
            return Read()
        if _state(found) == self._seen and not self.more:
            return Read()
        self.more = False
        try:
            handle = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return Read()
        try:
            return self._read(handle)
        except OSError:
            return Read()
        finally:
            os.close(handle)

    def _read(self, handle: int) -> Read:
        found = os.fstat(handle)
        self._seen = _state(found)
        read = Read()
        if not stat.S_ISREG(found.st_mode):
            return read
        if self._is_other(handle, found):
            read.fresh = True
            self._which = (found.st_dev, found.st_ino)
            start = max(0, found.st_size - self._first)
            self._passed = self.passed
            self._now, self._past, self._middle = self._span(start), self._span(end=start), start > 0
        if self._now.at < found.st_size or self.whole:
            self._take(handle, self._now, read.lines)
            self._anchor = os.pread(handle, min(_ANCHOR, self._now.at), max(0, self._now.at - _ANCHOR))
        else:
            read.past = True
            self._take(handle, self._past, read.lines)
        self.more = self._now.at < found.st_size or not self.whole
        return read

    def _is_other(self, handle: int, found: os.stat_result) -> bool:
        """Whether what was read is no longer the beginning of this file."""
        at = self._now.at
        return (
            self._which != (found.st_dev, found.st_ino)
            or found.st_size < at
            or os.pread(handle, min(_ANCHOR, at), max(0, at - _ANCHOR)) != self._anchor
        )

    def _take(self, handle: int, span: _Span, lines: list[bytes]) -> None:
        room = self._piece if span.end < 0 else min(self._piece, span.end - span.at)
        data = os.pread(handle, room, span.at)
        begin, span.at = span.at, span.at + len(data)
        if self._middle and span is self._now:
            head, newline, data = data.partition(b"\n")
            if not newline:
                return
            self._middle = False
            self._past.end = begin + len(head) + 1
        lines += span.lines.take(data)

    def _span(self, at: int = 0, end: int = -1) -> _Span:
        return _Span(Lines(self._line_limit), at, end)


def _state(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
