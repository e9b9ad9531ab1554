"""``restore``: what the last start found, and starting again what does not run."""

from __future__ import annotations

from typing import Any

import click

from cli.output import DIM, GREEN, RED, YELLOW, Cell, Column
from cli.overview import size
from cli.scope import Scope, client_environment, complete_agents, json_option
from quarterdeck.errors import Invalid, Refused

_ACTIONS = {
    "adopted": ("ran on", GREEN),
    "kept": ("had ended", DIM),
    "waiting": ("waits for you", YELLOW),
    "resumed": ("started again", GREEN),
    "failed": ("could not be started", RED),
}
_COLUMNS = (
    Column("AGENT", cut="middle"),
    Column("SESSION", cut="middle", drop=1),
    Column("RESULT"),
    Column("LOST", right=True),
    Column("WHY", cut="end"),
)


@click.command()
@click.argument("agents", metavar="[AGENT...]", nargs=-1, shell_complete=complete_agents)
@click.option("--all", "everything", is_flag=True, help="All that are lost or interrupted.")
@click.option(
    "--from-markdown",
    is_flag=True,
    help="Make sessions anew from the checkpoints in workspaces: the names are folders (default: this one).",
)
@click.option("--no-prompts", is_flag=True, help="With --from-markdown: queue nothing of what waited.")
@click.option("--yes", is_flag=True, help="With --from-markdown: do not ask.")
@json_option
@click.pass_obj
def restore(
    scope: Scope, agents: tuple[str, ...], everything: bool, from_markdown: bool, no_prompts: bool, yes: bool
) -> None:
    """Start agents again whose program is gone, each by its profile, in its old place.

    Without a name: show what the orchestrator's last start found. With --from-markdown: what would be made is shown,
    and made once you agree; --json without --yes only shows it.
    """
    if from_markdown:
        if everything:
            raise Invalid("--from-markdown takes workspaces, not --all")
        from cli.checkpoints import restore_from_markdown

        restore_from_markdown(scope, agents, prompts=not no_prompts, yes=yes)
        return
    if yes or no_prompts:
        raise Invalid("--yes and --no-prompts belong to --from-markdown")
    if agents and everything:
        raise Invalid("restore takes names or --all, not both")
    asked = bool(agents) or everything
    if asked:
        body = {"agents": list(agents) or None, "environ": client_environment()}
        report: dict[str, Any] = scope.post("/v1/restore", body)
    else:
        report = scope.get("/v1/restore")
    outcomes: list[dict[str, Any]] = list(report["outcomes"])
    if scope.out.json:
        scope.out.data(report)
    elif outcomes:
        scope.out.table(_COLUMNS, [_row(outcome) for outcome in outcomes])
    else:
        scope.out.note("there is nothing to restore")
    if report.get("rebooted"):
        scope.out.note("the machine was restarted since")
    if not asked and any(outcome["action"] == "waiting" for outcome in outcomes):
        scope.out.note("start them again: quarterdeck restore --all")
    failed = [outcome["name"] for outcome in outcomes if outcome["action"] == "failed"]
    if asked and failed:
        raise Refused(f"could not be started again: {', '.join(failed)}", hint="quarterdeck show AGENT", agents=failed)


def _row(outcome: dict[str, Any]) -> tuple[str | Cell, ...]:
    word, colour = _ACTIONS.get(outcome["action"], (outcome["action"], ""))
    missing = size(outcome["missing"]) if outcome["missing"] else ""
    return outcome["name"], outcome["session"], Cell(word, colour), missing, outcome["detail"]
