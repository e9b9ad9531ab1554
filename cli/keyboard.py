"""Typing into an agent: ``send`` text, press ``keys``."""

from __future__ import annotations

import sys
from typing import Any

import click

from cli.scope import Scope, agent_argument, agent_path, json_option
from quarterdeck import keys as key_names
from quarterdeck.errors import Invalid, Refused

_NOT_WRITTEN = {
    "refused": ("its screen has changed meanwhile; nothing was typed", "look at it: quarterdeck show {name}"),
    "full": ("its program does not read what is typed; nothing was typed", "look at it: quarterdeck show {name}"),
    "closed": ("its program has ended; nothing was typed", "start it again: quarterdeck restore {name}"),
    "unknown": ("what became of the text is not known", "look at it: quarterdeck show {name}"),
}


def _tell(scope: Scope, agent: str, written: dict[str, Any]) -> None:
    status = written["status"]
    if status != "written":
        said, hint = _NOT_WRITTEN.get(status, (f"the answer was {status}", ""))
        raise Refused(f"{agent}: {said}", hint=hint.format(name=agent), **written)
    if scope.out.json:
        scope.out.data(written)


@click.command()
@agent_argument
@click.argument("text")
@click.option("--no-enter", is_flag=True, help="Leave it in the input line; press no Enter.")
@click.option("--if-offset", type=int, help="Only while the agent's journal still ends at this offset.")
@json_option
@click.pass_obj
def send(scope: Scope, agent: str, text: str, no_enter: bool, if_offset: int | None) -> None:
    """Paste TEXT into an agent and press Enter, as one unit.

    TEXT "-" reads it from standard input.
    """
    if text == "-":
        text = sys.stdin.buffer.read().decode("utf-8", "replace").removesuffix("\n")
    if not text and no_enter:
        raise Invalid("there is no text to send")
    body: dict[str, Any] = {"text": text, "enter": not no_enter}
    if if_offset is not None:
        body["if_offset"] = if_offset
    _tell(scope, agent, scope.post(agent_path(agent, "input"), body))


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
    _tell(scope, agent, scope.post(agent_path(agent, "input"), body))
