"""Plans and results as plain JSON and back, exactly: in ``plan.json`` and ``result.json``, and for the engine.

What is read is taken only as a whole: an unknown key, a missing one or a value of another kind is an error, because a
plan that was understood in part would be carried out in part.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from pipelines.model import RunPlan, RunResult, StepResult
from pipelines.ports import Json
from quarterdeck.errors import Broken
from quarterdeck.text import safe

VERSION = 1
"""Of plans and results; the next one when an older Quarterdeck could not read them."""
_T = TypeVar("_T", RunPlan, StepResult, RunResult)


def dump_plan(plan: RunPlan) -> Json:
    """As JSON; the other two likewise."""
    return _dump(plan)


def load_plan(said: Json) -> RunPlan:
    """What :func:`dump_plan` made. Raises :class:`Broken` for anything else; the other two likewise."""
    return _load(said, RunPlan, "the plan of a run")


def dump_step(result: StepResult) -> Json:
    """See :func:`dump_plan`."""
    return _dump(result)


def load_step(said: Json) -> StepResult:
    """See :func:`load_plan`."""
    return _load(said, StepResult, "the result of a step")


def dump_result(result: RunResult) -> Json:
    """See :func:`dump_plan`."""
    return _dump(result)


def load_result(said: Json) -> RunResult:
    """See :func:`load_plan`."""
    return _load(said, RunResult, "the result of a run")


def _dump(value: RunPlan | StepResult | RunResult) -> Json:
    return {"version": VERSION, **msgspec.to_builtins(value, str_keys=True)}


def _load(said: Json, kind: type[_T], what: str) -> _T:
    version = said.get("version") if isinstance(said, Mapping) else None
    if not isinstance(version, int) or version < 1:
        raise Broken(f"this is not {what}: it has no version")
    if version > VERSION:
        raise Broken(
            f"{what} was written by a newer Quarterdeck (version {version}, this one knows {VERSION})",
            hint="upgrade quarterdeck",
            version=version,
            known=VERSION,
        )
    body = {key: value for key, value in said.items() if key != "version"}
    try:
        loaded = msgspec.convert(body, kind)
    except msgspec.ValidationError as error:
        raise Broken(f"{what} is damaged: {safe(str(error), 200)}") from error
    if unknown := _unknown(body, msgspec.to_builtins(loaded, str_keys=True), "$"):
        raise Broken(f"{what} is damaged: nothing is known of {safe(unknown, 200)}")
    return loaded


def _unknown(given: Json, taken: Json, path: str) -> str:
    """The first thing of ``given`` that ``taken`` has not; "" where all of it was taken."""
    if isinstance(given, Mapping):
        for key, value in given.items():
            if key not in taken:
                return f"{path}.{key}"
            if found := _unknown(value, taken[key], f"{path}.{key}"):
                return found
    elif isinstance(given, list | tuple):
        for index, (one, other) in enumerate(zip(given, taken, strict=True)):
            if found := _unknown(one, other, f"{path}[{index}]"):
                return found
    return ""
