"""What a bank does when nobody waits for it: its index merged, its log folded into the file."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import aclosing, closing
from pathlib import Path

from memory.backend import Draft, Filter
from memory.entry import content
from memory.sqlite.backend import SqliteBackend, place
from quarterdeck.clock import ManualClock

STORES = 60
DEADLINE = 60


async def stored(backend: SqliteBackend, number: int) -> None:
    for n in range(number):
        await backend.put([Draft(entry=f"e{n:04}", content=content(body=f"common word{n}"), author="person")])


def segments(path: Path) -> int:
    """Of the index of words, what every search has to read."""
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("SELECT count(DISTINCT segid) FROM words_idx").fetchone()[0])


async def test_an_index_filled_by_many_stores_is_merged_and_the_log_is_folded(tmp_path: Path) -> None:
    path = place(tmp_path / "bank").path
    async with aclosing(await SqliteBackend.open(path.parent, ManualClock())) as backend, asyncio.timeout(DEADLINE):
        await stored(backend, STORES)
        await backend.settled()
        assert segments(path) <= 6
        assert path.with_name(path.name + "-wal").stat().st_size == 0
        alone = tmp_path / "alone.db"
        shutil.copyfile(path, alone)  # without its log
        with closing(sqlite3.connect(alone)) as db:
            assert db.execute("SELECT count(*) FROM entries").fetchone() == (STORES,)
            db.execute("INSERT INTO words (words) VALUES ('integrity-check')")
        assert len(await backend.search("common", Filter(), limit=100)) == STORES
        assert [hit.entry.id for hit in await backend.search("word7", Filter())] == ["e0007"]
        statements = backend.statements
        await backend.settled()
        assert backend.statements == statements, "nothing is done while nothing is stored"


async def test_what_a_bank_left_when_it_was_closed_is_merged_after_it_is_opened(tmp_path: Path) -> None:
    path = place(tmp_path / "bank").path
    async with aclosing(await SqliteBackend.open(path.parent, ManualClock())) as backend:
        await stored(backend, 30)  # and closed at once: what is not merged is no matter
    async with aclosing(await SqliteBackend.open(path.parent, ManualClock())) as backend, asyncio.timeout(DEADLINE):
        await backend.settled()
        assert segments(path) <= 6
        assert len(await backend.search("common", Filter(), limit=100)) == 30


async def test_what_is_stored_while_the_index_is_merged_is_found_and_closing_ends_it(tmp_path: Path) -> None:
    path = place(tmp_path / "bank").path
    async with aclosing(await SqliteBackend.open(path.parent, ManualClock())) as backend, asyncio.timeout(DEADLINE):
        drafts = [
            Draft(entry=f"m{n:05}", content=content(body=f"many {n * 7919} {n * 104729} words"), author="person")
            for n in range(4_000)
        ]
        for start in range(0, len(drafts), 100):
            await backend.put(drafts[start : start + 100])
        before = segments(path)
        tidied = asyncio.create_task(backend.settled())
        while segments(path) >= before and not tidied.done():  # until the first pieces are merged
            await asyncio.sleep(0.01)
        await stored(backend, 5)
        assert len(await backend.search("common", Filter())) == 5
    await tidied
    async with aclosing(await SqliteBackend.open(path.parent, ManualClock())) as backend:
        assert len(await backend.search("common", Filter())) == 5
        assert (await backend.stats()).entries == 4_005
