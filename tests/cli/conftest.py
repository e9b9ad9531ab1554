import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from quarterdeck.paths import Paths
from quarterdeck.process import identity

ROOT = Path(__file__).resolve().parents[2]
CLEAN = {
    name: value for name, value in os.environ.items() if not name.startswith(("QUARTERDECK_", "TMUX", "COLORTERM"))
}


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
        import json

        return json.loads(self.run(*words, "--json", **options).stdout)

    def sees(self, agent, text, seconds=20.0):
        """Wait until an agent's screen shows ``text``; the screen."""
        return until(
            lambda: (screen := self.out("show", agent)) if text in (screen := self.out("show", agent)) else "",
            seconds,
            f"{text!r} on {agent}",
        )

    def processes(self):
        """Pids of living processes that name this state folder."""
        mark, found = os.fsencode(self.home), []
        for name in os.listdir("/proc"):
            if not name.isdigit() or int(name) == os.getpid() or identity(int(name)) is None:
                continue
            try:
                texts = [Path("/proc", name, part).read_bytes() for part in ("cmdline", "environ")]
            except OSError:
                continue
            if any(mark in text for text in texts):
                found.append(int(name))
        return found


@pytest.fixture
def folder():
    """A short folder, as sockets need one."""
    path = Path(tempfile.mkdtemp(prefix="qd-cli-", dir="/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def cold(folder):
    """The command line on a new state folder that no orchestrator may touch."""
    deck = Quarterdeck(folder)
    yield deck
    assert not deck.processes()
