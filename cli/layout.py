"""``layout``: named layouts, kept from one session and given to another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.output import YELLOW, Cell, Column
from cli.overview import near_home, workspace
from cli.scope import Scope, json_option
from quarterdeck.errors import Invalid, NotFound, Refused
from quarterdeck.text import plain as readable

if TYPE_CHECKING:
    from quarterdeck.layout import Layout
    from quarterdeck.layoutshelf import Shelf

_COLUMNS = (
    Column("LAYOUT", cut="middle"),
    Column("WHOSE"),
    Column("TABS", right=True),
    Column("PANELS", right=True),
    Column("FILE", cut="left", drop=2),
    Column("PROBLEM", cut="end", drop=1),
)
_session_option = click.option("--session", metavar="NAME", help="The session (default: the one of this workspace).")
_workspace_option = click.option(
    "--workspace", "theirs", is_flag=True, help="In .quarterdeck/layouts of this workspace, for everybody who has it."
)


@click.group()
def layout() -> None:
    """Named layouts: how panels are arranged, kept from one session and given to another."""


@layout.command("list")
@json_option
@click.pass_obj
def list_layouts(scope: Scope) -> None:
    """List the named layouts: yours, and those of this workspace."""
    found = _shelf().all()
    out = scope.out
    if out.json:
        out.data(
            [
                {
                    "name": one.name,
                    "whose": one.where,
                    "file": str(one.path),
                    "tabs": 0 if one.problem else len(one.layout.tabs),
                    "panels": _panels(one.layout),
                    "problem": one.problem,
                }
                for one in found
            ]
        )
    elif found:
        out.table(
            _COLUMNS,
            [
                (
                    one.name,
                    one.where,
                    "" if one.problem else str(len(one.layout.tabs)),
                    "" if one.problem else str(_panels(one.layout)),
                    near_home(str(one.path)),
                    Cell(one.problem, YELLOW),
                )
                for one in found
            ],
        )
    else:
        out.note("no named layouts yet; keep that of a session: quarterdeck layout save NAME")


@layout.command("show")
@click.argument("name")
@json_option
@click.pass_obj
def show_layout(scope: Scope, name: str) -> None:
    """Print a named layout as its file says it."""
    from quarterdeck.layoutfile import dumps, plain

    found = _shelf().find(name)
    if scope.out.json:
        scope.out.data({"name": name, "whose": found.where, "file": str(found.path), **plain(found.layout)})
    else:
        scope.out.write(readable(dumps(found.layout)))


@layout.command("save")
@click.argument("name")
@_session_option
@_workspace_option
@click.option("--force", is_flag=True, help="Replace the one that has this name.")
@json_option
@click.pass_obj
def save_layout(scope: Scope, name: str, session: str | None, theirs: bool, force: bool) -> None:
    """Keep a session's layout under NAME."""
    from quarterdeck.layout import loads
    from quarterdeck.layoutfile import named

    found, agents = _session(scope, session)
    where = "workspace" if theirs else "yours"
    path = _shelf().save(name, named(loads(found["layout"]), agents), where, force=force)
    if scope.out.json:
        scope.out.data({"name": name, "whose": where, "file": str(path), "session": found["name"]})
    else:
        scope.out.line(f"the layout of session {found['name']} is kept as {name}")
        scope.out.note(near_home(str(path)))


@layout.command("apply")
@click.argument("name")
@_session_option
@json_option
@click.pass_obj
def apply_layout(scope: Scope, name: str, session: str | None) -> None:
    """Arrange a session as the layout NAME says; grid, main, columns, rows and one are tilings for everybody.

    Panels go to the agents they name; other panels to the next agents that have none.
    """
    from cli.projects.carrying import session_path
    from quarterdeck.layout import dumps
    from quarterdeck.layoutfile import fitted
    from quarterdeck.layoutshelf import chosen

    wanted = chosen(name, _shelf())
    found, agents = _session(scope, session)
    new = dumps(fitted(wanted, agents))
    done: dict[str, Any] = scope.client.request("PATCH", session_path(found["id"]), {"layout": new})
    if scope.out.json:
        scope.out.data(done)
    else:
        scope.out.line(f"session {done['name']} is arranged as {name}")


@layout.command("rm")
@click.argument("name")
@_workspace_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def remove_layout(scope: Scope, name: str, theirs: bool, yes: bool) -> None:
    """Delete the file of a named layout: yours, or with --workspace that of this workspace."""
    out = scope.out
    scope.for_person()
    if not yes:
        if not out.can_ask:
            raise Refused("nothing was deleted: this cannot be undone", hint="say --yes")
        if not out.ask(f"Delete the layout {name}?"):
            raise Refused("nothing was deleted")
    path = _shelf().remove(name, "workspace" if theirs else "yours")
    if out.json:
        out.data({"removed": name, "file": str(path)})
    else:
        out.line(f"the layout {name} is deleted")


def _shelf() -> Shelf:
    from quarterdeck.layoutshelf import Shelf
    from quarterdeck.paths import user_folder

    return Shelf(user_folder(), Path(workspace()))


def _session(scope: Scope, name: str | None) -> tuple[dict[str, Any], dict[str, str]]:
    """A session and the ids of its agents by name, oldest first."""
    from cli.projects.carrying import session_path

    if name:
        found = scope.get(session_path(name))
    else:
        here = str(Path(workspace()).resolve())
        found = next((one for one in scope.get("/v1/sessions") if one["workspace"] == here), None)
        if found is None:
            raise NotFound("this workspace has no session", hint="name one: --session NAME; quarterdeck session ls")
    agents = [one for one in scope.get("/v1/agents") if one["session"] == found["id"]]
    if not agents:
        raise Invalid(f"session {found['name']} has no agents to arrange", hint="quarterdeck new shell")
    return found, {str(one["name"]): str(one["id"]) for one in agents}


def _panels(layout: Layout) -> int:
    return sum(len(tab.agents) for tab in layout.tabs)
