"""What a check found."""

from __future__ import annotations

from typing import Literal, NamedTuple

Level = Literal["ok", "note", "warning", "problem"]


class Finding(NamedTuple):
    """One line of ``doctor``. ``mend`` is the command (or deed) that puts it right; empty where nothing is wrong."""

    name: str
    level: Level
    text: str
    mend: str = ""
