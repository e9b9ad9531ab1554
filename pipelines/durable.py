"""What a run has done, remembered over ``kill -9`` and over machines.

A value is remembered when its work has come to its end, in one transaction: it is recorded or it is not. An error of
the work is raised and leaves nothing behind, and neither does a cancelled caller, so that a resumed run does it again.
Nothing is ever begun by the engine itself.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
from asyncio.subprocess import Process
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from pipelines.engine import MISSING, Engine
from pipelines.ports import Durable, Json
from quarterdeck.errors import Broken, Invalid
from quarterdeck.text import safe

SCHEMES = ("postgresql://", "postgres://")


def check_url(url: str) -> None:
    """Raise :class:`Invalid` for the URL of a kind of database that holds no runs."""
    if not url.startswith(SCHEMES):
        raise Invalid(
            f"{safe(url.partition('://')[0], 40)!r} is no kind of database for runs",
            hint="postgresql://USER@HOST/DATABASE, or nothing for a file of its own",
        )


@asynccontextmanager
async def open_durable(
    run_id: str, where: Path | str, *, fresh: bool, early: Process | None = None
) -> AsyncIterator[Durable]:
    """The memory of a run, in the SQLite file ``where`` or the PostgreSQL database of that URL.

    The engine's process is started, unless it was ``early``, see :mod:`pipelines.starting`; it is ended in any case.

    A ``fresh`` run's work begins while the engine still starts, which takes a second or two; otherwise what is
    remembered is read first. All values are committed when this ends. Raises :class:`Broken` for a missing package, a
    database that is damaged, full, locked or newer, :class:`Refused` where the run goes on in another process,
    :class:`Invalid` for another kind of URL; some of it only from ``once``.
    """
    if importlib.util.find_spec("dbos") is None:
        raise Broken("what a run has done is kept with DBOS, which is not installed", hint=MISSING)
    if isinstance(where, str):
        check_url(where)
        where = "postgresql://" + where.partition("://")[2]
    memory = _Memory(Engine(run_id, where, early), fresh=fresh)
    try:
        if not fresh:
            await memory.opened()
        yield memory
    finally:
        await memory.aclose()


class _Memory:
    """A :class:`pipelines.ports.Durable`. Values are held as JSON, so that nobody changes what others get."""

    def __init__(self, engine: Engine, *, fresh: bool) -> None:
        self._engine = engine
        self._fresh = fresh
        self._known: dict[str, str] = {}
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._asking = asyncio.Lock()
        self._recording: dict[str, asyncio.Task[None]] = {}
        self._opening = asyncio.create_task(self._open(), name=f"engine of run {engine.run_id}")

    async def once(self, key: str, work: Callable[[], Awaitable[Json]]) -> Json:
        if not key or "\0" in key:
            raise ValueError(f"{key!r} is no key")
        async with self._turns[key]:
            if not self._fresh:
                await self.opened()
            if key not in self._known:
                if key not in self._recording:
                    text = json.dumps(await self._done(work), allow_nan=False)
                    self._recording[key] = asyncio.create_task(self._record(key, text), name=f"record {key}")
                # Once the work is done, a cancelled caller does not keep it from being recorded.
                await asyncio.shield(self._recording[key])
            return json.loads(self._known[key])

    async def finished(self) -> Mapping[str, Json]:
        await self.opened()
        return {key: json.loads(text) for key, text in self._known.items()}

    async def opened(self) -> None:
        """Wait for the engine. Raises why there is none."""
        await asyncio.shield(self._opening)

    async def aclose(self) -> None:
        """Record what is done, then let the engine end."""
        if self._recording:
            await asyncio.gather(*self._recording.values(), return_exceptions=True)
        if self._opening.done():
            await self._engine.aclose()
            with suppress(asyncio.CancelledError):
                self._opening.exception()  # it was told to who asked, or nobody asked
            return
        self._opening.cancel()
        await asyncio.gather(self._opening, return_exceptions=True)
        await self._engine.kill()

    async def _open(self) -> None:
        known = await self._engine.opened(fresh=self._fresh)
        self._known = {key: json.dumps(value) for key, value in known.items()}

    async def _done(self, work: Callable[[], Awaitable[Json]]) -> Json:
        """What work returns. Without an engine it would be for nothing, and is given up."""
        if self._opening.done():
            await self.opened()
            return await work()
        task = asyncio.ensure_future(work())
        try:
            await asyncio.wait({task, self._opening}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                await self.opened()
            return await task
        finally:
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def _record(self, key: str, text: str) -> None:
        try:
            await self.opened()
            async with self._asking:
                await self._engine.remember(key, json.loads(text))
            self._known[key] = text
        finally:
            del self._recording[key]
