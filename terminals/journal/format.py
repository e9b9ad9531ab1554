"""How a journal lies on disk.

A journal is a folder of segments. Each segment is a pair of files named by the offset of its first byte, twenty
digits: ``.log`` holds exactly the bytes, ``.idx`` one record of 56 bytes (little endian) per thing that happened:

====== ==== =========================================================
bytes  type meaning
====== ==== =========================================================
0      u8   kind
1      u8   format version
2      u16  flags
4      u32  CRC-32 of the bytes a ``BYTES`` record covers, else 0
8      u64  offset: where the journal stood after it
16     u64  a
24     u64  b
32     u64  wall clock, nanoseconds since the epoch
40     u64  monotonic clock, nanoseconds
48     u32  CRC-32 of the boot id
52     u32  CRC-32 of the 52 bytes before
====== ==== =========================================================

Bytes inside one segment are contiguous; what is missing lies between segments, or is damaged and stays where it is
under a ``GAP``. One append is one write to the log, then one record: bytes beyond the last record are real all the
same, unless that one is damaged (see :mod:`terminals.journal.repair`).
"""

from __future__ import annotations

import os
import struct
from typing import NamedTuple
from zlib import crc32

VERSION = 1
RECORD_SIZE = 56
_HEAD = struct.Struct("<BBHIQQQQQI")
_CRC = struct.Struct("<I")

START = 1
"""First record of a segment. a, b: columns and lines in force."""
BYTES = 2
"""a: offset of the first byte covered."""
RESIZE = 3
"""a, b: columns and lines from here on."""
GAP = 4
"""a: offset of the first byte missing; flags: why, see ``REASONS``."""
ATTACH = 5
"""a: 1 when an orchestrator began to follow, 0 when it was gone; b: 1 from where output may rest in the terminal."""
LIFE = 6
"""A program was started in this terminal."""
DROPPED = 7
"""a, b: range of bytes whose segments were deleted to stay within the limit."""
SEALED = 8
"""Last record of a segment that has a successor."""
CLOSED = 9
"""The writer ended in order and all before it was synced."""

RECOVERED = 1
"""Flag of ``BYTES``: found behind the last record by a repair."""

DELETED, UNWRITTEN, CORRUPT, LOST, UNSEEN = 1, 2, 3, 4, 5
REASONS = {DELETED: "deleted", UNWRITTEN: "unwritten", CORRUPT: "corrupt", LOST: "lost", UNSEEN: "unseen"}
"""Why bytes are missing: retention, no room (or no folder) to write them, damage on disk, a power cut, printed while
nobody recorded (their number is not known, one stands for them all)."""


class Record(NamedTuple):
    """One index record; the module says what the fields mean."""

    kind: int
    flags: int
    crc: int
    offset: int
    a: int
    b: int
    wall_ns: int
    monotonic_ns: int
    boot: int


def pack(record: Record) -> bytes:
    """The 56 bytes of ``record``."""
    kind, flags, *rest = record
    head = _HEAD.pack(kind, VERSION, flags, *rest)
    return head + _CRC.pack(crc32(head))


def unpack(data: bytes, at: int = 0) -> Record | None:
    """The record at ``at``; None when it is damaged or of a version not known."""
    (crc,) = _CRC.unpack_from(data, at + _HEAD.size)
    if crc != crc32(data[at : at + _HEAD.size]):
        return None
    kind, version, *rest = _HEAD.unpack_from(data, at)
    return Record(kind, *rest) if version == VERSION else None


def unchecked(data: bytes) -> Record:
    """What the 56 bytes of a damaged record say, true or not."""
    kind, _version, *rest = _HEAD.unpack_from(data)
    return Record(kind, *rest)


def log_path(folder: str, start: int) -> str:
    """The bytes of the segment that begins at ``start``."""
    return f"{folder}/{start:020d}.log"


def idx_path(folder: str, start: int) -> str:
    """The index of the segment that begins at ``start``."""
    return f"{folder}/{start:020d}.idx"


def segments(folder: str) -> list[int]:
    """Start offsets of all segments of which at least one half exists, in order; none where the folder is gone."""
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    return sorted({int(n[:20]) for n in names if len(n) == 24 and n[:20].isdigit() and n[20:] in (".log", ".idx")})


def records(folder: str, start: int) -> list[Record]:
    """All undamaged records of one segment; none where its index is gone."""
    data = read_file(idx_path(folder, start))
    found = (unpack(data, at) for at in range(0, len(data) - RECORD_SIZE + 1, RECORD_SIZE))
    return [record for record in found if record]


def read_file(path: str) -> bytes:
    """The content of ``path``; nothing where it cannot be read."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except OSError:
        return b""


def boot_digest(boot_id: str) -> int:
    """The boot id as a record holds it."""
    return crc32(boot_id.encode())
