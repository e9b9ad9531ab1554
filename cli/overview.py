"""``ls``, and what ``quarterdeck`` alone does."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click

from cli.output import DIM, GREEN, RED, YELLOW, Cell, Column, Output
from cli.scope import Scope, json_option
from quarterdeck.errors import Invalid
from quarterdeck.signs import SIGNS
from quarterdeck.text import safe

_COLOURS = {
    "starting": DIM,
    "running": GREEN,
    "working": GREEN,
    "blocked": YELLOW,
    "done": GREEN,
    "limited": YELLOW,
    "unknown": DIM,
    "exited": DIM,
    "failed": RED,
    "lost": RED,
    "interrupted": YELLOW,
}
STATUSES = tuple(SIGNS)
_COLUMNS = (
    Column(""),
    Column("AGENT", cut="middle"),
    Column("SESSION", cut="middle", drop=2),
    Column("PROFILE", cut="end", drop=3),
    Column("STATUS", cut="end"),
    Column("SINCE", right=True),
    Column("TAGS", cut="end", drop=5),
    Column("REASON", cut="end", drop=4),
    Column("SIZE", right=True, drop=7),
    Column("ID", drop=8),
    Column("FOLDER", cut="left", drop=6),
    Column("TITLE", cut="end", drop=9),
)


def age(then_ns: int, now_ns: int) -> str:
    """How long ago, in at most six characters: ``0:12``, ``3:10``, ``2 h``, ``5 d``; empty for never."""
    if not then_ns:
        return ""
    seconds = max(0, now_ns - then_ns) // 10**9
    if seconds < 3600:
        return f"{seconds // 60}:{seconds % 60:02}"
    return f"{seconds // 3600} h" if seconds < 2 * 86400 else f"{seconds // 86400} d"


def size(count: int) -> str:
    """Bytes for people: ``812 B``, ``12.4 MB``."""
    value = float(count)
    for unit in ("B", "KB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            break
        value /= 1000
    return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"


def near_home(path: str) -> str:
    """``path`` with ``~`` for the user's home folder."""
    home = os.path.expanduser("~")
    return "~" + path[len(home) :] if path == home or path.startswith(home.rstrip("/") + "/") else path


def state_cells(agent: dict[str, Any], out: Output) -> tuple[Cell, Cell]:
    """An agent's state as a glyph and as a word (with the exit status), in the same colour."""
    status = str(agent["status"])
    sign, colour = SIGNS.get(status, SIGNS["unknown"]), _COLOURS.get(status, "")
    code = agent.get("exit_code")
    word = status
    if status == "exited" and code:
        colour = YELLOW
        word = f"exited ({code})" if code > 0 else f"exited (signal {-code})"
    if agent.get("removed_ns"):
        word, colour = f"{word}, in the trash", DIM
    return Cell(sign.glyph if out.unicode else sign.ascii, colour), Cell(word, colour)


def reason(agent: dict[str, Any]) -> str:
    """Why it has its status, in one line; empty where the status says it all."""
    if agent["status"] == "exited":
        return ""
    queued = agent.get("queue", 0)
    waits = f"{queued} queued" if queued else ""
    return "; ".join(part for part in (str(agent["reason"]), waits) if part)


def print_agents(out: Output, agents: list[dict[str, Any]]) -> None:
    """The table of ``agents``, as the API describes them."""
    now = time.time_ns()
    rows = []
    for agent in agents:
        glyph, word = state_cells(agent, out)
        rows.append(
            (
                glyph,
                str(agent["name"]),
                str(agent["session_name"]),
                str(agent["profile"]),
                word,
                age(agent["since_ns"], now),
                " ".join(agent["tags"]),
                reason(agent),
                f"{agent['cols']}x{agent['lines']}",
                str(agent["id"]),
                near_home(agent["cwd"]),
                str(agent["title"]),
            )
        )
    out.table(_COLUMNS, rows)


@click.command()
@click.option("--all", "everything", is_flag=True, help="Also those in the trash.")
@click.option("--session", metavar="NAME", help="Only the agents of this session.")
@click.option(
    "--tag", "tags", multiple=True, metavar="TAG", help="Only those that have it; several times: all of them."
)
@json_option
@click.pass_obj
def ls(scope: Scope, everything: bool, session: str | None, tags: tuple[str, ...]) -> None:
    """List the agents of all sessions."""
    out = scope.out
    only = urlencode([*([("session", session)] if session else ()), *(("tag", tag) for tag in tags)])
    agents: list[dict[str, Any]] = scope.get("/v1/agents" + (f"?{only}" if only else ""))
    if everything:
        removed = [one for one in scope.get("/v1/trash") if set(tags) <= set(one["tags"])]
        agents += [one for one in removed if not session or session in (one["session"], one["session_name"])]
    if out.json:
        out.data(agents)
    elif agents:
        print_agents(out, agents)
    elif tags:
        out.note(f"no agent has {'the tag' if len(tags) == 1 else 'all the tags'} {' '.join(tags)}")
    else:
        out.note("no agents yet; start one: quarterdeck new shell")
    for problem in [] if out.json else scope.get("/v1/health").get("problems", []):
        out.note(safe(problem, 400))


def workspace() -> str:
    """The workspace a person stands in: the git work tree around the present folder, else the folder itself.

    Raises :class:`Invalid` where that folder was deleted.
    """
    try:
        here = Path.cwd()
    except FileNotFoundError as error:
        raise Invalid("the folder you stand in was deleted", hint="cd to another one") from error
    for folder in (here, *here.parents):
        if (folder / ".git").exists():
            return str(folder)
    return str(here)


def front(scope: Scope, session: str | None) -> None:
    """``quarterdeck`` without a verb: the screen on a terminal, the list and a hint elsewhere."""
    if sys.stdin.isatty() and sys.stdout.isatty():
        from tui.app import run

        raise click.exceptions.Exit(run(scope.paths, session, workspace()))
    context = click.get_current_context()
    context.invoke(ls, everything=False, session=session, tags=())
    scope.out.note("quarterdeck opens its screen on a terminal; quarterdeck --help lists what scripts can do")
