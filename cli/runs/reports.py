"""What is left of a run for people and systems: the reports that were asked for, and marks in the log."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from cli.runs import targets
from cli.runs.options import Options
from pipelines import report
from pipelines.folder import evidence
from pipelines.model import RunPlan, RunResult
from pipelines.report.summary import MOST
from quarterdeck.text import safe


def check(options: Options) -> None:
    """Raise :class:`Invalid` for a report or for evidence that could not be written where it was asked for."""
    for name, file in (("--junit", options.junit), ("--summary", options.summary), ("--result", options.result)):
        if file:
            targets.check(name, file)
    if options.output:
        targets.check_folder("--output", options.output)


def write(result: RunResult, plan: RunPlan, options: Options, environ: Mapping[str, str]) -> list[str]:
    """Write the reports; returns what could not be written, one line each.

    Files are replaced whole, devices and pipes written to. The summary is added to ``$GITHUB_STEP_SUMMARY``, which
    belongs to GitHub.
    """
    problems: list[str] = []

    def attempt(file: str, what: str, make: Callable[[], bytes], *, add: bool = False) -> None:
        try:
            if add:
                with open(file, "ab") as out:
                    out.write(make())
                return
            targets.put(file, make())
        except OSError as error:
            problems.append(f"{what} could not be written to {safe(file)}: {error.strerror or error}")

    if options.junit:
        attempt(options.junit, "the JUnit report", lambda: _junit(result, plan))
    if options.result:
        attempt(options.result, "the result", lambda: _result(result, plan))
    if options.summary:
        attempt(options.summary, "the summary", lambda: _summary(result, plan, options))
    if (theirs := environ.get("GITHUB_STEP_SUMMARY", "")) and os.path.abspath(theirs) != os.path.abspath(
        options.summary or os.devnull
    ):
        attempt(theirs, "the summary", lambda: _summary(result, plan, options, theirs), add=True)
    return problems


def named(folder: Path) -> str:
    """A folder as a person finds it from here; "" where it is not there."""
    try:
        return os.path.relpath(folder) if folder.is_dir() else ""
    except FileNotFoundError:  # the folder we stand in was deleted
        return str(folder)


def _junit(result: RunResult, plan: RunPlan) -> bytes:
    from pipelines.report.junit import junit

    return junit(result, plan)


def _result(result: RunResult, plan: RunPlan) -> bytes:
    from pipelines.report.result import result_json

    return json.dumps(result_json(result, plan), indent=2).encode()


def _summary(result: RunResult, plan: RunPlan, options: Options, after: str = "") -> bytes:
    """The summary; what stands in the file ``after`` leaves the less room for it."""
    where = evidence(plan.workspace, result.run_id, options.output)
    room = MOST - (os.path.getsize(after) if os.path.exists(after) else 0)
    folder = named(where)
    return report.summary(result, plan, folder=folder, limit=room).encode("utf-8", "backslashreplace")
