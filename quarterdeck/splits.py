"""Panels that share a room: a tree of splits, and what a person does to it. Pure geometry in cells.

A node is the name of a panel (an agent's id or name) or a :class:`Split` of several nodes. Between parts that stand
side by side lies one column of separator; parts one above the other need none, a panel begins with its title line.
Every function returns a new tree; a name that is not in it changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

Way = Literal["columns", "rows"]
Side = Literal["left", "right", "up", "down"]
SIDES: tuple[Side, ...] = ("left", "right", "up", "down")
GAP = 1
"""Columns between parts that stand side by side."""
DEEP, MANY = 16, 256
"""How deep splits may lie in each other, and how many panels a tree may have."""
LEAST_SHARE = 0.02


class Box(NamedTuple):
    """Cells of a room or a panel."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Split:
    """``parts`` beside each other (columns) or one above the other (rows); ``shares`` of the room, adding up to 1."""

    way: Way
    parts: tuple[Node, ...]
    shares: tuple[float, ...]


Node = str | Split


def split(way: Way, parts: Iterable[Node], shares: Iterable[float] = ()) -> Node:
    """Parts in this way; without ``shares`` all get the same. One part stands for itself.

    Parts that are split the same way are taken in, so that a border is never inside a border. Raises ValueError for no
    part, or for shares that do not fit the parts.
    """
    parts, given = tuple(parts), tuple(shares)
    if not parts:
        raise ValueError("a split needs a part")
    if given and (len(given) != len(parts) or not all(0 < share < float("inf") for share in given)):
        raise ValueError("a split needs one share above 0 for each part")
    weights = given or (1.0,) * len(parts)
    if len(parts) == 1:
        return parts[0]
    flat: list[tuple[Node, float]] = []
    for part, weight in zip(parts, weights, strict=True):
        if isinstance(part, Split) and part.way == way:
            flat += [(inner, weight * share) for inner, share in zip(part.parts, part.shares, strict=True)]
        else:
            flat.append((part, weight))
    total = sum(weight for _, weight in flat)
    return Split(way, tuple(part for part, _ in flat), tuple(weight / total for _, weight in flat))


def leaves(node: Node | None) -> tuple[str, ...]:
    """The panels, from left to right and top to bottom of each split."""
    return tuple(_leaves(node)) if node is not None else ()


def _leaves(node: Node) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    else:
        for part in node.parts:
            yield from _leaves(part)


def depth(node: Node) -> int:
    """How many splits lie in each other."""
    return 0 if isinstance(node, str) else 1 + max(depth(part) for part in node.parts)


# -- what a person does


def insert(node: Node | None, at: str, new: str, side: Side) -> Node:
    """``new`` beside the panel ``at``, whose room they share; beside the whole where ``at`` is not there."""
    if node is None:
        return new
    node = without(node, new) or new
    if node == new:
        return new
    way: Way = "columns" if side in ("left", "right") else "rows"

    def beside(whole: Node) -> Node:
        return split(way, (new, whole) if side in ("left", "up") else (whole, new))

    return _at(node, at, beside) if at in leaves(node) else beside(node)


def without(node: Node | None, name: str) -> Node | None:
    """The tree without a panel; its neighbours share its room. None when nothing is left."""
    if node is None or node == name:
        return None
    if isinstance(node, str):
        return node
    kept = [
        (inner, share)
        for part, share in zip(node.parts, node.shares, strict=True)
        if (inner := without(part, name)) is not None
    ]
    return split(node.way, [part for part, _ in kept], [share for _, share in kept]) if kept else None


def kept(node: Node | None, names: Collection[str]) -> Node | None:
    """The tree with these panels alone."""
    for name in leaves(node):
        if name not in names:
            node = without(node, name)
    return node


