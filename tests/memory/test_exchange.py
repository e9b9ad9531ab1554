"""There and back is exact, twice is once, an edit in the file is an edit, and bad rows are named."""

import csv
import io
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memory.backend import Draft, Filter, Version
from memory.bank import Bank
from memory.entry import Content, Entry, Kind, Links, content
from memory.exchange import FORMATS, Imported, chunks, export, import_
from memory.replicate import exchange
from memory.sqlite.backend import SqliteBackend
from quarterdeck.clock import ManualClock
from quarterdeck.errors import Broken, Invalid, Refused
from quarterdeck.redaction import Finding, Redactor
from tests.support.banks import bodies, held, opened, settled, wrote

Open = Callable[[str], Awaitable[SqliteBackend]]
CLOCK = ManualClock()


@pytest.fixture
async def bank(tmp_path: Path) -> AsyncIterator[Open]:
    async with AsyncExitStack() as stack:

        async def open_(name: str) -> SqliteBackend:
            backend = await opened(tmp_path / name)
            stack.push_async_callback(backend.aclose)
            return backend

        yield open_


async def standing(bank: SqliteBackend) -> dict[str, Entry]:
    """All entries as people see them: without what only tells versions apart."""
    found = await bank.find(Filter(), limit=1000)
    return {entry.id: replace(entry, heads=(), seen={}, path="") for entry in found}


async def filled(bank: SqliteBackend) -> None:
    said = content(
        body="# Title\n\nä, \"quoted\"; 'single'\n\n    code\n\nend\n",
        key="=SUM(A1)",
        kind=Kind.DECISION,
        namespace="agent/ann",
        tags=("b", "a/c"),
        links=Links(agents=("ann",), tasks=("t 1",), commits=("5c79777",), files=("src/a b.py", "[x].md")),
        pinned=True,
        extra=(("status", '"open"'), ("list", "[1,2]")),
    )
    await bank.put([Draft(entry="full", content=said, author="agent/ann")])
    await wrote(bank, "edited", "one\ntwo\nthree\nfour\n")
    (version,) = await bank.put(
        [Draft(entry="edited", content=content(body="one\ntwo\nthree\n4\n", key="edited"), author="person")]
    )
    assert version.dot.seq == 3
    await wrote(bank, "empty", "")
    await wrote(bank, "gone", "x")
    await wrote(bank, "gone", None)


@pytest.mark.parametrize("form", FORMATS)
async def test_there_and_back_is_exact_and_twice_is_once(bank: Open, tmp_path: Path, form: str) -> None:
    a, b = await bank("a"), await bank("b")
    await filled(a)
    place = tmp_path / f"out.{form}"
    told = await export(a, form, place, clock=CLOCK)
    assert (told.problems, told.bytes > 0, os.listdir(tmp_path).count(place.name)) == ((), True, 1)
    assert (await import_(b, place, form=form)).added == 3
    assert await standing(a) == await standing(b)
    before = await held(b)
    for one in (a, b):
        assert await import_(one, place, form=form) == Imported(known=3)
    assert await held(b) == before
    second = tmp_path / "second"
    await export(b, form, second, clock=CLOCK)
    c = await bank("c")
    await import_(c, second, form=form)
    assert await standing(c) == await standing(a)


async def test_with_its_history_a_bank_is_there_again_as_it_was(bank: Open, tmp_path: Path) -> None:
    a, b = await bank("a"), await bank("b")
    await filled(a)
    place = tmp_path / "all.json"
    await export(a, "json", place, history=True, clock=CLOCK)
    told = await import_(b, place)
    assert (told.added, told.known, told.problems) == (6, 0, ())
    assert await held(a) == await held(b)
    assert (await import_(b, place)).added == 0
    assert (await import_(a, place)).added == 0
    await wrote(b, "edited", "later")
    await exchange(a, b)
    assert (await bodies(a))["edited"] == "later", "it is a replica like any other"


