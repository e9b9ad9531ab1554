"""Keys of steps for little room: cut where they are the same, so that each still differs from all others."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Sequence

from pipelines.report import words
from quarterdeck.text import ELLIPSIS, cells

_WHOLE = 1_000
"""Characters of a key."""
_WORTH = 3
"""Characters from which on an ellipsis is shorter."""


def told_apart(keys: Sequence[str], width: int) -> list[str]:
    """The keys, one line each, none wider than ``width`` cells (at least 8), in their order.

    Of the cells of one matrix an axis goes first that is the same in all of them, then what their values begin with.
    """
    shown = [words.phrase(key, _WHOLE) for key in keys]
    for shorter in (_Axes, _Values):
        if all(cells(one) <= width for one in shown):
            return shown
        shown = _shortened(shown, shorter, width)
    cut = [cut_end(one, width) for one in shown]
    often = Counter(cut)
    numbers: Counter[str] = Counter()
    for at, one in enumerate(cut):
        if often[one] > 1:
            numbers[one] += 1
            number = f" #{numbers[one]}"
            cut[at] = cut_end(shown[at], width - len(number)) + number
    return cut


def cut_end(text: str, width: int) -> str:
    """The beginning of a text that fits into so many cells."""
    if cells(text) <= width:
        return text
    kept, taken = [], 0
    for char in text:
        taken += cells(char)
        if taken >= width:
            break
        kept.append(char)
    return "".join(kept) + ELLIPSIS


class _Cells:
    """Keys of one step: its name, and the axes of each."""

    def __init__(self, keys: Sequence[str]) -> None:
        self.name = keys[0].partition("[")[0]
        self.axes = [key.partition("[")[2].removesuffix("]").split(",") for key in keys]

    def key(self, axes: Sequence[str]) -> str:
        return f"{self.name}[{','.join(axes)}]"


def _shortened(keys: Sequence[str], shorter: type[_Axes] | type[_Values], width: int) -> list[str]:
    """The keys, those of a step of which one is too wide made shorter; all of it stays apart."""
    steps: defaultdict[str, list[int]] = defaultdict(list)
    for at, key in enumerate(keys):
        if key.endswith("]") and "[" in key:
            steps[key.partition("[")[0]].append(at)
    shown = list(keys)
    for places in steps.values():
        mine = [keys[at] for at in places]
        if len(mine) > 1 and any(cells(key) > width for key in mine):
            made = shorter(mine).keys()
            if len(set(made)) == len(set(mine)):
                for at, key in zip(places, made, strict=True):
                    shown[at] = key
    return shown


class _Axes(_Cells):
    """Without the axes that are the same in all."""

    def keys(self) -> list[str]:
        same = set.intersection(*map(set, self.axes))
        if not same:
            return [self.key(axes) for axes in self.axes]
        return [self.key([ELLIPSIS, *(axis for axis in axes if axis not in same)]) for axes in self.axes]


class _Values(_Cells):
    """Without what all values of an axis begin with, and without the names of axes."""

    def keys(self) -> list[str]:
        values: defaultdict[str, set[str]] = defaultdict(set)
        for axes in self.axes:
            for axis in axes:
                name, _, value = axis.partition("=")
                values[name].add(value)
        begins = {name: os.path.commonprefix(sorted(some)) for name, some in values.items()}  # noqa: RUF071  no paths
        common = {name: begin if len(values[name]) > 1 else "" for name, begin in begins.items()}

        def short(axis: str) -> str:
            name, sign, value = axis.partition("=")
            begin = len(common[name])
            return (ELLIPSIS + value[begin:] if begin >= _WORTH else value) if sign else axis

        return [self.key([short(axis) for axis in axes]) for axes in self.axes]
