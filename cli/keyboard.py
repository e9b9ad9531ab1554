"""Typing into an agent as a person would: press ``keys``."""

from __future__ import annotations

from typing import Any

import click

from cli.scope import Scope, agent_argument, agent_path, json_option
from quarterdeck import keys as key_names
from quarterdeck.errors import Refused

_NOT_WRITTEN = {
    "refused": ("its screen has changed meanwhile; nothing was typed", "look at it: quarterdeck show {name}"),
    "full": ("its program does not read what is typed; nothing was typed", "look at it: quarterdeck show {name}"),
    "closed": ("its program has ended; nothing was typed", "start it again: quarterdeck restore {name}"),
    "unknown": ("what became of the text is not known", "look at it: quarterdeck show {name}"),
}


def tell(scope: Scope, agent: str, written: dict[str, Any]) -> None:
    """Print what became of something typed. Raises :class:`Refused` where nothing was."""
    status = written["status"]
    if status != "written":
        said, hint = _NOT_WRITTEN.get(status, (f"the answer was {status}", ""))
        raise Refused(f"{agent}: {said}", hint=hint.format(name=agent), **written)
    if scope.out.json:
        scope.out.data(written)


@click.command()
@agent_argument
@click.argument("keys", metavar="KEY...", nargs=-1, required=True)
@click.option("--if-offset", type=int, help="Only while the agent's journal still ends at this offset.")
@json_option
@click.pass_obj
def keys(scope: Scope, agent: str, keys: tuple[str, ...], if_offset: int | None) -> None:
    """Press keys in an agent, one after the other.

    A KEY is a character or a name, with modifiers: x, é, enter, escape, up, f5, ctrl+c, alt+enter, shift+tab.
    """
    body: dict[str, Any] = {"keys": [str(key_names.parse(word)) if len(word) > 1 else word for word in keys]}
    if if_offset is not None:
        body["if_offset"] = if_offset
    tell(scope, agent, scope.post(agent_path(agent, "input"), body))
