"""The engine's own process: DBOS, which keeps what the steps of one run came to, in SQLite or PostgreSQL.

:mod:`pipelines.engine` starts this file by its path, one process for a run, and speaks with it over its standard input
and output: each message is four bytes of length and that much JSON. The first says which run and where; the answer
holds all that is remembered of it. Each further one is a key with a value, and is answered when that is committed.

One thing remembered is one DBOS workflow: its id is ``<run id>/<key>``, its argument the value, and it does nothing.
DBOS stores the arguments of a workflow in the one transaction that begins it, so that from then on the value is there,
and before it is not. Work itself is not done inside a workflow: DBOS would store its errors as results and begin
it again by itself at the next start, and neither is wanted. What DBOS recovers here is a workflow that does nothing.

It opens no port, logs to its standard error, and ends when its input does, as it does with ``kill -9`` of the run.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import gc
import hashlib
import json
import os
import queue
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

SCHEMA = 1
"""Of what is remembered, and the application version of DBOS; the next when an older Quarterdeck could not go on."""
NAME = "quarterdeck"
"""Of the application, and of the schema in a PostgreSQL database."""
WORKFLOW = "quarterdeck.remember"
APPLICATION_ID = 0x51446B52
"""Of the SQLite file; its user version is our schema."""
LOCK_SUFFIX = ".lock"
LOCK_PATIENCE = 3.0
"""Seconds; the engine of a run that was killed ends sooner, unless its database hangs."""
AWAY_SECONDS = 60.0
"""How long a PostgreSQL server may be away, or a network to it."""
BUSY_SECONDS = 2.0
ROOM = 1 << 16
"""Bytes; SQLite cannot begin a write-ahead log and its index on a disk with less."""
LAST_SECONDS = 10.0
"""How long a commit may still take after the run has ended."""


class Fault(Exception):
    """Why nothing can be remembered: a ``kind`` that :mod:`pipelines.engine` has words for, and details."""

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(detail)
        self.kind = kind


class _Locked(sqlite3.Connection):
    """What DBOS writes to: a kill loses nothing, a power cut the last transactions, as in our other databases."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.execute("PRAGMA synchronous=NORMAL")


class Memory:
    """The memory of one run: DBOS, launched for it."""

    def __init__(self, run_id: str, where: str, check: Callable[[], None]) -> None:
        """``where`` is a URL; ``check`` raises :class:`Fault` where somebody else carries the run out meanwhile."""
        import dbos

        self._dbos = dbos.DBOS
        self._with_id = dbos.SetWorkflowID
        self._run_id = run_id
        self._check = check

        class Plain(dbos.Serializer):
            """Plain JSON: DBOS would pickle, and who can write the database could run code."""

            def serialize(self, data: Any) -> str:
                return json.dumps({"error": repr(data)} if isinstance(data, BaseException) else data)

            def deserialize(cls, serialized_data: str) -> Any:  # noqa: N805  as the base class has it
                return json.loads(serialized_data)

            def name(self) -> str:
                return "quarterdeck_json"

        def remember(value: Any) -> None:
            """Do nothing: beginning it has stored the value."""

        arguments = {"factory": _Locked} if where.startswith("sqlite") else {}
        self._dbos(
            config={
                "name": NAME,
                "system_database_url": where,
                "dbos_system_schema": NAME,
                "executor_id": run_id,
                "application_version": str(SCHEMA),
                "serializer": Plain(),
                "db_engine_kwargs": {"connect_args": arguments},
                "sys_db_pool_size": 5,
                "use_listen_notify": False,
                "enable_otlp": False,
                "log_level": "WARNING",
            }
        )
        self._remember = self._dbos.workflow(name=WORKFLOW)(remember)
        self._dbos.launch()

    def known(self) -> dict[str, Any]:
        """All values by key. Raises :class:`Fault` for what a newer Quarterdeck has remembered."""
        self._check()
        prefix = f"{self._run_id}/"
        found = self._dbos.list_workflows(workflow_id_prefix=prefix, name=WORKFLOW, load_input=True, load_output=False)
        newest = max((int(one.app_version or 0) for one in found), default=0)
        if newest > SCHEMA:
            raise Fault("newer", f"schema {newest}, this one knows {SCHEMA}")
        values: dict[str, Any] = {}
        for one in found:
            if not isinstance(one.input, dict) or not one.workflow_id.startswith(prefix):
                raise Fault("damaged", f"no value is stored for {one.workflow_id}")
            values[one.workflow_id.removeprefix(prefix)] = one.input["args"][0]
        return values

    def remember(self, key: str, value: Any) -> None:
        """Commit it. What is remembered under ``key`` already stays."""
        self._check()
        with self._with_id(f"{self._run_id}/{key}"):
            self._remember(value)


def serve(asked: Iterator[Any], answer: Callable[[Any], None]) -> None:
    """Answer what is asked until there is nothing more. The first message opens the memory."""
    first = next(asked, None)
    if first is None:
        return
    run_id, where, fresh = first["run_id"], first["where"], first["fresh"]
    try:
        check = _there(where, run_id) if "://" in where else _here(where)
        memory = Memory(run_id, where if "://" in where else _url(where), check)
        known = memory.known()
        if fresh and known:
            raise Fault("begun")
    except Exception as error:  # noqa: BLE001  whatever it is, a person is told
        answer(_fault(error, where))
        return
    answer({"known": known})
    for one in asked:
        try:
            memory.remember(one["key"], one["value"])
        except Exception as error:  # noqa: BLE001
            answer(_fault(error, where))
        else:
            answer({})
    if "://" not in where:
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(where)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # the one file holds everything


