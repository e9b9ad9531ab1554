from __future__ import annotations

import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from quarterdeck.backups import backups, migrations, newest_good_backup
from quarterdeck.clock import ManualClock
from quarterdeck.database import Database
from quarterdeck.errors import Broken
from quarterdeck.paths import Paths
from sessions.database import APPLICATION_ID, MIGRATIONS, mend, place
from sessions.model import Agent, Restore, Session, Status, Worktree
from sessions.store import Change, Store
from terminals.snapshot import Snapshot

SCHEMAS = Path(__file__).parent / "schemas"


def schema(path: Path) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute(
            "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql NOT NULL ORDER BY name"
        ).fetchall()
        return [(*row[:3], " ".join(row[3].split())) for row in rows]


async def test_a_blank_folder_gets_the_newest_schema(paths: Paths, clock: ManualClock) -> None:
    async with Store.open(paths, clock) as store:
        await store.append("tick")
        for suffix in ("", "-wal", "-shm"):
            assert stat.S_IMODE((paths.home / f"state.db{suffix}").stat().st_mode) == 0o600
        assert stat.S_IMODE((paths.home / "ballast").stat().st_mode) == 0o600
    with closing(sqlite3.connect(paths.database)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(migrations(MIGRATIONS)),)
        assert db.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        tables = db.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        ).fetchall()
        strict = db.execute("SELECT name, strict FROM pragma_table_list WHERE schema = 'main'").fetchall()
        assert all(dict(strict)[name] for (name,) in tables)
    assert backups(place(paths)) == []


async def test_the_connection_is_set_up_as_promised(paths: Paths, clock: ManualClock) -> None:
    database = await Database.open(place(paths), clock)
    try:
        ask = lambda name: lambda db: db.execute(f"PRAGMA {name}").fetchone()[0]  # noqa: E731
        assert await database.read(ask("journal_mode")) == "wal"
        assert await database.read(ask("synchronous")) == 1
        assert await database.read(ask("foreign_keys")) == 1
        assert await database.write(ask("synchronous")) == 1
        assert await database.write(ask("synchronous"), durable=True) == 2
        assert await database.read(ask("synchronous")) == 1
        with pytest.raises(ZeroDivisionError):
            await database.write(lambda db: 1 // 0, durable=True)
        assert await database.read(ask("synchronous")) == 1
        assert await database.read(lambda db: db.in_transaction) is False
    finally:
        await database.aclose()


async def test_a_second_opening_leaves_the_locks_of_the_first(paths: Paths, clock: ManualClock) -> None:
    """Else the last of another process's connections would take away the log that is in use here."""
    visit = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]);"
        "print(db.execute(sys.argv[2]).fetchone()[0]); db.close()"
    )

    def elsewhere(question: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", visit, paths.database, question],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return done.stdout.strip()

    first = await Database.open(place(paths), clock)
    try:
        await first.write(lambda db: db.execute("CREATE TABLE kept (n INTEGER) STRICT"))
        second = await Database.open(place(paths), clock)
        assert elsewhere("SELECT count(*) FROM kept") == "0"
        assert paths.database.with_name("state.db-wal").exists()
        await first.write(lambda db: db.execute("INSERT INTO kept VALUES (1)"))
        assert elsewhere("SELECT count(*) FROM kept") == "1"
        await second.aclose()
        assert elsewhere("SELECT count(*) FROM kept") == "1"
    finally:
        await first.aclose()


def test_migrations_hold_no_transactions_of_their_own() -> None:
    for step in migrations(MIGRATIONS):
        words = step.sql.upper().split()
        assert not {"BEGIN", "COMMIT", "COMMIT;", "ROLLBACK", "PRAGMA"} & set(words), step.name


@pytest.mark.parametrize("dump", sorted(SCHEMAS.glob("v*.sql")), ids=lambda path: path.stem)
async def test_every_earlier_schema_comes_up_to_date_with_its_data(
    paths: Paths, clock: ManualClock, tmp_path: Path, dump: Path
) -> None:
    with closing(sqlite3.connect(paths.database)) as db:
        db.executescript(dump.read_text())
    blank = Paths(tmp_path / "blank")
    blank.prepare()
    async with Store.open(blank, clock):
        pass
    async with Store.open(paths, clock) as store:
        (session,) = await store.sessions()
        (agent,) = await store.agents()
        assert session == Session(
            id="s222222222", name="shop", workspace="/home/ann/shop", layout="grid", goal=session.goal, created_ns=5
        )
        told = ("a shop that stays up", ("api", "needs-review")) if dump.stem >= "v0003" else ("", ())
        assert (session.goal, agent.tags) == told
        assert (agent.name, agent.status, agent.restore, agent.exit_code) == ("api", Status.LOST, Restore.AUTO, -9)
        assert agent.argv == ("claude", "--model", "opus")
        assert agent.worktree == Worktree(path="/w", branch="b", repository="/r", base="c0")
        assert agent.environ == {"PATH": "/bin", "GITHUB_TOKEN": None}
        snapshot = await store.snapshot(agent.id)
        assert snapshot == Snapshot(offset=7, cols=80, lines=24, emulator="e 1", state=b"state", rendering=b"vt")
        assert [event.kind for event in await store.events(0)] == ["session.created", "agent.created"]
        assert (await store.trusted("/home/ann/shop"), await store.meta("boot_id")) == ("h1", "b1")
        assert [row.action for row in await store.audited()] == ["agent.create"]
        assert (await store.append("tick")).cursor == 3
    assert schema(paths.database) == schema(blank.database)


@pytest.fixture
def grown(tmp_path: Path) -> Path:
    """The migrations and one more."""
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder)
    number = len(migrations(MIGRATIONS)) + 1
    (folder / f"{number:04}_colours.sql").write_text(
        "CREATE TABLE colours (agent TEXT NOT NULL REFERENCES agents (id), name TEXT NOT NULL) STRICT;\n"
        "INSERT INTO colours SELECT id, 'red' FROM agents;\n"
    )
    return folder


