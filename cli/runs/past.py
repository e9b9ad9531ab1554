"""Runs of the past and those going on now: ``run list``, ``run show``, ``run rm``."""

from __future__ import annotations

import fcntl
import json
import os
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from cli.output import DIM, GREEN, RED, YELLOW, Cell, Column
from cli.scope import Scope, json_option
from quarterdeck.errors import Invalid, NotFound, Refused
from quarterdeck.text import safe

if TYPE_CHECKING:
    from pipelines.folder import RunFolder
    from quarterdeck.paths import Paths

_COLUMNS = (
    Column("RUN"),
    Column("NAME", cut="end"),
    Column("STATE"),
    Column("BEGUN", drop=2),
    Column("TOOK", right=True, drop=1),
    Column("STEPS", right=True, drop=3),
    Column("COST", right=True, drop=4),
    Column("WORKSPACE", cut="left", drop=5),
)
_STEPS = (
    Column("STEP", cut="middle"),
    Column("OUTCOME"),
    Column("TOOK", right=True),
    Column("TRIES", right=True, drop=2),
    Column("COST", right=True, drop=3),
    Column("REASON", cut="end", drop=1),
)
RUNNING, CUT_OFF = "running", "cut off"
_COLOURS = {"succeeded": GREEN, RUNNING: GREEN, "skipped": DIM, CUT_OFF: YELLOW, "interrupted": YELLOW}


def folders(paths: Paths) -> list[RunFolder]:
    """The folders of all runs, the newest first."""
    from pipelines.folder import RunFolder

    found = []
    try:
        names = os.listdir(paths.home / "runs")
    except OSError:
        return []
    for name in sorted(names, reverse=True):
        try:
            found.append(RunFolder.of(paths, name))
        except Invalid:
            continue
    return found


def find(paths: Paths, ref: str, *, elsewhere: bool = False) -> RunFolder:
    """The run with this id, the start of one, or the newest for ``last``. Raises NotFound, Invalid where several fit.

    ``elsewhere``: a whole id is taken although nothing of it is here; its state is in a database.
    """
    from pipelines.folder import RunFolder

    known = folders(paths)
    if ref == "last" and known:
        return known[0]
    fitting = [one for one in known if one.run_id.startswith(ref) or one.run_id.endswith(f"-{ref}")]
    if len(fitting) == 1 or (fitting and fitting[0].run_id == ref):
        return fitting[0]
    if fitting:
        raise Invalid(f"{len(fitting)} runs begin with {safe(ref, 60)!r}", hint="quarterdeck run list")
    if elsewhere:
        return RunFolder.of(paths, ref)
    said = f"there is no run {safe(ref, 60)!r}" if ref != "last" else "there is no run yet"
    raise NotFound(said, hint="quarterdeck run list", run=ref)


def goes_on(folder: RunFolder) -> bool:
    """Whether a process carries it out now."""
    try:
        handle = os.open(folder.lock, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


@click.command("list")
@json_option
@click.pass_obj
def list_runs(scope: Scope) -> None:
    """List the runs whose state is still here, the newest first."""
    found = [_summary(folder) for folder in folders(scope.paths)]
    if scope.out.json:
        scope.out.data(found)
    elif found:
        scope.out.table(_COLUMNS, [_row(one) for one in found])
    else:
        scope.out.note("no run yet; begin one: quarterdeck run FILE")


@click.command()
@click.argument("run")
@json_option
@click.pass_obj
def show(scope: Scope, run: str) -> None:
    """Show what came of RUN: an id, the start of one, or last."""
    folder = find(scope.paths, run)
    found = _summary(folder)
    result = _read(folder.result)
    out = scope.out
    if out.json:
        out.data(found | {"result": result})
        return
    out.write(f"{safe(found['name'])}  {out.painted(found['run'], DIM)}\n")
    out.line(f"{found['state']}" + (f": {found['reason']}" if found["reason"] else ""))
    if steps := result.get("steps", []):
        out.write("\n")
        out.table(_STEPS, [_step(one) for one in steps])
    if found["state"] == CUT_OFF:
        out.note(f"go on with it: quarterdeck run --resume {found['run']}")


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that have ended; those that were cut off stay.")
@json_option
@click.pass_obj
def rm(scope: Scope, runs: tuple[str, ...], everything: bool) -> None:
    """Delete the state of runs; reports, logs and branches in the workspace stay."""
    if bool(runs) == everything:
        raise Invalid("name runs, or say --all", hint="quarterdeck run list")
    if everything:
        chosen = [one for one in folders(scope.paths) if not goes_on(one) and one.result.exists()]
    else:
        chosen = [find(scope.paths, ref) for ref in runs]
    from pipelines.discard import discard

    for folder in chosen:
        if goes_on(folder):
            raise Refused(f"{folder.run_id} goes on at this moment", hint="end it first, by ctrl+c where it runs")
    for folder in chosen:
        discard(folder)
    if scope.out.json:
        scope.out.data([folder.run_id for folder in chosen])
    else:
        for folder in chosen:
            scope.out.line(folder.run_id)


def _summary(folder: RunFolder) -> dict[str, Any]:
    """One run for the list; what is unknown is empty. Times are wall-clock nanoseconds."""
    plan, result = _read(folder.plan), _read(folder.result)
    steps = result.get("steps", [])
    begun = datetime.strptime(folder.run_id[:15], "%Y%m%d-%H%M%S").astimezone()  # local, as it was made
    running = goes_on(folder)
    return {
        "run": folder.run_id,
        "name": str(result.get("name") or plan.get("name") or ""),
        "state": RUNNING if running else str(result.get("outcome") or CUT_OFF),
        "exit_code": None if running else result.get("exit_code"),
        "reason": "" if running else str(result.get("reason") or ""),
        "started_ns": int(result.get("started_ns") or begun.timestamp() * 10**9),
        "ended_ns": 0 if running else int(result.get("ended_ns") or 0),
        "steps": len(steps) or len(plan.get("steps", [])),
        "cost": (result.get("usage") or {}).get("cost"),
        "workspace": str(plan.get("workspace") or ""),
        "state_folder": str(folder.home),
    }


def _read(path: os.PathLike[str]) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _row(one: dict[str, Any]) -> tuple[str | Cell, ...]:
    from cli.overview import near_home

    begun = datetime.fromtimestamp(one["started_ns"] / 10**9).astimezone()
    return (
        one["run"],
        one["name"],
        Cell(one["state"], _COLOURS.get(one["state"], RED)),
        f"{begun:%Y-%m-%d %H:%M}",
        took(one["started_ns"], one["ended_ns"]),
        str(one["steps"]),
        cost(one["cost"]),
        near_home(one["workspace"]),
    )


def _step(one: dict[str, Any]) -> tuple[str | Cell, ...]:
    return (
        str(one.get("key", "")),
        Cell(str(one.get("outcome", "")), _COLOURS.get(str(one.get("outcome", "")), RED)),
        took(int(one.get("started_ns") or 0), int(one.get("ended_ns") or 0)),
        str(len(one.get("attempts") or ())),
        cost((one.get("usage") or {}).get("cost")),
        str(one.get("reason") or ""),
    )


def took(started_ns: int, ended_ns: int) -> str:
    """``4.2s``, ``3m05s``, ``1h02m``; "" where it has no end."""
    if not started_ns or not ended_ns:
        return ""
    seconds = (ended_ns - started_ns) / 10**9
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02}m"


def cost(dollars: float | None) -> str:
    """``$0.42``; "" where nobody knows."""
    return "" if dollars is None else f"${dollars:.2f}"
