"""Questions about a journal that need no reading of its bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from terminals.journal import format as form
from terminals.journal.format import Record

Folder = str | os.PathLike[str]


class Life(NamedTuple):
    """A program was started in this terminal when the journal stood at ``offset``."""

    offset: int
    wall_ns: int


def end(folder: Folder) -> int:
    """The offset where the journal ends, as far as it is recorded; 0 for none."""
    name = os.fspath(folder)
    for start in reversed(form.segments(name)):
        if found := form.records(name, start):
            return max(record.offset for record in found)
    return 0


def at_time(folder: Folder, wall_ns: int) -> int:
    """Where the journal stood at ``wall_ns``: the end of the last append made by then."""
    name = os.fspath(folder)
    starts = form.segments(name)
    place = starts[0] if starts else 0
    for start in starts:
        found = form.records(name, start)
        if found and found[0].wall_ns > wall_ns:
            break
        place = max([place, *(r.offset for r in found if r.wall_ns <= wall_ns and r.kind != form.GAP)])
    return place


def size_at(folder: Folder, offset: int) -> tuple[int, int] | None:
    """Columns and lines in force at ``offset``, after the resizes recorded there; None where nothing tells."""
    size = None
    name = os.fspath(folder)
    for start in reversed([s for s in form.segments(name) if s <= offset]):
        for record in form.records(name, start):
            if record.kind in (form.START, form.RESIZE) and record.offset <= offset and record.a:
                size = (record.a, record.b)
        if size:
            break
    return size


def lives(folder: Folder) -> list[Life]:
    """Where each program in this terminal began, as far back as the journal is kept."""
    return [Life(r.offset, r.wall_ns) for r in _all(folder) if r.kind == form.LIFE]


def rested(folder: Folder) -> bool:
    """Whether output may have rested in the terminal, unread, when the writer ended. Not so when it ended in order."""
    name = os.fspath(folder)
    for start in reversed(form.segments(name)):
        for record in reversed(form.records(name, start)):
            if record.kind == form.ATTACH:
                return bool(record.a and record.b)
            if record.kind in (form.CLOSED, form.LIFE):
                return False
    return False


def total(folder: Folder) -> int:
    """Bytes the journal takes on disk, logs and indexes."""
    name = os.fspath(folder)
    size = 0
    for start in form.segments(name):
        for path in (form.log_path(name, start), form.idx_path(name, start)):
            try:
                size += os.path.getsize(path)
            except OSError:  # deleted meanwhile
                continue
    return size


def _all(folder: Folder) -> Iterator[Record]:
    name = os.fspath(folder)
    for start in form.segments(name):
        yield from form.records(name, start)
