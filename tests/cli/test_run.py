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
from tests.cli.conftest import InProcess, Pane

PATIENCE = 120.0

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
def manifest(folder):
    """Writes a manifest into the work folder."""

    def write(text, name="run.toml"):
        (folder / "work" / name).write_text(text)
        return name

    return write


@pytest.fixture
def here(folder, monkeypatch, until):
    """The command line in this process; what it started has ended afterwards."""
    deck = InProcess(folder, monkeypatch)
    yield deck
    until(lambda: not deck.processes(), PATIENCE, "the end of what it ran")


@pytest.fixture
def begun(here, manifest, until):
    """Starts ``run`` on SLOW, and waits until its second step runs."""
    started = []

    def begin(*words, **options):
        process = subprocess.Popen(
            here.command("run", *(words or [manifest(SLOW)])),
            cwd=here.work,
            env=here.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )
        started.append(process)
        until((here.work / "slow.txt").exists, PATIENCE, "the slow step")
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()

    def gone():
        for pid in here.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not here.processes()

    until(gone, PATIENCE, "the end of all processes")


def only_run(deck):
    (found,) = listed(deck.paths)
    return found


def test_progress_and_the_end_for_people(here, manifest):
    done = here.run("run", manifest(TWO), code=10)
    lines = [re.sub(r"^\d:\d\d:\d\d +", "", line) for line in done.stdout.splitlines()]
    assert "hello         | hello" in lines
    assert any(re.fullmatch(r"bad +failed in [0-9.]+s: exit status 3", line) for line in lines)
    assert re.match(r"run: failed in .*\(1 succeeded, 1 failed\)", lines[-2])
    folder = lines[-1].removeprefix("logs and recordings: ")
    assert (here.work / folder / "steps" / "bad").is_dir()
    assert "\x1b" not in done.stdout
    assert done.stderr == ""


def test_json_lines_and_nothing_else(here, manifest):
    done = here.run("run", manifest(TWO), "--json", code=10)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[0]["event"] == "run.started"
    assert events[-1]["event"] == "run.ended"
    assert {event["run_id"] for event in events} == {only_run(here).run_id}
    assert [e["text"] for e in events if e["event"] == "step.output" and e["step"] == "hello"] == ["hello"]
    assert done.stderr == ""


def test_a_reader_that_goes_away_changes_nothing_of_the_end(here, manifest):
    words = " ".join(here.command("run", manifest(TWO), "--result", "result.json"))
    script = f"({words}; echo $? > code) | read line; while [ ! -e code ]; do sleep 0.05; done"
    done = subprocess.run(
        ["sh", "-c", script], cwd=here.work, env=here.environ, capture_output=True, text=True, timeout=PATIENCE
    )
    assert (here.work / "code").read_text() == "10\n"
    assert json.loads((here.work / "result.json").read_text())["outcome"] == "failed"
    assert done.stderr == "nobody reads the output any more; the run goes on\n"


@pytest.mark.parametrize("way", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_change_nothing_of_the_end(here, manifest, way):
    words = " ".join(here.command("run", manifest(TWO), "--result", "result.json"))
    done = subprocess.run(
        ["sh", "-c", f"exec {words} {way}"], cwd=here.work, env=here.environ, capture_output=True, timeout=PATIENCE
    )
    assert done.returncode == 10
    assert b"Traceback" not in done.stderr
    assert json.loads((here.work / "result.json").read_text())["exit_code"] == 10


def test_output_that_cannot_be_written_is_told_to_people_and_programs(here, manifest):
    manifest(TWO)
    for option in ("", "--json"):
        words = " ".join(here.command("run", "run.toml", option))
        done = subprocess.run(
            ["sh", "-c", f"exec {words} > /dev/full"],
            cwd=here.work,
            env=here.environ,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 10
        said = json.loads(done.stderr)["message"] if option else done.stderr.strip()
        assert said == "the output cannot be written (No space left on device); the run goes on"


def test_github_gets_groups_marks_and_the_summary(here, manifest):
    env = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(here.work / "summary.md")}
    env["GITHUB_WORKSPACE"] = str(here.work)
    (here.work / "summary.md").write_text("what was there\n")
    said = here.run("run", manifest(TWO), code=10, env=env).stdout
    assert said.count("::group::") == said.count("::endgroup::") == 2
    assert "::error file=run.toml,line=4,title=bad%3A failed::exit status 3" in said
    summary = (here.work / "summary.md").read_text()
    assert summary.startswith("what was there\n")
    assert "bad" in summary
    assert "::group::" not in here.run("run", "run.toml", "--ci", "plain", code=10, env=env).stdout
    assert here.run("run", "run.toml", "--ci", "none", code=10, env=env).stdout == ""


def test_a_report_that_cannot_be_written_is_told_and_no_success(here, manifest):
    text = '[steps.a]\nrun = "mkdir j.xml"\n'
    done = here.run("run", manifest(text), "--junit", "j.xml", "--result", "r.json", code=7)
    assert "the JUnit report could not be written to j.xml: Is a directory" in done.stderr
    assert json.loads((here.work / "r.json").read_text())["outcome"] == "succeeded"


def test_a_terminal_that_goes_away_stops_it_with_reports_and_resume_goes_on(here, begun, until):
    process = begun(preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL))  # also under nohup
    process.send_signal(signal.SIGHUP)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 129
    events = (here.paths.home / "runs" / only_run(here).run_id / "events.jsonl").read_text().splitlines()
    assert json.loads(events[-1])["data"]["exit_code"] == 129
    run = only_run(here)
    assert run.state is State.INTERRUPTED
    assert f"go on with it: quarterdeck run --resume {run.run_id}" in err
    until(lambda: not here.processes(), PATIENCE, "the end of what it ran")
    (here.work / "go").touch()
    here.run("run", "--resume", run.run_id[-6:], "--junit", "junit.xml")
    assert (here.work / "first.txt").read_text() == "once\n"
    assert (here.work / "slow.txt").read_text() == "begun\nbegun\n"
    assert b'failures="0"' in (here.work / "junit.xml").read_bytes()
    assert only_run(here).outcome is Outcome.SUCCEEDED


