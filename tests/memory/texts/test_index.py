"""The index of texts: what it finds and how, what becomes of a damaged file, of a kill, and of what is too much."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from memory.backend import Filter
from memory.query import parse
from memory.texts.index import FILE, LIMIT, TRIES, Answer, TextIndex
from memory.texts.source import TextFilter, TextSource
from quarterdeck.clock import SystemClock
from quarterdeck.redaction import Redactor
from tests.support.text_files import TextFile

PATIENCE = 30.0
HOUR = 3600 * 10**9


class Files:
    """Files of text, one per agent."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def write(self, agent: str, *texts: str, at_ns: int = 0) -> TextFile:
        path = self.folder / agent
        with path.open("a") as file:
            file.writelines(f"{at_ns or time.time_ns()} {text}\n" for text in texts)
        return TextFile(agent, path)

    async def all(self) -> Sequence[TextSource]:
        return [TextFile(path.name, path) for path in sorted(self.folder.iterdir())]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "texts")


@asynccontextmanager
async def opened(files: Files, limit: int = LIMIT, redactor: Redactor | None = None) -> AsyncIterator[TextIndex]:
    folder = files.folder.parent / "memory"
    async with TextIndex.open(folder, SystemClock(), redactor or Redactor(), files.all, limit) as index:
        assert await index.settle(PATIENCE)
        yield index


async def search(index: TextIndex, words: str, which: TextFilter = TextFilter(), limit: int = 1_000) -> Answer:  # noqa: B008
    return await index.search(parse(words, Filter(), time.time_ns()), which, limit=limit, seconds=PATIENCE)


async def found(index: TextIndex, words: str, which: TextFilter = TextFilter()) -> list[str]:  # noqa: B008
    return [hit.snippet.replace("\x02", "<").replace("\x03", ">") for hit in (await search(index, words, which)).hits]


def database(files: Files) -> Path:
    return files.folder.parent / "memory" / FILE


async def test_words_phrases_beginnings_and_what_must_not_be_there(files: Files) -> None:
    files.write("api", "the connection was reset by its peer", "reset the connection", "connections are pooled")
    async with opened(files) as index:
        assert await found(index, '"connection was reset"') == ["the <connection was reset> by its peer"]
        assert len(await found(index, "connection reset")) == 2
        assert await found(index, "connection -peer") == ["reset the <connection>"]
        assert len(await found(index, "conn*")) == 3
        assert await found(index, "nowhere") == []
        assert await found(index, "since:1h") == [], "a text is found by its words"


async def test_whose_when_and_of_which_kind(files: Files) -> None:
    old = time.time_ns() - 48 * HOUR
    files.write("api", "timeout long ago", at_ns=old)
    files.write("api", "timeout just now")
    files.write("web", "timeout elsewhere")
    async with opened(files) as index:
        assert len(await found(index, "timeout")) == 3
        assert await found(index, "timeout", TextFilter(agents=frozenset({"web"}))) == ["<timeout> elsewhere"]
        assert await found(index, "timeout", TextFilter(agents=frozenset())) == []
        many = frozenset({"web", *(f"a{number}" for number in range(500))})
        assert await found(index, "timeout", TextFilter(agents=many)) == ["<timeout> elsewhere"]
        assert await found(index, "timeout", TextFilter(until_ns=old + HOUR)) == ["<timeout> long ago"]
        assert len(await found(index, "timeout", TextFilter(since_ns=old + HOUR))) == 2
        assert len(await found(index, "timeout", TextFilter(kinds=frozenset({"journal"})))) == 3
        assert await found(index, "timeout", TextFilter(kinds=frozenset({"transcript"}))) == []


async def test_the_newer_of_two_alike_comes_first_and_tells_its_place(files: Files) -> None:
    files.write("api", "disk is full", at_ns=time.time_ns() - 24 * 30 * HOUR)
    source = files.write("api", "disk is full", at_ns=time.time_ns() - HOUR)
    async with opened(files) as index:
        first, second = (await search(index, "disk full")).hits
        assert first.at_ns > second.at_ns
        text = source.path.read_bytes()[first.start : first.end].decode()
        assert text.endswith("disk is full\n")
        assert (first.agent, first.kind) == ("api", "journal")


async def test_the_snippet_is_the_line_that_says_most(files: Files) -> None:
    files.write("api", "reset\\nconnection to db reset by peer\\nconnection", "x" * 900 + " needle " + "y" * 900)
    async with opened(files) as index:
        assert await found(index, "connection reset") == ["<connection> to db <reset> by peer"]
        (cut,) = await found(index, "needle")
        assert "<needle>" in cut
        assert len(cut) < 300


