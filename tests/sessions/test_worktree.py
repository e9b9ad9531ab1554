from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from quarterdeck.errors import Invalid, Refused
from sessions import worktree
from sessions.model import Worktree
from sessions.worktree import Changes, Settings, changes, create, has_branch, inside, of_branch, remove, unsaved

Git = Callable[..., str]


@pytest.fixture
def repo(tmp_path: Path, git: Git) -> Path:
    """A repository with one commit, a remote that has it, ignored files and a folder."""
    folder = tmp_path / "shop"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "a.txt").write_text("a\n")
    (folder / "src").mkdir()
    (folder / "src" / "main.py").write_text("pass\n")
    (folder / ".gitignore").write_text(".env\nnode_modules/\n*.log\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    git(tmp_path, "clone", "-q", "--bare", str(folder), "remote.git")
    git(folder, "remote", "add", "origin", str(tmp_path / "remote.git"))
    git(folder, "fetch", "-q")
    return folder


@pytest.fixture
def where(tmp_path: Path) -> Path:
    return tmp_path / "worktrees" / "a1"


def branches(git: Git, repo: Path) -> set[str]:
    return set(git(repo, "for-each-ref", "--format=%(refname:short)", "refs/heads").split())


async def test_a_worktree_on_a_branch_of_its_own(repo: Path, where: Path, git: Git) -> None:
    (repo / "a.txt").write_text("changed in the main worktree\n")
    tree = await create(where, repo / "src", name="api auth/é")
    assert tree == Worktree(
        path=str(where), branch="quarterdeck/api-auth", repository=str(repo), base=git(repo, "rev-parse", "HEAD")
    )
    assert git(where, "branch", "--show-current") == tree.branch
    assert (where / "a.txt").read_text() == "a\n"
    assert await inside(tree, repo / "src") == where / "src"
    assert await inside(tree, repo) == where
    assert await unsaved(tree) == []
    await remove(tree)
    assert not where.exists()
    assert branches(git, repo) == {"main"}
    assert len(git(repo, "worktree", "list").splitlines()) == 1
    await remove(tree)  # removed already: nothing to do


async def test_many_at_once_get_different_branches(repo: Path, where: Path, git: Git) -> None:
    trees = await asyncio.gather(*(create(where.parent / f"a{n}", repo, name="x") for n in range(5)))
    assert len({tree.branch for tree in trees}) == 5
    assert branches(git, repo) == {"main"} | {tree.branch for tree in trees}
    await asyncio.gather(*(remove(tree) for tree in trees))
    assert branches(git, repo) == {"main"}


async def test_a_branch_in_the_place_of_our_prefix(repo: Path, where: Path, git: Git) -> None:
    git(repo, "branch", "quarterdeck")
    tree = await create(where, repo, name="x")
    assert tree.branch == "quarterdeck-x"
    await remove(tree)
    assert branches(git, repo) == {"main", "quarterdeck"}


async def test_the_branch_asked_for(repo: Path, where: Path, git: Git) -> None:
    new = await create(where, repo, branch="feat/new")
    assert git(where, "branch", "--show-current") == "feat/new"
    await remove(new)
    assert "feat/new" in branches(git, repo)  # a branch a person named is the person's
    again = await create(where, repo, branch="feat/new")
    await remove(again)

    git(repo, "push", "-q", "origin", "main:theirs")
    git(repo, "fetch", "-q")
    tree = await create(where, repo, branch="theirs")
    assert git(where, "rev-parse", "--abbrev-ref", "@{upstream}") == "origin/theirs"
    with pytest.raises(Refused, match="theirs"):
        await create(where.parent / "a2", repo, branch="theirs")
    with pytest.raises(Refused, match="main"):
        await create(where.parent / "a2", repo, branch="main")
    assert not (where.parent / "a2").exists()
    assert "theirs" in branches(git, repo)
    await remove(tree)


async def test_a_branch_of_ours_that_is_taken_up_again_keeps_its_commits(repo: Path, where: Path, git: Git) -> None:
    tree = await create(where, repo, name="x")
    git(where, "commit", "-q", "--allow-empty", "-m", "work")
    await remove(tree, force=True)
    again = await create(where, repo, branch="quarterdeck/x")
    assert again.base == git(repo, "rev-parse", "main")
    with pytest.raises(Refused, match="1 commit"):
        await remove(again)
    await remove(again, force=True)
    assert "quarterdeck/x" in branches(git, repo)


async def test_which_worktree_a_branch_is_on(repo: Path, where: Path, git: Git) -> None:
    tree = await create(where, repo, name="x")
    git(where, "commit", "-q", "--allow-empty", "-m", "work")
    assert await of_branch(repo / "src", "quarterdeck/x") == tree
    assert await of_branch(repo, "main") == Worktree(
        path=str(repo), branch="main", repository=str(repo), base=git(repo, "rev-parse", "main")
    )
    assert await of_branch(repo, "nowhere") is None
    assert await has_branch(repo, "quarterdeck/x")
    assert not await has_branch(repo, "nowhere")
    git(repo, "switch", "-q", "--orphan", "lonely")
    git(repo, "commit", "-q", "--allow-empty", "-m", "other root")
    found = await of_branch(repo, "quarterdeck/x")
    assert found is not None
    assert found.base == git(repo, "rev-list", "--max-parents=0", "quarterdeck/x")
    shutil.rmtree(where)
    assert await of_branch(repo, "quarterdeck/x") is None, "its folder is gone, the branch is free"
    for bad in ("--force", "a b", "-"):
        with pytest.raises(Invalid):
            await of_branch(repo, bad)
    with pytest.raises(Refused, match="not in a git repository"):
        await of_branch(where.parent, "main")


async def test_what_has_changed(repo: Path, where: Path, git: Git) -> None:
    tree = await create(where, repo, name="x")
    assert await changes(where, tree.base) == Changes(branch="quarterdeck/x", files=())
    git(where, "commit", "-q", "--allow-empty", "-m", "work")
    (where / "a.txt").write_text("changed\n")
    (where / "new file\n##").write_text("x")
    (where / "folder").mkdir()
    (where / "folder/one").write_text("x")
    git(where, "mv", "src/main.py", "src/other.py")
    found = await changes(where / "src", tree.base)
    assert found is not None
    assert (found.branch, found.commits, found.more) == ("quarterdeck/x", 1, 0)
    assert set(found.files) == {
        *((".M", "a.txt"), ("D.", "src/main.py"), ("A.", "src/other.py"), ("??", "folder/"), ("??", "new file\n##")),
    }
    git(where, "switch", "-q", "--detach")
    detached = await changes(where)
    assert detached is not None
    assert (detached.branch, detached.commits) == ("", 0)
    assert await changes(where.parent) is None
    assert await changes(where / "gone") is None


async def test_a_conflict_is_a_change(repo: Path, git: Git) -> None:
    git(repo, "switch", "-qc", "other")
    (repo / "a.txt").write_text("theirs\n")
    git(repo, "commit", "-qam", "theirs")
    git(repo, "switch", "-q", "main")
    (repo / "a.txt").write_text("ours\n")
    git(repo, "commit", "-qam", "ours")
    with pytest.raises(subprocess.CalledProcessError):
        git(repo, "merge", "-q", "other")
    found = await changes(repo)
    assert found is not None
    assert found.files == (("UU", "a.txt"),)


@pytest.mark.parametrize(
    "branch",
    [
        "-b",
        "--force",
        "-",
        "a b",
        "a..b",
        "a~1",
        "x.lock",
        "@{-1}",
        "/x",
        "x/",
        "HEAD",
        "refs/heads/x",
        "a\nb",
        "a\x1b[2J",
    ],
)
async def test_hostile_branch_names_are_refused(repo: Path, where: Path, git: Git, branch: str) -> None:
    with pytest.raises(Invalid, match="cannot be the name of a branch") as caught:
        await create(where, repo, branch=branch)
    assert "\x1b" not in caught.value.message
    assert branches(git, repo) == {"main"}
    assert not where.exists()


@pytest.mark.parametrize("branch", ["$(pwned)", "`x`", "a;b", "x'y", "--".join("ab"), "ünï"])
async def test_odd_branch_names_are_only_names(repo: Path, where: Path, git: Git, branch: str) -> None:
    tree = await create(where, repo, branch=branch)
    assert git(where, "branch", "--show-current") == branch
    (where / "new.txt").write_text("x")
    git(where, "add", "-A")
    git(where, "commit", "-qm", "x")
    assert await unsaved(tree) == [f"1 commit on {branch} not merged and not pushed"]
    await remove(tree, force=True)
    assert not list(repo.glob("pwned"))


async def test_where_there_can_be_no_worktree(tmp_path: Path, where: Path, git: Git) -> None:
    with pytest.raises(Refused, match="not in a git repository"):
        await create(where, tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir()
    git(empty, "init", "-q")
    with pytest.raises(Refused, match="has no commit yet") as caught:
        await create(where, empty)
    assert "git commit" in caught.value.hint
    with pytest.raises(Refused, match="does not exist"):
        await create(where, tmp_path / "nowhere")
    assert not where.exists()


async def test_a_bare_repository(tmp_path: Path, repo: Path, where: Path, git: Git) -> None:
    bare = tmp_path / "remote.git"
    tree = await create(where, bare, settings=Settings(include=("*.log",)))
    assert tree.repository == str(bare)
    (where / "x").write_text("x")
    with pytest.raises(Refused, match="1 uncommitted file"):
        await remove(tree)
    await remove(tree, force=True)
    assert branches(git, bare) == {"main"}


async def test_from_inside_another_worktree(repo: Path, where: Path, git: Git) -> None:
    first = await create(where, repo, branch="one")
    (where / "b.txt").write_text("b")
    git(where, "add", "-A")
    git(where, "commit", "-qm", "second")
    second = await create(where.parent / "a2", where, branch="two")
    assert second.repository == str(repo)
    assert (where.parent / "a2" / "b.txt").exists()
    await remove(second)  # its commit is on branch one
    git(repo, "branch", "-D", "two")
    with pytest.raises(Refused):
        await remove(first)
    await remove(first, force=True)


async def test_git_variables_of_ours_change_nothing(
    repo: Path, where: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    tree = await create(where, repo)
    assert tree.repository == str(repo)
    await remove(tree)


# what a new worktree is furnished with


async def test_untracked_files_of_the_include_list(repo: Path, where: Path) -> None:
    (repo / worktree.INCLUDE_FILE).write_text(".env\n/conf/*.local\n!/conf/not.local\n")
    (repo / ".env").write_text("A=1")
    (repo / "debug.log").write_text("log")
    (repo / "src" / ".env").write_text("B=1")
    (repo / "conf").mkdir()
    (repo / "conf" / "x.local").write_text("x")
    (repo / "conf" / "not.local").write_text("x")
    (repo / "conf" / "other").write_text("x")
    (repo / "link.log").symlink_to("/etc/hostname")
    (repo / "node_modules").mkdir()
    (repo / "node_modules" / "big").write_text("x")
    tree = await create(where, repo, settings=Settings(include=("*.log", "-x")))
    here = {str(path.relative_to(where)) for path in where.rglob("*") if path.name != ".git" and not path.is_dir()}
    tracked = {"a.txt", "src/main.py", ".gitignore"}
    assert here == tracked | {".env", "src/.env", "conf/x.local", "debug.log", "link.log"}
    assert (where / "link.log").is_symlink()
    assert await unsaved(tree) == []  # copies that nobody changed are not work
    (where / "conf" / "x.local").write_text("changed")
    assert await unsaved(tree) == ["1 uncommitted file (conf/x.local)"]
    await remove(tree, force=True)


async def test_nothing_is_written_through_a_link_of_the_branch(
    repo: Path, where: Path, git: Git, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    git(repo, "checkout", "-q", "-b", "evil")
    (repo / "conf").symlink_to(outside)
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "link")
    git(repo, "checkout", "-q", "main")
    (repo / "conf").mkdir()
    (repo / "conf" / "key").write_text("secret")
    tree = await create(where, repo, branch="evil", settings=Settings(include=("/conf/",)))
    assert (where / "conf").is_symlink()
    assert list(outside.iterdir()) == []
    await remove(tree)


async def test_the_set_up_command(repo: Path, where: Path) -> None:
    setup = (
        'pwd > where; printf "%s %s" "$QUARTERDECK_REPOSITORY" "$QUARTERDECK_BRANCH" > told; echo "$A$TMUX" > client'
    )
    tree = await create(
        where, repo, name="x", settings=Settings(setup=setup), environ={"A": "1", "TMUX": "t", "PATH": "/bin:/usr/bin"}
    )
    assert (where / "where").read_text() == f"{where}\n"
    assert (where / "told").read_text() == f"{repo} quarterdeck/x"
    assert (where / "client").read_text() == "1\n"
    await remove(tree, force=True)


async def test_a_set_up_that_fails_leaves_nothing(repo: Path, where: Path, git: Git) -> None:
    with pytest.raises(Refused, match=r"exit status 7.*one \| broken") as caught:
        await create(
            where, repo, settings=Settings(setup="echo one; touch left; echo 'broken \x1b[31mhere' >&2; exit 7")
        )
    assert "\x1b" not in caught.value.message
    assert not where.exists()
    assert branches(git, repo) == {"main"}
    assert len(git(repo, "worktree", "list").splitlines()) == 1


async def test_a_cancelled_creation_leaves_nothing(repo: Path, where: Path, git: Git, tmp_path: Path) -> None:
    started = tmp_path / "started"
    task = asyncio.create_task(create(where, repo, settings=Settings(setup=f"touch '{started}'; sleep 600")))
    async with asyncio.timeout(20):
        while not started.exists():
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not where.exists()
    assert branches(git, repo) == {"main"}


async def test_submodules_are_not_touched(repo: Path, where: Path, git: Git, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    (other / "x").write_text("x")
    git(other, "add", "-A")
    git(other, "commit", "-qm", "x")
    git(repo, "submodule", "--quiet", "add", str(other), "sub")
    git(repo, "commit", "-qam", "sub")
    tree = await create(where, repo)
    assert list((where / "sub").iterdir()) == []
    assert await unsaved(tree) == []
    git(where, "submodule", "--quiet", "update", "--init")
    assert await unsaved(tree) == ["submodules that were set up in it"]
    with pytest.raises(Refused):
        await remove(tree)
    await remove(tree, force=True)
    assert not where.exists()


# nothing is lost


async def test_removal_is_refused_while_something_is_unsaved(repo: Path, where: Path, git: Git) -> None:
    tree = await create(where, repo, name="x")
    (where / "a.txt").write_text("new\n")
    (where / "sp ace\n.txt").write_text("new\n")
    with pytest.raises(Refused, match=r"2 uncommitted files \(a.txt, sp ace .txt\)"):
        await remove(tree)
    git(where, "add", "-A")
    git(where, "commit", "-qm", "work")
    with pytest.raises(Refused, match="1 commit on quarterdeck/x not merged and not pushed") as caught:
        await remove(tree)
    assert caught.value.fields["unsaved"] == ["1 commit on quarterdeck/x not merged and not pushed"]
    assert (where / "a.txt").read_text() == "new\n"


async def test_pushed_or_merged_work_is_saved(repo: Path, where: Path, git: Git) -> None:
    for how in ("push", "merge", "tag"):
        tree = await create(where, repo, name=how)
        (where / how).write_text("new\n")
        git(where, "add", "-A")
        git(where, "commit", "-qm", how)
        assert await unsaved(tree) != []
        if how == "push":
            git(where, "push", "-q", "origin", "HEAD:refs/heads/pushed")
        elif how == "merge":
            git(repo, "merge", "-q", "--no-edit", tree.branch)
        else:
            git(where, "tag", "keep")
        await remove(tree)
        assert branches(git, repo) == {"main"}


async def test_force_loses_changes_but_never_a_commit(repo: Path, where: Path, git: Git) -> None:
    tree = await create(where, repo, name="x")
    (where / "b").write_text("b")
    git(where, "add", "-A")
    git(where, "commit", "-qm", "on the branch")
    on_branch = git(where, "rev-parse", "HEAD")
    git(where, "checkout", "-q", "--detach")
    git(where, "commit", "-q", "--allow-empty", "-m", "detached")
    detached = git(where, "rev-parse", "HEAD")
    (where / "a.txt").write_text("changed\n")
    with pytest.raises(Refused, match=r"1 uncommitted file.*2 commits"):
        await remove(tree)
    await remove(tree, force=True)
    assert not where.exists()
    assert git(repo, "rev-parse", "quarterdeck/x") == on_branch
    assert git(repo, "rev-parse", "quarterdeck/x-detached") == detached


async def test_a_branch_switched_by_the_agent_counts(repo: Path, where: Path, git: Git) -> None:
    tree = await create(where, repo, name="x")
    git(where, "switch", "-q", "-c", "other")
    git(where, "commit", "-q", "--allow-empty", "-m", "work")
    assert len(await unsaved(tree)) == 1
    await remove(tree, force=True)
    assert branches(git, repo) == {"main", "other"}


async def test_a_rebase_in_progress_is_unsaved(repo: Path, where: Path, git: Git) -> None:
    tree = await create(where, repo, name="x")
    git(where, "-c", "sequence.editor=sed -i '1i break'", "rebase", "-q", "-i", "--root", "--onto", "HEAD")
    assert "a rebase in progress" in await unsaved(tree)
    await remove(tree, force=True)


async def test_what_was_removed_by_hand(repo: Path, where: Path, git: Git, tmp_path: Path) -> None:
    import shutil

    tree = await create(where, repo, name="x")
    shutil.rmtree(where)
    await remove(tree)
    assert len(git(repo, "worktree", "list").splitlines()) == 1
    assert branches(git, repo) == {"main"}

    orphan = await create(where, repo, name="y")
    repo.rename(tmp_path / "moved")
    with pytest.raises(Refused):
        await remove(orphan)
    assert where.exists()
    await remove(orphan, force=True)
    assert not where.exists()
    await remove(replace(orphan, path=str(tmp_path / "never")))
