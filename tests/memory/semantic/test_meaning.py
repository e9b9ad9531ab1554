"""Entries found by meaning: what words alone do not find, with the filters, and without the extra."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from memory.backend import Filter, Hit
from memory.bank import Bank
from memory.entry import Content, content
from memory.semantic import meaning
from memory.semantic.model import HINT, NEEDED, missing, model
from memory.sqlite.backend import SqliteBackend
from quarterdeck.clock import SystemClock
from quarterdeck.errors import Refused
from tests.support.polling import PATIENCE

installed = pytest.mark.skipif(bool(missing()), reason=f"the extra semantic is not installed: {', '.join(missing())}")

NOTES = (
    ("pool", "The database connection times out when the pool is exhausted"),
    ("wal", "SQLite in WAL mode: readers never wait for the writer"),
    ("retry", "Retries hide a slow host: fetch() tries three times"),
    ("login", "The sign-in button has the wrong colour in the dark theme"),
    ("deploy", "To publish a version run make release, then tag the commit"),
    ("cart", "The shopping cart forgets its total when a coupon is removed"),
)


@asynccontextmanager
async def opened(folder: Path, *, semantic: bool = True) -> AsyncIterator[Bank]:
    backend = await SqliteBackend.open(folder, SystemClock())
    bank = Bank("/repo", backend, SystemClock(), state=folder, semantic=semantic)
    try:
        yield bank
    finally:
        await bank.aclose()


def said(key: str, body: str, **more: object) -> Content:
    return content(key=key, body=body, **more)  # type: ignore[arg-type]


async def filled(bank: Bank) -> None:
    for key, body in NOTES:
        await bank.add(said(key, body, tags=("ui",) if key == "login" else ()), author="person")


def keys(hits: Sequence[Hit]) -> list[str]:
    return [hit.entry.content.key for hit in hits]


async def near(bank: Bank, words: str, which: Filter = Filter()) -> list[str]:  # noqa: B008
    return keys(await bank.search(words, which, semantic=True))


@installed
@pytest.mark.parametrize(
    ("asked", "key"),
    [
        ("authentication page styling", "login"),
        ("ship a new release", "deploy"),
        ("e-commerce basket discount bug", "cart"),
        ("slow network server", "retry"),
    ],
)
async def test_what_shares_no_word_is_found_by_what_it_means(tmp_path: Path, asked: str, key: str) -> None:
    async with opened(tmp_path) as bank:
        await filled(bank)
        assert key in (await near(bank, asked))[:2]


@installed
async def test_an_entry_in_both_rankings_is_first_and_keeps_the_snippet_with_its_words(tmp_path: Path) -> None:
    async with opened(tmp_path) as bank:
        await filled(bank)
        hits = await bank.search("connection pool", semantic=True)
        assert keys(hits)[0] == "pool"
        assert "\x02" in hits[0].snippet
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


@installed
async def test_filters_and_words_that_must_not_be_there_hold_for_meaning_too(tmp_path: Path) -> None:
    async with opened(tmp_path) as bank:
        await filled(bank)
        assert await near(bank, "authentication styling tag:ui") == ["login"]
        assert "login" not in await near(bank, "authentication styling", Filter(authors=("agent/api",)))
        assert "login" not in await near(bank, "authentication styling -colour")
        assert sorted(await near(bank, "is:pinned")) == []


@installed
async def test_what_changes_and_what_is_deleted(tmp_path: Path) -> None:
    async with opened(tmp_path) as bank:
        await filled(bank)
        assert (await near(bank, "kubernetes cluster")) != ["login"]
        await bank.edit("login", said("login", "Containers are scheduled by kubernetes onto cluster nodes"), author="p")
        assert (await near(bank, "docker orchestration"))[0] == "login"
        await bank.delete("login", author="person")
        assert "login" not in await near(bank, "docker orchestration")
        assert "login" in await near(bank, "docker orchestration", Filter(deleted=True))
    async with opened(tmp_path) as bank:
        assert "login" not in await near(bank, "docker orchestration")
        assert (await near(bank, "ship a new release"))[0] == "deploy"


@installed
@pytest.mark.parametrize("how", ["lost", "nonsense", "model"])
async def test_lost_and_damaged_vectors_are_made_again(tmp_path: Path, how: str) -> None:
    async with opened(tmp_path) as bank:
        await filled(bank)
        before = await near(bank, "ship a new release")
    path = tmp_path / meaning.FILE
    match how:
        case "lost":
            path.unlink()
        case "nonsense":
            path.write_bytes(os.urandom(9_000))
        case _:
            with closing(sqlite3.connect(path)) as db:
                db.execute("UPDATE notes SET value = 'another' WHERE name = 'model'")
                db.execute("UPDATE vectors SET vector = zeroblob(64)")
                db.commit()
    async with opened(tmp_path) as bank:
        assert await near(bank, "ship a new release") == before


@installed
async def test_vectors_are_made_in_pieces_and_only_for_what_is_new(tmp_path: Path) -> None:
    async with opened(tmp_path) as bank:
        for number in range(3 * meaning.AT_ONCE):
            await bank.add(said(f"n{number}", f"note number {number} about topic {number % 7}"), author="p")
        await near(bank, "topic")
        with closing(sqlite3.connect(tmp_path / meaning.FILE)) as db:
            (count,) = db.execute("SELECT count(*) FROM vectors").fetchone()
            assert count == 3 * meaning.AT_ONCE
            db.execute("UPDATE vectors SET vector = zeroblob(512) WHERE entry <> ''")  # ours to see whether they stay
            db.commit()
        await bank.add(said("new", "something else"), author="p")
        await near(bank, "topic")
        with closing(sqlite3.connect(tmp_path / meaning.FILE)) as db:
            made = db.execute("SELECT count(*) FROM vectors WHERE vector <> zeroblob(512)").fetchone()
        assert made == (1,)


@installed
def test_the_model_says_the_same_of_hostile_texts_as_of_others() -> None:
    made = model()
    texts = ["", " ", "\ud800", "\x00\x1b[31m", "x" * 100_000, "ж" * 5_000, "🙂", "a"]
    vectors = made.embed(texts)
    assert vectors.shape == (len(texts), 256)
    lengths = (vectors * vectors).sum(axis=1)
    assert all(abs(length - 1) < 1e-3 or length == 0 for length in lengths)
    assert (made.embed(["a"])[0] == vectors[-1]).all()


@installed
def test_nothing_is_fetched_and_little_is_loaded() -> None:
    program = (
        "import socket, sys\n"
        "def refuse(*_): raise SystemExit('asked the network')\n"
        "socket.socket.connect = refuse\n"
        "from memory.semantic.model import model\n"
        "model().embed(['a text'])\n"
        "print([name for name in ('wordllama', 'requests', 'huggingface_hub') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


async def test_without_the_extra_all_else_works_and_the_search_says_what_to_install(tmp_path: Path) -> None:
    program = f"""
