"""What is told when nothing can be remembered, and what then is kept."""

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from pipelines import dbos_engine
from pipelines.durable import open_durable
from pipelines.ports import Json
from quarterdeck.errors import Broken, Refused
from tests.support.engines import engines

RUN = "20260314-153059-4f1c2b"


async def one() -> Json:
    return 1


async def for_ever() -> Json:
    await asyncio.Event().wait()


async def record(where: Path, *keys: str, fresh: bool) -> None:
    async with open_durable(RUN, where, fresh=fresh) as durable:
        for key in keys:
            await durable.once(key, one)


async def told(where: Path) -> Broken:
    """The error of a run that is gone on with, which a fresh run's first step meets as well."""
    with pytest.raises(Broken) as caught:
        await record(where, fresh=False)
    with pytest.raises(Broken) as same:
        async with open_durable(RUN, where, fresh=True) as durable:
            await durable.once("a", for_ever)
    assert str(same.value) == str(caught.value)
    return caught.value


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file in which a run has recorded ``a``."""
    where = tmp_path_factory.mktemp("made") / "steps.db"
    asyncio.run(record(where, "a", fresh=True))
    return where


@pytest.fixture
def recorded(made: Path, tmp_path: Path) -> Path:
    """A copy of it, of the test's own."""
    return shutil.copyfile(made, tmp_path / "steps.db")


async def test_a_missing_package_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dbos", None)
    with pytest.raises(Broken) as caught:
        await record(tmp_path / "steps.db", "a", fresh=True)
    assert "pip install 'quarterdeck[pipelines]'" in caught.value.hint


@pytest.mark.parametrize("damage", ["text", "pages"])
async def test_a_damaged_file_is_told_and_left_as_it_is(recorded: Path, damage: str) -> None:
    where = recorded
    data = b"no database" * 1000 if damage == "text" else where.read_bytes()[:100] + os.urandom(40_000)
    where.write_bytes(data)
    error = await told(where)
    assert f"the record of run {RUN}, {where}, is damaged" in error.message
    assert "bundles are kept" in error.message
    assert where.read_bytes() == data


async def test_a_newer_file_is_told(recorded: Path) -> None:
    where = recorded
    with closing(sqlite3.connect(where)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (dbos_engine.SCHEMA,)
        db.execute("PRAGMA user_version = 7")
    error = await told(where)
    assert f"run {RUN} was carried out by a newer Quarterdeck (schema 7, this one knows 1)" in error.message
    assert "upgrade" in error.hint


async def test_a_database_of_something_else_is_left_alone(tmp_path: Path) -> None:
    where = tmp_path / "steps.db"
    with closing(sqlite3.connect(where)) as db:
        db.execute("CREATE TABLE theirs (x)")
    before = where.read_bytes()
    assert "is a database of something else" in (await told(where)).message
    assert where.read_bytes() == before


async def test_a_locked_file_is_told(recorded: Path) -> None:
    with closing(sqlite3.connect(recorded, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        with pytest.raises(Broken, match=r"another program holds .* locked; all that was recorded before is kept"):
            await record(recorded, fresh=False)


async def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    error = await told(tmp_path / "missing" / "steps.db")
    assert "cannot be recorded" in error.message
    assert "No such file or directory" in error.message


async def test_a_run_is_not_begun_twice(recorded: Path) -> None:
    with pytest.raises(Refused, match="was begun before; nothing was changed"):
        await record(recorded, "a", fresh=True)


async def test_two_processes_do_not_carry_out_one_run(recorded: Path) -> None:
    async with open_durable(RUN, recorded, fresh=False):
        with pytest.raises(Refused, match="goes on in another process"):
            await record(recorded, fresh=False)


@pytest.fixture
def small_disk() -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(prefix="qd-disk-", dir="/tmp"))
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", place], capture_output=True, check=False)
    if done.returncode:
        place.rmdir()
        pytest.skip("mounting a small tmpfs is not permitted here")
    yield place
    subprocess.run(["umount", place], check=True)
    place.rmdir()


async def test_a_full_disk_is_told_and_what_was_recorded_stays(small_disk: Path) -> None:
    where = small_disk / "steps.db"
    async with open_durable(RUN, where, fresh=True) as durable:
        await durable.once("a", one)
        (small_disk / "rest").write_bytes(bytes(shutil.disk_usage(small_disk).free))

        async def long() -> Json:
            return "x" * 200_000

        with pytest.raises(
            Broken, match=f"the disk that holds {where} is full; all that was recorded before"
        ) as caught:
            await durable.once("b", long)
        assert f"--resume {RUN}" in caught.value.hint
        (small_disk / "rest").unlink()
        assert await durable.once("b", one) == 1
    async with open_durable(RUN, where, fresh=False) as durable:
        assert await durable.finished() == {"a": 1, "b": 1}


async def test_it_prints_nothing_listens_nowhere_and_leaves_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    threads = threading.active_count()
    async with open_durable(RUN, tmp_path / "steps.db", fresh=True) as durable:
        await durable.once("a", one)
        (engine,) = engines()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            engine.send_signal(number)  # as to everybody in a job that is cancelled
        await durable.once("b", one)
        assert [one for one in engine.net_connections() if one.status == psutil.CONN_LISTEN] == []
    while threading.active_count() > threads:  # asyncio's own, which waited for the process
        await asyncio.sleep(0.01)
    assert engines() == []
    assert capfd.readouterr() == ("", "")
    assert sorted(path.name for path in tmp_path.iterdir() if path.stat().st_size) == ["steps.db", "steps.db-shm"]
    assert (tmp_path / "steps.db").stat().st_mode & 0o777 == 0o600


async def test_a_cancelled_run_leaves_no_engine(tmp_path: Path) -> None:
    async def run(fresh: bool) -> None:
        async with open_durable(RUN, tmp_path / "steps.db", fresh=fresh) as durable:
            await durable.once("a", for_ever)

    for fresh in (True, False):
        task = asyncio.create_task(run(fresh))
        while not engines():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert engines() == []


def test_surroundings_do_not_have_it_report_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables by which DBOS becomes a part of a cloud, or of another application, are not passed on."""
    for name, value in {"DBOS__CLOUD": "true", "DBOS__VMID": "other", "DBOS_CONDUCTOR_KEY": "x"}.items():
        monkeypatch.setenv(name, value)
    asyncio.run(record(tmp_path / "steps.db", "a", fresh=True))
    with closing(sqlite3.connect(tmp_path / "steps.db")) as db:
        assert db.execute("SELECT executor_id, application_version FROM workflow_status").fetchall() == [(RUN, "1")]


def test_what_a_library_wraps_is_found_and_its_advertisement_is_not_told() -> None:
    from sqlalchemy.exc import OperationalError

    def fault(code: int, where: str = "/tmp/steps.db") -> dict[str, str]:
        orig = sqlite3.OperationalError("disk trouble")
        orig.sqlite_errorcode = code
        outer = RuntimeError("remembering failed")
        outer.__cause__ = OperationalError("INSERT ...", {}, orig)
        return dbos_engine._fault(outer, where)

    assert fault(sqlite3.SQLITE_FULL) == {"fault": "full", "detail": "OperationalError: disk trouble"}
    assert fault(sqlite3.SQLITE_IOERR) == {"fault": "other", "detail": "OperationalError: disk trouble"}
    assert fault(sqlite3.SQLITE_IOERR, "/proc/steps.db")["fault"] == "full"  # where there is no room at all