async def test_the_history_of_some_does_not_stand_in_the_way_of_the_rest(bank: Open, tmp_path: Path) -> None:
    a, b = await bank("a"), await bank("b")
    await filled(a)
    place = tmp_path / "some.json"
    await export(a, "json", place, which=Filter(key="edited"), history=True, clock=CLOCK)
    assert (await import_(b, place)).added == 2
    assert (await import_(b, place)).added == 0
    assert (await import_(a, place)).added == 0
    history = await b.versions("edited")
    assert [version.content and version.content.body for version in history] == [
        "one\ntwo\nthree\nfour\n",
        "one\ntwo\nthree\n4\n",
    ]
    await exchange(b, a)
    assert await bodies(a) == await bodies(b)
    entry = await b.entry("edited")
    assert entry is not None
    assert not entry.conflict
    await wrote(b, "edited", "go on")
    assert [head.writer for head in (await b.entry("edited")).heads] == [b.writer]  # type: ignore[union-attr]


@pytest.mark.parametrize("form", ["csv", "markdown", "json"])
@pytest.mark.parametrize("where", ["same", "other"])
async def test_an_edit_in_the_file_meets_an_edit_in_the_bank(bank: Open, tmp_path: Path, form: str, where: str) -> None:
    a = await bank("a")
    await wrote(a, "edited", "one\ntwo\nthree\nfour\n")
    place = tmp_path / "out"
    await export(a, form, place, clock=CLOCK)
    if where == "other":
        a = await bank("b")
        await import_(a, place, form=form)
    path = next(place.glob("*.md")) if form == "markdown" else place
    old, new = (b"four\\n", b"4\\n") if form == "json" else (b"four\n", b"4\n")
    data = path.read_bytes()
    assert data.count(old) == 1
    path.write_bytes(data.replace(old, new))
    await wrote(a, "edited", "ONE\ntwo\nthree\nfour\n")
    assert (await import_(a, place, form=form)).changed == 1
    await settled(a, ["edited"])
    assert await bodies(a) == {"edited": "ONE\ntwo\nthree\n4\n"}
    assert await import_(a, place, form=form) == Imported(known=1)


async def test_what_was_deleted_since_stays_deleted(bank: Open, tmp_path: Path) -> None:
    a = await bank("a")
    await wrote(a, "gone", "x")
    for form in FORMATS:
        await export(a, form, tmp_path / form, clock=CLOCK)
    await wrote(a, "gone", None)
    for form in FORMATS:
        assert await import_(a, tmp_path / form, form=form) == Imported(known=1)
    assert await bodies(a) == {}


async def test_two_banks_that_import_the_same_agree(bank: Open, tmp_path: Path) -> None:
    a, b, c = await bank("a"), await bank("b"), await bank("c")
    await filled(a)
    await export(a, "csv", tmp_path / "out.csv", clock=CLOCK)
    await import_(b, tmp_path / "out.csv")
    await import_(c, tmp_path / "out.csv")
    assert await held(b) == await held(c)
    await exchange(b, c)
    await exchange(b, a)
    assert all(len(entry.heads) == 1 for entry in await b.find(Filter()))


# By hand


async def test_a_table_written_by_hand(bank: Open, tmp_path: Path) -> None:
    a = await bank("a")
    place = tmp_path / "hand.csv"
    place.write_text('body,tags,created\nfirst line,one two,2026-01-31T12:00:00Z\n"second\nwith, comma",,\n')
    assert (await import_(a, place)).added == 2
    assert (await import_(a, place)).known == 2
    assert sorted((await bodies(a)).values()) == ["first line", "second\nwith, comma"]
    place.write_text("id,key,body\nmine,k,new text\n")
    await wrote(a, "mine", "old text")
    assert (await import_(a, place)).changed == 1
    assert (await bodies(a))["mine"] == "new text"


async def test_a_folder_written_by_hand(bank: Open, tmp_path: Path) -> None:
    a = await bank("a")
    place = tmp_path / "notes"
    (place / "below").mkdir(parents=True)
    (place / "plain.md").write_text("# A title\n\ntext\n")
    (place / "below" / "other.md").write_text("---\nid: other\ntags: [x]\ncreated: 2026-01-31T12:00:00Z\n---\nbody\n")
    (place / "bad.md").write_text("---\nkind: spell\n---\nbody\n")
    (place / "link.md").symlink_to("/etc/passwd")
    (place / "picture.png").write_bytes(b"\x89PNG")
    told = await import_(a, place)
    assert (told.added, [problem.where for problem in told.problems]) == (2, ["bad.md"])
    entry = await a.entry("other")
    assert entry is not None
    assert (entry.created_ns, entry.content.tags) == (1_769_860_800 * 10**9, ("x",))
    told = await import_(a, place)
    assert (told.added, told.changed, told.known) == (0, 0, 2)


