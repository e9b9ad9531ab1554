"""Runs of commands, carried out in the test's own process or in a child that can be killed. Everything is real."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines import codec
from pipelines.folder import RunFolder, new_run_id
from pipelines.holding import hold
from pipelines.model import RunEvent, RunPlan, RunResult, StepPlan
from pipelines.ports import Tell
from pipelines.run import Brake, RunOptions, carry_out, go_on, perform
from quarterdeck import process
from quarterdeck.paths import Paths
from tests.support import polling

RUN_CHILD = Path(__file__).parents[2] / "support" / "run_child.py"


class Forgetful:
    """Remembers for as long as it lives: for runs that nobody goes on with, and that need not wait for an engine."""

    def __init__(self) -> None:
        self._known: dict[str, Any] = {}

    async def once(self, key: str, work: Callable[[], Awaitable[Any]]) -> Any:
        if key not in self._known:
            self._known[key] = json.loads(json.dumps(await work()))
        return self._known[key]

    async def finished(self) -> dict[str, Any]:
        return self._known


async def carried_out(plan: RunPlan, folder: RunFolder, tell: Tell, options: RunOptions) -> RunResult:
    """A run that nobody goes on with: :func:`pipelines.run.carry_out` without an engine."""
    with hold(folder):
        return await perform(plan, folder, Forgetful(), tell, options)


class Bench:
    """A home folder with a workspace, and runs in it. ``events`` are those of runs in this process."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.work = home / "work"
        self.work.mkdir()
        self.environ = {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "XDG_CONFIG_HOME": str(home)}
        self.events: list[RunEvent] = []
        self.runs: list[str] = []
        self.brake = Brake()
        self.on = {}
        """By the kind of an event, what is called with it."""

    def plan(self, *steps: StepPlan, **changed: Any) -> RunPlan:
        return RunPlan(**({"name": "bench", "workspace": str(self.work), "steps": steps} | changed))

    def folder(self, run_id: str = "") -> RunFolder:
        run_id = run_id or new_run_id(datetime.now(UTC))
        self.runs.append(run_id)
        return RunFolder.of(Paths(self.home / "s"), run_id)

    def options(self, **changed: Any) -> RunOptions:
        known = {"environ": self.environ, "keep_evidence": False, "brake": self.brake}
        return RunOptions(**(known | changed))

    def _tell(self, event: RunEvent) -> None:
        self.events.append(event)
        if event.kind in self.on:
            self.on[event.kind](event)

    def run(self, plan: RunPlan, folder: RunFolder | None = None, **options: Any) -> RunResult:
        """Carry a run out that can be gone on with where a folder is given."""
        if folder is not None:
            return asyncio.run(carry_out(plan, folder, self._tell, self.options(**options)))
        return asyncio.run(carried_out(plan, self.folder(), self._tell, self.options(**options)))

    def go_on(self, folder: RunFolder, **options: Any) -> RunResult:
        return asyncio.run(go_on(folder, self._tell, self.options(**options)))

    def told(self, kind: str, step: str = "") -> list[str]:
        return [one.text for one in self.events if one.kind == kind and (not step or one.step == step)]

    def lines(self, name: str = "done") -> list[str]:
        """Lines of a file that steps write to: what really happened."""
        path = self.work / name
        return path.read_text().split() if path.exists() else []

    def child(self, plan: RunPlan | None, folder: RunFolder, *words: str) -> Child:
        """The run in a process of its own: a new one, or with no plan one that goes on."""
        if plan is not None:
            (self.home / "plan.json").write_text(json.dumps(codec.dump_plan(plan)))
        how = "new" if plan is not None else "on"
        return Child(self, [str(self.home), folder.run_id, how, *words])

    def left(self) -> list[int]:
        """Living programs of this bench's runs."""
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
        return [pid for pid in pids if process.environ(pid).get("QUARTERDECK_SESSION") in self.runs]


class Child:
    """See :mod:`tests.support.run_child`."""

    def __init__(self, bench: Bench, words: list[str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(RUN_CHILD), *words],
            env=bench.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.events: list[dict[str, str]] = []

    def until(self, kind: str, step: str = "") -> None:
        """Read its events up to one of this kind."""
        for line in self.process.stdout:
            event = json.loads(line)
            self.events.append(event)
            if event.get("kind") == kind and (not step or event["step"] == step):
                return
        raise AssertionError(f"no {kind}: {self.events} {self.process.stderr.read()}")

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def end(self) -> str:
        """Its outcome, once it has ended by itself."""
        out, err = self.process.communicate(timeout=60)
        lines = [json.loads(line) for line in out.splitlines()]
        assert "outcome" in (lines or [{}])[-1], err
        self.events += lines[:-1]
        return lines[-1]["outcome"]


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A bench under /tmp, short enough for sockets; nothing of its runs is left running."""
    home = Path(tempfile.mkdtemp(prefix="qd-", dir="/tmp"))
    made = Bench(home)
    try:
        yield made
        polling.until(lambda: not made.left(), lambda: f"no program of a run is left: {made.left()}", 20)
    finally:
        for pid in made.left():
            os.kill(pid, 9)
        shutil.rmtree(home, ignore_errors=True)


def command(key: str, run: str, **changed: Any) -> StepPlan:
    """A step with a command."""
    needs = changed.get("needs", ())
    return StepPlan(key=key, name=key, run=run, sources={one: one for one in needs}, **changed)


@pytest.fixture(name="command")
def _command() -> Any:
    return command
