"""Marks at lines of files, as GitHub takes them."""

import re
from dataclasses import replace

import pytest

from pipelines.model import Outcome, RunPlan, RunResult, StepPlan, StepResult
from pipelines.report import annotations

COMMAND = re.compile(r"::(error|warning) ([^:]*)::([^\r\n]*)\Z")


def told(line):
    """A command as GitHub's runner reads it: kind, properties, message."""
    kind, properties, message = COMMAND.match(line).groups()
    pairs = dict(part.split("=", 1) for part in properties.split(","))
    for sign in ("%2C", "%3A", "%0A", "%0D", "%25"):
        plain = chr(int(sign[1:], 16))
        pairs = {key: value.replace(sign, plain) for key, value in pairs.items()}
        message = message.replace(sign, plain)
    return kind, pairs, message


@pytest.fixture
def failed(tmp_path):
    """Makes a run in which one command failed with this output, and its annotations."""

    def made(output, **step):
        planned = StepPlan(key="lint", name="lint", run="x", line=7, **step)
        result = StepResult(key="lint", outcome=Outcome.FAILED, reason="exit status 1", message=output)
        plan = RunPlan(name="n", workspace=str(tmp_path), steps=(planned,), source=str(tmp_path / "run.toml"))
        whole = RunResult(
            run_id="r", name="n", outcome=Outcome.FAILED, exit_code=10, started_ns=1, ended_ns=2, steps=(result,)
        )
        return [told(line) for line in annotations(whole, plan)]

    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "api.py").touch()
    return made


def test_a_failed_step_is_marked_where_the_manifest_says_it(nightly):
    plan, result = nightly
    found = [told(line) for line in annotations(result, plan, is_file=lambda path: False)]
    assert found == [
        ("error", {"file": "ci/nightly.toml", "line": "16", "title": "work: failed"}, "make test: exit status 1"),
        (
            "error",
            {"file": "ci/nightly.toml", "line": "30", "title": "ask: blocked"},
            "asked: Bash: rm -rf build in /work/space",
        ),
    ]
    found = [told(line) for line in annotations(result, plan, root="/work", is_file=lambda path: True)]
    assert [one[1]["file"] for one in found] == [
        *("space/ci/nightly.toml", "space/ci/nightly.toml", "space/tests/test_api.py", "space/src/api.py")
    ]
    assert found[3] == (
        "error",
        {"file": "space/src/api.py", "line": "7", "col": "3", "title": "work"},
        "F821 no name",
    )


@pytest.mark.parametrize(
    ("line", "place", "kind", "message"),
    [
        ("src/api.py:12: AssertionError", ("12", None), "error", "AssertionError"),
        ("src/api.py:12:5: F401 unused", ("12", "5"), "error", "F401 unused"),
        ("src/api.py:12:5: warning: unused, really", ("12", "5"), "warning", "warning: unused, really"),
        ("./src/api.py:12: error: Missing [x]", ("12", None), "error", "error: Missing [x]"),
        ("src/api.py(3,4): error TS2304: no name", ("3", "4"), "error", "error TS2304: no name"),
        ("  --> src/api.py:9:2", ("9", "2"), "error", "see the step's log"),
        ("src/api.py:12:5 100% wrong", ("12", "5"), "error", "100% wrong"),
    ],
)
def test_lines_that_name_a_file_are_marked(failed, line, place, kind, message):
    found = failed(f"some words\n{line}\nmore")[1:]
    properties = {"file": "src/api.py", "line": place[0]} | ({"col": place[1]} if place[1] else {}) | {"title": "lint"}
    assert found == [(kind, properties, message)]


@pytest.mark.parametrize(
    "line",
    [
        "src/none.py:12: x",
        "../src/api.py:1: x",
        "/etc/passwd:1: x",
        "src:1: x",
        "12:30:01 started",
        "http://x:80: y",
        ":",
    ],
)
def test_lines_that_name_no_file_of_the_workspace_are_not(failed, line, tmp_path):
    assert len(failed(line)) == 1


def test_names_are_meant_from_the_folder_of_the_step(failed, tmp_path):
    assert failed("api.py:3: x", cwd="src")[1][1]["file"] == "src/api.py"
    assert failed(f"{tmp_path}/src/api.py:3: x")[1][1]["file"] == "src/api.py"


def test_there_are_no_more_than_github_shows(failed, nightly):
    found = failed("\n".join(f"src/api.py:{n}: {'warning: ' if n % 2 else ''}x" for n in range(1, 200)))
    assert [sum(one[0] == kind for one in found) for kind in ("error", "warning")] == [6, 5]
    plan, result = nightly
    many = tuple(replace(result.steps[1], key=f"s{n}", attempts=(), message="") for n in range(14))
    found = [told(line) for line in annotations(replace(result, steps=many), plan)]
    assert len(found) == 10
    assert found[-1][2] == "and 5 more steps"


def test_what_was_said_gives_no_orders(hostile):
    plan, result = hostile
    lines = annotations(result, plan, is_file=lambda path: True)
    assert lines
    for line in lines:
        assert COMMAND.match(line), line
        assert line.isprintable()
        assert "##[" not in line
