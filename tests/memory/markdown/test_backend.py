"""A bank without a database: its histories survive what databases survive, and it finds what an index finds."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from memory.backend import Draft, Filter, Version
from memory.entry import Links, content
from memory.markdown.backend import MarkdownBackend
from memory.records import encode
from memory.sqlite.backend import SqliteBackend
from memory.versions import Dot
from quarterdeck.clock import ManualClock
from quarterdeck.errors import Broken, Invalid


async def bank(root: Path) -> MarkdownBackend:
    return await MarkdownBackend.open(root, clock=ManualClock(), writer="writer2345")


def draft(entry: str, body: str | None, **how: object) -> Draft:
    said = None if body is None else content(key=entry, body=body)
    return Draft(entry=entry, content=said, author="person", **how)  # type: ignore[arg-type]


@pytest.fixture
def versions(tmp_path: Path) -> Path:
    return tmp_path / ".quarterdeck" / "memory" / ".versions"


async def test_histories_are_read_again(tmp_path: Path, versions: Path) -> None:
    first = await bank(tmp_path)
    stored = [*await first.put([draft("aaaa", "one"), draft("bbbb", "x")]), *await first.put([draft("aaaa", "two")])]
    await first.put([draft("bbbb", None)])
    assert [one.dot for one in stored] == [Dot("writer2345", number) for number in (1, 2, 3)]
    await first.aclose()
    again = await MarkdownBackend.open(tmp_path, clock=ManualClock(), writer="another")
    assert again.writer == "writer2345"
    entry = await again.entry("aaaa")
    assert entry is not None
    assert (entry.content.body, entry.heads, entry.deleted) == ("two", (Dot("writer2345", 3),), False)
    gone = await again.entry("bbbb")
    assert gone is not None
    assert (gone.deleted, gone.content.body) == (True, "x")
    assert [one.written_ns for one in await again.versions("aaaa")] == [one.written_ns for one in stored[::2]]
    assert (versions / ".gitignore").read_text() == "*\n"
    await again.aclose()


async def test_a_torn_line_is_none(tmp_path: Path, versions: Path) -> None:
    first = await bank(tmp_path)
    await first.put([draft("aaaa", "one")])
    (second,) = await first.put([draft("aaaa", "two")])
    await first.aclose()
    path = versions / "aaaa.jsonl"
    whole = path.read_bytes()
    for cut in (1, 20, len(encode(second)) - 1):
        path.write_bytes(whole[:-cut])
        again = await bank(tmp_path)
        assert [one.content.body for one in await again.versions("aaaa") if one.content] == ["one"]
        assert not again.problems
        await again.put([draft("aaaa", "three")])
        await again.aclose()
        assert path.read_bytes().count(b"\n") == 2
    (versions / ".known.jsonl").write_bytes((versions / ".known.jsonl").read_bytes() + b'{"writer": "oth')
    again = await bank(tmp_path)
    assert again.writer == "writer2345"
    await again.aclose()


async def test_several_versions_are_stored_all_or_none(tmp_path: Path, versions: Path) -> None:
    first = await bank(tmp_path)
    stored = await first.put([draft("aaaa", "one"), draft("bbbb", "two")])
    await first.aclose()
    (versions / "bbbb.jsonl").unlink()
    (versions / ".pending.jsonl").write_bytes(b"".join(map(encode, stored)))
    again = await bank(tmp_path)
    assert [len(await again.versions(entry)) for entry in ("aaaa", "bbbb")] == [1, 1]
    assert not (versions / ".pending.jsonl").exists()
    await again.aclose()


async def test_a_damaged_line_is_told(tmp_path: Path, versions: Path) -> None:
    first = await bank(tmp_path)
    await first.put([draft("aaaa", "one")])
    await first.put([draft("aaaa", "two")])
    await first.aclose()
    path = versions / "aaaa.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0][:-9] + b"\n" + lines[1])
    again = await bank(tmp_path)
    assert "aaaa.jsonl, line 1 was passed over" in again.problems[0]
    assert [one.content.body for one in await again.versions("aaaa") if one.content] == ["two"]
    await again.aclose()


@pytest.mark.parametrize("kept", [0, 1])
async def test_a_file_outlives_the_damage_of_its_history(tmp_path: Path, versions: Path, kept: int) -> None:
    first = await bank(tmp_path)
    await first.start()
    await first.put([draft("aaaa", "one")])
    await first.sync()
    await first.put([draft("aaaa", "two")])
    await first.sync()
    entry = await first.entry("aaaa")
    assert entry is not None
    await first.aclose()
    file = versions.parent / entry.path
    whole = file.read_bytes()
    lines = (versions / "aaaa.jsonl").read_bytes().splitlines(keepends=True)
    damaged = [line if number < kept else line[:-9] + b"\n" for number, line in enumerate(lines)]
    (versions / "aaaa.jsonl").write_bytes(b"".join(damaged))
    for _ in range(2):
        again = await bank(tmp_path)
        await again.start()
        assert any("was passed over" in str(one) for one in await again.sync())
        entry = await again.entry("aaaa")
        assert entry is not None
        assert (entry.content.body, entry.path) == ("two", file.name)
        assert (entry.conflict, file.read_bytes()) == (bool(kept), whole)
        assert [one.dot.seq for one in await again.versions("aaaa")] == [1, 3][-kept - 1 :]
        await again.aclose()


async def test_one_orchestrator_at_a_time(tmp_path: Path) -> None:
    first = await bank(tmp_path)
    with pytest.raises(Broken, match="another orchestrator"):
        await bank(tmp_path)
    await first.aclose()
    await (await bank(tmp_path)).aclose()


async def test_numbers_are_never_given_twice(tmp_path: Path, versions: Path) -> None:
    first = await bank(tmp_path)
    await first.put([draft("aaaa", "one")])
    await first.put([draft("aaaa", None)])
    assert await first.forget(["aaaa"], history_before_ns=1 << 62) == 2
    assert await first.entry("aaaa") is None
    assert not (versions / "aaaa.jsonl").exists()
    assert await first.summary() == {"writer2345": 2}
    await first.aclose()
    again = await bank(tmp_path)
    assert [one.dot.seq for one in await again.put([draft("aaaa", "anew")])] == [3]
    await again.put([draft("aaaa", "newer")])
    assert await again.forget(["aaaa"], history_before_ns=1 << 62) == 1
    assert [one.dot.seq for one in await again.versions("aaaa")] == [4]
    await again.aclose()


async def test_what_is_settled_is_kept(tmp_path: Path) -> None:
    first = await bank(tmp_path)
    await first.put([draft("aaaa", "one")])
    await first.put([draft("aaaa", "left", seen={"writer2345": 1}), draft("aaaa", "right", seen={"writer2345": 1})])
    entry = await first.entry("aaaa")
    assert entry is not None
    assert (entry.conflict, entry.content.body) == (True, "right")
    await first.settle("aaaa", Dot("writer2345", 2), False)
    await first.aclose()
    again = await bank(tmp_path)
    entry = await again.entry("aaaa")
    assert entry is not None
    assert (entry.conflict, entry.content.body, len(entry.heads)) == (False, "left", 2)
    await again.aclose()


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[tuple[MarkdownBackend, SqliteBackend]]:
    """The same entries in a bank of files and in a database."""
    files = await bank(tmp_path)
    database = await SqliteBackend.open(tmp_path / "state", ManualClock(), writer="writer2345")
    said = [
        content(
            key="Retry on timeout", body="The connection reset twice;\nretry helps.", tags=("net", "a/b"), kind="error"
        ),
        content(
            key="foo_bar", body="See src/app.py and Größe", links=Links(files=("src/app.py",)), namespace="agent/api"
        ),
        content(key="Pinned", body="connection pool " * 40 + "resetting", pinned=True, namespace="session/shop"),
        content(key="other", body="nothing of that", kind="decision"),
    ]
    drafts = [Draft(entry=f"entry{number}", content=one, author=f"agent/{number}") for number, one in enumerate(said)]
    drafts.append(Draft(entry="entry9", content=content(key="gone", body="connection"), author="person"))
    for backend in (files, database):
        for one in drafts:
            await backend.put([one])
        await backend.put([Draft(entry="entry9", content=None, author="person", why="deleted")])
    yield files, database
    await files.aclose()
    await database.aclose()


@pytest.mark.parametrize(
    "words",
    [
        "connection", "conn*", '"connection reset"', "connection -pool", "retry timeout", "foo_bar", "src/app.py",
        "app", "grosse", "größe", "groß*", "GRÖSSE", "net", "tag:net", "kind:error,decision", "in:agent/", "is:pinned",
        "zzz", "by:agent/ connection", "is:deleted", "file:src/app.py", "since:1d", "until:2001-01-01", "nothing -that",
        "",
    ],
)  # fmt: skip
async def test_reading_finds_what_the_index_finds(both: tuple[MarkdownBackend, SqliteBackend], words: str) -> None:
    files, database = both
    mine, theirs = await files.search(words, Filter()), await database.search(words, Filter())
    assert {hit.entry.id for hit in mine} == {hit.entry.id for hit in theirs}
    for hit in mine:
        assert hit.snippet.replace("\x02", "").replace("\x03", "").isprintable()
        assert hit.snippet.count("\x02") == hit.snippet.count("\x03")


async def test_both_keep_the_same(both: tuple[MarkdownBackend, SqliteBackend]) -> None:
    files, database = both
    for entry in [f"entry{number}" for number in (0, 1, 2, 3, 9)]:
        assert await files.entry(entry) == await database.entry(entry)
        assert await files.versions(entry) == await database.versions(entry)
    assert await files.summary() == await database.summary()
    batches: list[list[Version]] = [[], []]
    for backend, batch in zip(both, batches, strict=True):
        async for some in backend.since({"writer2345": 2}):
            batch += some
    assert batches[0] == batches[1]
    one, other = await files.stats(), await database.stats()
    assert (one.entries, one.deleted, one.versions, one.by_kind, one.by_namespace, one.text_bytes) == (
        *(other.entries, other.deleted, other.versions, other.by_kind, other.by_namespace, other.text_bytes),
    )
    pages = await files.find(Filter(), limit=2)
    pages += await files.find(Filter(), limit=9, after=pages[-1].id)
    assert [entry.id for entry in pages] == [entry.id for entry in await database.find(Filter())]


async def test_hits_are_marked(both: tuple[MarkdownBackend, SqliteBackend]) -> None:
    files, _ = both
    (hit,) = await files.search('"connection reset"', Filter())
    assert hit.snippet == "The \x02connection\x03 \x02reset\x03 twice; retry helps."
    with pytest.raises(Invalid):
        await files.search("-only", Filter())


async def test_what_is_received_twice_is_there_once(
    both: tuple[MarkdownBackend, SqliteBackend], tmp_path: Path
) -> None:
    _, database = both
    (tmp_path / "other").mkdir()
    other = await MarkdownBackend.open(tmp_path / "other", clock=ManualClock(), writer="elsewhere2")
    for _ in range(2):
        async for some in database.since({}):
            await other.receive(some)
    assert await other.summary() == await database.summary()
    assert await other.entry("entry9") == await database.entry("entry9")
    size = sum(path.stat().st_size for path in (tmp_path / "other").rglob("*.jsonl"))
    async for some in database.since({}):
        assert await other.receive(some) == []
    assert sum(path.stat().st_size for path in (tmp_path / "other").rglob("*.jsonl")) == size
    await other.aclose()


async def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    folder = tmp_path / ".quarterdeck" / "memory"
    folder.mkdir(parents=True)
    (folder / ".versions").symlink_to(tmp_path / "outside")
    with pytest.raises(Broken, match="link"):
        await bank(tmp_path)
    assert os.listdir(tmp_path / "outside") == []
