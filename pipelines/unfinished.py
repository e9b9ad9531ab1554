"""What is known of a run that its surroundings keep from going on: for the reports, which may lie elsewhere."""

from __future__ import annotations

import time
from collections.abc import Container, Mapping

from pipelines import money, schedule
from pipelines.model import Outcome, RunPlan, RunResult, StepResult
from quarterdeck.errors import QuarterdeckError
from quarterdeck.text import safe


def unfinished(
    plan: RunPlan,
    run_id: str,
    error: QuarterdeckError,
    *,
    known: Mapping[str, StepResult] | None = None,
    begun: Container[str] = (),
    began_ns: int = 0,
    resumed: int = 0,
) -> RunResult:
    """The result up to ``error``, with its exit code. It is no result of the run, which may be gone on with.

    ``known`` are the steps that have ended, by key; of those in ``begun`` nobody can say what they came to.
    """
    known = known or {}
    why = safe(error.message, 1000)
    missing = {
        step.key: StepResult(key=step.key, outcome=Outcome.INTERRUPTED, reason=why)
        if step.key in begun
        else StepResult(key=step.key, outcome=Outcome.SKIPPED, reason=f"not begun: {why}")
        for step in plan.steps
        if step.key not in known
    }
    steps = tuple(known.get(step.key) or missing[step.key] for step in plan.steps)
    now = time.time_ns()
    return RunResult(
        run_id=run_id,
        name=plan.name,
        outcome=schedule.outcome(steps, Outcome.INTERRUPTED if missing else None),
        exit_code=error.exit_code,
        started_ns=began_ns or now,
        ended_ns=now,
        steps=steps,
        usage=money.add(one.usage for one in steps),
        reason=why,
        resumed=resumed,
    )
