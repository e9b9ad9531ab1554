import asyncio
import os
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from quarterdeck.clock import SystemClock
from quarterdeck.database import Database
from quarterdeck.paths import boot_id
from sessions.database import place

HOLD_LOCK = """
import sys, time
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from quarterdeck.lock import Lock
from quarterdeck.paths import Paths
lock = Lock.take(Paths(Path(sys.argv[1])).lock)
print("held", flush=True)
sys.stdin.read()
"""


async def make_database(paths):
    paths.prepare()
    database = await Database.open(place(paths), SystemClock())
    try:
        await database.back_up()
    finally:
        await database.aclose()


@pytest.fixture
def stored(cold):
    """A state folder with a database and a backup of it, that nobody uses."""
    asyncio.run(make_database(cold.paths))
    return cold


@pytest.fixture
def holder(stored):
    """A process that holds the orchestrator's lock and answers nobody."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD_LOCK, str(stored.home), root],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.communicate()


def checks(cold, code=0, *options):
    said = cold.json("doctor", *options, code=code)
    assert said["healthy"] is (code == 0)
    return {check["name"]: check for check in said["checks"]}


def damage(path):
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 8192)


def test_before_anything_was_used(cold):
    found = checks(cold)
    assert found["state folder"]["level"] == "ok"
    assert {"python", "packages", "tmux", "terminals", "disk space", "disk kind"} <= set(found)
    assert not cold.home.exists()


def test_a_healthy_folder(stored):
    found = checks(stored)
    assert all(
        check["level"] in ("ok", "note") for check in found.values() if check["name"] not in ("logout", "tmux")
    ), found
    assert "no orchestrator runs" in found["process"]["text"]
    assert found["backups"]["text"].startswith("1, ")


def test_every_problem_names_what_mends_it(stored):
    damage(stored.paths.database)
    for check in checks(stored, 1).values():
        assert check["mend"] or check["level"] in ("ok", "note"), check


def test_people_get_lines(stored):
    damage(stored.paths.database)
    done = stored.run("doctor", code=1)
    assert "mend: quarterdeck doctor --mend" in done.stdout
    assert "\x1b" not in done.stdout


def test_a_damaged_database_is_mended_from_its_backup(stored):
    damage(stored.paths.database)
    assert checks(stored, 1)["database"]["mend"] == "quarterdeck doctor --mend"
    done = stored.json("doctor", "--mend")
    assert any("took its place" in line for line in done["mended"])
    assert checks(stored)["database"]["level"] == "ok"
    assert list(stored.paths.backups.glob("damaged-*/state.db"))


def test_a_file_that_is_no_database(stored):
    stored.paths.database.write_text("not a database at all" * 100)
    assert checks(stored, 1)["database"]["level"] == "problem"


def test_nothing_is_mended_under_a_running_orchestrator(stored, holder):
    damage(stored.paths.database)
    before = stored.paths.database.read_bytes()
    done = stored.run("doctor", "--mend", code=4)
    assert "nothing was changed" in done.stderr
    assert stored.paths.database.read_bytes() == before


def test_a_newer_schema(stored):
    with closing(sqlite3.connect(stored.paths.database)) as database:
        database.execute("PRAGMA user_version=9999")
    found = checks(stored, 1)["database"]
    assert "newer" in found["text"]
    assert found["mend"] == "upgrade quarterdeck"


def test_permissions_are_seen_and_mended(stored):
    stored.home.chmod(0o755)
    stored.paths.database.chmod(0o644)
    found = checks(stored)
    assert found["state folder"]["mend"] == f"chmod 700 {stored.home}"
    assert found["permissions"]["level"] == "warning"
    assert len(stored.json("doctor", "--mend")["mended"]) == 2
    found = checks(stored)
    assert found["state folder"]["level"] == found["permissions"]["level"] == "ok"
    assert stored.paths.database.stat().st_mode & 0o777 == 0o600


def test_the_socket_of_a_dead_holder_is_seen_and_removed(stored):
    path = stored.paths.holder_socket("abcdefghjk")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    assert checks(stored)["left over"]["mend"] == "quarterdeck doctor --mend"
    stored.run("doctor", "--mend")
    assert not path.exists()
    assert "left over" not in checks(stored)


def test_a_halted_orchestrator(stored, holder):
    holder.send_signal(19)
    os.waitid(os.P_PID, holder.pid, os.WSTOPPED | os.WNOWAIT)
    found = checks(stored, 1)
    assert found["process"]["mend"] == f"kill -CONT {holder.pid}"
    holder.send_signal(18)


def test_an_orchestrator_that_does_not_answer(stored, holder):
    assert checks(stored, 1)["orchestrator"]["level"] == "problem"


def test_an_explicit_stop_is_told(stored):
    (stored.paths.run / "stopped").write_text(boot_id())
    assert "was stopped" in checks(stored)["process"]["text"]


def test_a_state_folder_that_is_a_file(cold):
    cold.home.write_text("x")
    assert checks(cold, 1)["state folder"]["level"] == "problem"


def test_missing_programs_are_named(stored, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    done = stored.run("doctor", env={"PATH": str(empty)})
    assert "apt install tmux" in done.stdout
    assert "apt install git" in done.stdout


def test_a_crash_of_the_interpreter_is_told(stored):
    stored.paths.log.with_suffix(".err").write_text("Fatal Python error: Segmentation fault\n")
    assert checks(stored)["crashes"]["level"] == "warning"