def test_a_second_signal_ends_it_at_once(here, manifest, begun, until):
    deaf = SLOW.replace('run = "echo begun', "run = \"trap '' HUP TERM INT; echo begun")
    process = begun(manifest(deaf))
    process.send_signal(signal.SIGTERM)
    assert process.stderr.readline().startswith("stopping by SIGTERM")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "ended at once" in err
    assert here.processes()  # their lease ends them; here the fixture does


def test_a_signal_that_is_ignored_stays_ignored(here, begun):
    process = begun(preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    process.send_signal(signal.SIGHUP)
    (here.work / "go").touch()
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 0


def test_on_a_terminal_a_board_shows_what_runs_and_leaves_nothing(here, manifest, folder, until):
    pane = Pane(folder, here.environ)
    try:
        pane.run("cd", here.work)
        pane.run(*here.command("run", manifest(SLOW)))
        pane.sees("1/2 done · 1 running")
        pane.press("C-c")
        screen = pane.sees("go on with it: quarterdeck run --resume")
        assert "stopping by ctrl+c" in screen
        assert "1/2 done" not in screen
    finally:
        pane.close()
    until(lambda: not here.processes(), PATIENCE, "the end of what it ran")


def test_runs_are_listed_shown_stopped_and_deleted(here, begun):
    process = begun()
    run = only_run(here)
    (told,) = here.json("run", "list")
    assert (told["run"], told["state"], told["pid"], told["steps"]) == (run.run_id, "running", process.pid, 2)
    assert run.run_id in here.out("run", "list")
    assert "goes on at this moment" in here.run("run", "rm", "last", code=4).stderr
    assert f"goes on in process {process.pid}" in here.run("run", "--resume", "last", code=4).stderr
    assert here.out("run", "stop", "last") == run.run_id + "\n"
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 143
    shown = here.out("run", "show", "last").splitlines()
    assert shown[1] == "interrupted: stopped by SIGTERM"
    assert any(re.match(r"first +succeeded", line) for line in shown)
    assert here.json("run", "show", run.run_id)["result"]["outcome"] == "interrupted"
    assert "it is interrupted" in here.run("run", "stop", "last", code=4).stderr
    assert here.out("run", "rm", "--all") == ""
    assert here.out("run", "rm", run.run_id) == run.run_id + "\n"
    assert listed(here.paths) == []
    assert here.run("run", "show", run.run_id, code=3).stderr.startswith("error: there is no run")


def test_an_agent_that_is_not_installed_is_told_with_its_profile(here):
    done = here.run("run", "--agent", "goose", "--prompt", "hi", code=13, env={"PATH": "/usr/bin:/bin"})
    assert "not installed" in done.stdout
    assert "install the program of profile goose" in done.stderr


def test_evidence_in_the_workspace_is_no_work_of_its_steps(here, manifest):
    subprocess.run(["git", "init", "-q"], cwd=here.work, env=here.environ, check=True)
    name = manifest(
        '[steps.a]\nrun = "echo hi > a.txt"\nartifacts = ["**"]\n'
        '[steps.b]\nneeds = "a"\nrun = "echo b > b.txt"\nartifacts = "**/*.txt"\n'
    )
    words = ("run", name, "--output", "out/evidence", "--result", "out/result.json")
    for _ in range(2):
        here.run(*words)
    steps = here.work / "out" / "evidence" / "steps"
    result = json.loads((here.work / "out" / "result.json").read_text())
    kept = [
        sorted(path.partition("/artifacts/")[2] for path in step["evidence"]["artifacts"]) for step in result["steps"]
    ]
    assert kept == [["a.txt", "b.txt", name], ["a.txt", "b.txt"]]
    assert "out/" not in (steps / "b" / "changes.diff").read_text()


def test_nothing_is_paid_for_where_an_agent_is_surely_missing(here, manifest, tmp_path):
    here.environ["XDG_CONFIG_HOME"] = str(tmp_path)
    profiles = tmp_path / "quarterdeck" / "profiles"
    profiles.mkdir(parents=True)
    for name, argv in (("dear", ["touch", "paid"]), ("gone", ["no-such-agent"])):
        text = f'name = "{name}"\ntitle = "{name.title()}"\nkind = "agent"\nicon = "x"\nargv = {json.dumps(argv)}\n'
        (profiles / f"{name}.toml").write_text(text)
    name = manifest(
        '[agents.d]\nprofile = "dear"\ndrive = "terminal"\n[agents.g]\nprofile = "gone"\n'
        '[steps.a]\nagent = "d"\nprompt = "x"\n[steps.b]\nagent = "g"\nneeds = "a"\nprompt = "x"\n'
        '[steps.alarm]\nrun = "touch alarmed"\nneeds = "b"\nwhen = "failure()"\n'
    )
    done = here.run("run", name, "--result", "result.json", code=13)
    steps = json.loads((here.work / "result.json").read_text())["steps"]
    assert [step["outcome"] for step in steps] == ["skipped", "not installed", "succeeded"]
    assert steps[1]["reason"] == "Gone is not installed: there is no command no-such-agent"
    assert not (here.work / "paid").exists()
    assert "install the program of profile gone" in done.stderr
