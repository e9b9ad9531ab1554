"""``policy``: the rules that answer requests for permission; see them, accept them, try them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from cli.overview import workspace
from cli.scope import Scope, json_option
from quarterdeck.errors import Invalid, Refused
from quarterdeck.text import safe


@click.group()
def policy() -> None:
    """Rules that allow, deny or ask when an agent wants a permission."""


@policy.command()
@json_option
@click.pass_obj
def show(scope: Scope) -> None:
    """Show the rules in force here, and what is wrong with them."""
    _tell(scope, _found(scope))


@policy.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def accept(scope: Scope, yes: bool) -> None:
    """Show how your policy changed, and let its allow rules hold.

    Until then it only denies and asks: an agent that edits the file cannot allow itself anything.
    """
    out = scope.out
    found = _found(scope)
    if not found["accepted"]:
        if not out.json:
            for line in found["difference"]:
                out.line(safe(line, 200))
        if not yes:
            if not out.can_ask:
                raise Refused(
                    "the policy was not accepted: nobody could be asked", hint="quarterdeck policy accept --yes"
                )
            if not out.ask(f"Accept {found['file']} as it is now?"):
                raise Refused("the policy was not accepted")
        # the hash of what was shown: anything that changed meanwhile is not agreed to
        found = scope.post("/v1/policy/accept", {"hash": found["hash"]})
    _tell(scope, found)


@policy.command()
@click.argument("command", required=False, default="")
@click.option("--tool", default="", help="The tool's name; Bash for a command.")
@click.option("--path", default="", help="The file the request is about.")
@click.option("--agent", default="", help="The agent's name.")
@click.option("--profile", default="claude", show_default=True)
@json_option
@click.pass_obj
def test(scope: Scope, command: str, tool: str, path: str, agent: str, profile: str) -> None:
    """Say what the rules would answer to COMMAND, or to a tool and a path, in this workspace.

    Exit code 0 for allow, 10 for ask, 11 for deny.
    """
    if not command and not tool:
        raise Invalid("give a command, or --tool and --path")
    asked = {"command": command, "tool": tool or ("Bash" if command else ""), "path": path, "agent": agent}
    ruling: dict[str, Any] = scope.post("/v1/policy/test", {**asked, "profile": profile, "workspace": workspace()})
    if scope.out.json:
        scope.out.data(ruling)
    else:
        scope.out.line(f"{ruling['behaviour']}: {safe(ruling['why'], 300)}")
    raise SystemExit({"allow": 0, "ask": 10, "deny": 11}[ruling["behaviour"]])


def _found(scope: Scope) -> dict[str, Any]:
    found: dict[str, Any] = scope.get(f"/v1/policy?workspace={quote(workspace(), safe='')}")
    return found


def _tell(scope: Scope, found: dict[str, Any]) -> None:
    out = scope.out
    if out.json:
        out.data(found)
        return
    for problem in found["problems"]:
        out.note(safe(problem, 300))
    if not found["hash"]:
        out.line(f"no policy: every request is asked about; write {found['file']}")
        return
    for rule in found["rules"]:
        out.line(safe(rule, 200))
    if not found["accepted"] and not found["problems"]:
        out.note("its allow rules do not hold yet: quarterdeck policy accept")
