"""The scripts of the GitHub action and workflow, taken out of their files and run as a runner does."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from cli.demo.stage import processes_of
from tests.support import polling

PATIENCE = 120.0
FOLDER = Path(__file__).parents[2] / "deploy" / "ci" / "github"
ACTION = yaml.safe_load((FOLDER / "action.yml").read_text())
WORKFLOW = yaml.safe_load((FOLDER / "workflow.yml").read_text())
GOOD = """
name = "good"
[parameters.WORD]
about = "a word"
default = "none"
[steps.first]
run = 'printf "%s" "$WORD" > word.txt'
artifacts = ["word.txt"]
[steps.second]
needs = "first"
run = "echo done"
"""
BAD = """
name = "bad"
[steps.first]
run = "echo before; exit 3"
"""
SLOW = """
name = "slow"
[steps.first]
run = "echo once >> times.txt"
[steps.second]
needs = "first"
run = "touch waiting; while [ ! -e go ]; do sleep 0.05; done"
"""


class Runner:
    """Carries out the ``run`` steps of the action: their variables filled in, their files read, steps' outputs kept."""

    def __init__(self, job: Any, attempt: int = 1) -> None:
        self.job = job
        self.outputs: dict[str, dict[str, str]] = {}
        self.path: list[str] = []
        self.summary = job.folder / f"summary-{attempt}.md"
        self.environ = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTION_PATH": str(FOLDER),
            "GITHUB_WORKSPACE": str(job.work),
            "RUNNER_TEMP": str(job.temp),
            "GITHUB_STEP_SUMMARY": str(self.summary),
        }
        self.summary.touch()

    def begin(
        self, step: Mapping[str, Any], given: Mapping[str, str], more: Mapping[str, str]
    ) -> subprocess.Popen[str]:
        """Start the script of a step. The files it writes outputs and paths to are new."""
        assert step["shell"] == "bash"
        script = self.job.folder / "script.sh"
        script.write_text(step["run"])
        for name in ("GITHUB_OUTPUT", "GITHUB_PATH"):
            path = self.job.folder / name.lower()
            path.write_text("")
            self.environ[name] = str(path)
        environ = {name: self._filled(str(value), given) for name, value in step.get("env", {}).items()}
        path_now = ":".join([*reversed(self.path), self.job.environ["PATH"]])
        where = self._filled(step.get("working-directory", "."), given)
        words = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(script)]
        return self.job.start(words, self.environ | {"PATH": path_now} | more | environ, self.job.work / where)

    def end(self, step: Mapping[str, Any], process: subprocess.Popen[str]) -> tuple[int, str]:
        """Wait for a script; its code and what it printed."""
        out, _ = process.communicate(timeout=120)
        lines = Path(self.environ["GITHUB_OUTPUT"]).read_text().splitlines()
        self.outputs[step.get("id", "")] = dict(line.split("=", 1) for line in lines)
        self.path += Path(self.environ["GITHUB_PATH"]).read_text().splitlines()
        return process.returncode, out

    def prepare(self, **given: str) -> None:
        """All steps before the one that runs."""
        step = next(step for step in ACTION["runs"]["steps"] if step.get("id") == "prepare")
        code, out = self.end(step, self.begin(step, _inputs(given), {}))
        assert code == 0, out

    def start(self, environ: Mapping[str, str] | None = None, **given: str) -> subprocess.Popen[str]:
        return self.begin(_RUN, _inputs(given), environ or {})

    def run(self, environ: Mapping[str, str] | None = None, **given: str) -> tuple[int, str]:
        return self.end(_RUN, self.start(environ, **given))

    @property
    def said(self) -> dict[str, str]:
        """The outputs of the action."""
        return {name: self._filled(one["value"], {}) for name, one in ACTION["outputs"].items()}

    @property
    def evidence(self) -> Path:
        return Path(self.said["evidence"])

    def _filled(self, text: str, given: Mapping[str, str]) -> str:
        def value(match: re.Match[str]) -> str:
            kind, *rest = match[1].split(".")
            if kind == "inputs":
                return given[rest[0]]
            assert (kind, rest[1]) == ("steps", "outputs"), match[0]
            return self.outputs.get(rest[0], {}).get(rest[2], "")

        return re.sub(r"\$\{\{ (\S+) \}\}", value, text)


_RUN = next(step for step in ACTION["runs"]["steps"] if step.get("id") == "run")


def _inputs(given: Mapping[str, str]) -> dict[str, str]:
    assert set(given) <= set(ACTION["inputs"])
    return {name: str(one["default"]) for name, one in ACTION["inputs"].items()} | {"install": "none"} | dict(given)


@pytest.fixture
def runner(job: Any) -> Runner:
    made = Runner(job)
    made.prepare()
    return made


def test_a_run_that_fails_is_not_gone_on_with_and_the_next_succeeds(job: Any) -> None:
    (job.work / ".git" / "info" / "exclude").write_text("/out/\n")
    runner = Runner(job)
    runner.prepare(output="out/of the run")
    code, out = runner.run(manifest=job.manifest(BAD))
    assert code == 10, out
    failed = runner.said
    assert (failed["outcome"], failed["exit_code"]) == ("failed", "10")
    assert "::error" in out
    assert runner.evidence == job.work / "out" / "of the run"
    assert list(ElementTree.parse(runner.evidence / "junit.xml").getroot().iter("failure"))

    code, out = runner.run(manifest=job.manifest(GOOD), parameters="WORD=two words\n")
    assert code == 0, out
    said = runner.said
    assert re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{6}", said["run_id"])
    assert said["run_id"] != failed["run_id"]
    assert (said["outcome"], said["exit_code"]) == ("succeeded", "0")
    assert "::group::" in out
    suites = ElementTree.parse(runner.evidence / "junit.xml").getroot()
    assert len(list(suites.iter("testcase"))) == 2
    assert json.loads((runner.evidence / "result.json").read_text())["run_id"] == said["run_id"]
    assert said["run_id"] in runner.summary.read_text()
    kept = [path for path in runner.evidence.rglob("word.txt") if path.is_file()]
    assert [path.read_text() for path in kept] == ["two words"]
    assert job.changed() == ["word.txt"]
    polling.until(lambda: not processes_of(job.folder), "all of the run is gone")


