"""Bad input and faults: a clear message, nothing lost."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.errors import Broken, Invalid, NotFound, QuarterdeckError

Fleet = Any
Until = Callable[..., Any]


def run_cli(fleet: Fleet, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "quarterdeck", "--home", str(fleet.paths.home), *words],
        env={**os.environ, **environ},
        cwd=fleet.workspace,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# -- what a person may get wrong


def test_unknown_profile_names_the_known_ones(fleet: Fleet) -> None:
    with pytest.raises(Invalid, match="shel") as caught:
        fleet.start("x", [], profile="shel")
    assert "shell" in caught.value.hint


def test_command_not_found_leaves_nothing(fleet: Fleet) -> None:
    with pytest.raises(NotFound, match="no-such-command-here"):
        fleet.start("x", ["no-such-command-here"])
    assert fleet.request("GET", "/v1/agents") == []
    assert list(fleet.paths.agents.iterdir()) == []
    assert fleet.request("GET", "/v1/trash") == []


def test_workspace_that_does_not_exist(fleet: Fleet) -> None:
    with pytest.raises(NotFound, match="does not exist"):
        fleet.start("x", ["true"], workspace=str(fleet.home / "nowhere"))


def test_an_untrusted_workspace_does_not_redefine_a_profile(fleet: Fleet) -> None:
    folder = fleet.workspace / ".quarterdeck" / "profiles"
    folder.mkdir(parents=True)
    (folder / "shell.toml").write_text('title = "Not the shell"\nargv = ["sh", "-c", "echo stranger; sleep 1000"]\n')
    before = fleet.start("before", [], profile="shell")
    assert "stranger" not in " ".join(before["argv"])
    brought = fleet.request("GET", f"/v1/trust?workspace={fleet.workspace}")
    assert any("shell" in line for line in brought["changes"])
    fleet.request("POST", "/v1/trust", {"workspace": str(fleet.workspace), "hash": brought["hash"]})
    after = fleet.start("after", [], profile="shell")
    assert "stranger" in " ".join(after["argv"])


def test_impossible_sizes_are_clamped(fleet: Fleet, until: Until) -> None:
    fleet.start("sh", ["sh", "-c", "trap 'stty size' WINCH; echo ready; while :; do read x; done"])
    until(lambda: "ready" in fleet.screen("sh"), "it is ready")
    for cols, lines, wanted in ((0, 0, (1, 1)), (1000, 1000, (500, 300)), (80, 24, (80, 24))):
        agent = fleet.request("POST", "/v1/agents/sh/resize", {"cols": cols, "lines": lines})
        assert (agent["cols"], agent["lines"]) == wanted


# -- what lies in the way


def test_a_socket_left_by_a_dead_process(fleet: Fleet) -> None:
    fleet.paths.prepare()
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(fleet.paths.socket))
    left.close()
    fleet.paths.lock.write_text(json.dumps({"pid": os.getpid(), "started": 1, "boot": "another", "version": "0"}))
    assert fleet.request("GET", "/v1/agents") == []


def test_a_state_folder_whose_path_is_too_long_for_a_socket(fleet: Fleet, until: Until) -> None:
    deep = type(fleet)(_folder(fleet.home / ("d" * 60) / ("e" * 60)))
    assert len(str(deep.paths.home / "run" / "api.sock")) > 100
    try:
        deep.start("sh", ["sh", "-c", "echo deep; exec cat"])
        until(lambda: "deep" in deep.screen("sh"), "it runs")
    finally:
        deep.client.stop(agents=True)
        shutil.rmtree(deep.paths.run, ignore_errors=True)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a folder of somebody else's")
def test_a_state_folder_of_somebody_else(fleet: Fleet) -> None:
    fleet.paths.home.mkdir()
    os.chown(fleet.paths.home, 12345, 12345)
    told = run_cli(fleet, "ls")
    assert told.returncode == Broken.exit_code
    assert "belongs to another user" in told.stderr
    assert "QUARTERDECK_HOME" in told.stderr
    os.chown(fleet.paths.home, 0, 0)


def test_a_state_folder_from_a_newer_version(fleet: Fleet, until: Until) -> None:
    fleet.start("sh", ["sh", "-c", "echo ready; exec cat"])
    fleet.client.stop()
    schema = _sqlite(fleet, "PRAGMA user_version")
    _sqlite(fleet, "PRAGMA user_version = 9999")
    told = run_cli(fleet, "ls")
    assert told.returncode == Broken.exit_code
    assert "newer" in told.stderr
    _sqlite(fleet, f"PRAGMA user_version = {schema}")
    assert [a["status"] for a in fleet.request("GET", "/v1/agents")] == ["running"]


def test_a_damaged_database_is_mended_and_the_agents_are_found_again(fleet: Fleet, until: Until) -> None:
    pid = fleet.start("sh", ["sh", "-c", "echo ready; exec cat"])["pid"]
    until(lambda: "ready" in fleet.screen("sh"), "it is ready")
    fleet.client.stop()
    for name in ("state.db-wal", "state.db-shm"):
        (fleet.paths.home / name).unlink(missing_ok=True)
    data = bytearray(fleet.paths.database.read_bytes())
    for at in range(4096, len(data), 512):
        data[at : at + 256] = b"\xff" * 256
    fleet.paths.database.write_bytes(data)
    told = run_cli(fleet, "ls")
    assert told.returncode == Broken.exit_code, told
    assert "doctor --mend" in told.stderr
    mended = run_cli(fleet, "doctor", "--mend")
    assert mended.returncode == 0, mended
    agent = fleet.agent("sh")
    assert (agent["pid"], agent["status"]) == (pid, "running")
    assert "ready" in fleet.screen("sh")
    assert list(fleet.paths.home.glob("*damaged*")) or list(fleet.paths.backups.glob("*damaged*")), (
        "the old file is kept"
    )


def test_corrupt_journal_index_and_snapshot(fleet: Fleet, until: Until) -> None:
    """Each damage by itself: the agent runs on, the screen comes back as far as there are bytes."""
    fleet.printer("p", 300, 0.0, "--echo")
    until(lambda: "line 000300" in fleet.screen("p"), "all is printed")
    fleet.client.stop()
    journal = next((fleet.paths.agents).glob("*/journal"))
    index = sorted(journal.glob("*.idx"))[0]
    good = index.read_bytes()
    index.write_bytes(good[:112] + b"\xaa" * 56 + good[168:])
    _sqlite(fleet, "UPDATE snapshots SET state = x'00112233'")
    shutil.rmtree(journal.parent / "history", ignore_errors=True)
    fleet.request("POST", "/v1/agents/p/input", {"text": "a", "enter": False})
    until(lambda: "61" in fleet.screen("p"), "it answers")
    assert fleet.agent("p")["status"] == "running"
    assert "line 000300" in fleet.screen("p")


# -- programs that behave badly


@pytest.mark.parametrize(
    ("name", "script"),
    [
        ("no newline", "import sys; sys.stdout.write('x' * 3_000_000)"),
        ("invalid utf-8", "import os; os.write(1, bytes(range(128, 256)) * 20_000)"),
        ("endless sequence", "import os; os.write(1, b'\\x1b]0;' + b'a' * 2_000_000)"),
        ("endless csi", "import os; os.write(1, b'\\x1b[' + b'1;' * 500_000)"),
        (
            "hostile title",
            "import os; os.write(1, b'\\x1b]2;[red]\\xe2\\x80\\xaeevil\\x1b[31m\\x07' + b'\\x07' * 1000)",
        ),
        ("hostile link", "import os; os.write(1, b'\\x1b]8;;javascript:alert(1)\\x1b\\\\link\\x1b]8;;\\x1b\\\\')"),
    ],
)
def test_a_program_that_prints_garbage(fleet: Fleet, until: Until, name: str, script: str) -> None:
    end = "; import os; os.write(1, b'\\x1b\\\\\\x18\\r\\nstill here\\r\\n')"
    fleet.start("bad", [sys.executable, "-c", script + end])
    until(lambda: fleet.agent("bad")["status"] == "exited", f"{name}: it ends")
    until(lambda: "still here" in fleet.screen("bad"), f"{name}: all is drawn")
    assert fleet.screen("bad", "ansi") == fleet.fresh_screen("bad")
    shown = run_cli(fleet, "ls", "--all").stdout
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_a_grandchild_that_keeps_the_terminal(fleet: Fleet, until: Until) -> None:
    fleet.start("parent", ["sh", "-c", "(trap '' HUP; sleep 1000) & echo started; exit 5"])
    until(lambda: fleet.agent("parent")["status"] == "exited", "its end is told although the terminal is still open")
    assert fleet.agent("parent")["exit_code"] == 5
    assert "started" in fleet.screen("parent")
    for pid in fleet.left():
        if fleet.command_of(pid).startswith("sleep 1000"):
            os.kill(pid, signal.SIGKILL)


def test_a_vanished_journal_folder_does_not_harm_the_agent(fleet: Fleet, until: Until) -> None:
    pid = fleet.start("cat", ["sh", "-c", "stty -echo; echo ready; exec cat"])["pid"]
    until(lambda: "ready" in fleet.screen("cat"), "it is ready")
    shutil.rmtree(fleet.folder("cat") / "journal")
    fleet.request("POST", "/v1/agents/cat/input", {"text": "after all", "enter": True})
    until(lambda: "after all" in fleet.screen("cat"), "it answers")
    assert fleet.agent("cat")["pid"] == pid


# -- the disk fills up and empties again


@pytest.fixture
def small_disk(fleet: Fleet) -> Iterator[Path]:
    """The state folder on a file system of 24 MB of its own."""
    fleet.paths.home.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=24m,mode=700", "tmpfs", str(fleet.paths.home)]
    if os.getuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small file system cannot be mounted here")
    yield fleet.paths.home
    fleet.client.stop(agents=True)
    subprocess.run(["umount", "--lazy", str(fleet.paths.home)], check=True)


def test_a_full_disk(fleet: Fleet, until: Until, small_disk: Path) -> None:
    """Screens stay right while nothing can be recorded; recording goes on by itself when there is room again."""
    pid = fleet.start("cat", ["sh", "-c", "stty -echo; echo ready; exec cat"])["pid"]
    until(lambda: "ready" in fleet.screen("cat"), "it is ready")
    filler = small_disk / "filler"
    _fill(filler, 65536)
    _fill(filler, 64)
    for number in range(50):
        _try(lambda n=number: fleet.request("POST", "/v1/agents/cat/input", {"text": f"full {n:03d}", "enter": True}))
    until(lambda: "full 049" in fleet.screen("cat"), "the screen is right although the disk is full")
    filler.unlink()
    fleet.request("POST", "/v1/agents/cat/input", {"text": "room again", "enter": True})
    until(lambda: "room again" in fleet.screen("cat"), "it goes on")
    until(lambda: b"room again" in fleet.journal("cat")[0], "it is recorded again")
    assert fleet.agent("cat")["pid"] == pid
    fleet.request("PATCH", "/v1/agents/cat", {"name": "renamed"})
    fleet.kill_orchestrator()
    assert fleet.agent("renamed")["pid"] == pid
    data, gaps = fleet.journal("renamed")
    assert data.endswith(b"room again\r\n")
    printed = b"ready\r\n" + b"".join(b"full %03d\r\n" % n for n in range(50)) + b"room again\r\n"
    assert len(data) + sum(gap.end - gap.start for gap in gaps) == len(printed)


def _fill(file: Path, piece: int) -> None:
    """Write until the disk is full."""
    with file.open("ab", buffering=0) as opened, contextlib.suppress(OSError):
        while opened.write(b"\0" * piece):
            pass


def _try(work: Callable[[], Any]) -> None:
    try:
        work()
    except QuarterdeckError as error:
        assert error.message  # noqa: PT017  any refusal must say why


def _folder(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


def _sqlite(fleet: Fleet, statement: str) -> int:
    """Run one statement; the number it gives, if any."""
    import sqlite3

    with sqlite3.connect(fleet.paths.database) as database:
        found = database.execute(statement).fetchone()
    database.close()
    return int(found[0]) if found else 0
