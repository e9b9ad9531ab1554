"""What ``doctor --mend`` does: only what loses nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from cli.doctor.state import private_parts, stale_sockets
from quarterdeck.clock import SystemClock
from quarterdeck.errors import Refused, Unreachable
from quarterdeck.paths import Paths, private_folder


def mend(paths: Paths) -> list[str]:
    """Mend permissions, sockets of dead holders and a damaged database; what was done, one line each.

    Raises :class:`Refused` where the database is damaged and an orchestrator still runs on it.
    """
    done: list[str] = []
    if not paths.home.exists():
        return done
    if paths.home.stat().st_mode & 0o077:
        private_folder(paths.home)
        done.append(f"{paths.home} is private")
    for part in private_parts(paths):
        part.chmod(0o700 if part.is_dir() else 0o600)
        done.append(f"{part} is private")
    for socket in stale_sockets(paths):
        socket.unlink(missing_ok=True)
        done.append(f"{socket} is removed")
    if _damaged(paths):
        done.append(_mend_database(paths))
    return done


def _damaged(paths: Paths) -> bool:
    from quarterdeck.backups import quick_check

    if not paths.database.exists():
        return False
    try:
        with closing(sqlite3.connect(f"{paths.database.absolute().as_uri()}?mode=ro", uri=True, timeout=2)) as database:
            return bool(quick_check(database))
    except sqlite3.DatabaseError as error:
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _mend_database(paths: Paths) -> str:
    from quarterdeck.lock import Lock
    from sessions.database import mend as mend_database

    paths.prepare()
    lock = Lock.take(paths.lock, patience=1.0)
    if lock is None:
        raise Refused(
            f"{paths.database} is damaged, and the orchestrator that uses it runs; nothing was changed",
            hint="quarterdeck stop; quarterdeck doctor --mend  (agents run on)",
        )
    try:
        mended = mend_database(paths, SystemClock())
    except OSError as error:
        raise Unreachable(f"{paths.database} could not be mended: {error}", hint="free some disk space") from error
    finally:
        lock.release()
    source = f"{mended.backup} took its place" if mended.backup else "agents are found again from their own folders"
    return f"the damaged {paths.database.name} is in {mended.aside}; {source}"
