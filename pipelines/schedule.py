"""Which steps may begin, which never will and why, and what came of the run: pure decisions over plan and results.

A step begins when all it needs has ended and its condition holds. ``success()`` means that all it needs, itself,
succeeded; ``failure()`` that some step before it, through others too, ended badly. After a step ended badly, steps that
do not ask for that with ``failure()`` or ``always()`` are left out, unless the run keeps going. A run that is stopped
(interrupted, out of time, over budget) begins nothing any more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from pipelines import expressions, graph
from pipelines.filling import Known, holds
from pipelines.model import WORST, Outcome, Retry, RunPlan, StepPlan, StepResult

FINE = frozenset({Outcome.SUCCEEDED, Outcome.SKIPPED})
AGAIN = frozenset({Outcome.FAILED, Outcome.TIMED_OUT})
"""Outcomes after which an attempt may be repeated; the others would end the same way, or nobody wants it."""
_WAS = frozenset({Outcome.SKIPPED, Outcome.INTERRUPTED, Outcome.BLOCKED})


@dataclass(frozen=True)
class Decision:
    """What is to be done now. Skipped steps get a result with that reason; then :func:`decide` is asked again."""

    begin: tuple[str, ...] = ()
    """Keys, in the order of the plan, no more than may run at the same time."""
    skip: Mapping[str, str] = field(default_factory=dict)
    """By key, why the step is never begun."""
    done: bool = False
    """Whether nothing runs and nothing will begin."""


class Schedule:
    """The decisions of one plan. Holds nothing that changes: asked twice the same, it answers the same.

    ``processors`` is how many steps run at the same time where the plan does not say.
    """

    def __init__(self, plan: RunPlan, processors: int = 1) -> None:
        self._plan = plan
        self._limit = plan.concurrency or max(1, processors)
        self._before = graph.closure({step.key: step.needs for step in plan.steps})
        self._asks = {step.key: bool(step.when) and expressions.condition(step.when).asks for step in plan.steps}

    def decide(self, known: Known, running: Collection[str] = (), stop: Outcome | None = None) -> Decision:
        """What may begin beside what is ``running``; ``stop`` is why nothing may any more."""
        results = known.results
        rest = [step for step in self._plan.steps if step.key not in results and step.key not in running]
        if stop is not None:
            return Decision(done=not running)
        bad = next((step.key for step in self._plan.steps if _bad(results.get(step.key))), "")
        halted = "" if self._plan.keep_going else bad
        begin: list[str] = []
        skip: dict[str, str] = {}
        for step in rest:
            if halted and not self._asks[step.key]:
                skip[step.key] = _because(step, results) or f"the run goes no further after {halted}"
            elif all(key in results for key in step.needs):
                if why := self._why_not(step, known):
                    skip[step.key] = why
                elif len(begin) + len(running) < self._limit:
                    begin.append(step.key)
        return Decision(tuple(begin), skip, done=not rest and not running)

    def _why_not(self, step: StepPlan, known: Known) -> str:
        """Why a step whose needs have all ended is not done; "" if it is."""
        results = known.results
        success = all(results[key].outcome is Outcome.SUCCEEDED for key in step.needs)
        failure = any(_bad(results.get(key)) for key in self._before[step.key])
        if holds(self._plan, step, known, success=success, failure=failure):
            return ""
        because = "" if self._asks[step.key] or success else _because(step, results)
        return because or "its condition does not hold"


def outcome(results: Iterable[StepResult], stop: Outcome | None = None) -> Outcome:
    """What came of a run: the worst of its steps and of what stopped it. Nothing at all is skipped."""
    found = {result.outcome for result in results} | ({stop} if stop else set())
    return next((one for one in WORST if one in found), Outcome.SKIPPED)


def pause(retry: Retry, failures: int, ended: Outcome) -> float | None:
    """Seconds until the next attempt after that many ``failures``, of which the last ``ended`` so; None: there is none.

    Raises ValueError for fewer than one failure.
    """
    if failures < 1:
        raise ValueError("nothing has failed yet")
    if failures > retry.times or ended not in AGAIN:
        return None
    try:
        wait = retry.pause * retry.factor ** (failures - 1)
    except OverflowError:
        wait = retry.most
    return min(wait, retry.most)


def _bad(result: StepResult | None) -> bool:
    return result is not None and result.outcome not in FINE


def _because(step: StepPlan, results: Mapping[str, StepResult]) -> str:
    """Which of the steps it needs did not succeed."""
    for key in step.needs:
        if key in results and (ended := results[key].outcome) is not Outcome.SUCCEEDED:
            return f"{key}, which it needs, {'was' if ended in _WAS else 'ended'} {ended}"
    return ""
