"""From the command line to a plan: where the work is done, what is known there, and what options change.

Imported when a run is planned: it loads pydantic.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import profiles.builtin
from cli.overview import workspace
from cli.runs.options import Options
from pipelines import ahead
from pipelines import plan as planning
from pipelines.graph import closure
from pipelines.manifest.values import seconds
from pipelines.model import ARGUMENT, AgentPlan, Budget, Drive, Retry, RunPlan, StepPlan, Verify
from pipelines.plan import Surroundings
from pipelines.scope import near_variable
from profiles import Catalogue
from quarterdeck import config, hooks
from quarterdeck.errors import Invalid, NotPermitted
from quarterdeck.paths import Paths
from quarterdeck.redaction import secret
from quarterdeck.text import nearest, safe
from sessions import trust
from sessions.store import remembered_trust

_UNITS = {"k": 1_000, "m": 1_000_000}


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a run is done and what holds there."""

    workspace: str
    catalogue: Catalogue
    trusted: bool
    problems: tuple[str, ...]
    """What of the workspace and of plugins is not used, one line each."""
    environ: Mapping[str, str]

    def around(self, parameters: Mapping[str, str]) -> Surroundings:
        """For the planner. Profiles that are no agents (shells) may be used as well."""
        return Surroundings(
            workspace=self.workspace,
            profiles=list(self.catalogue.profiles),
            environ=self.environ,
            parameters=parameters,
            has_commit=lambda name: ahead.has_commit(self.workspace, name),
        )


def look(paths: Paths, options: Options) -> Place:
    """The place of a run. Raises :class:`NotPermitted` where the workspace brings what nobody has trusted."""
    folder = os.path.realpath(options.workspace) if options.workspace else workspace()
    if not os.path.isdir(folder):
        raise Invalid(f"there is no folder {safe(options.workspace)}", hint="--workspace names the one to work in")
    plugins = hooks.load([profiles.builtin])
    mine = remembered_trust(paths, folder)
    remembered = trust.digest(Path(folder)) if options.trust else mine
    found = trust.look(Path(folder), remembered, user=config.user_folder(), built_in=plugins.profile_folders())
    if not found.trusted:
        raise NotPermitted(
            f"{safe(folder)} is not trusted, and would change: " + "; ".join(found.changes or ("its settings",)),
            hint="--trust agrees for this run, quarterdeck trust for all",
            workspace=folder,
            changes=list(found.changes),
        )
    return Place(
        workspace=folder,
        catalogue=found.catalogue,
        trusted=bool(found.digest),
        problems=(*plugins.problems, *found.problems),
        environ=dict(os.environ),
    )


def from_file(file: str, place: Place, options: Options) -> RunPlan:
    """The plan of a manifest's file. Raises :class:`pipelines.manifest.BadFile` with all mistakes."""
    return adjusted(planning.load(Path(file), place.around(options.parameters)), place, options)


def from_prompt(agent: str, prompt: str, place: Place, options: Options) -> RunPlan:
    """The plan of one agent and one prompt. The agent gets all of the environment, as if it were started by hand."""
    if options.param:
        raise Invalid("--param is for manifests and workflows; a prompt has no parameters")
    if not prompt.strip() or "\0" in prompt:
        raise Invalid("the prompt is empty" if not prompt.strip() else "the prompt is no text")
    here = "." if options.workspace else os.path.relpath(os.getcwd(), place.workspace)
    inside = "" if here == "." or here.startswith("..") else here
    made = planning.single(agent, prompt, place.around({}), cwd=inside)
    names = sorted(name for name, value in place.environ.items() if value and secret(name, value))
    return adjusted(replace(made, secrets=tuple(names)), place, options)


