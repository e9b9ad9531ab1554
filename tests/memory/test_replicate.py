"""Two banks and a folder between them: nothing is lost, nothing taken twice, nothing believed that is not checked."""

import gzip
import hashlib
import json
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from memory.backend import Version
from memory.hybrid import HybridBackend
from memory.records import decode, encode
from memory.replicate import Exchanged, exchange
from memory.segments import MANY_SMALL, Folder
from memory.sqlite.backend import SqliteBackend
from memory.versions import Dot
from quarterdeck.errors import Broken, Invalid, NotFound, Refused
from quarterdeck.watching import Watching
from tests.support.banks import bodies, held, keeper, killed, opened, settled, with_place, wrote

Open = Callable[[str], Awaitable[SqliteBackend]]


@pytest.fixture
async def bank(tmp_path: Path) -> AsyncIterator[Open]:
    async with AsyncExitStack() as stack:

        async def open_(name: str) -> SqliteBackend:
            backend = await opened(tmp_path / name)
            stack.push_async_callback(backend.aclose)
            return backend

        yield open_


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


async def test_both_have_what_the_other_had_and_a_second_time_there_is_nothing_to_do(bank: Open) -> None:
    a, b = await bank("a"), await bank("b")
    await wrote(a, "first", "1")
    await wrote(a, "first", "2")
    await wrote(b, "second", "x")
    await wrote(b, "second", None)
    first = await exchange(a, b)
    assert (first.received, first.sent, set(first.entries), first.problems) == (2, 2, {"second"}, ())
    assert await held(a) == await held(b)
    again = await exchange(b, a)
    assert (again.received, again.sent, again.entries, again.renamed) == (0, 0, (), "")


async def test_a_third_bank_hears_of_the_first_through_the_second(bank: Open, shared: Path, tmp_path: Path) -> None:
    a, b, c = await bank("a"), await bank("b"), await bank("c")
    await wrote(a, "first", "1")
    await exchange(a, b)
    await with_place(b, tmp_path / "b", shared)
    await wrote(c, "third", "3")
    told = await with_place(c, tmp_path / "c", shared)
    assert (told.received, told.sent) == (1, 1)
    await with_place(a, tmp_path / "a", shared)
    await with_place(b, tmp_path / "b", shared)
    assert await held(a) == await held(b) == await held(c)
    written = {path: path.stat().st_mtime_ns for path in shared.rglob("*.gz")}
    for name, one in (("a", a), ("b", b), ("c", c)):
        assert (await with_place(one, tmp_path / name, shared)).received == 0
    assert {path: path.stat().st_mtime_ns for path in shared.rglob("*.gz")} == written, "nobody writes without need"


async def test_the_bank_of_another_orchestrator_is_visited_while_it_runs(bank: Open, tmp_path: Path) -> None:
    a = await bank("a")
    for number in range(30):
        await wrote(a, f"left{number}", "x")
    async with keeper(tmp_path / "b") as write:
        for number in range(30):
            await write(f"right{number}")
        told = await with_place(a, tmp_path / "a", tmp_path / "b" / "bank.db")
        assert (told.received, told.sent) == (30, 30)
        await write("later")
        told = await with_place(a, tmp_path / "a", tmp_path / "b")
        assert (told.received, told.sent) == (1, 0)
        await write("last")
    assert await held(await bank("b")) == {**await held(a), "last": (await held(await bank("b")))["last"]}


async def test_a_bank_that_is_open_in_this_process_is_not_opened_again(bank: Open, tmp_path: Path) -> None:
    a, b = await bank("a"), await bank("b")
    await wrote(b, "note", "x")
    with pytest.raises(Refused, match="open in this process already"):
        await with_place(a, tmp_path / "a", tmp_path / "b")
    await b.aclose()
    assert (await with_place(a, tmp_path / "a", tmp_path / "b")).received == 1


