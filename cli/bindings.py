"""``bindings``: which key of the screen does what, and what is wrong with a person's own keys."""

from __future__ import annotations

import os

import click

from cli.output import BOLD, Cell, Column
from cli.overview import near_home
from cli.scope import Scope, json_option
from quarterdeck.keymap.settings import PRESETS

CONFLICTS = 2
"""The exit code when some of a person's keys could not be taken in."""
_LIST = (
    Column("KEY"),
    Column("DIRECT", drop=1),
    Column("COMMAND"),
    Column("DOES", cut="end", drop=2),
)


@click.command()
@click.option("--preset", type=click.Choice(PRESETS), help="As if this preset were chosen.")
@json_option
@click.pass_obj
def bindings(scope: Scope, preset: str | None) -> None:
    """List every command of the screen with its keys.

    KEY follows the leader key, DIRECT works without it. Your own keys stand in [keys] of config.toml. Exit code 2
    when some of them could not be taken in.
    """
    from quarterdeck.keymap.commands import COMMANDS, GROUPS
    from quarterdeck.keymap.own import own_of
    from themes import user_folder

    file = user_folder().parent / "config.toml"
    found = own_of(file, os.environ, preset=preset or "")
    keymap = found.keymap
    if scope.out.json:
        scope.out.data(
            {
                "file": str(file),
                "preset": keymap.preset,
                "leader": str(keymap.leader),
                "bindings": [
                    {
                        "command": command.id,
                        "group": command.group,
                        "about": command.about,
                        "keys": keymap.keys(command.id),
                        "direct": keymap.keys(command.id, direct=True),
                    }
                    for command in COMMANDS
                ],
                "conflicts": found.problems,
                "remarks": keymap.remarks,
            }
        )
    else:
        scope.out.line(f"preset {keymap.preset}, leader {keymap.leader}, your own keys in {near_home(str(file))}")
        rows: list[tuple[str | Cell, ...]] = []
        for group in GROUPS:
            rows += [("", "", "", ""), (Cell(group, BOLD), "", "", "")]
            rows += [
                (
                    ", ".join(keymap.keys(command.id)),
                    ", ".join(keymap.keys(command.id, direct=True)),
                    command.id,
                    command.about,
                )
                for command in COMMANDS
                if command.group == group
            ]
        scope.out.table(_LIST, rows)
        for line in keymap.remarks:
            scope.out.note(f"note: {line}")
        for line in found.problems:
            scope.out.note(f"problem: {line}")
    if found.problems:
        raise click.exceptions.Exit(CONFLICTS)
