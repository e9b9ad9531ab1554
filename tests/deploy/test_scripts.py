"""The scripts of the GitLab, Jenkins and Azure templates, taken out of their files and run as their systems do."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import pytest
import tree_sitter
import tree_sitter_groovy
import yaml

from cli.demo.stage import processes_of
from tests.support import polling

PATIENCE = 120.0
CI = Path(__file__).parents[2] / "deploy" / "ci"
BAD = '[steps.first]\nrun = "exit 3"\n'
SLOW = """
[parameters.TASK]
about = "what is to be done"
[steps.first]
run = 'printf "%s" "$TASK" > task.txt; echo once >> times.txt'
[steps.second]
needs = "first"
run = "touch waiting; while [ ! -e go ]; do sleep 0.05; done"
"""


class System(NamedTuple):
    """How one CI system runs its template's scripts on a manifest."""

    start: Callable[[Any, str], subprocess.Popen[str]]
    evidence: Callable[[Any], Path]


def _gitlab(shell: list[str]) -> System:
    template = yaml.safe_load((CI / "gitlab" / "quarterdeck.gitlab-ci.yml").read_text())[".quarterdeck"]

    def start(job: Any, manifest: str) -> subprocess.Popen[str]:
        # one shell gets both lists, in which variables of the template are already
        lines = ["set -e", *template["before_script"], *template["script"]]
        environ = {"GITLAB_CI": "true", "CI_PROJECT_DIR": str(job.work)}
        for name, value in template["variables"].items():
            environ[name] = value.replace("$CI_PROJECT_DIR", str(job.work))
        given = {
            "QUARTERDECK_INSTALL": "none",
            "QUARTERDECK_GO_ON": "yes",
            "QUARTERDECK_MANIFEST": manifest,
            "TASK": "a task; touch pwned",
        }
        return job.start([*shell, "-c", "\n".join(lines)], environ | given)

    return System(start, lambda job: job.work / "quarterdeck-evidence")


def jenkins_scripts() -> list[str]:
    """The texts of its ``sh`` steps, as Groovy reads them."""
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_groovy.language()))
    source = (CI / "jenkins" / "Jenkinsfile").read_bytes()

    def texts(node: tree_sitter.Node) -> list[str]:
        if node.text and node.text.startswith(b"'''"):
            return [node.text.decode()[3:-3].replace("\\\\", "\\")]
        return [text for child in node.children for text in texts(child)]

    return texts(parser.parse(source).root_node)


def _jenkins() -> System:
    def start(job: Any, manifest: str) -> subprocess.Popen[str]:
        environ = {
            "WORKSPACE_TMP": str(job.temp),
            "QUARTERDECK_HOME": str(job.temp / "quarterdeck-state"),
            "QUARTERDECK_INSTALL": "none",
            "MANIFEST": manifest,
            "TASK": "a task; touch pwned",
        }
        install, run = jenkins_scripts()
        subprocess.run(["sh", "-xe", "-c", install], cwd=job.work, env=job.environ | environ, check=True)
        return job.start(["sh", "-xe", "-c", run], environ)

    return System(start, lambda job: job.work / "quarterdeck-evidence")


def _azure() -> System:
    steps = yaml.safe_load((CI / "azure" / "quarterdeck.yml").read_text())["steps"]
    prepare, run, _ = (step for step in steps if "bash" in step)

    def start(job: Any, manifest: str) -> subprocess.Popen[str]:
        environ = {"TF_BUILD": "True", "AGENT_TEMPDIRECTORY": str(job.temp)}
        given = {
            "INPUT_INSTALL": "none",
            "INPUT_MANIFEST": manifest,
            "INPUT_OPTIONS": "",
            "INPUT_RESUME": "yes",
            "TASK": "a task; touch pwned",
        }
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-c", prepare["bash"]],
            cwd=job.work,
            env=job.environ | environ | given,
            check=True,
            capture_output=True,
            text=True,
        )
        assert f"##vso[task.prependpath]{job.temp}/quarterdeck/bin" in done.stdout
        return job.start(["bash", "--noprofile", "--norc", "-c", run["bash"]], environ | given)

    return System(start, lambda job: job.temp / "quarterdeck" / "evidence")


SYSTEMS = [
    pytest.param(_gitlab(["bash", "-eo", "pipefail"]), id="gitlab"),
    pytest.param(_jenkins(), id="jenkins"),
]


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    with process:
        out, _ = process.communicate(timeout=120)
    return process.returncode, out


def failed(system: System, job: Any) -> None:
    """Carry out a run that fails; nothing goes on with it."""
    code, out = ended(system.start(job, job.manifest(BAD)))
    assert code == 10, out
    assert list(ElementTree.parse(system.evidence(job) / "junit.xml").getroot().iter("failure"))


