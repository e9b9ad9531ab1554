"""What can be known of a run before its first step begins, so that nothing is paid for what must fail.

A command that comes before a step may still make what is missing (install an agent, make a repository): of such a step
nothing is said ahead.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from pipelines import money
from pipelines.graph import closure
from pipelines.model import AgentPlan, Drive, RunPlan, StepPlan
from profiles import Profile
from profiles.headless import WITH_EACH_ANSWER
from quarterdeck.errors import Invalid
from quarterdeck.text import safe
from sessions.git import surroundings

_GIT_SECONDS = 30.0


def check(plan: RunPlan) -> None:
    """Raise :class:`Invalid` where a worktree that a step needs can have no beginning."""
    _check_forks(plan)
    for step, agent in _certain(plan):
        if agent.worktree and not {"$", "{"} <= set(agent.workspace):
            _check_repository(step, Path(plan.workspace, agent.workspace))


def _check_forks(plan: RunPlan) -> None:
    """Of several steps with branches that a step with a worktree needs, one must have gone on from all others."""
    trees = {step.key for step in plan.steps if step.agent and plan.agents[step.agent].worktree}
    lines: dict[str, set[str]] = {}
    """By key: the steps whose work its branch holds."""
    for step in plan.steps:  # each comes after what it needs
        if step.key not in trees:
            continue
        needed = [key for key in step.needs if key in trees]
        first = next((key for key in needed if lines[key].issuperset(needed)), "")
        if needed and not first:
            said = ", ".join(safe(key, 60) for key in needed)
            raise Invalid(
                f"{safe(step.key, 60)} works in a worktree and needs {said}, whose branches go on side by side",
                hint="let one of them need the other, or do what joins them in a step without a worktree",
                step=step.key,
            )
        lines[step.key] = {step.key, *lines.get(first, ())}


def missing(plan: RunPlan, profile: Callable[[str], Profile | None], environ: Mapping[str, str]) -> dict[str, str]:
    """By the key of each step with an agent: the program that is not there. A command before it may bring it yet."""
    found: dict[str, str] = {}
    for step in plan.steps:
        if not step.agent:
            continue
        agent = plan.agents[step.agent]
        known = profile(agent.profile)
        program = known.argv[0] if known and known.argv else ""
        levels = ({**environ}, plan.environ, agent.environ, step.environ)
        path = next((level["PATH"] for level in reversed(levels) if "PATH" in level), None)
        unclear = "{" in program or (os.sep in program and not os.path.isabs(program)) or "${{" in (path or "")
        if program and not unclear and not shutil.which(program, path=path):
            found[step.key] = program
    return found


def surely_missing(
    plan: RunPlan, profile: Callable[[str], Profile | None], environ: Mapping[str, str]
) -> dict[str, str]:
    """As :func:`missing`, of the steps that will find it missing whatever comes before them."""
    found = missing(plan, profile, environ)
    return {step.key: found[step.key] for step, _ in _certain(plan) if step.key in found}


def unlimited(plan: RunPlan, profile: Callable[[str], Profile | None]) -> Iterator[str]:
    """The budgets that cannot stop an agent while it works, in words, with what can."""
    for account in money.accounts(plan, {}):
        steps = [
            step
            for step in plan.steps
            if step.agent and account.of in (f"step {step.key}", f"agent {step.agent}", "the run")
        ]
        agents = {step.agent: plan.agents[step.agent] for step in steps}
        for kind in money.limited(account):
            blind = {
                name: live
                for name, agent in agents.items()
                if kind not in (live := _live(agent, profile(agent.profile)))
            }
            if not blind:
                continue
            can = ["time", *(one for one in ("turns", "tokens") if all(one in live for live in blind.values()))]
            who = ", ".join(safe(agents[name].profile if name == "agent" else name, 40) for name in blind)
            yield (
                f"{kind} of {safe(account.of, 80)} cannot be limited while {who} works: "
                f"what is used is told at the end, or never; limit {' or '.join(can)} as well"
            )


def _live(agent: AgentPlan, profile: Profile | None) -> frozenset[str]:
    """The kinds of a budget that stop an agent in the middle of its work."""
    if profile is None:
        return frozenset(money.KINDS)
    if agent.drive is Drive.TERMINAL:
        return frozenset({"time", "turns", "tokens"})
    own = {kind for kind, how in (("turns", profile.headless.turns), ("money", profile.headless.money)) if how}
    return frozenset({"time", *own}) | WITH_EACH_ANSWER.get(profile.headless.format, frozenset())


def has_commit(folder: str, name: str) -> bool:
    """Whether git knows a commit of that name in the repository around a folder."""
    return _git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")


def _certain(plan: RunPlan) -> Iterator[tuple[StepPlan, AgentPlan]]:
    """The steps with agents that are begun if nothing fails, and before which no command is run."""
    steps = {step.key: step for step in plan.steps}
    before = closure({step.key: step.needs for step in plan.steps})
    for step in plan.steps:
        around = [step, *(steps[key] for key in before[step.key])]
        if all(one.agent and not one.when for one in around):
            yield step, plan.agents[step.agent]


def _check_repository(step: StepPlan, folder: Path) -> None:
    if not folder.is_dir():
        raise Invalid(f"{safe(step.key, 60)} works in {safe(str(folder))}, which is no folder", hint="", step=step.key)
    if has_commit(str(folder), "HEAD"):
        return
    inside = _git(str(folder), "rev-parse", "--is-inside-work-tree")
    lacks = "has no commit yet" if inside else "is in no git repository"
    raise Invalid(
        f"{safe(step.key, 60)} works in a worktree, and {safe(str(folder))} {lacks}",
        hint="git commit first, or leave out the worktree" if inside else "git init, or leave out the worktree",
        step=step.key,
    )


def _git(folder: str, *words: str) -> bool:
    command = ["git", "-C", folder, *words]
    try:
        done = subprocess.run(
            command,
            env=surroundings(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_GIT_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise Invalid("git is not installed, and a step needs it", hint="install git") from None
    except subprocess.TimeoutExpired:
        return True  # it is slow, and what it would say is found when the step begins
    return done.returncode == 0
