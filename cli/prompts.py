"""Prompts: ``send`` one, ``broadcast`` one to many, and see and change the ``queue``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

import click

from cli.keyboard import tell
from cli.output import DIM, GREEN, YELLOW, Cell, Column, Output
from cli.overview import age
from cli.scope import Scope, agent_argument, agent_path, complete_agents, json_option
from cli.texts import text_of
from quarterdeck.errors import Invalid, Refused

TIMED_OUT = 124
"""Exit code when the time to wait is up, as of ``timeout``."""
_TAKEN = ("accepted", "written")
_AT_ONCE = 1.0
"""Seconds in which it usually shows whether a prompt goes or what it waits for."""
_ASK_AGAIN = 60.0
_COLOURS = {"accepted": GREEN, "written": GREEN, "queued": "", "sending": "", "cancelled": DIM}
_COLUMNS = (
    Column("ID"),
    Column("AGENT", cut="middle"),
    Column("STATE"),
    Column("SINCE", right=True, drop=1),
    Column("WHY", cut="end"),
    Column("TEXT", cut="end"),
)

wait_options = (
    click.option(
        "--wait",
        "until",
        is_flag=False,
        flag_value="accepted",
        type=click.Choice(["accepted", "idle"]),
        help="Stay until it was taken, or until the turn it begins has ended.",
    ),
    click.option("--timeout", type=click.FloatRange(0), metavar="SECONDS", help="How long to stay (default: ever)."),
)
_file_option = click.option("--file", metavar="FILE", help="Take the text from FILE.")
_now_option = click.option("--now", is_flag=True, help="Type it while it works, instead of waiting until it is idle.")


@click.command()
@agent_argument
@click.argument("text", required=False)
@_file_option
@_now_option
@wait_options[0]
@wait_options[1]
@click.option("--no-enter", is_flag=True, help="Only paste it, at once, as a person would; press no Enter.")
@click.option(
    "--if-offset", type=int, help="Paste it at once, only while the agent's journal still ends at this offset."
)
@json_option
@click.pass_obj
def send(
    scope: Scope,
    agent: str,
    text: str | None,
    file: str | None,
    now: bool,
    until: str | None,
    timeout: float | None,
    no_enter: bool,
    if_offset: int | None,
) -> None:
    """Send a prompt to an agent: TEXT, or "-" for standard input.

    It is kept until the agent takes it, is typed once, and its state says what the agent made of it.
    """
    body: dict[str, Any] = {"text": text_of(text, file)}
    if no_enter or if_offset is not None:
        if now or until:
            raise Invalid("--no-enter and --if-offset type at once, past the queue", hint="leave --now and --wait out")
        body["enter"] = not no_enter
        if if_offset is not None:
            body["if_offset"] = if_offset
        tell(scope, agent, scope.post(agent_path(agent, "input"), body))
        return
    found = scope.agent(agent)
    prompt = scope.post(agent_path(found["id"], "prompts"), body | {"now": now})
    prompt = _waited(scope, [prompt], until, timeout)[0]
    if scope.out.json:
        scope.out.data(prompt)
    else:
        scope.out.line(f"{found['name']}: {_said(prompt)}")
    _leave([prompt], until)


@click.command()
@click.argument("words", metavar="TEXT [AGENT...]", nargs=-1, shell_complete=complete_agents)
@_file_option
@click.option("--session", default="", metavar="NAME", help="The agents of this session.")
@click.option("--status", default="", metavar="STATUS", help="Those with this status: idle (or done), working ...")
@click.option("--profile", default="", metavar="NAME", help="Those of this kind.")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Those that have it; several times: all of them.")
@click.option("--all", "everyone", is_flag=True, help="All coding agents.")
@_now_option
@wait_options[0]
@wait_options[1]
@json_option
@click.pass_obj
def broadcast(
    scope: Scope,
    words: tuple[str, ...],
    file: str | None,
    session: str,
    status: str,
    profile: str,
    tags: tuple[str, ...],
    everyone: bool,
    now: bool,
    until: str | None,
    timeout: float | None,
) -> None:
    """Send one prompt to many agents: TEXT ("-" for standard input) to those named, or to all that fit.

    Agents that ask something and those that have ended are passed over, and so are shells that nobody named.
    """
    text, agents = (None, words) if file else (words[0] if words else None, words[1:])
    body: dict[str, Any] = {"text": text_of(text, file), "now": now, "agents": list(agents), "all": everyone}
    chosen = {"session": session, "status": status, "profile": profile, "tags": list(tags)}
    done = scope.post("/v1/broadcast", body | {key: value for key, value in chosen.items() if value})
    prompts = _waited(scope, [one["prompt"] for one in done["receipts"]], until, timeout)
    for one, prompt in zip(done["receipts"], prompts, strict=True):
        one["prompt"] = prompt
    if scope.out.json:
        scope.out.data(done)
    else:
        for one in done["receipts"]:
            scope.out.line(f"{one['name']}: {_said(one['prompt'])}")
        for one in done["skipped"]:
            scope.out.line(f"{one['name']}: passed over: {one['reason']}")
    if not prompts:
        raise Refused("it was sent to nobody", hint="quarterdeck ls shows who is there")
    _leave(prompts, until)


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def queue(context: click.Context) -> None:
    """Prompts that wait for their agents, and what became of the last ones."""
    if context.invoked_subcommand is None:
        context.invoke(list_queue)


@queue.command("ls")
@click.argument("agent", required=False, shell_complete=complete_agents)
@click.option("--all", "everything", is_flag=True, help="Also those that are over, newest first.")
@json_option
@click.pass_obj
def list_queue(scope: Scope, agent: str | None = None, everything: bool = False) -> None:
    """List the prompts of AGENT, or of all agents, in the order in which they go."""
    path = agent_path(agent, "prompts") if agent else "/v1/prompts"
    found = [one for one in scope.get(path) if everything or one["open"]]
    if scope.out.json:
        scope.out.data(found)
    elif found:
        names = {one["id"]: one["name"] for one in scope.get("/v1/agents")}
        now = time.time_ns()
        scope.out.table(_COLUMNS, [_row(one, names, now) for one in found])
    else:
        scope.out.note("no prompt waits" + ("" if everything else "; those that are over: quarterdeck queue ls --all"))


@queue.command()
@click.argument("prompts", metavar="ID...", nargs=-1, required=True)
@json_option
@click.pass_obj
def cancel(scope: Scope, prompts: tuple[str, ...]) -> None:
    """Take queued prompts back."""
    done = [scope.client.request("DELETE", _path(one)) for one in prompts]
    _changed(scope.out, done)


@queue.command()
@click.argument("prompt", metavar="ID")
@click.argument("text", required=False)
@_file_option
@json_option
@click.pass_obj
def edit(scope: Scope, prompt: str, text: str | None, file: str | None) -> None:
    """Give a queued prompt another text: TEXT, or "-" for standard input."""
    _changed(scope.out, [scope.client.request("PATCH", _path(prompt), {"text": text_of(text, file)})])


@queue.command()
@click.argument("prompt", metavar="ID")
@click.argument("place", metavar="PLACE")
@json_option
@click.pass_obj
def move(scope: Scope, prompt: str, place: str) -> None:
    """Move a queued prompt to a PLACE: first, last, a number counted from 1, or the id of the prompt it goes before."""
    body: dict[str, Any] = {"before": place}
    if place in ("first", "last"):
        body = {"position": 0 if place == "first" else 10_000}
    elif place.isdigit() and len(place) < 5:
        body = {"position": _position(scope, prompt, int(place))}
    _changed(scope.out, [scope.client.request("PATCH", _path(prompt), body)])


def _position(scope: Scope, prompt: str, place: int) -> int:
    """Which position a place counted from 1 is. Raises :class:`Invalid` where the prompt's queue has no such place."""
    if not place:
        raise Invalid("places are counted from 1", hint="`first` puts it at the beginning")
    agent = scope.get(_path(prompt))["agent"]
    queued = sum(one["state"] == "queued" for one in scope.get(agent_path(agent, "prompts")))
    if place > max(queued, 1):
        raise Invalid(f"there is no place {place}: {queued} prompts wait", hint="`last` puts it at the end")
    return place - 1


