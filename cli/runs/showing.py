"""A plan for people: what would be done in which order, with what. Nothing of it is run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import click

from cli.output import BOLD, DIM
from pipelines import ahead
from pipelines.model import EXIT_CODES, AgentPlan, Budget, Drive, Outcome, RunPlan, StepPlan
from pipelines.naming import branch
from quarterdeck.text import plain, safe

if TYPE_CHECKING:
    from cli.runs.planning import Place
    from cli.scope import Scope

_LINES = 3
"""Of a command or prompt; the rest is counted."""


def show_plan(scope: Scope, plan: RunPlan, place: Place) -> None:
    """Print the plan; with ``--json`` as the document that a run keeps.

    Ends with the code of a run that finds an agent missing (``click.exceptions.Exit``) where this one would.
    """
    out = scope.out
    absent, surely = (
        look(plan, place.catalogue.profiles.get, place.environ) for look in (ahead.missing, ahead.surely_missing)
    )
    programs = {plan.agents[step.agent].profile: absent[step.key] for step in plan.steps if step.key in absent}
    if out.json:
        from pipelines.codec import dump_plan

        out.data({"plan": dump_plan(plan), "not_installed": programs})
    else:
        _print(scope, plan, place, programs)
        for said in ahead.unlimited(plan, place.catalogue.profiles.get):
            out.note(said)
        out.note("nothing was run")
    if surely:
        raise click.exceptions.Exit(EXIT_CODES[Outcome.NOT_INSTALLED])


def _print(scope: Scope, plan: RunPlan, place: Place, programs: Mapping[str, str]) -> None:
    out = scope.out
    count = len(plan.steps)
    at_once = plan.concurrency or os.cpu_count() or 1
    out.line(f"{plan.name}: {count} step{'s' if count != 1 else ''}, at most {at_once} at the same time")
    for name, value in _run(plan):
        out.write(f"  {name:<10}{safe(value, 1000)}\n")
    for number, step in enumerate(plan.steps, 1):
        out.write("\n" + out.painted(f"{number:>3}. {safe(step.key, 200)}", BOLD))
        after = f" after {safe(', '.join(step.needs), 1000)}" if step.needs else ""
        out.write(out.painted(after, DIM) + "\n")
        for name, value in _step(step, plan.agents.get(step.agent), place):
            first, *rest = plain(value).strip("\n").split("\n")
            cut = rest[_LINES - 1 :]
            out.write(f"       {name:<10}{safe(first, 200)}\n")
            for line in [*rest[: _LINES - 1], *([f"... {len(cut)} more lines"] if cut else [])]:
                out.write(" " * 17 + safe(line, 200) + "\n")
    out.write("\n")
    for profile, program in programs.items():
        out.note(f"{program}, the program of profile {profile}, is not installed here")


def _run(plan: RunPlan) -> Iterator[tuple[str, str]]:
    yield "workspace", plan.workspace
    if plan.parameters:
        yield "given", ", ".join(f"{name}={safe(value, 60)!r}" for name, value in plan.parameters.items())
    if plan.environ:
        yield "sets", ", ".join(plan.environ)
    if plan.secrets:
        yield "secrets", ", ".join(plan.secrets)
    if limits := budget_said(plan.budget):
        yield "budget", limits
    if plan.timeout:
        yield "timeout", time_said(plan.timeout)
    if plan.analysis:
        who = plan.analysis.agent or f"the Anthropic API {plan.analysis.model}".rstrip()
        yield "failure", f"explained by {who}" + (", mended where the policy allows it" if plan.analysis.apply else "")
    if plan.keep_going:
        yield "failure", "steps that do not need a failed one are still begun"


def _step(step: StepPlan, agent: AgentPlan | None, place: Place) -> Iterator[tuple[str, str]]:
    if agent:
        yield "agent", ", ".join(_agent(step, agent, place))
        yield "prompt", step.prompt
    else:
        yield "run", step.run
    for check in step.verify:
        yield "verify", check.command + (f"  (at most {time_said(check.timeout)})" if check.timeout else "")
    if step.verify:
        yield "then", f"told what failed, at most {step.corrections} times"
    if step.when:
        yield "when", step.when
    if step.cwd:
        yield "in", step.cwd
    environ = {**(agent.environ if agent else {}), **step.environ}
    if environ:
        yield "sets", ", ".join(environ)
    if secrets := dict.fromkeys((*(agent.secrets if agent else ()), *step.secrets)):
        yield "secrets", ", ".join(secrets)
    if step.timeout:
        yield "timeout", time_said(step.timeout)
    if step.retry.times:
        yield "again", f"at most {step.retry.times} times, first after {time_said(step.retry.pause)}"
    if limits := "; ".join(filter(None, (budget_said(step.budget), budget_said(agent.budget) if agent else ""))):
        yield "budget", limits
    if step.outputs:
        yield "outputs", ", ".join(step.outputs)
    if step.artifacts:
        yield "artifacts", ", ".join(step.artifacts)


def _agent(step: StepPlan, agent: AgentPlan, place: Place) -> Iterator[str]:
    profile = place.catalogue.profiles.get(agent.profile)
    yield f"{agent.name} ({profile.title if profile else agent.profile})"
    if agent.args:
        yield "with " + " ".join(agent.args)
    yield "in its own headless mode" if agent.drive is Drive.HEADLESS else "in its terminal, asked by policy"
    if agent.worktree:
        yield f"in a worktree on {branch('RUN', step.key)}"


def budget_said(limits: Budget) -> str:
    """``$5.00, 100 turns``; "" for no limit."""
    said = [
        f"${limits.money:,.2f}" if limits.money is not None else "",
        f"{limits.turns:,} turns" if limits.turns is not None else "",
        f"{limits.tokens:,} tokens" if limits.tokens is not None else "",
        time_said(limits.seconds) if limits.seconds is not None else "",
    ]
    return ", ".join(part for part in said if part)


def time_said(seconds: float) -> str:
    """``1h30m``, ``45s``, ``250ms``, as manifests write it."""
    if seconds < 1:
        return f"{seconds * 1000:g}ms"
    rest, said = seconds, ""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if rest >= size:
            said += f"{int(rest // size)}{unit}"
            rest %= size
    return said + (f"{rest:g}s" if rest or not said else "")
