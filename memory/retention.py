"""What a bank lets go: entries by age, number and size in each namespace, and old history.

Nothing pinned goes, nothing in conflict, and nothing an open task or session needs. An entry that goes is deleted like
any other: a version that says so, with the history kept, so that other banks hear of it and a person can restore it.
Removing old versions from disk is a thing of its own; what says "deleted" stays long enough for every bank to hear it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from memory.backend import Backend, Draft, Filter
from memory.entry import Entry
from quarterdeck.clock import Clock
from quarterdeck.errors import Invalid

DAY_NS = 24 * 3600 * 10**9
TOMBSTONE_DAYS = 180
AUTHOR = "retention"
_PAGE = 100
_TOGETHER = 200
"""Entries that are deleted or trimmed in one transaction."""

Protected = Callable[[], Awaitable[frozenset[str]]]
"""What must stay: ids of entries, ``session/NAME`` and ``agent/NAME`` of open ones, names and ids of open tasks."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much one namespace keeps; 0 is no limit. The newest stay."""

    days: float = 0
    """Since the last change."""
    entries: int = 0
    bytes: int = 0
    """Of the entries' texts in UTF-8."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What is kept. Raises :class:`Invalid` for limits below zero."""

    namespaces: Mapping[str, Limits] = field(default_factory=dict)
    """By namespace. ``session/`` and ``agent/`` are for each one of them that is not named itself."""
    history_days: float = 0
    """Superseded versions older than this are removed; 0 keeps them."""
    tombstone_days: float = TOMBSTONE_DAYS
    """A deleted entry is removed for good after this; a bank that was away for longer brings it back. 0 keeps it."""

    def __post_init__(self) -> None:
        numbers = [self.history_days, self.tombstone_days]
        for limits in self.namespaces.values():
            numbers += [limits.days, limits.entries, limits.bytes]
        if min(numbers) < 0:
            raise Invalid("a limit of retention is below zero", hint="0 means no limit")

    def limits(self, namespace: str) -> Limits:
        """What holds for one namespace."""
        head, slash, _ = namespace.partition("/")
        return self.namespaces.get(namespace) or self.namespaces.get(head + slash) or Limits()


@dataclass(frozen=True, kw_only=True)
class Leaving:
    """One entry that goes, and why: ``age``, ``entries`` or ``bytes``."""

    id: str
    key: str
    namespace: str
    updated_ns: int
    bytes: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """What went, or would go."""

    entries: tuple[Leaving, ...] = ()
    """Deleted, restorable."""
    versions: int = 0
    """Removed from disk for good."""
    dry_run: bool = False


async def nothing_protected() -> frozenset[str]:
    """A :data:`Protected` for a bank nobody works with."""
    return frozenset()


async def prune(
    backend: Backend, policy: Policy, *, clock: Clock, protected: Protected = nothing_protected, dry_run: bool = False
) -> Pruned:
    """Let go all that the policy does not keep, in batches, until nothing of it is left; or say what would go.

    An entry that is edited, pinned or needed meanwhile stays. Killed anywhere, the next run goes on.
    """
    now = clock.wall_ns()
    leaving = [one async for one in _leaving(backend, policy, now, await protected())]
    if dry_run:
        versions = await _trimmed(backend, policy, now, frozenset(one.id for one in leaving), dry_run=True)
        return Pruned(entries=tuple(leaving), versions=versions, dry_run=True)
    gone: list[Leaving] = []
    for start in range(0, len(leaving), _TOGETHER):
        needed = await protected()
        drafts: list[Draft] = []
        for one in leaving[start : start + _TOGETHER]:
            entry = await backend.entry(one.id)
            if entry is None or entry.deleted or entry.updated_ns != one.updated_ns or _kept(entry, needed):
                continue
            drafts.append(Draft(entry=one.id, content=None, author=AUTHOR, why="pruned", seen=entry.seen))
            gone.append(one)
        await backend.put(drafts)
    versions = await _trimmed(backend, policy, now, frozenset(), dry_run=False)
    return Pruned(entries=tuple(gone), versions=versions)


async def _leaving(backend: Backend, policy: Policy, now: int, needed: frozenset[str]) -> AsyncIterator[Leaving]:
    for namespace in sorted((await backend.stats()).by_namespace):
        limits = policy.limits(namespace)
        if limits == Limits():
            continue
        count = size = 0
        async for page in _pages(backend, Filter(namespaces=(namespace,))):
            for entry in page:
                if _kept(entry, needed):
                    continue
                count += 1
                own = len(entry.content.body.encode("utf-8", "surrogatepass"))
                size += own
                reason = ""
                if limits.days and entry.updated_ns < now - int(limits.days * DAY_NS):
                    reason = "age"
                elif limits.entries and count > limits.entries:
                    reason = "entries"
                elif limits.bytes and size > limits.bytes:
                    reason = "bytes"
                if reason:
                    yield Leaving(
                        id=entry.id,
                        key=entry.content.key,
                        namespace=namespace,
                        updated_ns=entry.updated_ns,
                        bytes=own,
                        reason=reason,
                    )


def _kept(entry: Entry, needed: frozenset[str]) -> bool:
    """Whether no limit takes it. What is kept so is not counted either."""
    links = entry.content.links
    names = {
        entry.id,
        entry.content.namespace,
        *links.tasks,
        *links.agents,
        *(f"agent/{name}" for name in links.agents),
    }
    return entry.content.pinned or entry.conflict or not names.isdisjoint(needed)


async def _trimmed(backend: Backend, policy: Policy, now: int, without: frozenset[str], *, dry_run: bool) -> int:
    """Remove old history and entries that were deleted long ago; how many versions went, or would."""
    gone = 0
    for days, which in ((policy.history_days, Filter()), (policy.tombstone_days, Filter(deleted=True))):
        if not days:
            continue
        before = now - int(days * DAY_NS)
        waiting: list[str] = []
        async for page in _pages(backend, which):  # the next page is asked for before the last of this one goes
            gone += await _forget(backend, waiting, before, dry_run)
            waiting = [entry.id for entry in page if entry.id not in without]
        gone += await _forget(backend, waiting, before, dry_run)
    return gone


async def _forget(backend: Backend, entries: Sequence[str], before: int, dry_run: bool) -> int:
    if not dry_run:
        return await backend.forget(entries, history_before_ns=before) if entries else 0
    gone = 0
    for name in entries:
        entry = await backend.entry(name)
        if entry is None or (entry.deleted and entry.updated_ns >= before):
            continue
        for version in await backend.versions(name):
            stands = version.dot in entry.heads and not entry.deleted
            gone += (entry.deleted or version.written_ns < before) and not stands
    return gone


async def _pages(backend: Backend, which: Filter) -> AsyncIterator[list[Entry]]:
    """All entries, each once, newest change first, also where some change meanwhile."""
    seen = set[str]()
    after = ""
    while page := await backend.find(which, limit=_PAGE, after=after):
        after = page[-1].id
        if fresh := [entry for entry in page if entry.id not in seen]:
            seen.update(entry.id for entry in fresh)
            yield fresh