async def test_bad_rows_are_named_and_the_good_ones_taken_or_none(bank: Open, tmp_path: Path) -> None:
    a = await bank("a")
    rows = [
        "id,key,kind,body,version,created",
        'good,k,note,"two\nlines",,',
        "bad1,k,spell,b,,",
        "bad2,k,note,b",
        "bad3,k,note,b,x:y,",
        "bad4,k,note,b,,yesterday",
        "../up,k,note,b,,",
        "good,k,note,again,,",
        "fine,k,note,b,,",
    ]
    place = tmp_path / "rows.csv"
    place.write_text("\r\n".join(rows))
    with pytest.raises(Invalid, match=r"line 4: .*; nothing was imported"):
        await import_(a, place, strict=True)
    assert await bodies(a) == {}
    told = await import_(a, place)
    assert (told.added, [problem.line for problem in told.problems]) == (2, [4, 5, 6, 7, 8, 9])
    reasons = [problem.reason for problem in told.problems]
    for reason, part in zip(reasons, ["spell", "4 cells", "version", "no time", "id", "line 2"], strict=True):
        assert part in reason


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("a.json", b"{", "no export"),
        ("a.json", b"[" * 100_000, "no export"),
        ("a.json", b'{"format":"other","version":1}', "no export"),
        ("a.json", b'{"format":"quarterdeck-memory","version":99}', "no export"),
        ("a.json", b'{"format":"quarterdeck-memory","version":1,"surprise":1}', "surprise"),
        ("a.csv", b"", "has each column once"),
        ("a.csv", b"id,spell\n", "column 'spell'"),
        ("a.csv", b"key,key\n", "has each column once"),
        ("a.csv", b"key\n\xff\xfe\n", "UTF-8"),
    ],
)
async def test_what_is_no_export_is_refused(bank: Open, tmp_path: Path, name: str, data: bytes, why: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(Invalid, match=why):
        await import_(await bank("a"), tmp_path / name)


async def test_bad_entries_of_a_document_are_named(bank: Open, tmp_path: Path) -> None:
    a = await bank("a")
    good = {"content": {"key": "k", "kind": "note", "namespace": "workspace", "body": "b"}}
    bad = {"content": {"key": "k", "kind": "spell", "namespace": "workspace", "body": "b"}}
    far = {"content": {"key": "k", "kind": "note", "namespace": "shared", "body": "b"}}
    document = {"format": "quarterdeck-memory", "version": 1, "entries": [good, bad, far, {"nothing": 1}]}
    place = tmp_path / "by-hand.json"
    place.write_text(json.dumps(document, indent=2))
    told = await import_(a, place)
    assert (told.added, len(told.problems)) == (1, 3)
    with pytest.raises(Invalid, match="spell"):
        await import_(a, place, strict=True)


async def test_an_export_is_never_half_there(bank: Open, tmp_path: Path) -> None:
    a = await bank("a")
    await filled(a)
    for form in FORMATS:
        with pytest.raises(Broken):
            await export(a, form, tmp_path / "missing" / "out", clock=CLOCK)
        (tmp_path / form).write_text("mine")
        with pytest.raises(Refused, match="exists"):
            await export(a, form, tmp_path / form, clock=CLOCK)
        assert (tmp_path / form).read_text() == "mine"
    for form in ("csv", "markdown"):
        with pytest.raises(Invalid, match="no history"):
            await export(a, form, tmp_path / "new", history=True, clock=CLOCK)
    with pytest.raises(Invalid, match="no format"):
        await export(a, "xml", tmp_path / "new", clock=CLOCK)
    assert sorted(os.listdir(tmp_path)) == sorted(["a", *FORMATS])


async def test_what_is_imported_is_masked(bank: Open, tmp_path: Path) -> None:
    a, b = await bank("a"), await bank("b")
    await wrote(a, "note", "the word")

    def masked(version: Version) -> Version:
        said = version.content
        return replace(version, content=replace(said, body=said.body.replace("word", "[x]"))) if said else version

    for form in FORMATS:
        await export(a, form, tmp_path / form, clock=CLOCK)
        told = await import_(b, tmp_path / form, form=form, masked=masked)
        assert (told.changed, await bodies(b)) == (0, {"note": "the [x]"})


async def test_a_bank_masks_and_resolves_what_it_takes(tmp_path: Path) -> None:
    one = Bank(
        "/somewhere",
        await opened(tmp_path / "a"),
        CLOCK,
        state=tmp_path / "a",
        redactor=Redactor({"DB_PASSWORD": "correct-horse"}),
    )
    try:
        place = tmp_path / "hand.csv"
        place.write_text("id,key,body\nnote,k,the correct-horse\n")
        assert (await one.import_(place)).added == 1
        assert (await one.get("note")).content.body == "the [redacted: DB_PASSWORD]"
        assert one.findings("note") == (Finding("DB_PASSWORD", 1),)
        assert (await one.import_(place)).known == 1
        await one.edit("note", content(body="1\n2\n3\n4\n5\n", key="k"), author="person")
        await one.export("csv", tmp_path / "out.csv")
        await one.edit("note", content(body="one\n2\n3\n4\n5\n", key="k"), author="person")
        (tmp_path / "out.csv").write_bytes((tmp_path / "out.csv").read_bytes().replace(b"\n5\n", b"\nfive\n"))
        assert (await one.import_(tmp_path / "out.csv")).changed == 1
        assert (await one.get("note")).content.body == "one\n2\n3\n4\nfive\n"
        place.write_text("id,key,body,namespace\nfar-off,k,b,shared\n")
        told = await one.import_(place)
        assert (told.added, [problem.line for problem in told.problems]) == (0, [2])
    finally:
        await one.aclose()


async def test_a_spreadsheet_runs_nothing(bank: Open) -> None:
    a = await bank("a")
    risky = ["=1+1", "+1", "-1", "@x", "'=1", "''+1", "\t=1", "'plain", "plain"]
    for number, text in enumerate(risky):
        await wrote(a, f"note{number}", text)
    data = b"".join([chunk async for chunk in chunks(a, "csv", clock=CLOCK)]).decode()
    for row in csv.reader(io.StringIO(data.removeprefix("\ufeff"), newline="")):
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row)


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
cells = st.one_of(
    words, st.sampled_from(["=1", "'=1", "\r\n", '"', ",", "---\n", "\x00", "[", "a\n\n", " lead", "\ufeff"])
)
tags = st.lists(st.from_regex(r"[a-z0-9][a-z0-9./@+-]{0,8}", fullmatch=True), max_size=3)
some = st.lists(words.filter(bool), max_size=3).map(tuple)


