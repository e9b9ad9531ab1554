"""Agents in a run: checked, corrected, limited, stopped. The agent is scripted, but a real program with a real API."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines import codec
from pipelines.folder import RunFolder, new_run_id
from pipelines.model import AgentPlan, Budget, Outcome, Retry, RunEvent, RunPlan, RunResult, StepPlan, Verify
from pipelines.run import Brake, RunOptions, carry_out, go_on
from quarterdeck.clock import SystemClock
from quarterdeck.paths import Paths
from sessions.store import Store
from sessions.trust import digest
from tests.pipelines.runner.conftest import carried_out
from tests.support import polling
from tests.support.runs import Rig, rig

RUN_CHILD = Path(__file__).parents[2] / "support" / "run_child.py"

S, F = Outcome.SUCCEEDED, Outcome.FAILED
KEYS = ("ANTHROPIC_API_KEY",)


class Work:
    """Runs of steps with the agent ``worker``."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.events: list[RunEvent] = []
        self.brake = Brake()
        self.when: dict[str, Any] = {}
        self.folder = RunFolder.of(Paths(rig.state), new_run_id(datetime.now(UTC)))

    def plan(self, *steps: StepPlan, agent: dict[str, Any] | None = None, **changed: Any) -> RunPlan:
        worker = AgentPlan(name="worker", profile="scripted", secrets=KEYS, **(agent or {}))
        return RunPlan(name="t", workspace=str(self.rig.work), steps=steps, agents={"worker": worker}, **changed)

    def _tell(self, event: RunEvent) -> None:
        self.events.append(event)
        if event.kind in self.when:
            self.when[event.kind](event)

    def options(self) -> RunOptions:
        return RunOptions(environ=self.rig.environ, brake=self.brake)

    def run(self, *steps: StepPlan, by: Any = carried_out, **changed: Any) -> RunResult:
        """By :func:`carry_out` where it is to be gone on with."""
        return asyncio.run(by(self.plan(*steps, **changed), self.folder, self._tell, self.options()))

    def go_on(self) -> RunResult:
        return asyncio.run(go_on(self.folder, self._tell, self.options()))


@pytest.fixture
def work() -> Iterator[Work]:
    with rig() as made:
        yield Work(made)
        made.gone()


def step(key: str = "work", prompt: str = "do it", **changed: Any) -> StepPlan:
    return StepPlan(key=key, name=key, agent="worker", prompt=prompt, **changed)


def bash(command: str, **more: Any) -> dict[str, Any]:
    return {"tool": "Bash", "input": {"command": command}, **more}


def test_what_verify_found_goes_back_until_it_is_content(work):
    work.rig.script(
        {"match": "not accepted", "moves": [bash("echo done > made"), {"text": "Mended."}]},
        {"match": "do it", "moves": [{"text": "I am done."}]},
    )
    result = work.run(step(verify=(Verify(command="cat made"), Verify(command="grep -q done made"))))
    made = result.steps[0]
    assert (made.outcome, made.message) == (S, "Mended.")
    assert [check.exit_code for check in made.attempts[0].checks] == [1, 2, 0, 0]
    assert "cat: made: No such file" in made.attempts[0].checks[0].output
    assert made.usage.turns
    assert made.usage.turns >= 2
    told = [one.text for one in work.events if one.kind == "verify.ended"]
    assert told == ["failed: exit status 1", "failed: exit status 2", "passed", "passed"]
    said, _ = [one for one in work.events if one.kind == "step.output" and "check" in one.data]
    assert "cat: made: No such file" in said.text, "a failed check is not mute"
    assert (said.data["check"], said.data["turn"]) == (1, 0)
    asked = "\n".join(str(one) for one in work.rig.model.requests())
    assert "This command must end with exit code 0, and ended with 1:" in asked
    assert "cat: made: No such file" in asked


def test_after_the_last_correction_it_has_failed(work):
    work.rig.script({"match": ".", "again": True, "moves": [{"text": "I am done."}]})
    result = work.run(step(verify=(Verify(command="echo no such luck; exit 4"),), corrections=1))
    made = result.steps[0]
    assert (made.outcome, made.reason) == (F, "verify failed: echo no such luck; exit 4 after 1 correction")
    assert [check.exit_code for check in made.attempts[0].checks] == [4, 4]
    assert result.exit_code == 10


