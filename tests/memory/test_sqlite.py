"""One bank in one SQLite file: what it keeps, what it finds, and what becomes of it when the file does not last."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import sqlite3
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest

from memory.backend import Draft, Filter, Version
from memory.entry import Content, Kind, Links, content
from memory.filters import matches
from memory.sqlite.backend import MIGRATIONS, SUSPECT, SqliteBackend, place
from memory.versions import Dot
from quarterdeck.backups import backups, migrations
from quarterdeck.clock import ManualClock
from quarterdeck.errors import Broken, Invalid, NotFound

Opener = Callable[..., Awaitable[SqliteBackend]]
STX, ETX = "\x02", "\x03"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def bank(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Opener]:
    async with AsyncExitStack() as stack:

        async def open_(name: str = "bank", writer: str = "") -> SqliteBackend:
            backend = await SqliteBackend.open(tmp_path / name, clock, writer=writer)
            stack.push_async_callback(backend.aclose)
            return backend

        yield open_


def said(body: str = "a text", **more: object) -> Content:
    return content(body=body, **more)  # type: ignore[arg-type]


def draft(name: str, body: str | None = "a text", *, seen: dict[str, int] | None = None, **more: object) -> Draft:
    return Draft(entry=name, content=None if body is None else said(body, **more), author="person", seen=seen)


def db_of(folder: Path) -> Path:
    return place(folder).path


# what is kept


async def test_a_new_bank_is_private_strict_and_named(bank: Opener, tmp_path: Path) -> None:
    backend = await bank(writer="me")
    assert backend.writer == "me"
    assert stat.S_IMODE((tmp_path / "bank").stat().st_mode) == 0o700
    assert stat.S_IMODE(db_of(tmp_path / "bank").stat().st_mode) == 0o600
    with closing(sqlite3.connect(db_of(tmp_path / "bank"))) as db:
        tables = db.execute(
            "SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND type = 'table' "
            "AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'words%'"
        ).fetchall()
        assert len(tables) > 5
        assert all(strict for _, strict in tables), tables
    for step in migrations(MIGRATIONS):
        assert not {"BEGIN", "COMMIT;", "PRAGMA"} & set(step.sql.upper().split()), step.name


async def test_all_of_a_content_comes_back_after_a_restart(bank: Opener) -> None:
    whole = said(
        "# Ünïcode \U0001f600\n\ttext \x00 with \x02 control\n" + "x" * 100_000,
        key='a "key"',
        kind=Kind.DECISION,
        namespace="session/shop",
        tags=("b", "ä/c"),
        links=Links(agents=("api",), tasks=("t",), commits=("0f3e",), files=("src/ä b.py",)),
        pinned=True,
        extra=(("their", '{"x": [1, null]}'),),
    )
    backend = await bank()
    (version,) = await backend.put([Draft(entry="e1", content=whole, author="agent/api", why="stored")])
    await backend.aclose()
    again = await bank()
    entry = await again.entry("e1")
    assert entry is not None
    assert entry.content == whole
    assert (entry.author, entry.editor, entry.heads) == ("agent/api", "agent/api", (version.dot,))
    assert entry.seen == {version.dot.writer: 1}
    assert await again.versions("e1") == [version]
    assert again.writer == backend.writer


async def test_versions_supersede_what_they_saw_and_nothing_else(bank: Opener) -> None:
    backend = await bank(writer="w")
    await backend.put([draft("e", "one"), draft("other", "x")])
    first = await backend.entry("e")
    assert first is not None
    await backend.put([draft("e", "two", seen=dict(first.seen)), draft("e", "three", seen=dict(first.seen))])
    entry = await backend.entry("e")
    assert entry is not None
    assert entry.heads == (Dot("w", 4), Dot("w", 3))
    assert (entry.content.body, entry.conflict) == ("three", True)
    assert [hit.entry.id for hit in await backend.search("three", Filter())] == ["e"]
    await backend.settle("e", Dot("w", 3), False)
    entry = await backend.entry("e")
    assert entry is not None
    assert (entry.content.body, entry.conflict, entry.heads[0]) == ("two", False, Dot("w", 3))
    assert await backend.search("three", Filter()) == []
    assert [hit.entry.id for hit in await backend.search("two", Filter())] == ["e"]
    await backend.settle("e", Dot("w", 1), True)  # no head any more: nothing happens
    assert await backend.entry("e") == entry
    await backend.put([draft("e", "all")])
    entry = await backend.entry("e")
    assert entry is not None
    assert (entry.heads, entry.conflict) == ((Dot("w", 5),), False)


async def test_the_same_said_twice_is_no_conflict_and_an_edit_beats_a_deletion(bank: Opener) -> None:
    backend = await bank()
    await backend.put([draft("e", "one"), draft("f", "one")])
    seen = {backend.writer: 2}
    await backend.put([draft("e", "two", seen=seen), draft("e", "two", seen=seen)])
    entry = await backend.entry("e")
    assert entry is not None
    assert (len(entry.heads), entry.conflict) == (2, False)
    await backend.put([draft("f", "edited", seen=seen), draft("f", None, seen=seen)])
    entry = await backend.entry("f")
    assert entry is not None
    assert (entry.deleted, entry.content.body, entry.conflict) == (False, "edited", False)


async def test_nobody_claims_to_have_seen_what_is_not_there(bank: Opener) -> None:
    backend = await bank(writer="w")
    await backend.put([draft("e", "one")])
    await backend.put([draft("e", "two", seen={"w": 99, "stranger": 7})])
    await backend.put([draft("e", "three", seen={})])
    entry = await backend.entry("e")
    assert entry is not None
    assert set(entry.heads) == {Dot("w", 2), Dot("w", 3)}
    assert entry.seen == {"w": 3}


async def test_a_deleted_entry_keeps_its_text_and_is_found_where_asked_for(bank: Opener) -> None:
    backend = await bank()
    await backend.put([draft("e", "remember me", tags=("t",))])
    await backend.put([draft("e", None)])
    entry = await backend.entry("e")
    assert entry is not None
    assert (entry.deleted, entry.content.body) == (True, "remember me")
    assert await backend.find(Filter()) == []
    assert await backend.search("remember tag:t", Filter()) == []
    assert [hit.entry.id for hit in await backend.search("remember is:deleted", Filter())] == ["e"]
    with pytest.raises(NotFound):
        await backend.put([draft("new", "fine"), draft("never", None)])
    assert await backend.entry("new") is None
    assert (await backend.stats()).deleted == 1


async def test_times_rise_even_where_the_clock_does_not(bank: Opener, clock: ManualClock) -> None:
    backend = await bank()
    for number in range(3):
        await backend.put([draft("e", str(number))])
        clock.now -= 10**9
    history = await backend.versions("e")
    assert [version.content.body for version in history if version.content] == ["0", "1", "2"]
    assert [b.written_ns > a.written_ns for a, b in itertools.pairwise(history)] == [True, True]


async def test_listeners_are_told_once_and_not_after_they_ended(bank: Opener) -> None:
    backend = await bank()
    told: list[str] = []
    end = backend.listen(told.append)
    await backend.put([draft("a"), draft("b"), draft("a", "2")])
    assert told == ["a", "b"]
    end()
    end()
    await backend.put([draft("c")])
    assert told == ["a", "b"]


async def test_pages_are_complete_and_in_order(bank: Opener, clock: ManualClock) -> None:
    backend = await bank()
    for number in range(25):
        clock.advance(number % 3)
        await backend.put([draft(f"e{number:02}", f"text {number}")])
    seen: list[str] = []
    while page := await backend.find(Filter(), limit=7, after=seen[-1] if seen else ""):
        seen += [entry.id for entry in page]
    assert len(seen) == len(set(seen)) == 25
    every = await backend.find(Filter(), limit=100)
    assert seen == [entry.id for entry in every]
    assert [e.updated_ns for e in every] == sorted((e.updated_ns for e in every), reverse=True)


# filters and words


@pytest.mark.parametrize("seed", range(3))
async def test_filters_mean_the_same_with_and_without_a_database(bank: Opener, clock: ManualClock, seed: int) -> None:
    chance = random.Random(seed)
    backend = await bank()
    namespaces = ["workspace", "session/a", "session/ab", "agent/a"]
    names = ["x", "x-y", "y", "ä"]
    for number in range(60):
        clock.advance(chance.randrange(3))
        some = lambda: tuple(chance.sample(names, chance.randrange(3)))  # noqa: E731
        said_ = said(
            f"word {number}",
            key=chance.choice(names),
            kind=chance.choice(list(Kind)),
            namespace=chance.choice(namespaces),
            tags=some(),
            links=Links(agents=some(), tasks=some(), commits=some(), files=some()),
            pinned=chance.random() < 0.2,
        )
        author = chance.choice(["person", "agent/a", "agent/ab"])
        await backend.put([Draft(entry=f"{chance.choice('ab')}{number}", content=said_, author=author)])
    for entry in await backend.find(Filter(), limit=20):
        await backend.put([Draft(entry=entry.id, content=None, author="person")])
    every = [*await backend.find(Filter(), limit=100), *await backend.find(Filter(deleted=True), limit=100)]
    assert len(every) == 60
    start = min(entry.updated_ns for entry in every)
    for _ in range(150):
        some = lambda of: tuple(chance.sample(of, chance.choice((0, 0, 0, 1, 2))))  # noqa: E731
        which = Filter(
            namespaces=some([*namespaces, "session/", "agent/"]),
            kinds=some([str(kind) for kind in Kind]),
            tags=some(names),
            authors=some(["person", "agent/", "agent/a"]),
            since_ns=chance.choice((0, 0, start + 20 * 10**9)),
            until_ns=chance.choice((0, 0, start + 40 * 10**9)),
            key=chance.choice(("", "", "x-y")),
            links=Links(files=some(names), agents=some(names)),
            begins=chance.choice(("", "", "a")),
            pinned=chance.choice((None, None, True, False)),
            conflict=chance.choice((None, None, False, True)),
            missing=chance.choice((None, None, False, True)),
            deleted=chance.random() < 0.3,
        )
        expected = {entry.id for entry in every if matches(entry, which)}
        assert {entry.id for entry in await backend.find(which, limit=100)} == expected, which
        assert {hit.entry.id for hit in await backend.search("word", which, limit=100)} == expected, which


async def test_words_are_found_where_they_matter_most_and_shown(bank: Opener, clock: ManualClock) -> None:
    backend = await bank()
    await backend.put([draft(f"filler{n}", f"nothing of interest number {n}") for n in range(50)])
    await backend.put(
        [
            draft("body", "long before the pool times out there is a Café", key="one"),
            draft("key", "something else", key="pool exhausted"),
            draft("tag", "something else", key="two", tags=("pool",)),
            draft("path", "see src/app.py and foo_bar(baz)", key="three", links=Links(files=("lib/pool_size.py",))),
        ]
    )
    search = lambda words: backend.search(words, Filter())  # noqa: E731
    assert [hit.entry.id for hit in await search("pool")] == ["key", "tag", "path", "body"]
    for words, names in {
        "cafe": ["body"],
        "POOL CAFÉ": ["body"],
        '"times out"': ["body"],
        '"out times"': [],
        "tim*": ["body"],
        "foo_bar": ["path"],
        "bar": ["path"],
        "src/app.py": ["path"],
        "app.py": ["path"],
        "pool -café tag:pool": ["tag"],
        "pool file:lib/pool_size.py": ["path"],
        "tag:pool": ["tag"],
    }.items():
        assert [hit.entry.id for hit in await search(words)] == names, words
    (hit,) = await search("pool -size tag:pool") and await search('"times out" café')
    assert hit.snippet == f"long before the pool {STX}times out{ETX} there is a {STX}Café{ETX}"


async def test_what_is_shown_of_a_hostile_text_is_plain(bank: Opener) -> None:
    backend = await bank()
    await backend.put([draft("e", "a \x02fake\x03 mark\n\n \x1b[31mred \u202e needle \u2028 end")])
    (hit,) = await backend.search("needle", Filter())
    assert hit.snippet == f"a fake mark [31mred {STX}needle{ETX} end"


async def test_the_newer_of_two_that_are_as_good_comes_first(bank: Opener, clock: ManualClock) -> None:
    backend = await bank()
    await backend.put([draft("zz-old", "the same words here")])
    clock.advance(90 * 24 * 3600)
    await backend.put([draft("aa-new", "the same words here")])
    assert [hit.entry.id for hit in await backend.search("words", Filter())] == ["aa-new", "zz-old"]
    clock.advance(90 * 24 * 3600)
    await backend.put([draft("zz-old", "the same words here again")])
    hits = await backend.search("words", Filter())
    assert hits[0].entry.id == "zz-old"
    assert hits[0].score > hits[1].score > 0


async def test_a_word_in_every_entry_finds_the_newest_and_a_filter_still_finds_all(bank: Opener) -> None:
    backend = await bank()
    await backend.put([draft(f"e{n:05}", "common words", tags=("rare",) if n < 3 else ()) for n in range(3_000)])
    assert len(await backend.search("common", Filter(), limit=50)) == 50
    hits = await backend.search("common tag:rare", Filter(), limit=50)
    assert {hit.entry.id for hit in hits} == {"e00000", "e00001", "e00002"}
    await backend.put([draft("e00007", "common words", pinned=True)])
    assert [hit.entry.id for hit in await backend.search("common is:pinned", Filter())] == ["e00007"]


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("deadlock", ["by-key", "by-tag"]),
        ("deadl*", ["by-key", "by-tag"]),
        ("deadlock explained", ["by-key"]),
        ('"deadlock explained"', ["by-key"]),
        ("deadlock -texts", ["by-tag"]),
        ("deadlock kind:error", ["by-key"]),
        ("deadlock retry", []),
        ("unique deadlock", ["only"]),
    ],
)
@pytest.mark.parametrize("share", [1, 5])
async def test_an_old_entry_about_a_word_is_found_before_thousands_that_hold_it(
    bank: Opener, clock: ManualClock, typed: str, first: list[str], share: int
) -> None:
    """``share``: the word is in each entry, which makes it common, or in each fifth of them."""
    backend = await bank()
    await backend.put([draft("by-key", "old texts", key="Deadlock explained", kind=Kind.ERROR)])
    await backend.put([draft("by-tag", "old words", key="other", tags=("deadlock",))])
    await backend.put([draft("only", "a unique deadlock among texts", key="another")])
    clock.advance(365 * 24 * 3600)
    body = "texts in which a deadlock is explained, with retry"
    await backend.put([draft(f"e{n:05}", "nothing" if n % share else body, key="k") for n in range(600 * share)])
    hits = await backend.search(typed, Filter())
    found = [hit.entry.id for hit in hits]
    assert set(found[: len(first)]) == set(first), found
    if typed == "deadlock retry":
        assert len(found) == 20
        assert all(name.startswith("e") for name in found)
    assert all(STX in hit.snippet for hit in hits if hit.entry.id.startswith("e")), "what was found is marked"


async def test_a_query_that_says_nothing_lists_and_a_bad_one_is_told(bank: Opener, clock: ManualClock) -> None:
    backend = await bank()
    for name in ("a1", "b1"):
        clock.advance(1)
        await backend.put([draft(name, kind=Kind.ERROR)])
    assert [hit.entry.id for hit in await backend.search("kind:error", Filter())] == ["b1", "a1"]
    with pytest.raises(Invalid, match="eror is no kind"):
        await backend.search("kind:eror", Filter())


async def test_a_very_long_text_is_kept_and_found(bank: Opener) -> None:
    backend = await bank()
    await backend.put([draft("e", "word " * 2_000_000 + "needle")])
    (hit,) = await backend.search("needle", Filter())
    assert hit.snippet.endswith(f"{STX}needle{ETX}")
    assert len(hit.snippet) < 500


# exchanging, forgetting


async def test_what_was_received_before_is_skipped_and_order_does_not_matter(bank: Opener) -> None:
    one, two, three = await bank("one", "w1"), await bank("two", "w2"), await bank("three", "w3")
    await one.put([draft("e", "one"), draft("f", "f")])
    await one.put([draft("e", "two")])
    batches = [batch async for batch in one.since({})]
    assert await two.receive([version for batch in batches for version in batch]) == ["e", "f"]
    assert await two.receive([version for batch in batches for version in batch]) == []
    await two.put([draft("e", "three"), draft("f", None)])
    await one.put([draft("e", "four")])
    every = [v for side in (one, two) async for batch in side.since({}) for v in batch]
    random.Random(3).shuffle(every)
    by_writer = sorted({v.dot for v in every})
    await three.receive([next(v for v in every if v.dot == dot) for dot in by_writer])
    for side in (one, two):
        await side.receive(list(every))
    for side in (one, two, three):
        entry, other = await side.entry("e"), await side.entry("f")
        assert entry is not None
        assert other is not None
        assert (set(entry.heads), entry.conflict) == ({Dot("w1", 4), Dot("w2", 1)}, True)
        assert (other.deleted, other.heads) == (True, (Dot("w2", 2),))
        assert dict(await side.summary()) == {"w1": 4, "w2": 2}
    assert [v async for batch in three.since({"w1": 3, "w2": 9}) for v in batch] == [
        v for v in await one.versions("e") if v.dot == Dot("w1", 4)
    ]


async def test_a_deletion_that_comes_before_what_it_deletes(bank: Opener) -> None:
    backend = await bank()
    gone = Version(
        entry="e", dot=Dot("b", 1), seen={"c": 1}, content=None, author="person", why="deleted", written_ns=20
    )
    text = replace(gone, dot=Dot("c", 1), seen={}, content=said("was here"), why="stored", written_ns=10)
    assert await backend.receive([gone]) == ["e"]
    entry = await backend.entry("e")
    assert entry is not None
    assert entry.deleted
    assert await backend.receive([text]) == ["e"]
    entry = await backend.entry("e")
    assert entry is not None
    assert (entry.deleted, entry.content.body, entry.created_ns) == (True, "was here", 10)
    assert [hit.entry.id for hit in await backend.search("was is:deleted", Filter())] == ["e"]


async def test_batches_are_bounded_by_bytes(bank: Opener) -> None:
    backend = await bank()
    await backend.put([draft(f"e{n}", "x" * (3 << 20)) for n in range(5)])
    sizes = [len(batch) async for batch in backend.since({})]
    assert sizes == [2, 2, 1]


async def test_old_history_goes_what_stands_stays(bank: Opener, clock: ManualClock) -> None:
    backend = await bank()
    for number in range(5):
        clock.advance(10)
        await backend.put([draft("e", f"text{number}"), draft("gone", f"gone{number}")])
    await backend.put([draft("gone", None)])
    assert await backend.forget(["e", "gone", "never"], history_before_ns=clock.now - 15 * 10**9) == 6
    assert [v.content.body for v in await backend.versions("e") if v.content] == ["text3", "text4"]
    clock.advance(1)
    assert await backend.forget(["e", "gone"], history_before_ns=clock.now) == 4
    assert await backend.entry("gone") is None
    assert await backend.search("gone4 is:deleted", Filter()) == []
    entry = await backend.entry("e")
    assert entry is not None
    assert entry.content.body == "text4"
    assert (await backend.summary())[backend.writer] == 11
    await backend.put([draft("gone", "again")])
    assert [hit.entry.id for hit in await backend.search("again", Filter())] == ["gone"]


async def test_figures(bank: Opener) -> None:
    backend = await bank()
    await backend.put([draft("a", "äb", kind=Kind.ERROR), draft("b", "x", namespace="session/s"), draft("c", "y")])
    await backend.put([draft("c", None)])
    stats = await backend.stats()
    assert (stats.entries, stats.deleted, stats.versions, stats.text_bytes) == (2, 1, 4, 4)
    assert stats.by_namespace == {"session/s": 1, "workspace": 1}
    assert stats.by_kind == {"error": 1, "note": 1}
    assert stats.disk_bytes > 4096


# when the file does not last


async def test_a_copy_of_the_file_is_another_writer(bank: Opener, tmp_path: Path) -> None:
    backend = await bank()
    await backend.put([draft("e")])
    await backend.aclose()
    (tmp_path / "copy").mkdir()
    shutil.copy(db_of(tmp_path / "bank"), db_of(tmp_path / "copy"))
    copy, again = await bank("copy"), await bank()
    assert again.writer == backend.writer
    assert copy.writer != backend.writer
    (mine,), (theirs,) = await again.put([draft("e", "mine")]), await copy.put([draft("e", "theirs")])
    assert mine.dot != theirs.dot
    await again.receive([theirs])
    entry = await again.entry("e")
    assert entry is not None
    assert entry.conflict


async def test_a_damaged_file_is_put_aside_and_the_backup_goes_on(
    bank: Opener, tmp_path: Path, clock: ManualClock
) -> None:
    backend = await bank()
    await backend.put([draft("e", "kept")])
    assert backend._tending is not None
    await backend._tending  # the backup of the day
    await backend.put([draft("late", "lost")])
    await backend.aclose()
    path = db_of(tmp_path / "bank")
    data = bytearray(path.read_bytes())
    data[4096:] = random.Random(1).randbytes(len(data) - 4096)
    path.write_bytes(data)
    again = await bank()
    assert [entry.id for entry in await again.find(Filter())] == ["e"]
    assert again.writer != backend.writer  # numbers after the backup were used already
    (problem,) = again.problems
    assert "was damaged" in problem
    assert "went on from" in problem
    (aside,) = place(tmp_path / "bank").backups.glob("damaged-*")
    assert (aside / "bank.db").read_bytes() == data
    assert str(aside) in problem


async def test_a_damaged_file_without_a_backup_begins_anew_and_says_so(bank: Opener, tmp_path: Path) -> None:
    (tmp_path / "bank").mkdir()
    db_of(tmp_path / "bank").write_bytes(b"rubbish" * 1000)
    backend = await bank()
    assert await backend.find(Filter()) == []
    assert "began anew; memory files in the workspace are untouched" in backend.problems[0]
    await backend.put([draft("e")])


async def test_damage_met_while_in_use_is_mended_at_the_next_start(
    bank: Opener, tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = await bank()
    await backend.put([draft(f"e{n}", random.Random(n).randbytes(2000).hex()) for n in range(200)])
    assert backend._tending is not None
    await backend._tending
    await backend.aclose()
    path = db_of(tmp_path / "bank")
    data = bytearray(path.read_bytes())
    for page in range(len(data) // 4096 // 3, len(data) // 4096, 5):
        data[page * 4096 : page * 4096 + 2000] = bytes(2000)
    path.write_bytes(data)
    monkeypatch.setattr("quarterdeck.database.CHECK_AT_OPEN", 0)  # as with a very large file
    spoiled = await bank()
    assert spoiled._tending is not None
    await spoiled._tending
    assert "is damaged" in spoiled.problems[0]
    assert (tmp_path / "bank" / SUSPECT).exists()
    await spoiled.aclose()
    again = await bank()
    assert len(await again.find(Filter(), limit=300)) == 200
    assert not (tmp_path / "bank" / SUSPECT).exists()


async def test_a_bank_of_the_first_version_is_brought_up_to_date(bank: Opener, tmp_path: Path) -> None:
    backend = await bank()
    await backend.put([draft("e", "the first words")])
    await backend.aclose()
    with closing(sqlite3.connect(db_of(tmp_path / "bank"))) as db:
        db.executescript("DROP INDEX entries_by_text; PRAGMA user_version = 1;")
    again = await bank()
    assert [hit.entry.id for hit in await again.search("first", Filter())] == ["e"]
    with closing(sqlite3.connect(db_of(tmp_path / "bank"))) as db:
        assert db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'entries_by_text'").fetchone() == (1,)
    assert len(backups(place(tmp_path / "bank"))) == 1


async def test_a_bank_of_a_newer_version_is_refused_and_left_alone(bank: Opener, tmp_path: Path) -> None:
    backend = await bank()
    await backend.put([draft("e")])
    await backend.aclose()
    path = db_of(tmp_path / "bank")
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    with pytest.raises(Broken, match="newer Quarterdeck"):
        await bank()
    assert path.read_bytes() == before


async def test_a_backup_is_written_each_day_something_is_stored_and_two_are_kept(
    bank: Opener, tmp_path: Path, clock: ManualClock
) -> None:
    backend = await bank()
    for _ in range(4):
        for number in range(3):
            await backend.put([draft(f"e{number}")])
            assert backend._tending is not None
            await backend._tending
        clock.advance(24 * 3600)
    assert len(backups(place(tmp_path / "bank"))) == 2
    assert backend.problems == []


async def test_without_space_nothing_of_the_call_is_stored(bank: Opener) -> None:
    backend = await bank()
    await backend.put([draft("e", "kept")])
    database = backend._database
    pages = await database.read(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
    await database.read(lambda db: db.execute(f"PRAGMA max_page_count={pages + 2}").fetchone())
    with pytest.raises(Broken, match="is full"):
        await backend.put([draft("small", "x"), draft("large", "word " * 100_000)])
    assert await backend.entry("small") is None
    await database.read(lambda db: db.execute("PRAGMA max_page_count=1000000").fetchone())
    await backend.put([draft("small", "x")])
    assert {entry.id for entry in await backend.find(Filter())} == {"e", "small"}
    assert (await backend.summary())[backend.writer] == 2


async def test_visiting_makes_and_names_nothing(bank: Opener, tmp_path: Path, clock: ManualClock) -> None:
    with pytest.raises(NotFound):
        await SqliteBackend.visit(tmp_path / "nowhere", clock)
    assert not (tmp_path / "nowhere").exists()
    backend = await bank()
    await backend.put([draft("e")])
    guest = await SqliteBackend.visit(tmp_path / "bank", clock)
    try:
        assert guest.writer == backend.writer
        assert await guest.entry("e") == await backend.entry("e")
    finally:
        await guest.aclose()


def test_no_test_left_a_file_open() -> None:
    assert not [name for name in os.listdir("/proc/self/fd") if "bank.db" in os.path.realpath(f"/proc/self/fd/{name}")]
