"""A budget stops an agent within a few answers, however fast it asks and whatever else goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from pipelines.folder import RunFolder, new_run_id
from pipelines.model import AgentPlan, Budget, Drive, Outcome, RunPlan, RunResult, StepPlan
from pipelines.run import RunOptions
from quarterdeck.paths import Paths
from tests.pipelines.runner.conftest import carried_out
from tests.support.runs import Rig, rig

AT_ONCE: dict[str, Any] = {"tool": "Sleep", "input": {"seconds": 0}}
ANSWERS = 28
"""Of 110 tokens each: with them 3,000 tokens are used up."""


@pytest.fixture
def runs() -> Iterator[Rig]:
    with rig() as made:
        made.script(
            {"match": "spend", "again": True, "moves": [AT_ONCE]},
            {"match": "deaf", "again": True, "moves": [{"tool": "Deaf", "input": {}}, AT_ONCE]},
            {"match": "flood", "moves": [{"tool": "Flood", "input": {"bytes": 4_000_000}}]},
        )
        yield made
        made.gone()


def spent(runs: Rig, prompt: str, drive: Drive, *, beside: int) -> RunResult:
    steps = [StepPlan(key="work", name="work", agent="worker", prompt=prompt, budget=Budget(tokens=3_000))]
    steps += [StepPlan(key=f"f{n}", name="f", agent="worker", prompt="flood") for n in range(beside)]
    worker = AgentPlan(name="worker", profile="scripted", drive=drive, secrets=("ANTHROPIC_API_KEY",))
    plan = RunPlan(
        name="t",
        workspace=str(runs.work),
        steps=tuple(steps),
        agents={"worker": worker},
        keep_going=True,
        concurrency=8,
    )
    folder = RunFolder.of(Paths(runs.state), new_run_id(datetime.now(UTC)))
    return asyncio.run(carried_out(plan, folder, lambda _: None, RunOptions(environ=runs.environ, keep_evidence=False)))


def asked(runs: Rig, prompt: str) -> int:
    """How often the model was asked for that."""
    return sum(prompt in str(request["messages"][0]) for request in runs.model.requests())


@pytest.mark.parametrize("drive", [Drive.HEADLESS, Drive.TERMINAL])
def test_one_that_asks_without_a_pause_is_stopped_beside_floods(runs: Rig, drive: Drive) -> None:
    result = spent(runs, "spend", drive, beside=2)
    assert [step.outcome for step in result.steps] == [Outcome.OVER_BUDGET, *[Outcome.SUCCEEDED] * 2]
    assert ANSWERS <= asked(runs, "spend") < 8 * ANSWERS


def test_one_that_hears_no_signal_has_no_time_to_spend_more(runs: Rig) -> None:
    result = spent(runs, "deaf", Drive.HEADLESS, beside=0)
    assert result.steps[0].outcome is Outcome.OVER_BUDGET
    assert asked(runs, "deaf") < 8 * ANSWERS
