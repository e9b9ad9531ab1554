"""What has changed, by a real git."""

import os
import subprocess
import time

import pytest

from pipelines.evidence import changes
from quarterdeck.errors import Refused


@pytest.fixture
def git(tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text("[user]\nname = Ann\nemail = ann@example.org\n[init]\ndefaultBranch = main\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)

    def run(*arguments, date=""):
        environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_DIR")}
        environ |= {"GIT_COMMITTER_DATE": date, "GIT_AUTHOR_DATE": date} if date else {}
        done = subprocess.run(
            ["git", *arguments], cwd=tmp_path / "work", env=environ, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    return run


@pytest.fixture
def work(tmp_path, git):
    folder = tmp_path / "work"
    folder.mkdir()
    git("init", "-q")
    (folder / "old.txt").write_text("one\ntwo\n")
    (folder / "gone.txt").write_text("x\n")
    (folder / ".gitignore").write_text("*.ignored\n")
    git("add", ".")
    git("commit", "-qm", "first", date="@1700000000 +0000")
    return folder


NOW = 1_800_000_000 * 10**9
LATER = "@1800000100 +0000"


async def test_commits_changes_and_new_files_are_in_it(work, git):
    (work / "old.txt").write_text("one\n2\n")
    git("commit", "-qam", "second", date=LATER)
    (work / "gone.txt").unlink()
    (work / "sub").mkdir()
    (work / "sub" / "new file.txt").write_text("new\n")
    (work / "binary.bin").write_bytes(b"\0\1\2" * 100)
    (work / "x.ignored").write_text("no")
    before = (work / ".git" / "index").read_bytes()
    patch = (await changes.patch(work / "sub", NOW)).decode()
    assert "-two\n+2\n" in patch
    assert "deleted file mode" in patch
    assert "+++ b/sub/new file.txt" in patch
    assert "+new\n" in patch
    assert "Binary files /dev/null and b/binary.bin differ" in patch
    assert "4 files changed" in patch
    assert "ignored" not in patch
    assert (work / ".git" / "index").read_bytes() == before
    assert "sub/" in git("status", "--porcelain")


async def test_what_was_committed_before_it_began_is_not(work, git):
    (work / "old.txt").write_text("changed before\n")
    git("commit", "-qam", "before", date="@1799999000 +0000")
    assert await changes.patch(work, NOW) == b""
    first = git("rev-parse", "HEAD~1")
    assert b"changed before" in await changes.patch(work, NOW, first)


async def test_a_repository_without_a_commit_has_everything_new(tmp_path, git):
    work = tmp_path / "work"
    work.mkdir()
    git("init", "-q")
    (work / "a.txt").write_text("a\n")
    assert b"+a\n" in await changes.patch(work, time.time_ns())


async def test_no_repository_no_patch(tmp_path):
    assert await changes.patch(tmp_path, NOW) == b""


async def test_programs_that_the_repository_names_are_not_run(work, git, tmp_path):
    touched = tmp_path / "touched"
    git("config", "diff.external", f"touch {touched}")
    git("config", "diff.x.textconv", f"touch {touched};")
    git("config", "core.fsmonitor", f"touch {touched}")
    (work / ".gitattributes").write_text("*.txt diff=x\n")
    (work / "old.txt").write_text("changed\n")
    assert b"+changed" in await changes.patch(work, NOW)
    assert not touched.exists()


async def test_a_damaged_repository_is_told(work):
    (work / ".git" / "objects" / "pack").rmdir()
    for folder in (work / ".git" / "objects").iterdir():
        if len(folder.name) == 2:
            for file in folder.iterdir():
                file.unlink()
    with pytest.raises(Refused, match="cannot be told"):
        await changes.patch(work, NOW)


async def test_of_a_worktree_what_it_was_made_at_is_the_beginning(work, git, tmp_path):
    """All in one second: made, begun, committed."""
    tree = tmp_path / "tree"
    began = time.time_ns()
    git("worktree", "add", "-q", "-b", "quarterdeck/x", str(tree))
    (tree / "work.txt").write_text("done\n")
    git("-C", str(tree), "add", ".")
    git("-C", str(tree), "commit", "-qm", "work")
    (tree / "rest.txt").write_text("left\n")
    patch = (await changes.patch(tree, began)).decode()
    assert "+done\n" in patch
    assert "+left\n" in patch
    assert "old.txt" not in patch


async def test_what_was_changed_in_an_earlier_life_counts_from_the_first_beginning(work, git):
    (work / "old.txt").write_text("2\n")
    git("commit", "-qam", "second", date="@1800000050 +0000")
    (work / "old.txt").write_text("3\n")
    git("commit", "-qam", "third", date="@1800009000 +0000")
    patch = (await changes.patch(work, NOW)).decode()
    assert "-one\n-two\n+3\n" in patch


async def test_what_a_run_keeps_apart_is_in_no_patch(work):
    for name in ("new.txt", "reports/junit.xml", "state/state.db", "odd*.xml", "odd1.xml"):
        (work / name).parent.mkdir(exist_ok=True)
        (work / name).write_text("x\n")
    apart = [work / "reports" / "junit.xml", work / "state", work / "odd*.xml", work, work.parent / "elsewhere"]
    patch = (await changes.patch(work, NOW, apart=apart)).decode()
    assert "b/new.txt" in patch
    assert "b/odd1.xml" in patch
    assert not any(name in patch for name in ("junit.xml", "state.db", "odd*.xml"))
