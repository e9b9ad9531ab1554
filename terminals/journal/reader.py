"""Reading a journal: the same for a live view that tails it, a restore, a replay and an export."""

from __future__ import annotations

import contextlib
import os
from typing import NamedTuple
from zlib import crc32

from terminals.journal import format as form
from terminals.journal.format import RECORD_SIZE, Record

_INDEX_CHUNK = RECORD_SIZE * 1024
_LOG_CHUNK = 256 << 10


class Bytes(NamedTuple):
    """What the terminal printed, beginning at ``offset``, recorded at ``wall_ns``."""

    offset: int
    data: bytes
    wall_ns: int


class Resize(NamedTuple):
    """The terminal has this size from exactly ``offset`` on."""

    offset: int
    cols: int
    lines: int
    wall_ns: int


class Gap(NamedTuple):
    """Bytes from ``start`` to ``end`` are not there: ``deleted``, ``unwritten``, ``corrupt`` or ``lost``."""

    start: int
    end: int
    reason: str
    wall_ns: int


Item = Bytes | Resize | Gap


class Reader:
    """Reads the journal in ``folder`` from ``offset`` on, in order, past damage and deleted segments.

    It never raises for what is on disk: what cannot be read comes out as :class:`Gap`, what is not there yet as an
    empty list, to be asked again when the writer tells a new offset. ``resizes`` is how many of the resizes recorded
    at exactly ``offset`` are already known (they are given again otherwise, which is harmless).
    """

    def __init__(self, folder: str | os.PathLike[str], offset: int = 0, *, resizes: int = 0) -> None:
        self.folder = os.fspath(folder)
        self.position = offset
        """Everything before it was returned."""
        self.resizes = 0
        """Resizes returned that were recorded at exactly ``position``."""
        self._known = resizes
        self._size = (0, 0)
        self._log = self._idx = -1
        self._start = -1
        self._idx_at = 0
        self._batch: list[Record | None] = []
        self._next = 0
        self._rest: Bytes | None = None
        self._chunk = b""
        self._chunk_at = 0
        self._sealed = False

    def read(self, limit: int = _LOG_CHUNK, *, merge: bool = False) -> list[Item]:
        """What comes next, at most ``limit`` bytes of output, and the sizes recorded right behind; empty at the end.

        With ``merge`` neighbouring bytes come as one item with the time of the first; without it each item is (part
        of) one append.
        """
        items: list[Item] = []
        room = limit
        while found := self._take(room, bool(items)):
            if isinstance(found, Bytes):
                if len(found.data) > room:
                    self._rest = Bytes(found.offset + room, found.data[room:], found.wall_ns)
                    found = found._replace(data=found.data[:room])
                room -= len(found.data)
                self._move(found.offset + len(found.data))
            items.append(found)
        return _merged(items) if merge else items

    def seek(self, offset: int) -> None:
        """Go on at ``offset``, later than where it stands: what lies between is known from elsewhere."""
        rest, self._rest = self._rest, None
        if rest is not None and rest.offset < offset < rest.offset + len(rest.data):
            self._rest = Bytes(offset, rest.data[offset - rest.offset :], rest.wall_ns)
        elif rest is not None and offset <= rest.offset:
            self._rest = rest
            return
        self._move(max(offset, self.position))

    def close(self) -> None:
        """Close the files; reading again opens them again."""
        for handle in (self._log, self._idx):
            if handle >= 0:
                os.close(handle)
        self._log = self._idx = self._start = -1
        self._batch, self._next, self._rest, self._chunk = [], 0, None, b""

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        with contextlib.suppress(OSError):
            self.close()

    def _take(self, room: int, have_items: bool) -> Item | None:
        rest = self._rest
        if room > 0:
            self._rest = None
            return rest or self._advance(have_items)
        return None if rest else self._resize_here()

    def _resize_here(self) -> Item | None:
        """The next item if it is a size recorded at exactly ``position`` in a segment that is open already."""
        passed_by = (form.ATTACH, form.LIFE, form.DROPPED)
        while self._start >= 0 and (self._next < len(self._batch) or self._fill()):
            record = self._batch[self._next]
            size_here = record and record.kind == form.RESIZE and record.offset == self.position
            if record is None or not (size_here or record.kind in passed_by):
                return None
            self._next += 1
            if item := self._item(record):
                return item
        return None

    def _move(self, offset: int) -> None:
        if offset != self.position:
            self.position, self.resizes, self._known = offset, 0, 0

    def _advance(self, have_items: bool) -> Item | None:
        """The next item, or None at the end of what is there."""
        while True:
            if self._start < 0 and not self._open_first():
                return None
            while self._next < len(self._batch) or self._fill():
                record = self._batch[self._next]
                self._next += 1
                if record is not None and (item := self._item(record)) is not None:
                    return item
            # A live tail rarely leaves its segment: look for another one only when this one says so, or gave nothing.
            if not self._sealed and have_items:
                return None
            if not self._open_next():
                return None

    def _item(self, record: Record) -> Item | None:
        """What ``record`` means at the present position; None when nothing."""
        if record.kind == form.SEALED:
            self._sealed = True
        elif record.kind == form.START:
            return self._begin(record)
        elif record.kind == form.GAP:
            return self._gap(max(record.a, self.position), record.offset, record.flags, record.wall_ns)
        elif record.kind == form.RESIZE:
            return self._resize(record)
        elif record.kind == form.BYTES and record.offset > self.position:
            if record.a > self.position:
                self._next -= 1
                return self._gap(self.position, record.a, form.CORRUPT, record.wall_ns)
            return self._bytes(record)
        return None

    def _begin(self, record: Record) -> Item | None:
        size = (record.a, record.b)
        if record.offset > self.position:
            known = self._peek()
            self._next -= 1
            reason, begin = form.DELETED, self.position
            if known is not None and known.kind == form.GAP:
                if known.a > self.position:
                    return self._gap(begin, known.a, form.DELETED, record.wall_ns)
                reason = known.flags
            self._size = (0, 0)
            return self._gap(begin, record.offset, reason, record.wall_ns)
        changed = size != self._size and record.offset == self.position and size != (0, 0)
        self._size = size
        # The size a journal begins with is told only where something before it is missing or was different.
        if changed and record.offset > 0:
            return Resize(record.offset, *size, record.wall_ns)
        return None

    def _resize(self, record: Record) -> Item | None:
        self._size = (record.a, record.b)
        if record.offset < self.position:
            return None
        gap = self._gap(self.position, record.offset, form.CORRUPT, record.wall_ns)
        if gap is not None:
            self._next -= 1
            return gap
        self.resizes += 1
        if self.resizes <= self._known:
            return None
        return Resize(record.offset, record.a, record.b, record.wall_ns)

    def _gap(self, begin: int, end: int, reason: int, wall_ns: int) -> Gap | None:
        if end <= begin:
            return None
        self._move(end)
        return Gap(begin, end, form.REASONS.get(reason, "corrupt"), wall_ns)

    def _bytes(self, record: Record) -> Item:
        at, count = record.a - self._start, record.offset - record.a
        data = self._log_bytes(at, count)
        if len(data) != count or crc32(data) != record.crc:
            self._chunk = b""  # what was read ahead may be older than the record
            data = self._log_bytes(at, count)
        if len(data) != count or crc32(data) != record.crc:
            gap = self._gap(self.position, record.offset, form.CORRUPT, record.wall_ns)
            assert gap is not None
            return gap
        skip = self.position - record.a
        return Bytes(self.position, data[skip:] if skip else data, record.wall_ns)

    def _log_bytes(self, at: int, count: int) -> bytes:
        """``count`` bytes of the log, read ahead in larger pieces as far as the index is known."""
        inside = at - self._chunk_at
        if inside < 0 or inside + count > len(self._chunk):
            last = self._batch[-1] if self._batch else None
            ahead = min(_LOG_CHUNK, last.offset - self._start - at) if last is not None else 0
            try:
                self._chunk = os.pread(self._log, max(count, ahead), at) if self._log >= 0 else b""
            except OSError:
                self._chunk = b""
            self._chunk_at, inside = at, 0
        return self._chunk[inside : inside + count]

    # segments

    def _open_first(self) -> bool:
        """The segment that holds ``position``, or the first after it. At a seam the earlier one, for its resizes."""
        starts = form.segments(self.folder)
        before = [start for start in starts if start < self.position]
        chosen = before[-1:] or starts[:1]
        return bool(chosen) and self._open(chosen[0])

    def _open_next(self) -> bool:
        later = [start for start in form.segments(self.folder) if start > self._start]
        return bool(later) and self._open(later[0])

    def _open(self, start: int) -> bool:
        try:
            idx = os.open(form.idx_path(self.folder, start), os.O_RDONLY)
        except OSError:
            return self._skip(start)
        try:
            log = os.open(form.log_path(self.folder, start), os.O_RDONLY)
        except OSError:
            log = -1
        size = self._size
        self.close()
        self._size, self._log, self._idx, self._start = size, log, idx, start
        self._idx_at, self._sealed = 0, False
        return True

    def _skip(self, start: int) -> bool:
        """A segment without an index: pass it by when there is a later one."""
        later = [other for other in form.segments(self.folder) if other > start]
        return bool(later) and self._open(later[0])

    def _fill(self) -> bool:
        """Read more of the index; a record that is there only in part is left for later."""
        try:
            data = os.pread(self._idx, _INDEX_CHUNK, self._idx_at)
        except OSError:
            return False
        count = len(data) // RECORD_SIZE
        self._batch = [form.unpack(data, at * RECORD_SIZE) for at in range(count)]
        self._next = 0
        self._idx_at += count * RECORD_SIZE
        return count > 0

    def _peek(self) -> Record | None:
        return self._batch[self._next] if self._next < len(self._batch) else None


def _merged(items: list[Item]) -> list[Item]:
    out: list[Item] = []
    run: list[Bytes] = []

    def flush() -> None:
        if run:
            out.append(run[0] if len(run) == 1 else run[0]._replace(data=b"".join(part.data for part in run)))
            run.clear()

    for item in items:
        if isinstance(item, Bytes):
            run.append(item)
        else:
            flush()
            out.append(item)
    flush()
    return out
