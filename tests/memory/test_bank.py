"""A bank as clients, files and other banks use it; and all banks of one person."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from memory import builtin, roots
from memory.backend import Backend, Draft, Filter
from memory.bank import Bank
from memory.banks import Banks, Home
from memory.entry import SHARED, Content, Links, content
from memory.sqlite.backend import SqliteBackend
from memory.versions import Dot
from quarterdeck.clock import ManualClock, SystemClock
from quarterdeck.config import Memory, Retention
from quarterdeck.errors import Gone, Invalid, NotFound, Refused
from quarterdeck.hooks import hookimpl, load
from quarterdeck.paths import Paths
from quarterdeck.redaction import Redactor
from quarterdeck.watching import Watching
from tests.support.polling import GAP, PATIENCE

SECRET = "ghp_" + "a1B2" * 9


async def soon(look: Callable[[], object], what: str) -> None:
    """Wait until ``look`` gives something, with the loop free to bring it about."""
    deadline = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < deadline, f"never happened: {what}"
        await asyncio.sleep(GAP)


def said(body: str, **more: object) -> Content:
    return content(body=body, **more)  # type: ignore[arg-type]


@pytest.fixture
async def watching() -> AsyncIterator[Watching]:
    async with Watching() as watching:
        yield watching


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
async def made(tmp_path: Path, watching: Watching) -> AsyncIterator[Callable[..., Banks]]:
    """Makes banks of one state folder; closed at the end."""
    async with AsyncExitStack() as stack:
        paths = Paths(tmp_path / "home")
        paths.prepare()
        keepers = load([builtin], installed=False).memory_backends()

        def make(backend: str = "sqlite", **settings: object) -> Banks:
            chosen = Memory(backend=backend, **settings)  # type: ignore[arg-type]
            redactor = Redactor({"API_TOKEN": "hunter2hunter2"})
            banks = Banks(paths, SystemClock(), chosen, keepers, redactor=redactor, watching=watching)  # type: ignore[arg-type]
            stack.push_async_exit(banks)
            return banks

        yield make


@pytest.fixture
async def bank(made: Callable[..., Banks], workspace: Path) -> Bank:
    return await made().of(workspace)


# one entry


@pytest.mark.parametrize("backend", ["sqlite", "hybrid", "markdown"])
async def test_an_entry_is_stored_edited_deleted_and_restored(
    made: Callable[..., Banks], workspace: Path, backend: str
) -> None:
    bank = await made(backend).of(workspace)
    entry = await bank.add(said("first\n", key="A key", tags=("t",)), author="person")
    assert (entry.author, entry.content.key, entry.conflict) == ("person", "A key", False)
    edited = await bank.edit("A key", said("second\n", key="A key"), author="agent/api")
    assert (edited.id, edited.author, edited.editor) == (entry.id, "person", "agent/api")
    again = await bank.edit(entry.id, edited.content, author="person")
    assert again.heads == edited.heads  # the same again is no version
    assert (await bank.delete(entry.id[:5], author="person")).deleted
    assert (await bank.delete(entry.id, author="person")).deleted
    assert await bank.list(Filter()) == []
    history = await bank.history(entry.id)
    assert [(v.why, v.author) for v in history] == [
        ("stored", "person"),
        ("edited", "agent/api"),
        ("deleted", "person"),
    ]
    back = await bank.restore(entry.id, history[0].dot, author="person")
    assert (back.deleted, back.content.body) == (False, "first\n")
    with pytest.raises(Refused, match="is the deletion"):
        await bank.restore(entry.id, history[2].dot, author="person")
    with pytest.raises(Gone, match="is not kept"):
        await bank.restore(entry.id, Dot("nobody", 1), author="person")


async def test_names_that_mean_no_entry_or_several_are_told(bank: Bank) -> None:
    one = await bank.add(said("x", key="retry policy"), author="person", entry_id="abcd1")
    two = await bank.add(said("y", key="retry policy"), author="person", entry_id="abcd2")
    with pytest.raises(Refused, match="means several entries") as refused:
        await bank.get("retry policy")
    assert one.id in refused.value.message
    assert two.id in refused.value.message
    with pytest.raises(Refused, match="several"):
        await bank.get("abcd")
    with pytest.raises(NotFound, match="no entry 'retry polcy'") as missing:
        await bank.get("retry polcy")
    assert missing.value.hint == "did you mean retry policy?"
    with pytest.raises(NotFound):
        await bank.get("abc")  # too short to be the beginning of an id
    with pytest.raises(NotFound):
        await bank.get("")
    await bank.delete("abcd2", author="person")
    assert (await bank.get("retry policy")).id == "abcd1"
    with pytest.raises(Refused, match="already"):
        await bank.add(said("z"), author="person", entry_id="abcd2")
    with pytest.raises(Invalid, match="cannot be an id"):
        await bank.add(said("z"), author="person", entry_id="../x")


# writers that did not see each other


async def test_changes_of_different_lines_are_merged(bank: Bank) -> None:
    entry = await bank.add(said("one\n\ntwo\n\nthree\n", key="k"), author="person")
    await asyncio.gather(
        bank.edit(entry.id, said("ONE\n\ntwo\n\nthree\n", key="k"), author="agent/a", seen=entry.seen),
        bank.edit(entry.id, said("one\n\ntwo\n\nTHREE\n", key="k"), author="agent/b", seen=entry.seen),
    )
    now = await bank.get(entry.id)
    assert (now.content.body, now.conflict, len(now.heads)) == ("ONE\n\ntwo\n\nTHREE\n", False, 1)
    assert [v.why for v in await bank.history(entry.id)] == ["stored", "edited", "edited", "merged"]


async def test_a_person_ends_a_conflict(bank: Bank) -> None:
    entry = await bank.add(said("line\n", key="k"), author="person")
    for text in ("this\n", "that\n"):
        now = await bank.edit(entry.id, said(text, key="k"), author="person", seen=entry.seen)
    assert now.conflict
    assert [one.id for one in await bank.conflicts()] == [entry.id]
    shown = now.content
    for seen in (None, now.seen):
        with pytest.raises(Refused, match="is in conflict"):
            await bank.edit(entry.id, replace(shown, tags=("x",)), author="person", seen=seen)
    assert (await bank.get(entry.id)).heads == now.heads
    older = min(now.heads, key=lambda dot: dot.seq)
    now = await bank.edit(
        entry.id, said("this\n", key="k", tags=("x",)), author="person", seen={older.writer: older.seq}
    )
    assert (now.conflict, len(now.heads), older in now.heads) == (True, 2, False), "one side of it goes on"
    shown = now.content
    ended = await bank.resolve(entry.id, shown, author="person")  # the one that is shown already
    assert (ended.conflict, ended.content, len(ended.heads)) == (False, shown, 1)
    assert await bank.conflicts() == []


@pytest.mark.parametrize(("how", "conflict"), [("latest", False), ("manual", True)])
async def test_the_configured_resolution_is_the_one_in_force(
    made: Callable[..., Banks], workspace: Path, how: str, conflict: bool
) -> None:
    bank = await made(resolution=how).of(workspace)
    entry = await bank.add(said("one\n\ntwo\n", key="k"), author="person")
    await bank.edit(entry.id, said("ONE\n\ntwo\n", key="k"), author="person", seen=entry.seen)
    now = await bank.edit(entry.id, said("one\n\nTWO\n", key="k"), author="person", seen=entry.seen)
    assert (now.content.body, now.conflict, len(now.heads)) == ("one\n\nTWO\n", conflict, 2)


async def test_what_comes_from_elsewhere_is_resolved_without_being_asked_for(bank: Bank, tmp_path: Path) -> None:
    entry = await bank.add(said("one\n\ntwo\n", key="k"), author="person")
    settled: list[str] = []
    bank.listen(settled.append)
    for text in ("ONE\n\ntwo\n", "one\n\nTWO\n"):
        await bank.backend.put([Draft(entry=entry.id, content=said(text, key="k"), author="file", seen=entry.seen)])

    await soon(lambda: len(settled) >= 3, "a third version, of both")
    now = await bank.get(entry.id)
    assert (now.content.body, now.conflict) == ("ONE\n\nTWO\n", False)


async def test_two_banks_exchange_and_what_both_changed_is_merged(made: Callable[..., Banks], tmp_path: Path) -> None:
    banks = made()
    folders = [tmp_path / "left", tmp_path / "right"]
    for folder in folders:
        folder.mkdir()
    left, right = [await banks.of(folder) for folder in folders]
    entry = await left.add(said("one\n\ntwo\n", key="k"), author="person")
    between = tmp_path / "between"
    between.mkdir()
    await left.exchange(between)
    told = await right.exchange(between)
    assert told.entries == (entry.id,)
    await left.edit(entry.id, said("ONE\n\ntwo\n", key="k"), author="person")
    await right.edit(entry.id, said("one\n\nTWO\n", key="k"), author="person")
    for side in (left, right) * 3:  # what one merged goes out with its next exchange
        await side.exchange(between)
    assert (await left.get(entry.id)).content == (await right.get(entry.id)).content
    assert (await left.get(entry.id)).content.body == "ONE\n\nTWO\n"
    assert (await right.get(entry.id)).heads == (await left.get(entry.id)).heads


async def test_no_folder_among_the_files_of_a_bank_is_a_peer(bank: Bank, workspace: Path, tmp_path: Path) -> None:
    await bank.add(said("one"), author="person")
    other = tmp_path / "other/.quarterdeck/memory"
    link = tmp_path / "link"
    link.symlink_to(workspace / ".quarterdeck/memory/sub")
    for place in (workspace / ".quarterdeck/memory/sub", other, bank.state / "sub", link):
        if place != link:
            place.mkdir(parents=True)
        with pytest.raises(Invalid, match="among the files of a bank"):
            await bank.exchange(place)
        assert list(place.iterdir()) == []


# secrets


async def test_secrets_are_found_wherever_they_stand_in_an_entry(bank: Bank) -> None:
    hidden = content(
        body="harmless",
        key="k",
        tags=("net", SECRET),
        links=Links(commits=("abc1234", SECRET), files=("src/a.py", f"src/{SECRET}.py"), agents=("api",)),
        extra=(
            ("note", '"fine"'),
            ("apiKey", '"Zk3pQ9vT7xLm2RwB"'),
            ("password", "83726453829104"),
            ("inside", f'["{SECRET}"]'),
            (SECRET, "true"),
        ),
    )
    entry = await bank.add(hidden, author="agent/a")
    now = entry.content
    assert (now.tags, now.links.commits, now.links.files) == (("net",), ("abc1234",), ("src/a.py",))
    assert now.links.agents == ("api",)
    assert dict(now.extra) == {
        "note": '"fine"',
        "apiKey": '"[redacted: assignment]"',
        "password": '"[redacted: assignment]"',
        "inside": '["[redacted: github token]"]',
    }
    assert {one.rule: one.count for one in bank.findings(entry.id)} == {"github token": 5, "assignment": 2}
    again = await bank.edit(entry.id, replace(now, body="more"), author="agent/a")
    assert again.content.extra == now.extra
    assert bank.findings(entry.id) == (), "what is masked is not found again"
    assert SECRET.encode() not in b"".join(path.read_bytes() for path in bank.state.glob("bank.db*"))


async def test_a_key_made_from_the_text_counts_a_secret_once_and_holds_no_part_of_it(bank: Bank) -> None:
    entry = await bank.add(said(f"the token {SECRET} is old"), author="person")
    assert entry.content.key == "the token [redacted: github token] is old"
    assert {one.rule: one.count for one in bank.findings(entry.id)} == {"github token": 1}
    cut = await bank.add(said("x" * 65 + f" {SECRET}"), author="person")
    assert "ghp_" not in cut.content.key


async def test_secrets_are_masked_before_they_are_stored_and_reported(bank: Bank, tmp_path: Path) -> None:
    entry = await bank.add(said(f"the token {SECRET} and hunter2hunter2", key=SECRET), author="agent/a")
    assert entry.content.body == "the token [redacted: github token] and [redacted: API_TOKEN]"
    assert {one.rule: one.count for one in bank.findings(entry.id)} == {"github token": 2, "API_TOKEN": 1}
    await bank.edit(entry.id, said("harmless"), author="agent/a")
    assert bank.findings(entry.id) == ()
    (version,) = await bank.take([Draft(entry="filed1", content=said(f"x {SECRET}"), author="file", why="file")])
    assert version.content is not None
    assert SECRET not in version.content.body
    assert bank.findings("filed1")
    assert SECRET.encode() not in b"".join(path.read_bytes() for path in bank.state.glob("bank.db*"))


async def test_what_is_shared_and_what_is_not_are_kept_apart(made: Callable[..., Banks], workspace: Path) -> None:
    banks = made()
    bank, shared = await banks.of(workspace), await banks.shared()
    with pytest.raises(Invalid, match="nothing shared"):
        await bank.add(said("x", namespace=SHARED), author="person")
    with pytest.raises(Invalid, match="shared only"):
        await shared.add(said("x"), author="person")
    await shared.add(said("for all", namespace=SHARED), author="person")
    assert await bank.list(Filter()) == []
    assert len(await shared.list(Filter())) == 1


# all banks


async def test_nothing_is_made_before_something_is_stored(made: Callable[..., Banks], workspace: Path) -> None:
    banks = made("hybrid")
    bank = await banks.of(workspace)
    assert await bank.search("word") == []
    assert await bank.list(Filter()) == []
    assert (await bank.stats()).entries == 0
    with pytest.raises(NotFound):
        await bank.get("nothing")
    with pytest.raises(Invalid):
        await bank.search("kind:eror")
    assert not banks.paths.memory.exists()
    assert list(workspace.iterdir()) == []
    told: list[str] = []
    bank.listen(told.append)
    named = bank.backend.writer
    entry = await bank.add(said("word"), author="person")
    assert told == [entry.id]
    assert bank.backend.writer == named
    assert banks.known() == [roots.Known(str(workspace), bank.state)]
    await soon(lambda: list(workspace.glob(".quarterdeck/memory/*.md")), "the file follows")


async def test_files_that_appear_in_a_workspace_are_found_by_whoever_asks_next(
    made: Callable[..., Banks], workspace: Path
) -> None:
    bank = await made("hybrid").of(workspace)
    assert await bank.search("pulled") == []
    folder = workspace / ".quarterdeck" / "memory"
    folder.mkdir(parents=True)
    (folder / "note.md").write_text("# A note\n\npulled from elsewhere, token " + SECRET + "\n")
    deadline = time.monotonic() + PATIENCE
    while not (hits := await bank.search("pulled")) or not hits[0].entry.path:  # it is taken, then noted
        assert time.monotonic() < deadline, "the file was never taken"
        await asyncio.sleep(GAP)
    (hit,) = hits
    assert hit.entry.path == "note.md"
    assert SECRET not in hit.entry.content.body
    assert SECRET in (folder / "note.md").read_text()  # a person's file is never rewritten for it


async def test_a_bank_is_opened_once_however_many_ask_and_found_again(
    made: Callable[..., Banks], workspace: Path
) -> None:
    banks = made()
    some = await asyncio.gather(*(banks.of(workspace) for _ in range(5)))
    assert len(set(map(id, some))) == 1
    entry = await some[0].add(said("kept"), author="person")
    async with banks:
        pass
    assert banks.open == []
    again = await made().of(workspace)
    assert await again.get(entry.id) == entry


async def test_all_banks_are_searched_and_those_that_were_closed_are_closed_again(
    made: Callable[..., Banks], tmp_path: Path
) -> None:
    first = made()
    for name in ("a", "b", "gone"):
        (tmp_path / name).mkdir()
        bank = await first.of(tmp_path / name)
        await bank.add(said(f"the needle in {name}"), author="person")
    await (await first.shared()).add(said("the needle of all", namespace=SHARED), author="person")
    async with first:
        pass
    (tmp_path / "gone").rmdir()
    banks = made()
    await banks.of(tmp_path / "b")
    found, problems = await banks.search_all("needle")
    assert problems == []
    assert {Path(one.root).name for one in found} == {"", "a", "b"}
    assert len(found) == 3
    assert [Path(bank.root).name for bank in banks.open] == ["b"]


@pytest.mark.parametrize("backend", ["sqlite", "hybrid"])
async def test_a_bad_bank_keeps_nothing_from_a_search_of_all(
    made: Callable[..., Banks], tmp_path: Path, backend: str
) -> None:
    first = made(backend)
    for name in ("a", "bad"):
        (tmp_path / name).mkdir()
        bank = await first.of(tmp_path / name)
        await bank.add(said(f"the needle in {name}"), author="person")
    async with first:
        pass
    with sqlite3.connect(bank.state / "bank.db") as db:
        db.execute("PRAGMA user_version = 9999")  # of a newer version
    db.close()
    banks = made(backend)
    found, problems = await banks.search_all("needle")
    assert [Path(one.root).name for one in found] == ["a"]
    (told,) = problems
    assert told.startswith(f"the memory of {tmp_path / 'bad'} was not searched: ")
    with pytest.raises(Invalid):
        await banks.search_all("since:never")


async def test_a_backend_of_a_plugin_is_used_and_an_unknown_one_is_named(tmp_path: Path, workspace: Path) -> None:
    opened: list[Home] = []

    class Mine:
        name = "mine"

        async def open(self, home: Home, writer: str) -> Backend:
            opened.append(home)
            return await SqliteBackend.open(home.state, home.clock, writer=writer)

    class Plugin:
        @hookimpl
        def quarterdeck_memory_backends(self) -> list[Mine]:
            return [Mine()]

    paths = Paths(tmp_path / "home")
    paths.prepare()
    keepers = load([builtin, Plugin()], installed=False).memory_backends()
    assert set(keepers) == {"hybrid", "sqlite", "markdown", "mine"}
    async with Banks(paths, ManualClock(), Memory(backend="mine"), keepers) as banks:  # type: ignore[arg-type]
        await (await banks.of(workspace)).add(said("x"), author="person")
    assert opened[0].files == workspace / ".quarterdeck" / "memory"
    with pytest.raises(Invalid, match="nothing keeps memory in 'hibrid'") as caught:
        Banks(paths, ManualClock(), Memory(backend="hibrid"), keepers)  # type: ignore[arg-type]
    assert caught.value.hint == "did you mean hybrid?"
    with pytest.raises(Invalid, match="two plugins bring a memory backend named 'mine'"):
        load([Plugin(), Plugin()], installed=False).memory_backends()


async def test_retention_is_the_configured_one(made: Callable[..., Banks], workspace: Path) -> None:
    banks = made(retention={"workspace": Retention(entries=2)})
    bank = await banks.of(workspace)
    for number in range(5):
        await bank.add(said(f"text {number}"), author="person")
    assert len((await bank.prune(banks.policy(), dry_run=True)).entries) == 3
    assert len(await bank.list(Filter())) == 5
    await bank.prune(banks.policy())
    assert [entry.content.body for entry in await bank.list(Filter())] == ["text 4", "text 3"]


# whose memory


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    environ = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, env=environ)


def test_every_worktree_of_a_repository_has_the_memory_of_the_main_one(tmp_path: Path) -> None:
    main = tmp_path / "main"
    (main / "src" / "deep").mkdir(parents=True)
    assert roots.root_of(main / "src") == main / "src"  # no repository yet
    git(main, "init", "-q")
    git(main, "commit", "-q", "--allow-empty", "-m", "x")
    git(main, "worktree", "add", "-q", str(tmp_path / "linked"))
    (tmp_path / "linked" / "sub").mkdir()
    (tmp_path / "link").symlink_to(main)
    for folder in (main, main / "src" / "deep", tmp_path / "linked", tmp_path / "linked" / "sub", tmp_path / "link"):
        assert roots.root_of(folder) == main


def test_a_submodule_is_its_own_and_worktrees_of_a_bare_repository_share_one(tmp_path: Path) -> None:
    for name in ("inner", "outer"):
        (tmp_path / name).mkdir()
        git(tmp_path / name, "init", "-q")
        git(tmp_path / name, "commit", "-q", "--allow-empty", "-m", "x")
    git(
        tmp_path / "outer", "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(tmp_path / "inner"), "sub"
    )
    assert roots.root_of(tmp_path / "outer" / "sub") == tmp_path / "outer" / "sub"
    git(tmp_path, "clone", "-q", "--bare", str(tmp_path / "inner"), "bare.git")
    for name in ("one", "two"):
        git(tmp_path / "bare.git", "worktree", "add", "-q", "-b", name, str(tmp_path / name))
    assert roots.root_of(tmp_path / "one") == roots.root_of(tmp_path / "two") == tmp_path / "bare.git"


def test_folders_of_one_name_have_states_of_their_own(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    states = {roots.state_of(paths, Path(root)).name for root in ("/a/My Shop", "/b/My Shop", "/", "/x/日本")}
    assert len(states) == 4
    assert {name.rpartition("-")[0] for name in states} == {"my-shop", "root"}
    assert all(len(name.rpartition("-")[2]) == 8 for name in states)


def test_notes_that_say_nothing_are_passed_over(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    for name, text in {"a": b'{"root": "/r"}', "b": b"[]", "c": b"\xff", "d": b'{"root": 3}'}.items():
        (paths.memory / name).mkdir(parents=True)
        (paths.memory / name / roots.NOTE).write_bytes(text)
    assert list(roots.known(paths)) == [roots.Known("/r", paths.memory / "a")]
