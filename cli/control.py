"""``stop``: end the orchestrator, and with ``--agents`` everything it looks after."""

from __future__ import annotations

import click

from cli.scope import Scope, json_option


@click.command()
@click.option("--agents", is_flag=True, help="End the agents' programs too (adopted panes are given back).")
@json_option
@click.pass_obj
def stop(scope: Scope, agents: bool) -> None:
    """Stop the orchestrator. Agents run on, unless --agents.

    Open screens do not start it again; the next command does.
    """
    if agents:
        # ending agents needs somebody who finds them
        scope.get("/v1/health")
    answer = scope.client.stop(agents=agents)
    if scope.out.json:
        scope.out.data({"stopped": answer is not None, "agents": agents})
    elif answer is None:
        scope.out.note("no orchestrator runs")
    else:
        scope.out.line("stopped; the agents were ended" if agents else "stopped; the agents run on")