def _path(prompt: str) -> str:
    return f"/v1/prompts/{quote(prompt, safe='')}"


def _waited(
    scope: Scope, prompts: Sequence[dict[str, Any]], until: str | None, timeout: float | None
) -> list[dict[str, Any]]:
    """The prompts as they stand when what is waited for has happened, or the time is up."""
    end = time.monotonic() + (_AT_ONCE if until is None else float("inf") if timeout is None else timeout)
    done = []
    for prompt in prompts:
        while True:
            left = max(0.0, min(end - time.monotonic(), _ASK_AGAIN))
            query = urlencode({"until": until or "decided", "seconds": f"{left:.3f}"})
            asked = time.monotonic()
            prompt = scope.get(f"{_path(prompt['id'])}?{query}")
            if time.monotonic() >= end or time.monotonic() - asked < left:
                break
        done.append(prompt)
    return done


def _leave(prompts: Sequence[dict[str, Any]], until: str | None) -> None:
    """End with the exit code that says what became of prompts that were waited for."""
    if until is None:
        return
    if any(prompt["open"] or (until == "idle" and not prompt["finished"]) for prompt in prompts):
        raise click.exceptions.Exit(TIMED_OUT)
    if any(prompt["state"] not in _TAKEN for prompt in prompts):
        raise click.exceptions.Exit(Refused.exit_code)


def _said(prompt: dict[str, Any]) -> str:
    if prompt["state"] == "accepted" and prompt["receipt"]:
        return f"accepted (by {prompt['receipt']})"
    return f"{prompt['state']}: {prompt['reason']}" if prompt["reason"] else str(prompt["state"])


def _row(prompt: dict[str, Any], names: dict[str, str], now: int) -> tuple[str | Cell, ...]:
    why = f"by {prompt['receipt']}" if prompt["state"] == "accepted" else prompt["reason"]
    return (
        prompt["id"],
        names.get(prompt["agent"], prompt["agent"]),
        Cell(prompt["state"], _COLOURS.get(prompt["state"], YELLOW)),
        age(prompt["changed_ns"], now),
        why,
        prompt["text"][:400],
    )


def _changed(out: Output, prompts: list[dict[str, Any]]) -> None:
    if out.json:
        out.data(prompts)
        return
    for prompt in prompts:
        out.line(f"{prompt['id']} is {prompt['state']}")
