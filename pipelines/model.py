"""A run as values: what is to be done, what came of it, and what is told while it goes on.

A plan is what a manifest says after the matrix is spread out and every name is checked: nothing in it can be unknown
any more. Results are stored as JSON by the durable engine, so that they hold plain values only. Times are wall-clock
nanoseconds, durations seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

ARGUMENT = 128 << 10
"""Bytes that no argument of a program may have on Linux; a headless agent gets its prompt as one."""


class Outcome(StrEnum):
    """What came of a step, and of a run: the first of :data:`WORST` that any of its steps ended with."""

    SUCCEEDED = "succeeded"
    SKIPPED = "skipped"
    """Its condition did not hold, or what it needs did not succeed."""
    FAILED = "failed"
    TIMED_OUT = "timed out"
    OVER_BUDGET = "over budget"
    BLOCKED = "blocked"
    """An agent asked what no rule allows."""
    NOT_INSTALLED = "not installed"
    INTERRUPTED = "interrupted"


WORST = (
    *(Outcome.INTERRUPTED, Outcome.NOT_INSTALLED, Outcome.OVER_BUDGET, Outcome.BLOCKED, Outcome.TIMED_OUT),
    *(Outcome.FAILED, Outcome.SUCCEEDED, Outcome.SKIPPED),
)

EXIT_CODES: Mapping[Outcome, int] = {
    Outcome.SUCCEEDED: 0,
    Outcome.SKIPPED: 0,
    Outcome.FAILED: 10,
    Outcome.OVER_BUDGET: 11,
    Outcome.BLOCKED: 12,
    Outcome.NOT_INSTALLED: 13,
    Outcome.TIMED_OUT: 124,
    Outcome.INTERRUPTED: 130,
}
"""Of the command; 143 in place of 130 after SIGTERM, 129 after SIGHUP, 2 for a manifest that makes no sense."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What may be used; None is no limit. Money is in US dollars."""

    seconds: float | None = None
    turns: int | None = None
    tokens: int | None = None
    """In and out together."""
    money: float | None = None


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What was used; None is unknown, not zero."""

    seconds: float = 0.0
    turns: int | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost: float | None = None
    """US dollars, as the agent itself reports it."""


@dataclass(frozen=True, kw_only=True)
class Retry:
    """How often a failed step is begun again, and the pause before: ``pause * factor ** n``, at most ``most``."""

    times: int = 0
    pause: float = 1.0
    factor: float = 2.0
    most: float = 60.0


class Drive(StrEnum):
    """How an agent is driven."""

    HEADLESS = "headless"
    """By the profile's own headless command, whose output is a stream of events."""
    TERMINAL = "terminal"
    """In its interactive terminal, by prompts with receipts; a policy decides what it asks."""


@dataclass(frozen=True, kw_only=True)
class AgentPlan:
    """An agent of the manifest. ``secrets`` are names of variables whose values the run's surroundings have."""

    name: str
    profile: str
    args: tuple[str, ...] = ()
    workspace: str = ""
    """A path; "" is the manifest's."""
    worktree: bool = False
    """Each step has a worktree and branch of its own, on which its work is committed."""
    drive: Drive = Drive.HEADLESS
    environ: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    budget: Budget = Budget()


@dataclass(frozen=True, kw_only=True)
class Verify:
    """Decides whether an agent's work is accepted: ``command`` is run by ``sh -c`` in the step's folder."""

    command: str
    timeout: float | None = None