async def test_concurrent_edits_end_the_same_in_both(bank: Open) -> None:
    a, b = await bank("a"), await bank("b")
    base = "one\ntwo\nthree\nfour\nfive\n"
    first = await wrote(a, "note", base)
    await exchange(a, b)
    await wrote(a, "note", base.replace("one", "ONE"))
    await wrote(b, "note", base.replace("five", "FIVE"))
    assert first.seen == {}
    await settled(a, (await exchange(a, b)).entries)
    await settled(b, ["note"])
    await settled(a, (await exchange(a, b)).entries)
    await settled(b, ["note"])
    both = base.replace("one", "ONE").replace("five", "FIVE")
    assert await bodies(a) == await bodies(b) == {"note": both}
    entry = await a.entry("note")
    assert entry is not None
    assert not entry.conflict


# The folder


async def test_half_a_file_is_not_read_and_taken_when_it_is_whole(bank: Open, shared: Path, tmp_path: Path) -> None:
    a, b = await bank("a"), await bank("b")
    await wrote(a, "first", "1" * 500)
    await with_place(a, tmp_path / "a", shared)
    (path,) = shared.rglob("*.gz")
    whole = path.read_bytes()
    for torn in (b"", whole[: len(whole) // 2], whole[:-1], whole + b"\0"):
        path.write_bytes(torn)
        told = await with_place(b, tmp_path / "b", shared)
        assert (told.received, await bodies(b)) == (0, {})
        assert "cannot be read" in told.problems[0]
    path.write_bytes(whole)
    assert (await with_place(b, tmp_path / "b", shared)).problems == ()
    assert await held(a) == await held(b)


async def test_a_lost_file_holds_up_only_what_follows_it(bank: Open, shared: Path, tmp_path: Path) -> None:
    a, b = await bank("a"), await bank("b")
    for number in range(3):
        await wrote(a, f"note{number}", "x")
        await with_place(a, tmp_path / "a", shared)
    (second,) = shared.rglob("*.2-2.*")
    second.unlink()
    await with_place(b, tmp_path / "b", shared)
    assert set(await bodies(b)) == {"note0"}
    await with_place(a, tmp_path / "a", shared)  # writes again what is not there
    await with_place(b, tmp_path / "b", shared)
    assert set(await bodies(b)) == {"note0", "note1", "note2"}


async def test_many_small_files_become_one(bank: Open, shared: Path, tmp_path: Path) -> None:
    a, b = await bank("a"), await bank("b")
    for number in range(MANY_SMALL + 3):
        await wrote(a, f"note{number}", "x" * 100)
        await with_place(a, tmp_path / "a", shared)
    assert len(list(shared.rglob("*.gz"))) < MANY_SMALL
    await with_place(b, tmp_path / "b", shared)
    assert await held(a) == await held(b)
    folder = Folder(shared, a.writer)
    small = sorted(shared.rglob("*.gz"))
    assert await folder.compact() == 0
    assert sorted(shared.rglob("*.gz")) == small


async def test_nobody_writes_in_the_folder_of_another(bank: Open, shared: Path, tmp_path: Path) -> None:
    a, b = await bank("a"), await bank("b")
    for number in range(40):
        one, name = (a, "a") if number % 2 else (b, "b")
        await wrote(one, f"note{number}", "x")
        before = {path: path.read_bytes() for path in shared.rglob("*.gz")}
        await with_place(one, tmp_path / name, shared)
        after = {path: path.read_bytes() for path in shared.rglob("*.gz")}
        changed = {path.parent.name for path in before.keys() ^ after.keys()}
        assert changed <= {one.writer}
        assert all(after[path] == before[path] for path in before.keys() & after.keys())
    await with_place(a, tmp_path / "a", shared)
    await with_place(b, tmp_path / "b", shared)
    assert await held(a) == await held(b)


async def test_large_texts_go_in_several_files(bank: Open, shared: Path, tmp_path: Path) -> None:
    a, b = await bank("a"), await bank("b")
    for number in range(4):
        await wrote(a, f"note{number}", f"{number}\n" * (1 << 20))
    await with_place(a, tmp_path / "a", shared)
    assert len(list(shared.rglob("*.gz"))) > 1
    await with_place(b, tmp_path / "b", shared)
    assert await held(a) == await held(b)


# What is not believed


def planted(shared: Path, *lines: bytes, writer: str = "stranger", first: int = 1, last: int = 0) -> Path:
    data = gzip.compress(b"".join(lines), mtime=0)
    name = f"{writer}.{first}-{last or len(lines)}.{hashlib.sha256(data).hexdigest()[:32]}.jsonl.gz"
    path = shared / "stranger" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path


def line(**changed: object) -> bytes:
    said = {
        "entry": "note1",
        "writer": "stranger",
        "seq": 2,
        "seen": {},
        "author": "person",
        "why": "stored",
        "written_ns": 5,
        "content": {"key": "k", "kind": "note", "namespace": "workspace", "body": "b"},
    }
    return json.dumps(said | changed).encode() + b"\n"


def body(**changed: object) -> dict[str, object]:
    return {"key": "k", "kind": "note", "namespace": "workspace", "body": "b"} | changed


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (line(surprise=1), "surprise"),
        (line(content=body(surprise=1)), "surprise"),
        (line(content=body(kind="spell")), "no kind of entry"),
        (line(content=body(namespace="elsewhere")), "no namespace"),
        (line(content=body(namespace="shared")), "does not belong into the bank of a workspace"),
        (line(content=body(tags=["two words"])), "cannot be a tag"),
        (line(content=body(tags=["t"] * 65)), "length"),
        (line(content=body(body="x" * ((10 << 20) + 1))), "at most"),
        (line(content=body(extra=[["k", "v" * 70_000]])), "front matter"),
        (line(content=body(links={"files": ["f" * 5000]})), "length"),
        (line(entry="../e"), "entry"),
        (line(writer="me too"), "writer"),
        (line(writer="another"), "does not belong into this file"),
        (line(seq=0), "seq"),
        (line(seq=7), "does not belong into this file"),
        (line(seq=1), "does not belong into this file"),
        (line(written_ns=1 << 63), "written_ns"),
        (line(seen={"stranger": 2}), "had seen itself"),
        (line(seen={"x": "y"}), "seen"),
        (line()[:-9] + b"\n", "no version"),
        (b"[" * 100_000 + b"\n", "no version"),
        (b"\xff\xfe\n", "no version"),
    ],
)
async def test_a_bad_line_is_named_and_nothing_of_its_file_is_taken(
    bank: Open, shared: Path, tmp_path: Path, bad: bytes, why: str
) -> None:
    a = await bank("a")
    path = planted(shared, line(seq=1, entry="good"), bad, last=2)
    with pytest.raises(Invalid, match=why) as caught:
        await with_place(a, tmp_path / "a", shared)
    if "shared" not in why and "workspace" not in why:
        assert f"{path}, line 2" in caught.value.message
    assert await held(a) == {}


