"""One attempt of a step: turns of its agent, each checked by ``verify``, until the checks are content; or a command.

What a check found goes back to the agent as its next prompt, as often as ``corrections`` says. A missing output is
found like a failed check. What the checks say decides, never what the agent says of itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from pipelines import money, outputs
from pipelines.drivers.command import Done, carry_out, last_lines
from pipelines.drivers.program import Programs
from pipelines.filling import Filled
from pipelines.model import Attempt, Budget, Check, Outcome, Usage, Verify
from pipelines.naming import check_name, turn_name
from pipelines.ports import Ask, Driver, Durable, Turn
from quarterdeck.errors import Broken, Invalid, QuarterdeckError, Unreachable
from quarterdeck.redaction import Redactor
from quarterdeck.text import safe

_T = TypeVar("_T")

REPORTED = 6_000
"""Characters of what a check printed that go back to the agent."""
TOLD = 20
"""Lines of it that are told at once."""
TIMED_OUT = 124
"""The exit code of a check that was ended, as of timeout(1)."""


async def kept(durable: Durable, key: str, kind: type[_T], work: Callable[[], Awaitable[_T]]) -> _T:
    """What ``work`` returned the first time it came to its end under this key; a value the model describes."""

    async def done() -> Any:
        return msgspec.to_builtins(await work())

    return msgspec.convert(await durable.once(key, done), kind)


class Teller(Protocol):
    """Tells what happens in a step."""

    def __call__(self, kind: str, text: str = "", **data: Any) -> None:
        """An event of this kind about the step."""


class Meter(Protocol):
    """Counts what an agent uses."""

    def began(self) -> Budget:
        """A turn begins; what may be used."""

    def used(self, usage: Usage) -> None:
        """It used so much until now."""

    def ended(self, usage: Usage) -> None:
        """It is over, and used so much."""


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What came of an attempt: what is recorded of it, and what becomes part of its step's result."""

    attempt: Attempt
    turns: tuple[Turn, ...] = ()
    usage: Usage = field(default_factory=Usage)
    message: str = ""
    question: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)
    agent_id: str = ""
    resume_id: str = ""
    branch: str = ""
    commit: str = ""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What an attempt needs. ``filled`` says what is done, ``cwd`` where; ``environ`` is complete."""

    run_id: str
    filled: Filled
    number: int
    cwd: str
    environ: Mapping[str, str]
    redactor: Redactor
    durable: Durable
    programs: Programs
    driver: Driver
    meter: Meter
    tell: Teller


class Trying:
    """An attempt while it goes on. What is done of it stands in it, also when it is cancelled."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._step = around.filled.step
        self._base = f"steps/{self._step.key}/{around.number}"
        self._turns: list[Turn] = []
        self._checks: list[Check] = []
        self._began_ns = time.time_ns()
        self._outputs: dict[str, str] = {}
        self._cut = Usage()
        """What the turn used that was cut off."""

    def so_far(self, outcome: Outcome, reason: str) -> Tried:
        """What is done, as an attempt that ended so."""
        last = self._turns[-1] if self._turns else Turn(outcome=outcome, message=self._last_words())
        began = min([self._began_ns, *(turn.started_ns for turn in self._turns if turn.started_ns)])
        attempt = Attempt(
            number=self._around.number,
            outcome=outcome,
            reason=self._around.redactor.redact(reason).text,
            started_ns=began,
            ended_ns=time.time_ns(),
            exit_code=last.exit_code,
            checks=tuple(self._checks),
        )
        return Tried(
            attempt=attempt,
            turns=tuple(self._turns),
            usage=money.add([self._cut, *map(timed, self._turns)]) if self._step.agent else Usage(),
            message=last.message,
            question=last.question,
            outputs=outputs.of_step(self._outputs, last.message),
            agent_id=last.agent_id,
            resume_id=last.resume_id,
        )

    def _last_words(self) -> str:
        """What a command said before it was cut off."""
        around = self._around
        name = turn_name(self._step.key, around.number, 0)
        cut = [] if self._step.agent else around.programs.former(name)
        return last_lines(around.programs.of(cut[-1]), around.redactor) if cut else ""

    async def carry_out(self, *, work: bool = True) -> Tried:
        """Do it. Faults of the agent and of commands are outcomes; only faults of ours are raised.

        Without ``work`` what there is already is checked, once.
        """
        around, step = self._around, self._step
        limit = asyncio.timeout(step.timeout)
        try:
            async with limit:
                outcome, reason = await (self._turns_until_content() if work else self._content())
        except TimeoutError:
            if not limit.expired():
                raise
            outcome, reason = Outcome.TIMED_OUT, f"its timeout of {_seconds(step.timeout or 0)}"
        finally:
            await around.driver.aclose()
        return self.so_far(outcome, reason)

    async def _turns_until_content(self) -> tuple[Outcome, str]:
        step = self._step
        prompt = step.prompt if step.agent else step.run
        number = 0
        while True:
            turn = await self._turn(number, prompt)
            self._turns.append(turn)
            if turn.outcome is not Outcome.SUCCEEDED:
                return turn.outcome, turn.reason
            wrong = await self._wrong(number)
            if not wrong:
                return Outcome.SUCCEEDED, ""
            if not step.agent or number == step.corrections:
                corrected = f" after {number} correction{'s' if number > 1 else ''}" if number else ""
                return Outcome.FAILED, wrong[0].title + corrected
            prompt = _correction(wrong)
            number += 1

    async def _content(self) -> tuple[Outcome, str]:
        wrong = await self._wrong(0)
        return (Outcome.FAILED, wrong[0].title) if wrong else (Outcome.SUCCEEDED, "")

    async def _turn(self, number: int, prompt: str) -> Turn:
        around, step = self._around, self._step
        ask = Ask(
            run_id=around.run_id,
            step=step,
            agent=around.filled.agent,
            attempt=around.number,
            turn=number,
            prompt=prompt,
            cwd=around.cwd,
            redactor=around.redactor,
            environ=around.environ,
            resume_id=self._turns[-1].resume_id if self._turns else "",
        )
        if not step.agent:  # its program is found again by its name, and tells the same every time
            return await around.driver.turn(ask, lambda _: None)
        metered = _Metered(around.meter)
        turn = await kept(around.durable, f"{self._base}/turn/{number}", Turn, lambda: self._metered(ask, metered))
        if not metered.began:  # an earlier process did it
            around.meter.ended(timed(turn))
        return turn

    async def _metered(self, ask: Ask, metered: _Metered) -> Turn:
        metered.began = time.monotonic()
        left = self._around.meter.began()
        turn: Turn | None = None
        try:
            turn = await self._around.driver.turn(replace(ask, left=left), metered)
            return turn
        finally:
            if turn is None:  # its last report counts, and its time in any case
                self._cut = replace(metered.last, seconds=time.monotonic() - metered.began)
            self._around.meter.ended(timed(turn) if turn else self._cut)

    # -- what is checked

    async def _wrong(self, turn: int) -> list[_Wrong]:
        """What is not as it must be after a turn, the first checks first; nothing where all is."""
        step, wrong = self._step, list[_Wrong]()
        for number, verify in enumerate(step.verify, 1):
            check = await self._check(turn, number, verify)
            self._checks.append(check)
            if check.exit_code:
                wrong.append(_Wrong(f"verify failed: {safe(verify.command, 120)}", check=check))
        if gone := await asyncio.to_thread(outputs.missing, self._around.cwd, step.outputs):
            names = ", ".join(safe(one, 80) for one in gone)
            wrong.append(_Wrong(f"{'outputs are' if len(gone) > 1 else 'an output is'} missing: {names}", gone=gone))
        try:
            file = Path(self._around.environ[outputs.VARIABLE])
            self._outputs = await asyncio.to_thread(outputs.read, file, self._around.redactor)
        except Invalid as error:
            wrong.append(_Wrong(error.message))
        return wrong

    async def _check(self, turn: int, number: int, verify: Verify) -> Check:
        around, step = self._around, self._step
        around.tell("verify.started", safe(verify.command, 200), check=number, turn=turn)
        began = time.time_ns()
        limit = asyncio.timeout(verify.timeout)
        try:
            async with limit:
                done = await carry_out(
                    around.programs,
                    check_name(step.key, around.number, turn, number),
                    step=step.key,
                    command=verify.command,
                    cwd=around.cwd,
                    environ=around.environ,
                    redactor=around.redactor,
                )
        except TimeoutError:
            if not limit.expired():
                raise
            said = f"ended after {_seconds(verify.timeout or 0)}"
            done = Done(
                code=TIMED_OUT, reason=said, output=said, agent_id="", started_ns=began, ended_ns=time.time_ns()
            )
        except (Broken, Unreachable):
            raise
        except QuarterdeckError as error:
            done = Done(
                code=126, reason=error.message, output=error.message, agent_id="", started_ns=began, ended_ns=began
            )
        code = 1 if done.code is None else done.code
        seconds = max(0.0, (done.ended_ns - done.started_ns) / 1e9)
        text = "passed" if code == 0 else f"failed: {done.reason}"
        shown, said = (around.redactor.redact(one).text for one in (verify.command, done.output))
        if code and said and said != done.reason:
            around.tell("step.output", "\n".join(said.splitlines()[-TOLD:]), check=number, turn=turn)
        around.tell("verify.ended", text, check=number, turn=turn, exit_code=code, seconds=seconds)
        return Check(command=shown, exit_code=code, output=said, seconds=seconds)


