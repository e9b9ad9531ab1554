"""Bringing a journal in order after its writer was killed or the machine lost power."""

from __future__ import annotations

import os
from typing import NamedTuple
from zlib import crc32

from terminals.journal import format as form
from terminals.journal.format import RECORD_SIZE, Record

_PIECE = 256 << 10


class Report(NamedTuple):
    """What a repair found and did. ``boot`` is the digest of the boot that wrote last."""

    end: int
    """Where the journal ends now."""
    cols: int
    lines: int
    recovered: int
    """Bytes that were in the log without a sound record and are kept."""
    cut: int
    """Bytes left out: not to be told from damaged ones, or written in a boot that ended without a sync."""
    records_cut: int
    clean: bool
    """Whether the writer ended in order (or none ever was)."""
    boot: int


class _Segment:
    """The newest segment while it is repaired."""

    def __init__(self, folder: str, start: int) -> None:
        self.folder, self.start = folder, start
        self.index = form.read_file(form.idx_path(folder, start))
        self.size = len(self.index)
        self.records: list[Record | None] = [
            form.unpack(self.index, at) for at in range(0, self.size - RECORD_SIZE + 1, RECORD_SIZE)
        ]
        try:
            self.log_size = os.path.getsize(form.log_path(folder, start))
        except OSError:
            self.log_size = -1

    @property
    def covered(self) -> int:
        """Bytes of the log the records speak of, whether they are there or known to be damaged."""
        return self.start_of_rest[1]

    @property
    def start_of_rest(self) -> tuple[int, int]:
        """The number of the first record behind the last one that speaks of bytes, and the bytes covered by then."""
        for number in reversed(range(len(self.records))):
            record = self.records[number]
            if record and record.kind in (form.BYTES, form.GAP):
                return number + 1, record.offset - self.start
        return 0, 0

    def cut_records(self, keep: int) -> None:
        del self.records[keep:]


def repair(folder: str | os.PathLike[str], boot_id: str = "") -> Report:
    """Make the newest segment whole. Only where no writer lives: whoever calls holds its lock.

    Within the same boot a killed writer leaves at most a record that is too short, which is cut, and bytes without
    any record, which are kept. A record of full length that does not match its checksum is damage: the bytes it spoke
    of are kept where what is left of it proves them, else they become a gap. After another boot everything from the
    first record that is damaged, or whose bytes are, is cut. Raises OSError when the folder cannot be written.
    """
    folder = os.fspath(folder)
    starts = form.segments(folder)
    while starts and not os.path.exists(form.idx_path(folder, starts[-1])):
        if _size(form.log_path(folder, starts[-1])):
            break
        os.unlink(form.log_path(folder, starts.pop()))
    if not starts:
        return Report(0, 0, 0, 0, 0, 0, True, form.boot_digest(boot_id))
    return _repair_segment(_Segment(folder, starts[-1]), starts, form.boot_digest(boot_id))


