"""The index of texts: reads its sources when told that they changed, a piece at a time, and is searched meanwhile.

It lies in a SQLite file of its own that can be deleted at any time: damaged, of another version or lost, it is made
again from the sources. Where each source was read up to is stored with its passages, so a kill between any two steps
neither loses nor doubles one. Sources are read on one thread and stored on another, never on the event loop; between
two pieces as much time passes as one took, unless somebody waits for an answer. While nothing changes nothing runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

from memory.query import Query
from memory.texts import store
from memory.texts.source import Batch, Passage, Reading, TextFilter, TextHit, TextSource
from quarterdeck import remade
from quarterdeck.clock import Clock
from quarterdeck.database import Connection, Damaged, Database
from quarterdeck.errors import Broken, QuarterdeckError
from quarterdeck.paths import private_folder
from quarterdeck.redaction import Redactor
from quarterdeck.text import safe

log = logging.getLogger(__name__)
T = TypeVar("T")

MIGRATIONS = Path(__file__).parent / "migrations"
APPLICATION_ID = 0x51445458  # QDTX
LIMIT = 256 << 20
"""Characters of text that are kept; the oldest passages go first."""
TRIES = 3
"""A piece that ended the process so often is not read again before its source changes."""
SLACK = 32
"""Of so many parts of the limit one is let go as well, so that not every new passage lets one go."""
LINE_LIMIT = 4_000
TURN = 64
"""Pieces of one source that are read before others have their turn."""
FILE = "text.db"

Key = tuple[str, str, str]
"""Agent, kind and name of a source."""
Everything = Callable[[], Awaitable[Sequence[TextSource]]]
"""Gives all sources there are."""


class Answer(NamedTuple):
    """What a search of texts found, and whose texts are not all indexed yet."""

    hits: Sequence[TextHit]
    behind: frozenset[str]


class TextIndex:
    """See the module. Made by :meth:`open`. Errors of all methods: :class:`Broken`."""

    def __init__(
        self, folder: Path, clock: Clock, redactor: Redactor, everything: Everything, limit: int = LIMIT
    ) -> None:
        self._place = remade.place(folder / FILE, MIGRATIONS, APPLICATION_ID, "what agents printed")
        self._everything = everything
        self._clock = clock
        self._redactor = redactor
        self._limit = limit
        self._database: Database | None = None
        self._opening = asyncio.Lock()
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="texts")
        self._wanted: dict[Key, TextSource] = {}
        self._doomed: dict[str, None] = {}
        self._woken = asyncio.Event()
        self._stocked = False
        """Whether it is known what there is."""
        self._hurried = 0
        """How many wait for an answer."""
        self._settled = asyncio.Condition()
        self.problem = ""
        """Why nothing is indexed at the moment, in a sentence; "" while all is well."""
        self.given_up: set[Key] = set()
        """Sources that cannot be read."""

    @classmethod
    @asynccontextmanager
    async def open(
        cls, folder: Path, clock: Clock, redactor: Redactor, everything: Everything, limit: int = LIMIT
    ) -> AsyncIterator[Self]:
        """The index in ``folder`` until the context is left; the file is made when there is something to index.

        What changed since the last time is read at once, and what is gone let go of. ``redactor`` is asked for every
        passage, so that it may get to know more meanwhile.
        """
        self = cls(folder, clock, redactor, everything, limit)
        task = asyncio.create_task(self._run(), name="texts indexed")
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await asyncio.get_running_loop().run_in_executor(None, self._pool.shutdown)
            if self._database is not None:
                await self._database.aclose()

    # -- for others

    def want(self, sources: Iterable[TextSource]) -> None:
        """These may have changed: read what is new, soon."""
        for source in sources:
            self._wanted[source.agent, source.kind, source.name] = source
        self._woken.set()

    def forget(self, agent: str) -> None:
        """Let go of an agent's texts, soon."""
        for key in [key for key in self._wanted if key[0] == agent]:
            del self._wanted[key]
        self._doomed[agent] = None
        self._woken.set()

    async def settle(self, seconds: float | None = None) -> bool:
        """Wait until all that was wanted is indexed; False where that takes longer."""
        self._hurried += 1
        try:
            async with asyncio.timeout(seconds), self._settled:
                await self._settled.wait_for(lambda: self._stocked and not self._wanted and not self._doomed)
        except TimeoutError:
            return False
        finally:
            self._hurried -= 1
        return True

    async def chars(self) -> int:
        """Characters that are kept."""
        return await (await self._open()).read(store.chars)

    async def search(self, query: Query, which: TextFilter, *, limit: int = 20, seconds: float = 0.0) -> Answer:
        """Passages by words, the best first, after waiting so long at most for what is being indexed."""
        if seconds:
            await self.settle(seconds)
        hits: list[TextHit] = []
        if query.terms and (which.agents is None or which.agents) and await self._there():
            find = partial(store.search, query=query, which=which, limit=limit, now_ns=self._clock.wall_ns())
            try:
                hits = await (await self._open()).look(find)
            except Damaged as error:
                await self._make_again(error)
        behind = {agent for agent, *_ in self._wanted if which.agents is None or agent in which.agents}
        return Answer(hits, frozenset(behind))

    # -- reading

    async def _run(self) -> None:
        await self._guarded(self._take_stock)
        self._stocked = True
        while True:
            while self._wanted or self._doomed:
                await self._guarded(self._next)
            async with self._settled:
                self._settled.notify_all()
            await self._woken.wait()
            self._woken.clear()

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
            self.problem = ""
        except Damaged as error:
            await self._make_again(error)
        except (QuarterdeckError, OSError) as error:
            self.problem = str(error)
            log.warning("texts were not indexed: %s", error)
            self._give_up()
        except Exception:  # a fault in reading one text must not be the end of all searching
            log.exception("texts were not indexed")
            self._give_up()

    def _give_up(self) -> None:
        """They are wanted again when they change."""
        self._wanted.clear()
        self._doomed.clear()

    async def _take_stock(self) -> None:
        """Want whatever there is; let go of what belongs to agents that are gone."""
        sources = await self._everything()
        if sources or await self._there():
            kept = {source.agent for source in sources}
            for agent in await self._write(store.agents) - kept:
                self.forget(agent)
            self.want(sources)

    async def _next(self) -> None:
        """Let go of one agent's texts, or read from one source."""
        if self._doomed:
            agent = next(iter(self._doomed))
            while await self._write(partial(store.forget, agent=agent)):
                await self._rest(0.0)
            self._doomed.pop(agent, None)
            return
        key, source = next(iter(self._wanted.items()))
        whole = await self._read(key, source)
        if self._wanted.get(key) is source:
            del self._wanted[key]
            if not whole:
                self._wanted[key] = source  # behind the others

    async def _read(self, key: Key, source: TextSource) -> bool:
        """Read some pieces; False where more is left."""
        stamp = await self._apart(source.stamp)
        found = await (await self._open()).read(partial(store.known, source=source))
        if not stamp or (found and found.stamp == stamp):
            return True
        if found and found.tries >= TRIES:
            self.given_up.add(key)
            return True
        number, cursor, *_ = await self._write(partial(store.begin, source=source))
        reading: Reading | None = None
        loop = asyncio.get_running_loop()
        try:
            reading = await self._apart(source.open, cursor)
            for _ in range(TURN):
                began = loop.time()
                batch = await self._apart(self._masked, reading)
                if key[0] in self._doomed:
                    return True
                await self._write(partial(store.put, number=number, passages=batch.passages, cursor=batch.cursor))
                await self._trim()
                await self._rest(loop.time() - began)
                if not batch.more:
                    await self._write(partial(store.done, number=number, stamp=stamp))
                    self.given_up.discard(key)
                    return True
        except OSError as error:
            log.warning("the %s of %s cannot be read: %s", source.kind, source.agent, error)
            self.given_up.add(key)
            return True
        finally:
            if reading is not None:
                await self._apart(reading.close)
        return False

    def _masked(self, reading: Reading) -> Batch:
        batch = reading.read()
        return batch._replace(passages=[self._stored(passage) for passage in batch.passages])

    def _stored(self, passage: Passage) -> Passage:
        text = self._redactor.redact(passage.text).text
        if not text.replace("\n", "").isprintable():
            text = "\n".join(line for line in (safe(line, LINE_LIMIT) for line in text.split("\n")) if line)
        return passage._replace(text=text)

    async def _trim(self) -> None:
        if await self.chars() > self._limit:
            lower = self._limit - self._limit // SLACK
            while await self._write(partial(store.trim, limit=lower)):
                await self._rest(0.0)

    async def _rest(self, took: float) -> None:
        """Give way to everything else; nobody notices what takes twice as long in the background."""
        await asyncio.sleep(0 if self._hurried else took)

    async def _apart(self, work: Callable[..., T], *args: Any) -> T:
        """Run ``work`` on the thread that reads. Cancelled, it still returns only when the thread is done with it."""
        future = asyncio.get_running_loop().run_in_executor(self._pool, work, *args)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait([future])
            raise

    # -- the file

    async def _there(self) -> bool:
        return self._database is not None or self._place.path.exists()

    async def _write(self, work: Callable[[Connection], T]) -> T:
        return await (await self._open()).write(work)

    async def _open(self) -> Database:
        async with self._opening:
            if self._database is None:
                private_folder(self._place.path.parent)
                self._database = await remade.opened(self._place, self._clock, looker=True)
            return self._database

    async def _make_again(self, error: Damaged) -> None:
        """Throw the file away, and want everything."""
        async with self._opening:
            log.warning("the index of texts is made again: %s", error.message)
            if self._database is not None:
                database, self._database = self._database, None
                with contextlib.suppress(Broken):
                    await database.aclose()
            remade.discard(self._place)
        self.want(await self._everything())
