"""Where steps work: worktrees made, found again, committed, left and kept."""

from __future__ import annotations

import asyncio
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.folder import RunFolder
from pipelines.model import AgentPlan, Outcome, RunPlan, StepPlan, StepResult
from pipelines.place import Places
from quarterdeck.errors import NotFound, QuarterdeckError, Refused
from sessions.worktree import Settings

RUN = "20260314-153059-4f1c2b"
AGENT = AgentPlan(name="a", profile="custom", worktree=True)


@pytest.fixture
def git(tmp_path, monkeypatch):
    """Run git in a folder, as somebody whose settings name nobody."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in [name for name in os.environ if name.startswith(("GIT_AUTHOR", "GIT_COMMITTER"))]:
        monkeypatch.delenv(name)

    def run(folder: Path, *words: str) -> str:
        me = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")
        done = subprocess.run(["git", *me, *words], cwd=folder, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    return run


@pytest.fixture
def repo(tmp_path, git):
    folder = tmp_path / "work"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / "here").write_text("1\n")
    (folder / "sub").mkdir()
    (folder / "sub" / "file").write_text("1\n")
    (folder / ".gitignore").write_text("ignored\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "first")
    return folder


@pytest.fixture
def places(repo, tmp_path):
    plan = RunPlan(name="t", workspace=str(repo), steps=(), agents={"a": AGENT})
    return Places(plan, RunFolder(tmp_path / "run", RUN), tmp_path / "worktrees", Settings())


def step(key="one", **changed):
    return StepPlan(key=key, name=key, agent="a", prompt="x", **changed)


def of(places, one=None, agent=AGENT, results=None):
    return asyncio.run(places.of(one or step(), agent, results or {}, {}))


def commit(places, place, message="work"):
    return asyncio.run(places.commit(place, message))


def test_in_the_workspace(places, repo):
    assert of(places, agent=None).cwd == str(repo)
    assert of(places, step(cwd="sub"), None).cwd == str(repo / "sub")
    assert of(places, agent=replace(AGENT, worktree=False, workspace="sub")).cwd == str(repo / "sub")
    with pytest.raises(NotFound):
        of(places, step(cwd="nowhere"), None)


def test_a_worktree_is_made_and_found_again(places, repo, git):
    place = of(places)
    assert place.tree.branch == f"quarterdeck/{RUN}/one"
    assert of(places) == place
    assert of(places, replace(step(), cwd="sub")).cwd == str(Path(place.tree.path, "sub"))
    assert git(repo, "status", "--porcelain") == ""
    assert of(places, agent=replace(AGENT, workspace="sub")).cwd == str(Path(place.tree.path, "sub"))


def test_its_work_is_committed_without_hooks_by_quarterdeck(places, repo, git):
    hook = repo / ".git" / "hooks" / "pre-commit"
    hook.write_text("#!/bin/sh\ntouch hooked; exit 1\n")
    hook.chmod(0o755)
    place = of(places)
    tree = Path(place.tree.path)
    (tree / "new").write_text("x\n")
    (tree / "here").unlink()
    (tree / "ignored").write_text("x\n")
    branch, head = commit(places, place, "one: attempt 1 succeeded\n\n# kept\n")
    assert branch == f"quarterdeck/{RUN}/one"
    assert git(repo, "rev-parse", branch) == head
    assert git(repo, "log", "-1", "--format=%an <%ae>", branch) == "quarterdeck <quarterdeck@localhost>"
    assert git(repo, "log", "-1", "--format=%B", branch) == "one: attempt 1 succeeded\n\n# kept"
    assert git(repo, "diff", "--name-status", "main", branch).split() == ["D", "here", "A", "new"]
    assert not (tree / "hooked").exists()
    assert commit(places, place) == (branch, head)  # there is nothing new
    assert list((places._folder.bundles).iterdir())


def test_its_author_is_the_person_where_there_is_one(places, repo, git):
    git(repo, "config", "user.name", "Ann")
    git(repo, "config", "user.email", "ann@example.org")
    place = of(places)
    Path(place.tree.path, "new").write_text("x\n")
    branch, _ = commit(places, place)
    assert git(repo, "log", "-1", "--format=%an", branch) == "Ann"


def test_nothing_done_is_no_branch(places, repo, git):
    place = of(places)
    assert commit(places, place) == ("", "")
    assert asyncio.run(places.leave(place)) == ""
    assert not Path(place.tree.path).exists()
    assert git(repo, "branch", "--list", "quarterdeck/*") == ""


def test_a_worktree_is_left_only_where_nothing_is_lost(places, repo, git):
    place = of(places)
    tree = Path(place.tree.path)
    (tree / "new").write_text("x\n")
    assert "1 uncommitted file (new)" in asyncio.run(places.leave(place))
    branch, head = commit(places, place)
    (tree / "inside").mkdir()
    git(tree / "inside", "init", "--quiet")
    git(tree / "inside", "commit", "--quiet", "--allow-empty", "-m", "mine")
    assert tree.exists()
    commit(places, place)
    assert "repositories inside" in asyncio.run(places.leave(place))
    git(tree, "rm", "--quiet", "--cached", "-f", "inside")
    subprocess.run(["rm", "-rf", tree / "inside"], check=True)
    branch, head = commit(places, place)
    assert asyncio.run(places.leave(place)) == ""
    assert not tree.exists()
    assert git(repo, "rev-parse", branch) == head


def test_what_a_killed_git_left_is_no_hindrance(places, git):
    place = of(places)
    tree = Path(place.tree.path)
    (tree / "new").write_text("x\n")
    (tree / git(tree, "rev-parse", "--git-path", "index.lock")).touch()
    (tree / git(tree, "rev-parse", "--git-path", f"refs/heads/{place.tree.branch}.lock")).touch()
    branch, _ = commit(places, place)
    assert branch


def test_an_agent_that_left_its_branch_loses_nothing(places, repo, git):
    place = of(places)
    tree = Path(place.tree.path)
    git(tree, "checkout", "--quiet", "--detach")
    (tree / "new").write_text("x\n")
    branch, head = commit(places, place)
    assert branch == f"quarterdeck/{RUN}/one-{head[:8]}"
    assert git(repo, "rev-parse", branch) == head


def test_a_step_goes_on_where_the_one_it_needs_ended(places, repo, git):
    first = of(places)
    Path(first.tree.path, "new").write_text("x\n")
    branch, head = commit(places, first)
    done = {"one": StepResult(key="one", outcome=Outcome.SUCCEEDED, branch=branch, commit=head)}
    second = of(places, step("two", needs=("one",)), results=done)
    assert Path(second.tree.path, "new").exists()
    assert second.tree.base == head
    assert commit(places, second) == ("", "")
    Path(second.tree.path, "more").write_text("x\n")
    branch, head = commit(places, second)
    assert git(repo, "diff", "--name-only", "main", branch).split() == ["more", "new"]
    assert of(places, step("two", needs=("one",)), results=done) == second


def test_a_step_goes_on_from_the_branch_that_holds_all_others(places, repo, git):
    results = {}
    for key, needs in (("one", ()), ("two", ("one",)), ("aside", ())):
        place = of(places, step(key, needs=needs), results=results)
        Path(place.tree.path, key).write_text("x\n")
        branch, head = commit(places, place)
        results[key] = StepResult(key=key, outcome=Outcome.SUCCEEDED, branch=branch, commit=head)
    both = of(places, step("three", needs=("one", "two")), results=results)
    assert both.tree.base == results["two"].commit
    assert {"one", "two"} < {path.name for path in Path(both.tree.path).iterdir()}
    with pytest.raises(Refused, match="it needs two, aside, and no branch of these holds the work of all others"):
        of(places, step("four", needs=("two", "aside")), results=results)


def test_places_that_cannot_be(places, repo, git, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    plan = RunPlan(name="t", workspace=str(empty), steps=())
    with pytest.raises(Refused, match="not in a git repository"):
        of(Places(plan, RunFolder(tmp_path / "r", RUN), tmp_path / "w", Settings()))
    git(empty, "init", "--quiet")
    with pytest.raises(Refused, match="no commit yet"):
        of(Places(plan, RunFolder(tmp_path / "r", RUN), tmp_path / "w", Settings()))


def test_a_setup_that_fails_leaves_nothing(places, repo, git, tmp_path):
    plan = RunPlan(name="t", workspace=str(repo), steps=())
    made = Places(plan, RunFolder(tmp_path / "r", RUN), tmp_path / "w", Settings(setup="echo no luck; exit 1"))
    with pytest.raises(QuarterdeckError, match="no luck"):
        of(made)
    assert git(repo, "branch", "--list", "quarterdeck/*") == ""


def test_many_at_once_in_one_repository(places, repo):
    async def all_at_once():
        return await asyncio.gather(*(places.of(step(f"s{n}"), AGENT, {}, {}) for n in range(8)))

    found = asyncio.run(all_at_once())
    assert len({place.cwd for place in found}) == 8
