"""Text that others keep and the memory makes findable: what agents printed, and what they wrote down.

Whoever knows of such texts gives them as :class:`TextSource`; the index (:mod:`memory.texts.index`) reads each from
where it stood and asks for nothing else. Nothing here is the truth: lost, it is read again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Passage(NamedTuple):
    """Some lines of text that belong together. ``at_ns`` is wall-clock nanoseconds."""

    start: int
    end: int
    """Where in its source it is: offsets of a journal between which it was printed, bytes of a file."""
    at_ns: int
    text: str
    """Not masked yet."""


class Batch(NamedTuple):
    """What was read in one go. ``cursor`` is where the next one begins, opaque to everybody but its source."""

    passages: Sequence[Passage]
    cursor: bytes
    more: bool
    """Whether there is more to read at once."""


class Reading(Protocol):
    """A source that is being read; used by one thread at a time, and closed by whoever opened it."""

    def read(self) -> Batch:
        """What comes next: a bounded piece, that takes some milliseconds. May raise OSError."""
        ...

    def close(self) -> None:
        """Let go of files and memory."""
        ...


class TextSource(Protocol):
    """One text that grows."""

    @property
    def kind(self) -> str:
        """``journal`` or ``transcript``."""
        ...

    @property
    def agent(self) -> str:
        """The id of the agent whose it is."""
        ...

    @property
    def name(self) -> str:
        """Tells it from others of the same agent and kind, for as long as it is there."""
        ...

    def stamp(self) -> str:
        """The same for as long as there is nothing new to read; "" when it is gone for good. Cheap."""
        ...

    def open(self, cursor: bytes) -> Reading:
        """Begin to read at a cursor, b"" for the beginning. May raise OSError."""
        ...


@dataclass(frozen=True, kw_only=True)
class TextFilter:
    """Which passages are meant; empty fields exclude nothing. Times are wall-clock nanoseconds."""

    agents: frozenset[str] | None = None
    """Ids of agents; None for all."""
    kinds: frozenset[str] = frozenset()
    since_ns: int = 0
    until_ns: int = 0


class TextHit(NamedTuple):
    """One passage a search found; places are as in :class:`Passage`."""

    kind: str
    agent: str
    name: str
    start: int
    end: int
    at_ns: int
    snippet: str
    """As in :class:`memory.backend.Hit`."""
    score: float
    """Higher is better; comparable within one search only."""