async def test_a_file_that_grows_without_end_is_not_unpacked(bank: Open, shared: Path, tmp_path: Path) -> None:
    planted(shared, b" " * (80 << 20), last=1)
    with pytest.raises(Invalid, match="more than"):
        await with_place(await bank("a"), tmp_path / "a", shared)


async def test_what_is_no_segment_is_left_alone(bank: Open, shared: Path, tmp_path: Path) -> None:
    a = await bank("a")
    (shared / "stranger").mkdir()
    os.mkfifo(shared / "stranger" / f"stranger.1-1.{'0' * 32}.jsonl.gz")
    (shared / "stranger" / f"stranger.1-2.{'0' * 32}.jsonl.gz").symlink_to("/etc/passwd")
    (shared / "link").symlink_to("/etc")
    (shared / "stranger" / "stranger.sync-conflict.jsonl.gz").write_bytes(b"x")
    told = await with_place(a, tmp_path / "a", shared)
    assert (told.received, told.problems) == (0, ())


async def test_a_shared_bank_takes_only_what_is_shared(bank: Open) -> None:
    a, b = await bank("a"), await bank("b")
    await wrote(b, "mine", "x", namespace="shared")
    assert (await exchange(a, b, shared=True)).received == 1
    await wrote(b, "yours", "x")
    with pytest.raises(Invalid, match="does not belong into the shared bank"):
        await exchange(a, b, shared=True)


