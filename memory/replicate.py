"""Two banks give each other what the other has not seen. See docs/memory.md, "Replication".

A peer is anything with a summary that gives and takes versions: another bank's backend, or a folder
(:class:`memory.segments.Folder`) that carries them between machines. Nothing is remembered of an exchange: each begins
with what both sides have, so that one that was killed anywhere is gone on with by the next, and one that is repeated
finds nothing to do. Versions of third writers are handed on like one's own.

A bank that was set back to an older backup would use its numbers a second time. Its peers know better: where they
know a version of ours under a number that says something else here, or higher numbers than ours, we go on under a new
name and take what we wrote since with us.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

from memory.backend import Version
from memory.records import checked
from memory.versions import Vector
from quarterdeck.errors import Broken, Invalid, QuarterdeckError

WINDOW = 64
"""How many numbers back two banks look for the newest version of one writer that both still have."""


class Peer(Protocol):
    """What an exchange needs of either side; see :class:`memory.backend.Backend`."""

    async def summary(self) -> Vector: ...
    async def receive(self, versions: Sequence[Version]) -> list[str]: ...
    def since(self, seen: Vector) -> AsyncIterator[list[Version]]: ...


@runtime_checkable
class Own(Peer, Protocol):
    """A side that writes versions of its own: a bank."""

    @property
    def writer(self) -> str: ...


@runtime_checkable
class Renamed(Protocol):
    """A backend that can go on under a new name, as it must when it was set back to an older backup."""

    async def renamed(self, after: int) -> str:
        """Take a new name among writers, also for the own versions numbered above ``after``; the new name."""
        ...


@dataclass(frozen=True, kw_only=True)
class Exchanged:
    """What an exchange did."""

    received: int = 0
    """Versions taken from the peer."""
    sent: int = 0
    entries: tuple[str, ...] = ()
    """The entries that changed here; versions of them may not have seen each other now."""
    renamed: str = ""
    """The new name of this bank among writers, where it was found to be an older copy of itself."""
    problems: tuple[str, ...] = ()
    """What could not be taken and why, one line each; all else was."""


@dataclass
class _Counts:
    received: int = 0
    sent: int = 0
    entries: dict[str, None] = field(default_factory=dict)


async def exchange(
    mine: Own,
    peer: Peer,
    *,
    shared: bool = False,
    masked: Callable[[Version], Version] = lambda version: version,
    send: bool = True,
) -> Exchanged:
    """Take what the peer has and give it what we have; when this returns both have what the other had at the start.

    ``shared``: whether ``mine`` is the bank of all workspaces. ``masked`` is asked for each version that comes in,
    and may change its content alone. ``send`` False only takes. Raises :class:`Invalid` for a peer that holds what is
    none of a bank, :class:`Broken` where either side cannot be used; what was taken before is kept and complete.
    """
    told = _Counts()
    new_name = await _renamed(mine, peer)
    if isinstance(peer, Own) and isinstance(peer, Renamed):
        await _renamed(peer, mine)
    here, there = dict(await mine.summary()), dict(await peer.summary())
    problems: list[str] = []
    for writer in sorted(here.keys() & there.keys()):
        if await _fork(mine, peer, writer, more_is_fork=False) is not None:
            here[writer] = there[writer] = max(here[writer], there[writer])  # neither way
            problems.append(
                f"the bank {writer} was set back to an older state and has not exchanged here since: what it wrote "
                "twice under the same number is left out until it has"
            )
    async for batch in _read(peer, here):
        taken = [_same_name(masked, checked(version, shared=shared)) for version in batch]
        told.entries.update(dict.fromkeys(await mine.receive(taken)))
        told.received += len(taken)
    if send:
        async for batch in mine.since(there):
            await peer.receive([checked(version, shared=shared) for version in batch])
            told.sent += len(batch)
    problems += getattr(peer, "problems", ())
    return Exchanged(
        received=told.received,
        sent=told.sent,
        entries=tuple(told.entries),
        renamed=new_name,
        problems=tuple(problems),
    )


async def _read(peer: Peer, seen: Vector) -> AsyncGenerator[list[Version], None]:
    """The peer's batches; its own kind of nonsense told as ours."""
    batches = peer.since(seen)
    while True:
        try:
            batch = await anext(batches)
        except StopAsyncIteration:
            return
        except QuarterdeckError:
            raise
        except (ValueError, TypeError, KeyError, AssertionError) as error:
            raise Invalid(
                f"the other bank holds something that is no version of an entry ({type(error).__name__}); "
                "what came before it was taken and is complete",
                hint="mend it where it is, or leave it out",
            ) from error
        yield batch


