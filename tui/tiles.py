"""Where panels go: pure geometry, the same for the same room and count, so nothing moves that need not."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

LEAST_COLS, LEAST_LINES = 56, 12
"""The smallest panel worth tiling: its title line and eleven lines of screen."""
MOST = 9
MODES = ("auto", "columns", "rows", "one")


class Tile(NamedTuple):
    """Cells of one panel, its title line included."""

    x: int
    y: int
    width: int
    height: int


class Grid(NamedTuple):
    """Columns and rows."""

    columns: int
    rows: int

    @property
    def room(self) -> int:
        """How many panels fit."""
        return self.columns * self.rows


class Layout(NamedTuple):
    """How a person arranged a session; stored with it."""

    mode: str = "auto"
    zoom: bool = False
    focus: str = ""

    def dumps(self) -> str:
        """As stored in the session."""
        return json.dumps(self._asdict(), separators=(",", ":"))

    @classmethod
    def loads(cls, text: str) -> Layout:
        """From the session; anything unknown counts as the default."""
        try:
            data: Any = json.loads(text) if text else {}
        except ValueError:
            data = {}
        if not isinstance(data, dict):
            return cls()
        mode = data.get("mode")
        return cls(mode if mode in MODES else "auto", data.get("zoom") is True, str(data.get("focus", "")))


def grid(count: int, width: int, height: int, mode: str = "auto") -> Grid:
    """How many columns and rows ``count`` panels get in this room; at least one of each."""
    columns = max(1, min((width + 1) // (LEAST_COLS + 1), 3))
    rows = max(1, min(height // LEAST_LINES, 3 if mode != "rows" else 4))
    count = max(1, min(count, MOST))
    if mode == "one":
        return Grid(1, 1)
    if mode == "columns":
        return Grid(min(count, columns), 1)
    if mode == "rows":
        return Grid(1, min(count, rows))
    fits = [Grid(c, r) for c in range(1, columns + 1) for r in range(1, rows + 1) if (r - 1) * c < count]
    return min(fits, key=lambda g: (-min(g.room, count), _lopsided(g, width, height) * (1 + _spare(g, count) / 4)))


def _spare(g: Grid, count: int) -> int:
    return max(0, g.room - count)


def _lopsided(g: Grid, width: int, height: int) -> float:
    """How far panels are from the shape of a terminal, 80 columns by 24 lines of cells."""
    shape = (width / g.columns) / max(1.0, height / g.rows) / (80 / 24)
    return max(shape, 1 / shape)


def tile(count: int, g: Grid, width: int, height: int) -> list[Tile]:
    """The tiles of ``count`` panels, row by row, one column of separator between neighbours.

    Spare cells go to the first ones; a last row that is not full is shared by what is in it.
    """
    count = min(count, g.room)
    rows = -(-count // g.columns) if count else 0
    found = []
    y = 0
    for row, lines in enumerate(_split(height, rows)):
        inside = min(g.columns, count - row * g.columns)
        x = 0
        for columns in _split(width - (inside - 1), inside):
            found.append(Tile(x, y, columns, lines))
            x += columns + 1
        y += lines
    return found


def _split(total: int, parts: int) -> list[int]:
    if not parts:
        return []
    size, spare = divmod(max(total, parts), parts)
    return [size + (n < spare) for n in range(parts)]


def page(ids: list[str], focus: str, room: int) -> list[str]:
    """The panels shown: the page of ``room`` that holds the focused one."""
    if not ids:
        return []
    at = ids.index(focus) if focus in ids else 0
    first = at // room * room
    return ids[first : first + room]
