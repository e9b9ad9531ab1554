"""Removed agents: list the ``trash``, ``undelete``, ``purge`` for good."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

import click

from cli.output import Column
from cli.overview import age, near_home
from cli.scope import Scope, json_option
from quarterdeck.errors import Invalid, Refused

_COLUMNS = (
    Column("ID"),
    Column("AGENT", cut="middle"),
    Column("SESSION", cut="middle", drop=2),
    Column("PROFILE", cut="end", drop=3),
    Column("REMOVED", right=True),
    Column("WORKTREE", cut="left", drop=1),
)


@click.command()
@json_option
@click.pass_obj
def trash(scope: Scope) -> None:
    """List removed agents; they are purged 7 days after their removal."""
    removed: list[dict[str, Any]] = scope.get("/v1/trash")
    if scope.out.json:
        scope.out.data(removed)
        return
    if not removed:
        scope.out.note("the trash is empty")
        return
    now = time.time_ns()
    scope.out.table(
        _COLUMNS,
        [
            (
                agent["id"],
                agent["name"],
                agent["session_name"],
                agent["profile"],
                age(agent["removed_ns"], now),
                near_home(agent["worktree"]["path"]) if agent.get("worktree") else "",
            )
            for agent in removed
        ],
    )


@click.command()
@click.argument("agents", metavar="AGENT...", nargs=-1, required=True)
@json_option
@click.pass_obj
def undelete(scope: Scope, agents: tuple[str, ...]) -> None:
    """Bring a removed agent back, with its screen and history; it does not run."""
    done = []
    for ref in agents:
        done.append(scope.post(f"/v1/trash/{quote(ref, safe='')}/restore"))
        if not scope.out.json:
            scope.out.line(f"{done[-1]['name']} is back")
    if scope.out.json:
        scope.out.data(done)


@click.command()
@click.argument("agents", metavar="AGENT...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Everything in the trash.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Also worktrees with changes that are nowhere else.")
@json_option
@click.pass_obj
def purge(scope: Scope, agents: tuple[str, ...], everything: bool, yes: bool, force: bool) -> None:
    """Delete removed agents for good: journal, history and worktree."""
    out = scope.out
    if everything == bool(agents):
        raise Invalid("purge takes names or --all", hint="quarterdeck trash lists what there is")
    refs = [agent["id"] for agent in scope.get("/v1/trash")] if everything else list(agents)
    if not refs:
        out.note("the trash is empty")
    elif not yes:
        if not out.can_ask:
            raise Refused("nothing was deleted: this cannot be undone", hint="say --yes")
        if not out.ask(f"Delete {len(refs)} agent{'s' if len(refs) > 1 else ''} for good?"):
            raise Refused("nothing was deleted")
    for ref in refs:
        scope.client.request("DELETE", f"/v1/trash/{quote(ref, safe='')}" + ("?force=1" if force else ""))
        if not out.json:
            out.line(f"{ref} is deleted")
    if out.json:
        out.data(refs)
