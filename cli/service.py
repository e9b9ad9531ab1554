"""``service``: let systemd (a user unit) or launchd start the orchestrator, with no client and after a reboot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.scope import Scope, json_option

if TYPE_CHECKING:
    from orchestrator.service import Done


@click.group()
def service() -> None:
    """Let systemd (or launchd) start the orchestrator, also after a reboot."""


@service.command()
@json_option
@click.pass_obj
def install(scope: Scope) -> None:
    """Install and start the service; an orchestrator that runs already hands over.

    Where no service manager can be asked, the commands that are left to do are named.
    """
    from orchestrator import service as services

    scope.for_person()
    if services.manager_answers():
        scope.client.stop()
    _tell(scope, services.install(scope.paths))


@service.command()
@json_option
@click.pass_obj
def remove(scope: Scope) -> None:
    """Remove the service. The orchestrator it started ends; agents run on."""
    from orchestrator import service as services

    scope.for_person()
    _tell(scope, services.remove())


@service.command()
@json_option
@click.pass_obj
def status(scope: Scope) -> None:
    """Say whether the service is installed."""
    from orchestrator import service as services

    file = services.place()
    if scope.out.json:
        scope.out.data({"file": str(file), "installed": file.exists()})
    else:
        scope.out.line(f"{file} is {'installed' if file.exists() else 'not installed'}")


def _tell(scope: Scope, done: Done) -> None:
    if scope.out.json:
        scope.out.data({"file": str(done.file), "steps": done.steps, "left": done.left})
        return
    for step in done.steps:
        scope.out.line(step)
    for command in done.left:
        scope.out.note(f"left to do: {command}")
