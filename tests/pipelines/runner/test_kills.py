"""kill -9 of a run at every stage, then gone on with: what was done is not repeated, what was not is."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

from pipelines.folder import RunFolder
from pipelines.model import Outcome, Retry
from tests.support import polling

S = Outcome.SUCCEEDED
WAIT = "until test -e go; do sleep 0.01; done"
"""A command goes on when the test says so."""


def written(bench, name="done", count=1):
    polling.until(lambda: len(bench.lines(name)) >= count, f"{name} has {count} lines")


def holder_of(folder, pid):
    """The pid of the holder of this program, 0 where none has written it down yet."""
    held = [json.loads(path.read_text()) for path in folder.state.agents.glob("*/holder.json")]
    return next((one["pid"] for one in held if (one.get("child") or [0])[0] == pid), 0)


def test_a_command_that_runs_is_adopted(bench, command):
    folder = bench.folder()
    plan = bench.plan(
        command("first", "echo first >> done"),
        command("long", f"echo $$ >> pids; echo began; {WAIT}; echo long >> done; echo x=1 >> $QUARTERDECK_OUTPUT"),
        concurrency=1,
    )
    child = bench.child(plan, folder)
    child.until("step.output", "long")
    written(bench, "pids")
    child.kill()
    pid = int(bench.lines("pids")[0])
    os.kill(pid, 0)  # it goes on
    bench.on["step.started"] = lambda _: (bench.work / "go").touch()
    result = bench.go_on(folder)
    assert (result.outcome, result.resumed) == (S, 1)
    assert bench.lines() == ["first", "long"]
    assert bench.lines("pids") == [str(pid)]
    assert result.steps[1].outputs["x"] == "1"
    assert result.steps[1].message == "began"
    assert result.started_ns < result.steps[0].ended_ns
    assert [one.step for one in bench.events if one.data.get("before")] == ["first"]


def test_a_command_that_ended_meanwhile_is_not_repeated(bench, command):
    folder = bench.folder()
    child = bench.child(bench.plan(command("one", f"echo began; {WAIT}; echo one >> done; exit 7")), folder)
    child.until("step.output")
    child.kill()
    (bench.work / "go").touch()
    written(bench)
    polling.until(lambda: not bench.left(), "the command has ended")
    result = bench.go_on(folder)
    assert bench.lines() == ["one"]
    assert result.steps[0].attempts[0].exit_code == 7


def test_killed_at_every_stage(bench, command):
    """One run, killed again and again."""
    folder = bench.folder()
    again = 'echo try >> done; test "$(grep -c try done)" -ge 2'
    plan = bench.plan(
        command("one", "echo one >> done; echo said"),
        command("two", again, needs=("one",), retry=Retry(times=1, pause=1.0)),
        command("three", "echo three >> done", needs=("two",)),
        concurrency=1,
    )

    def killed(given, stage, step=""):
        child = bench.child(given, folder, f"slow={stage}")
        child.until(stage, step)
        polling.until(lambda: not bench.left(), "no command runs")
        child.kill()
        return bench.lines()

    assert killed(plan, "run.started") == []
    assert killed(None, "step.started", "one") == []
    assert killed(None, "step.output", "one") == ["one"], "between its end and its record"
    assert killed(None, "step.ended", "one") == ["one"], "after its record"
    assert killed(None, "step.retry", "two") == ["one", "try"], "in the pause before another attempt"
    result = bench.go_on(folder)
    assert (result.outcome, result.resumed) == (S, 5)
    assert bench.lines() == ["one", "try", "try", "three"]
    assert result.steps[0].message == "said"
    assert [one.number for one in result.steps[1].attempts] == [1, 2]


def test_a_command_that_was_cut_off_is_begun_again(bench, command):
    """Its lease ran out, then its holder was killed, too: it never came to its end."""
    folder = bench.folder()
    hand_on = "echo 'x<<END' >> $QUARTERDECK_OUTPUT"
    text = f"trap 'echo hup >> ends; exit 0' HUP; {hand_on}; echo $$ >> pids; echo began; {WAIT}; echo one >> done"
    text += "; (echo 1; echo END) >> $QUARTERDECK_OUTPUT"
    child = bench.child(bench.plan(command("one", text)), folder, "lease=0.5")
    child.until("step.output")
    child.kill()
    polling.until(lambda: not bench.left(), "the command has ended with its lease")
    assert bench.lines("ends") == ["hup"]
    child = bench.child(None, folder)
    written(bench, "pids", 2)
    holder = polling.until(lambda: holder_of(folder, int(bench.lines("pids")[1])), "its holder says so")
    child.kill()
    os.kill(holder, 9)
    polling.until(lambda: not bench.left(), "the command has ended with its holder")
    assert bench.lines("ends") == ["hup", "hup"]
    (bench.work / "go").touch()
    result = bench.go_on(folder)
    assert (result.outcome, result.resumed, bench.lines()) == (S, 2, ["one"])
    assert result.steps[0].outputs["x"] == "1"
    assert len(bench.lines("pids")) == 3


def test_a_stopped_run_does_the_same_step_again(bench, command):
    folder = bench.folder()
    plan = bench.plan(
        command("one", "echo one >> done"),
        command("two", f"echo two >> begun; {WAIT}; echo two >> done", needs=("one",)),
        command("three", "echo three >> done", needs=("two",)),
        command("always", "echo always >> done", needs=("two",), when="always()"),
    )

    def stop(event):
        if event.step == "two":
            bench.brake.stop(Outcome.INTERRUPTED, "stopped by a person")

    bench.on["step.started"] = stop
    result = bench.run(plan, folder)
    assert (result.outcome, result.exit_code, result.reason) == (Outcome.INTERRUPTED, 130, "stopped by a person")
    ended = {step.key: (step.outcome, step.reason) for step in result.steps}
    assert ended["two"] == (Outcome.INTERRUPTED, "stopped by a person")
    assert ended["three"] == (Outcome.SKIPPED, "not begun: stopped by a person")
    assert bench.left() == []
    bench.on.clear()
    bench.brake.__init__()
    (bench.work / "go").touch()
    result = bench.go_on(folder)
    assert (result.outcome, result.resumed) == (S, 1)
    assert sorted(bench.lines()) == ["always", "one", "three", "two"]


def test_stopped_before_it_began(bench, command):
    bench.brake.stop(Outcome.INTERRUPTED, "stopped at once", 143)
    result = bench.run(bench.plan(command("one", "echo one >> done")))
    assert (result.outcome, result.exit_code) == (Outcome.INTERRUPTED, 143)
    assert bench.events[-1].data["exit_code"] == 143
    assert bench.lines() == []


def test_a_run_that_has_ended_stays_as_it_is(bench, command):
    folder = bench.folder()
    first = bench.run(bench.plan(command("one", "echo one >> done; exit 1")), folder)
    kept = {path: path.read_bytes() for path in folder.home.rglob("*") if path.is_file()}
    bench.events.clear()
    assert bench.go_on(folder) == first
    assert bench.lines() == ["one"]
    assert bench.told("note") == ["this run has ended before; nothing is done again"]
    assert {path: path.read_bytes() for path in folder.home.rglob("*") if path.is_file()} == kept
    (folder.home / "result.json").unlink()  # as on a machine that has only its database
    again = bench.go_on(folder)
    assert (again.steps, again.outcome, again.resumed) == (first.steps, Outcome.FAILED, 1)
    assert again.ended_ns <= first.ended_ns


def test_the_state_may_be_gone_but_for_what_was_done(bench, command):
    """On another machine there are no terminals: what was finished is known, what went on is done again."""
    folder = bench.folder()
    plan = bench.plan(
        command("one", "echo one >> done"),
        command("two", f"echo began; {WAIT}; echo two >> done", needs=("one",)),
    )
    child = bench.child(plan, folder)
    child.until("step.output", "two")
    child.kill()
    other = RunFolder(Path(bench.home, "o", "runs", folder.run_id), folder.run_id)
    other.home.mkdir(parents=True)
    for name in ("steps.db", "steps.db-wal"):
        if (folder.home / name).exists():
            shutil.copy(folder.home / name, other.home / name)
    (bench.work / "go").touch()
    polling.until(lambda: not bench.left(), "what went on over there has ended")
    (bench.work / "done").write_text("one\n")
    began = time.time_ns()
    result = bench.go_on(other)
    assert (result.outcome, bench.lines()) == (S, ["one", "two"])
    assert result.started_ns < began
