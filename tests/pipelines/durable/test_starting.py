"""An engine that is started before it is known which run it is for."""

import os
import signal
from pathlib import Path

import pytest

from pipelines.durable import open_durable
from pipelines.ports import Json
from pipelines.starting import Early
from tests.support.engines import engines

RUN = "20260314-153059-4f1c2b"


async def one() -> Json:
    return 1


async def recorded(where: Path, early: Early) -> list[int]:
    """Record ``a``; the pids of the engines meanwhile."""
    async with open_durable(RUN, where, fresh=True, early=early.process) as durable:
        await durable.once("a", one)
        return [engine.pid for engine in engines()]


@pytest.mark.parametrize("killed", [False, True])
def test_the_run_takes_it_or_another_where_it_was_killed(tmp_path: Path, killed: bool) -> None:
    with Early() as early:
        assert early.process is not None
        if killed:
            os.kill(early.process.pid, signal.SIGKILL)
        (pid,) = early.loop.run(recorded(tmp_path / "steps.db", early))
        assert (pid == early.process.pid) is not killed
    assert engines() == []


def test_it_ends_with_a_run_that_never_begins() -> None:
    with Early():
        assert len(engines()) == 1
    assert engines() == []
