"""``session``: list, make, rename and remove sessions, say what they are for, show their checkpoints."""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import Any
from urllib.parse import quote

import click

from cli.output import Column
from cli.overview import age, near_home, workspace
from cli.scope import Scope, json_option, runs
from quarterdeck.errors import NotFound
from quarterdeck.text import plain

_COLUMNS = (
    Column("SESSION", cut="middle"),
    Column("AGENTS", right=True),
    Column("RUNNING", right=True),
    Column("AGE", right=True, drop=1),
    Column("GOAL", cut="end", drop=2),
    Column("WORKSPACE", cut="left"),
)


@click.group()
def session() -> None:
    """Sessions: named groups of agents on one workspace."""


@session.command("ls")
@json_option
@click.pass_obj
def list_sessions(scope: Scope) -> None:
    """List the sessions."""
    sessions: list[dict[str, Any]] = scope.get("/v1/sessions")
    if scope.out.json:
        scope.out.data(sessions)
        return
    if not sessions:
        scope.out.note("no sessions yet; the first agent makes one: quarterdeck new shell")
        return
    agents, now = scope.get("/v1/agents"), time.time_ns()
    running = Counter(agent["session"] for agent in agents if runs(agent["status"]))
    scope.out.table(
        _COLUMNS,
        [
            (
                found["name"],
                str(found["agents"]),
                str(running[found["id"]]),
                age(found["created_ns"], now),
                found["goal"],
                near_home(found["workspace"]),
            )
            for found in sessions
        ],
    )


@session.command("new")
@click.argument("name")
@click.option("--workspace", "folder", type=click.Path(), metavar="DIR", help="Its workspace (default: this one).")
@json_option
@click.pass_obj
def new_session(scope: Scope, name: str, folder: str | None) -> None:
    """Make an empty session."""
    made = scope.post("/v1/sessions", {"name": name, "workspace": os.path.abspath(folder) if folder else workspace()})
    if scope.out.json:
        scope.out.data(made)
    else:
        scope.out.line(made["name"])


@session.command("rename")
@click.argument("session", metavar="SESSION")
@click.argument("name")
@json_option
@click.pass_obj
def rename_session(scope: Scope, session: str, name: str) -> None:
    """Give a session another NAME."""
    done = scope.client.request("PATCH", _path(session), {"name": name})
    if scope.out.json:
        scope.out.data(done)
    else:
        scope.out.line(f"{session} is now {done['name']}")


@session.command("goal")
@click.argument("session", metavar="SESSION")
@click.argument("text", required=False)
@json_option
@click.pass_obj
def session_goal(scope: Scope, session: str, text: str | None) -> None:
    """Say what a session is for, in one line; without TEXT, show it. An empty TEXT takes it away."""
    change = {"goal": text}
    found = scope.get(_path(session)) if text is None else scope.client.request("PATCH", _path(session), change)
    if scope.out.json:
        scope.out.data(found)
    elif found["goal"]:
        scope.out.line(found["goal"])
    else:
        scope.out.note(f"session {found['name']} has no goal")


@session.command("checkpoint")
@click.argument("session", metavar="SESSION")
@json_option
@click.pass_obj
def show_checkpoint(scope: Scope, session: str) -> None:
    """Show a session's checkpoint, as it was written last."""
    found = scope.get(_path(session) + "/checkpoint")
    if scope.out.json:
        scope.out.data(found)
        return
    if found["problem"]:
        scope.out.note(f"it could not be written last: {found['problem']}")
    if not found["text"]:
        raise NotFound(f"there is no checkpoint of {session} yet", hint="it is written soon after something happens")
    scope.out.write(plain(found["text"]).rstrip("\n") + "\n")
    scope.out.note(found["path"])


@session.command("project")
@click.argument("session", metavar="SESSION")
@click.pass_obj
def print_project(scope: Scope, session: str) -> None:
    """Print a session as a project file: `quarterdeck session project NAME > FILE`, and `quarterdeck up FILE`.

    Workspaces are absolute in it. What agents were told first, and variables of their own, are not known any more.
    """
    from cli.projects.writing import project_of

    text, problems = project_of(scope, session)
    scope.out.write(text)
    for problem in problems:
        scope.out.note(problem)


@session.command("rm")
@click.argument("session", metavar="SESSION")
@json_option
@click.pass_obj
def remove_session(scope: Scope, session: str) -> None:
    """Remove a session that has no agents."""
    scope.client.request("DELETE", _path(session))
    if scope.out.json:
        scope.out.data({"removed": session})
    else:
        scope.out.line(f"session {session} is removed")


def _path(ref: str) -> str:
    return f"/v1/sessions/{quote(ref, safe='')}"
