"""``doctor``: what is installed, what runs, what is wrong, and the command that mends it."""

from __future__ import annotations

import textwrap
import time
from typing import Any

import click

from cli.doctor import machine, mending, own, state
from cli.doctor.finding import Finding, Level
from cli.output import DIM, GREEN, RED, YELLOW, Output
from cli.scope import Scope, json_option
from quarterdeck import __version__
from quarterdeck.errors import QuarterdeckError
from quarterdeck.text import safe

_MARKS: dict[Level, tuple[str, str, str]] = {
    "ok": ("●", "ok", GREEN),
    "note": ("·", "note", DIM),
    "warning": ("◑", "warning", YELLOW),
    "problem": ("✕", "problem", RED),
}
_INDENT = 26
STARTING_S = 2.0
"""Seconds an orchestrator that holds the lock may take to answer before it counts as one that does not."""
PROBLEMS = 1
"""The exit code when something is wrong."""


@click.command()
@click.option("--mend", is_flag=True, help="Mend what can be mended without a loss: permissions, a damaged state.db.")
@json_option
@click.pass_obj
def doctor(scope: Scope, mend: bool) -> None:
    """Say what is installed, running and wrong, with the command that mends it.

    Works without an orchestrator and never starts one. Exit code 1 when there is a problem.
    """
    if mend:
        scope.for_person()
    mended = mending.mend(scope.paths) if mend else []
    findings, report = machine.findings(), None
    if not any(found.name == "packages" and found.level == "problem" for found in findings):
        findings += [*state.findings(scope.paths), *(mistakes := own.findings())]
        if state.owner_of(scope.paths):
            told, report = _orchestrator(scope)
            findings += [one for one in told if not any(one.text.startswith(known.text) for known in mistakes)]
    if scope.out.json:
        scope.out.data(
            {
                "version": __version__,
                "home": str(scope.paths.home),
                "healthy": not any(found.level == "problem" for found in findings),
                "mended": mended,
                "checks": [found._asdict() for found in findings],
                "orchestrator": report,
            }
        )
    else:
        for line in mended:
            scope.out.line(f"mended: {line}")
        for found in findings:
            _print(scope.out, found)
    if any(found.level == "problem" for found in findings):
        raise click.exceptions.Exit(PROBLEMS)


def _print(out: Output, found: Finding) -> None:
    glyph, word, colour = _MARKS[found.level]
    mark = out.painted(f"{glyph} {word:<7}" if out.unicode else f"{word:<9}", colour)
    room = max(30, (out.width or 10_000) - _INDENT)
    first, *rest = textwrap.wrap(safe(found.text, 400), room) or [""]
    out.write(f"{mark}  {safe(found.name, 40):<13}  {first}\n")
    for line in rest:
        out.write(f"{'':<{_INDENT}}{line}\n")
    if found.mend:
        out.write(f"{'':<{_INDENT}}{out.painted('mend:', DIM)} {safe(found.mend, 400)}\n")


def _orchestrator(scope: Scope) -> tuple[list[Finding], dict[str, Any] | None]:
    """What the running orchestrator says about itself; it is asked briefly and never started."""
    from orchestrator.client import Client
    from orchestrator.launch import listens

    client = Client(scope.paths, start=False, patience=2.0)
    who, deadline = state.owner_of(scope.paths), time.monotonic() + STARTING_S
    while who and not listens(str(scope.paths.socket)) and time.monotonic() < deadline:
        if state.owner_of(scope.paths) != who:
            text = f"an orchestrator was started and ended before it answered; why is in {scope.paths.log}"
            return [Finding("orchestrator", "problem", text, "quarterdeck ls, which says it too")], None
        time.sleep(0.02)
    try:
        report: dict[str, Any] = client.request("GET", "/v1/doctor")
    except QuarterdeckError as error:
        return [Finding("orchestrator", "problem", error.message, error.hint)], None
    return state.of_orchestrator(report), report