def interrupted(system: System, job: Any, manifest: str) -> dict[str, Any]:
    """Begin a run, and end it by a signal in its second step; its result."""
    process = system.start(job, manifest)
    polling.until(lambda: (job.work / "waiting").exists(), "the second step has begun", PATIENCE)
    os.killpg(process.pid, signal.SIGTERM)
    code, out = ended(process)
    assert code in (143, -signal.SIGTERM), out
    polling.until(lambda: not processes_of(job.folder), "all of the run is gone", PATIENCE)
    result: dict[str, Any] = json.loads((system.evidence(job) / "result.json").read_text())
    assert result["outcome"] == "interrupted"
    return result


def succeeded(system: System, job: Any) -> dict[str, Any]:
    """What is there after a run of SLOW that succeeded; its result."""
    assert (job.work / "task.txt").read_text() == "a task; touch pwned"
    folder = system.evidence(job)
    assert len(list(ElementTree.parse(folder / "junit.xml").getroot().iter("testcase"))) == 2
    result: dict[str, Any] = json.loads((folder / "result.json").read_text())
    assert result["outcome"] == "succeeded"
    assert job.changed() == ["go", "task.txt", "times.txt", "waiting"]  # evidence and state are never committed
    polling.until(lambda: not processes_of(job.folder), "all of the run is gone", PATIENCE)
    return result


def test_a_run_that_succeeds_in_an_image_without_bash(job: Any) -> None:
    (job.work / "go").touch()
    system = _gitlab(["sh"])
    code, out = ended(system.start(job, job.manifest(SLOW)))
    assert code == 0, out
    succeeded(system, job)


@pytest.mark.parametrize("system", SYSTEMS)
def test_one_that_failed_is_over_and_an_interrupted_one_is_gone_on_with(system: System, job: Any) -> None:
    failed(system, job)
    manifest = job.manifest(SLOW)
    first = interrupted(system, job, manifest)
    (job.work / "go").touch()
    code, out = ended(system.start(job, manifest))
    assert code == 0, out
    assert (job.work / "times.txt").read_text() == "once\n"
    assert succeeded(system, job)["run_id"] == first["run_id"]


def _gitlab_without_install(job: Any) -> subprocess.Popen[str]:
    template = yaml.safe_load((CI / "gitlab" / "quarterdeck.gitlab-ci.yml").read_text())[".quarterdeck"]
    return job.start(["sh", "-c", "\n".join(["set -e", *template["before_script"]])], {"QUARTERDECK_INSTALL": ""})


def _jenkins_without_install(job: Any) -> subprocess.Popen[str]:
    return job.start(["sh", "-xe", "-c", jenkins_scripts()[0]], {"WORKSPACE_TMP": str(job.temp)})


@pytest.mark.parametrize("start", [_gitlab_without_install, _jenkins_without_install])
def test_what_is_to_be_installed_must_be_said(start: Callable[[Any], subprocess.Popen[str]], job: Any) -> None:
    code, out = ended(start(job))
    assert code == 2
    assert "QUARTERDECK_INSTALL is not set" in out


def test_azure_keeps_the_state_of_an_interrupted_run_and_takes_it_up_and_one_that_failed_is_over(job: Any) -> None:
    system = _azure()
    steps = yaml.safe_load((CI / "azure" / "quarterdeck.yml").read_text())["steps"]
    keep = [step for step in steps if "bash" in step][-1]
    assert keep["condition"].startswith("and(always(), ")
    failed(system, job)
    first = interrupted(system, job, job.manifest(SLOW))
    environ: Mapping[str, str] = {
        "AGENT_TEMPDIRECTORY": str(job.temp),
        "SYSTEM_JOBNAME": "agents",
        "SYSTEM_JOBATTEMPT": "1",
    }
    code, out = ended(job.start(["bash", "--noprofile", "--norc", "-c", keep["bash"]], environ))
    assert code == 0, out
    told = re.search(r"##vso\[artifact\.upload artifactname=(\S+)\](\S+)", out)
    assert told, out
    assert told[1] == "quarterdeck-state-agents-1"

    # what the next attempt finds: nothing but the artifact, where the download puts it
    before = job.temp / "quarterdeck-before" / told[1]
    before.mkdir(parents=True)
    Path(told[2]).rename(before / "state.tgz")
    with tarfile.open(before / "state.tgz") as packed:
        assert any(name.endswith("plan.json") for name in packed.getnames())
    (job.temp / "quarterdeck").rename(job.folder / "gone")
    (job.work / "go").touch()
    code, out = ended(system.start(job, "run.toml"))
    assert code == 0, out
    assert (job.work / "times.txt").read_text() == "once\n"
    assert succeeded(system, job)["run_id"] == first["run_id"]
    code, out = ended(job.start(["bash", "--noprofile", "--norc", "-c", keep["bash"]], environ))
    assert (code, "artifact.upload" in out) == (0, False)
