"""Runs of the past and those going on now: ``run list``, ``run show``, ``run stop``, ``run rm``."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from cli.output import DIM, GREEN, RED, YELLOW, Cell, Column
from cli.scope import Scope, json_option
from quarterdeck.errors import Invalid, NotFound, Refused
from quarterdeck.text import safe

if TYPE_CHECKING:
    from pipelines.folder import RunFolder
    from pipelines.model import StepResult
    from pipelines.runs import Listed
    from quarterdeck.paths import Paths

_COLUMNS = (
    Column("RUN"),
    Column("NAME", cut="end"),
    Column("STATE"),
    Column("BEGUN", drop=2),
    Column("TOOK", right=True, drop=1),
    Column("STEPS", right=True, drop=3),
    Column("WORKSPACE", cut="left", drop=4),
)
_STEPS = (
    Column("STEP", cut="middle"),
    Column("OUTCOME"),
    Column("TOOK", right=True),
    Column("TRIES", right=True, drop=2),
    Column("COST", right=True, drop=3),
    Column("REASON", cut="end", drop=1),
)
_COLOURS = {"succeeded": GREEN, "running": GREEN, "skipped": DIM, "interrupted": YELLOW}


def find(paths: Paths, ref: str, *, elsewhere: bool = False) -> RunFolder:
    """The run with this id, a part of one, or the newest for ``last``. Raises NotFound, Invalid where several fit.

    ``elsewhere``: a whole id is taken although nothing of it is here; its state is in a database.
    """
    from pipelines.folder import RunFolder

    ids = _ids(paths)
    if ref == "last" and ids:
        return RunFolder.of(paths, ids[0])
    fitting = [one for one in ids if ref and (one.startswith(ref) or one.endswith(f"-{ref}"))]
    if len(fitting) == 1:
        return RunFolder.of(paths, fitting[0])
    if fitting:
        raise Invalid(f"{len(fitting)} runs fit {safe(ref, 60)!r}", hint="quarterdeck run list")
    if elsewhere:
        return RunFolder.of(paths, ref)
    said = f"there is no run {safe(ref, 60)!r}" if ref != "last" else "there is no run yet"
    raise NotFound(said, hint="quarterdeck run list", run=ref)


def _ids(paths: Paths) -> list[str]:
    """Of all runs, the newest first."""
    from pipelines.runs import listed

    return [one.run_id for one in listed(paths)]


@click.command("list")
@json_option
@click.pass_obj
def list_runs(scope: Scope) -> None:
    """List the runs whose state is still here, the newest first."""
    from pipelines.runs import listed

    found = listed(scope.paths)
    if scope.out.json:
        scope.out.data([_values(one) for one in found])
    elif found:
        scope.out.table(_COLUMNS, [_row(one) for one in found])
    else:
        scope.out.note("no run yet; begin one: quarterdeck run FILE")


@click.command()
@click.argument("run")
@json_option
@click.pass_obj
def show(scope: Scope, run: str) -> None:
    """Show what came of RUN: an id, a part of one, or last."""
    from pipelines.report.result import result_json
    from pipelines.runs import State, kept_plan, kept_result, look

    folder = find(scope.paths, run)
    one = look(folder)
    damaged = one.state is State.DAMAGED
    result = None if damaged else kept_result(folder)
    out = scope.out
    if out.json:
        out.data(_values(one) | {"result": result_json(result, kept_plan(folder)) if result else None})
        return
    out.write(f"{one.name}  {out.painted(one.run_id, DIM)}\n")
    said = one.problem or (result.reason if result and one.state is not State.RUNNING else "")
    out.line(_state(one) + (f": {said}" if said else ""))
    if result and result.steps:
        out.write("\n")
        out.table(_STEPS, [_step(step) for step in result.steps])
    if one.state is State.INTERRUPTED:
        out.note(f"go on with it: {folder.resume}")


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that have ended; those to go on with stay.")
@json_option
@click.pass_obj
def rm(scope: Scope, runs: tuple[str, ...], everything: bool) -> None:
    """Delete the state of runs; reports, logs and branches in the workspace stay."""
    from pipelines.discard import discard
    from pipelines.folder import RunFolder
    from pipelines.runs import State, listed, look

    if bool(runs) == everything:
        raise Invalid("name runs, or say --all", hint="quarterdeck run list")
    if everything:
        known = (one.run_id for one in listed(scope.paths) if one.state is State.ENDED)
        chosen = [RunFolder.of(scope.paths, run_id) for run_id in known]
    else:
        chosen = [find(scope.paths, ref) for ref in dict.fromkeys(runs)]
    for folder in chosen:
        if look(folder).state is State.RUNNING:
            raise Refused(f"{folder.run_id} goes on at this moment; nothing was deleted", hint="stop it first")
    attached = [folder.run_id for folder in chosen if folder.attached.exists()]
    if attached:
        _remove_agents(scope, attached)
    for folder in chosen:
        discard(folder)
    _say(scope, chosen)


def _remove_agents(scope: Scope, run_ids: list[str]) -> None:
    """Remove the agents of attached runs for good: they are in sessions of the orchestrator's, named by the runs."""
    sessions = {one["id"]: one["name"] for one in scope.get("/v1/sessions") if one["name"] in run_ids}
    for agent in scope.get("/v1/agents"):
        if agent["session"] in sessions:
            place = f"/v1/agents/{agent['id']}"
            scope.post(f"{place}/end", {})
            scope.client.request("DELETE", f"{place}?force=1")
            scope.client.request("DELETE", f"/v1/trash/{agent['id']}?force=1")
    for session in sessions:
        scope.client.request("DELETE", f"/v1/sessions/{session}")


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True)
@json_option
@click.pass_obj
def stop(scope: Scope, runs: tuple[str, ...]) -> None:
    """Stop runs that go on: what they run is ended, reports are written, and they can be gone on with."""
    from pipelines.runs import State, look

    chosen = [find(scope.paths, ref) for ref in dict.fromkeys(runs)]
    for folder in chosen:
        one = look(folder)
        if one.state is not State.RUNNING:
            raise Refused(f"{folder.run_id} does not go on: it is {_state(one)}", hint="quarterdeck run list")
        if folder.attached.exists():
            scope.post(f"/v1/runs/{folder.run_id}/stop")
        elif one.pid:
            os.kill(one.pid, signal.SIGTERM)
    _say(scope, chosen)


