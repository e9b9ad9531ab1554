"""A bank whose entries are files, as tests use it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from memory.backend import Draft, Filter
from memory.entry import Content, Entry, content
from memory.hybrid import HybridBackend
from quarterdeck.ids import new_id

T = TypeVar("T")


async def until(look: Callable[[], Awaitable[T]]) -> T:
    """What ``look`` gives once that is true."""
    async with asyncio.timeout(30):
        while not (found := await look()):
            await asyncio.sleep(0.005)
        return found


async def happens(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.005)


class Synced:
    """A bank over SQLite with its files, as tests use it."""

    def __init__(self, backend: HybridBackend, workspace: Path) -> None:
        self.backend = backend
        self.workspace = workspace
        self.folder = workspace / ".quarterdeck" / "memory"

    async def put(self, body: str, entry_id: str = "", **fields: object) -> str:
        said = content(body=body, **fields)  # type: ignore[arg-type]
        entry_id = entry_id or new_id()
        await self.backend.put([Draft(entry=entry_id, content=said, author="person")])
        return entry_id

    async def entry(self, entry_id: str) -> Entry:
        entry = await self.backend.entry(entry_id)
        assert entry is not None
        return entry

    async def entries(self) -> dict[str, Content]:
        """What stands, by path."""
        return {one.path: one.content for one in await self.backend.find(Filter(), limit=1000)}

    async def file_of(self, entry_id: str) -> Path:
        await until(lambda: self._written(entry_id))
        return self.folder / (await self.entry(entry_id)).path

    async def _written(self, entry_id: str) -> bool:
        path = (await self.entry(entry_id)).path
        return bool(path) and (self.folder / path).exists()

    async def says(self, entry_id: str, body: str) -> None:
        async def look() -> bool:
            found = await self.backend.entry(entry_id)
            return found is not None and found.content.body == body

        await until(look)

    async def new(self, known: set[str] | None = None) -> Entry:
        """The one entry that is not known, once its file is."""

        async def look() -> Entry | None:
            found = [one for one in await self.backend.find(Filter()) if one.id not in (known or ())]
            return found[0] if len(found) == 1 and found[0].path else None

        return await until(look)

    async def deleted(self, entry_id: str, deleted: bool = True) -> None:
        async def look() -> bool:
            return (await self.entry(entry_id)).deleted is deleted

        await until(look)

    async def lies(self, entry_id: str, path: str) -> None:
        async def look() -> bool:
            return (await self.entry(entry_id)).path == path

        await until(look)

    async def missing(self) -> set[str]:
        return {one.id for one in await self.backend.find(Filter(missing=True), limit=1000)}

    async def is_missing(self, *ids: str) -> None:
        async def look() -> bool:
            return await self.missing() == set(ids)

        await until(look)

    async def quiet(self) -> None:
        """Wait until the sync has nothing left to do."""
        folder = self.backend.folder
        async with asyncio.timeout(30):
            while True:
                rounds = folder.rounds
                await asyncio.sleep(0.15)
                if folder.rounds == rounds and folder.due() is None:
                    return
