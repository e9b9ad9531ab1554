import io
import itertools
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from cli.demo.stage import processes_of
from orchestrator.client import Client
from quarterdeck.paths import Paths

ROOT = Path(__file__).resolve().parents[2]
CLEAN = {
    name: value for name, value in os.environ.items() if not name.startswith(("QUARTERDECK_", "TMUX", "COLORTERM"))
}


@pytest.fixture(autouse=True, scope="session")
def _interruptible():
    """What is started here hears ctrl+c, also where the tests run in the background of a shell that has no jobs."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def until(condition, seconds=20.0, what="a condition"):
    """Poll until ``condition`` gives something true, and return that."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(0.02)


class Quarterdeck:
    """The command line on a state folder of its own, as real processes."""

    def __init__(self, folder):
        self.home = folder / "state"
        self.work = folder / "work"
        self.work.mkdir()
        self.paths = Paths(self.home)
        self.environ = CLEAN | {
            "QUARTERDECK_HOME": str(self.home),
            "SHELL": "/bin/sh",
            "PS1": "$ ",
            "ENV": "",
            "TERM": "xterm-256color",
            "NO_COLOR": "",
        }

    def command(self, *words):
        return [sys.executable, "-P", "-m", "quarterdeck", *map(str, words)]

    def run(self, *words, code=0, **options):
        """Run a verb; its CompletedProcess. ``code`` None takes any exit code."""
        env = self.environ | options.pop("env", {})
        options = {"stdin": subprocess.DEVNULL} | options if "input" not in options else options
        options = {"cwd": self.work} | options
        done = subprocess.run(
            self.command(*words), capture_output=True, text=True, timeout=60, env=env, check=False, **options
        )
        assert code is None or done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        return done

    def out(self, *words, **options):
        """Run a verb; its standard output."""
        return self.run(*words, **options).stdout

    def json(self, *words, **options):
        """Run a verb with --json; what it printed as values."""
        at = words.index("--") if "--" in words else len(words)
        return json.loads(self.run(*words[:at], "--json", *words[at:], **options).stdout)

    def sees(self, agent, text, seconds=20.0):
        """Wait until an agent's screen shows ``text``; the screen."""
        path = f"/v1/agents/{quote(agent, safe='')}/screen?format=text"
        client = Client(self.paths)
        return until(
            lambda: screen if text in (screen := client.request("GET", path)) else "", seconds, f"{text!r} on {agent}"
        )

    def log(self):
        """What the orchestrator has written."""
        files = [self.paths.log, self.paths.log.with_suffix(".err")]
        return "".join(file.read_text()[-6000:] for file in files if file.exists())

    def processes(self):
        """Pids of living processes that name this state folder or have a file of it open (holders do)."""
        return processes_of(self.home)


class Pane:
    """A person's terminal: a shell in a pane of a private tmux server. Skips the test where tmux is missing."""

    PROMPT = "person$ "

    def __init__(self, folder, environ, cols=80, lines=24):
        if shutil.which("tmux") is None:
            pytest.skip("tmux is not installed")
        self.socket = folder / "tmux"
        self.environ = environ | {"TERM": "screen-256color"}
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", cols, "-y", lines, "env", f"PS1={self.PROMPT}", "sh")
        until(lambda: self.PROMPT.strip() in self.screen(), what="the person's prompt")

    def tmux(self, *words):
        command = ["tmux", "-u", "-S", str(self.socket), *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, env=self.environ, check=True)
        return done.stdout

    def type(self, text):
        self.tmux("send-keys", "-l", text)

    def press(self, *names):
        self.tmux("send-keys", *names)

    def run(self, *words):
        """Type a command line."""
        self.type(shlex.join(map(str, words)))
        self.press("Enter")

    def screen(self):
        return self.tmux("capture-pane", "-p").rstrip("\n")

    def lines(self):
        return [line.rstrip() for line in self.screen().splitlines()]

    def sees(self, text, seconds=20.0):
        """Wait until the pane shows ``text``; its screen."""
        try:
            return until(lambda: screen if text in (screen := self.screen()) else "", seconds, f"{text!r}")
        except AssertionError as error:
            raise AssertionError(f"{error}:\n{self.screen()}") from None

    def modes(self):
        """The modes tmux tells of, by name, the title, and how the terminal device is set."""
        names = ["alternate_on", "cursor_flag", "keypad_cursor_flag", "keypad_flag", "mouse_any_flag", "mouse_sgr_flag"]
        names += ["mouse_standard_flag", "mouse_button_flag", "mouse_all_flag", "wrap_flag", "pane_title"]
        said = self.tmux("display-message", "-p", "\t".join(f"#{{{name}}}" for name in names)).rstrip("\n").split("\t")
        handle = os.open(self.tmux("display-message", "-p", "#{pane_tty}").strip(), os.O_RDONLY | os.O_NOCTTY)
        try:
            device = termios.tcgetattr(handle)
        finally:
            os.close(handle)
        return dict(zip(names, said, strict=True)) | {"device": device}

    def close(self):
        subprocess.run(["tmux", "-S", str(self.socket), "kill-server"], capture_output=True, check=False)


