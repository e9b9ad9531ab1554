"""Several plans as one: the workflows of a batch, each with its own steps, agents and variables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from pipelines import expressions
from pipelines.model import AnalysisPlan, Budget, RunPlan, StepPlan
from pipelines.scope import template
from quarterdeck.errors import Invalid


def merge(name: str, plans: Mapping[str, RunPlan], concurrency: int) -> RunPlan:
    """One plan with the steps of all, in their order; keys and agents begin with the name of their plan and a dot.

    A variable that means different things in two of them becomes a variable of the steps. The limits of the single
    plans for their whole run are added up; failures are explained as the first one says that does. Raises
    :class:`Invalid` for a variable that cannot be moved so.
    """
    own = _own({key: {**plan.environ, **plan.parameters} for key, plan in plans.items()})
    for key, plan in plans.items():
        _check(key, plan, own[key])
    steps = [_step(key, plan, step, own[key]) for key, plan in plans.items() for step in plan.steps]
    named = (
        replace(agent, name=f"{key}.{agent.name}") for key, plan in plans.items() for agent in plan.agents.values()
    )
    agents = {agent.name: agent for agent in named}
    several = list(plans.values())
    return RunPlan(
        name=name,
        workspace=several[0].workspace,
        steps=tuple(steps),
        agents=agents,
        environ=_shared((plan.environ for plan in several), own),
        parameters=_shared((plan.parameters for plan in several), own),
        concurrency=concurrency,
        budget=_sum([plan.budget for plan in several]),
        timeout=_plus([plan.timeout for plan in several]),
        keep_going=all(plan.keep_going for plan in several),
        analysis=next((_analysis(key, plan.analysis) for key, plan in plans.items() if plan.analysis), None),
    )


def _own(variables: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """By plan: its variables that another plan has with another value."""
    values: dict[str, set[str]] = {}
    for theirs in variables.values():
        for name, value in theirs.items():
            values.setdefault(name, set()).add(value)
    return {
        key: {name: value for name, value in theirs.items() if len(values[name]) > 1}
        for key, theirs in variables.items()
    }


def _check(key: str, plan: RunPlan, own: Mapping[str, str]) -> None:
    """Raise where a variable that goes to the steps is used by what stands above them."""
    above = [*plan.environ.values(), *(value for agent in plan.agents.values() for value in agent.environ.values())]
    used = {name.parts[1] for text in above for name, _ in template(text).names() if name.parts[0] == "env"}
    for step in plan.steps:
        if step.when:
            names = expressions.condition(step.when).names()
            used |= {name.parts[1] for name in names if name.parts[0] == "env"}
    for name in own:
        if name in used:
            raise Invalid(
                f"{key} uses {name} in env or a condition, and another workflow of the batch has another value for it",
                hint=f"give it one value: --param {name}=VALUE",
            )


def _step(key: str, plan: RunPlan, step: StepPlan, own: Mapping[str, str]) -> StepPlan:
    # parameters are taken as they are, [env] may hold names
    moved = {name: _literal(value) if name in plan.parameters else value for name, value in own.items()}
    return replace(
        step,
        key=f"{key}.{step.key}",
        name=f"{key}.{step.name}",
        needs=tuple(f"{key}.{one}" for one in step.needs),
        sources={word: f"{key}.{one}" for word, one in step.sources.items()},
        agent=f"{key}.{step.agent}" if step.agent else "",
        environ={**moved, **step.environ},
        secrets=tuple(dict.fromkeys((*plan.secrets, *step.secrets))),
    )


def _analysis(key: str, analysis: AnalysisPlan) -> AnalysisPlan:
    return replace(analysis, agent=f"{key}.{analysis.agent}") if analysis.agent else analysis


def _literal(text: str) -> str:
    return text.replace("${{", "${{ '${{' }}")


def _shared(all_of: Iterable[Mapping[str, str]], own: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    moved = {name for theirs in own.values() for name in theirs}
    return {name: value for theirs in all_of for name, value in theirs.items() if name not in moved}


def _sum(budgets: Sequence[Budget]) -> Budget:
    turns, tokens = _plus([one.turns for one in budgets]), _plus([one.tokens for one in budgets])
    return Budget(
        seconds=_plus([one.seconds for one in budgets]),
        turns=None if turns is None else int(turns),
        tokens=None if tokens is None else int(tokens),
        money=_plus([one.money for one in budgets]),
    )


def _plus(limits: Sequence[float | None]) -> float | None:
    known = [one for one in limits if one is not None]
    return sum(known) if known else None
