"""A matrix spread out: its cells, their keys, and whether cells of two steps belong together."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from math import prod
from urllib.parse import quote

from pipelines.manifest.schema import MatrixTable
from pipelines.manifest.values import name
from quarterdeck.lined.mistakes import Mistakes, Path
from quarterdeck.text import nearest, safe

CELLS = 256
"""Cells of one matrix."""
Cell = Mapping[str, str]


def cells(matrix: MatrixTable, path: Path, told: Mistakes) -> list[Cell]:
    """The cells in the order of the file, the included ones last. Mistakes are told; then there may be none."""
    axes = matrix.axes
    before = len(told)
    for axis, values in axes.items():
        try:
            name(axis)
        except ValueError as error:
            told.add((*path, axis), str(error))
        if not values:
            told.add((*path, axis), "has no values")
        if twice := next((value for at, value in enumerate(values) if value in values[:at]), None):
            told.add((*path, axis), f"holds {safe(twice, 60)!r} twice")
    if not axes and not matrix.include:
        told.add(path, "is empty", 'write an axis with its values, as os = ["linux", "macos"]')
    count = prod(len(values) for values in axes.values()) if axes else 0
    if count > CELLS:
        told.add(path, f"has {count} cells, more than {CELLS}")
    if len(told) > before:
        return []
    spread: list[Cell] = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())] if axes else []
    for index, left_out in enumerate(matrix.exclude):
        here = (*path, "exclude", index)
        if strange := [axis for axis in left_out if axis not in axes]:
            told.add((*here, strange[0]), "is no axis of this matrix", nearest(strange[0], axes))
            continue
        kept = [cell for cell in spread if not left_out or left_out.items() - cell.items()]
        if len(kept) == len(spread):
            told.add(here, "leaves nothing out")
        spread = kept
    for index, added in enumerate(matrix.include):
        if not added or added in spread:
            told.add((*path, "include", index), "is there already" if added else "is empty")
        spread.append(dict(added))
    if len(spread) > CELLS:
        told.add(path, f"has {len(spread)} cells, more than {CELLS}")
    if not spread:
        told.add(path, "leaves no cell")
    return spread if len(told) == before else []


def key(step: str, cell: Cell) -> str:
    """``tests[os=linux,python=3.11]``: axes by name, so that the order in the file does not matter."""
    if not cell:
        return step
    parts = (f"{axis}={quote(value, safe=' +~.:@')}" for axis, value in sorted(cell.items()))
    return f"{step}[{','.join(parts)}]"


def agree(one: Cell, other: Cell) -> bool:
    """Whether two cells have the same value in every axis that both have."""
    return all(other[axis] == value for axis, value in one.items() if axis in other)