import asyncio, sys
from importlib import util
from pathlib import Path
real = util.find_spec
util.find_spec = lambda name, *more: None if name in {NEEDED!r} else real(name, *more)
for name in {NEEDED!r}: sys.modules[name] = None
from memory.bank import Bank
from memory.entry import content
from memory.sqlite.backend import SqliteBackend
from quarterdeck.clock import SystemClock
from quarterdeck.errors import Refused
async def main():
    state = Path({str(tmp_path)!r})
    bank = Bank("/repo", await SqliteBackend.open(state, SystemClock()), SystemClock(), state=state)
    await bank.add(content(key="k", body="some words"), author="p")
    print(len(await bank.search("words")))
    try:
        await bank.search("words", semantic=True)
    except Refused as error:
        print(error.message); print(error.hint)
    await bank.aclose()
asyncio.run(main())
"""
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=PATIENCE
    )
    found, message, hint = done.stdout.splitlines()
    assert found == "1"
    assert all(name in message for name in NEEDED)
    assert hint == HINT


async def test_it_can_be_turned_off(tmp_path: Path) -> None:
    async with opened(tmp_path, semantic=False) as bank:
        await filled(bank)
        assert keys(await bank.search("pool")) == ["pool"]
        with pytest.raises(Refused, match="turned off"):
            await bank.search("pool", semantic=True)


def test_the_parts_of_the_extra_are_known() -> None:
    assert set(missing()) == {name for name in NEEDED if importlib.util.find_spec(name) is None}