def grafted(node: Node, old: Node | None, names: Iterable[str]) -> Node:
    """The tree with panels of an ``old`` one put back beside those they stood beside, with their share.

    Taken out again they leave the tree as it was: they are panels that are not shown at present and keep their place.
    """
    for name in names:
        if old is not None and name not in leaves(node):
            node = _put_back(node, _path(old, name), name)
    return node


def _put_back(node: Node, path: list[tuple[Split, int]], name: str) -> Node:
    """The tree with a panel beside the nearest of those it stood beside, at the end of its old path."""
    known = set(leaves(node))
    for inner, at in reversed(path):
        for number in sorted(range(len(inner.parts)), key=lambda n: (abs(n - at), n)):
            there = known.intersection(leaves(inner.parts[number])) if number != at else set()
            if there:
                share = min(max(inner.shares[at], LEAST_SHARE), 1 - LEAST_SHARE)
                return _beside(node, there, name, inner.way, number < at, share)
    return node


def _beside(node: Node, there: set[str], new: str, way: Way, after: bool, share: float) -> Node:
    """``new`` beside the smallest part that holds all of ``there``, with so much of the room they then share."""
    if isinstance(node, Split):
        for at, part in enumerate(node.parts):
            if not there <= set(leaves(part)):
                continue
            parts, shares = list(node.parts), list(node.shares)
            if node.way == way and there == set(leaves(part)):
                shares = [one * (1 - share) for one in shares]
                parts.insert(at + after, new)
                shares.insert(at + after, share)
            else:
                parts[at] = _beside(part, there, new, way, after, share)
            return split(node.way, parts, shares)
    return split(way, (node, new) if after else (new, node), (1 - share, share) if after else (share, 1 - share))


def renamed(node: Node, names: Mapping[str, str]) -> Node:
    """Each panel under the name that ``names`` has for it: also how two panels change places."""
    if isinstance(node, str):
        return names.get(node, node)
    return Split(node.way, tuple(renamed(part, names) for part in node.parts), node.shares)


def swapped(node: Node, one: str, other: str) -> Node:
    """Two panels in each other's place."""
    there = leaves(node)
    return renamed(node, {one: other, other: one}) if one in there and other in there else node


def equal(node: Node) -> Node:
    """All parts of each split the same size."""
    if isinstance(node, str):
        return node
    return split(node.way, [equal(part) for part in node.parts])


def resized(node: Node, name: str, side: Side, cells: int, room: Box) -> Node:
    """The border at one side of a panel moved by so many ``cells`` to that side.

    Where there is none the border at its other side is moved, in the same direction. A border stops where a neighbour
    would have no cell left.
    """
    if isinstance(node, str):
        return node
    path = _path(node, name)
    way: Way = "columns" if side in ("left", "right") else "rows"
    forward = side in ("right", "down")
    for wanted in (forward, not forward):  # the border after it, then the one before, for right and down
        for number in range(len(path) - 1, -1, -1):
            inner, at = path[number]
            border = at if wanted else at - 1  # between this part and the next
            if inner.way != way or not 0 <= border < len(inner.parts) - 1:
                continue
            box = boxes_at(node, path[:number], room)
            size = max(1, (box.width - GAP * (len(inner.parts) - 1)) if way == "columns" else box.height)
            sizes = apportion(size, inner.shares)
            known = tuple(one / size for one in sizes) if all(sizes) else inner.shares
            shares = _moved(known, border, (cells if forward else -cells) / size)
            return _with(node, path[:number], Split(way, inner.parts, shares))
    return node


def _moved(shares: tuple[float, ...], border: int, by: float) -> tuple[float, ...]:
    found = list(shares)
    both = found[border] + found[border + 1]
    least = min(LEAST_SHARE, both / 2)
    found[border] = min(max(found[border] + by, least), both - least)
    found[border + 1] = both - found[border]
    return tuple(found)


# -- where everything is


def place(node: Node, room: Box) -> dict[str, Box]:
    """The cells of each panel; together they fill the room but for the separators."""
    found: dict[str, Box] = {}
    _place(node, room, found)
    return found


