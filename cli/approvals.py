"""Answering agents: the ``inbox`` of what they ask, ``approve`` and ``deny``."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import quote

import click

from cli.output import BOLD, DIM, YELLOW, Cell, Column, Output
from cli.overview import age
from cli.scope import Scope, agent_path, complete_agents, json_option
from quarterdeck.errors import Invalid, NotFound, QuarterdeckError, Refused
from quarterdeck.text import plain, safe

TIMED_OUT = 124
"""Exit code when the time to wait is up, as of ``timeout``."""
WAIT = 45.0
"""Seconds until an answer must show; the orchestrator itself gives up sooner."""
_COLUMNS = (
    Column("ID"),
    Column("AGENT", cut="middle"),
    Column("KIND", drop=2),
    Column("WHAT", cut="end"),
    Column("TAKES", drop=3),
    Column("SINCE", right=True),
)
_DONE = {"allow": "allowed once", "always": "allowed for always", "deny": "denied"}
_GIVEN = {"answering": "answered", "failed": "given, not confirmed"}
_LINES = 200
"""Lines of a command or a diff that are printed."""


@click.command()
@click.option("--all", "everything", is_flag=True, help="Closed ones too, newest first.")
@click.option("--watch", is_flag=True, help="Stay, and show what changes.")
@json_option
@click.pass_obj
def inbox(scope: Scope, everything: bool, watch: bool) -> None:
    """List what agents ask, oldest first.

    Answer with: quarterdeck approve ID, quarterdeck deny ID.
    """
    if watch:
        if everything:
            raise Invalid("--watch shows what is open; leave --all out")
        _watch(scope)
        return
    found = scope.get("/v1/approvals?all=1" if everything else "/v1/approvals")
    if scope.out.json:
        scope.out.data(found)
    elif found:
        _print(scope.out, found, everything)
    else:
        scope.out.note("nobody asks for anything")


_expect_option = click.option(
    "--expect", default="", metavar="DIGEST", help="Only while it asks for just what `inbox --json` gave this digest."
)


@click.command()
@click.argument("request", metavar="ID|AGENT", shell_complete=complete_agents)
@click.option("--always", is_flag=True, help="From now on, where the agent offers that.")
@_expect_option
@click.option("--wait", type=click.FloatRange(0, 60), default=WAIT, show_default=True,
              help="Seconds to wait until it shows that the answer was taken.")  # fmt: skip
@json_option
@click.pass_obj
def approve(scope: Scope, request: str, always: bool, expect: str, wait: float) -> None:
    """Allow what an agent asks, once.

    AGENT instead of ID: only while it has exactly one request. Prints exactly what was allowed.
    """
    _answer(scope, request, "always" if always else "allow", "", expect, wait)


@click.command()
@click.argument("request", metavar="ID|AGENT", shell_complete=complete_agents)
@click.option("--reason", default="", metavar="TEXT", help="Why, for the agent to read.")
@_expect_option
@click.option("--wait", type=click.FloatRange(0, 60), default=WAIT, show_default=True,
              help="Seconds to wait until it shows that the answer was taken.")  # fmt: skip
@json_option
@click.pass_obj
def deny(scope: Scope, request: str, reason: str, expect: str, wait: float) -> None:
    """Refuse what an agent asks.

    AGENT instead of ID: only while it has exactly one request.
    """
    _answer(scope, request, "deny", reason, expect, wait)


def _answer(scope: Scope, request: str, answer: str, reason: str, expect: str, wait: float) -> None:
    asked = _find(scope, request)
    body = {"answer": answer, "reason": reason, "expect": expect, "wait": wait}
    done = scope.post(f"/v1/approvals/{quote(asked['id'], safe='')}/answer", body)
    name, state = done["agent_name"], done["state"]
    if state in ("allowed", "denied", "failed") or (state == "answering" and not wait):
        if scope.out.json:
            scope.out.data(done)
        else:
            _tell(scope.out, done, state)
            if state == "failed":
                scope.out.note(f"{safe(done['reason'])}; look at it: quarterdeck show {name}")
        return
    if state == "answering":
        if scope.out.json:
            scope.out.data(done)
        scope.out.note(f"{name} was answered ({answer}), and nothing shows yet that it was taken")
        raise click.exceptions.Exit(TIMED_OUT)
    if state == "open":
        why = safe(done["reason"]) or "its dialog still stands"
        raise Refused(f"{name} still asks: {why}", hint=f"look at it: quarterdeck show {name}", approval=done)
    why = safe(done["reason"]) or "nobody knows what became of it"
    raise Refused(f"the answer to {name} had no effect: {why}", hint="quarterdeck inbox --all", approval=done)


def _find(scope: Scope, request: str) -> dict[str, Any]:
    """The request a person means: by its id or the start of it, else the only one of an agent."""
    waiting: list[dict[str, Any]] = scope.get("/v1/approvals")
    exact = [one for one in waiting if one["id"] == request]
    if exact:
        return exact[0]
    try:
        agent = scope.agent(request)
    except NotFound:
        if len(request) < 3:
            raise
        try:
            found: dict[str, Any] = scope.get(f"/v1/approvals/{quote(request, safe='')}")
        except NotFound:
            raise NotFound(
                f"no request and no agent {safe(request)!r}", hint="quarterdeck inbox", request=request
            ) from None
        return found
    mine: list[dict[str, Any]] = scope.get(agent_path(agent["id"], "approvals"))
    if not mine:
        raise NotFound(f"{agent['name']} asks for nothing", hint="quarterdeck inbox", agent=agent["id"])
    if len(mine) > 1:
        listed = ", ".join(f"{one['id']} ({safe(one['what'], 60)})" for one in mine)
        raise Invalid(f"{agent['name']} asks for several things: {listed}", hint="name one by its id")
    return mine[0]


def _tell(out: Output, done: dict[str, Any], state: str) -> None:
    """What was decided, in full."""
    word = f"{_GIVEN[state]} ({done['answer']})" if state in _GIVEN else _DONE[done["answer"]]
    out.line(f"{word}: {done['what'] if not done['command'] else done['tool'] or done['kind']} ({done['agent_name']})")
    if done["command"]:
        _block(out, done["command"])
    if done["path"] and done["path"] not in done["what"]:
        out.line(f"  {done['path']}")
    if done["diff"]:
        _block(out, done["diff"])


def _block(out: Output, text: str) -> None:
    lines = plain(text).splitlines()
    for line in lines[:_LINES]:
        out.write("  " + line.replace("\t", "    ") + "\n")
    if len(lines) > _LINES:
        out.line(f"  … {len(lines) - _LINES} more lines")


def _print(out: Output, found: list[dict[str, Any]], everything: bool) -> None:
    now = time.time_ns()
    rows = [
        (
            Cell(str(one["id"]), BOLD),
            str(one["agent_name"]),
            Cell(_kind(one), YELLOW if one["state"] == "open" else DIM),
            str(one["what"]),
            "" if everything else ", ".join(one["can"]) or "its panel",
            age(one["asked_ns"], now),
        )
        for one in found
    ]
    out.table(_COLUMNS, rows)


def _kind(one: dict[str, Any]) -> str:
    return str(one["kind"]) if one["state"] == "open" else f"{one['kind']}, {one['state']}"


def _watch(scope: Scope) -> None:
    """The inbox as it changes: redrawn on a terminal, a line for each change elsewhere."""
    out = scope.out
    known: dict[str, str] = {}
    lines = scope.client.follow("/v1/events")
    for raw in lines:
        line = raw.decode("utf-8", "replace").rstrip("\n")
        first = line.startswith(": begins after ")
        if not first and not line.startswith("event: approval."):
            continue
        found: list[dict[str, Any]] = scope.get("/v1/approvals")
        if out.tty and not out.json:
            out.write("\x1b[H\x1b[2J")
            if found:
                _print(out, found, False)
            else:
                out.write("nobody asks for anything\n")
        else:
            _changes(scope, found, known)
        known = {one["id"]: one["state"] for one in found}
        out.flush()


def _changes(scope: Scope, found: list[dict[str, Any]], known: dict[str, str]) -> None:
    now = {one["id"]: one for one in found}
    changed = [one for one in found if known.get(one["id"]) != one["state"]]
    for ident in [ident for ident in known if ident not in now]:
        try:
            changed.append(scope.get(f"/v1/approvals/{ident}"))
        except QuarterdeckError:
            continue  # it was removed with its agent
    for one in changed:
        if scope.out.json:
            scope.out.write(json.dumps(one) + "\n")
        else:
            scope.out.line(f"{one['id']} {one['agent_name']} {one['kind']} {one['state']}: {one['what']}")
