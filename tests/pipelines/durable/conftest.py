"""A PostgreSQL server of the tests' own, where the programs of one are on the machine."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 60


def _program(name: str) -> str | None:
    """Debian leaves the server's programs off the path."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *map(str, places)]))


def _as_another() -> dict[str, Any]:
    """PostgreSQL does not run as root."""
    if os.getuid():
        return {}
    for name in ("postgres", "nobody"):
        try:
            who = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}
    pytest.skip("PostgreSQL does not run as root, and there is no user postgres or nobody")


class Postgres:
    """A server on a Unix socket. Each test has a database of its own."""

    def __init__(self, folder: Path, start: list[str], options: dict[str, Any]) -> None:
        self.folder = folder
        self._start = start
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str) -> str:
        return f"postgresql://quarterdeck@/{database}?host={self.folder}"

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self._start, stdout=log, stderr=log, cwd=self.folder, **self._options)
        ready = [_program("pg_isready") or "", "--quiet", "-h", str(self.folder), "-t", str(PATIENCE)]
        for _ in range(600):
            if subprocess.run(ready, check=False).returncode == 0:
                return
            try:
                self._process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
            break
        raise AssertionError((self.folder / "log").read_text())

    def stop(self) -> None:
        """At once, as a machine that goes away."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(PATIENCE)
            self._process = None


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    programs = [_program(name) for name in ("initdb", "postgres", "pg_isready")]
    if None in programs:
        pytest.skip("no PostgreSQL server on this machine: apt install postgresql")
    initdb, postgres, _ = programs
    options = _as_another()
    folder = Path(tempfile.mkdtemp(prefix="qd-pg-", dir="/tmp"))
    try:
        if options:
            os.chown(folder, options["user"], options["group"])
        data = folder / "data"
        made = subprocess.run(
            [str(initdb), "-D", str(data), "-U", "quarterdeck", "-A", "trust", "--no-sync", "--locale=C", "-E", "UTF8"],
            capture_output=True,
            cwd=folder,
            check=False,
            **options,
        )
        assert made.returncode == 0, made.stderr.decode()
        settings = ("listen_addresses=", f"unix_socket_directories={folder}", "fsync=off", "max_connections=50")
        found = Postgres(
            folder, [str(postgres), "-D", str(data), *(word for one in settings for word in ("-c", one))], options
        )
        found.start()
        yield found
        found.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres(server: Postgres, request: pytest.FixtureRequest) -> str:
    """The URL of a database that does not exist yet."""
    return server.url("".join(letter if letter.isalnum() else "_" for letter in request.node.name.lower())[-60:])
