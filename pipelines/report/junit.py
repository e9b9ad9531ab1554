"""The result as JUnit XML, as Jenkins, GitLab and GitHub actions read it: a suite for the run, a case for each step."""

from __future__ import annotations

import re
from xml.etree import ElementTree as Xml

from pipelines.model import Outcome, RunPlan, RunResult, StepResult
from pipelines.report import words

_KEPT_PATHS = 100
_FAILURES = (Outcome.FAILED,)
"""The work was judged and found wrong; every other bad outcome kept it from being judged."""


def junit(result: RunResult, plan: RunPlan) -> bytes:
    """The file's bytes, UTF-8. Valid XML 1.0 whatever agents and commands said.

    A step that failed is a ``failure``, every other bad outcome (timed out, blocked, interrupted ...) an ``error``;
    ``type`` is the outcome. A case's ``classname`` is the run's name and the step's, its ``name`` the step's key.
    """
    name = words.phrase(result.name) or "run"
    seconds = words.took(result.started_ns, result.ended_ns)
    steps = {step.key: step for step in plan.steps}
    failures = sum(step.outcome in _FAILURES for step in result.steps)
    errors = sum(words.went_wrong(step) for step in result.steps) - failures
    totals = {
        "name": name,
        "tests": str(len(result.steps)),
        "failures": str(failures),
        "errors": str(errors),
        "time": _time(seconds),
    }
    root = Xml.Element("testsuites", totals)
    suite = Xml.SubElement(root, "testsuite", totals)
    suite.set("skipped", str(sum(step.outcome is Outcome.SKIPPED for step in result.steps)))
    if result.started_ns:
        suite.set("timestamp", words.moment(result.started_ns).partition(".")[0])
    properties = Xml.SubElement(suite, "properties")
    said = {"run_id": result.run_id, "outcome": result.outcome.value, "exit_code": str(result.exit_code)}
    if result.usage.cost is not None:
        said["cost"] = f"{result.usage.cost:.6f}"
    if result.reason:
        said["reason"] = words.phrase(result.reason, 1000)
    for key, value in said.items():
        Xml.SubElement(properties, "property", {"name": key, "value": value})
    for step in result.steps:
        plain_name = steps[step.key].name if step.key in steps else step.key
        _case(suite, step, f"{_dotted(name)}.{_dotted(words.phrase(plain_name))}")
    Xml.indent(root)
    text: str = Xml.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()


def _case(suite: Xml.Element, step: StepResult, classname: str) -> None:
    seconds = words.took(step.started_ns, step.ended_ns)
    attributes = {"name": words.phrase(step.key), "classname": classname, "time": _time(seconds)}
    case = Xml.SubElement(suite, "testcase", attributes)
    if step.outcome is Outcome.SKIPPED:
        Xml.SubElement(case, "skipped", {"message": words.why(step) or "skipped"})
    elif words.went_wrong(step):
        kind = "failure" if step.outcome in _FAILURES else "error"
        told = {"type": step.outcome.value, "message": words.why(step) or step.outcome.value}
        Xml.SubElement(case, kind, told).text = words.last_lines(words.said_last(step)) or told["message"]
    if said := _system_out(step):
        Xml.SubElement(case, "system-out").text = said


def _system_out(step: StepResult) -> str:
    lines = [words.last_lines(step.message)] if step.message else []
    if len(step.attempts) > 1:
        lines += [f"attempt {one.number}: {one.outcome.value}: {words.phrase(one.reason)}" for one in step.attempts]
    lines += [
        f"{kind}: {words.phrase(value)}" for kind, value in (("branch", step.branch), ("commit", step.commit)) if value
    ]
    kept = words.evidence(step)
    lines += [f"{kind}: {path}" for kind, path in kept[:_KEPT_PATHS]]
    if len(kept) > _KEPT_PATHS:
        lines.append(f"and {len(kept) - _KEPT_PATHS} more")
    lines += [f"not kept: {words.phrase(one)}" for one in step.unkept[:_KEPT_PATHS]]
    return "\n".join(lines)


def _time(seconds: float) -> str:
    return f"{seconds:.3f}"


def _dotted(name: str) -> str:
    """A part of a class name: viewers cut them at dots."""
    return re.sub(r"[.\s]+", "_", name)
