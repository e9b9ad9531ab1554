"""``trust``: see what a workspace's own settings would change, and agree to exactly that."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import quote

import click

from cli.overview import workspace
from cli.scope import Scope, json_option
from quarterdeck.errors import Invalid, Refused


@click.command()
@click.argument("path", type=click.Path(), required=False)
@click.option("--show", is_flag=True, help="Only show it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--withdraw", is_flag=True, help="Trust it no longer.")
@json_option
@click.pass_obj
def trust(scope: Scope, path: str | None, show: bool, yes: bool, withdraw: bool) -> None:
    """Show what the .quarterdeck folder of a workspace would change, and trust it.

    PATH is the workspace (default: this one). Trust ends by itself when the folder changes.
    """
    if show + yes + withdraw > 1:
        raise Invalid("give one of --show, --yes and --withdraw")
    out = scope.out
    folder = os.path.abspath(path) if path else workspace()
    found: dict[str, Any] = scope.get(f"/v1/trust?workspace={quote(folder, safe='')}")
    if withdraw:
        found = scope.post("/v1/trust", {"workspace": folder, "hash": ""})
        _tell(scope, found)
        return
    if not out.json:
        for line in found["changes"]:
            out.line(line)
        for line in found["problems"]:
            out.note(f"not used: {line}")
    if found["trusted"] or show:
        _tell(scope, found)
        return
    if not yes:
        if not out.can_ask:
            raise Refused(f"{folder} was not trusted: nobody could be asked", hint="quarterdeck trust --yes")
        if not out.ask(f"Trust {folder} to make these changes?"):
            raise Refused(f"{folder} was not trusted")
    # the hash of what was shown: anything that changed meanwhile is not agreed to
    _tell(scope, scope.post("/v1/trust", {"workspace": folder, "hash": found["hash"]}))


def _tell(scope: Scope, found: dict[str, Any]) -> None:
    if scope.out.json:
        scope.out.data(found)
    elif not found["hash"]:
        scope.out.line(f"{found['workspace']} brings nothing to trust")
    else:
        scope.out.line(f"{found['workspace']} is {'trusted' if found['trusted'] else 'not trusted'}")
