"""kill -9 of a run at each of its steps: gone on with, nothing finished is done again, the conversation goes on."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from typing import Any

from tests.support.runs import Rig

Until = Callable[..., Any]

MANIFEST = """
secrets = ["ANTHROPIC_API_KEY"]
[agents.writer]
profile = "scripted"
[agents.asked]
profile = "scripted"
drive = "terminal"
[steps.first]
run = "echo first >> done; while [ ! -e go-first ]; do sleep 0.02; done; echo 'x=1' >> $QUARTERDECK_OUTPUT"
[steps.agent]
needs = "first"
agent = "writer"
prompt = "work"
verify = "echo verified >> done"
[steps.terminal]
needs = "agent"
agent = "asked"
prompt = "talk"
[steps.last]
needs = "terminal"
env = { X = "${{ steps.first.outputs.x }}" }
run = "echo last$X >> done; while [ ! -e go-last ]; do sleep 0.02; done"
"""
HELD = "echo {0} >> done; while [ ! -e go-{0} ]; do sleep 0.02; done"


def held(name: str, *rest: dict[str, object]) -> list[dict[str, object]]:
    """A move that says in the file ``done`` that it was made, and lasts until it may end."""
    return [{"tool": "Bash", "input": {"command": HELD.format(name)}}, *rest]


def kill_when(runs: Rig, until: Until, process: Any, done: list[str]) -> None:
    """kill -9 of the run as soon as the steps have done this much."""
    with process:
        until(lambda: lines(runs) == done, f"the run comes to {done}, not {lines(runs)}")
        process.kill()
    assert process.returncode == -signal.SIGKILL


def lines(runs: Rig) -> list[str]:
    path = runs.work / "done"
    return path.read_text().split() if path.exists() else []


def test_a_run_killed_in_each_step_does_nothing_twice(runs: Rig, until: Until) -> None:
    runs.script(
        {"match": "^work$", "moves": held("agent", {"text": "Worked."})},
        {"match": "^talk$", "moves": [{"text": "Talked.", "delay": 0.1}]},
        {"match": "", "moves": [{"text": "Gone on."}]},
    )
    runs.manifest(MANIFEST)
    kill_when(runs, until, runs.start("run", "run.toml"), ["first"])
    (runs.work / "go-first").touch()
    kill_when(runs, until, runs.start("run", "--resume", "last"), ["first", "agent"])
    (runs.work / "go-agent").touch()
    kill_when(runs, until, runs.start("run", "--resume", "last"), ["first", "agent", "verified", "last1"])
    (runs.work / "go-last").touch()
    done = runs.run("run", "--resume", "last", "--result", "result.json")
    assert done.returncode == 0, done
    assert lines(runs) == ["first", "agent", "verified", "last1"]
    found = json.loads((runs.work / "result.json").read_text())
    assert {step["key"]: step["outcome"] for step in found["steps"]} == dict.fromkeys(
        ["first", "agent", "terminal", "last"], "succeeded"
    )
    assert found["resumed"] == 3
    prompts = [one["messages"][-1]["content"] for one in runs.model.requests() if len(one["messages"]) == 1]
    assert sorted(prompts) == ["talk", "work"], "no prompt was given twice"


def test_an_agent_killed_with_its_run_goes_on_with_its_conversation(runs: Rig, until: Until) -> None:
    """Everything dies at once, as when a machine is switched off: holders too."""
    runs.script(
        {"match": "^work$", "moves": held("agent", {"text": "Never said."})},
        {"match": "", "moves": [{"text": "Gone on."}]},
    )
    runs.manifest(MANIFEST.replace("while [ ! -e go-first ]; do sleep 0.02; done; ", "").partition("[steps.term")[0])
    with runs.start("run", "run.toml"):
        until(lambda: lines(runs) == ["first", "agent"], "the agent works")
        for pid in [*runs.processes(), *runs.processes()]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
    until(lambda: not runs.processes(), "all are dead")
    done = runs.run("run", "--resume", "last", "--result", "result.json")
    assert done.returncode == 0, done
    assert lines(runs) == ["first", "agent", "verified"]
    last = runs.model.requests()[-1]["messages"]
    assert last[0]["content"] == "work"
    assert last[1]["content"][0]["name"] == "Bash", "what it did before is in its conversation"


def test_a_run_killed_while_a_proposed_change_is_tried_goes_on_with_it(runs: Rig, until: Until) -> None:
    diff = "--- a/code.txt\n+++ b/code.txt\n@@ -1 +1 @@\n-tow\n+two\n"
    runs.script({"match": "no number", "moves": [{"text": f"Misspelt.\n```diff\n{diff}```\n"}]})
    (runs.work / "code.txt").write_text("tow\n")
    (runs.work / "rules.toml").write_text('[[allow]]\ntools = ["Edit"]\npaths = "inside"\n')
    runs.manifest(
        "[analysis]\napi = true\napply = true\n[steps.a]\n"
        "run = 'echo run >> done; grep two code.txt || { echo no number; exit 1; }; "
        "while [ ! -e go ]; do sleep 0.02; done'"
    )
    kill_when(runs, until, runs.start("run", "run.toml", "--policy", "rules.toml"), ["run", "run"])
    (runs.work / "go").touch()
    done = runs.run("run", "--resume", "last", "--result", "result.json")
    assert done.returncode == 0, done
    assert lines(runs) == ["run", "run"]
    assert (runs.work / "code.txt").read_text() == "two\n"
    assert len(runs.model.requests()) == 1, "nobody is asked twice"