# one engine for a run


def _here(path: str) -> Callable[[], None]:
    """Hold the file for this process, and see that it is sound and can be written."""
    handle = os.open(path + LOCK_SUFFIX, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    _patiently(lambda: _locked(handle))
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    with contextlib.closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as db:
        mark, schema = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
        if mark != APPLICATION_ID and (mark or db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]):
            raise Fault("foreign")
        if schema > SCHEMA:
            raise Fault("newer", f"schema {schema}, this one knows {SCHEMA}")
        if (mode := db.execute("PRAGMA journal_mode=WAL").fetchone()[0]) != "wal":
            raise Fault("place", f"journal mode {mode}")
        if (said := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise Fault("damaged", said)
        db.execute("BEGIN IMMEDIATE")
        db.execute(f"PRAGMA application_id={APPLICATION_ID}")
        db.execute(f"PRAGMA user_version={SCHEMA}")
        db.execute("COMMIT")
    return lambda: None


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _there(url: str, run_id: str) -> Callable[[], None]:
    """Hold the run in a PostgreSQL database, for as long as this process is connected."""
    import psycopg
    from sqlalchemy.engine import make_url

    target = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    number = int.from_bytes(hashlib.sha256(f"{NAME} run {run_id}".encode()).digest()[:8], "big", signed=True)
    connection: psycopg.Connection[Any] | None = None

    def taken() -> bool:
        nonlocal connection
        tried = psycopg.connect(target, autocommit=True, application_name=NAME, connect_timeout=10)
        row = tried.execute("SELECT pg_try_advisory_lock(%s)", (number,)).fetchone()
        if row and row[0]:
            connection = tried
            return True
        tried.close()
        return False

    def check() -> None:
        """The lock goes with its connection: it is had once more, or somebody else has it."""
        had = connection is not None
        if connection is not None and not connection.closed:
            with contextlib.suppress(psycopg.OperationalError):
                connection.execute("SELECT 1")
                return
            connection.close()
        deadline = time.monotonic() + AWAY_SECONDS
        while True:
            try:
                _patiently(taken)
                return
            except psycopg.OperationalError:
                if not had or time.monotonic() > deadline:
                    raise
            time.sleep(0.5)

    return check


def _patiently(taken: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LOCK_PATIENCE
    while not taken():
        if time.monotonic() > deadline:
            raise Fault("elsewhere")
        time.sleep(0.05)


def _url(path: str) -> str:
    from sqlalchemy.engine import URL

    return URL.create("sqlite", database=path).render_as_string()


def _fault(error: Exception, where: str) -> dict[str, str]:
    """The answer that says what went wrong. SQLite calls a full disk that, or an error of the disk."""
    if isinstance(error, Fault):
        return {"fault": error.kind, "detail": str(error)}
    if isinstance(error, ImportError):
        return {"fault": "missing", "detail": str(error)}
    causes = list(_causes(error))
    if any(getattr(cause, "errno", 0) in (errno.ENOSPC, errno.EDQUOT) for cause in causes):
        return {"fault": "full", "detail": str(error)}
    cause = next((one for one in causes if isinstance(one, sqlite3.Error)), causes[-1])
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN) and _no_room(where):
        code = sqlite3.SQLITE_FULL
    kinds = {
        sqlite3.SQLITE_FULL: "full",
        sqlite3.SQLITE_BUSY: "locked",
        sqlite3.SQLITE_LOCKED: "locked",
        sqlite3.SQLITE_CORRUPT: "damaged",
        sqlite3.SQLITE_NOTADB: "damaged",
    }
    said = next(iter(str(cause).splitlines()), "")
    return {"fault": kinds.get(code, "other"), "detail": f"{type(cause).__name__}: {said}"}


def _no_room(path: str) -> bool:
    try:
        disk = os.statvfs(os.path.dirname(path))
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < ROOM


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised for, to the first: a library wraps what another one wrapped."""
    seen: set[int] = set()
    left: BaseException | None = error
    while left is not None and id(left) not in seen:
        seen.add(id(left))
        yield left
        orig = getattr(left, "orig", None)
        left = orig if isinstance(orig, BaseException) else left.__cause__ or left.__context__


# messages


def read(file: BinaryIO) -> Any:
    """The next message; None at the end, also in the middle of one."""
    head = file.read(4)
    size = int.from_bytes(head, "big")
    data = file.read(size)
    return json.loads(data) if len(head) == 4 and len(data) == size else None


def framed(message: Any) -> bytes:
    """A message as it is sent. Raises ValueError or TypeError for what is not JSON."""
    data = json.dumps(message, allow_nan=False, separators=(",", ":")).encode()
    return len(data).to_bytes(4, "big") + data


def main() -> None:
    """Serve over standard input and output. Signals that end the run's process group are not for this one."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    os.umask(0o077)
    asked, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)  # nobody's print gets between our answers
    waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def listen() -> None:
        while (message := read(asked)) is not None:
            waiting.put(message)
        waiting.put(None)
        time.sleep(LAST_SECONDS)
        os._exit(1)

    threading.Thread(target=listen, daemon=True).start()
    gc.disable()  # most of the start is imports, of which nothing is garbage
    with contextlib.suppress(Exception):  # which is told when it is tried again, for a run
        import dbos  # noqa: F401  # while nobody has said yet which run it is for
    gc.freeze()
    gc.enable()

    def answer(message: Any) -> None:
        answers.write(framed(message))
        answers.flush()

    with contextlib.suppress(BrokenPipeError):
        serve(iter(waiting.get, None), answer)
    # All is committed. The threads of DBOS, which look for work that others enqueue, are not waited for.
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
