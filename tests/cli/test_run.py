"""Runs by their command: what it prints for whom, signals, a reader that goes away, the verbs for runs of the past."""

import contextlib
import json
import os
import re
import signal
import subprocess

import pytest

from pipelines.model import Outcome
from pipelines.runs import State, listed

TWO = """\
[steps.hello]
run = "echo hello"

[steps.bad]
run = "echo oh no; exit 3"
"""
SLOW = """\
[steps.first]
run = "echo once >> first.txt"

[steps.slow]
needs = "first"
run = "echo begun >> slow.txt; while [ ! -e go ]; do sleep 0.05; done"
"""


@pytest.fixture
def manifest(cold):
    """Writes a manifest into the work folder."""

    def write(text, name="run.toml"):
        (cold.work / name).write_text(text)
        return name

    return write


@pytest.fixture
def begun(cold, manifest, until):
    """Starts ``run`` on SLOW, and waits until its second step runs."""
    started = []

    def begin(*words, **options):
        process = subprocess.Popen(
            cold.command("run", *(words or [manifest(SLOW)])),
            cwd=cold.work,
            env=cold.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )
        started.append(process)
        until((cold.work / "slow.txt").exists, what="the slow step")
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()

    def gone():
        for pid in cold.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not cold.processes()

    until(gone, what="the end of all processes")


def only_run(cold):
    (found,) = listed(cold.paths)
    return found


def test_progress_and_the_end_for_people(cold, manifest):
    done = cold.run("run", manifest(TWO), code=10)
    lines = [re.sub(r"^\d:\d\d:\d\d +", "", line) for line in done.stdout.splitlines()]
    assert "hello         | hello" in lines
    assert any(re.fullmatch(r"bad +failed in [0-9.]+s: exit status 3", line) for line in lines)
    assert re.match(r"run: failed in .*\(1 succeeded, 1 failed\)", lines[-2])
    folder = lines[-1].removeprefix("logs and recordings: ")
    assert (cold.work / folder / "steps" / "bad").is_dir()
    assert "\x1b" not in done.stdout
    assert done.stderr == ""


def test_json_lines_and_nothing_else(cold, manifest):
    done = cold.run("run", manifest(TWO), "--json", code=10)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[0]["event"] == "run.started"
    assert events[-1]["event"] == "run.ended"
    assert {event["run_id"] for event in events} == {only_run(cold).run_id}
    assert [e["text"] for e in events if e["event"] == "step.output" and e["step"] == "hello"] == ["hello"]
    assert done.stderr == ""


def test_a_reader_that_goes_away_changes_nothing_of_the_end(cold, manifest):
    words = " ".join(cold.command("run", manifest(TWO), "--result", "result.json"))
    script = f"({words}; echo $? > code) | read line; while [ ! -e code ]; do sleep 0.05; done"
    done = subprocess.run(
        ["sh", "-c", script], cwd=cold.work, env=cold.environ, capture_output=True, text=True, timeout=60
    )
    assert (cold.work / "code").read_text() == "10\n"
    assert json.loads((cold.work / "result.json").read_text())["outcome"] == "failed"
    assert done.stderr == "nobody reads the output any more; the run goes on\n"


def test_github_gets_groups_marks_and_the_summary(cold, manifest):
    env = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(cold.work / "summary.md")}
    env["GITHUB_WORKSPACE"] = str(cold.work)
    (cold.work / "summary.md").write_text("what was there\n")
    said = cold.run("run", manifest(TWO), code=10, env=env).stdout
    assert said.count("::group::") == said.count("::endgroup::") == 2
    assert "::error file=run.toml,line=4,title=bad%3A failed::exit status 3" in said
    summary = (cold.work / "summary.md").read_text()
    assert summary.startswith("what was there\n")
    assert "bad" in summary
    assert "::group::" not in cold.run("run", "run.toml", "--ci", "plain", code=10, env=env).stdout
    assert cold.run("run", "run.toml", "--ci", "none", code=10, env=env).stdout == ""