def _same_name(masked: Callable[[Version], Version], version: Version) -> Version:
    said = masked(version)
    return said if said is version else replace(version, content=said.content)


# A bank that was set back


def _print(version: Version) -> tuple[Any, ...]:
    """What tells two versions of one number apart; not its text, which each bank masks by what it knows."""
    return version.entry, version.written_ns, version.why, tuple(sorted(version.seen.items()))


async def renamed(side: object, after: int) -> str:
    """See :class:`Renamed`. Raises :class:`Broken` for a bank that cannot; nothing was changed then."""
    if not isinstance(side, Renamed):
        raise Broken(
            "this bank was set back to an older state and would use its numbers twice; nothing was exchanged",
            hint="export it, move it away and import it into a new one",
        )
    return await side.renamed(after)


async def _renamed(own: Own, other: Peer) -> str:
    """Give ``own`` a new name if ``other`` knows it better than it knows itself; the new name, or ""."""
    fork = await _fork(own, other, own.writer)
    return "" if fork is None else await renamed(own, fork)


async def _fork(mine: Peer, peer: Peer, writer: str, *, more_is_fork: bool = True) -> int | None:
    """The number of that writer up to which both sides agree, where they do not agree; None where they do.

    ``more_is_fork``: the writer is ``mine``, and nobody can know more of it than itself.
    """
    own, theirs = (await mine.summary()).get(writer, 0), (await peer.summary()).get(writer, 0)
    common = min(own, theirs)
    if common:
        last: tuple[Version, Version] | None = None
        async with aclosing(_pairs(mine, peer, writer, max(0, common - WINDOW), common)) as pairs:
            async for pair in pairs:
                last = pair
        if last and not _agree(last):
            async with aclosing(_pairs(mine, peer, writer, 0, common)) as pairs:
                async for pair in pairs:
                    if not _agree(pair):
                        return pair[0].dot.seq - 1
    return own if more_is_fork and theirs > own else None


def _agree(pair: tuple[Version, Version]) -> bool:
    return _print(pair[0]) == _print(pair[1])


async def _pairs(
    mine: Peer, peer: Peer, writer: str, after: int, until: int
) -> AsyncGenerator[tuple[Version, Version], None]:
    """The versions of one writer that both sides still have, number for number."""
    async with aclosing(_of(mine, writer, after, until)) as ours, aclosing(_of(peer, writer, after, until)) as theirs:
        left, right = await anext(ours, None), await anext(theirs, None)
        while left is not None and right is not None:
            if left.dot == right.dot:
                yield left, right
            ahead = left.dot.seq - right.dot.seq
            if ahead <= 0:
                left = await anext(ours, None)
            if ahead >= 0:
                right = await anext(theirs, None)


async def _of(side: Peer, writer: str, after: int, until: int) -> AsyncGenerator[Version, None]:
    async with aclosing(_read(side, {**await side.summary(), writer: after})) as batches:
        async for batch in batches:
            for version in batch:
                if version.dot.writer == writer and after < version.dot.seq <= until:
                    yield version
            if batch[-1].dot.writer == writer and batch[-1].dot.seq >= until:
                return
