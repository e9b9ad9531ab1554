"""``run --attach``: a run that goes on without its command, and a command that goes on without its orchestrator."""

import os
import re
import signal
import subprocess

import pytest

from orchestrator.lock import owner
from pipelines.model import Outcome
from pipelines.runs import State, listed

SLOW = """\
[steps.first]
run = "echo once >> first.txt"

[steps.slow]
needs = "first"
run = "echo begun >> slow.txt; while [ ! -e go ]; do sleep 0.05; done"
"""


@pytest.fixture
def begun(deck, until):
    """Starts the slow run with --attach, and waits until its second step runs."""
    started = []

    def begin():
        (deck.work / "run.toml").write_text(SLOW)
        process = subprocess.Popen(
            deck.command("run", "run.toml", "--attach", "--junit", "junit.xml"),
            cwd=deck.work,
            env=deck.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        until((deck.work / "slow.txt").exists, what="the slow step")
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def test_its_agents_are_in_a_session_and_ctrl_c_ends_the_command_alone(deck, begun, until):
    process = begun()
    (run,) = listed(deck.paths)
    assert [one["name"] for one in deck.json("ls", "--session", run.run_id)] == ["first.1", "slow.1"]
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    (run,) = listed(deck.paths)
    assert process.returncode == 130
    assert err == f"it goes on without you; stop it: quarterdeck run stop {run.run_id}\n"
    assert run.state is State.RUNNING
    deck.run("run", "stop", "last")
    until(lambda: listed(deck.paths)[0].state is State.INTERRUPTED, what="the end of the run")
    assert "--attach" in deck.run("run", "--resume", "last", code=4).stderr
    (deck.work / "go").touch()
    done = deck.run("run", "--resume", "last", "--attach", "--junit", "junit.xml")
    assert done.stderr == ""
    assert re.search(r"^run: succeeded in .*\(2 succeeded\)$", done.stdout, re.MULTILINE)
    assert b'tests="2"' in (deck.work / "junit.xml").read_bytes()
    assert (deck.work / "first.txt").read_text() == "once\n"


def test_when_the_orchestrator_is_killed_the_run_goes_on_with_the_next(deck, begun, until):
    process = begun()
    os.kill(owner(deck.paths).pid, signal.SIGKILL)
    until(
        lambda: "run.resumed" in (deck.paths.home / "runs" / listed(deck.paths)[0].run_id / "events.jsonl").read_text()
    )
    (deck.work / "go").touch()
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0, out
    assert (deck.work / "slow.txt").read_text() == "begun\n"


def test_when_the_orchestrator_is_stopped_the_command_ends_as_interrupted(deck, begun):
    process = begun()
    deck.run("stop")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert re.search(r"go on with it: quarterdeck run --resume \S+ --attach", err)
    assert (deck.work / "junit.xml").exists()
    assert owner(deck.paths) is None
    assert listed(deck.paths)[0].outcome is Outcome.INTERRUPTED


def test_what_belongs_to_the_orchestrator_is_not_chosen_for_one_run(quick):
    (quick.work / "run.toml").write_text(SLOW)
    done = quick.run("run", "run.toml", "--attach", "--trust", "--policy", "p.toml", code=2)
    assert "--policy and --trust cannot be used with --attach" in done.stderr


def test_a_run_that_is_stopped_by_its_verb_ends_as_without_attach(deck, begun):
    process = begun()
    deck.run("run", "stop", "last")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 143
    assert re.search(r"go on with it: quarterdeck run --resume \S+ --attach", err)


def test_what_is_left_of_a_run_that_is_deleted_is_nothing(deck, begun):
    process = begun()
    (run,) = listed(deck.paths)
    deck.run("run", "stop", "last")
    process.communicate(timeout=120)
    assert {one["name"] for one in deck.json("ls", "--all")} >= {"first.1"}
    deck.run("run", "rm", run.run_id)
    assert deck.json("ls", "--all") == []
    assert run.run_id not in deck.out("session", "ls")
    assert deck.json("trash") == []