async def test_a_migration_is_preceded_by_a_backup_of_what_was(
    paths: Paths, clock: ManualClock, grown: Path, session: Session, make_agent: Callable[..., Agent]
) -> None:
    async with Store.open(paths, clock) as store:
        await store.save(session=session, agent=make_agent(), event=("x", {}))
    async with Store.open(paths, clock, migrations=grown) as store:
        assert len(await store.agents()) == 1
    with closing(sqlite3.connect(paths.database)) as db:
        assert db.execute("SELECT name FROM colours").fetchall() == [("red",)]
    (backup,) = backups(place(paths))
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert backup.name.endswith(f"-v{len(migrations(MIGRATIONS))}.db")
    with closing(sqlite3.connect(backup)) as db:
        assert db.execute("SELECT count(*) FROM agents").fetchone() == (1,)
        assert db.execute("PRAGMA user_version").fetchone() == (len(migrations(MIGRATIONS)),)
    assert {path.name for path in paths.backups.iterdir()} == {backup.name}


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("CREATE TABLE t (x TEXT) STRICT;\nINSERT INTO nowhere VALUES (1);", "no such table: nowhere"),
        ("DELETE FROM sessions;", "refer to missing rows"),
    ],
)
async def test_a_migration_that_fails_changes_nothing(
    paths: Paths,
    clock: ManualClock,
    grown: Path,
    session: Session,
    make_agent: Callable[..., Agent],
    sql: str,
    told: str,
) -> None:
    async with Store.open(paths, clock) as store:
        await store.save(session=session, agent=make_agent(), event=("x", {}))
    before = schema(paths.database)
    sorted(grown.glob("*.sql"))[-1].write_text(sql)
    with pytest.raises(Broken, match=told) as caught:
        async with Store.open(paths, clock, migrations=grown):
            pass
    assert "nothing was changed" in caught.value.message
    assert schema(paths.database) == before
    async with Store.open(paths, clock) as store:
        assert await store.sessions() == [session]


async def test_a_newer_schema_is_refused_and_left_alone(paths: Paths, clock: ManualClock, grown: Path) -> None:
    async with Store.open(paths, clock, migrations=grown):
        pass
    before = paths.database.read_bytes()
    with pytest.raises(Broken, match=r"newer Quarterdeck \(schema \d+, this one knows \d+\)") as caught:
        async with Store.open(paths, clock):
            pass
    assert caught.value.hint.startswith("upgrade")
    assert paths.database.read_bytes() == before


async def test_a_database_of_something_else_is_refused(paths: Paths, clock: ManualClock) -> None:
    with closing(sqlite3.connect(paths.database)) as db:
        db.execute("CREATE TABLE theirs (x)")
        db.commit()
    before = paths.database.read_bytes()
    with pytest.raises(Broken, match="not a Quarterdeck database"):
        async with Store.open(paths, clock):
            pass
    assert paths.database.read_bytes() == before


