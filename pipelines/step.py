"""One step while it goes on: its attempts with the pauses between them, what is made of a failure, its result.

A step that was stopped with the run (by a person, by the run's own timeout) is not recorded as finished: a resumed run
does it again. Every other result is, and stays.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pipelines import codec, money, naming, schedule, surroundings
from pipelines.attempt import Surroundings, Tried, Trying, kept
from pipelines.drivers import Drivers
from pipelines.drivers.program import Programs
from pipelines.expressions import Unset
from pipelines.filling import Filled, Known, fill, look
from pipelines.mending import Case, Mender
from pipelines.model import Attempt, Budget, Fix, Outcome, RunPlan, StepPlan, StepResult, Usage
from pipelines.place import Place, Places
from pipelines.ports import Durable, Json, Turn
from pipelines.scope import template
from pipelines.spending import Spender, Spending
from pipelines.surroundings import Learning
from pipelines.telling import Telling
from quarterdeck.errors import Broken, QuarterdeckError, Unreachable
from sessions.deck import Deck
from sessions.model import Agent

_T = TypeVar("_T")


class Evidence(Protocol):
    """Keeps what shows what a step did."""

    async def keep(
        self,
        deck: Deck,
        step: StepPlan,
        result: StepResult,
        agents: Sequence[Agent],
        turns: Sequence[Turn],
        *,
        base: str = "",
    ) -> StepResult:
        """The result with the paths of its log, recording, transcript, diff and artifacts filled in.

        ``base`` is the commit at which the step's own branch began, "" where it has none.
        """
        ...


class CutOff(Exception):
    """A step was stopped before its end."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome, self.reason = outcome, reason


@dataclass(frozen=True, kw_only=True)
class Shared:
    """What all steps of a run have in common. ``environ`` is the caller's, ``home`` the folder of the run's files."""

    plan: RunPlan
    run_id: str
    deck: Deck
    durable: Durable
    drivers: Drivers
    environ: Mapping[str, str]
    secrets: Mapping[str, str]
    home: Path
    redactor: Learning
    telling: Telling
    programs: Programs
    places: Places
    spending: Spending
    mender: Mender | None
    evidence: Evidence | None
    results: Mapping[str, StepResult]
    """Of the steps that have ended, by key; grows while the run goes on."""

    @property
    def known(self) -> Known:
        """What texts of the manifest may speak of now."""
        return Known(run_id=self.run_id, environ=self.environ, results=self.results)


