"""What a step's texts say once it begins: every ``${{ }}`` filled in, for one attempt.

Variables have levels, and a text sees those above its own: the caller's environment and the run's parameters, then
the run's ``env``, the agent's, the step's; prompts and an agent's arguments see all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pipelines import expressions
from pipelines.expressions import Lookup, Name, Unset
from pipelines.model import AgentPlan, Outcome, RunPlan, StepPlan, StepResult
from pipelines.scope import template
from quarterdeck.errors import Invalid


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of a run so far. ``environ`` is the caller's; secrets are never looked for in it."""

    run_id: str
    environ: Mapping[str, str]
    results: Mapping[str, StepResult]


@dataclass(frozen=True, kw_only=True)
class Filled:
    """A step and its agent with nothing left to fill in. ``environ`` is what the manifest sets for its programs."""

    step: StepPlan
    agent: AgentPlan | None
    environ: Mapping[str, str]


def fill(plan: RunPlan, step: StepPlan, known: Known) -> Filled:
    """The step as it is to be done now. Raises :class:`Invalid` for an output that was not set."""
    agent = plan.agents[step.agent] if step.agent else None
    try:
        run = run_environ(plan, known)
        seen = {**_set(known), **run}
        agents = _all(agent.environ if agent else {}, look(step, known, seen))
        seen |= agents
        own = _all(step.environ, look(step, known, seen))
        names = look(step, known, {**seen, **own})
        verify = tuple(replace(one, command=template(one.command).fill(names)) for one in step.verify)
        filled = replace(
            step,
            run=template(step.run).fill(names),
            prompt=template(step.prompt).fill(names),
            verify=verify,
            environ=own,
        )
        if agent:
            agent = replace(agent, args=tuple(template(one).fill(names) for one in agent.args), environ=agents)
    except Unset as error:
        said = f"{error.name} has no value"
        raise Invalid(f"{step.key}: {said}", hint=f"write {error.name} or 'something'", step=step.key) from error
    return Filled(step=filled, agent=agent, environ={**run, **agents, **own})


def run_environ(plan: RunPlan, known: Known) -> dict[str, str]:
    """The variables of the run's own level. Raises :class:`Unset`."""
    nothing = StepPlan(key="", name="")
    return _all(plan.environ, look(nothing, known, {**_set(known), **plan.parameters})) | dict(plan.parameters)


def look(step: StepPlan, known: Known, environ: Mapping[str, str]) -> Lookup:
    """The values of names for a step.

    An output that was not set is an empty text where its step did not succeed; where it did, it has no value.
    """

    def value(name: Name) -> str | None:
        root, word = name.parts[0], name.parts[1]
        if root == "env":
            return environ.get(word)
        if root == "matrix":
            return step.matrix.get(word)
        if root == "run":
            return known.run_id
        result = known.results.get(step.sources.get(word, word))
        if result is None:
            return None
        if name.parts[2] == "outcome":
            return result.outcome.value
        set_there = result.outputs.get(name.parts[3])
        return set_there if set_there is not None or result.outcome is Outcome.SUCCEEDED else ""

    return value


def holds(plan: RunPlan, step: StepPlan, known: Known, *, success: bool, failure: bool) -> bool:
    """Whether a step's condition holds; ``success`` and ``failure`` are of the steps before it."""
    if not step.when:
        return success
    condition = expressions.condition(step.when)
    if not condition.asks and not success:
        return False
    environ = {**_set(known), **run_environ(plan, known)}
    return condition.holds(look(step, known, environ), success=success, failure=failure)


def _set(known: Known) -> dict[str, str]:
    """The caller's variables that have a value: an empty one is as good as none."""
    return {key: value for key, value in known.environ.items() if value}


def _all(environ: Mapping[str, str], names: Lookup) -> dict[str, str]:
    return {key: template(value).fill(names) for key, value in environ.items()}
