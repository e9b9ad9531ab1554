"""The journal: the exact bytes a terminal printed, with their times and sizes, on disk.

A folder (an agent's ``journal/``) is written by one :class:`Writer` and read by any number of :class:`Reader`; offsets
are absolute and never restart, not even for the next program in the same terminal. Standard library only, no
asyncio: a holder imports it. :mod:`terminals.journal.format` documents the files.
"""

from __future__ import annotations

from terminals.journal.format import boot_digest
from terminals.journal.query import Life, at_time, end, lives, rested, size_at, total
from terminals.journal.reader import Bytes, Gap, Item, Reader, Resize
from terminals.journal.repair import Report, repair
from terminals.journal.writer import Writer

__all__ = [
    "Bytes",
    "Gap",
    "Item",
    "Life",
    "Reader",
    "Report",
    "Resize",
    "Writer",
    "at_time",
    "boot_digest",
    "end",
    "lives",
    "repair",
    "rested",
    "size_at",
    "total",
]