async def test_what_comes_later_is_found_and_nothing_twice(files: Files) -> None:
    files.write("api", *(f"first{number} common" for number in range(300)))
    async with opened(files) as index:
        source = files.write("api", *(f"second{number} common" for number in range(300)))
        assert len(await found(index, "common")) == 300, "nobody said that there is more"
        index.want([source])
        assert len(await found(index, "common")) == 600
        index.want([source])
        assert len(await found(index, "common")) == 600
    files.write("api", "third common")
    async with opened(files) as index:
        assert len(await found(index, "common")) == 601


async def test_secrets_are_masked_and_control_characters_gone(files: Files) -> None:
    files.write(
        "api", "export DB_PASSWORD=hunter2hunter2 here", "known tr0ub4dor-and-3 value", "bell \x07 \x1b[31mred \u202e"
    )
    async with opened(files, redactor=Redactor({"MINE": "tr0ub4dor-and-3"})) as index:
        (said,) = await found(index, "export")
        assert "hunter2" not in said
        assert await found(index, "hunter2hunter2") == []
        assert await found(index, "known") == ["<known> [redacted: MINE] value"]
        assert await found(index, "bell") == ["<bell> [31mred"]
    with closing(sqlite3.connect(database(files))) as db:
        assert not db.execute("SELECT 1 FROM passages WHERE text LIKE '%hunter2%' OR text LIKE '%dor-and%'").fetchall()
    assert b"hunter2hunter2" not in database(files).read_bytes()


async def test_the_oldest_go_when_there_is_too_much(files: Files) -> None:
    begin = time.time_ns() - 5_000 * 10**9
    for number in range(3_000):
        files.write("api" if number % 2 else "web", f"number{number} " + "filler " * 10, at_ns=begin + number * 10**9)
    async with opened(files, limit=60_000) as index:
        kept = sorted(int(text.split(">")[0].removeprefix("<number")) for text in await found(index, "number*"))
        assert kept == list(range(3_000 - len(kept), 3_000))
        assert 600 < len(kept) < 800
        files.write("api", "number3000 is new")
        index.want(await files.all())
        assert "<number3000> is new" in await found(index, "number*")
        (chars,) = await index._apart(lambda: _one(database(files), "SELECT chars FROM total"))
        assert chars == _one(database(files), "SELECT total(length(text)) FROM passages")[0]
        assert chars <= 60_000


def _one(path: Path, sql: str) -> tuple[float, ...]:
    with closing(sqlite3.connect(path)) as db:
        row: tuple[float, ...] = db.execute(sql).fetchone()
        return row


async def test_what_is_forgotten_is_gone(files: Files) -> None:
    files.write("api", *(f"word{number} alpha" for number in range(1_000)))
    files.write("web", "word0 beta")
    async with opened(files) as index:
        (files.folder / "api").unlink()
        index.forget("api")
        assert await found(index, "word*") == ["<word0> beta"]
        assert _one(database(files), "SELECT count(*) FROM sources") == (1,)
    async with opened(files) as index:
        assert await found(index, "alpha") == []


async def test_agents_that_went_while_nothing_ran_are_forgotten(files: Files) -> None:
    files.write("api", "alpha")
    files.write("web", "alpha")
    async with opened(files) as index:
        assert len(await found(index, "alpha")) == 2
    (files.folder / "web").unlink()
    async with opened(files) as index:
        assert len(await found(index, "alpha")) == 1