@st.composite
def contents(draw: st.DrawFn) -> Content:
    return content(
        body="".join(draw(st.lists(cells, max_size=4))) + "x",
        key=draw(words),
        kind=draw(st.sampled_from(list(Kind))),
        namespace=draw(st.sampled_from(["workspace", "session/s", "agent/a.b"])),
        tags=draw(tags),
        links=Links(agents=draw(some), files=draw(some)),
        pinned=draw(st.booleans()),
    )


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.lists(contents(), min_size=1, max_size=4), form=st.sampled_from(FORMATS), history=st.booleans())
async def test_anything_comes_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, said: list[Content], form: str, history: bool
) -> None:
    folder = tmp_path_factory.mktemp("any")
    a, b = await opened(folder / "a"), await opened(folder / "b")
    try:
        await a.put([Draft(entry=f"note{number}", content=one, author="person") for number, one in enumerate(said)])
        told = await export(a, form, folder / "out", history=history and form == "json", clock=CLOCK)
        left_out = {problem.where for problem in told.problems}
        assert not left_out or form == "markdown"
        again = await import_(b, folder / "out", form=form)
        assert again.problems == ()
        assert await standing(b) == {key: one for key, one in (await standing(a)).items() if key not in left_out}
        assert (await import_(a, folder / "out", form=form)).changed == 0
    finally:
        await a.aclose()
        await b.aclose()