class Step:
    """See the module. Carried out once."""

    def __init__(self, step: StepPlan, shared: Shared) -> None:
        self.plan = step
        self._all = shared
        self._say = shared.telling.of(step.key)
        self._line = shared.telling.line
        self._work: asyncio.Task[Any] | None = None
        """What is cancelled when it is cut off."""
        self._cut: CutOff | None = None
        self._tried: list[Tried] = []
        """Its attempts that have ended."""
        self._trying: Trying | None = None
        self._place: Place | None = None
        self._filled: Filled | None = None
        self._mending = False
        """Whether a change that somebody proposed is tried: an agent's work is checked then, not done again."""
        self._spender: Spender | None = shared.spending.begin(step) if step.agent else None
        self._counted: set[int] = set()
        """The numbers of attempts that were carried out in this process."""

    def cut_off(self, outcome: Outcome, reason: str) -> None:
        """End it now, with this outcome. The first call counts."""
        if self._cut is None:
            self._cut = CutOff(outcome, reason)
            if outcome is Outcome.OVER_BUDGET:
                self._all.programs.halt(self.plan.key)  # ending it takes a moment, in which it would go on spending
            if self._work is not None:
                self._work.cancel()

    async def _cuttable(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Do ``work``; raises :class:`CutOff` where the step was cut off, once what it did has ended."""
        if self._cut is not None:
            work.close()
            raise self._cut
        task = asyncio.ensure_future(work)
        self._work = task
        try:
            return await task
        except asyncio.CancelledError:
            if self._cut is None or not task.done():
                raise
            raise self._cut from None
        finally:
            self._work = None

    async def carry_out(self) -> StepResult:
        """Do it, or what is left of it; what an earlier process recorded is not done again."""
        key = self.plan.key

        async def work() -> Json:
            return codec.dump_step(await self._carried_out())

        try:
            return codec.load_step(await self._all.durable.once(f"steps/{key}", work))
        except CutOff as cut:
            if self._trying is not None:
                self._tried.append(self._trying.so_far(cut.outcome, cut.reason))
            return await self._with_evidence(self._step_result(cut.outcome, cut.reason))

    async def _carried_out(self) -> StepResult:
        step = self.plan
        command = template(step.run).fill(look(step, self._all.known, {}))  # nothing else may stand in commands
        self._say("step.started", self._line(command.strip().partition("\n")[0] or self._who()))
        number = 0
        while True:
            number += 1
            tried = await self._attempt(number)
            self._tried.append(tried)
            outcome, reason = tried.attempt.outcome, tried.attempt.reason
            wait = schedule.pause(step.retry, number, outcome)
            if wait is None:
                break
            if used_up := self._all.spending.nothing_left(step):
                outcome, reason = Outcome.OVER_BUDGET, f"nothing is left to try again: {used_up}"
                break
            rest = min(wait, max(0.0, tried.attempt.ended_ns / 1e9 + wait - time.time()))
            said = f"attempt {number} {outcome}: {reason}; again in {wait:g} s"
            self._say("step.retry", said, attempt=number, outcome=outcome.value, pause=wait)
            await self._cuttable(asyncio.sleep(rest))
        result = self._step_result(outcome, reason)
        mender, begun = self._all.mender, self._filled is not None
        if mender and begun and outcome in schedule.AGAIN and not self._all.spending.nothing_left(step):
            result = await self._mended(mender, result)
        result = await self._with_evidence(result)
        if self._place and not result.unkept and (why := await self._all.places.leave(self._place)):
            self._say("note", why)
        return result

    def _who(self) -> str:
        """Its agent with its kind, which is all that a run of one agent tells of it."""
        name, profile = self.plan.agent, self._all.plan.agents[self.plan.agent].profile
        return f"agent {profile}" if name in (profile, "agent") else f"agent {name} ({profile})"

    async def _mended(self, mender: Mender, failed: StepResult) -> StepResult:
        """The result with what somebody made of the failure; where a change mended it, of the attempt that shows it."""
        assert self._place is not None
        assert self._filled is not None

        async def again() -> bool:
            before = self._tried[-1]
            self._mending = bool(self.plan.agent)
            tried = await self._attempt(len(self._tried) + 1)
            if self._mending:
                tried = replace(
                    tried,
                    message=before.message,
                    outputs={**before.outputs, **tried.outputs},
                    agent_id=before.agent_id,
                    resume_id=before.resume_id,
                )
            self._tried.append(tried)
            return tried.attempt.outcome is Outcome.SUCCEEDED

        if self._spender is None:
            self._spender = self._all.spending.begin(self.plan)
        case = Case(
            step=self._filled.step,
            result=failed,
            folder=Path(self._place.cwd),
            known=self._all.known,
            meter=_Meter(self._all.spending, self.plan, self._spender),
            tell=self._say,
            hold=self._cuttable,
            again=again,
        )
        analysis = await mender.mend(case)
        mended = analysis.fix is Fix.APPLIED
        outcome, reason = (Outcome.SUCCEEDED, "") if mended else (failed.outcome, failed.reason)
        result = self._step_result(outcome, reason)
        if not mended:
            result = replace(result, message=failed.message)
        return replace(result, analysis=analysis, usage=money.add((result.usage, analysis.usage)))

    async def _attempt(self, number: int) -> Tried:
        """An attempt with its work committed. Recorded where there may be another one after it."""

        async def work() -> Tried:
            self._counted.add(number)
            try:
                tried = await self._try(number)
            except CutOff as cut:
                if cut.outcome is not Outcome.OVER_BUDGET:
                    raise
                made = self._trying
                tried = made.so_far(cut.outcome, cut.reason) if made else _failed(number, cut.outcome, cut.reason)
            self._trying = None
            return await self._committed(tried)

        if not self.plan.retry.times:
            return await work()
        tried = await kept(self._all.durable, f"steps/{self.plan.key}/{number}", Tried, work)
        if self._spender is not None and number not in self._counted:
            self._all.spending.turn_ended(self._spender, tried.usage)  # it was done in an earlier process
        return tried

    async def _try(self, number: int) -> Tried:
        try:
            filled = fill(self._all.plan, self.plan, self._all.known)
            output = self._all.home / "outputs" / f"{naming.slug(self.plan.key)}.{number}"
            theirs = surroundings.theirs(self._all.plan, filled)
            environ = surroundings.of_programs(
                self._all.environ,
                self._all.secrets,
                every=surroundings.declared(self._all.plan),
                theirs=theirs,
                own=filled.environ,
                output=output,
            )
            self._all.redactor.learn(surroundings.in_use(environ, theirs))
            finding = self._all.places.of(filled.step, filled.agent, self._all.results, environ)
            self._place = await self._cuttable(finding)
            await asyncio.to_thread(_private, output.parent)
        except (Broken, Unreachable):
            raise
        except (QuarterdeckError, Unset) as error:
            said = error.message if isinstance(error, QuarterdeckError) else str(error)
            return _failed(number, Outcome.FAILED, self._line(said))
        filled = replace(filled, step=replace(filled.step, secrets=theirs))
        self._filled = filled
        self._trying = Trying(self._surroundings(filled, number, environ))
        return await self._cuttable(self._trying.carry_out(work=not self._mending))

    def _surroundings(self, filled: Filled, number: int, environ: Mapping[str, str]) -> Surroundings:
        assert self._place is not None
        return Surroundings(
            run_id=self._all.run_id,
            filled=filled,
            number=number,
            cwd=self._place.cwd,
            environ=environ,
            redactor=self._all.redactor,
            durable=self._all.durable,
            programs=self._all.programs,
            driver=self._all.drivers(filled.agent, self._all.telling.pass_on),
            meter=_Meter(self._all.spending, self.plan, self._spender),
            tell=self._say,
        )

    async def _committed(self, tried: Tried) -> Tried:
        """With what the attempt left in its worktree committed."""
        if self._place is None or self._place.tree is None:
            return tried
        attempt = tried.attempt
        message = f"{self.plan.key}: attempt {attempt.number} {attempt.outcome}\n\nRun {self._all.run_id}\n"
        try:
            branch, commit = await self._all.places.commit(self._place, message)
        except QuarterdeckError as error:
            self._say("note", f"the work was not committed: {error.message}")
            if attempt.outcome is not Outcome.SUCCEEDED:
                return tried
            reason = self._line(f"its work could not be committed: {error.message}")
            return replace(tried, attempt=replace(attempt, outcome=Outcome.FAILED, reason=reason))
        return replace(tried, branch=branch, commit=commit)

    def _step_result(self, outcome: Outcome, reason: str) -> StepResult:
        tried = self._tried
        last = tried[-1] if tried else _failed(0, outcome, reason)
        agent = next(iter(self._all.programs.agents(self.plan.key)[-1:]), None)
        return StepResult(
            key=self.plan.key,
            outcome=outcome,
            reason=self._line(reason),
            started_ns=tried[0].attempt.started_ns if tried else 0,
            ended_ns=time.time_ns(),
            attempts=tuple(each.attempt for each in tried),
            usage=money.add(each.usage for each in tried),
            message=last.message,
            question=last.question,
            outputs=last.outputs,
            branch=last.branch,
            commit=last.commit,
            agent_id=last.agent_id or (agent.id if agent else ""),
            resume_id=last.resume_id or (agent.resume_id if agent else ""),
        )

    async def _with_evidence(self, result: StepResult) -> StepResult:
        if self._all.evidence is None:
            return result
        self._say("step.keeping", "keeping what it printed")
        turns = [turn for each in self._tried for turn in each.turns]
        agents = self._all.programs.agents(self.plan.key)
        base = self._place.tree.base if self._place and self._place.tree else ""
        return await self._all.evidence.keep(self._all.deck, self.plan, result, agents, turns, base=base)


class _Meter:
    """Counts the turns of one step; see :class:`pipelines.attempt.Meter`."""

    def __init__(self, spending: Spending, step: StepPlan, spender: Spender | None) -> None:
        self._spending, self._step, self._spender = spending, step, spender

    def began(self) -> Budget:
        if self._spender is not None:
            self._spending.turn_began(self._spender)
        return self._spending.left(self._step)

    def used(self, usage: Usage) -> None:
        if self._spender is not None:
            self._spending.turn_used(self._spender, usage)

    def ended(self, usage: Usage) -> None:
        if self._spender is not None:
            self._spending.turn_ended(self._spender, usage)


def _failed(number: int, outcome: Outcome, reason: str) -> Tried:
    """An attempt that ended before anything was begun."""
    now = time.time_ns()
    return Tried(attempt=Attempt(number=number, outcome=outcome, reason=reason, started_ns=now, ended_ns=now))


def _private(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Broken(f"cannot make {folder}: {error.strerror or error}", path=str(folder)) from error