def test_a_missing_output_and_a_slow_check_go_back_too(work):
    work.rig.script({"match": ".", "again": True, "moves": [{"text": "I am done."}]})
    made = work.run(
        step(verify=(Verify(command="sleep 100", timeout=0.3),), outputs=("report.md",), corrections=1)
    ).steps[0]  # fmt: skip
    assert made.outcome is F
    assert made.attempts[0].checks[0].exit_code == 124
    asked = "\n".join(str(one) for one in work.rig.model.requests())
    assert "An output is missing: report.md." in asked
    assert "ended with 124" in asked


def test_a_used_up_budget_ends_the_program(work):
    work.rig.script({"match": "do it", "again": True, "moves": [bash("true", usage=[400, 100])]})
    result = work.run(step(budget=Budget(tokens=2000)), step("next", needs=("work",)))
    made = result.steps[0]
    assert (made.outcome, result.exit_code) == (Outcome.OVER_BUDGET, 11)
    assert made.reason.startswith("used up: tokens of step work: ")
    assert made.usage.tokens_in
    assert made.usage.tokens_in > 0
    assert [one.text for one in work.events if one.kind == "budget.warning"]
    assert work.rig.processes() == []


def test_a_budget_of_time_needs_nobody_to_report(work):
    work.rig.script({"match": ".", "moves": [{"hang": True}]})
    result = work.run(step("a"), step("b"), budget=Budget(seconds=2.0), concurrency=2)
    assert {one.outcome for one in result.steps} == {Outcome.OVER_BUDGET}
    assert result.reason.startswith("used up: time of the run")
    assert result.usage.seconds >= 2.0


def test_nothing_begins_on_an_empty_budget(work):
    work.rig.script({"match": ".", "moves": [{"text": "Done."}]})
    result = work.run(
        step("a"),
        step("b", needs=("a",), when="always()"),
        agent={"budget": Budget(turns=1)},
        concurrency=1,
    )
    assert [one.outcome for one in result.steps] == [S, Outcome.OVER_BUDGET]
    assert result.steps[1].reason == "nothing is left: turns of agent worker: 1 of 1"


def test_a_stopped_agent_goes_on_in_its_conversation(work):
    work.rig.script(
        {"match": "do it", "moves": [bash("echo once >> done"), {"hang": True, "times": 1}]},
        {"match": "interrupted", "moves": [bash("echo twice >> done"), {"text": "All done."}]},
    )

    def stop(_: RunEvent) -> None:
        work.brake.stop(Outcome.INTERRUPTED, "stopped by a person")

    work.when["agent.tool"] = stop
    assert work.run(step(), by=carry_out).outcome is Outcome.INTERRUPTED
    assert work.rig.processes() == []
    work.when.clear()
    work.brake = Brake()
    result = work.go_on()
    assert (result.outcome, result.steps[0].message) == (S, "All done.")


def test_its_work_is_committed_to_a_branch(work):
    work.rig.repository()
    work.rig.script({"match": "do it", "moves": [bash("echo new > file; echo x > .hidden"), {"text": "Done."}]})
    result = work.run(step(), agent={"worktree": True})
    made = result.steps[0]
    assert made.outcome is S
    assert made.branch == f"quarterdeck/{result.run_id}/work"
    assert not (work.rig.work / "file").exists()