@dataclass
class _Metered:
    """Passes on what a turn uses, and remembers it."""

    meter: Meter
    began: float = 0.0
    """When it began in this process, 0 for not at all."""
    last: Usage = field(default_factory=Usage)

    def __call__(self, usage: Usage) -> None:
        self.last = usage
        self.meter.used(usage)


@dataclass(frozen=True)
class _Wrong:
    """One thing that is not as it must be."""

    title: str
    check: Check | None = None
    gone: list[str] = field(default_factory=list)


def _correction(wrong: list[_Wrong]) -> str:
    """The prompt that tells an agent what was found."""
    parts = ["The work was checked, and is not accepted yet."]
    room = max(500, REPORTED // len(wrong))
    for one in wrong:
        if one.check is None:
            parts.append(f"{one.title[:1].upper()}{one.title[1:]}.")
            continue
        said = one.check.output
        if len(said) > room:
            said = "...\n" + (said[-room:].partition("\n")[2] or said[-room:])
        parts += [
            f"This command must end with exit code 0, and ended with {one.check.exit_code}:",
            one.check.command.strip(),
            f"The end of what it printed:\n\n{said}" if said else "It printed nothing.",
        ]
    return "\n\n".join([*parts, "Mend the cause, not the check."])


def timed(turn: Turn) -> Usage:
    """What a turn used, with its time in any case."""
    if turn.usage.seconds or not turn.started_ns:
        return turn.usage
    return replace(turn.usage, seconds=max(0.0, (turn.ended_ns - turn.started_ns) / 1e9))


def _seconds(value: float) -> str:
    for size, unit in ((3600, "h"), (60, "min")):
        if value >= size and value % size == 0:
            return f"{value / size:.0f} {unit}"
    return f"{value:g} s"