@pytest.fixture
def pane(folder):
    """A person's terminal."""
    made = Pane(folder, CLEAN)
    yield made
    made.close()


@pytest.fixture(name="until")
def until_fixture():
    """``until(condition)`` polls and returns what it gives, or fails."""
    return until


@pytest.fixture
def folder():
    """A short folder, as sockets need one."""
    path = Path(tempfile.mkdtemp(prefix="qd-cli-", dir="/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@contextmanager
def running(folder):
    """The command line on a state folder with a real orchestrator, which leaves no process behind."""
    made = Quarterdeck(folder)
    yield made
    Client(made.paths).stop(agents=True)
    try:
        until(lambda: not made.processes(), what="the end of all processes")
    finally:
        for pid in made.processes():
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def deck(folder):
    """The command line with an orchestrator of its own, for tests that stop or kill it."""
    with running(folder) as made:
        yield made


@pytest.fixture(scope="session")
def one_for_all():
    path = Path(tempfile.mkdtemp(prefix="qd-cli-", dir="/tmp"))
    with running(path) as made:
        yield made
    shutil.rmtree(path, ignore_errors=True)


_numbers = itertools.count(1)


@pytest.fixture
def shared(one_for_all):
    """The command line with the orchestrator these tests share; no agents, no sessions, an empty ``work``."""
    one_for_all.work = one_for_all.home.parent / str(next(_numbers)) / "work"
    one_for_all.work.mkdir(parents=True)
    yield one_for_all
    try:
        clean(one_for_all)
    except Exception as error:
        raise AssertionError(f"{error}; the orchestrator's log:\n{one_for_all.log()}") from error


def clean(deck):
    client = Client(deck.paths)
    for agent in client.request("GET", "/v1/agents"):
        if agent["adopted"]:
            client.request("POST", f"/v1/agents/{agent['id']}/release")
        else:
            client.request("POST", f"/v1/agents/{agent['id']}/end", {"grace": 0.2})
            client.request("DELETE", f"/v1/agents/{agent['id']}?force=1")
    for agent in client.request("GET", "/v1/trash"):
        client.request("DELETE", f"/v1/trash/{agent['id']}?force=1")
    for session in client.request("GET", "/v1/sessions"):
        client.request("DELETE", f"/v1/sessions/{session['id']}")


class InProcess(Quarterdeck):
    """The command line in this process, for what starts none: a hundred calls take the time of two processes."""

    def __init__(self, folder, monkeypatch):
        super().__init__(folder)
        self.patch = monkeypatch

    def run(self, *words, code=0, env=None, cwd=None, **given):
        from cli.main import run

        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
        with self.patch.context() as patch:
            for name in list(os.environ):
                patch.delenv(name)
            for name, value in (self.environ | (env or {})).items():
                patch.setenv(name, value)
            patch.chdir(cwd or self.work)
            patch.setattr(sys, "argv", ["quarterdeck", *map(str, words)])
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given.get("input", "").encode())))
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            ended = run()
        said = [stream.buffer.getvalue().decode() for stream in (out, err)]
        assert code is None or ended == code, (words, ended, *said)
        return subprocess.CompletedProcess(words, ended, *said)


@pytest.fixture
def quick(folder, monkeypatch):
    """The command line in this process, on a new state folder that no orchestrator may touch.

    The programs of two agents are on its PATH; nobody may start them.
    """
    deck = InProcess(folder, monkeypatch)
    programs = folder / "programs"
    programs.mkdir()
    for name in ("claude", "codex"):
        (programs / name).write_text("#!/bin/false\n")
        (programs / name).chmod(0o755)
    deck.environ["PATH"] = f"{programs}:{deck.environ['PATH']}"
    yield deck
    assert not deck.processes()


@pytest.fixture
def cold(folder):
    """The command line on a new state folder that no orchestrator may touch."""
    deck = Quarterdeck(folder)
    yield deck
    assert not deck.processes()
