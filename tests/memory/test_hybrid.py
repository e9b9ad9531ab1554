"""A bank and its folder: what either side does reaches the other, and nothing is lost where both did something."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from memory.backend import Draft, Filter
from memory.bank import Bank
from memory.entry import content
from memory.markdown.format import derived_id, parse, with_id, write
from quarterdeck.clock import SystemClock
from quarterdeck.errors import Invalid, NotFound
from tests.support.synced import happens, until

Opener = Callable[..., Awaitable[Any]]

pytestmark = pytest.mark.parametrize("opened", ["sqlite", "markdown"], indirect=True)


async def test_an_entry_becomes_a_file_and_a_file_an_entry(opened: Opener) -> None:
    bank = await opened()
    assert not list(bank.workspace.glob(".quarterdeck/memory/*.md"))
    entry_id = await bank.put("because\n", key="Use WAL", tags=("db",), namespace="session/Fix-it")
    path = await bank.file_of(entry_id)
    assert path.relative_to(bank.folder).as_posix() == f"session-fix-it/use-wal-{entry_id[:5]}.md"
    page = parse(path.read_bytes(), "a.md")
    assert (page.id, page.content, page.author) == (entry_id, (await bank.entry(entry_id)).content, "person")
    assert (bank.workspace / ".quarterdeck" / ".gitignore").exists()

    (bank.folder / "by-hand.md").write_text("# By hand\n\nwords\n")
    made = await bank.new({entry_id})
    assert (made.content.key, made.author, made.path) == ("By hand", "file", "by-hand.md")
    assert made.id == derived_id("by-hand.md", b"# By hand\n\nwords\n")
    await happens(
        lambda: (bank.folder / "by-hand.md").read_text() == f"---\nid: {made.id}\n---\n\n# By hand\n\nwords\n"
    )


async def test_changes_go_both_ways_and_come_to_rest(opened: Opener) -> None:
    bank = await opened()
    entry_id = await bank.put("one", key="k")
    path = await bank.file_of(entry_id)
    path.write_bytes(path.read_bytes().replace(b"one", b"two"))
    await bank.says(entry_id, "two")
    await bank.put("three", entry_id, key="other key")
    await happens(lambda: b"three" in path.read_bytes())
    await bank.quiet()
    versions = await bank.backend.versions(entry_id)
    assert [(one.author, one.why, one.content.body) for one in versions] == [
        ("person", "stored", "one"),
        ("file", "file", "two"),
        ("person", "stored", "three"),
    ]
    assert path.exists(), "a name never changes"
    assert (await bank.backend.stats()).conflicts == 0


async def test_a_bank_that_rests_wakes_nobody(opened: Opener) -> None:
    bank = await opened()
    await bank.file_of(await bank.put("one"))
    await bank.quiet()
    assert bank.backend.folder.due() is None
    assert not [name for name in os.listdir(bank.folder) if not name.endswith((".md", ".versions"))]


async def test_an_edit_beside_a_change_of_the_entry_is_concurrent(opened: Opener) -> None:
    bank = await opened()
    entry_id = await bank.put("base", key="k")
    path = await bank.file_of(entry_id)
    await bank.quiet()
    await bank.backend.aclose()
    path.write_bytes(path.read_bytes().replace(b"base", b"by a person"))
    asleep = await opened(start=False)
    await asleep.backend.put([Draft(entry=entry_id, content=content(body="by an agent", key="k"), author="agent/a")])
    await asleep.backend.aclose()
    bank = await opened()

    async def both() -> bool:
        return len(await bank.backend.versions(entry_id)) == 3

    await until(both)
    edits = (await bank.backend.versions(entry_id))[1:]
    assert {one.content.body for one in edits} == {"by a person", "by an agent"}
    assert edits[0].seen == edits[1].seen, "neither saw the other"
    assert (await bank.entry(entry_id)).conflict
    await bank.quiet()
    assert len(await bank.backend.versions(entry_id)) == 3


async def test_a_conflict_outlives_an_unrelated_save_of_its_file(opened: Opener, tmp_path: Path) -> None:
    store = await opened(start=False)
    bank = Bank("", store.backend, SystemClock(), state=tmp_path)
    await store.backend.start(bank.take)
    made = await bank.add(content(body="base", key="k", namespace="shared"), author="person")
    for body in ("by one", "by another"):
        said = content(body=body, key="k", namespace="shared")
        await bank.edit(made.id, said, author=f"agent/{body}", seen=made.seen)
    assert (await store.entry(made.id)).conflict
    path = await store.file_of(made.id)
    await bank.sync()
    held = "by another" if b"by another" in path.read_bytes() else "by one"
    for tag in ("first", "second"):
        head, _, rest = path.read_text().partition("\nid: ")
        path.write_text(f"{head}\nx-mark: {tag}\nid: {rest}" if tag == "first" else f"{head}2\nid: {rest}")
        await bank.sync()
        entry = await store.entry(made.id)
        assert entry.conflict
        standing = [one for one in await bank.history(made.id) if one.dot in entry.heads]
        assert {one.content.body for one in standing if one.content} == {"by one", "by another"}
        assert (entry.content.body, entry.editor) == (held, "file"), "the file stays what it was saved as"
    bodies = [one.content.body for one in await bank.history(made.id) if one.content]
    assert bodies == ["base", "by one", "by another", held, held]
    await bank.resolve(made.id, content(body="both", key="k", namespace="shared"), author="person")
    await bank.sync()
    assert not (await store.entry(made.id)).conflict
    assert "both" in path.read_text()
    await bank.aclose()


async def test_a_deleted_entry_has_no_file_and_a_deleted_file_no_entry(opened: Opener) -> None:
    bank = await opened()
    ids = [await bank.put(f"text {number}") for number in range(4)]
    paths = [await bank.file_of(entry_id) for entry_id in ids]
    await bank.backend.put([Draft(entry=ids[0], content=None, author="person", why="deleted")])
    await happens(lambda: not paths[0].exists())
    paths[1].unlink()

    await bank.deleted(ids[1])
    assert [one.author for one in await bank.backend.versions(ids[1])] == ["person", "file"]
    assert {one.id for one in await bank.backend.find(Filter())} == set(ids[2:])


async def test_a_deleted_entry_has_no_file_under_a_new_name_either(opened: Opener) -> None:
    bank = await opened()
    entry_id = await bank.put("words", key="k")
    path = await bank.file_of(entry_id)
    await bank.quiet()
    path.rename(bank.folder / "renamed.md")  # nobody has seen it when the entry is deleted
    await bank.backend.put([Draft(entry=entry_id, content=None, author="person", why="deleted")])
    await happens(lambda: not list(bank.folder.glob("*.md")))
    assert (await bank.entry(entry_id)).deleted
    assert await bank.backend.sync() == []


async def test_a_file_that_comes_back_is_the_same_entry(opened: Opener) -> None:
    bank = await opened()
    ids = [await bank.put(f"text {number}") for number in range(3)]
    path = await bank.file_of(ids[0])
    kept = path.read_bytes()
    path.unlink()
    await bank.deleted(ids[0])
    path.write_bytes(kept)
    await bank.deleted(ids[0], False)
    await bank.lies(ids[0], path.name)


async def test_a_moved_file_keeps_its_entry(opened: Opener) -> None:
    bank = await opened()
    entry_id = await bank.put("one")
    path = await bank.file_of(entry_id)
    (bank.folder / "deep" / "er").mkdir(parents=True)
    path.rename(bank.folder / "deep" / "er" / "renamed.md")
    await bank.lies(entry_id, "deep/er/renamed.md")
    moved = bank.folder / "deep" / "er" / "renamed.md"
    moved.write_bytes(moved.read_bytes().replace(b"one", b"two"))
    moved.rename(bank.folder / "again.md")
    await bank.says(entry_id, "two")
    (bank.folder / "deep").rename(bank.folder / "flat")
    (bank.folder / "again.md").rename(bank.folder / "flat" / "x.md")
    (bank.folder / "flat").rename(bank.folder / "last")
    await bank.lies(entry_id, "last/x.md")
    await bank.quiet()
    assert [one.content.body for one in await bank.backend.versions(entry_id)] == ["one", "two"]


async def test_two_files_may_change_places(opened: Opener) -> None:
    bank = await opened()
    one, two = await bank.put("one"), await bank.put("two")
    a, b = await bank.file_of(one), await bank.file_of(two)
    a.rename(bank.folder / "c.md")
    b.rename(a)
    (bank.folder / "c.md").rename(b)
    await bank.lies(one, b.name)
    await bank.lies(two, a.name)
    await bank.quiet()
    assert len(await bank.backend.versions(one)) == len(await bank.backend.versions(two)) == 1


async def test_a_copy_is_an_entry_of_its_own(opened: Opener) -> None:
    bank = await opened()
    entry_id = await bank.put("one", key="k")
    path = await bank.file_of(entry_id)
    original = path.read_bytes()
    (bank.folder / "a copy.md").write_bytes(original)
    copy = await bank.new({entry_id})
    await bank.lies(copy.id, "a copy.md")
    assert copy.content == (await bank.entry(entry_id)).content
    assert path.read_bytes() == original
    assert (bank.folder / "a copy.md").read_bytes() == original.replace(entry_id.encode(), copy.id.encode())


async def test_what_cannot_be_taken_is_told_and_left_alone(opened: Opener) -> None:
    bank = await opened()
    entry_id = await bank.put("good", key="k")
    path = await bank.file_of(entry_id)
    broken = path.read_bytes().replace(b"kind: note", b"kind: [")
    path.write_bytes(broken)
    (bank.folder / "latin.md").write_bytes(b"caf\xe9")
    (bank.folder / "nul.md").write_bytes(b"a\0")
    (bank.folder / "big.md").write_bytes(b"x" * (11 << 20))
    outside = bank.workspace / "secret.md"
    outside.write_text("outside")
    (bank.folder / "link.md").symlink_to(outside)
    (bank.folder / "folder").symlink_to(bank.workspace)
    problems = {one.path: one.message for one in await bank.backend.sync()}
    assert set(problems) == {path.name, "latin.md", "nul.md", "big.md", "link.md", "folder"}
    assert "line 4" in problems[path.name]
    await bank.put("changed meanwhile", entry_id, key="k")
    await bank.quiet()
    assert path.read_bytes() == broken, "nothing is written over what could not be read"
    path.write_bytes(broken.replace(b"kind: [", b"kind: insight"))
    async with asyncio.timeout(30):
        while not (await bank.entry(entry_id)).conflict:
            await asyncio.sleep(0.01)
    assert {one.content.kind for one in await bank.backend.versions(entry_id)} == {"note", "insight"}
    await bank.quiet()
    assert len(await bank.backend.find(Filter())) == 1
    assert outside.read_text() == "outside"


async def test_a_problem_ends_with_its_cause(opened: Opener) -> None:
    bank = await opened()
    path = await bank.file_of(await bank.put("one", key="k"))
    await bank.quiet()
    good = path.read_bytes()
    for look in (bank.backend.sync, bank.quiet):
        path.write_bytes(b"---\nkind: [\n---\n\nwords\n")
        await happens(lambda: any(path.name in one for one in bank.backend.problems))
        path.write_bytes(good)
        await look()
        await happens(lambda: not bank.backend.problems)


async def test_a_sync_ends_while_a_file_is_written_all_the_time(opened: Opener) -> None:
    bank = await opened()
    path, quiet = bank.folder / "log.md", bank.folder / "quiet.md"
    stop = threading.Event()

    def write_on() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            path.write_text(f"line {number}\n")

    path.parent.mkdir(parents=True, exist_ok=True)
    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        quiet.write_text("words")

        async def named() -> bool:
            return any("log.md is being written" in str(one) for one in await bank.backend.sync())

        await until(named)
    finally:
        stop.set()
        await asyncio.to_thread(writer.join)

    async def both() -> bool:
        return {"log.md", "quiet.md"} == set(await bank.entries())

    await until(both)
    assert not await bank.backend.sync()


async def test_a_file_is_taken_when_its_writer_closed_it(opened: Opener) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux tells who writes")
    bank = await opened()
    entry_id = await bank.put("one", key="k")
    path = await bank.file_of(entry_id)
    await bank.quiet()
    with path.open("r+b") as file:
        text = file.read().replace(b"one", b"the first half, ")
        file.seek(0)
        file.truncate()
        file.write(text)
        file.flush()
        await bank.put("by the bank", entry_id, key="k")
        await bank.quiet()
        assert [one.content.body for one in await bank.backend.versions(entry_id)] == ["one", "by the bank"]
        assert path.read_bytes() == text, "nor is it written over"
        file.write(b"and the second\n")
    async with asyncio.timeout(30):
        while len(await bank.backend.versions(entry_id)) < 3:
            await asyncio.sleep(0.01)
    bodies = [one.content.body for one in await bank.backend.versions(entry_id)]
    assert "the first half, \nand the second" in bodies


async def test_a_text_no_file_can_hold_stays_in_the_bank(opened: Opener) -> None:
    bank = await opened()
    entry_id = await bank.put("a\0b", key="k")
    await happens(lambda: any("no file can hold it" in one for one in bank.backend.problems))
    await bank.put("ab", entry_id, key="k")
    assert b"ab" in (await bank.file_of(entry_id)).read_bytes()
    await happens(lambda: not bank.backend.problems)


async def test_a_refused_file_keeps_no_other_out(opened: Opener) -> None:
    async def take(drafts: Any) -> Any:
        if any("bad" in draft.content.body for draft in drafts):
            raise Invalid("no such words here")
        return await bank.backend.put(drafts)

    bank = await opened(take=take)
    bank.folder.mkdir(parents=True, exist_ok=True)
    for name in ("good", "bad", "fine"):
        (bank.folder / f"{name}.md").write_text(name)
    await happens(lambda: bank.backend.problems)

    async with asyncio.timeout(30):
        while len(await bank.backend.find(Filter())) < 2:
            await asyncio.sleep(0.01)
    assert bank.backend.problems == ["bad.md: no such words here"]


async def test_a_masked_secret_stays_in_the_file_of_the_person(opened: Opener) -> None:
    async def take(drafts: Any) -> Any:
        return await bank.backend.put(
            [
                replace(draft, content=replace(draft.content, body=draft.content.body.replace("hunter2", "[masked]")))
                for draft in drafts
            ]
        )

    bank = await opened(take=take)
    bank.folder.mkdir(parents=True, exist_ok=True)
    (bank.folder / "a.md").write_text("---\nkey: login\n---\n\nit is hunter2\n")
    entry = await bank.new()
    assert entry.content.body == "it is [masked]"
    await bank.put("it is [masked]", entry.id, key="login", tags=("t",))
    await happens(lambda: b"tags: [t]" in (bank.folder / "a.md").read_bytes())
    assert b"it is hunter2" in (bank.folder / "a.md").read_bytes()
    await bank.quiet()
    assert len(await bank.backend.versions(entry.id)) == 2


async def test_what_changed_while_nobody_looked_is_found(opened: Opener) -> None:
    bank = await opened()
    ids = [await bank.put(f"text {number}", key=f"k{number}") for number in range(6)]
    paths = [await bank.file_of(entry_id) for entry_id in ids]
    await bank.quiet()
    await bank.backend.aclose()
    paths[0].write_bytes(paths[0].read_bytes().replace(b"text 0", b"edited"))
    paths[1].rename(bank.folder / "moved.md")
    paths[2].unlink()
    (bank.folder / "new.md").write_text("new")
    times = paths[3].stat()
    paths[3].write_bytes(paths[3].read_bytes().replace(b"text 3", b"TEXT 3"))
    os.utime(paths[3], ns=(times.st_atime_ns, times.st_mtime_ns))
    bank = await opened()
    await bank.says(ids[0], "edited")
    await bank.lies(ids[1], "moved.md")
    await bank.says(ids[3], "TEXT 3")
    await bank.quiet()
    assert {one.content.body for one in await bank.backend.find(Filter())} >= {"new", "text 4"}
    await bank.deleted(ids[2])


async def test_a_version_that_comes_from_elsewhere_with_its_file_is_no_conflict(opened: Opener) -> None:
    bank = await opened()
    said = content(body="from elsewhere", key="k")
    bank.folder.mkdir(parents=True, exist_ok=True)
    (bank.folder / "pulled.md").write_bytes(write(said, entry_id="abcdefghij", author="agent/far"))
    entry = await bank.new()
    assert (entry.id, entry.author, entry.content) == ("abcdefghij", "agent/far", said)
    other = await opened("workspace2", "state2")
    await other.backend.put([Draft(entry="abcdefghij", content=said, author="agent/far")])
    async for versions in other.backend.since(await bank.backend.summary()):
        await bank.backend.receive(versions)
    await bank.quiet()
    assert not (await bank.entry("abcdefghij")).conflict
    assert [path.name for path in bank.folder.glob("*") if path.is_file()] == ["pulled.md"]


async def test_keep_is_for_the_missing(opened: Opener) -> None:
    bank = await opened()
    with pytest.raises(NotFound):
        await bank.backend.keep(await bank.put("one"))


async def test_an_id_that_is_put_in_again(opened: Opener) -> None:
    bank = await opened()
    entry_id = await bank.put("one", key="k")
    path = await bank.file_of(entry_id)
    path.write_text("words without front matter\n")
    await bank.says(entry_id, "words without front matter")
    await happens(lambda: path.read_bytes() == with_id(b"words without front matter\n", path.name, entry_id))