def _say(scope: Scope, chosen: list[RunFolder]) -> None:
    """Which runs it was done to."""
    if scope.out.json:
        scope.out.data([folder.run_id for folder in chosen])
    else:
        for folder in chosen:
            scope.out.line(folder.run_id)


def _state(one: Listed) -> str:
    """``running``, ``interrupted``, ``damaged``, or how it ended."""
    from pipelines.runs import State

    return one.outcome.value if one.state is State.ENDED and one.outcome else one.state.value


def _values(one: Listed) -> dict[str, Any]:
    return {
        "run": one.run_id,
        "name": one.name,
        "state": _state(one),
        "started_ns": one.started_ns,
        "ended_ns": one.ended_ns,
        "steps": one.steps,
        "workspace": one.workspace,
        "pid": one.pid,
        "problem": one.problem,
    }


def _row(one: Listed) -> tuple[str | Cell, ...]:
    from cli.overview import near_home

    state = _state(one)
    return (
        one.run_id,
        one.name,
        Cell(state, _COLOURS.get(state, RED)),
        f"{_begun(one.run_id):%Y-%m-%d %H:%M}",
        _took(one.started_ns, one.ended_ns),
        str(one.steps),
        near_home(one.workspace),
    )


def _begun(run_id: str) -> datetime:
    """When a run was begun, in local time; its id says it in UTC."""
    return datetime.strptime(run_id[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC).astimezone()


def _step(step: StepResult) -> tuple[str | Cell, ...]:
    from pipelines.report import words

    return (
        step.key,
        Cell(step.outcome.value, _COLOURS.get(step.outcome.value, RED)),
        _took(step.started_ns, step.ended_ns),
        str(len(step.attempts)),
        words.money(step.usage),
        words.why(step),
    )


def _took(started_ns: int, ended_ns: int) -> str:
    from pipelines.report import words

    seconds = words.took(started_ns, ended_ns)
    return words.duration(seconds) if seconds else ""
