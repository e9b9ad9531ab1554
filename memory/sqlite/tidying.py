"""Keeps a bank quick at times when nobody waits for it.

Each store adds a segment to the index of words, which every search reads, and pages to the write-ahead log, which have
to get into the file some time. Both are done here, a bounded piece at a time: folding the log beside the writes that
go on, merging segments once these have settled. Nothing wakes up while nothing is written.
"""

from __future__ import annotations

import asyncio
import logging

from quarterdeck.database import Connection, Database
from quarterdeck.errors import QuarterdeckError

log = logging.getLogger(__name__)

SETTLED = 1.0
"""Seconds without a write after which the index is merged."""
FOLD_WRITES = 32
"""So many writes, of some thirty pages each, are folded at once while more come."""
MERGE_PAGES = 64
"""Pages of the index merged in one transaction, some milliseconds; what is stored meanwhile waits for no more."""
MERGE_PAUSE = 0.02
"""Seconds between two such transactions."""
FOLD_MERGES = 50
"""So many of them are folded together."""


class Tidying:
    """See the module. Of one open ``database``; closed before it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writes = 0
        self._many = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def wrote(self) -> None:
        """Note a write; on the event loop."""
        self._writes += 1
        if self._writes >= FOLD_WRITES:
            self._many.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="memory bank tidied")

    async def settled(self) -> None:
        """Until nothing is left to do."""
        while self._task is not None and not self._task.done():
            await asyncio.wait([self._task])

    async def aclose(self) -> None:
        """Leave the rest for later."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        done = False
        try:
            while not done:
                before = self._writes
                try:
                    await asyncio.wait_for(self._many.wait(), SETTLED)
                except TimeoutError:
                    if self._writes == before:
                        await self._fold()
                        if done := await self._merge():
                            await self._database.fold(whole=True)
                            done = not self._writes
                else:
                    await self._fold()
        except QuarterdeckError as error:
            log.warning("%s was not tidied: %s", self._database.place.path, error.message)

    async def _fold(self) -> None:
        self._writes = 0
        self._many.clear()
        await self._database.fold()

    async def _merge(self) -> bool:
        """Merge until nothing is worth it; False where something was stored meanwhile."""
        steps = 0
        while not self._writes and await self._database.write(_merged, ballast=False):
            steps += 1
            if steps % FOLD_MERGES == 0:
                await self._database.fold()
            await asyncio.sleep(MERGE_PAUSE)
        return not self._writes


def _merged(db: Connection) -> bool:
    """Merge one piece; whether there was any."""
    before = db.total_changes
    db.execute("INSERT INTO words (words, rank) VALUES ('merge', ?)", (MERGE_PAGES,))
    return db.total_changes - before > 1