async def test_what_comes_in_is_masked_by_the_bank_that_takes_it(bank: Open) -> None:
    a, b = await bank("a"), await bank("b")
    await wrote(b, "note", "a secret")

    def masked(version: Version) -> Version:
        assert version.content is not None
        return replace(version, content=replace(version.content, body="[redacted: X]"), author="nobody")

    await exchange(a, b, masked=masked)
    assert await bodies(a) == {"note": "[redacted: X]"}
    (version,) = (await held(a))["note"]
    assert version.author == "person", "only the content may change"
    assert (await exchange(b, a)).renamed == "", "a masked version is the same version"


async def test_a_damaged_bank_is_told_and_not_mended(bank: Open, tmp_path: Path) -> None:
    a, b = await bank("a"), await bank("b")
    await wrote(b, "note", "x")
    await b.aclose()
    database = tmp_path / "b" / "bank.db"
    data = database.read_bytes()
    database.write_bytes(data[:5000] + b"\xff" * 5000 + data[10_000:])
    broken = database.read_bytes()
    with pytest.raises(Broken):
        await with_place(a, tmp_path / "a", tmp_path / "b")
    assert database.read_bytes() == broken
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "bank.db").write_bytes(b"no database at all, only text" * 99)
    with pytest.raises(Broken):
        await with_place(a, tmp_path / "a", tmp_path / "c")


async def test_places_that_are_no_peer(bank: Open, tmp_path: Path) -> None:
    a = await bank("a")
    with pytest.raises(NotFound, match="there is no folder"):
        await with_place(a, tmp_path / "a", tmp_path / "missing")
    with pytest.raises(Invalid, match="this bank itself"):
        await with_place(a, tmp_path / "a", tmp_path / "a")
    (tmp_path / "note.txt").write_text("x")
    with pytest.raises(Invalid, match="is no bank"):
        await with_place(a, tmp_path / "a", tmp_path / "note.txt")


async def test_records_are_exact(bank: Open) -> None:
    a = await bank("a")
    version = await wrote(a, "note", 'ä\u2028\x01"\\\n' * 3)
    assert decode(encode(version)) == version
    gone = await wrote(a, "note", None)
    assert decode(encode(gone)) == gone


# A bank that was set back


class Backup:
    """The file of a bank as it was, put back over itself as a careless restore does: same file, same name, older."""

    def __init__(self, state: Path) -> None:
        self.path = state / "bank.db"
        assert not self.path.with_name("bank.db-wal").exists(), "close the bank first"
        self.data = self.path.read_bytes()

    def put_back(self) -> None:
        inode = self.path.stat().st_ino
        self.path.write_bytes(self.data)
        assert self.path.stat().st_ino == inode


@pytest.mark.parametrize("new", [0, 2, 9])
@pytest.mark.parametrize("through", ["bank", "folder"])
async def test_a_bank_that_was_set_back_takes_another_name_and_nothing_is_lost(
    bank: Open, shared: Path, tmp_path: Path, new: int, through: str
) -> None:
    a, b = await bank("a"), await bank("b")

    async def met(a: SqliteBackend) -> Exchanged:
        return await (with_place(a, tmp_path / "a", shared) if through == "folder" else exchange(a, b))

    for number in range(3):
        await wrote(a, f"note{number}", "before")
    await a.aclose()
    backup = Backup(tmp_path / "a")
    a = await bank("a")
    name = a.writer
    for number in range(4):
        await wrote(a, f"note{number}", f"lost {number}")
    await met(a)
    await with_place(b, tmp_path / "b", shared)
    await a.aclose()
    backup.put_back()

    a = await bank("a")
    assert a.writer == name
    for number in range(new):
        await wrote(a, f"note{number}", f"new {number}")
    told = await met(a)
    assert told.renamed == a.writer != name
    await wrote(a, "last", "under the new name")
    await met(a)
    await with_place(b, tmp_path / "b", shared)
    assert await held(a) == await held(b)
    texts = {version.content.body for versions in (await held(b)).values() for version in versions if version.content}
    assert texts >= {f"lost {number}" for number in range(4)} | {f"new {number}" for number in range(new)}
    entry = await b.entry("note0")
    assert entry is not None
    assert len(entry.heads) == (2 if new else 1), "what was lost and what was written since did not see each other"
    assert (await met(a)).renamed == ""


