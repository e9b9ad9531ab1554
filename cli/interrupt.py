"""Stopping what an agent does: ``interrupt``."""

from __future__ import annotations

import click

from cli.scope import Scope, agent_argument, agent_path, json_option

UNCONFIRMED = 124
"""Exit code when nothing showed in time, as of ``timeout``."""
WAIT = 5.0


@click.command()
@agent_argument
@click.option("--wait", type=click.FloatRange(0, 60), default=WAIT, show_default=True,
              help="Seconds to wait until it shows that it stopped.")  # fmt: skip
@json_option
@click.pass_obj
def interrupt(scope: Scope, agent: str, wait: float) -> None:
    """Stop what an agent does, by the keys that its program takes for that.

    Only while it works: the same keys mean something else at other times.
    """
    found = scope.agent(agent)
    done = scope.post(agent_path(found["id"], "interrupt"), {"wait": wait})
    if scope.out.json:
        scope.out.data(done)
    elif done["confirmed"]:
        scope.out.line(f"{found['name']} was interrupted: it is {done['status']}")
    else:
        pressed = " ".join(done["pressed"])
        scope.out.note(
            f"{found['name']}: {pressed} was typed, and nothing shows that it stopped: it is {done['status']}"
        )
    if not done["confirmed"]:
        raise click.exceptions.Exit(UNCONFIRMED)
