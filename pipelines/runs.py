"""The runs of a state folder: what is kept of each, and whether it goes on, was cut off or has ended."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum

from pipelines import codec
from pipelines.folder import RunFolder
from pipelines.holding import holder
from pipelines.model import Outcome, RunPlan, RunResult
from pipelines.ports import Json
from quarterdeck.errors import Broken, Invalid, NotFound, QuarterdeckError
from quarterdeck.paths import Paths, private_folder, read_file, write_file
from quarterdeck.text import safe

LIMIT = 256 << 20
"""Bytes of a plan or a result; a bigger file is none of ours."""


class State(StrEnum):
    """Of a run as a whole."""

    RUNNING = "running"
    INTERRUPTED = "interrupted"
    """Cut off before its end, or stopped by a person: it can be gone on with."""
    ENDED = "ended"
    DAMAGED = "damaged"


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One run. Texts of it come from files: they are safe to show."""

    run_id: str
    state: State
    name: str = ""
    workspace: str = ""
    outcome: Outcome | None = None
    """Of its last result; a run that goes on or was cut off may have one of an earlier time."""
    started_ns: int = 0
    ended_ns: int = 0
    steps: int = 0
    pid: int = 0
    """Of the process that carries it out, 0 where none does or it did not say."""
    problem: str = ""


def keep_plan(folder: RunFolder, plan: RunPlan) -> None:
    """Write ``plan.json``. Raises :class:`Broken`."""
    _write(folder, "plan.json", codec.dump_plan(plan))


def kept_plan(folder: RunFolder) -> RunPlan:
    """The plan in ``plan.json``. Raises :class:`NotFound`, :class:`Broken`."""
    return codec.load_plan(_read(folder, "plan.json"))


def keep_result(folder: RunFolder, result: RunResult) -> None:
    """Write ``result.json``. Raises :class:`Broken`."""
    _write(folder, "result.json", codec.dump_result(result))


def kept_result(folder: RunFolder) -> RunResult | None:
    """The last result, None before the first. Raises :class:`Broken`."""
    try:
        return codec.load_result(_read(folder, "result.json"))
    except NotFound:
        return None


def listed(paths: Paths) -> list[Listed]:
    """All runs of a state folder, the newest first. A damaged one is listed with what is wrong."""
    try:
        names = sorted((path.name for path in (paths.home / "runs").iterdir()), reverse=True)
    except OSError:
        return []
    found = []
    for name in names:
        try:
            folder = RunFolder.of(paths, name)
        except Invalid:
            continue
        if folder.home.is_dir():
            found.append(look(folder))
    return found


def look(folder: RunFolder) -> Listed:
    """How one run stands. Raises nothing."""
    pid = holder(folder)
    result, problem = None, ""
    try:
        result = kept_result(folder)
        plan = kept_plan(folder)
    except NotFound as error:  # in its first moments; afterwards nothing can go on with it
        return Listed(
            run_id=folder.run_id,
            state=State.DAMAGED if pid is None else State.RUNNING,
            pid=pid or 0,
            problem=error.message if pid is None else "",
        )
    except QuarterdeckError as error:
        problem = error.message
        return Listed(run_id=folder.run_id, state=State.DAMAGED, pid=pid or 0, problem=problem)
    if pid is not None:
        state = State.RUNNING
    elif result is None or result.outcome is Outcome.INTERRUPTED:
        state = State.INTERRUPTED
    else:
        state = State.ENDED
    return Listed(
        run_id=folder.run_id,
        state=state,
        name=safe(plan.name),
        workspace=safe(plan.workspace, 4096),
        outcome=result.outcome if result else None,
        started_ns=result.started_ns if result else 0,
        ended_ns=result.ended_ns if result else 0,
        steps=len(plan.steps),
        pid=pid or 0,
    )


def _write(folder: RunFolder, name: str, said: Json) -> None:
    private_folder(folder.home)
    try:
        write_file(folder.home / name, json.dumps(said, ensure_ascii=True, indent=1).encode())
    except OSError as error:
        path = folder.home / name
        raise Broken(
            f"cannot write {path}: {error.strerror or error}; what was there before is kept",
            hint="free some disk space or correct the permissions there",
            path=str(path),
        ) from error


def _read(folder: RunFolder, name: str) -> Json:
    path = folder.home / name
    try:
        data = read_file(path, LIMIT)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(
            f"run {folder.run_id} has no {name} on this machine", hint="quarterdeck run list", run_id=folder.run_id
        ) from None
    except OSError as error:
        raise Broken(f"cannot read {path}: {error.strerror or error}", path=str(path)) from error
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Broken(f"{path} is damaged: {safe(str(error))}", path=str(path)) from error
