"""Where a screen is rebuilt from, and the guard that keeps one poisonous byte range from killing every restart.

The emulator is native code fed by strangers, so a replay is treated as something that may take the process with it.
While a replay feeds a range it is named in ``feeding``; a range found there was never finished. It is fed again in
small pieces, and the small piece that is found there once more is skipped as a gap.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from quarterdeck.errors import Broken
from terminals import journal
from terminals.screen import EMULATOR, Screen
from terminals.snapshot import Snapshot

PIECE = 256 << 10
"""Bytes fed in one go; everything else that concerns the terminal gets its turn between two."""
SMALL_PIECE = 4 << 10
DIRECT = 256 << 10
"""A journal this short behind its history is replayed whole instead of starting from the newest snapshot."""


class Range(NamedTuple):
    """Journal bytes from ``start`` up to ``end``."""

    start: int
    end: int


class Base(NamedTuple):
    """Where a replay begins. ``redraw``: the screen is an imitation; the program should repaint."""

    screen: Screen
    offset: int
    whole: bool
    """Whether the history is in it too."""
    redraw: bool = False


def journal_folder(folder: Path) -> Path:
    """The journal of an agent's folder."""
    return folder / "journal"


def history_files(folder: Path) -> list[tuple[int, Path]]:
    """Saved histories of an agent, newest first, with their offsets."""
    found = []
    with contextlib.suppress(OSError):
        found = [
            (int(path.name[:20]), path)
            for path in (folder / "history").iterdir()
            if path.suffix == ".screen" and path.name[:20].isdigit()
        ]
    return sorted(found, reverse=True)


def history_path(folder: Path, offset: int) -> Path:
    """Where the history that stands at ``offset`` is kept."""
    return folder / "history" / f"{offset:020d}.screen"


def whole_base(folder: Path, cols: int, lines: int, history_lines: int, end: int) -> Base:
    """A screen with all its history: from the newest saved one, else empty at the journal's beginning."""
    for offset, path in history_files(folder):
        if offset > end:
            continue
        try:
            screen, offset = Screen.load_history(path, history_lines=history_lines)
        except Broken:
            continue
        return Base(screen, offset, True)
    first = journal.size_at(journal_folder(folder), 0)
    return Base(Screen(*(first or (cols, lines)), history_lines=history_lines), 0, True)


def base(folder: Path, cols: int, lines: int, history_lines: int, snapshot: Snapshot | None) -> Base:
    """The best place to begin: near the end, and with the history where that costs next to nothing."""
    end = journal.end(journal_folder(folder))
    if snapshot is not None:
        whole_from = max((offset for offset, _ in history_files(folder) if offset <= end), default=0)
        if end - whole_from > DIRECT or (not whole_from and _begins(folder) > 0):
            with contextlib.suppress(Broken):
                screen = Screen.restored(snapshot, history_lines=history_lines)
                return Base(screen, min(snapshot.offset, end), False, snapshot.emulator != EMULATOR)
    return whole_base(folder, cols, lines, history_lines, end)


def _begins(folder: Path) -> int:
    """The offset of the oldest byte kept."""
    with journal.Reader(journal_folder(folder)) as reader:
        for item in reader.read(1):
            if isinstance(item, journal.Gap):
                return item.end
    return 0


def cut(start: int, end: int, edges: set[int]) -> list[tuple[int, int]]:
    """The range in pieces that end at every edge inside it, none longer than ``PIECE``."""
    inside = {edge for edge in edges if start < edge < end}
    if not inside and end - start <= PIECE:
        return [(start, end)]
    return list(pairwise([start, *sorted(inside | {*range(start + PIECE, end, PIECE), end})]))


class Guard:
    """The ``feeding`` file of one agent, while ranges of its journal are replayed."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "feeding"
        self._crashed: Range | None = None
        self._tries = 0
        self.skipped: list[Range] = []
        """Ranges that are never fed again."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            found = json.loads(self._path.read_text())
            self.skipped = [Range(*pair) for pair in found["skipped"]]
            if found["feeding"]:
                crashed, self._tries = Range(*found["feeding"]), int(found["tries"])
                if self._tries >= 2:
                    self.skipped.append(crashed)
                else:
                    self._crashed = crashed

    def pieces(self, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
        """The range cut up as (start, end, skip): small pieces where a replay ended before, skipped what did it."""
        edges = {end}
        for span in [*self.skipped, *([self._crashed] if self._crashed else [])]:
            edges |= {edge for edge in span if start < edge < end}
        for edge in sorted(edges):
            if any(span.start <= start and edge <= span.end for span in self.skipped):
                yield start, edge, True
            elif self._crashed and self._crashed.start <= start and edge <= self._crashed.end:
                for small in range(start, edge, SMALL_PIECE):
                    yield small, min(small + SMALL_PIECE, edge), False
            else:
                yield start, edge, False
            start = edge

    def feeding(self, start: int, end: int) -> None:
        """Say that this range is about to be fed. Losing the note to a power cut is harmless."""
        inside = self._crashed is not None and self._crashed.start <= start and end <= self._crashed.end
        self._note([start, end], self._tries + 1 if inside else 1)

    def done(self) -> None:
        """The replay came through."""
        if self.skipped:
            self._note(None, 0)
        else:
            self._path.unlink(missing_ok=True)

    def _note(self, feeding: list[int] | None, tries: int) -> None:
        note = {"feeding": feeding, "tries": tries, "skipped": self.skipped, "pid": os.getpid()}
        with contextlib.suppress(OSError):
            self._path.write_text(json.dumps(note))
