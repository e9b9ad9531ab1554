"""All memory banks of one state folder: opened where they are first needed, closed together."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from memory import roots
from memory.backend import Backend, Filter, Hit, Stats
from memory.bank import Bank, Synced
from memory.entry import SHARED, WORKSPACE
from memory.later import LaterBackend
from memory.retention import Limits, Policy
from memory.roots import Known
from quarterdeck.clock import Clock
from quarterdeck.config import Memory
from quarterdeck.errors import Broken, Invalid, QuarterdeckError
from quarterdeck.ids import new_id
from quarterdeck.paths import Paths, private_folder
from quarterdeck.redaction import Redactor
from quarterdeck.text import nearest, safe
from quarterdeck.watching import Watching


@dataclass(frozen=True, kw_only=True)
class Home:
    """Where one bank lives."""

    state: Path
    """Its folder in the state folder; made by whoever opens it."""
    base: Path
    """The folder that is there in any case, below which its files go: the workspace, or the state folder."""
    parts: tuple[str, ...]
    """From there to its files."""
    namespace: str
    """The one a file need not name."""
    clock: Clock

    @property
    def files(self) -> Path:
        """Where its files are, if it has any."""
        return self.base.joinpath(*self.parts)


class Keeper(Protocol):
    """Opens banks of one sort; plugins bring them by the hook ``quarterdeck_memory_backends``."""

    name: str

    async def open(self, home: Home, writer: str) -> Backend:
        """The bank that lives there; one that is made now is named ``writer``.

        What is :class:`memory.bank.Synced` is not started yet.
        """
        ...


class Found(NamedTuple):
    """A hit, and the bank it is in."""

    root: str
    hit: Hit


class FoundAll(NamedTuple):
    """What a search of all banks found, the best first."""

    found: list[Found]
    problems: list[str]
    """Banks that could not be searched and why, a line each."""


class Banks:
    """See the module. ``async with Banks(...)``."""

    def __init__(
        self,
        paths: Paths,
        clock: Clock,
        settings: Memory,
        keepers: Mapping[str, Keeper],
        *,
        redactor: Redactor | None = None,
        watching: Watching | None = None,
    ) -> None:
        self.paths = paths
        self._clock = clock
        self._settings = settings
        keeper = keepers.get(settings.backend)
        if keeper is None:
            raise Invalid(
                f"memory.backend: nothing keeps memory in {safe(settings.backend)!r}",
                hint=nearest(settings.backend, keepers) or "one of " + ", ".join(sorted(keepers)),
            )
        self._keeper = keeper
        self._redactor = redactor
        self._watching = watching
        self._banks: dict[str, Bank] = {}
        self._borrowers: dict[str, int] = {}
        """How many use a bank that is closed after them."""
        self._opening: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        """By root: held while that bank is opened or closed. Taking in many files keeps no other one waiting."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        async with AsyncExitStack() as stack:
            while self._banks:
                stack.push_async_callback(self._banks.popitem()[1].aclose)

    @property
    def open(self) -> list[Bank]:
        """Those that are open."""
        return list(self._banks.values())

    async def of(self, folder: Path) -> Bank:
        """The bank of the repository that holds ``folder``, whichever worktree it is; of the folder outside of git.

        Nothing is made on disk before something is stored.
        """
        return await self._kept(str(roots.root_of(folder)))

    async def shared(self) -> Bank:
        """The bank all workspaces share."""
        return await self._kept("")

    def known(self) -> list[Known]:
        """The banks on disk."""
        return list(roots.known(self.paths))

    async def search_all(
        self,
        words: str,
        which: Filter = Filter(),  # noqa: B008
        *,
        limit: int = 20,
        semantic: bool = False,
    ) -> FoundAll:
        """Search every bank on disk. Scores of banks do not compare, so the best of each come first, then the next.

        A bank that is damaged keeps nothing from the others. Raises as :meth:`Bank.search` does for a query none takes.
        """
        ranked: list[tuple[int, float, Found]] = []
        problems: list[str] = []
        for name in dict.fromkeys(("", *(bank.root for bank in self.known()))):
            if name and not Path(name).is_dir() and name not in self._banks:
                continue  # its workspace is gone or not mounted
            asked = False
            try:
                async with self._borrowed(name) as bank:
                    asked = True
                    hits = await bank.search(words, which, limit=limit, semantic=semantic)
            except (QuarterdeckError, OSError) as error:
                if asked and not isinstance(error, (Broken, OSError)):
                    raise  # it is about what was asked
                why = error.message if isinstance(error, QuarterdeckError) else str(error)
                problems.append(f"the memory of {name or 'all workspaces'} was not searched: {why}")
                continue
            ranked += [(place, -hit.score, Found(name, hit)) for place, hit in enumerate(hits)]
        ranked.sort(key=lambda one: one[:2])
        return FoundAll([found for *_, found in ranked[:limit]], problems)

    async def stats_all(self) -> list[tuple[str, Stats | None]]:
        """How much each bank holds, by root: all on disk, and those that are open. None for one that is damaged."""
        told: list[tuple[str, Stats | None]] = []
        for name in sorted({*self._banks, *(bank.root for bank in self.known())}):
            try:
                told.append((name, await self._stats(name)))
            except (QuarterdeckError, OSError):
                told.append((name, None))
        return told

    async def _stats(self, name: str) -> Stats:
        async with self._opening[name]:
            if name not in self._banks:  # counted without taking in its files
                backend = await self._keeper.open(self._home(name), new_id())
                try:
                    return await backend.stats()
                finally:
                    await backend.aclose()
            return await self._banks[name].stats()

    def policy(self) -> Policy:
        """What is kept, as configured."""
        said = self._settings
        limits = {
            name: Limits(days=kept.days, entries=kept.entries, bytes=kept.size) for name, kept in said.retention.items()
        }
        return Policy(namespaces=limits, history_days=said.history_days, tombstone_days=said.tombstone_days)

    async def _get(self, root: str) -> Bank:
        async with self._opening[root]:
            if root not in self._banks:
                self._banks[root] = await self._made(root)
            return self._banks[root]

    async def _kept(self, root: str) -> Bank:
        """The bank, which stays open."""
        self._borrowers.pop(root, None)
        bank = await self._get(root)
        self._borrowers.pop(root, None)
        return bank

    @asynccontextmanager
    async def _borrowed(self, root: str) -> AsyncIterator[Bank]:
        """The bank, which is closed again after its last borrower unless somebody keeps it."""
        if root not in self._banks or root in self._borrowers:
            self._borrowers[root] = self._borrowers.get(root, 0) + 1
        try:
            yield await self._get(root)
        finally:
            async with self._opening[root]:
                if root in self._borrowers:
                    self._borrowers[root] -= 1
                    if not self._borrowers[root]:
                        del self._borrowers[root]
                        if bank := self._banks.pop(root, None):
                            await bank.aclose()

    async def _made(self, root: str) -> Bank:
        home = self._home(root)
        bank: Bank

        async def opens(writer: str) -> Backend:
            private_folder(self.paths.memory)
            private_folder(home.state)
            roots.note(home.state, root)
            return await self._keeper.open(home, writer)

        async def starts(backend: Backend) -> None:
            if isinstance(backend, Synced):
                await backend.start(bank.take, self._watching)

        def there() -> bool:
            return (home.state / roots.NOTE).exists() or home.files.exists()

        later = LaterBackend(opens, starts, there, new_id())
        bank = Bank(
            root,
            later,
            self._clock,
            state=home.state,
            resolution=self._settings.resolution,
            redactor=self._redactor,
            semantic=self._settings.semantic,
        )
        try:
            await later.found()
        except BaseException:
            await bank.aclose()
            raise
        return bank

    def _home(self, root: str) -> Home:
        if root:
            folder = Path(root)
            state = roots.state_of(self.paths, folder)
            return Home(
                state=state, base=folder, parts=(".quarterdeck", "memory"), namespace=WORKSPACE, clock=self._clock
            )
        state = self.paths.memory / roots.SHARED_NAME
        return Home(state=state, base=state, parts=("files",), namespace=SHARED, clock=self._clock)
