"""A step that failed to its last attempt is explained, and mended where it may be; what does not help is undone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipelines import patch, surroundings
from pipelines.analysis import Analyst
from pipelines.attempt import Meter, Teller, kept, timed
from pipelines.drivers import Drivers
from pipelines.drivers.program import unbroken
from pipelines.filling import Known, fill
from pipelines.model import AgentPlan, Analysis, Fix, RunPlan, StepPlan, StepResult, Usage
from pipelines.outputs import VARIABLE
from pipelines.ports import Ask, Durable, Tell, Turn
from quarterdeck.errors import QuarterdeckError
from quarterdeck.text import safe
from sessions.deck import Deck

AGENT_SECONDS = 900.0
"""How long an agent may think about a failure."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One failure. ``step`` is filled in, ``folder`` is where it was done; ``meter`` counts for its step."""

    step: StepPlan
    result: StepResult
    folder: Path
    known: Known
    meter: Meter
    tell: Teller
    hold: Callable[[Coroutine[Any, Any, Analysis]], Awaitable[Analysis]]
    """Does what ends when the step is cut off."""
    again: Callable[[], Awaitable[bool]]
    """Shows whether the step succeeds now: its command again, or what ``verify`` says."""


@dataclass(frozen=True, kw_only=True)
class Mender:
    """See the module. One per run."""

    analyst: Analyst
    plan: RunPlan
    deck: Deck
    durable: Durable
    drivers: Drivers
    secrets: Mapping[str, str]
    redactor: surroundings.Learning
    pass_on: Tell

    async def mend(self, case: Case) -> Analysis:
        """What was made of it. Faults of whoever explains are part of that; cancelled, nothing stays applied."""
        key = case.step.key
        case.tell("note", f"{self.analyst.by} looks at why it failed")

        async def work() -> Analysis:
            return await self.analyst.explain(case.step, case.result, lambda agent, text: self._turn(case, agent, text))

        found = await case.hold(kept(self.durable, f"steps/{key}/analysis", Analysis, work))
        if found.diff:
            found = await self._tried(case, found)
        said = found.reason or found.text.partition("\n")[0]
        case.tell("note", f"{self.analyst.by}: {found.fix}" + (f": {safe(said, 200)}" if said else ""))
        return found

    async def _tried(self, case: Case, found: Analysis) -> Analysis:
        decide = self.deck.policy.decide
        workspace = self.plan.workspace
        why = await self.analyst.refused(found, case.folder, lambda request: decide(request, workspace))
        if not why and case.step.agent and not case.step.verify and not case.step.outputs:
            why = "nothing would show whether it helps: the step has no verify"
        if why:
            return replace(found, reason=why)
        try:
            await patch.apply(found.diff, case.folder)
        except QuarterdeckError as error:
            return replace(found, reason=f"it cannot be applied: {safe(error.message, 200)}")
        mended = False
        try:
            if mended := await case.again():
                return replace(found, fix=Fix.APPLIED, reason="")
            return replace(found, fix=Fix.UNDONE, reason="the step failed with it as well")
        finally:
            if not mended:
                await unbroken(self._undo(case, found.diff))

    async def _undo(self, case: Case, diff: str) -> None:
        try:
            await patch.undo(diff, case.folder)
        except QuarterdeckError as error:
            case.tell("note", f"the change could not be taken back: {safe(error.message, 200)}")

    async def _turn(self, case: Case, agent: AgentPlan, text: str) -> Turn:
        """A turn of an agent about a failure, in the folder of the step."""
        step = replace(case.step, run="", agent=agent.name, prompt=text.replace("${{", "${{ '${{' }}"), verify=())
        filled = fill(self.plan, replace(step, environ={}), case.known)
        assert filled.agent is not None
        environ = surroundings.of_programs(
            case.known.environ,
            self.secrets,
            every=surroundings.declared(self.plan),
            theirs=(*self.plan.secrets, *agent.secrets),
            own=filled.environ,
            output=case.folder / "unused",
        )
        environ.pop(VARIABLE)
        self.redactor.learn(surroundings.in_use(environ, (*self.plan.secrets, *agent.secrets)))
        ask = Ask(
            run_id=case.known.run_id,
            step=filled.step,
            agent=filled.agent,
            attempt=0,
            turn=0,
            prompt=text,
            cwd=str(case.folder),
            redactor=self.redactor,
            environ=environ,
            left=case.meter.began(),
        )
        driver = self.drivers(filled.agent, self.pass_on)
        turn: Turn | None = None
        try:
            async with asyncio.timeout(AGENT_SECONDS):
                turn = await driver.turn(ask, case.meter.used)
        finally:
            await driver.aclose()
            case.meter.ended(timed(turn) if turn is not None else Usage())
        return turn
