"""``why`` explains an agent's status, ``wait`` waits for one."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlencode

import click

from cli.output import DIM, GREEN, YELLOW, Cell, Column, Output
from cli.overview import age, state_cells
from cli.scope import Scope, agent_argument, agent_path, json_option
from quarterdeck.text import safe

TIMED_OUT, HAS_ENDED = 124, 8
"""Exit codes of ``wait``: time is up (as of ``timeout``), and the program ended without the status."""
_ASK_AGAIN = 60.0
_SOURCES = (
    Column(""),
    Column("SOURCE"),
    Column("SAYS", cut="end"),
    Column("AGO", right=True),
    Column("AUTHORITY", drop=2),
    Column("NOTE", cut="end"),
    Column("FROM", cut="end", drop=1),
)
_CHANGES = (
    Column("AGO", right=True),
    Column("FROM", drop=1),
    Column("TO"),
    Column("SOURCE"),
    Column("WHY", cut="end"),
)


@click.command()
@agent_argument
@json_option
@click.pass_obj
def why(scope: Scope, agent: str) -> None:
    """Explain an agent's status.

    Shows what each source says and how old that is, who is believed, and the last ten changes with what caused them.
    """
    told: dict[str, Any] = scope.get(agent_path(agent, "why"))
    if scope.out.json:
        scope.out.data(told)
    else:
        _print(scope.out, told)


def _print(out: Output, told: dict[str, Any]) -> None:
    now = told["now_ns"]
    _, word = state_cells({**told, "exit_code": None}, out)
    since = age(told["since_ns"], now)
    head = f"{safe(told['name'])} is {out.painted(word.text, word.colour)}" + (f" for {since}" if since else "")
    reason = safe(told["reason"], 300)
    out.write(head + (f": {reason}" if reason else "") + "\n")
    if told["awaits"]:
        out.line(f"waits for {told['awaits']}")
    out.line()
    if told["sources"]:
        out.table(_SOURCES, [_heard(out, one, now) for one in told["sources"]])
    else:
        out.line("no source has told anything yet")
    wrong = [f"{source} {count}" for source, count in told["contradictions"].items()]
    if wrong:
        out.line()
        out.line(f"contradicted a stronger source, times: {', '.join(wrong)}")
    if told["transitions"]:
        out.line()
        out.table(_CHANGES, [_change(out, one, now) for one in told["transitions"]])


def _heard(out: Output, one: dict[str, Any], now: int) -> tuple[str | Cell, ...]:
    sign = ("✓" if out.unicode else "*") if one["believed"] else ""
    colour = GREEN if one["believed"] else DIM
    return (
        Cell(sign, GREEN),
        Cell(one["source"], colour),
        one["says"],
        age(one["wall_ns"], now),
        one["authority"],
        Cell(one["note"], YELLOW),
        Cell(one["text"], DIM),
    )


def _change(out: Output, one: dict[str, Any], now: int) -> tuple[str | Cell, ...]:
    _, word = state_cells({**one, "exit_code": None}, out)
    cause = one["cause"]
    said = cause["says"] if cause else "patience ran out"
    why = " ".join(part for part in (one["reason"], f"({said})" if said != one["reason"] else "") if part)
    return age(one["wall_ns"], now), one["before"], word, Cell(cause["source"] if cause else "", DIM), why


@click.command()
@agent_argument
@click.option(
    "--until",
    required=True,
    metavar="STATUS[,...]",
    help="idle (met by done as well), blocked, done, working, limited, unknown, exited ..., or ended for every end.",
)
@click.option("--timeout", type=click.FloatRange(0), default=None, metavar="SECONDS", help="How long (default: ever).")
@json_option
@click.pass_obj
def wait(scope: Scope, agent: str, until: str, timeout: float | None) -> None:
    """Wait until an agent has a status.

    Exits with 0 when it has, with 124 when the time is up, and with 8 when its program ended without it.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    ident = str(scope.agent(agent)["id"])
    while True:
        left = _ASK_AGAIN if deadline is None else min(_ASK_AGAIN, max(0.0, deadline - time.monotonic()))
        query = urlencode({"until": until, "seconds": f"{left:.3f}"})
        told = scope.get(f"{agent_path(ident, 'wait')}?{query}")
        found = told["agent"]
        over = deadline is not None and time.monotonic() >= deadline
        if told["reached"] or not found["alive"] or over:
            break
    if scope.out.json:
        scope.out.data(told)
    else:
        reason = f": {found['reason']}" if found["reason"] else ""
        scope.out.line(f"{found['name']} is {found['status']}{reason}")
    if not told["reached"]:
        raise click.exceptions.Exit(TIMED_OUT if found["alive"] else HAS_ENDED)