async def test_a_folder_in_its_place_is_named(paths: Paths, clock: ManualClock) -> None:
    paths.database.mkdir()
    with pytest.raises(Broken, match=r"cannot open .*state\.db"):
        async with Store.open(paths, clock):
            pass


# backups


async def test_a_backup_a_day_and_seven_are_kept(paths: Paths, clock: ManualClock) -> None:
    async with Store.open(paths, clock) as store:
        await store.append("tick")
        (paths.backups / "state-20200101T000000Z-v1.part").write_bytes(b"torn by a kill")
        await store.maintain()
        await store.maintain()
        assert len(backups(place(paths))) == len(list(paths.backups.iterdir())) == 1
        for _ in range(10):
            clock.advance(24 * 3600)
            await store.append("tick")
            await store.maintain()
        kept = backups(place(paths))
    assert len(kept) == place(paths).backups_kept
    with closing(sqlite3.connect(kept[0])) as db:
        assert db.execute("SELECT count(*) FROM events").fetchone() == (11,)
    with closing(sqlite3.connect(kept[-1])) as db:
        assert db.execute("SELECT count(*) FROM events").fetchone() == (5,)


async def test_a_backup_that_cannot_be_written_is_told_and_harms_nothing(paths: Paths, clock: ManualClock) -> None:
    async with Store.open(paths, clock) as store:
        await store.append("tick")
        shutil.rmtree(paths.backups)
        with pytest.raises(Broken, match="no backup could be written"):
            await store.back_up()
        await store.append("tick")
        assert store.newest == 2


# damage


