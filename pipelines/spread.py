"""The steps of a manifest with each matrix spread out, in order, and which step a name in a text means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipelines import graph, matrix
from pipelines.expressions import Wrong
from pipelines.manifest import Document
from pipelines.manifest.values import name
from pipelines.matrix import Cell
from quarterdeck.lined.mistakes import Path
from quarterdeck.text import nearest, safe

STEPS = 1000
"""Steps of one run, each cell of a matrix counted."""


@dataclass(frozen=True)
class Spot:
    """One cell of one step, and the keys that come before it."""

    key: str
    step: str
    cell: Cell
    needs: tuple[str, ...]


@dataclass(frozen=True)
class Spread:
    """All cells by key, each after what it needs; none where they are too many."""

    cells: Mapping[str, Spot]
    steps: Mapping[str, tuple[str, ...]]
    """By the name of a step: the keys of its cells."""
    before: Mapping[str, set[str]]
    """By key: all that comes before it, through others too."""
    cut: bool = False
    """Whether there were rings; then what holds them together was left out."""

    def source(self, key: str, word: str) -> str:
        """The key of the step that a text of ``key`` means by a step's name. Raises :class:`Wrong`."""
        if word not in self.steps:
            raise Wrong(f"there is no step {safe(word, 60)!r}", nearest(word, self.steps))
        found = [one for one in self.steps[word] if one in self.before[key]] or (
            self.steps[word][:1] if self.cut else ()
        )
        if not found:
            raise Wrong(f"{word} need not have ended when {key} begins", f"put {word} into its needs")
        if len(found) > 1:
            raise Wrong(f"{word} has {len(found)} cells here, {found[0]} and others", "only one can be meant")
        return found[0]


def spread(document: Document) -> Spread:
    """Spread the steps out; what is wrong with names, needs and matrices is told to the document's collector."""
    steps, told = document.manifest.steps, document.mistakes
    if not steps and not len(told):
        told.add((), "has no steps", "write [steps.NAME] with run, or with agent and prompt")
    names = document.names("steps")
    spots: dict[str, list[tuple[str, Cell]]] = {}
    for step, table in steps.items():
        try:
            name(step)
        except ValueError as error:
            told.add(("steps", step), str(error))
        for index, other in enumerate(table.needs):
            if other not in names:
                hint = nearest(other, names) or ("an agent is no step" if other in document.manifest.agents else "")
                told.add(("steps", step, "needs", index), f"there is no step {safe(other, 60)!r}", hint)
        where: Path = ("steps", step, "matrix")
        cells = matrix.cells(table.matrix, where, told) if table.matrix is not None else [{}]
        spots[step] = [(matrix.key(step, cell), cell) for cell in cells]
    known = {step: [other for other in table.needs if other in steps] for step, table in steps.items()}
    rings = graph.rings(known)
    for ring in rings:
        what = "the step needs itself" if len(ring) == 2 else "the steps need one another: " + " → ".join(ring)
        told.add(("steps", ring[0], "needs"), what)
    total = sum(len(cells) for cells in spots.values())
    if total > STEPS:
        told.add(("steps",), f"are {total} with all their cells, more than {STEPS}")
    if total > STEPS:
        return Spread({}, {}, {})
    behind = graph.closure(known) if rings else {}
    straight = {
        step: [other for other in table.needs if step not in behind.get(other, ())] for step, table in steps.items()
    }
    found = {
        key: Spot(key, step, cell, _needs(document, step, straight[step], key, cell, spots))
        for step, cells in spots.items()
        for key, cell in cells
    }
    ordered = {key: found[key] for key in graph.order({key: spot.needs for key, spot in found.items()})}
    before = graph.closure({key: spot.needs for key, spot in ordered.items()})
    return Spread(ordered, {step: tuple(key for key, _ in cells) for step, cells in spots.items()}, before, bool(rings))


def _needs(
    document: Document, step: str, needs: list[str], key: str, cell: Cell, spots: Mapping[str, list[tuple[str, Cell]]]
) -> tuple[str, ...]:
    """The keys that a cell needs: of each step the cells that agree with it."""
    keys: dict[str, None] = {}
    for other in needs:
        cells = spots.get(other, [])
        agreeing = [theirs for theirs, values in cells if matrix.agree(cell, values)]
        if cells and not agreeing:
            what = f"no cell of {other} has the values of {key}"
            hint = "give an axis another name where it means something else"
            index = document.manifest.steps[step].needs.index(other)
            document.mistakes.add(("steps", step, "needs", index), what, hint)
        keys |= dict.fromkeys(agreeing)
    return tuple(keys)