def test_a_manifest_that_makes_no_sense(job: Any, runner: Runner) -> None:
    code, out = runner.run(manifest=job.manifest("[steps.a]\nrun = 'true'\nneds = 'b'\n"))
    assert code == 2
    assert "neds" in out
    assert (runner.said["run_id"], runner.said["outcome"], runner.said["exit_code"]) == ("", "", "2")


def test_what_is_given_is_taken_as_it_is_and_never_run_and_a_secret_is_in_no_log(job: Any, runner: Runner) -> None:
    words = ["$(touch pwned)", '"; touch pwned; "', "'; touch pwned; '", "`touch pwned`", "--help", "two  words "]
    text = "".join(f'[parameters.WORD_{number}]\nabout = "a word"\n' for number in range(len(words)))
    text += """
    [steps.first]
    run = "env | grep WORD_ | sort > word.txt"
    [steps.has]
    needs = "first"
    run = 'test "$API_TOKEN" = 0123456789abcdefghij && test -z "$OTHER_TOKEN" && echo "it is $API_TOKEN"'
    [steps.last]
    run = "exit 1"
    """
    name = job.manifest(text, "a manifest; touch pwned.toml")
    given = "".join(f"WORD_{number}={word}\n" for number, word in enumerate(words))
    environ = {"API_TOKEN": "0123456789abcdefghij", "OTHER_TOKEN": "abcdefghij0123456789"}
    code, out = runner.run(
        environ, manifest=name, parameters=given, options="--only\nhas\n--timeout\n100 weeks", secrets="API_TOKEN"
    )
    assert code == 2, out
    assert "100 weeks" in out  # the line is one word
    code, out = runner.run(environ, manifest=name, parameters=given, options="--only\nhas\n", secrets="API_TOKEN")
    assert code == 0, out
    assert (job.work / "word.txt").read_text() == given
    assert job.changed() == ["word.txt"]
    texts = [out, runner.summary.read_text()]
    texts += [path.read_text(errors="replace") for path in runner.evidence.rglob("*") if path.is_file()]
    assert len(texts) > 4
    assert not [text for text in texts if environ["API_TOKEN"] in text]


def test_a_run_cancelled_and_then_killed_reports_and_is_gone_on_with_from_what_was_kept(
    job: Any, runner: Runner
) -> None:
    process = runner.start(manifest=job.manifest(SLOW))
    polling.until(lambda: (job.work / "waiting").exists(), "the second step has begun", PATIENCE)
    os.kill(process.pid, signal.SIGINT)  # a runner tells its shell only
    code, out = runner.end(_RUN, process)
    assert code == 143, out
    assert (runner.said["outcome"], runner.said["exit_code"]) == ("interrupted", "143")
    assert (runner.evidence / "junit.xml").is_file()
    first = runner.said["run_id"]
    (job.work / "waiting").unlink()

    second = Runner(job, attempt=2)
    second.prepare()
    process = second.start(manifest=job.manifest(SLOW))
    polling.until(lambda: (job.work / "waiting").exists(), "the second step has begun again", PATIENCE)
    job.kill()  # all of the machine but the kept folder is gone
    process.communicate(timeout=60)

    third = Runner(job, attempt=3)
    third.prepare()
    (job.work / "go").touch()
    code, out = third.run(manifest=job.manifest(SLOW))
    assert code == 0, out
    assert (third.said["outcome"], third.said["run_id"]) == ("succeeded", first)
    assert (job.work / "times.txt").read_text() == "once\n"


def test_what_is_named_is_installed_beside_the_jobs_own_python(job: Any, tmp_path: Path) -> None:
    """A wheel of this checkout; its dependencies are those that are here."""
    root = FOLDER.parents[2]
    words = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(words, cwd=root, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    job.environ["PATH"] = job.environ["PATH"].replace(str(Path(sys.executable).parent), "")
    job.environ |= {"PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1"}
    runner = Runner(job)
    runner.prepare(install=str(wheel))
    (site,) = job.temp.glob("quarterdeck/venv/lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    assert [path.name for path in Path(runner.path[0]).iterdir()] == ["quarterdeck"]
    code, out = runner.run(manifest=job.manifest("[steps.a]\nrun = 'command -v python3 > found.txt'\n"))
    assert code == 0, out
    assert str(job.temp) not in (job.work / "found.txt").read_text()


@pytest.mark.parametrize(("code", "said"), [("11", "::warning::"), ("12", "::warning::"), ("10", "failed"), ("2", "")])
def test_the_workflow_says_what_came_of_it(job: Any, code: str, said: str) -> None:
    (work,) = WORKFLOW["jobs"].values()
    script = work["steps"][-1]["run"]
    environ = {"RUN": "20260314-153059-4f1c2b", "OUTCOME": "failed" if code == "10" else "", "CODE": code}
    with job.start(["bash", "-e", "-c", script], environ) as process:
        out = process.communicate(timeout=60)[0]
    assert process.returncode == 0
    assert said in out
    assert "20260314-153059-4f1c2b" in out
