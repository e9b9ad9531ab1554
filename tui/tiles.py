"""Which panels of a tab are shown, and how they are split: pure, the same for the same room, so that little moves."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from quarterdeck import splits
from quarterdeck.layout import Tab, Tiling
from quarterdeck.splits import GAP, Box, Node, split

LEAST_COLS, LEAST_LINES = 56, 12
"""The smallest panel worth tiling by itself: its title line and eleven lines of screen."""
SMALL_COLS, SMALL_LINES = 20, 4
"""The smallest panel a person may make."""
TALL = 72
"""Lines of a room from which on a fourth row is no worse than a page."""
MOST = 16


class Grid(NamedTuple):
    """Columns and rows."""

    columns: int
    rows: int

    @property
    def room(self) -> int:
        """How many panels fit."""
        return self.columns * self.rows


class Shown(NamedTuple):
    """The panels shown, as a tree; ``page`` (from 0) of so many.

    ``own`` is whether the tree is as a person split it, so that it can be changed; ``crowded`` whether a person's tree
    waits for more room and its panels are tiled on pages until then.
    """

    tree: Node | None
    own: bool = False
    page: int = 0
    pages: int = 1
    crowded: bool = False


def shown(tab: Tab, agents: Sequence[str], focus: str, pinned: Collection[str], width: int, height: int) -> Shown:
    """What of a tab is on a screen: the page that holds the focused one of ``agents``, which have panels."""
    if not agents:
        return Shown(None)
    if focus not in agents:
        focus = agents[0]
    if tab.zoom:
        return Shown(focus, False, list(agents).index(focus), len(agents))
    first = [agent for agent in agents if agent in pinned]
    rest = [agent for agent in agents if agent not in pinned]
    made = splits.kept(tab.split, agents) if tab.tiling == "split" else None
    if made is None:
        return _tiled("grid" if tab.tiling == "split" else tab.tiling, first, rest, focus, width, height, tab.share)
    if not fits(made, width, height):
        return _tiled("grid", first, rest, focus, width, height)._replace(crowded=True)
    known = set(splits.leaves(made))
    left = [agent for agent in agents if agent not in known]
    while left and (more := added(made, left[0], "", width, height)) is not None:
        made = more
        left.pop(0)
    if focus not in left:
        return Shown(made, True, 0, 1 + (_tiled("grid", first, left, left[0], width, height).pages if left else 0))
    found = _tiled("grid", first, left, focus, width, height)
    return found._replace(page=found.page + 1, pages=found.pages + 1)


def fits(tree: Node, width: int, height: int) -> bool:
    """Whether every panel of a tree is large enough to work in."""
    boxes = splits.place(tree, Box(0, 0, width, height)).values()
    return len(boxes) <= MOST and all(box.width >= SMALL_COLS and box.height >= SMALL_LINES for box in boxes)


def added(tree: Node | None, agent: str, focus: str, width: int, height: int) -> Node | None:
    """The tree with one more panel beside the focused one, else the largest; None where halves would be too small."""
    if tree is None:
        return agent
    boxes = splits.place(tree, Box(0, 0, width, height))
    if len(boxes) >= MOST:
        return None
    largest = sorted(boxes, key=lambda name: -_cells(boxes[name]))[:1]
    for name in [focus, *largest] if focus in boxes else largest:
        box = boxes[name]
        beside, below = (box.width - GAP) // 2 >= LEAST_COLS, box.height // 2 >= LEAST_LINES
        if beside and (not below or _lopsided(Grid(2, 1), *box[2:]) <= _lopsided(Grid(1, 2), *box[2:])):
            return splits.insert(tree, name, agent, "right")
        if below:
            return splits.insert(tree, name, agent, "down")
    return None


def _cells(box: Box) -> int:
    return box.width * box.height


# -- what is tiled by itself


def _tiled(
    tiling: Tiling, first: list[str], rest: list[str], focus: str, width: int, height: int, share: float = 0.6
) -> Shown:
    """One page: who is pinned, then as many of the others as find room."""
    agents = [*first, *(agent for agent in rest if agent not in first)]
    shape = main(len(agents), width, height, share) if tiling == "main" else grid(len(agents), width, height, tiling)
    here, number, pages = page(agents, len(first), focus, shape.room)
    if isinstance(shape, Main):
        return Shown(shape.tree(here), False, number, pages)
    rows = [here[at : at + shape.columns] for at in range(0, len(here), shape.columns)]
    return Shown(split("rows", [split("columns", row) for row in rows]), False, number, pages)


def page(agents: Sequence[str], pinned: int, focus: str, room: int) -> tuple[list[str], int, int]:
    """The page of ``room`` panels that holds the focused one, its number and how many there are.

    The first ``pinned`` agents are on all of them, but for those that would leave no room for another one.
    """
    if len(agents) <= room:
        return list(agents), 0, 1
    fixed = min(pinned, room - 1)
    moving = agents[fixed:]
    size = room - fixed
    number = moving.index(focus) // size if focus in moving else 0
    return [*agents[:fixed], *moving[number * size : (number + 1) * size]], number, -(-len(moving) // size)


def grid(count: int, width: int, height: int, tiling: Tiling = "grid") -> Grid:
    """How many columns and rows ``count`` panels get in this room; at least one of each."""
    columns = max(1, min((width + GAP) // (LEAST_COLS + GAP), 4))
    rows = max(1, min(height // LEAST_LINES, 4 if tiling == "rows" or height >= TALL else 3))
    count = max(1, min(count, MOST))
    if tiling == "one":
        return Grid(1, 1)
    if tiling == "columns":
        return Grid(min(count, columns), 1)
    if tiling == "rows":
        return Grid(1, min(count, rows))
    some = [Grid(c, r) for c in range(1, columns + 1) for r in range(1, rows + 1) if (r - 1) * c < count]
    return min(some, key=lambda g: (-min(g.room, count), _lopsided(g, width, height) * (1 + _spare(g, count) / 4)))


def _spare(g: Grid, count: int) -> int:
    return max(0, g.room - count)


def _lopsided(g: Grid, width: int, height: int) -> float:
    """How far panels are from the shape of a terminal, 80 columns by 24 lines of cells."""
    shape = (width / g.columns) / max(1.0, height / g.rows) / (80 / 24)
    return max(shape, 1 / shape)


class Main(NamedTuple):
    """One large panel with ``share`` of the room, and a stack of so many beside it, or below it in a row."""

    share: float
    stack: int
    beside: bool

    @property
    def room(self) -> int:
        """How many panels fit."""
        return 1 + self.stack

    def tree(self, agents: Sequence[str]) -> Node:
        """These panels, the first one large."""
        if len(agents) == 1:
            return agents[0]
        stack = split("rows" if self.beside else "columns", agents[1:])
        return split("columns" if self.beside else "rows", [agents[0], stack], [self.share, 1 - self.share])


def main(count: int, width: int, height: int, share: float) -> Main:
    """How ``count`` panels are tiled as one that is large and a stack."""
    count = max(1, min(count, MOST))
    if (width - GAP) // 2 >= LEAST_COLS:
        most = 1 - LEAST_COLS / (width - GAP)
        return Main(min(max(share, 1 - most), most), min(count - 1, max(1, height // LEAST_LINES)), beside=True)
    if height // 2 >= LEAST_LINES:
        most = 1 - LEAST_LINES / height
        columns = max(1, (width + GAP) // (LEAST_COLS + GAP))
        return Main(min(max(share, 1 - most), most), min(count - 1, columns), beside=False)
    return Main(share, 0, beside=True)