def _place(node: Node, room: Box, found: dict[str, Box]) -> None:
    if isinstance(node, str):
        found[node] = room
        return
    for part, box in zip(node.parts, _boxes(node, room), strict=True):
        _place(part, box, found)


def _boxes(node: Split, room: Box) -> list[Box]:
    """The rooms of the parts of one split."""
    if node.way == "columns":
        sizes = apportion(room.width - GAP * (len(node.parts) - 1), node.shares)
        starts = _starts(room.x, sizes, GAP)
        return [Box(x, room.y, width, room.height) for x, width in zip(starts, sizes, strict=True)]
    sizes = apportion(room.height, node.shares)
    return [Box(room.x, y, room.width, height) for y, height in zip(_starts(room.y, sizes, 0), sizes, strict=True)]


def boxes_at(node: Node, path: Iterable[tuple[Split, int]], room: Box) -> Box:
    """The room of the node at the end of a path."""
    for inner, at in path:
        room = _boxes(inner, room)[at]
    return room


def _starts(start: int, sizes: Iterable[int], gap: int) -> list[int]:
    found = []
    for size in sizes:
        found.append(start)
        start += size + gap
    return found


def apportion(total: int, shares: tuple[float, ...]) -> list[int]:
    """``total`` cells by ``shares``, none negative; what rounding leaves goes to the first ones."""
    total = max(0, total)
    sizes = [int(total * share + 1e-9) for share in shares]
    spare = total - sum(sizes)
    order = sorted(range(len(shares)), key=lambda n: (sizes[n] - total * shares[n], n))
    for n in order[:spare] if spare >= 0 else ():
        sizes[n] += 1
    return sizes


def neighbour(boxes: Mapping[str, Box], name: str, side: Side) -> str | None:
    """The panel that lies nearest to one side of another one, level with its middle where several do."""
    here = boxes.get(name)
    if here is None:
        return None

    def away(box: Box) -> int:
        return {
            "left": here.x - (box.x + box.width),
            "right": box.x - (here.x + here.width),
            "up": here.y - (box.y + box.height),
            "down": box.y - (here.y + here.height),
        }[side]

    def beside(box: Box) -> float:
        if side in ("left", "right"):
            return max(box.y - _middle(here.y, here.height), _middle(here.y, here.height) - (box.y + box.height - 1), 0)
        return max(box.x - _middle(here.x, here.width), _middle(here.x, here.width) - (box.x + box.width - 1), 0)

    def level(box: Box) -> bool:
        if side in ("left", "right"):
            return box.y < here.y + here.height and here.y < box.y + box.height
        return box.x < here.x + here.width and here.x < box.x + box.width

    found = [
        (away(box), beside(box), number, other)
        for number, (other, box) in enumerate(boxes.items())
        if other != name and away(box) >= 0 and level(box)
    ]
    return min(found)[3] if found else None


def _middle(start: int, size: int) -> float:
    return start + (size - 1) / 2


# -- paths


def _path(node: Node, name: str) -> list[tuple[Split, int]]:
    """The splits down to a panel, each with which part leads to it; empty where it is not there."""
    if isinstance(node, str):
        return []
    for at, part in enumerate(node.parts):
        if part == name:
            return [(node, at)]
        if deeper := _path(part, name):
            return [(node, at), *deeper]
    return []


def _with(node: Node, path: list[tuple[Split, int]], new: Split) -> Node:
    """The tree with another split at the end of a path."""
    if not path:
        return new
    inner, at = path[0]
    parts = list(inner.parts)
    parts[at] = _with(parts[at], path[1:], new)
    return Split(inner.way, tuple(parts), inner.shares)


def _at(node: Node, name: str, change: Callable[[Node], Node]) -> Node:
    """The tree with one panel changed into something else."""
    if isinstance(node, str):
        return change(node) if node == name else node
    return split(node.way, [_at(part, name, change) for part in node.parts], node.shares)