async def test_a_peer_that_was_set_back_is_given_a_name_too(bank: Open, tmp_path: Path) -> None:
    a, b = await bank("a"), await bank("b")
    await wrote(b, "note", "before")
    await b.aclose()
    backup = Backup(tmp_path / "b")
    b = await bank("b")
    await wrote(b, "note", "lost")
    await exchange(a, b)
    await b.aclose()
    backup.put_back()
    b = await bank("b")
    name = b.writer
    await wrote(b, "note", "new")
    await exchange(a, b)
    await wrote(b, "more", "under the new name")
    assert b.writer != name
    await exchange(a, b)
    assert await held(a) == await held(b)
    assert {"before", "lost", "new"} == {
        version.content and version.content.body for version in (await held(a))["note"]
    }


async def test_a_bank_with_files_that_was_set_back_takes_another_name(
    bank: Open, tmp_path: Path, watching: Watching
) -> None:
    b, workspace = await bank("b"), tmp_path / "workspace"
    workspace.mkdir()

    async def with_files() -> HybridBackend:
        backend = HybridBackend(await opened(tmp_path / "a"), workspace)
        await backend.start(watching=watching)
        return backend

    a = await with_files()
    await wrote(a, "note", "before")
    await a.aclose()
    backup = Backup(tmp_path / "a")
    a = await with_files()
    name = a.writer
    await wrote(a, "note", "lost")
    await exchange(a, b)
    await a.aclose()
    backup.put_back()
    a = await with_files()
    try:
        await wrote(a, "more", "new")
        assert (await exchange(a, b)).renamed == a.writer != name
        await exchange(a, b)
        assert await held(a) == await held(b)
        assert (await bodies(a))["more"] == "new"
    finally:
        await a.aclose()


async def test_versions_written_twice_by_a_third_bank_are_left_out_and_told(bank: Open) -> None:
    a, b = await bank("a"), await bank("b")
    twice = Version(
        entry="note", dot=Dot("third", 1), seen={}, content=(await wrote(a, "text", "1")).content, author="person",
        why="stored", written_ns=7,
    )  # fmt: skip
    await a.receive([twice])
    await b.receive([replace(twice, written_ns=8)])
    await wrote(b, "more", "2")
    told = await exchange(a, b)
    assert (told.received, told.sent) == (1, 1)
    assert "third was set back" in told.problems[0]


# Killed anywhere


@pytest.mark.parametrize("through", ["bank", "folder"])
@pytest.mark.parametrize("after", [1, 2, 5, 8])
async def test_an_exchange_that_was_killed_is_gone_on_with(
    bank: Open, shared: Path, tmp_path: Path, through: str, after: int
) -> None:
    place = shared if through == "folder" else tmp_path / "b"
    a, b = await bank("a"), await bank("b")
    for number in range(3):
        await wrote(a, f"left{number}", "x")
        await wrote(b, f"right{number}", "y")
    await with_place(b, tmp_path / "b", shared)
    await a.aclose()
    assert await killed(tmp_path / "a", place, after)
    a = await bank("a")
    await (exchange(a, b) if through == "bank" else with_place(a, tmp_path / "a", shared))
    await with_place(b, tmp_path / "b", shared)
    await with_place(a, tmp_path / "a", shared)
    assert await held(a) == await held(b)
    assert len(await bodies(a)) == 6


async def test_a_copy_of_a_bank_is_a_bank_of_its_own(bank: Open, tmp_path: Path) -> None:
    a = await bank("a")
    await wrote(a, "note", "x")
    await a.aclose()
    shutil.copytree(tmp_path / "a", tmp_path / "copy")
    a, copy = await bank("a"), await bank("copy")
    assert a.writer != copy.writer
    await wrote(a, "note", "here")
    await wrote(copy, "note", "there")
    await exchange(a, copy)
    assert await held(a) == await held(copy)