def adjusted(plan: RunPlan, place: Place, options: Options) -> RunPlan:
    """A plan with what the options change of it."""
    _check_secrets(options.secret, place.environ)
    changes: dict[str, Any] = {"secrets": tuple(dict.fromkeys((*plan.secrets, *options.secret)))}
    if options.timeout:
        try:
            changes["timeout"] = seconds(options.timeout)
        except ValueError as error:
            raise Invalid(f"--timeout {error}, not {safe(options.timeout, 60)!r}") from None
    if options.budget:
        changes["budget"] = budget(options.budget)
    if options.concurrency is not None:
        changes["concurrency"] = options.concurrency
    if options.keep_going:
        changes["keep_going"] = True
    steps = [_step(step, options) for step in _chosen(plan, options.only)]
    agents = {name: _agent(agent, options) for name, agent in plan.agents.items()}
    if (options.worktree or options.drive) and not any(step.agent for step in steps):
        raise Invalid("--worktree and --drive are for agents, and no step has one")
    if options.verify and not any(step.agent for step in steps):
        raise Invalid("--verify checks what agents did, and no step has one", hint="make the command a step")
    for step in steps:
        if step.agent and agents[step.agent].drive is Drive.HEADLESS:
            _check_prompt(step)
    changed = replace(plan, steps=tuple(steps), agents=agents, **changes)
    ahead.check(changed)
    return changed


def _check_prompt(step: StepPlan) -> None:
    """Raise :class:`Invalid` for a prompt that is too long however its values turn out."""
    if "${{" not in step.prompt and len(step.prompt.encode(errors="surrogateescape")) >= ARGUMENT:
        raise Invalid(
            f"the prompt of {step.key} is longer than a command line takes ({ARGUMENT >> 10} KiB)",
            hint="put it into a file that the prompt names, or --drive terminal",
            step=step.key,
        )


def budget(text: str) -> Budget:
    """``money=5,turns=100,tokens=2m,time=1h`` as a budget. Raises :class:`Invalid`."""
    found: dict[str, Any] = {}
    for part in text.split(","):
        kind, _, value = (one.strip() for one in part.partition("="))
        field = {"time": "seconds"}.get(kind, kind)
        if kind not in ("money", "turns", "tokens", "time"):
            hint = nearest(kind, ("money", "turns", "tokens", "time")) or "as money=5,turns=100,tokens=2m,time=1h"
            raise Invalid(f"--budget: there is no limit {safe(kind, 40)!r}", hint=hint)
        if field in found:
            raise Invalid(f"--budget: {kind} is given twice")
        try:
            found[field] = _amount(kind, value)
        except ValueError as error:
            said = str(error) if kind == "time" else "must be a number above 0"
            raise Invalid(f"--budget: {kind} {said}, not {safe(value, 40)!r}") from None
    return Budget(**found)


def _amount(kind: str, value: str) -> float | int:
    if kind == "time":
        return seconds(value if not value.replace(".", "", 1).isdigit() else float(value))
    if kind == "money":
        amount = float(value.removeprefix("$"))
    else:
        unit = _UNITS.get(value[-1:].lower(), 1)
        amount = int(float(value[:-1] if unit > 1 else value) * unit)
    if not 0 < amount < 1e12:
        raise ValueError
    return amount


def _check_secrets(names: Iterable[str], environ: Mapping[str, str]) -> None:
    for name in names:
        if not environ.get(name):
            raise Invalid(
                f"the secret {safe(name, 80)} has no value",
                hint=near_variable(name, (one for one in environ if environ[one])) or "set it where the run is started",
                secret=name,
            )


def _chosen(plan: RunPlan, only: str) -> list[StepPlan]:
    """The steps to do: all, or those called ``only`` (a name, or the key of one cell) and what they need."""
    if not only:
        return list(plan.steps)
    meant = {step.key for step in plan.steps if only in (step.key, step.name)}
    if not meant:
        names = dict.fromkeys(step.name for step in plan.steps)
        hint = nearest(only, names) or "steps: " + ", ".join(names)
        raise Invalid(f"there is no step {safe(only, 80)!r}", hint=hint, step=only)
    before = closure({step.key: step.needs for step in plan.steps})
    keep = meant.union(*(before[key] for key in meant))
    return [step for step in plan.steps if step.key in keep]


def _step(step: StepPlan, options: Options) -> StepPlan:
    if options.retries is not None:
        step = replace(step, retry=replace(step.retry, times=options.retries) if step.retry.times else _again(options))
    if options.verify and step.agent:
        # taken as it is: what stands on the command line is no template
        more = tuple(Verify(command=one.replace("${{", "${{ '${{' }}")) for one in options.verify)
        step = replace(step, verify=(*step.verify, *more))
    return step


def _again(options: Options) -> Retry:
    return Retry(times=options.retries or 0)


def _agent(agent: AgentPlan, options: Options) -> AgentPlan:
    if options.worktree:
        agent = replace(agent, worktree=True)
    return replace(agent, drive=Drive(options.drive)) if options.drive else agent
