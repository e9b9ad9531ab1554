"""Reading an agent: ``show`` its screen, follow its ``logs``. Everything is drawn from rows or made plain."""

from __future__ import annotations

from typing import Any

import click

from cli.scope import Scope, agent_argument, agent_path, json_option
from quarterdeck.text import plain


@click.command()
@agent_argument
@click.option("--ansi", is_flag=True, help="With colours, drawn from the screen's rows.")
@click.option("--history", is_flag=True, help="Also the lines that have scrolled away.")
@json_option
@click.pass_obj
def show(scope: Scope, agent: str, ansi: bool, history: bool) -> None:
    """Print an agent's screen."""
    path = agent_path(agent, "screen") + f"?history={int(history)}&format="
    if scope.out.json:
        scope.out.data(scope.get(path + "rows"))
    elif ansi:
        for row in scope.get(path + "rows")["rows"]:
            scope.out.write(_draw(row) + "\n")
    else:
        text = plain(scope.get(path + "text") or "")
        scope.out.write(text if not text or text.endswith("\n") else text + "\n")


def _draw(row: dict[str, Any]) -> str:
    from cli.paint import draw
    from quarterdeck.rows import Row, Run, Style

    runs = tuple(
        Run(run["text"], run["cells"], Style(run["fg"], run["bg"], run["attrs"], run["underline_color"]), run["link"])
        for run in row["runs"]
    )
    return draw(Row(runs, row["wrapped"]), sum(run.cells for run in runs))


@click.command()
@agent_argument
@click.option("-f", "--follow", is_flag=True, help="Go on as it prints, until it ends or ctrl+c.")
@click.pass_obj
def logs(scope: Scope, agent: str, follow: bool) -> None:
    """Print what an agent's terminal has shown, as plain text; of a full-screen program the last screen.

    With -f a line comes when it has left the screen upwards, since until then it may still be redrawn.
    """
    for line in scope.client.stream("GET", agent_path(agent, "log") + f"?follow={int(follow)}"):
        scope.out.write(plain(line.decode("utf-8", "replace")))
        if follow:
            scope.out.flush()
