"""What single values of a manifest may be. Each check returns the value as it is kept, or raises ``ValueError``."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema

from quarterdeck.lined.source import text_of

LONGEST = 366 * 86_400.0
"""Seconds; nothing is waited for any longer."""
_UNITS = {"d": 86_400, "h": 3600, "m": 60, "s": 1, "ms": 0.001}
_PART = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*(ms|[dhms])\s*")
_DURATION = r"^\s*(\d{1,9}(\.\d{1,9})?\s*(ms|[dhms])\s*)+$"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,47}")
"""Of a step, an agent, an axis; :func:`name` says it in words."""


def seconds(value: Any) -> float:
    """``"1h30m"``, ``"90s"``, ``"250ms"`` or a number of seconds; above 0, at most :data:`LONGEST`."""
    said = 'must be a time above 0, as "90s", "10m", "1h30m" or a number of seconds'
    if isinstance(value, str):
        total, at = 0.0, len(value) - len(value.lstrip())
        while at < len(value) and (found := _PART.match(value, at)):
            total += float(found[1]) * _UNITS[found[2]]
            at = found.end()
        if at < len(value) or not value.strip():
            raise ValueError(said)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        total = float(value) if abs(value) <= LONGEST + 1 else math.inf
    else:
        raise ValueError(said)
    if not 0 < total <= LONGEST:
        raise ValueError(said if not total > 0 else "must be at most 366 days")
    return total


def name(value: str) -> str:
    """The name of a step, an agent or an axis: texts refer to it, and it is part of file names."""
    if not NAME.fullmatch(value):
        raise ValueError("must be 1 to 48 small letters, digits, _ and -, the first no sign")
    return value


def variable(value: str) -> str:
    """The name of a variable of an environment that is not ours."""
    if not _VARIABLE.fullmatch(value):
        raise ValueError("must be the name of a variable: letters, digits and _")
    if value.startswith("QUARTERDECK_"):
        raise ValueError("names that begin with QUARTERDECK_ are ours")
    return value


def inside(value: str) -> str:
    """A relative path that does not leave its folder, as far as its words tell; links are not looked at."""
    parts = value.split("/")
    depth = lowest = 0
    for part in parts:
        depth += -1 if part == ".." else 0 if part in ("", ".") else 1
        lowest = min(lowest, depth)
    if not value or not value.isprintable() or len(value) > 1000:
        raise ValueError("must be a path in one printable line")
    if value.startswith(("/", "~")) or lowest < 0:
        raise ValueError("leaves the workspace; paths are relative to it")
    return value


def pattern(value: str) -> str:
    """A pattern of files below the workspace: ``*``, ``?``, ``[..]`` and ``**`` as a whole part."""
    inside(value)
    for part in value.split("/"):
        if part == "..":
            raise ValueError("a pattern has no .. in it")
        if "**" in part and part != "**":
            raise ValueError("** stands alone between slashes")
        if re.sub(r"\[!?\]?[^\]]*\]", "", part).count("["):
            raise ValueError("a [ without its ]")
    return value


def plain(value: str) -> str:
    """The path of one file."""
    if set(inside(value)) & set("*?["):
        raise ValueError("names one file; patterns belong into artifacts")
    return value


def _command(value: str) -> str:
    if not _whole(value).strip():
        raise ValueError("must be a command")
    return value


def _whole(value: str) -> str:
    if "\0" in value:
        raise ValueError("holds a NUL character, which no program can be given")
    return value


def _some(value: str) -> str:
    if not _whole(value).strip():
        raise ValueError("must not be empty")
    return value


def _no_nul(value: str) -> str:
    if "\0" in value:
        raise ValueError("must not hold a NUL character")
    return value


def _cell(value: str) -> str:
    if not value.isprintable() or len(value) > 100 or "${{" in value:
        raise ValueError("must be one printable line of at most 100 characters, without ${{")
    return value


def _one(value: Any) -> Any:
    return [value] if isinstance(value, str | dict) else value


_SCALAR = {"anyOf": [{"type": kind} for kind in ("string", "number", "boolean")]}
_TIME = {"anyOf": [{"type": "string", "pattern": _DURATION}, {"type": "number", "exclusiveMinimum": 0}]}

Seconds = Annotated[float, BeforeValidator(seconds), WithJsonSchema(_TIME)]
Scalar = Annotated[str, BeforeValidator(text_of), AfterValidator(_no_nul), WithJsonSchema(_SCALAR)]
"""A text; numbers and truths are taken as they are written."""
Cell = Annotated[Scalar, AfterValidator(_cell)]
Count = Annotated[int, Field(gt=0, le=10**12)]
Command = Annotated[str, AfterValidator(_command)]
Text = Annotated[str, AfterValidator(_some)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Inside = Annotated[str, AfterValidator(inside)]
Variable = Annotated[
    str, AfterValidator(variable), WithJsonSchema({"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"})
]
Variables = dict[Variable, Scalar]
OneOrMore = BeforeValidator(_one, json_schema_input_type=str | list[str])