def killed(work: Work, plan: RunPlan, kind: str, *words: str, path: str = "") -> None:
    """The run in a process of its own, killed where it tells an event of this kind or a file says so."""
    (work.rig.home / "plan.json").write_text(json.dumps(codec.dump_plan(plan)))
    environ = work.rig.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    if path:
        environ["PATH"] = f"{path}:{environ['PATH']}"
    child = subprocess.Popen(
        [sys.executable, RUN_CHILD, work.rig.home, work.folder.run_id, "new", *words],
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        assert any(json.loads(line).get("kind") == kind for line in child.stdout)
        if path:
            polling.until(lambda: (work.rig.work / "stuck").exists(), "it is where it is to be killed")
    finally:
        child.kill()
        child.communicate()


def test_killed_while_its_work_was_checked(work):
    work.rig.script({"match": ".", "moves": [bash("echo once >> tries"), {"text": "Done."}]})
    checks = (Verify(command="echo checked >> checks; test -e go"),)
    plan = work.plan(step(verify=checks, corrections=0))
    work.folder = RunFolder.of(Paths(work.rig.home / "s"), work.folder.run_id)
    killed(work, plan, "verify.started", "slow=verify.started")
    (work.rig.work / "go").touch()
    result = work.go_on()
    assert result.outcome is S
    assert (work.rig.work / "tries").read_text() == "once\n"
    assert (work.rig.work / "checks").read_text() == "checked\n"
    assert result.steps[0].usage.turns


def test_killed_while_its_work_was_committed(work):
    work.rig.repository()
    work.rig.script({"match": ".", "moves": [bash("echo once >> tries"), {"text": "Done."}]})
    git = work.rig.home / "slow" / "git"
    git.parent.mkdir()
    real = shutil.which("git", path=work.rig.environ["PATH"])
    stuck = f'touch "$(git rev-parse --git-path index.lock)" {work.rig.work}/stuck; exec sleep 1000'
    git.write_text(f'#!/bin/sh\nPATH=${{PATH#*:}}\ncase " $* " in *" commit "*) {stuck} ;; esac\nexec {real} "$@"\n')
    git.chmod(0o755)
    work.folder = RunFolder.of(Paths(work.rig.home / "s"), work.folder.run_id)
    killed(work, work.plan(step(), agent={"worktree": True}), "agent.message", path=str(git.parent))
    made = work.go_on().steps[0]
    assert (made.outcome, made.branch) == (S, f"quarterdeck/{work.folder.run_id}/work")
    shown = subprocess.run(
        ["git", "show", f"{made.commit}:tries"], cwd=work.rig.work, capture_output=True, text=True, check=True
    )
    assert shown.stdout == "once\n"
    work.rig.end()  # the git that was to be killed, too


def test_an_attempt_that_failed_is_tried_again_with_a_new_conversation(work):
    work.rig.script({"match": "do it", "moves": [bash("echo x >> tries"), {"text": "Done."}]})
    made = work.run(
        step(verify=(Verify(command='test "$(wc -l < tries)" -ge 2'),), corrections=0, retry=Retry(times=2, pause=0.01))
    ).steps[0]
    assert made.outcome is S
    assert [one.outcome for one in made.attempts] == [F, S]
    assert len({one.reason for one in made.attempts}) == 2


def test_what_a_workspace_brings_is_used_only_where_it_is_trusted(work):
    work.rig.script({"match": ".", "moves": [{"text": "Done."}]})
    theirs = work.rig.work / ".quarterdeck" / "profiles"
    theirs.mkdir(parents=True)
    mine = (work.rig.config / "profiles" / "scripted.toml").read_text()
    (theirs / "other.toml").write_text(mine.replace('name = "scripted"', 'name = "other"'))

    async def trusted_by_the_person() -> None:
        paths = Paths(work.rig.state)
        paths.prepare()
        async with Store.open(paths, SystemClock()) as store:
            await store.trust(str(work.rig.work), digest(work.rig.work))

    plan = replace(work.plan(step()), agents={"worker": AgentPlan(name="worker", profile="other", secrets=KEYS)})
    result = asyncio.run(carried_out(plan, work.folder, work.events.append, work.options()))
    assert (result.outcome, "'other'" in result.steps[0].reason) == (F, True)
    work.folder = RunFolder.of(Paths(work.rig.state), new_run_id(datetime.now(UTC)))
    trusting = replace(work.options(), trust=True)
    assert asyncio.run(carried_out(plan, work.folder, work.events.append, trusting)).outcome is S
    asyncio.run(trusted_by_the_person())
    work.folder = RunFolder.of(Paths(work.rig.state), new_run_id(datetime.now(UTC)))
    assert asyncio.run(carried_out(plan, work.folder, work.events.append, work.options())).outcome is S
