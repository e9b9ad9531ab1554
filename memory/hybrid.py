"""A backend and a folder of markdown files that never disagree for long: what the bank is by default, over SQLite.

A version is acknowledged when the backend underneath has it; its file follows at once. What people do to files becomes
versions. A crash in between is mended at the next start, where both sides are compared with what they agreed on last.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from memory.backend import Draft, Filter, Hit, Stats, Version
from memory.entry import WORKSPACE, Entry
from memory.markdown.disk import Disk
from memory.markdown.folder import Folder, Problem
from memory.markdown.ledger import Take
from memory.markdown.weighing import Store
from memory.replicate import renamed
from memory.versions import Dot, Vector
from quarterdeck.watching import Watching
from quarterdeck.workspace import FOLDER

PARTS = (FOLDER, "memory")
"""The memory folder of a workspace."""


class HybridBackend:
    """See the module and :class:`memory.backend.Backend`. Owns the backend it is given, and closes it.

    The files are in ``parts`` below ``base``; ``namespace`` is the one they need not name. The folder is made when
    something is stored.
    """

    def __init__(self, store: Store, base: Path, parts: Sequence[str] = PARTS, *, namespace: str = WORKSPACE) -> None:
        self._store = store
        self._listeners: list[Callable[[str], None]] = []
        self.folder = Folder(Disk(base, parts), store, namespace=namespace, told=self._tell)
        self._unlisten = store.listen(self._changed)

    async def start(self, take: Take | None = None, watching: Watching | None = None) -> None:
        """Find what changed in the folder while nobody looked, and begin to follow both sides.

        What is read from files goes to ``take``, which masks, stores and resolves; straight to the backend where None.
        Without ``watching`` changes of files are seen by :meth:`sync` alone.
        """
        await self.folder.start(take, watching)

    async def sync(self) -> list[Problem]:
        """Compare everything now, try again what failed, and say what a person should know."""
        found = await self.folder.sync()
        return [*(Problem("", text) for text in self._own()), *found]

    async def keep(self, entry_id: str) -> None:
        """Write the file of a missing entry again. Raises :class:`NotFound` where it is not missing."""
        await self.folder.keep(entry_id)

    @property
    def problems(self) -> list[str]:
        """What a person should know, one line each."""
        return [*self._own(), *map(str, self.folder.problems())]

    def _own(self) -> list[str]:
        """What is wrong with the versions themselves."""
        return list(getattr(self._store, "problems", ()))

    @property
    def writer(self) -> str:
        """See :class:`Backend`."""
        return self._store.writer

    async def put(self, drafts: Sequence[Draft]) -> list[Version]:
        """See :class:`Backend`."""
        return await self._store.put(drafts)

    async def receive(self, versions: Sequence[Version]) -> list[str]:
        """See :class:`Backend`."""
        return await self._store.receive(versions)

    async def renamed(self, after: int) -> str:
        """See :class:`memory.replicate.Renamed`."""
        return await renamed(self._store, after)

    async def entry(self, entry_id: str) -> Entry | None:
        """See :class:`Backend`."""
        return await self._store.entry(entry_id)

    async def find(self, which: Filter, *, limit: int = 100, after: str = "") -> list[Entry]:
        """See :class:`Backend`."""
        return await self._store.find(which, limit=limit, after=after)

    async def versions(self, entry_id: str) -> list[Version]:
        """See :class:`Backend`."""
        return await self._store.versions(entry_id)

    async def search(self, words: str, which: Filter, *, limit: int = 20) -> list[Hit]:
        """See :class:`Backend`."""
        return await self._store.search(words, which, limit=limit)

    async def summary(self) -> Vector:
        """See :class:`Backend`."""
        return await self._store.summary()

    def since(self, seen: Vector) -> AsyncIterator[list[Version]]:
        """See :class:`Backend`."""
        return self._store.since(seen)

    async def settle(self, entry_id: str, shown: Dot, conflict: bool) -> None:
        """See :class:`Backend`."""
        await self._store.settle(entry_id, shown, conflict)

    async def forget(self, entries: Sequence[str], *, history_before_ns: int = 0) -> int:
        """See :class:`Backend`."""
        return await self._store.forget(entries, history_before_ns=history_before_ns)

    async def stats(self) -> Stats:
        """See :class:`Backend`."""
        return await self._store.stats()

    def listen(self, told: Callable[[str], None]) -> Callable[[], None]:
        """See :class:`Backend`. Also told where the file of an entry went missing, or is back; "" for problems."""
        self._listeners.append(told)
        return lambda: self._listeners.remove(told) if told in self._listeners else None

    async def aclose(self) -> None:
        """See :class:`Backend`. Files of what is acknowledged are written first."""
        try:
            await self.folder.aclose()
        finally:
            self._unlisten()
            await self._store.aclose()

    def _changed(self, entry_id: str) -> None:
        self.folder.wake(entry_id)
        self._tell(entry_id)

    def _tell(self, entry_id: str) -> None:
        for told in tuple(self._listeners):
            told(entry_id)