def test_a_report_that_cannot_be_written_is_told_and_no_success(cold, manifest):
    (cold.work / "file").touch()
    done = cold.run("run", manifest('[steps.a]\nrun = "true"\n'), "--junit", "file/j.xml", "--result", "r.json", code=7)
    assert "the JUnit report could not be written to file/j.xml: " in done.stderr
    assert json.loads((cold.work / "r.json").read_text())["outcome"] == "succeeded"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_stops_it_with_reports_and_resume_goes_on(cold, begun, until, number, code):
    process = begun()
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == code
    run = only_run(cold)
    assert run.state is State.INTERRUPTED
    assert f"go on with it: quarterdeck run --resume {run.run_id}" in err
    until(lambda: not cold.processes(), what="the end of what it ran")
    (cold.work / "go").touch()
    cold.run("run", "--resume", "last", "--junit", "junit.xml")
    assert (cold.work / "first.txt").read_text() == "once\n"
    assert (cold.work / "slow.txt").read_text() == "begun\nbegun\n"
    assert b'failures="0"' in (cold.work / "junit.xml").read_bytes()
    assert only_run(cold).outcome is Outcome.SUCCEEDED


def test_a_second_signal_ends_it_at_once(cold, manifest, begun, until):
    deaf = SLOW.replace('run = "echo begun', "run = \"trap '' HUP TERM INT; echo begun")
    process = begun(manifest(deaf))
    process.send_signal(signal.SIGTERM)
    assert process.stderr.readline().startswith("stopping by SIGTERM")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "ended at once" in err
    assert cold.processes()  # their lease ends them; here the fixture does


def test_a_signal_that_is_ignored_stays_ignored(cold, begun):
    process = begun(preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    process.send_signal(signal.SIGHUP)
    (cold.work / "go").touch()
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_killed_it_goes_on_where_it_was(cold, begun):
    process = begun()
    process.kill()
    process.communicate()
    assert only_run(cold).state is State.INTERRUPTED
    (cold.work / "go").touch()
    cold.run("run", "--resume", only_run(cold).run_id[-6:])
    assert (cold.work / "first.txt").read_text() == "once\n"
    assert (cold.work / "slow.txt").read_text() == "begun\n"  # it ran on meanwhile


def test_on_a_terminal_a_board_shows_what_runs_and_leaves_nothing(cold, manifest, folder, until):
    from tests.cli.conftest import Pane

    pane = Pane(folder, cold.environ)
    try:
        pane.run("cd", cold.work)
        pane.run(*cold.command("run", manifest(SLOW)))
        pane.sees("1/2 done · 1 running")
        pane.press("C-c")
        screen = pane.sees("go on with it: quarterdeck run --resume")
        assert "stopping by ctrl+c" in screen
        assert "1/2 done" not in screen
    finally:
        pane.close()
    until(lambda: not cold.processes(), what="the end of what it ran")


def test_runs_are_listed_shown_stopped_and_deleted(cold, begun, until):
    process = begun()
    run = only_run(cold)
    (told,) = cold.json("run", "list")
    assert (told["run"], told["state"], told["pid"], told["steps"]) == (run.run_id, "running", process.pid, 2)
    assert run.run_id in cold.out("run", "list")
    assert "goes on at this moment" in cold.run("run", "rm", "last", code=4).stderr
    assert cold.out("run", "stop", "last") == run.run_id + "\n"
    process.communicate(timeout=30)
    assert process.returncode == 143
    shown = cold.out("run", "show", "last").splitlines()
    assert shown[1] == "interrupted: stopped by SIGTERM"
    assert any(re.match(r"first +succeeded", line) for line in shown)
    assert cold.json("run", "show", run.run_id)["result"]["outcome"] == "interrupted"
    assert "it is interrupted" in cold.run("run", "stop", "last", code=4).stderr
    assert cold.out("run", "rm", "--all") == ""
    assert cold.out("run", "rm", run.run_id) == run.run_id + "\n"
    assert listed(cold.paths) == []
    assert cold.run("run", "show", run.run_id, code=3).stderr.startswith("error: there is no run")


def test_two_runs_in_one_workspace_do_not_know_of_one_another(cold, begun, manifest):
    process = begun()
    cold.run("run", manifest('[steps.a]\nrun = "touch go"\n', "other.toml"))
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert [one.outcome for one in listed(cold.paths)] == [Outcome.SUCCEEDED] * 2


def test_an_agent_that_is_not_installed_is_told_with_its_profile(cold):
    done = cold.run("run", "--agent", "goose", "--prompt", "hi", code=13, env={"PATH": "/usr/bin:/bin"})
    assert "not installed" in done.stdout
    assert "install the program of profile goose" in done.stderr


def test_a_run_that_goes_on_is_not_carried_out_twice(cold, begun):
    process = begun()
    done = cold.run("run", "--resume", "last", code=4)
    assert f"goes on in process {process.pid}" in done.stderr
