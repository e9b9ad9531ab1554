"""Panes of the user's own tmux: ``adopt`` one, ``release`` it again."""

from __future__ import annotations

import os

import click

from cli.scope import Scope, agent_argument, agent_path, json_option
from quarterdeck.errors import Invalid


def tmux_socket(name: str | None, path: str | None) -> str:
    """The socket of a tmux server, as tmux's own ``-L`` and ``-S`` find it; by default the one we run in."""
    if name and path:
        raise Invalid("give --socket-name or --socket-path, not both")
    if path:
        return os.path.abspath(path)
    inside = os.environ.get("TMUX", "").partition(",")[0]
    if not name and inside:
        return inside
    base = os.environ.get("TMUX_TMPDIR") or "/tmp"  # noqa: S108  tmux's own default
    return os.path.join(os.path.realpath(base), f"tmux-{os.getuid()}", name or "default")


@click.command()
@click.argument("pane")
@click.option("--socket-name", metavar="NAME", help="The tmux server's name (tmux -L).")
@click.option("--socket-path", metavar="PATH", help="The tmux server's socket (tmux -S).")
@click.option("--name", default="", help="The agent's name.")
@click.option("--session", default="", metavar="NAME", help="The session (default: the one of this workspace).")
@click.option("--replace", is_flag=True, help="Take the pane even where another program reads its output by a pipe.")
@json_option
@click.pass_obj
def adopt(
    scope: Scope,
    pane: str,
    socket_name: str | None,
    socket_path: str | None,
    name: str,
    session: str,
    replace: bool,
) -> None:
    """Take over a pane of your own tmux as an agent.

    PANE is a pane id such as %3 (echo $TMUX_PANE tells a shell its own). Its screen is taken over as it is;
    "quarterdeck release" gives it back unharmed.
    """
    from cli.overview import workspace

    body = {
        "pane": pane,
        "socket": tmux_socket(socket_name, socket_path),
        "workspace": workspace(),
        "session": session,
        "name": name,
        "replace": replace,
    }
    agent = scope.post("/v1/adopt", body)
    if scope.out.json:
        scope.out.data(agent)
    else:
        scope.out.line(agent["name"])


@click.command()
@agent_argument
@json_option
@click.pass_obj
def release(scope: Scope, agent: str) -> None:
    """Give an adopted pane back to its tmux, unharmed."""
    found = scope.agent(agent)
    scope.post(agent_path(found["id"], "release"))
    if scope.out.json:
        scope.out.data({"id": found["id"], "name": found["name"]})
    else:
        scope.out.line(f"{found['name']} was given back; what it showed is in the trash for 7 days")
