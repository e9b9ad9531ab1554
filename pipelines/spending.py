"""What a run uses, live: which budget is used up by whom, and when time alone will do that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from pipelines import money
from pipelines.model import Budget, RunPlan, StepPlan, StepResult, Usage
from pipelines.money import Account, Excess

LATE = 0.02
"""Seconds by which time is looked at after it is used up, so that it is."""


@dataclass
class Spender:
    """A step with an agent while it goes on."""

    step: StepPlan
    done: Usage = field(default_factory=Usage)
    """Of the turns that have ended."""
    turn: Usage | None = None
    """Of the turn that goes on, without its time; None between turns."""
    began: float = 0.0
    """When that turn began, on the loop's clock."""


class Spending:
    """See the module. ``over`` is told of each step that has to stop, ``warn`` once of each budget that is nearly used.

    Only agents use anything: of a command, there is nothing to be counted but its time, which no budget limits.
    """

    def __init__(self, plan: RunPlan, over: Callable[[str, Excess], None], warn: Callable[[str, Excess], None]) -> None:
        self._plan = plan
        self._over, self._warn = over, warn
        self._limited = any(
            budget != Budget()
            for budget in (
                plan.budget,
                *(step.budget for step in plan.steps),
                *(agent.budget for agent in plan.agents.values()),
            )
        )
        self._ended: dict[str, Usage] = {}
        self._spenders: dict[str, Spender] = {}
        self._warned: set[tuple[str, str]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def used(self) -> Mapping[str, Usage]:
        """By step, what was used until now."""
        now = asyncio.get_running_loop().time()
        found = dict(self._ended)
        for key, one in self._spenders.items():
            turn = replace(one.turn, seconds=now - one.began) if one.turn is not None else Usage()
            found[key] = money.add((one.done, turn))
        return found

    def begin(self, step: StepPlan) -> Spender:
        """A step with an agent begins, and is counted from now on."""
        return self._spenders.setdefault(step.key, Spender(step))

    def ended(self, result: StepResult) -> None:
        """A step has ended, now or in an earlier process: its result says what it used."""
        if self._spenders.pop(result.key, None) is not None or result.usage != Usage():
            self._ended[result.key] = result.usage
        self._arm()

    def turn_began(self, one: Spender) -> None:
        """Its time runs from now on."""
        one.turn, one.began = Usage(), asyncio.get_running_loop().time()
        self._arm()

    def turn_used(self, one: Spender, usage: Usage) -> None:
        """The turn that goes on used so much."""
        if one.turn is not None:
            one.turn = usage
            self._look(one.step.key)

    def turn_ended(self, one: Spender, usage: Usage) -> None:
        """The turn is over, and used so much, its time included."""
        one.turn = None
        one.done = money.add((one.done, usage))
        self._look(one.step.key)
        self._arm()

    def nothing_left(self, step: StepPlan) -> Excess | None:
        """The budget of which nothing is left for a step to begin with."""
        if not self._limited or not step.agent:
            return None
        return money.excess(money.accounts(self._plan, self.used(), step.key), begin=True)

    def left(self, step: StepPlan) -> Budget:
        """What a step may still use."""
        return money.left(money.accounts(self._plan, self.used(), step.key))

    def blind(self) -> tuple[str, ...]:
        """Budgets that could not be measured, in words."""
        found = money.accounts(self._plan, self.used())
        return tuple(
            f"{kind} of {account.of} cannot be limited: nothing was reported of it"
            for account in found
            if account.usage.seconds > 0
            for kind in money.blind(account)
        )

    def close(self) -> None:
        """Look at nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, key: str) -> None:
        if not self._limited:
            return
        mine = money.accounts(self._plan, self.used(), key)
        for warning in money.warnings(mine):
            if (warning.of, warning.kind) not in self._warned:
                self._warned.add((warning.of, warning.kind))
                self._warn(key, warning)
        if (found := money.excess(mine)) is not None:
            shared = not found.of.startswith("step ")
            for other in [one for one in self._spenders if shared or one == key]:
                theirs = money.excess(money.accounts(self._plan, self.used(), other))
                if theirs is not None:
                    self._over(other, theirs)

    def _arm(self) -> None:
        """Look again when the first limit of time is, or is nearly, used up."""
        self.close()
        active = {key: one for key, one in self._spenders.items() if one.turn is not None}
        if not self._limited or not active:
            return
        used = self.used()
        due: list[float] = []
        for key, one in active.items():
            for account in money.accounts(self._plan, used, key):
                if account.budget.seconds is not None:
                    at_once = sum(1 for other in active.values() if _draws(account, one, other))
                    shares = (account.budget.seconds * money.WARN_AT, account.budget.seconds)
                    due += [rest / at_once for share in shares if (rest := share - account.usage.seconds) > 0]
        if due:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(min(due) + LATE, self._rang)

    def _rang(self) -> None:
        self._timer = None
        for key in [key for key, one in self._spenders.items() if one.turn is not None]:
            self._look(key)
        self._arm()


def _draws(account: Account, one: Spender, other: Spender) -> bool:
    """Whether ``other`` draws on an account of ``one``."""
    if account.of.startswith("step "):
        return other is one
    return account.of == "the run" or other.step.agent == one.step.agent
