"""What a backend keeps: every version of every entry, and how the newest are found.

A backend decides nothing: who may write, what is masked, and what becomes of versions that did not see each other is
the bank's. SQLite, markdown files and both together implement it; a plugin may bring another.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from memory.entry import Content, Entry, Links
from memory.versions import Dot, Vector


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A version about to be written. ``content`` None is a deletion, ``seen`` None means all there is right now."""

    entry: str
    content: Content | None
    author: str
    why: str = "stored"
    """What wrote it, in a word: stored, edited, file, merged, restored, imported, deleted, pruned."""
    seen: Vector | None = None


@dataclass(frozen=True, kw_only=True)
class Version:
    """One version of one entry, as every bank that has it keeps it. Never changed."""

    entry: str
    dot: Dot
    seen: Vector
    """What its author had seen of the entry, itself not included."""
    content: Content | None
    """None for a deletion."""
    author: str
    why: str
    written_ns: int
    """The writer's wall clock, but never before the time of a version it had seen."""


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which entries are meant; empty fields exclude nothing. Times are wall-clock nanoseconds."""

    namespaces: tuple[str, ...] = ()
    """``session/`` or ``agent/`` alone mean all of them."""
    kinds: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    """All of them."""
    authors: tuple[str, ...] = ()
    since_ns: int = 0
    until_ns: int = 0
    key: str = ""
    """Exactly this key."""
    links: Links = field(default_factory=Links)
    """All of them."""
    begins: str = ""
    """Ids that begin so."""
    pinned: bool | None = None
    conflict: bool | None = None
    missing: bool | None = None
    deleted: bool = False
    """The deleted ones instead of the others."""


@dataclass(frozen=True, kw_only=True)
class Hit:
    """One entry a search found. ``snippet`` is plain text with the found words between STX and ETX (U+0002, U+0003)."""

    entry: Entry
    snippet: str
    score: float
    """Higher is better; comparable within one search only."""


@dataclass(frozen=True, kw_only=True)
class Stats:
    """How much there is. Sizes in bytes."""

    entries: int
    deleted: int
    versions: int
    conflicts: int
    missing: int
    text_bytes: int
    disk_bytes: int
    by_namespace: Mapping[str, int] = field(default_factory=dict)
    by_kind: Mapping[str, int] = field(default_factory=dict)


class Backend(Protocol):
    """See the module. Errors: :class:`quarterdeck.errors.Broken` where nothing of the call was stored."""

    @property
    def writer(self) -> str:
        """The name of this bank among writers; new for each bank, kept for its life."""
        ...

    async def put(self, drafts: Sequence[Draft]) -> list[Version]:
        """Number and store new versions, all or none. Acknowledged: a kill loses none of them.

        ``seen`` counts as far as it is here, together with all that those versions had seen. Raises
        :class:`NotFound` for the deletion of an entry that never was.
        """
        ...

    async def receive(self, versions: Sequence[Version]) -> list[str]:
        """Store versions of other writers, all or none; known ones are skipped. Returns the entries that changed."""
        ...

    async def entry(self, entry_id: str) -> Entry | None:
        """One entry, also a deleted one."""
        ...

    async def find(self, which: Filter, *, limit: int = 100, after: str = "") -> list[Entry]:
        """Entries, newest change first; ``after`` is the id of the last one of the page before."""
        ...

    async def versions(self, entry_id: str) -> list[Version]:
        """The history of one entry, oldest first."""
        ...

    async def search(self, words: str, which: Filter, *, limit: int = 20) -> list[Hit]:
        """Entries by words; the language of queries is :mod:`memory.query`. Raises :class:`Invalid` for a bad one."""
        ...

    async def summary(self) -> Vector:
        """For each writer the highest number this bank has: it has all up to it, but for what retention took."""
        ...

    def since(self, seen: Vector) -> AsyncIterator[list[Version]]:
        """All versions a bank with that summary has not seen, in batches, each writer's in the order of its numbers."""
        ...

    async def settle(self, entry_id: str, shown: Dot, conflict: bool) -> None:
        """Remember which of an entry's heads is shown, and whether a person has to decide between them."""
        ...

    async def forget(self, entries: Sequence[str], *, history_before_ns: int = 0) -> int:
        """Remove superseded versions written before a time of these entries (tombstones of deleted ones included).

        Returns how many versions went. What stands is never removed: deleting an entry is a version of its own.
        """
        ...

    async def stats(self) -> Stats:
        """How much there is."""
        ...

    def listen(self, told: Callable[[str], None]) -> Callable[[], None]:
        """Be told the id of each entry that changed, on the event loop; returns what ends it."""
        ...

    async def aclose(self) -> None:
        """Finish what is acknowledged and close."""
        ...
