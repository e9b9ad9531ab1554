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
    """Bytes that were in the log without a record and are kept."""
    cut: int
    """Bytes removed: damaged, or written in a boot that ended without a sync."""
    records_cut: int
    clean: bool
    """Whether the writer ended in order (or none ever was)."""
    boot: int


class _Segment:
    """The newest segment while it is repaired."""

    def __init__(self, folder: str, start: int) -> None:
        self.folder, self.start = folder, start
        data = form.read_file(form.idx_path(folder, start))
        self.size = len(data)
        found = [form.unpack(data, at) for at in range(0, len(data) - RECORD_SIZE + 1, RECORD_SIZE)]
        while found and found[-1] is None:
            found.pop()
        self.records: list[Record | None] = found
        try:
            self.log_size = os.path.getsize(form.log_path(folder, start))
        except OSError:
            self.log_size = -1

    @property
    def covered(self) -> int:
        """Bytes of the log the records speak of."""
        return max((r.offset for r in self.records if r and r.kind == form.BYTES), default=self.start) - self.start

    def cut_records(self, keep: int) -> None:
        del self.records[keep:]


def repair(folder: str | os.PathLike[str], boot_id: str = "") -> Report:
    """Make the newest segment whole. Only where no writer lives: whoever calls holds its lock.

    A torn record is cut. Bytes behind the last record are kept within the same boot, since a killed process loses
    none; after another boot they are cut, as is everything from the first record whose bytes do not match their
    checksum. Raises OSError when the folder cannot be written.
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
    clean = last is not None and last.kind in (form.CLOSED, form.SEALED)
    same_boot = last is None or last.boot == boot
    size_before = segment.size
    if not clean and not same_boot:
        _cut_damaged(segment)
    log = max(segment.log_size, 0)
    covered = segment.covered
    recovered = cut = 0
    keep = len(segment.records) * RECORD_SIZE
    with open(form.idx_path(folder, start), "ab", buffering=0) as idx:
        os.chmod(idx.fileno(), 0o600)
        if keep != segment.size:
            idx.truncate(keep)
        if not any(segment.records):
            cols, lines = _size_before(folder, starts[:-1])
            stamp = last or Record(0, 0, 0, 0, 0, 0, 0, 0, boot)
            first = stamp._replace(kind=form.START, flags=0, crc=0, offset=start, a=cols, b=lines)
            idx.write(form.pack(first))
            segment.records.append(first)
        if log > covered and (same_boot or clean):
            recovered = log - covered
            _recover(segment, idx.fileno(), covered, log, boot)
        elif log > covered:
            cut = log - covered
            os.truncate(form.log_path(folder, start), covered)
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


def _recover(segment: _Segment, idx: int, covered: int, log_size: int, boot: int) -> None:
    """Write records for bytes that have none; their time is that of the last record before them."""
    last = next(r for r in reversed(segment.records) if r)
    log = os.open(form.log_path(segment.folder, segment.start), os.O_RDONLY)
    try:
        while covered < log_size:
            data = os.pread(log, min(_PIECE, log_size - covered), covered)
            begin = segment.start + covered
            covered += len(data)
            record = last._replace(
                kind=form.BYTES,
                flags=form.RECOVERED,
                crc=crc32(data),
                offset=begin + len(data),
                a=begin,
                b=0,
                boot=boot,
            )
            os.write(idx, form.pack(record))
            segment.records.append(record)
    finally:
        os.close(log)


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
