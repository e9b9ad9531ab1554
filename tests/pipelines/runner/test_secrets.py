"""A secret whose name does not look like one leaves a run nowhere, wherever it comes from."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from pipelines import codec, report
from pipelines.folder import RunFolder, new_run_id
from pipelines.model import AgentPlan, AnalysisPlan, Drive, Outcome, RunEvent, RunPlan, StepPlan, Verify
from pipelines.report.junit import junit
from pipelines.report.result import result_json
from pipelines.run import RunOptions
from quarterdeck.paths import Paths
from tests.pipelines.runner.conftest import carried_out
from tests.support.runs import Rig, rig

NAME, VALUE = "FAVOURITE_COLOUR", "teal-and-vermilion"
SAYS = "say it"
MADE = VALUE.replace("-and-", "-${{ env.AND }}-")


@pytest.fixture
def runs() -> Iterator[Rig]:
    with rig() as made:
        words = f"It is {VALUE}."
        made.script(
            {"match": "failed", "moves": [{"text": words}]},
            {"match": SAYS, "moves": [{"tool": "Bash", "input": {"command": f"echo {VALUE}"}}, {"text": words}]},
        )
        yield made
        made.gone()


def plans(runs: Rig) -> dict[str, RunPlan]:
    """By where the secret comes from: the caller, one step's variables, made for one step out of other texts."""
    says = 'echo "$FAVOURITE_COLOUR"; echo "colour=$FAVOURITE_COLOUR" >> "$QUARTERDECK_OUTPUT"'
    check = Verify(command=f"echo {VALUE}; false")
    steps = [
        StepPlan(key="says", name="says", run=says),
        StepPlan(key="checked", name="c", run="true", verify=(check,)),
    ]
    for drive in Drive:
        steps.append(StepPlan(key=drive.value, name="agent", agent=drive.value, prompt=SAYS))
    agents = {
        one.value: AgentPlan(
            name=one.value,
            profile="scripted",
            drive=one,
            secrets=("ANTHROPIC_API_KEY",),
            args=("--permission-mode", "auto"),
        )
        for one in Drive
    }
    plan = RunPlan(
        name="t",
        workspace=str(runs.work),
        steps=tuple(steps),
        agents=agents,
        analysis=AnalysisPlan(agent=Drive.HEADLESS.value),
        keep_going=True,
        secrets=(NAME,),
        environ={"AND": "and"},
    )

    def on_step(value: str) -> RunPlan:
        return replace(plan, steps=(replace(steps[0], environ={NAME: value}), *steps[1:]))

    # what is made of others is known once its step begins, so that one comes first
    return {"caller": plan, "step": on_step(VALUE), "made": replace(on_step(MADE), concurrency=1)}


@pytest.mark.parametrize("source", ["caller", "step", "made"])
def test_it_leaves_the_run_nowhere(runs: Rig, source: str) -> None:
    plan = plans(runs)[source]
    environ = runs.environ | ({NAME: VALUE} if source == "caller" else {})
    events: list[RunEvent] = []
    folder = RunFolder.of(Paths(runs.state), new_run_id(datetime.now(UTC)))
    kept = runs.home / "kept"
    options = RunOptions(environ=environ, evidence=kept)
    result = asyncio.run(carried_out(plan, folder, events.append, options))
    outcomes = {step.key: step.outcome for step in result.steps}
    assert outcomes == {"says": "succeeded", "checked": "failed", "headless": "succeeded", "terminal": "succeeded"}, [
        (step.key, step.reason) for step in result.steps
    ]
    assert next(step for step in result.steps if step.key == "checked").analysis is not None
    left: dict[str, Any] = {
        "result": json.dumps(codec.dump_result(result)),
        "events": str(events),
        "junit": junit(result, plan).decode(),
        "summary": report.summary(result, plan),
        "json": json.dumps(result_json(result, plan)),
        "annotations": str(report.annotations(result, plan)),
        "told": folder.events.read_text(),
    }
    left |= {str(path): path.read_text(errors="replace") for path in kept.rglob("*") if path.is_file()}
    assert len(left) > 12, "there is evidence"
    assert [name for name, text in left.items() if VALUE in text] == []
    assert result.steps[0].message == f"[redacted: {NAME}]"
    assert result.outcome is Outcome.FAILED


def test_one_that_is_broken_over_lines_is_masked_wherever_the_log_masks_it(runs: Rig) -> None:
    run = 'printf %s "$FAVOURITE_COLOUR" | fold -w 5; echo; printf %s "$FAVOURITE_COLOUR" | base64 -w 6; exit 1'
    steps = (StepPlan(key="says", name="says", run=run),)
    plan = RunPlan(name="t", workspace=str(runs.work), steps=steps, secrets=(NAME,))
    folder = RunFolder.of(Paths(runs.state), new_run_id(datetime.now(UTC)))
    kept = runs.home / "kept"
    events: list[RunEvent] = []
    options = RunOptions(environ=runs.environ | {NAME: VALUE}, evidence=kept)
    result = asyncio.run(carried_out(plan, folder, events.append, options))
    coded = b64encode(VALUE.encode()).decode()
    pieces = [VALUE[at : at + 5] for at in range(0, len(VALUE) - 4, 5)]
    pieces += [coded[at : at + 6] for at in range(0, len(coded) - 6, 6)]
    left = {
        "log": (kept / result.steps[0].log).read_text(),
        "told": "".join(event.text for event in events),
        "result": json.dumps(result_json(result, plan)),
        "junit": junit(result, plan).decode(),
        "summary": report.summary(result, plan),
    }
    assert [(name, one) for name, text in left.items() for one in pieces if one in text] == []
    assert all(f"[redacted: {NAME}]" in text for text in left.values())