def spoil(path: Path, how: str) -> None:
    data = bytearray(path.read_bytes())
    if how == "header":
        data[:16] = b"not a database!!"
    elif how == "pages":
        data[4096 * 2 : 4096 * 6] = random.Random(1).randbytes(4096 * 4)
    elif how == "cut":
        del data[len(data) // 2 :]
    elif how == "rubbish":
        data[:] = random.Random(2).randbytes(len(data))
    path.write_bytes(data)


@pytest.mark.parametrize("how", ["header", "pages", "cut", "rubbish"])
async def test_damage_names_the_newest_good_backup_and_mending_goes_on_from_it(
    paths: Paths, clock: ManualClock, session: Session, make_agent: Callable[..., Agent], how: str
) -> None:
    async with Store.open(paths, clock) as store:
        await store.save(session=session, agent=make_agent(), event=("x", {}))
        good = await store.back_up()
        clock.advance(3600)
        await store.save(agent=make_agent("late"), event=("x", {}))
        bad = await store.back_up()
        clock.advance(3600)
    bad.write_bytes(b"SQLite format 3\0" + bytes(5000))
    spoil(paths.database, how)
    damaged = paths.database.read_bytes()

    with pytest.raises(Broken, match="is damaged") as caught:
        async with Store.open(paths, clock):
            pass
    assert caught.value.fields["backup"] == str(good)
    assert str(good) in caught.value.message
    assert "quarterdeck doctor --mend" in caught.value.hint
    assert paths.database.read_bytes() == damaged

    mended = mend(paths, clock)
    assert mended.backup == good
    assert (mended.aside / "state.db").read_bytes() == damaged
    async with Store.open(paths, clock) as store:
        assert await store.sessions() == [session]
        assert [agent.name for agent in await store.agents()] == ["api"]
        event = await store.append("deck.started")
        assert event.cursor > 1_000_000  # a client that saw later events cannot take these for them
    assert stat.S_IMODE(paths.database.stat().st_mode) == 0o600


async def test_damage_without_a_backup_begins_anew(paths: Paths, clock: ManualClock) -> None:
    paths.database.write_bytes(b"rubbish" * 1000)
    with pytest.raises(Broken, match="no usable backup was found") as caught:
        async with Store.open(paths, clock):
            pass
    assert caught.value.fields["backup"] == ""
    assert mend(paths, clock).backup is None
    async with Store.open(paths, clock) as store:
        assert await store.sessions() == []


async def test_damage_that_is_met_later_is_told_the_same_way(
    paths: Paths, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quarterdeck.database.CHECK_AT_OPEN", 0)  # as with a very large file
    async with Store.open(paths, clock) as store:
        await store.save_all([Change(kind="tick", data={"pad": "x" * 500}) for _ in range(2000)])
        good = await store.back_up()
    data = bytearray(paths.database.read_bytes())
    data[4096 * 150 : 4096 * 160] = bytes(4096 * 10)
    paths.database.write_bytes(data)
    async with Store.open(paths, clock) as store:
        with pytest.raises(Broken, match="is damaged") as caught:
            await store.maintain()
        assert caught.value.fields["backup"] == str(good)
        with pytest.raises(Broken, match="is damaged"):
            await store.events(0, limit=5000)
    assert newest_good_backup(place(paths)) == good


async def test_a_log_cut_anywhere_opens_with_whole_transactions(
    paths: Paths, clock: ManualClock, tmp_path: Path
) -> None:
    async with Store.open(paths, clock) as store:
        for number in range(60):
            await store.save_all([Change(kind="tick", data={"n": number}) for _ in range(3)])
        log = (paths.home / "state.db-wal").read_bytes()
        whole = paths.database.read_bytes()
    chance = random.Random(7)
    for case in range(12):
        cut = Paths(tmp_path / f"cut{case}")
        cut.prepare()
        cut.database.write_bytes(whole)
        torn = bytearray(log[: chance.randrange(len(log))])
        if case % 2 and len(torn) > 64:
            torn[chance.randrange(32, len(torn))] ^= 0xFF
        (cut.home / "state.db-wal").write_bytes(torn)
        async with Store.open(cut, clock) as store:
            found = [(event.cursor, event.data["n"]) for event in await store.events(0)]
        assert len(found) % 3 == 0
        assert found == [(n + 1, n // 3) for n in range(len(found))]


# kill -9 and a full disk, each in a process of its own


@pytest.fixture
def writer(paths: Paths) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    script = Path(__file__).parents[1] / "support" / "store_writer.py"
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, script, paths.home], stdout=subprocess.PIPE)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()


async def test_killed_at_any_instant_nothing_acknowledged_is_lost(
    paths: Paths, clock: ManualClock, writer: Callable[[], subprocess.Popen[bytes]]
) -> None:
    chance = random.Random(11)
    told = 0
    for _ in range(8):
        process = writer()
        output = process.stdout
        assert output
        events: dict[str, int] = {}
        snapshots: dict[str, int] = {}
        for _ in range(chance.randrange(1, 600)):
            line = output.readline().split()
            if not line:
                break
            (events if line[0] == b"event" else snapshots)[line[1].decode()] = int(line[2])
        process.kill()
        rest = output.read()
        for text in rest.rpartition(b"\n")[0].splitlines():
            what, name, number = text.split()
            (events if what == b"event" else snapshots)[name.decode()] = int(number)
        told += len(events) + len(snapshots)
        async with Store.open(paths, clock) as store:
            found = {str(event.cursor): event.data["n"] for event in await store.events(0, limit=100_000)}
            assert list(found) == [str(n) for n in range(1, len(found) + 1)]
            for cursor, number in events.items():
                assert found[cursor] == number
            for agent, offset in snapshots.items():
                snapshot = await store.snapshot(agent)
                assert snapshot is not None
                assert snapshot.offset >= offset
                assert snapshot.state == str(snapshot.offset).encode() * 500
    assert told > 50


def test_a_full_disk_is_told_the_ballast_lets_a_commit_through_and_it_goes_on_by_itself(tmp_path: Path) -> None:
    script = Path(__file__).parents[1] / "support" / "full_disk.py"
    disk = tmp_path / "disk"
    disk.mkdir()
    inner = f'mount -t tmpfs -o size=24m none "{disk}" && exec "{sys.executable}" "{script}" "{disk}"'
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("a small disk needs unshare -rm, which is not allowed here")
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", inner], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.split() == ["ballast", "broken", "kept", "resumed", "ballast"]


async def test_a_bound_that_is_reached_stores_nothing_of_the_call(
    paths: Paths, clock: ManualClock, session: Session
) -> None:
    async with Store.open(paths, clock) as store:
        await store.save(session=session, event=("x", {}))
        database = store._database
        pages = await database.read(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
        await database.read(lambda db: db.execute(f"PRAGMA max_page_count={pages + 2}").fetchone())
        with pytest.raises(Broken, match="is full"):
            await store.save_all([Change(kind="x", data={"pad": "y" * 3000}) for _ in range(20)])
        assert store.full
        assert store.newest == 1
        assert not (paths.home / "ballast").exists()
        await database.read(lambda db: db.execute("PRAGMA max_page_count=1000000").fetchone())
        await store.append("tick")
        assert not store.full
        assert (paths.home / "ballast").exists()
        assert [event.cursor for event in await store.events(0)] == [1, 2]


def test_no_test_left_a_file_open() -> None:
    assert not [name for name in os.listdir("/proc/self/fd") if "state.db" in os.path.realpath(f"/proc/self/fd/{name}")]
