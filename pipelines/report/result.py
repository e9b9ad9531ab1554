"""The result as JSON, and the schemas of what programs read of a run.

``docs/run-result.schema.json`` and ``docs/run-events.schema.json`` are made from these models (``make run-schema``).
:data:`VERSION` changes when a key goes or changes its meaning, not when one is added.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

from pipelines.model import Analysis, Attempt, Fix, Outcome, RunPlan, RunResult, StepPlan, StepResult, Usage
from pipelines.report.words import moment, took

VERSION: Literal[1] = 1


def _sound(text: str) -> str:
    # names of files may hold what no JSON reader takes
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


Words = Annotated[str, BeforeValidator(_sound)]


class Shape(BaseModel):
    """An object that programs read: later versions may have further keys."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class UsageShape(Shape):
    """What was used. Null is unknown, not zero."""

    seconds: float
    """In which agents and commands worked, added up."""
    turns: int | None
    """Turns of agents."""
    tokens_in: int | None
    """Tokens that agents read."""
    tokens_out: int | None
    """Tokens that agents wrote."""
    cost: float | None
    """US dollars, as the agents report it."""


class CheckShape(Shape):
    """What a command of `verify` said."""

    command: Words
    """The command."""
    exit_code: int
    """0 when it was content."""
    seconds: float
    """How long it took."""
    output: Words
    """Its last lines."""


class AttemptShape(Shape):
    """One time the step was carried out."""

    number: int
    """Counts from 1."""
    outcome: Outcome
    """How it ended."""
    reason: Words
    """Why, in one sentence; empty where there is nothing to say."""
    started: Words
    """When it began, in UTC."""
    seconds: float
    """How long it took."""
    exit_code: int | None
    """Of its last program; null where there is none."""
    checks: list[CheckShape]
    """What `verify` said, in order."""


class EvidenceShape(Shape):
    """What was kept, as paths relative to the folder of the run's evidence; empty where there is none."""

    log: Words
    """What was printed, as text."""
    recording: Words
    """What was printed with its times, as an asciicast."""
    transcript: Words
    """The conversation, as the agent's own program wrote it down."""
    diff: Words
    """What has changed in the step's folder."""
    artifacts: list[Words]
    """Files that the step's patterns name."""
    unkept: list[Words]
    """What could not be kept, and why, one line each."""


class AnalysisShape(Shape):
    """What an agent or the API made of the failure of the step."""

    by: Words
    """Who."""
    text: Words
    """The explanation."""
    diff: Words
    """The proposed change as a unified diff; empty for none."""
    fix: Fix
    """What became of the change."""
    reason: Words
    """Why there is no explanation, or why the change was not kept."""


class StepShape(Shape):
    """A step and what came of it."""

    key: Words
    """The same in every run of the manifest: `tests` or `tests[os=linux]`."""
    name: Words
    """The step's name in the manifest."""
    line: int
    """Where the manifest says it; 0 where there is none."""
    agent: Words
    """The name of its agent; empty for a command."""
    profile: Words
    """The kind of its agent; empty for a command."""
    needs: list[Words]
    """Keys of the steps it waits for."""
    outcome: Outcome
    """How it ended."""
    reason: Words
    """Why, in one sentence; empty where there is nothing to say."""
    question: Words
    """What was asked that no rule allows."""
    message: Words
    """The agent's last words, or the last lines of a command."""
    started: Words
    """When it began, in UTC; empty where it never did."""
    ended: Words
    """When it ended, in UTC."""
    seconds: float
    """How long it took, all attempts and pauses together."""
    usage: UsageShape
    """What it used."""
    outputs: dict[Words, Words]
    """What it set for other steps."""
    branch: Words
    """The branch its work is on; empty where it has none."""
    commit: Words
    """The last commit of its work."""
    resume_id: Words
    """The agent's own name for the conversation."""
    attempts: list[AttemptShape]
    """Each time it was carried out."""
    evidence: EvidenceShape
    """What was kept of it."""
    analysis: AnalysisShape | None
    """Why it failed, and what would mend it; null where nobody was asked."""