@dataclass(frozen=True, kw_only=True)
class StepPlan:
    """One step, already one cell of its matrix. Exactly one of ``run`` and ``prompt`` is set."""

    key: str
    """Stable over runs of the same manifest: ``tests`` or ``tests[os=linux,python=3.11]``."""
    name: str
    needs: tuple[str, ...] = ()
    """Keys of the steps that come before."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """By the name that its texts and its condition use: the key of the step that is meant."""
    run: str = ""
    agent: str = ""
    prompt: str = ""
    """May hold ``${{ steps.NAME.outputs.FIELD }}`` and the like, as may ``run``, ``verify`` and the values of
    ``environ``; :func:`pipelines.filling.fill` fills them in when it starts."""
    matrix: Mapping[str, str] = field(default_factory=dict)
    when: str = ""
    """A condition; "" means that all it needs has succeeded."""
    cwd: str = ""
    environ: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    timeout: float | None = None
    retry: Retry = Retry()
    outputs: tuple[str, ...] = ()
    """Files that must be there afterwards, relative to its folder."""
    verify: tuple[Verify, ...] = ()
    corrections: int = 2
    """How often an agent is told what ``verify`` found before the step has failed."""
    budget: Budget = Budget()
    artifacts: tuple[str, ...] = ()
    """Patterns of files to keep."""
    line: int = 0
    """Where the manifest says it."""


@dataclass(frozen=True, kw_only=True)
class AnalysisPlan:
    """Who explains the failure of a step after its last attempt, and proposes what would mend it."""

    agent: str = ""
    """An agent of the manifest; "" is the Anthropic API."""
    model: str = ""
    """Of the API."""
    apply: bool = False
    """Whether what is proposed is applied where the policy allows the edits, and kept where the step then succeeds."""


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """A whole manifest, checked. ``steps`` are in an order in which each comes after what it needs."""

    name: str
    workspace: str
    steps: tuple[StepPlan, ...]
    agents: Mapping[str, AgentPlan] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    """What the run was given, by name; variables of every step, as ``environ`` is."""
    secrets: tuple[str, ...] = ()
    concurrency: int = 0
    """Steps at the same time; 0: as many as there are processors."""
    budget: Budget = Budget()
    timeout: float | None = None
    keep_going: bool = False
    """Whether steps that do not need a failed one are still begun."""
    analysis: AnalysisPlan | None = None
    source: str = ""
    """The manifest's file, "" for a run from the command line."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """What one ``verify`` command said."""

    command: str
    exit_code: int
    output: str
    """Its last lines, bounded and redacted."""
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One time a step was carried out."""

    number: int
    outcome: Outcome
    reason: str
    started_ns: int
    ended_ns: int
    exit_code: int | None = None
    checks: tuple[Check, ...] = ()


class Fix(StrEnum):
    """What became of a proposed change."""

    NONE = "none proposed"
    PROPOSED = "proposed"
    """It stands in the report alone."""
    UNDONE = "undone"
    """It was applied, did not mend the step, and was taken back."""
    APPLIED = "applied"
    """The step succeeded with it."""


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """What somebody made of a step's failure. Texts are redacted and bounded."""

    by: str
    """``agent NAME`` or ``model NAME``."""
    text: str = ""
    """The explanation."""
    diff: str = ""
    """The proposed change as a unified diff, "" for none."""
    fix: Fix = Fix.NONE
    reason: str = ""
    """Why there is no explanation, or why the change was not kept."""
    usage: Usage = Usage()


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """What came of a step. Paths are relative to the folder of the run's evidence."""

    key: str
    outcome: Outcome
    reason: str = ""
    started_ns: int = 0
    ended_ns: int = 0
    attempts: tuple[Attempt, ...] = ()
    usage: Usage = Usage()
    message: str = ""
    """The agent's last words, or the last lines of a command's output."""
    question: str = ""
    """What was asked that no rule allows."""
    outputs: Mapping[str, str] = field(default_factory=dict)
    """By name: what the step set for others (``QUARTERDECK_OUTPUT`` file, an agent's last message as ``message``)."""
    branch: str = ""
    commit: str = ""
    agent_id: str = ""
    resume_id: str = ""
    log: str = ""
    recording: str = ""
    transcript: str = ""
    diff: str = ""
    artifacts: tuple[str, ...] = ()
    unkept: tuple[str, ...] = ()
    """What of its evidence could not be kept, and why, one line each."""
    analysis: Analysis | None = None


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What came of a run."""

    run_id: str
    name: str
    outcome: Outcome
    exit_code: int
    started_ns: int
    ended_ns: int
    steps: tuple[StepResult, ...]
    usage: Usage = Usage()
    reason: str = ""
    resumed: int = 0
    """How often it was gone on with after it had been cut off."""


@dataclass(frozen=True, kw_only=True)
class RunEvent:
    """One thing told while a run goes on; all output is made of these. Texts are redacted and safe to show."""

    kind: str
    """run.started, run.resumed, run.ended, step.started, step.output, step.retry, step.keeping, step.ended,
    agent.status, agent.message, agent.tool, approval.decided, verify.started, verify.ended, budget.warning, note"""
    at_ns: int
    run_id: str
    step: str = ""
    text: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
