"""Which agents' programs are on this machine. An agent runs in its client's environment, so the client looks.

Files are looked at, nothing is run.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from quarterdeck.text import safe

_NOTE = "package.json"
_LARGEST = 64 << 10
_ABOVE = 4
"""Folders above a program that may hold the note of its package."""


class Found(NamedTuple):
    """A profile on this machine: ``path`` is where its program is, "" where it is not found."""

    name: str
    title: str
    path: str = ""
    version: str = ""
    install: str = ""
    """How to get it, in one line; "" where nobody says."""
    used: int = 0
    """When the last agent of it was started, in wall-clock nanoseconds; 0 for never."""


def look(profiles: Iterable[Mapping[str, Any]], used: Mapping[str, int], environ: Mapping[str, str]) -> list[Found]:
    """The profiles that have a command of their own: those used last first, agents before shells, then by name.

    ``used`` says when each was started last, in nanoseconds. Looks at the disk; not for the loop.
    """
    found = []
    for profile in profiles:
        argv = profile.get("argv") or ()
        if not argv:
            continue
        path = _program(str(argv[0]), environ)
        name = str(profile["name"])
        shell = str(profile.get("kind", "")) != "agent"
        one = Found(
            name=name,
            title=safe(str(profile.get("title", "")) or name, 24),
            path=path,
            version=_version(path) if path and not shell else "",
            install=safe(str(profile.get("install", "")), 200),
            used=used.get(name, 0),
        )
        found.append(((-one.used, shell, one.title.lower()), one))
    return [one for _, one in sorted(found, key=lambda pair: pair[0])]


def choices(profiles: Iterable[Mapping[str, Any]], found: Iterable[Found]) -> list[tuple[str, str]]:
    """All ``profiles`` to choose from, as (name, what it is): what can be started first, what is not here last."""
    known = {one.name: one for one in found}
    place = {name: number for number, name in enumerate(known)}
    ranked = []
    for profile in profiles:
        name, title = str(profile["name"]), safe(str(profile.get("title", "")), 40)
        one = known.get(name)
        missing = one is not None and not one.path
        about = f"not found here  {one.install}".rstrip() if one is not None and missing else title
        ranked.append(((missing, place.get(name, len(place))), (safe(name, 40), about)))
    return [choice for _, choice in sorted(ranked, key=lambda pair: pair[0])]


def _program(command: str, environ: Mapping[str, str]) -> str:
    if command == "{shell}":
        shell = environ.get("SHELL", "")
        return shell if os.path.isabs(shell) and os.access(shell, os.X_OK) and os.path.isfile(shell) else "/bin/sh"
    return shutil.which(command, path=environ.get("PATH", os.defpath)) or ""


def _version(path: str) -> str:
    """The version that the note of the program's package tells, "" where there is none nearby."""
    try:
        program = Path(path).resolve()
        for folder in list(program.parents)[:_ABOVE]:
            note = folder / _NOTE
            if note.is_file() and note.stat().st_size <= _LARGEST:
                said = json.loads(note.read_bytes())
                return safe(str(said.get("version", "")), 20) if isinstance(said, dict) else ""
    except (OSError, ValueError, RecursionError):
        pass
    return ""
