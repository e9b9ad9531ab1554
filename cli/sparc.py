"""``sparc``: the workflows kept by name, from the specification to the documents; run one, run several, copy one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.output import Column
from cli.runs.options import Options, run_options
from cli.scope import Scope, json_option
from quarterdeck.errors import Invalid, Refused
from quarterdeck.text import plain, safe

if TYPE_CHECKING:
    from cli.runs.planning import Place
    from pipelines.model import RunPlan
    from pipelines.workflows import Workflow, Workflows

_COLUMNS = (Column("MODE"), Column("NEEDS", drop=2), Column("ABOUT", cut="end"), Column("FILE", cut="left", drop=1))
_SUBJECTS = ("TASK", "FEATURE")
"""The parameter that the words after a mode are: the first of these that the workflow has."""

_agent = click.option("--agent", default="", metavar="PROFILE", help="The kind of agent that does the work.")


@click.group()
def sparc() -> None:
    """Workflows by name: specification, pseudocode, architecture, code and the other SPARC modes."""


@sparc.command()
@json_option
@click.pass_obj
def modes(scope: Scope) -> None:
    """List the workflows that may be used here: the built-in ones, yours, those of a trusted workspace."""
    known = _known(scope)
    if scope.out.json:
        scope.out.data({"modes": [_summary(one) for one in known.workflows.values()], "problems": list(known.problems)})
        return
    for problem in known.problems:
        scope.out.note(problem)
    scope.out.table(
        _COLUMNS,
        [
            (one.name, " ".join(p.name for p in one.parameters if p.default is None), one.about, _source(one))
            for one in known.workflows.values()
        ],
    )


@sparc.command()
@click.argument("mode")
@json_option
@click.pass_obj
def show(scope: Scope, mode: str) -> None:
    """Print the file of MODE: its steps, prompts and checks."""
    found = _known(scope).get(mode)
    text = plain(found.text.decode("utf-8", "replace"))
    if scope.out.json:
        scope.out.data(_summary(found) | {"text": text})
    else:
        scope.out.write(text if text.endswith("\n") else text + "\n")


@sparc.command()
@click.argument("mode")
@click.option("--user", "whose", flag_value="user", help="To your own workflows (the default).")
@click.option("--workspace", "whose", flag_value="workspace", help="To those of this workspace, for all who use it.")
@json_option
@click.pass_obj
def copy(scope: Scope, mode: str, whose: str | None) -> None:
    """Copy the file of MODE, to change it: the copy is used in its place."""
    from cli.overview import workspace
    from quarterdeck import config
    from quarterdeck.paths import write_file

    found = _known(scope).get(mode)
    folder = config.workspace_folder(Path(workspace())) if whose == "workspace" else config.user_folder()
    target = folder / "workflows" / f"{found.name}.toml"
    if target.exists():
        raise Refused(f"{target} is there already; nothing was changed", hint="change that one")
    target.parent.mkdir(parents=True, exist_ok=True)
    write_file(target, found.text, 0o644)
    if scope.out.json:
        scope.out.data({"mode": found.name, "file": str(target)})
        return
    scope.out.line(str(target))
    if whose == "workspace":
        scope.out.note("it is used once you trust the workspace: quarterdeck trust")


@sparc.command("run")
@click.argument("mode")
@click.argument("task", required=False)
@_agent
@run_options
@click.pass_obj
def run_mode(scope: Scope, /, mode: str, task: str | None, agent: str, **given: Any) -> None:
    """Run MODE on TASK, in your own words ("-" for standard input); quarterdeck run has the exit codes."""
    from cli.runs.beginning import begin

    options = Options(**given)
    begin(scope, options, lambda place: _planned(place, mode, _task(task), agent, options))


@sparc.command()
@click.argument("feature")
@click.option("--coverage", type=click.FloatRange(0, 100), default=80.0, show_default=True, metavar="N",
              help="Percent of the code that the tests must cover.")  # fmt: skip
@click.option("--test-command", default="", metavar="COMMAND",
              help="Runs the tests (default: found in the workspace).")  # fmt: skip
@click.option("--coverage-command", default="", metavar="COMMAND",
              help="Measures the coverage, the last number it prints (default: found in the workspace).")  # fmt: skip
@_agent
@run_options
@click.pass_obj
def tdd(
    scope: Scope,
    /,
    feature: str,
    coverage: float,
    test_command: str,
    coverage_command: str,
    agent: str,
    **given: Any,
) -> None:
    """Build FEATURE test first: tests that fail, code that makes them pass, order with the coverage measured."""
    from cli.runs.beginning import begin

    options = Options(**given)

    def make(place: Place) -> RunPlan:
        chosen = {
            "COVERAGE": f"{coverage:g}",
            "TEST_COMMAND": test_command or _detected(scope, place, "test"),
            "COVERAGE_COMMAND": coverage_command or _detected(scope, place, "coverage"),
        }
        return _planned(place, "tdd", _task(feature), agent, options, chosen)

    begin(scope, options, make)


@sparc.command()
@click.argument("task", required=False)
@click.option("--modes", "names", required=True, metavar="MODE,...", help="The workflows, in their order.")
@click.option("--parallel", type=click.IntRange(1, 1000), default=1, show_default=True, metavar="N",
              help="Steps at the same time; 1: one workflow after the other.")  # fmt: skip
@_agent
@run_options
@click.pass_obj
def batch(scope: Scope, /, task: str | None, names: str, parallel: int, agent: str, **given: Any) -> None:
    """Run several workflows on TASK as one run, one after the other or --parallel.

    Their steps are called MODE.STEP. A failure ends the batch, unless --keep-going.
    """
    from dataclasses import replace

    from cli.runs.beginning import begin

    options = Options(**given)
    chosen = [one.strip() for one in names.split(",") if one.strip()]
    if not chosen or len(set(chosen)) != len(chosen):
        raise Invalid("--modes names each workflow once", hint="--modes specification,code,review")
    if options.concurrency is not None:
        raise Invalid("a batch has --parallel in place of --concurrency")

    if parallel > 1 and not options.worktree:
        scope.out.note("agents work in one folder at the same time; --worktree gives each step one of its own")

    def make(place: Place) -> RunPlan:
        from cli.runs.planning import adjusted
        from pipelines.merging import merge

        words = _task(task)
        known = _workflows(place)
        taken = {parameter.name for mode in chosen for parameter in known.get(mode).parameters}
        _check_given(options, taken, words, chosen)
        plans = {mode: _plan(place, known.get(mode), words, agent, options, {}, several=True) for mode in chosen}
        return adjusted(merge("batch", plans, parallel), place, replace(options, param=()))

    begin(scope, options, make)


def _planned(
    place: Place, mode: str, task: str, agent: str, options: Options, more: dict[str, str] | None = None
) -> RunPlan:
    from cli.runs.planning import adjusted

    found = _workflows(place).get(mode)
    return adjusted(_plan(place, found, task, agent, options, more or {}), place, options)


def _plan(
    place: Place,
    workflow: Workflow,
    task: str,
    agent: str,
    options: Options,
    more: dict[str, str],
    *,
    several: bool = False,
) -> RunPlan:
    """The plan of a workflow. ``several``: words and parameters are for several, and those it does not know are not."""
    from pipelines.plan import plan

    takes = {parameter.name for parameter in workflow.parameters}
    values = {name: value for name, value in options.parameters.items() if not several or name in takes}
    values |= {name: value for name, value in more.items() if name not in values}
    subject = next((name for name in _SUBJECTS if name in takes), "")
    if task and subject and subject not in values:
        values[subject] = task
    elif task and not several:
        said = f"{subject} is given twice" if subject else f"{workflow.name} takes no task"
        raise Invalid(said, hint=f"quarterdeck sparc show {workflow.name}")
    if agent and ("AGENT" in takes or not several):
        if "AGENT" not in takes:
            raise Invalid(f"{workflow.name} names its agents itself", hint=f"quarterdeck sparc copy {workflow.name}")
        values["AGENT"] = agent
    return plan(workflow.read(), place.around(values))


def _check_given(options: Options, taken: set[str], task: str, modes: list[str]) -> None:
    """Raise for what none of the workflows of a batch takes."""
    from quarterdeck.text import nearest

    for name in options.parameters:
        if name not in taken:
            hint = nearest(name, taken) or "parameters: " + ", ".join(sorted(taken))
            raise Invalid(f"none of {', '.join(modes)} has a parameter {safe(name, 60)}", hint=hint)
    if task and not taken & set(_SUBJECTS):
        raise Invalid(f"none of {', '.join(modes)} takes a task")


def _task(words: str | None) -> str:
    from cli.texts import text_of

    return text_of(words, None, whole=True) if words else ""


def _detected(scope: Scope, place: Place, kind: str) -> str:
    """The command that the workspace's own files speak for, told to the person. Raises :class:`Invalid`."""
    from pipelines import detecting

    look = detecting.tests if kind == "test" else detecting.coverage
    found = look(Path(place.workspace))
    if found is None:
        does = "runs the tests" if kind == "test" else "measures the coverage"
        raise Invalid(f"nothing in the workspace tells which command {does}", hint=f"--{kind}-command COMMAND")
    scope.out.note(f"{kind}: {found.command} (because of {found.because})")
    return found.command


def _workflows(place: Place) -> Workflows:
    from pipelines.workflows import load
    from quarterdeck import config

    theirs = config.workspace_folder(Path(place.workspace)) / "workflows"
    return load(config.user_folder() / "workflows", theirs, trusted=place.trusted)


def _known(scope: Scope) -> Workflows:
    """The workflows of the workspace a person stands in; those of one nobody trusts are told of."""
    from cli.overview import workspace
    from pipelines.workflows import load
    from quarterdeck import config
    from sessions import trust
    from sessions.store import remembered_trust

    here = workspace()
    digest = trust.digest(Path(here))
    trusted = bool(digest) and digest == remembered_trust(scope.paths, here)
    theirs = config.workspace_folder(Path(here)) / "workflows"
    return load(config.user_folder() / "workflows", theirs, trusted=trusted)


def _summary(one: Workflow) -> dict[str, Any]:
    return {
        "name": one.name,
        "about": one.about,
        "file": str(one.file),
        "parameters": [{"name": p.name, "about": p.about, "default": p.default} for p in one.parameters],
    }


def _source(one: Workflow) -> str:
    from cli.overview import near_home
    from pipelines.workflows import DATA

    return "built in" if one.file.parent == DATA else near_home(str(one.file))
