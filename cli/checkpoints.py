"""Sessions made anew from the checkpoints in workspaces: the plan as a person reads it, the question, what was done."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from cli.output import DIM, GREEN, RED, YELLOW, Cell, Column
from cli.overview import near_home, workspace
from cli.scope import Scope, client_environment
from quarterdeck.errors import Refused
from quarterdeck.text import safe

_ACTIONS = {
    "started": ("started", GREEN),
    "there": ("was there", DIM),
    "refused": ("not made", YELLOW),
    "failed": ("could not be started", RED),
}
_COLUMNS = (
    Column("AGENT", cut="middle"),
    Column("SESSION", cut="middle", drop=1),
    Column("RESULT"),
    Column("QUEUED", right=True),
    Column("WHY", cut="end"),
)


def restore_from_markdown(scope: Scope, folders: Sequence[str], *, prompts: bool, yes: bool) -> None:
    """Show what would be made of the checkpoints in ``folders`` (this workspace without any), ask, make it."""
    out = scope.out
    wanted = [os.path.abspath(os.path.expanduser(folder)) for folder in folders] or [workspace()]
    plan = scope.get("/v1/restore/markdown?" + urlencode([("workspace", folder) for folder in wanted]))
    if out.json and not yes:
        out.data(plan)
        return
    if not out.json:
        _show(scope, plan, prompts)
    if not plan["changes"]:
        if out.json:
            out.data([])
        else:
            out.note("there is nothing to make" if plan["sessions"] else "there are no checkpoints here")
        return
    if not yes:
        if not out.can_ask:
            raise Refused("nothing was made: there is nobody to ask", hint="read the plan, then say --yes")
        if not out.ask("Make this?"):
            raise Refused("nothing was made")
    body = {"workspaces": wanted, "hash": plan["hash"], "environ": client_environment(), "prompts": prompts}
    done: list[dict[str, Any]] = scope.post("/v1/restore/markdown", body)
    if out.json:
        out.data(done)
    else:
        out.table(_COLUMNS, [_row(one) for one in done])
    failed = [one["name"] for one in done if one["action"] == "failed"]
    if failed:
        raise Refused(f"could not be started: {', '.join(failed)}", hint="what was made stays", agents=failed)


def _row(one: dict[str, Any]) -> tuple[str | Cell, ...]:
    word, colour = _ACTIONS.get(one["action"], (one["action"], ""))
    queued = str(one["queued"]) if one["queued"] else ""
    return one["name"], one["session"], Cell(word, colour), queued, one["reason"]


def _show(scope: Scope, plan: dict[str, Any], prompts: bool) -> None:
    """The whole plan; every line of a prompt stands behind a bar, so that it cannot look like one of ours."""
    out = scope.out
    for one in plan["sessions"]:
        place = near_home(one["workspace"])
        when = f", written {one['written']}" if one["written"] else ""
        if one["action"] == "refused":
            out.line(f"{one['session']} in {place}: not made: {one['reason']}")
            continue
        if not one["changes"] and not any(agent["action"] == "refused" for agent in one["agents"]):
            out.line(f"{one['session']} in {place}: all of it is there{when}")
            continue
        new = "new session" if one["action"] == "make" else "session"
        out.line(f"{new} {one['session']} in {place}{when}" + (f" ({one['reason']})" if one["reason"] else ""))
        if one["goal"]:
            out.write(f"  goal: {safe(one['goal'])}\n")
        for agent in one["agents"]:
            _show_agent(scope, agent, prompts)


def _show_agent(scope: Scope, agent: dict[str, Any], prompts: bool) -> None:
    out = scope.out
    about = [agent["profile"]]
    about += [f"on branch {agent['branch']}"] if agent["branch"] else []
    about += [f"in {agent['folder']}"] if agent["folder"] else []
    about += [f"adapter {agent['adapter']}"] if agent["adapter"] != "native" else []
    about += [f"restore {agent['restore']}"] if agent["restore"] != "ask" else []
    about += [f"tags {' '.join(agent['tags'])}"] if agent["tags"] else []
    word, colour = {
        "start": ("start", GREEN),
        "there": ("there already", DIM),
        "refused": ("not made", YELLOW),
    }[agent["action"]]
    told = f": {agent['reason']}" if agent["reason"] else ""
    text = safe(f"{agent['name']} ({', '.join(part for part in about if part)}){told}", 4000)
    out.write(f"  {out.painted(word, colour)} {text}\n")
    if agent["action"] == "refused":
        return
    for number, prompt in enumerate(agent["prompts"], 1):
        queued = "queue" if prompts else "do not queue"
        out.write(f"    {queued} prompt {number} of {len(agent['prompts'])}:\n")
        for line in prompt.split("\n"):
            out.write(f"      | {safe(line, 20_000)}\n" if line.strip() else "      |\n")
    if agent["withheld"]:
        many = "prompts" if agent["withheld"] > 1 else "prompt"
        out.write(f"    {agent['withheld']} more {many} waited that the page does not hold\n")
