"""What was used, added up, and which budget that uses up: of the run, of an agent, of a step.

What is unknown stays unknown: a sum is what is known of it, a lower bound. A budget whose kind no agent reports cannot
stop anything, and :func:`blind` says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce

from pipelines.model import Budget, RunPlan, Usage

KINDS = ("time", "turns", "tokens", "money")
WARN_AT = 0.8
"""The share of a budget from which on people are told."""


@dataclass(frozen=True)
class Account:
    """One budget and what was used of it. ``of`` says whose: ``the run``, ``agent writer``, ``step tests``."""

    of: str
    budget: Budget
    usage: Usage


@dataclass(frozen=True)
class Excess:
    """A budget that is used up, or nearly: whose, of which of :data:`KINDS`, how much of what."""

    of: str
    kind: str
    limit: float
    used: float

    def __str__(self) -> str:
        return f"{self.kind} of {self.of}: {_said(self.kind, self.used)} of {_said(self.kind, self.limit)}"


def add(usages: Iterable[Usage]) -> Usage:
    """What was used altogether; what nobody knows is None, what some know is the sum of that."""
    return reduce(_sum, usages, Usage())


def tokens(usage: Usage) -> int | None:
    """In and out together, None where neither is known."""
    known = [count for count in (usage.tokens_in, usage.tokens_out) if count is not None]
    return sum(known) if known else None


def accounts(plan: RunPlan, used: Mapping[str, Usage], key: str = "") -> tuple[Account, ...]:
    """The accounts that have a limit, the run's last; with ``key`` only those that this step draws on.

    ``used`` is by step, of finished attempts and running ones together.
    """
    own = [step for step in plan.steps if key in ("", step.key)]
    found = [Account(f"step {step.key}", step.budget, used.get(step.key, Usage())) for step in own]
    for name in dict.fromkeys(step.agent for step in own if step.agent):
        theirs = (used[step.key] for step in plan.steps if step.agent == name and step.key in used)
        found.append(Account(f"agent {name}", plan.agents[name].budget, add(theirs)))
    found.append(Account("the run", plan.budget, add(used.values())))
    return tuple(account for account in found if account.budget != Budget())


def excess(among: Iterable[Account], *, begin: bool = False) -> Excess | None:
    """The first budget that was gone beyond; with ``begin`` the first of which nothing is left to begin with."""
    for account in among:
        for kind, limit, used in _pairs(account):
            if used is not None and (used > limit or (begin and used >= limit)):
                return Excess(account.of, kind, limit, used)
    return None


def warnings(among: Iterable[Account]) -> tuple[Excess, ...]:
    """The budgets of which :data:`WARN_AT` or more is used."""
    return tuple(
        Excess(account.of, kind, limit, used)
        for account in among
        for kind, limit, used in _pairs(account)
        if used is not None and used >= limit * WARN_AT
    )


def blind(account: Account) -> tuple[str, ...]:
    """The kinds that are limited, and of which nothing is known after turns were taken or tokens used."""
    return tuple(kind for kind, _, used in _pairs(account) if used is None)


def limited(account: Account) -> tuple[str, ...]:
    """The kinds that have a limit, but for time, which is always known."""
    return tuple(kind for kind, _, _ in _pairs(account) if kind != "time")


def left(among: Iterable[Account]) -> Budget:
    """What may still be used by who draws on all of these accounts, never below zero."""
    rest: dict[str, float] = {}
    for account in among:
        for kind, limit, used in _pairs(account):
            rest[kind] = min(rest.get(kind, limit), max(0, limit - (used or 0)))
    whole = {kind: int(rest[kind]) for kind in ("turns", "tokens") if kind in rest}
    return Budget(
        seconds=rest.get("time"), turns=whole.get("turns"), tokens=whole.get("tokens"), money=rest.get("money")
    )


def _pairs(account: Account) -> Iterable[tuple[str, float, float | None]]:
    """Of each limited kind: the limit, and what was used."""
    budget, usage = account.budget, account.usage
    limits = (budget.seconds, budget.turns, budget.tokens, budget.money)
    used = (usage.seconds, usage.turns, tokens(usage), usage.cost)
    for kind, limit, so_far in zip(KINDS, limits, used, strict=True):
        if limit is not None:
            yield kind, limit, so_far


def _sum(one: Usage, other: Usage) -> Usage:
    return Usage(
        seconds=one.seconds + other.seconds,
        turns=_plus(one.turns, other.turns),
        tokens_in=_plus(one.tokens_in, other.tokens_in),
        tokens_out=_plus(one.tokens_out, other.tokens_out),
        cost=_cost(one.cost, other.cost),
    )


def _plus(one: int | None, other: int | None) -> int | None:
    return None if one is None and other is None else (one or 0) + (other or 0)


def _cost(one: float | None, other: float | None) -> float | None:
    return None if one is None and other is None else round((one or 0.0) + (other or 0.0), 9)


def _said(kind: str, value: float) -> str:
    if kind == "money":
        return f"${value:.2f}" if value >= 0.01 or not value else f"${value:.4f}"
    return f"{value:.0f} s" if kind == "time" else f"{value:,.0f}"
