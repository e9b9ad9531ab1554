"""Which version of an entry was written in knowledge of which: version vectors with a dot of its own for each version.

Each bank is one *writer*: it numbers all versions it makes, over all entries, and hands them on in that order. A
version carries its own number (its :class:`Dot`) and a vector of what its author had seen *of that entry*. It
supersedes exactly what that vector covers, so that two writes of one writer that did not see each other are told apart
as well, which a plain version vector does not do (N. Preguiça et al., "Dotted Version Vectors", arXiv:1011.5808). Which
versions stand (:func:`heads`) is a function of the set of versions alone: banks that hold the same versions agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol, TypeVar

Vector = Mapping[str, int]
"""For each writer the highest number seen; a writer that is not in it was not seen at all."""


class Dot(NamedTuple):
    """The name of one version: its writer and that writer's number, which counts from 1."""

    writer: str
    seq: int

    def __str__(self) -> str:
        return f"{self.writer}:{self.seq}"


class Dotted(Protocol):
    """What :func:`heads` needs of a version."""

    @property
    def dot(self) -> Dot:
        """Its own name."""
        ...

    @property
    def seen(self) -> Vector:
        """What its author had seen of the entry, itself not included."""
        ...


V = TypeVar("V", bound=Dotted)


def covers(seen: Vector, dot: Dot) -> bool:
    """Whether whoever has seen ``seen`` has seen that version."""
    return seen.get(dot.writer, 0) >= dot.seq


def joined(*vectors: Vector) -> dict[str, int]:
    """What is seen by having seen all of them."""
    total: dict[str, int] = {}
    for vector in vectors:
        for writer, seq in vector.items():
            if seq > total.get(writer, 0):
                total[writer] = seq
    return total


def context(versions: Iterable[Dotted]) -> dict[str, int]:
    """What a reader of these versions has seen."""
    every = list(versions)
    return joined(*(version.seen for version in every), *({version.dot.writer: version.dot.seq} for version in every))


def heads(versions: Iterable[V]) -> list[V]:
    """The versions that none of the others supersedes, by writer and number."""
    every = {version.dot: version for version in versions}
    return [
        version
        for dot, version in sorted(every.items())
        if not any(covers(other.seen, dot) for other in every.values() if other.dot != dot)
    ]
