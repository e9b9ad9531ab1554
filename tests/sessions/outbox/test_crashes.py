"""kill -9 of whoever runs the outbox, at every step of a prompt's life: the agent gets its text exactly once."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.demo.stage import processes_of
from tests.sessions.outbox.conftest import PROFILES, Stage
from tests.support.polling import PATIENCE, until

DECK = Path(__file__).parents[2] / "support" / "deck.py"
ROOT = Path(__file__).parents[3]
TEXT = "fix the\nfailing test"
PASTED = b"\x1b[200~" + TEXT.encode() + b"\x1b[201~"
needs_tmux = pytest.mark.skipif(not shutil.which("tmux"), reason="tmux is not installed")
ADAPTERS = ["native", pytest.param("tmux", marks=needs_tmux)]
IN_TMUX = ("claimed", "pasted", "entered")


class Fleet:
    """One state folder, and the deck's process as long as it lives."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.stage = Stage(home)
        slow = PROFILES["promptee"].replace("settle_ms = 50", "settle_ms = 250")
        (home / "user" / "profiles" / "promptee.toml").write_text(slow)
        self.folder = home / "p"
        self.folder.mkdir()
        self.process: subprocess.Popen[str]
        self.agent = self.prompt = ""

    def open(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", str(DECK), str(self.home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "open\n"

    def ask(self, **request: Any) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def start(self, adapter: str, **options: Any) -> None:
        self.open()
        self.set(**options)
        self.agent = self.ask(do="new", kind="promptee", folder=str(self.folder), adapter=adapter)

    def set(self, **options: Any) -> None:
        (self.folder / "options.part").write_text(json.dumps(options))
        (self.folder / "options.part").rename(self.folder / "options")

    def send(self) -> None:
        self.prompt = self.ask(do="send", agent=self.agent, text=TEXT)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()  # type: ignore[union-attr]

    def row(self, column: str = "state") -> Any:
        with contextlib.closing(sqlite3.connect(f"file:{self.stage.paths.database}?mode=ro", uri=True)) as db:
            found = db.execute(f"SELECT {column} FROM prompts WHERE id = ?", (self.prompt,)).fetchone()
        return found[0] if found else None

    def typed(self) -> bytes:
        path = self.folder / "typed"
        return path.read_bytes() if path.exists() else b""

    def taken(self) -> list[str]:
        path = self.folder / "taken"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def close(self) -> None:
        if self.process.poll() is not None:
            self.open()
        self.ask(do="end")
        self.process.wait(PATIENCE)
        self.kill()
        until(lambda: not processes_of(self.home), "the end of all processes")


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    home = Path(tempfile.mkdtemp(prefix="qd-", dir="/tmp"))
    made = Fleet(home)
    try:
        yield made
        made.close()
    finally:
        for pid in processes_of(home):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(home, ignore_errors=True)


MOMENTS: dict[str, Callable[[Fleet], Any]] = {
    "stored": lambda fleet: fleet.row() is not None,
    "claimed": lambda fleet: fleet.row() == "sending",
    "pasted": lambda fleet: fleet.typed().endswith(b"\x1b[201~"),
    "entered": lambda fleet: fleet.typed().endswith(b"\r"),
    "written": lambda fleet: fleet.row() in ("written", "accepted"),
    "taken": lambda fleet: fleet.taken(),
    "accepted": lambda fleet: fleet.row() == "accepted",
}


def is_delivered_once(fleet: Fleet) -> None:
    until(lambda: fleet.row() == "accepted", f"it is accepted; it is {fleet.row()}: {fleet.row('reason')}")
    assert fleet.taken() == [TEXT]
    assert fleet.typed().count(PASTED) == 1
    assert fleet.typed().count(TEXT.encode()) == 1
    assert fleet.typed().count(b"\r") == 1


@pytest.mark.parametrize(
    ("moment", "adapter"),
    [*((moment, "native") for moment in MOMENTS), *(pytest.param(m, "tmux", marks=needs_tmux) for m in IN_TMUX)],
)
def test_killed_at_a_step(fleet: Fleet, moment: str, adapter: str) -> None:
    fleet.start(adapter)
    fleet.send()
    until(lambda: MOMENTS[moment](fleet), f"it is {moment}")
    fleet.kill()
    fleet.open()
    is_delivered_once(fleet)


def test_killed_again_and_again(fleet: Fleet) -> None:
    fleet.start("native")
    fleet.send()
    for _ in range(6):
        time.sleep(random.uniform(0.0, 0.12))  # an instant, not a condition
        fleet.kill()
        fleet.open()
    is_delivered_once(fleet)


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_dialog_that_opened_meanwhile_gets_no_enter(fleet: Fleet, adapter: str) -> None:
    fleet.start(adapter)
    fleet.send()
    until(lambda: fleet.typed() == PASTED, "it is pasted")
    fleet.kill()
    (child,) = [p for p in processes_of(fleet.folder) if "promptee" in Path(f"/proc/{p}/cmdline").read_text()]
    os.kill(child, signal.SIGUSR1)
    fleet.open()
    until(lambda: fleet.row("reason") == "Enter waits: it asks for a permission", "Enter waits")
    assert fleet.typed() == PASTED
    fleet.ask(do="answer", agent=fleet.agent)
    until(lambda: fleet.row() == "accepted", "it is accepted")
    assert fleet.taken() == [TEXT]
    assert fleet.typed() == PASTED + b"1\r"


def test_a_terminal_that_died_with_us_gets_nothing_twice(fleet: Fleet) -> None:
    fleet.start("native")
    fleet.send()
    until(lambda: fleet.typed() == PASTED, "it is pasted")
    fleet.kill()
    for pid in processes_of(fleet.home):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    until(lambda: not processes_of(fleet.home), "all is dead")
    fleet.open()
    assert until(lambda: fleet.row() == "failed", "it failed")
    assert fleet.row("reason") == "its terminal ended while it was being typed"
    assert fleet.taken() == []
