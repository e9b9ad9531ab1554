"""A file's text as plain values, with the line of each: what TOML and YAML have in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from quarterdeck.lined.mistakes import Path

LIMIT = 256 << 10
"""Bytes of one file."""


@dataclass
class Source:
    """The values of a file, and in which line each stands."""

    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[Path, int] = field(default_factory=dict)


class Written(float):
    """A number with a point, and how it was written: a version ``3.10`` stays 3.10 where a text is meant."""

    text: str

    def __new__(cls, text: str) -> Written:
        made = super().__new__(cls, text)
        made.text = text
        return made


def text_of(value: Any) -> Any:
    """A number or truth as the text that was written; anything else as it is."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Written):
        return value.text
    return str(value) if isinstance(value, int | float) else value
