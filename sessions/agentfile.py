"""``agents/<id>/agent.json``: one agent on disk, so that it is found again when ``state.db`` is damaged or gone.

Written before the spawn and whenever the record changes in what a restore needs. It says what was asked for; what
became of it (pid, start time, protocol) the terminal's own files beside it say.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

from quarterdeck.errors import Broken
from quarterdeck.paths import boot_id, write_file
from sessions.model import Agent, Doing, Restore, Session, Status, Worktree

log = logging.getLogger(__name__)

NAME = "agent.json"
FORMAT = 1
"""Raised only when an older reader would misunderstand; a reader takes unknown fields of its own format calmly."""

T = TypeVar("T", Agent, Doing, Session, Worktree)


def write(folder: Path, agent: Agent, session: Session) -> None:
    """Write the agent's file in its ``folder`` so that a crash leaves the old one or the new one.

    Raises :class:`Broken` where it cannot be written, with nothing changed.
    """
    record = {
        "format": FORMAT,
        "boot_id": boot_id(),
        "agent": asdict(agent),
        "session": asdict(session),
    }
    try:
        write_file(folder / NAME, json.dumps(record).encode() + b"\n")
    except OSError as error:
        raise Broken(
            f"cannot write {folder / NAME}: {error.strerror or error}",
            hint="free some disk space or correct the permissions of the state folder",
            path=str(folder / NAME),
        ) from error


def read(folder: Path) -> tuple[Agent, Session]:
    """The agent in ``folder`` and its session as last written. Raises :class:`Broken` where the file is unusable."""
    path = folder / NAME
    try:
        record = json.loads(path.read_bytes())
        if record["format"] > FORMAT:
            raise Broken(
                f"{path} was written by a newer Quarterdeck (format {record['format']}, this one knows {FORMAT})",
                hint="upgrade quarterdeck",
                path=str(path),
            )
        values = dict(record["agent"])
        values["argv"] = tuple(values["argv"])
        values["tags"] = tuple(values.get("tags", ()))
        values["status"] = Status(values["status"])
        values["restore"] = Restore(values["restore"])
        values["doing"] = _built(Doing, values.get("doing", {}))
        values["worktree"] = _built(Worktree, values["worktree"]) if values.get("worktree") else None
        return _built(Agent, values), _built(Session, record["session"])
    except OSError as error:
        raise Broken(f"cannot read {path}: {error.strerror or error}", path=str(path)) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Broken(f"{path} is damaged: {error!r}", path=str(path)) from error


def read_all(agents: Path) -> list[tuple[Agent, Session]]:
    """Every agent that can be read in the folder of all agents; what cannot is logged and left alone."""
    found: list[tuple[Agent, Session]] = []
    for folder in sorted(agents.iterdir()) if agents.is_dir() else ():
        if not (folder / NAME).exists():
            continue
        try:
            agent, session = read(folder)
            if agent.id != folder.name:
                raise Broken(f"{folder / NAME} belongs to agent {agent.id}", path=str(folder))
            found.append((agent, session))
        except Broken as error:
            log.warning("an agent was passed over: %s", error.message)
    return found


def _built(kind: type[T], values: Mapping[str, Any]) -> T:
    known = {field.name for field in fields(kind)}
    return kind(**{name: value for name, value in values.items() if name in known})
