import json
import os
import signal
import subprocess

from pipelines.discard import discard
from pipelines.folder import RunFolder
from quarterdeck.paths import Paths


def git(*words):
    return subprocess.run(["git", *map(str, words)], check=True, capture_output=True, text=True).stdout


def test_a_run_is_deleted_with_its_worktrees_and_its_branches_stay(tmp_path):
    paths = Paths(tmp_path / "home")
    work = tmp_path / "work"
    work.mkdir()
    git("init", "-q", work)
    person = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    git("-C", work, *person, "commit", "-q", "--allow-empty", "-m", "first")
    mine, other = (RunFolder.of(paths, f"20260314-15305{n}-4f1c2b") for n in (0, 1))
    for folder in (mine, other):
        folder.home.mkdir(parents=True)
        folder.plan.write_text(json.dumps({"workspace": str(work)}))
        git("-C", work, "worktree", "add", "-q", "-b", f"own-{folder.run_id}", folder.state.worktrees / "a")
        tree = paths.worktrees / f"{folder.run_id}-a"
        git("-C", work, "worktree", "add", "-q", "-b", f"attached-{folder.run_id}", tree)
    discard(mine)
    assert not mine.home.exists()
    assert other.home.exists()
    known = git("-C", work, "worktree", "list")
    assert mine.run_id not in known
    assert known.count(other.run_id) >= 2
    assert f"own-{mine.run_id}" in git("-C", work, "branch")
    assert f"attached-{mine.run_id}" in git("-C", work, "branch")


def test_a_folder_without_a_plan_is_deleted_all_the_same(tmp_path):
    folder = RunFolder.of(Paths(tmp_path), "20260314-153059-4f1c2b")
    folder.home.mkdir(parents=True)
    discard(folder)
    assert not folder.home.exists()


def test_what_still_runs_of_it_is_ended_first(tmp_path):
    folder = RunFolder.of(Paths(tmp_path), "20260314-153059-4f1c2b")
    folder.home.mkdir(parents=True)
    environ = {"PATH": os.environ["PATH"], "QUARTERDECK_SESSION": folder.run_id}
    with subprocess.Popen(["sleep", "1000"], env=environ) as left:
        discard(folder)
        assert left.poll() == -signal.SIGTERM
    assert not folder.home.exists()
