"""Carries a plan out: what may begin is begun, what is used up is stopped, all of it is told, and nothing is left.

What may begin is decided in :mod:`pipelines.schedule`, what is used is counted in :mod:`pipelines.spending`; a step
carries itself out (:mod:`pipelines.step`). Here is what happens meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines import ahead, codec, money, schedule, surroundings
from pipelines.analysis import analyst
from pipelines.drivers import Drivers
from pipelines.drivers.program import Programs, unbroken
from pipelines.folder import RunFolder
from pipelines.mending import Mender
from pipelines.model import EXIT_CODES, Outcome, RunPlan, RunResult, StepResult
from pipelines.money import Excess
from pipelines.place import Places
from pipelines.ports import Durable, Tell
from pipelines.schedule import Schedule
from pipelines.spending import Spending
from pipelines.step import CutOff, Evidence, Shared, Step
from pipelines.surroundings import Learning
from pipelines.telling import Telling
from pipelines.unfinished import unfinished
from profiles import Profile
from quarterdeck.errors import QuarterdeckError
from quarterdeck.text import safe
from sessions.deck import Deck


@dataclass(frozen=True)
class _Running:
    step: Step
    task: asyncio.Task[StepResult]


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
        redactor: Learning | None = None,
        resumed: int = 0,
    ) -> None:
        redactor = redactor or surroundings.redactor(plan, environ)
        self._plan = plan
        self._run_id = run_id
        self._deck = deck
        self._durable = durable
        self._resumed = resumed
        self._telling = Telling(run_id, redactor, tell)
        self._say = self._telling.say
        self._programs = Programs(deck, run_id)
        self._schedule = Schedule(plan, len(os.sched_getaffinity(0)))
        self._spending = Spending(plan, self._used_up, self._nearly)
        self._steps = {step.key: step for step in plan.steps}
        self._results: dict[str, StepResult] = {}
        self._running: dict[str, _Running] = {}
        self._begun: set[str] = set()
        self._began_ns = 0
        self._stop: CutOff | None = None
        self._stop_code = 0
        self._stopped = asyncio.Event()
        mender = None
        if (explains := analyst(plan.analysis, plan.agents, environ, redactor)) is not None:
            about: dict[str, Any] = {"plan": plan, "deck": deck, "durable": durable, "drivers": drivers}
            told: dict[str, Any] = {"redactor": redactor, "pass_on": self._telling.pass_on}
            mender = Mender(analyst=explains, secrets=secrets, **told, **about)
        settings = deck.workspaces.worktrees(plan.workspace)
        self._shared = Shared(
            plan=plan,
            run_id=run_id,
            deck=deck,
            durable=durable,
            drivers=drivers,
            environ=environ,
            secrets=secrets,
            home=home,
            redactor=redactor,
            telling=self._telling,
            programs=self._programs,
            places=Places(plan, RunFolder(home, run_id), deck.paths.worktrees, settings),
            spending=self._spending,
            mender=mender,
            evidence=evidence,
            results=self._results,
        )

    def stop(self, outcome: Outcome, reason: str, exit_code: int = 0) -> None:
        """Begin nothing any more and end what runs; :meth:`run` then returns soon. The first call counts.

        ``exit_code`` takes the place of the outcome's own.
        """
        if self._stop is None:
            self._stop, self._stop_code = CutOff(outcome, reason), exit_code
            self._stopped.set()
            for one in self._running.values():
                one.step.cut_off(outcome, reason)

    def unfinished(self, error: QuarterdeckError) -> RunResult:
        """What is known where ``error`` ended :meth:`run`, or kept its result from being kept."""
        return unfinished(
            self._plan,
            self._run_id,
            error,
            known=self._results,
            begun=self._begun,
            began_ns=self._began_ns,
            resumed=self._resumed,
        )

    async def run(self) -> RunResult:
        """Carry the plan out. When it returns or raises, no program of the run is left.

        Raises :class:`Broken` where state or evidence cannot be written, and what is a fault of ours; what was done is
        recorded then, and a resumed run goes on.
        """
        self._began_ns = time.time_ns()
        limit: asyncio.TimerHandle | None = None
        try:
            await self._deck.groups.of_workspace(self._run_id, self._plan.workspace)
            self._say("run.resumed" if self._resumed else "run.started", text=self._plan.name, data=self._about())
            if self._resumed:
                self._began_ns = await self._find_again()
            if self._plan.timeout is not None:
                loop = asyncio.get_running_loop()
                limit = loop.call_later(
                    self._plan.timeout, self.stop, Outcome.TIMED_OUT, "the run's timeout was reached"
                )
            self._look_ahead()
            await self._until_done()
        finally:
            if limit is not None:
                limit.cancel()
            self._spending.close()
            await unbroken(self._programs.end_all())
        return self._result(self._began_ns)

    def _look_ahead(self) -> None:
        """Steps whose agent is surely missing have ended: what others do would be paid for nothing.

        What no budget can stop is told.
        """

        def profile(name: str) -> Profile | None:
            try:
                return self._deck.workspaces.find(name, self._plan.workspace)
            except QuarterdeckError:
                return None

        if not self._resumed:
            for said in ahead.unlimited(self._plan, profile):
                self._say("note", text=said)
        for key, program in ahead.surely_missing(self._plan, profile, self._shared.environ).items():
            if key not in self._results:
                found = profile(self._plan.agents[self._steps[key].agent].profile)
                title = found.title if found else "its agent"
                reason = self._telling.line(f"{title} is not installed: there is no command {safe(program, 80)}")
                self._ended(StepResult(key=key, outcome=Outcome.NOT_INSTALLED, reason=reason))

    # -- the loop

    async def _until_done(self) -> None:
        stopped = asyncio.ensure_future(self._stopped.wait())
        try:
            while True:
                decision = self._schedule.decide(
                    self._shared.known, self._running, self._stop.outcome if self._stop else None
                )
                for key, why in decision.skip.items():
                    self._ended(StepResult(key=key, outcome=Outcome.SKIPPED, reason=why))
                if decision.done:
                    return
                if decision.skip:
                    continue
                if any(self._begin(key) for key in decision.begin):  # then it is decided anew
                    continue
                tasks = [one.task for one in self._running.values()]
                await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
                if stopped.done() and tasks:
                    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for key in [key for key, one in self._running.items() if one.task.done()]:
                    self._ended(self._running.pop(key).task.result())
        finally:
            stopped.cancel()
            left = [one.task for one in self._running.values()]
            for task in left:
                task.cancel()
            await unbroken(_settled(left))

    def _begin(self, key: str) -> bool:
        """Begin a step; whether it ended at once, because a budget has nothing left."""
        step = self._steps[key]
        if used_up := self._spending.nothing_left(step):
            self._ended(StepResult(key=key, outcome=Outcome.OVER_BUDGET, reason=f"nothing is left: {used_up}"))
            if used_up.of == "the run":
                self.stop(Outcome.OVER_BUDGET, str(used_up))
            return True
        self._begun.add(key)
        one = Step(step, self._shared)
        self._running[key] = _Running(one, asyncio.create_task(one.carry_out(), name=f"step {key}"))
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
        asked = self._stop_code if self._stop and self._stop.outcome is outcome else 0
        ended = time.time_ns()
        if self._resumed and not self._begun and not self._stop:  # it was over before
            ended = max((step.ended_ns for step in steps), default=0) or ended
        result = RunResult(
            run_id=self._run_id,
            name=self._plan.name,
            outcome=outcome,
            exit_code=asked or EXIT_CODES[outcome],
            started_ns=began,
            ended_ns=ended,
            steps=steps,
            usage=money.add(one.usage for one in steps),
            reason=self._telling.line(why),
            resumed=self._resumed,
        )
        data = {"outcome": outcome.value, "exit_code": result.exit_code, "seconds": (result.ended_ns - began) / 1e9}
        self._say("run.ended", text=result.reason, data=data)
        return result

    # -- budgets

    def _used_up(self, key: str, what: Excess) -> None:
        if (one := self._running.get(key)) is not None:
            one.step.cut_off(Outcome.OVER_BUDGET, f"used up: {what}")
        if what.of == "the run":
            self.stop(Outcome.OVER_BUDGET, f"used up: {what}")

    def _nearly(self, key: str, what: Excess) -> None:
        self._say("budget.warning", key, str(what), {"of": what.of, "kind": what.kind, "limit": what.limit})

    def _about(self) -> dict[str, Any]:
        plan = self._plan
        about: dict[str, Any] = {"steps": len(plan.steps), "workspace": plan.workspace, "source": plan.source}
        return about | ({"resumed": self._resumed} if self._resumed else {})


async def _settled(tasks: Sequence[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)
