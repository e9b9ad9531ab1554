"""Memory in a repository: what git does to files never wipes an entry."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from memory.backend import Draft, Filter
from memory.markdown.git import State
from tests.support.synced import happens, until

Opener = Callable[..., Awaitable[Any]]
Git = Callable[..., str]


@pytest.fixture
async def bank(git: Git, opened: Opener) -> Any:
    """A bank with four entries, committed."""
    bank = await opened()
    bank.ids = [await bank.put(f"text {number}", key=f"k{number}") for number in range(4)]
    bank.paths = [await bank.file_of(entry_id) for entry_id in bank.ids]
    await bank.quiet()
    git("add", "-A")
    git("commit", "-qm", "memory")
    assert len(git("ls-files", ".quarterdeck/memory").split()) == 4
    return bank


async def alive(bank: Any) -> set[str]:
    return {one.id for one in await bank.backend.find(Filter(), limit=1000)}


async def test_branches_with_different_memory(bank: Any, git: Git) -> None:
    git("checkout", "-q", "-b", "other")
    bank.paths[0].write_bytes(bank.paths[0].read_bytes().replace(b"text 0", b"text of other"))
    git("rm", "-q", str(bank.paths[1]))
    (bank.folder / "new.md").write_text("---\nid: newhere\n---\n\nonly on other\n")
    git("add", "-A")
    git("commit", "-qm", "other")
    await bank.says(bank.ids[0], "text of other")
    await bank.is_missing(bank.ids[1])
    git("checkout", "-q", "main")
    await bank.says(bank.ids[0], "text 0")
    await bank.is_missing("newhere")
    assert (await bank.entry(bank.ids[1])).path == bank.paths[1].name
    git("checkout", "-q", "other")
    await bank.says(bank.ids[0], "text of other")
    await bank.is_missing(bank.ids[1])
    await bank.quiet()
    assert await alive(bank) == {*bank.ids, "newhere"}
    assert git("status", "--porcelain") == "", "we change nothing that git brought"
    git("checkout", "-q", "main")
    await bank.is_missing("newhere")
    await bank.quiet()
    assert git("status", "--porcelain") == ""
    assert len(await bank.backend.versions(bank.ids[1])) == 1


async def test_a_missing_entry_that_changed_gets_its_file_when_it_is_back(bank: Any, git: Git) -> None:
    git("checkout", "-q", "-b", "without")
    git("rm", "-q", str(bank.paths[0]))
    git("commit", "-qm", "without")
    await bank.is_missing(bank.ids[0])
    await bank.put("changed meanwhile", bank.ids[0], key="k0")
    await bank.quiet()
    assert not bank.paths[0].exists(), "it would stand in the way of a checkout"
    git("checkout", "-q", "main")
    await happens(lambda: b"changed meanwhile" in bank.paths[0].read_bytes())
    await bank.is_missing()


async def test_a_person_decides_about_the_missing(bank: Any, git: Git) -> None:
    git("rm", "-q", str(bank.paths[0]), str(bank.paths[1]))
    await bank.is_missing(*bank.ids[:2])
    assert sum("not on this branch" in one for one in bank.backend.problems) == 2
    await bank.backend.keep(bank.ids[0])
    assert b"text 0" in bank.paths[0].read_bytes()
    await bank.backend.put([Draft(entry=bank.ids[1], content=None, author="person", why="deleted")])
    await bank.is_missing()
    assert await alive(bank) == {bank.ids[0], *bank.ids[2:]}
    await bank.quiet()
    assert not bank.backend.problems


@pytest.mark.parametrize("by_hand", [False, True])
@pytest.mark.parametrize("opened", ["sqlite", "markdown"], indirect=True)
async def test_a_branch_brings_no_deleted_entry_back(bank: Any, git: Git, opened: Opener, by_hand: bool) -> None:
    entry_id, path = bank.ids[0], bank.paths[0]
    git("branch", "old")
    if by_hand:
        age(bank.workspace / ".git")
        path.unlink()
        await bank.deleted(entry_id)
    else:
        await bank.backend.put([Draft(entry=entry_id, content=None, author="person", why="deleted")])
        await happens(lambda: not path.exists())
    git("commit", "-qam", "without")
    before = await bank.backend.versions(entry_id)
    for _ in range(2):
        git("checkout", "-q", "old")
        await bank.lies(entry_id, path.name)
        await bank.quiet()
        assert not await bank.backend.sync()
        assert entry_id not in await alive(bank)
        assert path.exists()
        assert git("status", "--porcelain") == "", "the file of the branch stays"
        git("checkout", "-q", "main")
        await bank.lies(entry_id, "")
        assert not await bank.backend.sync()
        assert await bank.backend.versions(entry_id) == before
    git("checkout", "-q", "old")
    await bank.lies(entry_id, path.name)
    await bank.backend.aclose()
    age(bank.workspace / ".git")
    bank = await opened()
    assert not await bank.backend.sync()
    assert entry_id not in await alive(bank)
    path.write_bytes(path.read_bytes().replace(b"text 0", b"wanted again"))
    await bank.says(entry_id, "wanted again")
    assert entry_id in await alive(bank)
    assert len((await bank.entry(entry_id)).heads) == 1
    await bank.backend.aclose()


async def test_a_left_over_file_follows_its_entry_again(bank: Any, git: Git) -> None:
    entry_id, path = bank.ids[0], bank.paths[0]
    await bank.backend.put([Draft(entry=entry_id, content=None, author="person", why="deleted")])
    await happens(lambda: not path.exists())
    git("checkout", "-q", "HEAD", "--", str(path))
    await bank.lies(entry_id, path.name)
    assert (await bank.entry(entry_id)).deleted
    await bank.put("restored", entry_id, key="k0")
    await happens(lambda: b"restored" in path.read_bytes())
    assert not await bank.backend.sync()
    assert (await bank.entry(entry_id)).path == path.name


async def test_a_stash(bank: Any, git: Git) -> None:
    bank.paths[0].write_bytes(bank.paths[0].read_bytes().replace(b"text 0", b"edited"))
    (bank.folder / "untracked.md").write_text("words")
    await bank.says(bank.ids[0], "edited")
    made = await bank.new(set(bank.ids))
    await bank.quiet()
    git("stash", "-q", "-u")
    await bank.says(bank.ids[0], "text 0")
    await bank.is_missing(made.id)
    git("stash", "pop", "-q")
    await bank.says(bank.ids[0], "edited")
    await bank.is_missing()
    assert await alive(bank) == {*bank.ids, made.id}


async def test_a_pull_edits_adds_and_deletes(bank: Any, git: Git, tmp_path: Path) -> None:
    git("clone", "-q", str(bank.workspace), str(tmp_path / "clone"), cwd=tmp_path)
    there = tmp_path / "clone" / ".quarterdeck" / "memory"
    edited = there / bank.paths[0].name
    edited.write_bytes(edited.read_bytes().replace(b"text 0", b"pulled"))
    (there / bank.paths[1].name).unlink()
    (there / "added.md").write_text("added by hand elsewhere\n")
    git("add", "-A", cwd=there)
    git("commit", "-qm", "far", cwd=there)
    git("pull", "-q", str(tmp_path / "clone"), "main")
    await bank.says(bank.ids[0], "pulled")
    made = await bank.new(set(bank.ids))
    assert made.content.body == "added by hand elsewhere"
    await bank.is_missing(bank.ids[1])
    assert await alive(bank) == {*bank.ids, made.id}


async def test_a_conflict_is_not_taken_before_it_is_resolved(bank: Any, git: Git) -> None:
    path = bank.paths[0]
    git("checkout", "-q", "-b", "other")
    path.write_bytes(path.read_bytes().replace(b"text 0", b"theirs"))
    git("commit", "-qam", "theirs")
    await bank.says(bank.ids[0], "theirs")
    git("checkout", "-q", "main")
    await bank.says(bank.ids[0], "text 0")
    path.write_bytes(path.read_bytes().replace(b"text 0", b"ours"))
    git("commit", "-qam", "ours")
    await bank.says(bank.ids[0], "ours")
    git("merge", "-q", "other", fails=True)
    await happens(lambda: any("marks of a conflict" in one for one in bank.backend.problems))
    bank.paths[1].unlink()
    await bank.is_missing(bank.ids[1])
    resolved = path.read_bytes()
    start, end = resolved.index(b"<<<<<<<"), resolved.index(b">>>>>>> other\n") + len(b">>>>>>> other\n")
    path.write_bytes(resolved[:start] + b"both\n" + resolved[end:])
    await bank.says(bank.ids[0], "both")
    assert not any(b"<<<" in (one.content.body.encode()) for one in await bank.backend.versions(bank.ids[0]))
    git("checkout", "-q", "HEAD", "--", str(bank.paths[1]))
    await bank.is_missing()


async def test_a_merge_that_was_given_up_leaves_no_problem(bank: Any, git: Git) -> None:
    path = bank.paths[0]
    git("checkout", "-q", "-b", "other")
    path.write_bytes(path.read_bytes().replace(b"text 0", b"theirs"))
    git("commit", "-qam", "theirs")
    git("checkout", "-q", "main")
    path.write_bytes(path.read_bytes().replace(b"text 0", b"ours"))
    git("commit", "-qam", "ours")
    await bank.says(bank.ids[0], "ours")
    git("merge", "-q", "other", fails=True)
    await happens(lambda: any("marks of a conflict" in one for one in bank.backend.problems))
    git("merge", "--abort")
    assert not await bank.backend.sync()
    await bank.says(bank.ids[0], "ours")


async def test_a_rebase(bank: Any, git: Git) -> None:
    git("checkout", "-q", "-b", "topic")
    (bank.folder / "topic.md").write_text("---\nid: topic1\n---\n\ntopic\n")
    bank.paths[2].write_bytes(bank.paths[2].read_bytes().replace(b"text 2", b"by topic"))
    git("add", "-A")
    git("commit", "-qm", "topic")
    await bank.says(bank.ids[2], "by topic")
    git("checkout", "-q", "main")
    await bank.is_missing("topic1")
    bank.paths[3].write_bytes(bank.paths[3].read_bytes().replace(b"text 3", b"by main"))
    git("commit", "-qam", "main")
    await bank.says(bank.ids[3], "by main")
    git("checkout", "-q", "topic")
    git("rebase", "-q", "main")
    await bank.says(bank.ids[3], "by main")
    await bank.says(bank.ids[2], "by topic")
    await bank.is_missing()
    await bank.quiet()
    assert await alive(bank) == {*bank.ids, "topic1"}
    assert git("status", "--porcelain") == ""


async def test_worktrees_come_and_go(bank: Any, git: Git, tmp_path: Path) -> None:
    git("worktree", "add", "-q", str(tmp_path / "tree"), "-b", "tree")
    (tmp_path / "tree" / ".quarterdeck" / "memory" / bank.paths[0].name).unlink()
    git("worktree", "remove", "--force", str(tmp_path / "tree"))
    await bank.backend.sync()
    await bank.is_missing()
    assert await alive(bank) == set(bank.ids)


async def test_a_reset_and_a_clean(bank: Any, git: Git) -> None:
    for number in range(8):
        (bank.folder / f"untracked{number}.md").write_text(f"words {number}")

    async def taken() -> bool:
        return len(await alive(bank)) == 12

    await until(taken)
    await bank.quiet()
    git("clean", "-qfd")
    await happens(lambda: len(bank.backend.problems) == 8)
    assert len(await alive(bank)) == 12
    git("rm", "-rq", ".quarterdeck/memory")
    await happens(lambda: len(bank.backend.problems) == 12)
    git("reset", "-q", "--hard")
    await happens(lambda: len(bank.backend.problems) == 8)


async def test_the_folder_itself_goes(bank: Any, git: Git) -> None:
    bank.folder.rename(bank.workspace / "away")
    await bank.is_missing(*bank.ids)
    (bank.workspace / "away").rename(bank.folder)
    await bank.is_missing()
    (bank.workspace / ".quarterdeck").rename(bank.workspace / "away")
    await bank.backend.sync()
    await bank.is_missing(*bank.ids)
    (bank.workspace / "away").rename(bank.workspace / ".quarterdeck")
    await bank.backend.sync()
    await bank.is_missing()
    assert {one.path for one in await bank.backend.find(Filter())} == {path.name for path in bank.paths}


async def test_a_file_removed_by_hand_is_deleted(bank: Any, git: Git) -> None:
    await asyncio.to_thread(age, bank.workspace / ".git")
    bank.paths[0].unlink()
    await bank.deleted(bank.ids[0])
    assert await alive(bank) == set(bank.ids[1:])


def age(folder: Path) -> None:
    """Make git's files look as if nothing had been done for an hour."""
    subprocess.run(["find", folder, "-exec", "touch", "-d", "1 hour ago", "{}", "+"], check=True)


async def test_a_branch_switched_while_nobody_looked(bank: Any, git: Git, opened: Opener) -> None:
    git("checkout", "-q", "-b", "without")
    git("rm", "-q", str(bank.paths[0]))
    git("commit", "-qm", "without")
    git("checkout", "-q", "main")
    await bank.backend.sync()
    await bank.is_missing()
    await bank.backend.aclose()
    git("checkout", "-q", "without")
    age(bank.workspace / ".git")
    again = await opened()
    await again.is_missing(bank.ids[0])
    await again.backend.aclose()
    git("checkout", "-q", "main")
    again = await opened()
    await again.is_missing()
    await again.backend.aclose()


async def test_a_file_removed_while_nobody_looked_is_deleted(bank: Any, opened: Opener) -> None:
    age(bank.workspace / ".git")
    await bank.backend.sync()
    await bank.backend.aclose()
    bank.paths[0].unlink()
    again = await opened()
    await again.deleted(bank.ids[0])
    await again.backend.aclose()


def test_a_state_is_text() -> None:
    state = State(head="refs/heads/main", commit="c", stash="s", index=(1, 2))
    assert State.of_text(state.text()) == state
    for text in ("", "{}", "[]", "null", '{"head": 1}'):
        assert State.of_text(text) is None
