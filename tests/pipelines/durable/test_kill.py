"""kill -9 of a run, and of its engine, at any moment: what was remembered stays and is not done again."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from pipelines.folder import RunFolder
from quarterdeck.paths import Paths

CHILD = Path(__file__).parents[2] / "support" / "durable_steps.py"
RUN = "20260314-153059-4f1c2b"
STEPS = 30
PATIENCE = 60


def read(log: Path) -> list[list[str]]:
    if not log.exists():
        return []
    return [line.split() for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")]


def check(lines: list[list[str]]) -> None:
    """What was once given back is never done again, and is what some work returned."""
    did: defaultdict[str, set[str]] = defaultdict(set)
    got: dict[str, str] = {}
    for word, key, token in (line for line in lines if line != ["all"]):
        if word == "did":
            assert key not in got, f"{key} was remembered, and is done again"
            did[key].add(token)
        else:
            assert token in did[key]
            assert got.setdefault(key, token) == token


class Run:
    """The process that carries the run out."""

    def __init__(self, home: Path, where: str = "") -> None:
        self.home = home
        self.folder = RunFolder.of(Paths(home), RUN)
        self.log = self.folder.home.parent / "log"
        self._where = [where] if where else []

    def start(self, fresh: bool) -> None:
        self.folder.home.mkdir(parents=True, exist_ok=True)
        how = "fresh" if fresh else "again"
        self.process = subprocess.Popen(
            [sys.executable, str(CHILD), str(self.home), RUN, str(STEPS), how, *self._where]
        )

    def wait(self, condition: Callable[[], bool]) -> bool:
        """Until it holds; False where the process ended first."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if self.process.poll() is not None:
                return False
            assert time.monotonic() < deadline
            time.sleep(0.002)
        return True

    def engines(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.process.pid).children()
        except psutil.NoSuchProcess:
            return []

    def kill(self) -> None:
        """The run; its engine ends by itself."""
        engines = self.engines()
        self.process.kill()
        self.process.wait()
        _, alive = psutil.wait_procs(engines, timeout=PATIENCE)
        assert not alive


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def carried_out(run: Run, seed: int, kills: int) -> None:
    chance = random.Random(seed)
    for number in range(kills):
        run.start(fresh=not number)
        more = len(read(run.log)) + chance.randrange(20)
        if number:
            assert run.wait(lambda: bool(run.engines()))
        run.wait(lambda more=more: len(read(run.log)) >= more)
        time.sleep(chance.random() * 0.02)  # any moment will do
        run.kill()
        check(read(run.log))
    run.start(fresh=False)
    assert run.process.wait(PATIENCE) == 0
    lines = read(run.log)
    check(lines)
    assert lines[-1] == ["all"]
    last = {line[1] for line in lines if line[0] == "got"}
    assert last >= {str(number) for number in range(STEPS)}


def test_a_run_that_is_killed_goes_on_where_it_was(run: Run) -> None:
    carried_out(run, seed=1, kills=3)


def test_a_run_on_postgres_that_is_killed_goes_on_where_it_was(tmp_path: Path, postgres: str) -> None:
    carried_out(Run(tmp_path, postgres), seed=2, kills=2)


def test_an_engine_that_is_killed_is_started_again(run: Run) -> None:
    run.start(fresh=True)
    for lines in (10, 30):
        assert run.wait(lambda lines=lines: len(read(run.log)) >= lines and bool(run.engines()))
        (engine,) = run.engines()
        os.kill(engine.pid, signal.SIGKILL)
        assert run.wait(lambda engine=engine: [engine] != run.engines() and bool(run.engines()))
    assert run.process.wait(PATIENCE) == 0
    lines = read(run.log)
    check(lines)
    assert sum(line[0] == "did" for line in lines) == STEPS + STEPS // 2, "nothing was done twice"
