import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines import runs
from pipelines.folder import RunFolder
from pipelines.holding import hold, holder
from pipelines.model import Outcome, RunPlan, RunResult, StepPlan
from pipelines.runs import State
from quarterdeck.errors import Broken, Invalid, NotFound, Refused
from quarterdeck.paths import Paths

FIRST, SECOND = "20260314-153059-4f1c2b", "20260315-000000-000000"
PLAN = RunPlan(name="nightly", workspace="/w", steps=(StepPlan(key="a", name="a", run="true"),))
HOLDER = """
import sys
from pathlib import Path
from pipelines.folder import RunFolder
from pipelines.holding import hold
from quarterdeck.paths import Paths

with hold(RunFolder.of(Paths(Path(sys.argv[1])), sys.argv[2])):
    print("held", flush=True)
    sys.stdin.read()
"""


def result(outcome: Outcome) -> RunResult:
    return RunResult(
        run_id=FIRST, name="nightly", outcome=outcome, exit_code=0, started_ns=1, ended_ns=2, steps=(), reason="ö\udc80"
    )


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "home")


@pytest.fixture
def folder(paths: Paths) -> RunFolder:
    return RunFolder.of(paths, FIRST)


@pytest.mark.parametrize("begun", [False, True])
def test_a_run_that_cannot_be_held_is_none(
    paths: Paths, folder: RunFolder, monkeypatch: pytest.MonkeyPatch, begun: bool
) -> None:
    def flock(handle: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    if begun:
        runs.keep_plan(folder, PLAN)
    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", flock)
        with pytest.raises(Broken, match="No locks available"), hold(folder):
            pass
    assert [one.state for one in runs.listed(paths)] == [State.INTERRUPTED] * begun


def test_one_process_holds_a_run_until_it_is_killed(paths: Paths, folder: RunFolder) -> None:
    command = [sys.executable, "-c", HOLDER, str(paths.home), FIRST]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(Refused, match=f"run {FIRST} goes on in process {process.pid}"), hold(folder):
            pass
        assert holder(folder) == process.pid
        assert runs.listed(paths)[0].state is State.RUNNING
        process.kill()
    assert holder(folder) is None
    with hold(folder):
        assert holder(folder) == os.getpid()
    assert holder(folder) is None


def test_plan_and_result_are_kept(folder: RunFolder) -> None:
    with pytest.raises(NotFound, match=FIRST):
        runs.kept_plan(folder)
    assert runs.kept_result(folder) is None
    runs.keep_plan(folder, PLAN)
    runs.keep_result(folder, result(Outcome.FAILED))
    assert runs.kept_plan(folder) == PLAN
    assert runs.kept_result(folder) == result(Outcome.FAILED)
    assert folder.plan.stat().st_mode & 0o777 == 0o600
    assert folder.home.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("damage", [b"{", b'{"version": 1}', b"[" * 100_000, b"\xff"])
def test_a_damaged_plan_is_told_and_listed(paths: Paths, folder: RunFolder, damage: bytes) -> None:
    runs.keep_plan(folder, PLAN)
    folder.plan.write_bytes(damage)
    with pytest.raises(Broken, match="damaged"):
        runs.kept_plan(folder)
    (one,) = runs.listed(paths)
    assert one.state is State.DAMAGED
    assert "damaged" in one.problem


def test_a_plan_that_cannot_be_written_is_told(folder: RunFolder) -> None:
    folder.plan.mkdir(parents=True)
    with pytest.raises(Broken, match="cannot write"):
        runs.keep_plan(folder, PLAN)


def test_runs_are_listed_with_how_they_stand(paths: Paths, folder: RunFolder) -> None:
    assert runs.listed(paths) == []
    second = RunFolder.of(paths, SECOND)
    runs.keep_plan(folder, PLAN)
    runs.keep_plan(second, PLAN)
    (paths.home / "runs" / "something else").mkdir()
    (paths.home / "runs" / "20260316-000000-000000").write_text("a file")
    assert [(one.run_id, one.state) for one in runs.listed(paths)] == [
        (SECOND, State.INTERRUPTED),
        (FIRST, State.INTERRUPTED),
    ]
    runs.keep_result(folder, result(Outcome.FAILED))
    runs.keep_result(second, result(Outcome.INTERRUPTED))
    with hold(second):
        newest, oldest = runs.listed(paths)
        assert (newest.state, newest.pid) == (State.RUNNING, os.getpid())
    assert runs.look(second).state is State.INTERRUPTED, "a person stopped it: it can be gone on with"
    assert (oldest.state, oldest.outcome, oldest.name, oldest.steps) == (State.ENDED, Outcome.FAILED, "nightly", 1)


def test_texts_of_a_plan_are_safe_to_show(paths: Paths, folder: RunFolder) -> None:
    runs.keep_plan(folder, RunPlan(name="\x1b[31mred", workspace="/w\n", steps=()))
    (one,) = runs.listed(paths)
    assert "\x1b" not in one.name
    assert "\n" not in one.workspace


def test_what_is_no_run_id_is_told(paths: Paths) -> None:
    with pytest.raises(Invalid, match="is not the id of a run"):
        RunFolder.of(paths, "../../etc")
