"""A bank that is not there yet: empty to read, and made by the first thing that is stored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from memory.backend import Backend, Draft, Filter, Hit, Stats, Version
from memory.entry import Entry
from memory.query import parse
from memory.replicate import renamed
from memory.versions import Dot, Vector

_NOTHING = Stats(entries=0, deleted=0, versions=0, conflicts=0, missing=0, text_bytes=0, disk_bytes=0)


class LaterBackend:
    """See the module and :class:`memory.backend.Backend`.

    ``opens`` makes the real one, named ``writer``; ``starts`` is awaited once it can be used. ``there`` says whether
    somebody else has made it meanwhile, or put memory files where they belong: it is opened then by whoever asks next.
    """

    def __init__(
        self,
        opens: Callable[[str], Awaitable[Backend]],
        starts: Callable[[Backend], Awaitable[None]],
        there: Callable[[], bool],
        writer: str,
    ) -> None:
        self.real: Backend | None = None
        self._opens = opens
        self._starts = starts
        self._there = there
        self._writer = writer
        self._opening = asyncio.Lock()
        self._listeners: list[Callable[[str], None]] = []

    async def made(self) -> Backend:
        """The real one, made now where it is not there."""
        if self.real is not None:  # also while it starts: what it finds then is stored through here
            return self.real
        async with self._opening:
            if self.real is None:
                self.real = real = await self._opens(self._writer)
                real.listen(self._tell)
                try:
                    await self._starts(real)
                except BaseException:
                    self.real = None
                    await real.aclose()
                    raise
            return self.real

    async def found(self) -> Backend | None:
        """The real one, if it is there."""
        if self.real is None and not self._there():
            return None
        return await self.made()

    @property
    def writer(self) -> str:
        """See :class:`Backend`."""
        return self._writer if self.real is None else self.real.writer

    async def put(self, drafts: Sequence[Draft]) -> list[Version]:
        """See :class:`Backend`."""
        return await (await self.made()).put(drafts)

    async def receive(self, versions: Sequence[Version]) -> list[str]:
        """See :class:`Backend`."""
        return await (await self.made()).receive(versions) if versions else []

    async def renamed(self, after: int) -> str:
        """See :class:`memory.replicate.Renamed`."""
        return await renamed(await self.made(), after)

    async def entry(self, entry_id: str) -> Entry | None:
        """See :class:`Backend`."""
        real = await self.found()
        return await real.entry(entry_id) if real else None

    async def find(self, which: Filter, *, limit: int = 100, after: str = "") -> list[Entry]:
        """See :class:`Backend`."""
        real = await self.found()
        return await real.find(which, limit=limit, after=after) if real else []

    async def versions(self, entry_id: str) -> list[Version]:
        """See :class:`Backend`."""
        real = await self.found()
        return await real.versions(entry_id) if real else []

    async def search(self, words: str, which: Filter, *, limit: int = 20) -> list[Hit]:
        """See :class:`Backend`."""
        if real := await self.found():
            return await real.search(words, which, limit=limit)
        parse(words, which, 0)
        return []

    async def summary(self) -> Vector:
        """See :class:`Backend`."""
        real = await self.found()
        return await real.summary() if real else {}

    async def since(self, seen: Vector) -> AsyncIterator[list[Version]]:
        """See :class:`Backend`."""
        if real := await self.found():
            async for batch in real.since(seen):
                yield batch

    async def settle(self, entry_id: str, shown: Dot, conflict: bool) -> None:
        """See :class:`Backend`."""
        if real := await self.found():
            await real.settle(entry_id, shown, conflict)

    async def forget(self, entries: Sequence[str], *, history_before_ns: int = 0) -> int:
        """See :class:`Backend`."""
        real = await self.found()
        return await real.forget(entries, history_before_ns=history_before_ns) if real else 0

    async def stats(self) -> Stats:
        """See :class:`Backend`."""
        real = await self.found()
        return await real.stats() if real else _NOTHING

    def listen(self, told: Callable[[str], None]) -> Callable[[], None]:
        """See :class:`Backend`."""
        self._listeners.append(told)
        return lambda: self._listeners.remove(told) if told in self._listeners else None

    async def aclose(self) -> None:
        """See :class:`Backend`."""
        async with self._opening:
            if self.real is not None:
                await self.real.aclose()

    def _tell(self, entry_id: str) -> None:
        for told in tuple(self._listeners):
            told(entry_id)