@pytest.mark.parametrize("how", ["lost", "nonsense", "torn", "later", "index"])
async def test_a_damaged_file_is_made_again(files: Files, how: str) -> None:
    files.write("api", *(f"word{number} alpha {'filler ' * 20}" for number in range(800)))
    async with opened(files) as index:
        assert len(await found(index, "alpha")) == 800
    path = database(files)
    whole = path.read_bytes()
    match how:
        case "lost":
            path.unlink()
        case "nonsense":
            path.write_bytes(os.urandom(50_000))
        case "torn":
            path.write_bytes(whole[: len(whole) // 3])
        case "later":
            with closing(sqlite3.connect(path)) as db:
                db.execute("PRAGMA user_version=99")
        case _:
            with closing(sqlite3.connect(path)) as db:
                db.execute("UPDATE words_data SET block = x'00ff00ff' WHERE id > 10")
                db.commit()
    async with opened(files) as index:
        answer = await search(index, "alpha")
        if answer.behind:  # found out by the search itself
            answer = await search(index, "alpha")
        assert len(answer.hits) == 800
        assert not answer.behind


async def test_a_file_of_somebody_else_is_left_alone(files: Files) -> None:
    files.write("api", "alpha")
    database(files).parent.mkdir()
    with closing(sqlite3.connect(database(files))) as db:
        db.execute("CREATE TABLE mine (a)")
    before = database(files).read_bytes()
    async with opened(files) as index:
        assert "not a Quarterdeck database" in index.problem
    assert database(files).read_bytes() == before


async def test_a_text_that_ends_the_process_is_given_up(files: Files) -> None:
    poison = files.write("api", "poison alpha")
    files.write("web", "good alpha")
    async with opened(files) as index:
        assert len(await found(index, "alpha")) == 2
    with closing(sqlite3.connect(database(files))) as db:  # as if each reading had been the end of us
        db.execute("UPDATE sources SET tries = ?, stamp = '' WHERE agent = 'api'", (TRIES,))
        db.commit()
    files.write("api", "more alpha")
    async with opened(files) as index:
        assert len(await found(index, "alpha")) == 2
        assert index.given_up == {(poison.agent, poison.kind, poison.name)}


async def test_a_source_that_cannot_be_read_stops_no_other(files: Files, tmp_path: Path) -> None:
    files.write("api", "alpha")
    (files.folder / "bad").mkdir()
    files.write("web", "alpha")
    async with opened(files) as index:
        assert len(await found(index, "alpha")) == 2
        assert {agent for agent, *_ in index.given_up} == {"bad"}


async def test_the_loop_is_free_while_much_is_read(files: Files) -> None:
    for agent in "abcd":
        files.write(agent, *(f"{agent}{number} alpha {'filler ' * 30}" for number in range(3_000)))
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0)
            ticks += 1

    ticking = asyncio.create_task(tick())
    async with opened(files) as index:
        assert len((await search(index, "alpha", limit=20_000)).hits) == 800, "the newest are ranked"
    ticking.cancel()
    pieces = sum(path.stat().st_size for path in files.folder.iterdir()) / 4096
    assert ticks > pieces, "the loop had its turn between any two pieces"


async def test_nothing_is_made_before_there_is_something(files: Files) -> None:
    async with opened(files) as index:
        assert await found(index, "alpha") == []
    assert not database(files).exists()


async def test_a_search_does_not_wait_for_ever_and_says_what_is_missing(files: Files) -> None:
    gate = asyncio.Event()

    class Slow(TextFile):
        def stamp(self) -> str:
            waiting.result()
            return super().stamp()

    loop = asyncio.get_running_loop()
    waiting = asyncio.run_coroutine_threadsafe(gate.wait(), loop)
    source = files.write("slow", "alpha")
    async with TextIndex.open(files.folder.parent / "memory", SystemClock(), Redactor(), files.all) as index:
        assert await index.settle(PATIENCE)
        index.want([Slow(source.agent, source.path)])
        answer = await index.search(parse("alpha", Filter(), 0), TextFilter(), seconds=0.05)
        assert answer.behind == {"slow"}
        assert len(answer.hits) == 1
        gate.set()
        assert not (await search(index, "alpha")).behind


def test_kills_while_it_is_written_lose_and_double_nothing(files: Files, tmp_path: Path) -> None:
    for agent in "abc":
        files.write(agent, *(f"{agent}{number} alpha {'filler ' * 10}" for number in range(2_500)))
    chance = random.Random(7)
    program = [sys.executable, "-m", "tests.support.text_indexer", str(files.folder), str(tmp_path / "memory")]
    for _ in range(8):
        child = subprocess.Popen(program, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3])
        assert child.stdout
        assert child.stdout.readline() == b"up\n"
        try:
            child.wait(chance.uniform(0.01, 0.25))
        except subprocess.TimeoutExpired:
            child.kill()
        child.wait()
        child.stdout.close()

    async def check() -> None:
        async with opened(files) as index:
            for agent in "abc":
                which = TextFilter(agents=frozenset({agent}))
                for number in range(0, 2_500, 97):
                    assert len(await found(index, f"{agent}{number}", which)) == 1
        assert _one(database(files), "SELECT count(*), count(DISTINCT text) FROM passages") == (7_500, 7_500)
        with closing(sqlite3.connect(database(files))) as db:
            db.execute("INSERT INTO words (words) VALUES ('integrity-check')")

    asyncio.run(check())