def _repair_segment(segment: _Segment, starts: list[int], boot: int) -> Report:
    folder, start = segment.folder, segment.start
    last = next((r for r in reversed(segment.records) if r), None)
    clean = last is not None and last is segment.records[-1] and last.kind in (form.CLOSED, form.SEALED)
    same_boot = last is None or last.boot == boot
    size_before = segment.size
    if not clean and not same_boot:
        _cut_damaged(segment)
    log = max(segment.log_size, 0)
    recovered = cut = 0
    keep = len(segment.records) * RECORD_SIZE
    idx = os.open(form.idx_path(folder, start), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.fchmod(idx, 0o600)
        if keep != segment.size:
            os.ftruncate(idx, keep)
        if not any(segment.records):
            cols, lines = _size_before(folder, starts[:-1])
            stamp = last or Record(0, 0, 0, 0, 0, 0, 0, 0, boot)
            first = stamp._replace(kind=form.START, flags=0, crc=0, offset=start, a=cols, b=lines)
            _put(segment, idx, len(segment.records), first)
        covered = segment.covered
        if log > covered and (same_boot or clean):
            recovered, cut = _recover(segment, idx, log, boot)
        elif log > covered:
            cut = log - covered
            os.truncate(form.log_path(folder, start), covered)
    finally:
        os.close(idx)
    ends = [r.offset for r in segment.records if r]
    cols, lines = _size_of([r for r in segment.records if r])
    gone = max(0, size_before - keep) // RECORD_SIZE + (1 if size_before % RECORD_SIZE else 0)
    boot_of_last = last.boot if last else boot
    return Report(max([start, *ends]), cols, lines, recovered, cut, gone, clean, boot_of_last)


def _cut_damaged(segment: _Segment) -> None:
    """After an unclean boot: cut from the first record that is damaged or whose bytes are."""
    try:
        log = os.open(form.log_path(segment.folder, segment.start), os.O_RDONLY)
    except OSError:
        return
    try:
        for number, record in enumerate(segment.records):
            if record is None or (record.kind == form.BYTES and not _whole(log, segment.start, record)):
                segment.cut_records(number)
                return
    finally:
        os.close(log)


def _whole(log: int, start: int, record: Record) -> bool:
    data = os.pread(log, record.offset - record.a, record.a - start)
    return len(data) == record.offset - record.a and crc32(data) == record.crc


def _recover(segment: _Segment, idx: int, log_size: int, boot: int) -> tuple[int, int]:
    """Write records for bytes that have no sound one; bytes kept, and left out. Their time is that of a record before.

    Bytes that never had a record were written last. Where a damaged record may have spoken of them they are a gap.
    """
    stamp = next(r for r in reversed(segment.records) if r)._replace(b=0, boot=boot)
    first, at = segment.start_of_rest
    kept = left_out = 0
    doubtful = False
    log = os.open(form.log_path(segment.folder, segment.start), os.O_RDONLY)
    try:
        for number in range(first, len(segment.records)):
            if (record := segment.records[number]) is not None:
                at, doubtful = max(at, record.offset - segment.start), False
            elif proven := _proven(segment, number, log, at, log_size):
                begin, end, crc = proven
                _put(segment, idx, number, _bytes(stamp, segment.start, begin, end, crc))
                kept, left_out = kept + end - begin, left_out + begin - at
                at, doubtful = end, False
            else:
                doubtful = True
        if doubtful and at < log_size:
            span = {"offset": segment.start + log_size, "a": segment.start + at}
            gap = stamp._replace(kind=form.GAP, flags=form.CORRUPT, crc=0, **span)
            _put(segment, idx, len(segment.records), gap)
            return kept, left_out + log_size - at
        while at < log_size:
            data = os.pread(log, min(_PIECE, log_size - at), at)
            record = _bytes(stamp, segment.start, at, at + len(data), crc32(data))
            _put(segment, idx, len(segment.records), record)
            kept, at = kept + len(data), at + len(data)
    finally:
        os.close(log)
    return kept, left_out


def _proven(segment: _Segment, number: int, log: int, at: int, log_size: int) -> tuple[int, int, int] | None:
    """Which bytes of the log the damaged record ``number`` spoke of (begin, end, checksum), if they prove it.

    They do when their checksum is the one it holds, or makes the record match its own.
    """
    raw = segment.index[number * RECORD_SIZE : (number + 1) * RECORD_SIZE]
    told = form.unchecked(raw)
    upto = next((r.offset - segment.start for r in segment.records[number + 1 :] if r), log_size)
    for begin in {at, told.a - segment.start}:
        for end in {told.offset - segment.start, upto}:
            if not at <= begin < end <= upto:
                continue
            data = os.pread(log, end - begin, begin)
            crc = crc32(data)
            if len(data) == end - begin and (crc == told.crc or form.pack(told._replace(crc=crc)) == _with(raw, crc)):
                return begin, end, crc
    return None


def _with(raw: bytes, crc: int) -> bytes:
    """A record as it lies on disk with another checksum of its bytes."""
    return raw[:4] + crc.to_bytes(4, "little") + raw[8:]


def _bytes(stamp: Record, start: int, begin: int, end: int, crc: int) -> Record:
    return stamp._replace(kind=form.BYTES, flags=form.RECOVERED, crc=crc, offset=start + end, a=start + begin)


def _put(segment: _Segment, idx: int, number: int, record: Record) -> None:
    """Write ``record`` in place of record ``number``, or behind the last one."""
    os.pwrite(idx, form.pack(record), number * RECORD_SIZE)
    segment.records[number : number + 1] = [record]


def _size_of(records: list[Record]) -> tuple[int, int]:
    return next(((r.a, r.b) for r in reversed(records) if r.kind in (form.START, form.RESIZE)), (0, 0))


def _size_before(folder: str, starts: list[int]) -> tuple[int, int]:
    for start in reversed(starts):
        if (size := _size_of(form.records(folder, start))) != (0, 0):
            return size
    return 0, 0


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return 0
