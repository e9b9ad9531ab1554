"""Carries a plan out: what may begin is begun, what fails is repeated, what is used up is stopped, all of it is told.

What is decided is decided in :mod:`pipelines.schedule`; what a step does in :mod:`pipelines.attempt`. Here is what
happens meanwhile. A step that was stopped with the run (by a person, by the run's own timeout) is not recorded as
finished: a resumed run does it again. All other results are, and stay.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pipelines import codec, money, naming, schedule, surroundings
from pipelines.analysis import analyst
from pipelines.attempt import Surroundings, Teller, Tried, Trying, kept
from pipelines.drivers import Drivers
from pipelines.drivers.program import Programs, unbroken
from pipelines.expressions import Unset
from pipelines.filling import Filled, Known, fill
from pipelines.folder import RunFolder
from pipelines.mending import Case, Mender
from pipelines.model import (
    EXIT_CODES,
    Attempt,
    Budget,
    Fix,
    Outcome,
    RunEvent,
    RunPlan,
    RunResult,
    StepPlan,
    StepResult,
    Usage,
)
from pipelines.money import Excess
from pipelines.place import Place, Places
from pipelines.ports import Durable, Json, Tell, Turn
from pipelines.schedule import Schedule
from pipelines.spending import Spender, Spending
from quarterdeck.errors import Broken, QuarterdeckError, Unreachable
from quarterdeck.redaction import Redactor
from quarterdeck.text import plain, safe
from sessions.deck import Deck
from sessions.model import Agent

_T = TypeVar("_T")
_TEXT = 40_000
"""Characters of one event."""


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


@dataclass
class _Running:
    """A step that goes on."""

    step: StepPlan
    task: asyncio.Task[StepResult] | None = None
    work: asyncio.Task[Any] | None = None
    """What is cancelled when it is cut off."""
    cut: CutOff | None = None
    tried: list[Tried] = field(default_factory=list)
    """Its attempts that have ended."""
    trying: Trying | None = None
    place: Place | None = None
    filled: Filled | None = None
    mending: bool = False
    """Whether a change that somebody proposed is tried: an agent's work is checked then, not done again."""
    spender: Spender | None = None
    counted: set[int] = field(default_factory=set)
    """The numbers of attempts that were carried out in this process."""

    def cut_off(self, outcome: Outcome, reason: str) -> None:
        if self.cut is None:
            self.cut = CutOff(outcome, reason)
            if self.work is not None:
                self.work.cancel()

    async def cuttable(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Do ``work``; raises :class:`CutOff` where the step was cut off, once what it did has ended."""
        if self.cut is not None:
            work.close()
            raise self.cut
        task = asyncio.ensure_future(work)
        self.work = task
        try:
            return await task
        except asyncio.CancelledError:
            if self.cut is None or not task.done():
                raise
            raise self.cut from None
        finally:
            self.work = None


class Runner:
    """See the module. One per run and process.

    The session of ``deck`` is named by ``run_id`` and made where it is missing. ``tell`` gets every event, redacted
    and safe to show. ``environ`` are the caller's variables, ``secrets`` the values of the declared secrets. ``home``
    is the folder of the run's own files. ``resumed`` counts the earlier processes: with none, nothing is looked for.
    """

    def __init__(
        self,
        plan: RunPlan,
        run_id: str,
        deck: Deck,
        durable: Durable,
        tell: Tell,
        *,
        environ: Mapping[str, str],
        secrets: Mapping[str, str],
        drivers: Drivers,
        home: Path,
        evidence: Evidence | None = None,
        redactor: Redactor | None = None,
        resumed: int = 0,
    ) -> None:
        self._plan = plan
        self._run_id = run_id
        self._deck = deck
        self._durable = durable
        self._listener = tell
        self._environ = environ
        self._secrets = secrets
        self._drivers = drivers
        self._home = home
        self._evidence = evidence
        self._redactor = redactor or surroundings.redactor(environ, secrets)
        self._resumed = resumed
        self._declared = surroundings.declared(plan)
        self._programs = Programs(deck, run_id)
        self._schedule = Schedule(plan, os.cpu_count() or 1)
        settings = deck.workspaces.worktrees(plan.workspace)
        self._places = Places(plan, RunFolder(home, run_id), deck.paths.worktrees, settings)
        self._spending = Spending(plan, self._used_up, self._nearly)
        explains = analyst(plan.analysis, plan.agents, environ, self._redactor)
        self._mender: Mender | None = None
        if explains is not None:
            about: dict[str, Any] = {"plan": plan, "deck": deck, "durable": durable, "drivers": drivers}
            self._mender = Mender(analyst=explains, secrets=secrets, pass_on=self._pass_on, **about)
        self._results: dict[str, StepResult] = {}
        self._running: dict[str, _Running] = {}
        self._stop: CutOff | None = None
        self._stopped = asyncio.Event()

    def stop(self, outcome: Outcome, reason: str) -> None:
        """Begin nothing any more and end what runs; :meth:`run` then returns soon. The first call counts."""
        if self._stop is None:
            self._stop = CutOff(outcome, reason)
            self._stopped.set()
            for one in self._running.values():
                one.cut_off(outcome, reason)

    async def run(self) -> RunResult:
        """Carry the plan out. When it returns or raises, no program of the run is left.

        Raises :class:`Broken` where state or evidence cannot be written, and what is a fault of ours; what was done is
        recorded then, and a resumed run goes on.
        """
        began = time.time_ns()
        limit: asyncio.TimerHandle | None = None
        try:
            await self._deck.groups.of_workspace(self._run_id, self._plan.workspace)
            self._say("run.resumed" if self._resumed else "run.started", text=self._plan.name, data=self._about())
            if self._resumed:
                began = await self._find_again()
            if self._plan.timeout is not None:
                loop = asyncio.get_running_loop()
                limit = loop.call_later(
                    self._plan.timeout, self.stop, Outcome.TIMED_OUT, "the run's timeout was reached"
                )
            await self._until_done()
        finally:
            if limit is not None:
                limit.cancel()
            self._spending.close()
            await unbroken(self._programs.end_all())
        return self._result(began)

    # -- the loop

    async def _until_done(self) -> None:
        stopped = asyncio.ensure_future(self._stopped.wait())
        try:
            while True:
                known = Known(run_id=self._run_id, environ=self._environ, results=self._results)
                decision = self._schedule.decide(known, self._running, self._stop.outcome if self._stop else None)
                for key, why in decision.skip.items():
                    self._ended(StepResult(key=key, outcome=Outcome.SKIPPED, reason=why))
                if decision.done:
                    return
                if decision.skip:
                    continue
                if any(self._begin(key) for key in decision.begin):  # then it is decided anew
                    continue
                tasks = [one.task for one in self._running.values() if one.task]
                await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
                if stopped.done() and tasks:
                    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for key in [key for key, one in self._running.items() if one.task and one.task.done()]:
                    task = self._running.pop(key).task
                    assert task is not None
                    self._ended(task.result())
        finally:
            stopped.cancel()
            left = [one.task for one in self._running.values() if one.task]
            for task in left:
                task.cancel()
            await unbroken(_settled(left))

    def _begin(self, key: str) -> bool:
        """Begin a step; whether it ended at once, because a budget has nothing left."""
        step = self._step(key)
        if used_up := self._spending.nothing_left(step):
            self._ended(StepResult(key=key, outcome=Outcome.OVER_BUDGET, reason=f"nothing is left: {used_up}"))
            if used_up.of == "the run":
                self.stop(Outcome.OVER_BUDGET, str(used_up))
            return True
        one = _Running(step)
        if step.agent:
            one.spender = self._spending.begin(step)
        self._running[key] = one
        one.task = asyncio.create_task(self._carry_out(one), name=f"step {key}")
        return False

    def _ended(self, result: StepResult, *, before: bool = False) -> None:
        """A step has ended; ``before``: in an earlier process."""
        self._results[result.key] = result
        self._spending.ended(result)
        seconds = (result.ended_ns - result.started_ns) / 1e9 if result.started_ns else None
        data = {"outcome": result.outcome.value} | ({"seconds": seconds} if seconds is not None else {})
        known = {"turns": result.usage.turns, "tokens": money.tokens(result.usage), "cost": result.usage.cost}
        data |= {name: value for name, value in known.items() if value is not None}
        if before:
            data |= {"before": True}
        self._say("step.ended", result.key, result.reason, data)

    async def _find_again(self) -> int:
        """What earlier processes finished; when the first of them began."""
        session = self._deck.session(self._run_id)
        times = [session.created_ns]
        done = await self._durable.finished()
        for step in self._plan.steps:
            if (said := done.get(f"steps/{step.key}")) is not None:
                result = codec.load_step(said)
                times += [result.started_ns] if result.started_ns else []
                self._ended(result, before=True)
        await self._programs.end_cut_off()
        return min(times)

    def _result(self, began: int) -> RunResult:
        why = self._stop.reason if self._stop else ""
        for step in self._plan.steps:
            if step.key not in self._results:
                self._ended(StepResult(key=step.key, outcome=Outcome.SKIPPED, reason=f"not begun: {why}"))
        steps = tuple(self._results[step.key] for step in self._plan.steps)
        for blind in self._spending.blind():
            self._say("note", text=blind)
        outcome = schedule.outcome(steps, self._stop.outcome if self._stop else None)
        result = RunResult(
            run_id=self._run_id,
            name=self._plan.name,
            outcome=outcome,
            exit_code=EXIT_CODES[outcome],
            started_ns=began,
            ended_ns=time.time_ns(),
            steps=steps,
            usage=money.add(one.usage for one in steps),
            reason=self._line(why),
            resumed=self._resumed,
        )
        data = {"outcome": outcome.value, "exit_code": result.exit_code, "seconds": (result.ended_ns - began) / 1e9}
        self._say("run.ended", text=result.reason, data=data)
        return result

    # -- one step

    async def _carry_out(self, one: _Running) -> StepResult:
        key = one.step.key

        async def work() -> Json:
            return codec.dump_step(await self._work(one))

        try:
            return codec.load_step(await self._durable.once(f"steps/{key}", work))
        except CutOff as cut:
            if one.trying is not None:
                one.tried.append(one.trying.so_far(cut.outcome, cut.reason))
            return await self._with_evidence(one, self._step_result(one, cut.outcome, cut.reason))

    async def _work(self, one: _Running) -> StepResult:
        step = one.step
        self._say("step.started", step.key, self._line(step.run.strip().partition("\n")[0] or f"agent {step.agent}"))
        number = 0
        while True:
            number += 1
            tried = await self._attempt(one, number)
            one.tried.append(tried)
            outcome, reason = tried.attempt.outcome, tried.attempt.reason
            wait = schedule.pause(step.retry, number, outcome)
            if wait is None:
                break
            if used_up := self._spending.nothing_left(step):
                outcome, reason = Outcome.OVER_BUDGET, f"nothing is left to try again: {used_up}"
                break
            rest = min(wait, max(0.0, tried.attempt.ended_ns / 1e9 + wait - time.time()))
            said = f"attempt {number} {outcome}: {reason}; again in {wait:g} s"
            self._say("step.retry", step.key, said, {"attempt": number, "outcome": outcome.value, "pause": wait})
            await one.cuttable(asyncio.sleep(rest))
        result = self._step_result(one, outcome, reason)
        mends = self._mender is not None and one.filled is not None and not self._spending.nothing_left(step)
        if self._mender is not None and mends and outcome in schedule.AGAIN:
            result = await self._mended(self._mender, one, result)
        result = await self._with_evidence(one, result)
        if one.place is not None and not result.unkept and (kept_because := await self._places.leave(one.place)):
            self._say("note", step.key, kept_because)
        return result

    async def _mended(self, mender: Mender, one: _Running, failed: StepResult) -> StepResult:
        """The result with what somebody made of the failure; where a change mended it, of the attempt that shows it."""
        assert one.place is not None
        assert one.filled is not None

        async def again() -> bool:
            before = one.tried[-1]
            one.mending = bool(one.step.agent)
            tried = await self._attempt(one, len(one.tried) + 1)
            if one.mending:
                tried = replace(
                    tried,
                    message=before.message,
                    outputs={**before.outputs, **tried.outputs},
                    agent_id=before.agent_id,
                    resume_id=before.resume_id,
                )
            one.tried.append(tried)
            return tried.attempt.outcome is Outcome.SUCCEEDED

        if one.spender is None:
            one.spender = self._spending.begin(one.step)
        case = Case(
            step=one.filled.step,
            result=failed,
            folder=Path(one.place.cwd),
            known=Known(run_id=self._run_id, environ=self._environ, results=self._results),
            meter=_Meter(self._spending, one),
            tell=self._teller(one.step.key),
            hold=one.cuttable,
            again=again,
        )
        analysis = await mender.mend(case)
        mended = analysis.fix is Fix.APPLIED
        outcome, reason = (Outcome.SUCCEEDED, "") if mended else (failed.outcome, failed.reason)
        result = self._step_result(one, outcome, reason)
        if not mended:
            result = replace(result, message=failed.message)
        return replace(result, analysis=analysis, usage=money.add((result.usage, analysis.usage)))

    async def _attempt(self, one: _Running, number: int) -> Tried:
        """An attempt with its work committed. Recorded where there may be another one after it."""

        async def work() -> Tried:
            one.counted.add(number)
            try:
                tried = await self._try(one, number)
            except CutOff as cut:
                if cut.outcome is not Outcome.OVER_BUDGET:
                    raise
                made = one.trying
                tried = made.so_far(cut.outcome, cut.reason) if made else _failed(number, cut.outcome, cut.reason)
            one.trying = None
            return await self._committed(one, tried)

        if not one.step.retry.times:
            return await work()
        tried = await kept(self._durable, f"steps/{one.step.key}/{number}", Tried, work)
        if one.spender is not None and number not in one.counted:
            self._spending.turn_ended(one.spender, tried.usage)  # it was done in an earlier process
        return tried

    async def _try(self, one: _Running, number: int) -> Tried:
        try:
            known = Known(run_id=self._run_id, environ=self._environ, results=self._results)
            filled = fill(self._plan, one.step, known)
            output = self._home / "outputs" / f"{naming.slug(one.step.key)}.{number}"
            theirs = surroundings.theirs(self._plan, filled)
            environ = surroundings.of_programs(
                self._environ,
                self._secrets,
                every=self._declared,
                theirs=theirs,
                own=filled.environ,
                output=output,
            )
            one.place = await one.cuttable(self._places.of(filled.step, filled.agent, self._results, environ))
            await asyncio.to_thread(_private, output.parent)
        except (Broken, Unreachable):
            raise
        except (QuarterdeckError, Unset) as error:
            said = error.message if isinstance(error, QuarterdeckError) else str(error)
            return _failed(number, Outcome.FAILED, self._line(said))
        filled = replace(filled, step=replace(filled.step, secrets=theirs))
        one.filled = filled
        one.trying = Trying(self._surroundings(one, filled, number, environ))
        return await one.cuttable(one.trying.carry_out(work=not one.mending))

    def _surroundings(self, one: _Running, filled: Filled, number: int, environ: Mapping[str, str]) -> Surroundings:
        assert one.place is not None
        return Surroundings(
            run_id=self._run_id,
            filled=filled,
            number=number,
            cwd=one.place.cwd,
            environ=environ,
            redactor=self._redactor,
            durable=self._durable,
            programs=self._programs,
            driver=self._drivers(filled.agent, self._pass_on),
            meter=_Meter(self._spending, one),
            tell=self._teller(one.step.key),
        )

    def _teller(self, key: str) -> Teller:
        def tell(kind: str, text: str = "", **data: Any) -> None:
            self._say(kind, key, text, data)

        return tell

    async def _committed(self, one: _Running, tried: Tried) -> Tried:
        """With what the attempt left in its worktree committed."""
        if one.place is None or one.place.tree is None:
            return tried
        attempt = tried.attempt
        message = f"{one.step.key}: attempt {attempt.number} {attempt.outcome}\n\nRun {self._run_id}\n"
        try:
            branch, commit = await self._places.commit(one.place, message)
        except QuarterdeckError as error:
            self._say("note", one.step.key, f"the work was not committed: {error.message}")
            if attempt.outcome is not Outcome.SUCCEEDED:
                return tried
            reason = self._line(f"its work could not be committed: {error.message}")
            return replace(tried, attempt=replace(attempt, outcome=Outcome.FAILED, reason=reason))
        return replace(tried, branch=branch, commit=commit)

    def _step_result(self, one: _Running, outcome: Outcome, reason: str) -> StepResult:
        tried = one.tried
        last = tried[-1] if tried else _failed(0, outcome, reason)
        agent = next(iter(self._programs.agents(one.step.key)[-1:]), None)
        return StepResult(
            key=one.step.key,
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

    async def _with_evidence(self, one: _Running, result: StepResult) -> StepResult:
        if self._evidence is None:
            return result
        turns = [turn for each in one.tried for turn in each.turns]
        agents = self._programs.agents(one.step.key)
        base = one.place.tree.base if one.place and one.place.tree else ""
        return await self._evidence.keep(self._deck, one.step, result, agents, turns, base=base)

    # -- budgets

    def _used_up(self, key: str, what: Excess) -> None:
        if (one := self._running.get(key)) is not None:
            one.cut_off(Outcome.OVER_BUDGET, f"used up: {what}")
        if what.of == "the run":
            self.stop(Outcome.OVER_BUDGET, f"used up: {what}")

    def _nearly(self, key: str, what: Excess) -> None:
        self._say("budget.warning", key, str(what), {"of": what.of, "kind": what.kind, "limit": what.limit})

    # -- telling

    def _say(self, kind: str, step: str = "", text: str = "", data: Mapping[str, Any] | None = None) -> None:
        event = RunEvent(kind=kind, at_ns=time.time_ns(), run_id=self._run_id, step=step, text=text, data=data or {})
        self._pass_on(event)

    def _pass_on(self, event: RunEvent) -> None:
        """Tell an event of ours or of a driver; of each the secrets are masked here, the last time."""
        self._listener(replace(event, text=self._masked(event.text), data=self._masked(event.data)))

    def _masked(self, value: Any) -> Any:
        """The same without secrets; of texts what is safe to show."""
        if isinstance(value, str):
            return plain(self._redactor.redact(value).text[:_TEXT]) if value else ""
        if isinstance(value, Mapping):
            return {name: self._masked(one) for name, one in value.items()}
        if isinstance(value, list | tuple):
            return [self._masked(one) for one in value]
        return value

    def _line(self, text: str) -> str:
        return safe(self._redactor.redact(text).text, 500)

    def _about(self) -> dict[str, Any]:
        plan = self._plan
        about: dict[str, Any] = {"steps": len(plan.steps), "workspace": plan.workspace, "source": plan.source}
        return about | ({"resumed": self._resumed} if self._resumed else {})

    def _step(self, key: str) -> StepPlan:
        return next(step for step in self._plan.steps if step.key == key)


class _Meter:
    """Counts the turns of one step."""

    def __init__(self, spending: Spending, one: _Running) -> None:
        self._spending, self._one = spending, one

    def began(self) -> Budget:
        """See :class:`pipelines.attempt.Meter`."""
        if self._one.spender is not None:
            self._spending.turn_began(self._one.spender)
        return self._spending.left(self._one.step)

    def used(self, usage: Usage) -> None:
        """See :class:`pipelines.attempt.Meter`."""
        if self._one.spender is not None:
            self._spending.turn_used(self._one.spender, usage)

    def ended(self, usage: Usage) -> None:
        """See :class:`pipelines.attempt.Meter`."""
        if self._one.spender is not None:
            self._spending.turn_ended(self._one.spender, usage)


async def _settled(tasks: Sequence[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)


def _failed(number: int, outcome: Outcome, reason: str) -> Tried:
    """An attempt that ended before anything was begun."""
    now = time.time_ns()
    return Tried(attempt=Attempt(number=number, outcome=outcome, reason=reason, started_ns=now, ended_ns=now))


def _private(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Broken(f"cannot make {folder}: {error.strerror or error}", path=str(folder)) from error
