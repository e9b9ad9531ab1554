"""Marks that GitHub shows at lines of files: where the manifest names a step that failed, and what its checks found.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions. GitHub shows ten errors and ten warnings
of one step of a job and drops the others, so the marks of steps come first.
"""

import os
import re
from collections.abc import Callable
from typing import NamedTuple

from pipelines.model import RunPlan, RunResult, StepPlan, StepResult
from pipelines.report import words

MOST = 10
"""Of errors, and of warnings, that GitHub shows; also how many are taken of one step of ours."""
_LINES = 400
"""Lines of a check's output that are looked at, its last ones."""
_MESSAGE = 500
_PATH = r"(?P<path>[^\s:()\"'<>|*?]{1,300})"
_SHAPES = (
    # gcc, clang, mypy, ruff, go, pytest, flake8: src/a.py:12:5: message
    re.compile(
        rf"(?:-->\s)?{_PATH}:(?P<line>[0-9]{{1,7}})(?::(?P<column>[0-9]{{1,5}}))?(?::?\s+(?P<message>\S.*)|:?$)"
    ),
    # tsc, msbuild: src/a.ts(12,5): error TS2304: message
    re.compile(rf"{_PATH}\((?P<line>[0-9]{{1,7}})(?:,(?P<column>[0-9]{{1,5}}))?\)\s?:\s+(?P<message>\S.*)"),
)
_WARNING = re.compile(r"\W*(?:warning|warn|note|info|hint)\b", re.IGNORECASE)


class Finding(NamedTuple):
    """What a check said about a line of a file."""

    path: str
    """Relative to the root, with ``/``."""
    line: int
    column: int
    message: str
    warning: bool


def annotations(
    result: RunResult, plan: RunPlan, *, root: str = "", is_file: Callable[[str], bool] = os.path.isfile
) -> list[str]:
    """Workflow commands, one a line, each to be printed as it is.

    ``root`` is the folder GitHub names files from (``GITHUB_WORKSPACE``), else the run's workspace. ``is_file`` tells
    whether an absolute path is a file: only lines that name one inside ``root`` become marks.
    """
    root = os.path.abspath(root or plan.workspace)
    plans = {step.key: step for step in plan.steps}
    errors: list[str] = []
    warnings: list[str] = []
    findings: dict[Finding, str] = {}
    for step in result.steps:
        if not words.went_wrong(step):
            continue
        planned = plans.get(step.key)
        where = _manifest(plan, planned, root)
        title = f"{step.key}: {step.outcome.value}"
        errors.append(_command("error", words.why(step) or step.outcome.value, **where, title=title))
        for found in find(step, _folders(plan, planned), root, is_file):
            findings.setdefault(found, step.key)
    if len(errors) > MOST:
        more = f"and {len(errors) - MOST + 1} more steps"
        errors[MOST - 1 :] = [_command("error", more, title=f"{words.phrase(result.name)}: {result.outcome.value}")]
    for found, key in findings.items():
        place = {"file": found.path, "line": str(found.line)} | ({"col": str(found.column)} if found.column else {})
        into = warnings if found.warning else errors
        into.append(_command("warning" if found.warning else "error", found.message, **place, title=key))
    return errors[:MOST] + warnings[:MOST]


def find(step: StepResult, folders: list[str], root: str, is_file: Callable[[str], bool]) -> list[Finding]:
    """What the output that failed a step says about lines of files; at most :data:`MOST`, each once."""
    found: dict[tuple[str, int], Finding] = {}
    for line in words.tame(words.said_last(step)).split("\n")[-_LINES:]:
        for shape in _SHAPES:
            match = shape.match(line.strip()[:2_000])
            if match and (path := _inside(match["path"], folders, root, is_file)):
                message = (match["message"] or "").strip() or "see the step's log"
                number, column = int(match["line"]), int(match["column"] or 0)
                one = Finding(path, number, column, message[:_MESSAGE], bool(_WARNING.match(message)))
                found.setdefault((path, number), one)
                break
        if len(found) >= MOST:
            break
    return list(found.values())


def _folders(plan: RunPlan, planned: StepPlan | None) -> list[str]:
    """Where relative names may be meant: the step's own folder first. A worktree has the files of the workspace."""
    if planned is None:
        return [plan.workspace]
    agent = plan.agents.get(planned.agent)
    base = os.path.join(plan.workspace, agent.workspace) if agent else plan.workspace
    return list(dict.fromkeys([os.path.join(base, planned.cwd), base, plan.workspace]))


def _inside(path: str, folders: list[str], root: str, is_file: Callable[[str], bool]) -> str:
    for folder in folders:
        full = os.path.normpath(os.path.join(folder, path))
        if (full + os.sep).startswith(root.rstrip(os.sep) + os.sep) and full != root and is_file(full):
            return os.path.relpath(full, root).replace(os.sep, "/")
    return ""


def _manifest(plan: RunPlan, planned: StepPlan | None, root: str) -> dict[str, str]:
    if not plan.source or planned is None:
        return {}
    full = os.path.normpath(os.path.join(plan.workspace, plan.source))
    inside = full.startswith(root.rstrip(os.sep) + os.sep)
    name = os.path.relpath(full, root).replace(os.sep, "/") if inside else full
    return {"file": name} | ({"line": str(planned.line)} if planned.line else {})


def _command(kind: str, message: str, **properties: str) -> str:
    told = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{kind} {told}::{_data(words.phrase(message, _MESSAGE))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(words.phrase(text)).replace(":", "%3A").replace(",", "%2C")
