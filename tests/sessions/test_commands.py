from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from quarterdeck.process import identity
from sessions import commands
from sessions.commands import run

ENVIRON = {"PATH": os.environ["PATH"]}


async def gone(pid: int) -> None:
    async with asyncio.timeout(10):
        while identity(pid):
            await asyncio.sleep(0.01)


async def pid_in(file: Path) -> int:
    async with asyncio.timeout(10):
        while not file.exists() or not file.read_text().endswith("\n"):
            await asyncio.sleep(0.01)
    return int(file.read_text())


async def test_what_a_program_prints_and_how_it_ends(tmp_path: Path) -> None:
    ended = await run(["sh", "-c", "pwd; echo no >&2; exit 3"], cwd=tmp_path, environ=ENVIRON, seconds=30)
    assert ended == (3, f"{tmp_path}\n".encode(), b"no\n")
    ended = await run(["sh", "-c", "echo a; echo b >&2; cat"], cwd=tmp_path, environ=ENVIRON, seconds=30, merge=True)
    assert ended == (0, b"a\nb\n", b"")
    assert (await run(["sh", "-c", "kill -9 $$"], cwd=tmp_path, environ=ENVIRON, seconds=30)).code == -9
    with pytest.raises(FileNotFoundError):
        await run(["no-such-command-here"], cwd=tmp_path, environ=ENVIRON, seconds=30)


async def test_it_runs_in_the_environment_given_and_a_session_of_its_own(tmp_path: Path) -> None:
    code = "import os; print(sorted(os.environ), os.getsid(0) == os.getpid())"
    ended = await run([sys.executable, "-c", code], cwd=tmp_path, environ={"A": "1", "LC_CTYPE": "C"}, seconds=30)
    assert ended.out == b"['A', 'LC_CTYPE'] True\n"


async def test_one_that_takes_too_long_is_ended_with_all_it_started(tmp_path: Path) -> None:
    script = "sleep 600 & echo $! > child; wait"
    ended = await run(["sh", "-c", script], cwd=tmp_path, environ=ENVIRON, seconds=0.5)
    assert ended.code is None
    assert b"ended after" in ended.err
    await gone(await pid_in(tmp_path / "child"))


async def test_a_cancelled_caller_leaves_nothing_running(tmp_path: Path) -> None:
    script = "echo $$ > self; sleep 600 & echo $! > child; wait"
    task = asyncio.create_task(run(["sh", "-c", script], cwd=tmp_path, environ=ENVIRON, seconds=600))
    pids = [await pid_in(tmp_path / "self"), await pid_in(tmp_path / "child")]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for pid in pids:
        await gone(pid)


async def test_a_background_program_that_holds_the_output_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "LINGER_SECONDS", 0.05)
    ended = await run(["sh", "-c", "sleep 600 & echo $! > child; echo up"], cwd=tmp_path, environ=ENVIRON, seconds=600)
    assert (ended.code, ended.out) == (0, b"up\n")
    await gone(await pid_in(tmp_path / "child"))


async def test_endless_output_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "OUTPUT_LIMIT", 1 << 20)
    ended = await run(["yes"], cwd=tmp_path, environ=ENVIRON, seconds=600)
    assert ended.code is None
    assert len(ended.out) < 4 << 20
