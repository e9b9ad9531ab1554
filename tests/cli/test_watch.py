"""``watch``: plain lines of what changes, over a restart of the orchestrator and for slow readers."""

import base64
import json
import os
import re
import signal
import subprocess
import threading

import pytest

from orchestrator.client import Client
from tests.sessions.outbox.conftest import profile

STATE = r"""printf '\033]7501;state=%s\033\\'; read x; """


class Watcher:
    """A ``watch`` that runs, with what it has printed so far."""

    def __init__(self, deck, until, *words):
        self.until, self.lines = until, []
        self.process = subprocess.Popen(
            deck.command("watch", *words),
            cwd=deck.work,
            env=deck.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._thread = threading.Thread(target=self._read)
        self._thread.start()
        if "--json" in words:
            until(lambda: self.lines and "watch.began" in self.lines[0], what="it has begun")
        else:
            assert self.process.stderr.readline().startswith("watching ")

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def sees(self, text):
        """Wait for a line that holds ``text``; that line without its date and time."""
        found = self.until(lambda: [line for line in self.lines if text in line], what=f"{text!r} in {self.lines}")
        return found[0][20:]

    def end(self):
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(20)
        self._thread.join(20)
        self.process.stdout.close()
        self.process.stderr.close()
        return code


@pytest.fixture
def watch(until):
    """Start watchers, which end with the test."""
    made = []

    def start(deck, *words):
        made.append(Watcher(deck, until, *words))
        return made[-1]

    yield start
    for one in made:
        if one.process.returncode is None:
            one.end()


def says(deck, name, state, *more):
    """An agent that tells its state, and a person's enter ends it."""
    deck.run("new", "--name", name, *more, "--", "sh", "-c", STATE.replace("%s", state) + "exit 3")


def test_each_change_is_one_plain_line(shared, watch):
    watcher = watch(shared)
    says(shared, "api", "blocked")
    assert watcher.sees("is blocked") == "api in work is blocked, was running: asks for a permission"
    shared.run("rename", "api", "web")
    assert watcher.sees("is called") == "api in work is called web now"
    shared.run("keys", "web", "enter")
    assert watcher.sees("is exited") == "web in work is exited, was blocked: exit status 3"
    shared.run("rm", "web")
    assert watcher.sees("was removed") == "web in work was removed"
    assert watcher.end() == 130
    assert watcher.lines[0][20:] == "api in work was started, custom"
    text = "\n".join(watcher.lines)
    assert text.isascii()
    assert "\x1b" not in text


def test_hostile_texts_stay_on_their_line(shared, watch):
    watcher = watch(shared)
    told = base64.b64encode("two\nlines \x1b[31mred \u202ex".encode()).decode()
    says(shared, "evil", f"blocked:kind=question:msg={told}")
    assert watcher.sees("is blocked").startswith("evil in work is blocked, was running: asks a question: two lines ")
    assert all(line.isprintable() and line[:2] == "20" for line in watcher.lines)


def test_what_is_watched_may_be_chosen(shared, watch, until):
    says(shared, "one", "idle", "--session", "first")
    says(shared, "two", "idle", "--session", "second")
    by_name, by_session = watch(shared, "one"), watch(shared, "--session", "second")
    by_state = watch(shared, "--state", "exited")
    shared.run("keys", "one", "enter")
    shared.run("keys", "two", "enter")
    by_name.sees("one in first is exited")
    by_session.sees("two in second is exited")
    by_state.sees("two in second is exited")
    by_state.sees("one in first is exited")
    for watcher in (by_name, by_session, by_state):
        watcher.end()
    assert not [line for line in by_name.lines if "two" in line]
    assert not [line for line in by_session.lines if "one" in line]
    assert len(by_state.lines) == 2
    assert "no agent 'nobody'" in shared.run("watch", "nobody", code=3).stderr
    assert "blcked" in shared.run("watch", "--state", "blcked", code=2).stderr


def test_once_and_since(shared):
    assert shared.out("watch", "--once") == ""
    says(shared, "api", "blocked")
    shared.run("wait", "api", "--until", "blocked", "--timeout", "20")
    (line,) = shared.out("watch", "--once").splitlines()
    assert re.fullmatch(r"api in work is blocked since 2[\d :-]{18}: asks for a permission", line[20:])
    (present,) = [json.loads(one) for one in shared.out("watch", "--once", "--json").splitlines()]
    assert (present["kind"], present["agent_name"], present["data"]["status"]) == ("watch.present", "api", "blocked")
    since = shared.out("watch", "--since", "10m", "--once").splitlines()
    assert [line[20:] for line in since][-3:] == [
        "api in work was started, custom",
        "api in work is running, was starting",
        "api in work is blocked, was running: asks for a permission",
    ]
    events = [json.loads(one) for one in shared.out("watch", "--since", "10m", "--once", "--json").splitlines()]
    again = shared.out("watch", "--since", events[-2]["cursor"], "--once", "--json").splitlines()
    assert [json.loads(one) for one in again] == events[-1:]
    assert "is no time" in shared.run("watch", "--since", "yesterday", code=2).stderr
    assert "not kept" in shared.run("watch", "--since", "999999999", "--once", code=3).stderr


def test_who_needs_a_person_now_comes_first(shared, watch):
    says(shared, "api", "blocked")
    says(shared, "idle", "idle")
    for name, state in (("api", "blocked"), ("idle", "idle")):
        shared.run("wait", name, "--until", state, "--timeout", "20")
    watcher = watch(shared)
    assert watcher.sees("api in work is blocked since").endswith(": asks for a permission")
    watcher.end()
    assert len(watcher.lines) == 1


def test_prompts_and_requests_are_told_with_all(deck, watch, until):
    folder = deck.home.parent / "config" / "quarterdeck" / "profiles"
    folder.mkdir(parents=True)
    (folder / "promptee.toml").write_text(profile())
    deck.environ["XDG_CONFIG_HOME"] = str(deck.home.parent / "config")
    (deck.work / "options").write_text("{}")
    deck.run("new", "promptee", "--name", "api", "--", deck.work)
    watcher = watch(deck, "--all")
    prompt = deck.json("send", "api", "hello", "--wait")["id"]
    assert watcher.sees("is queued") == f"api in work prompt {prompt} is queued"
    assert watcher.sees("is accepted").startswith(f"api in work prompt {prompt} is accepted by ")
    deck.run("wait", "api", "--until", "idle", "--timeout", "20")
    os.kill(deck.json("ls")[0]["pid"], signal.SIGUSR1)
    assert watcher.sees("is open").endswith("is open: permission: Bash: rm -rf build") or watcher.sees("is open: ")


def test_it_goes_on_when_the_orchestrator_is_killed(deck, watch, until):
    says(deck, "api", "idle")
    deck.run("wait", "api", "--until", "idle", "--timeout", "20")
    plain, lines = watch(deck), watch(deck, "--json")
    says(deck, "first", "blocked")
    plain.sees("first in work is blocked")
    client = Client(deck.paths)
    os.kill(client.request("GET", "/v1/health")["pid"], signal.SIGKILL)
    deck.run("keys", "api", "enter")
    assert plain.sees("the orchestrator ended") == (
        "quarterdeck: the orchestrator ended before it answered; the agents go on"
    )
    plain.sees("quarterdeck: connected again; nothing was missed")
    plain.sees("api in work is exited, was idle: exit status 3")
    deck.run("stop")
    plain.sees("quarterdeck: the orchestrator was stopped")
    deck.run("keys", "first", "enter")
    plain.sees("first in work is exited, was blocked: exit status 3")
    until(lambda: sum("connected again" in line for line in plain.lines) == 2)
    until(lambda: any('"first"' in line and "exited" in line for line in lines.lines))
    plain.end()
    lines.end()
    events = [json.loads(line) for line in lines.lines]
    kinds = [event["kind"] for event in events if event["kind"].startswith("watch.")]
    assert kinds == ["watch.began", "watch.lost", "watch.back", "watch.lost", "watch.stopped", "watch.back"]
    cursors = [event["cursor"] for event in events if not event["kind"].startswith("watch.")]
    assert cursors == sorted(set(cursors))


def test_a_slow_reader_misses_nothing_and_a_closed_one_ends_it(deck, until):
    """More changes than a pipe holds are made before the first is read."""
    deck.run("ls")
    process = subprocess.Popen(
        deck.command("watch", "--all", "--json"), cwd=deck.work, env=deck.environ, stdout=subprocess.PIPE, text=True
    )
    client = Client(deck.paths)
    assert json.loads(process.stdout.readline())["kind"] == "watch.began"
    session = client.request("POST", "/v1/sessions", {"name": "start", "workspace": str(deck.work)})
    assert "session.created" in process.stdout.readline()
    for number in range(500):
        client.request("PATCH", f"/v1/sessions/{session['id']}", {"name": f"{'x' * 50}{number}"})
    for number in range(500):
        assert json.loads(process.stdout.readline())["data"]["name"] == f"{'x' * 50}{number}"
    process.stdout.close()
    client.request("PATCH", f"/v1/sessions/{session['id']}", {"name": "end"})
    assert process.wait(20) == 141


def test_the_bell_rings_on_a_terminal(shared, pane):
    environ = [f"{name}={value}" for name, value in shared.environ.items() if name == "QUARTERDECK_HOME"]
    pane.tmux("set-option", "-g", "monitor-bell", "on")
    pane.tmux("set-option", "-g", "bell-action", "any")
    pane.tmux("set-hook", "-g", "alert-bell", "set-option -g @rung yes")
    pane.run("env", *environ, *shared.command("watch", "--bell"))
    pane.sees("watching 0 agents")
    says(shared, "api", "blocked")
    seen = pane.sees("api in work is blocked, was running: asks for a permission")
    line = next(line for line in seen.splitlines() if "is blocked" in line)
    assert line[2] == line[5] == ":", "a time of day without a date"
    import tests.cli.conftest as support

    support.until(lambda: "yes" in pane.tmux("show-options", "-gqv", "@rung"), what="the bell")
    pane.press("C-c")