class ResultShape(Shape):
    """What came of a run."""

    version: Literal[1]
    """Of this schema; further keys may come without a new one."""
    run_id: Words
    """The run's id."""
    name: Words
    """What the run is called."""
    source: Words
    """The manifest's file; empty for a run from the command line."""
    outcome: Outcome
    """The worst of its steps."""
    exit_code: int
    """Of the command."""
    reason: Words
    """Why, in one sentence; empty where there is nothing to say."""
    started: Words
    """When it began, in UTC."""
    ended: Words
    """When it ended, in UTC."""
    seconds: float
    """Between the two."""
    resumed: int
    """How often it was gone on with after it had been cut off."""
    usage: UsageShape
    """What all steps used."""
    steps: list[StepShape]
    """Its steps, each after those it needs."""


class EventShape(Shape):
    """One line of what happens in a run."""

    event: Words
    """What happened: `run.started`, `run.resumed`, `run.ended`, `step.started`, `step.output`, `step.retry`,
    `step.keeping` (its programs have ended, its evidence is made), `step.ended`, `agent.status`, `agent.message`,
    `agent.tool`, `approval.decided`, `verify.started`, `verify.ended`, `budget.warning`, `note`. Others may come."""
    run_id: Words
    """The run's id."""
    at: Words
    """When, in UTC."""
    step: Words = ""
    """The key of the step it concerns."""
    text: Words = ""
    """What to tell a person."""
    data: dict[str, Any] = {}
    """More of it, for programs."""


def result_json(result: RunResult, plan: RunPlan) -> dict[str, Any]:
    """The result as ``docs/run-result.schema.json`` describes it."""
    plans = {step.key: step for step in plan.steps}
    return ResultShape(
        version=VERSION,
        run_id=result.run_id,
        name=result.name,
        source=plan.source,
        outcome=result.outcome,
        exit_code=result.exit_code,
        reason=result.reason,
        started=moment(result.started_ns),
        ended=moment(result.ended_ns),
        seconds=took(result.started_ns, result.ended_ns),
        resumed=result.resumed,
        usage=_usage(result.usage),
        steps=[_step(step, plans.get(step.key), plan) for step in result.steps],
    ).model_dump(mode="json")


def _step(step: StepResult, planned: StepPlan | None, plan: RunPlan) -> StepShape:
    agent = planned.agent if planned else ""
    return StepShape(
        key=step.key,
        name=planned.name if planned else step.key,
        line=planned.line if planned else 0,
        agent=agent,
        profile=plan.agents[agent].profile if agent in plan.agents else "",
        needs=list(planned.needs) if planned else [],
        outcome=step.outcome,
        reason=step.reason,
        question=step.question,
        message=step.message,
        started=moment(step.started_ns),
        ended=moment(step.ended_ns),
        seconds=took(step.started_ns, step.ended_ns),
        usage=_usage(step.usage),
        outputs=dict(step.outputs),
        branch=step.branch,
        commit=step.commit,
        resume_id=step.resume_id,
        attempts=[_attempt(one) for one in step.attempts],
        evidence=EvidenceShape(
            log=step.log,
            recording=step.recording,
            transcript=step.transcript,
            diff=step.diff,
            artifacts=list(step.artifacts),
            unkept=list(step.unkept),
        ),
        analysis=_analysis(step.analysis) if step.analysis else None,
    )


def _analysis(one: Analysis) -> AnalysisShape:
    return AnalysisShape(by=one.by, text=one.text, diff=one.diff, fix=one.fix, reason=one.reason)


def _attempt(attempt: Attempt) -> AttemptShape:
    return AttemptShape(
        number=attempt.number,
        outcome=attempt.outcome,
        reason=attempt.reason,
        started=moment(attempt.started_ns),
        seconds=took(attempt.started_ns, attempt.ended_ns),
        exit_code=attempt.exit_code,
        checks=[
            CheckShape(command=one.command, exit_code=one.exit_code, seconds=one.seconds, output=one.output)
            for one in attempt.checks
        ],
    )


def _usage(usage: Usage) -> UsageShape:
    return UsageShape(
        seconds=usage.seconds,
        turns=usage.turns,
        tokens_in=usage.tokens_in,
        tokens_out=usage.tokens_out,
        cost=usage.cost if usage.cost is not None and math.isfinite(usage.cost) else None,
    )


def result_schema_text() -> str:
    """The JSON Schema of results, as ``docs/run-result.schema.json`` holds it."""
    from pipelines.manifest.publishing import described, published

    return published(described(ResultShape, "serialization"), "The result of a run of Quarterdeck")


def events_schema_text() -> str:
    """The JSON Schema of one line of ``--json``, as ``docs/run-events.schema.json`` holds it."""
    from pipelines.manifest.publishing import described, published

    return published(described(EventShape, "serialization"), "One event of a run of Quarterdeck")
