"""``memory``: what people and agents of a workspace remember; store it, find it, change it, take it along."""

from __future__ import annotations

import importlib

import click

_VERBS = {
    "add": "entries",
    "get": "entries",
    "edit": "editing",
    "delete": "entries",
    "search": "entries",
    "list": "entries",
    "history": "past",
    "restore": "past",
    "resolve": "editing",
    "missing": "past",
    "export": "whole",
    "import": "whole",
    "stats": "whole",
    "prune": "whole",
    "sync": "whole",
    "banks": "whole",
}


class _Verbs(click.Group):
    """A group that imports a verb's module when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _VERBS:
            return None
        module = importlib.import_module(f"cli.memory.{_VERBS[cmd_name]}")
        command: click.Command = getattr(module, f"{cmd_name}_verb")
        return command


@click.group(cls=_Verbs)
def memory() -> None:
    """What people and agents remember about a workspace."""
