"""What may be wrong around a run: bad input, strangers' files, a full disk, others in the same workspace."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.client import Client
from quarterdeck.paths import Paths
from tests.support.runs import Rig

Until = Callable[..., Any]

WRONG = """\
secrets = ["NOT_SET"]
[agents.writer]
profile = "scriptd"
[steps.a]
needs = "b"
run = "true"
[steps.b]
needs = "a"
neds = "a"
run = "true"
[steps.c]
agent = "writer"
prompt = "${{ env.TAKS }}"
"""


def test_every_mistake_of_a_manifest_is_told_at_once_and_nothing_is_run(runs: Rig) -> None:
    runs.manifest(WRONG)
    done = runs.run("run", "run.toml")
    assert done.returncode == 2
    told = done.stderr
    assert "run.toml:1: secrets[0]: the secret NOT_SET has no value" in told.replace("secrets.0", "secrets[0]")
    assert "run.toml:3: agents.writer.profile: there is no profile 'scriptd' (did you mean scripted?)" in told
    assert "run.toml:9: steps.b.neds: unknown key (did you mean needs?)" in told
    assert "a → b → a" in told or "b → a → b" in told
    assert "the variable TAKS has no value" in told
    assert not (runs.state / "runs").exists()


def test_what_an_untrusted_workspace_brings_is_not_used(runs: Rig) -> None:
    runs.script({"moves": [{"text": "I am the person's own."}]})
    brought = runs.work / ".quarterdeck" / "profiles"
    brought.mkdir(parents=True)
    stranger = (runs.config / "profiles" / "scripted.toml").read_text().replace('"scripted-agent"', '"./stranger"')
    (brought / "scripted.toml").write_text(stranger)
    (runs.work / "stranger").write_text("#!/bin/sh\ntouch stranger-ran\n")
    (runs.work / "stranger").chmod(0o755)
    words = ["run", "--agent", "scripted", "--prompt", "hello", "--secret", "ANTHROPIC_API_KEY"]
    done = runs.run(*words)
    assert done.returncode == 6, done
    assert "--trust" in done.stderr
    assert not (runs.work / "stranger-ran").exists()
    assert not (runs.state / "runs").exists()
    runs.run(*words, "--trust")
    assert (runs.work / "stranger-ran").exists()


def test_two_runs_and_an_orchestrator_in_one_workspace(runs: Rig, until: Until, monkeypatch: Any) -> None:
    for name, value in runs.environ.items():
        monkeypatch.setenv(name, value)
    client = Client(Paths(runs.state))
    body = {"profile": "custom", "name": "mine", "argv": ["cat"], "workspace": str(runs.work), "environ": runs.environ}
    mine = client.request("POST", "/v1/agents", body)
    try:
        runs.manifest("[steps.a]\nrun = 'echo a >> done; while [ ! -e go ]; do sleep 0.02; done'")
        processes = [runs.start("run", "run.toml", "--json") for _ in range(2)]
        until(lambda: (runs.work / "done").exists() and len((runs.work / "done").read_text()) == 4, "both run")
        assert [agent["name"] for agent in client.request("GET", "/v1/agents")] == ["mine"], "a run has its own agents"
        (runs.work / "go").touch()
        said = []
        for process in processes:
            with process:
                said.append(process.communicate(timeout=60)[0])
            assert process.returncode == 0
        ids = {json.loads(out.splitlines()[0])["run_id"] for out in said}
        assert len(ids) == 2
        for run_id in ids:
            assert list((runs.work / ".quarterdeck" / "runs" / run_id).rglob("log.txt"))
        assert client.request("GET", "/v1/agents/mine")["pid"] == mine["pid"]
    finally:
        client.stop(agents=True)


@pytest.fixture
def small_disk(runs: Rig) -> Iterator[Path]:
    """The state folder on a file system of 8 MB of its own."""
    runs.state.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs", str(runs.state)]
    if os.getuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small file system cannot be mounted here")
    yield runs.state
    runs.end()
    subprocess.run(["umount", "--lazy", str(runs.state)], check=True)


def test_a_full_disk_ends_the_run_with_a_clear_word_and_nothing_is_done_twice(runs: Rig, small_disk: Path) -> None:
    filler = small_disk / "filler"
    runs.manifest(
        "concurrency = 2\n[steps.first]\nrun = 'echo first >> done'\n"
        f'[steps.fill]\nneeds = "first"\nrun = "echo fill >> done; head -c 100000000 /dev/zero > {filler}; echo full"\n'
        "[steps.next]\nneeds = 'fill'\nrun = 'echo next >> done'\n"
        "[steps.beside]\nneeds = 'first'\nrun = 'test -e freed || exec sleep 1000; echo beside >> done'\n"
    )
    done = runs.run("run", "run.toml", "--result", "result.json")
    assert done.returncode == 7, done
    assert "is full" in done.stdout + done.stderr, done
    assert "Traceback" not in done.stdout + done.stderr
    told = json.loads((runs.work / "result.json").read_text())
    assert (told["exit_code"], told["steps"][0]["outcome"]) == (7, "succeeded")
    assert "is full" in told["reason"]
    filler.unlink()
    (runs.work / "freed").touch()
    again = runs.run("run", "--resume", "last")
    assert again.returncode == 0, again
    assert sorted((runs.work / "done").read_text().split()) == ["beside", "fill", "first", "next"]
