"""Whether a person agrees to what a project file would run: shown once, remembered as the hash of its bytes."""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from cli.scope import Scope
from quarterdeck.errors import Refused
from quarterdeck.paths import user_folder
from quarterdeck.project import Project, WantedAgent
from quarterdeck.text import safe

_SHOWN = 1000
"""Characters of one thing that would be run: more than anybody reads on."""


def agree(scope: Scope, project: Project, starting: list[tuple[str, WantedAgent]], *, yes: bool) -> None:
    """Return when the agents that are to be started may be. Raises :class:`Refused` where a person did not agree.

    A file may come from anybody: what goes beyond a profile as it is (a command, arguments, variables, a first prompt)
    is shown and asked about, unless these very bytes were agreed to before or the file lies among the person's own.
    """
    said = [line for session, agent in starting for line in _runs(session, agent)]
    path = os.path.realpath(project.file)
    digest = hashlib.sha256(project.data).hexdigest()
    mine = os.path.realpath(user_folder())
    if not said or path.startswith(mine.rstrip("/") + "/"):
        return
    seen: dict[str, Any] = scope.get(f"/v1/trust/file?path={quote(path, safe='')}")
    if seen["hash"] == digest:
        return
    if not yes:
        for line in said:
            scope.out.note(line)
        name = safe(project.file, _SHOWN)
        if not scope.out.can_ask:
            what = f"{name} would run what nobody agreed to; nothing was started"
            raise Refused(what, hint="look at it, then say --yes", file=project.file, runs=said)
        if not scope.out.ask(f"Run this? {name} is asked about again only when it changes."):
            raise Refused("nothing was started")
    scope.post("/v1/trust/file", {"path": path, "hash": digest})


def _runs(session: str, agent: WantedAgent) -> Iterator[str]:
    """What an agent runs beyond its profile, one line each."""
    name = f"{session}/{agent.name}"
    if agent.args:
        runs = "runs" if agent.profile == "custom" else f"runs {safe(agent.profile)} with"
        yield f"{name} {runs} {safe(shlex.join(agent.args), _SHOWN)}"
    for variable, value in agent.env.items():
        yield f"{name} has {safe(variable)}={safe(value, _SHOWN)}"
    if agent.prompt:
        yield f"{name} is told: {safe(agent.prompt, _SHOWN)}"
