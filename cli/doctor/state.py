"""Checks of one state folder: permissions, disk, lock, socket, database, and what dead processes left."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
import time
from contextlib import closing
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from cli.doctor.finding import Finding, Level
from cli.overview import age, size
from cli.scope import runs
from quarterdeck import __version__
from quarterdeck.paths import NETWORK_FILE_SYSTEMS, SOCKET_PATH_LIMIT, Paths, file_system

if TYPE_CHECKING:
    from quarterdeck.lock import Owner

FEW_BYTES, TOO_FEW_BYTES = 1 << 30, 64 << 20
"""Free space below which doctor warns, and below which it calls it a problem."""
_TRASH_DAYS = 8
_SEEN_HERE = ("tmux", "are free where", "lingering")
"""Words of the orchestrator's problems that are checked here too."""


def owner_of(paths: Paths) -> Owner | None:
    """Who holds the orchestrator's lock."""
    from orchestrator.lock import owner

    return owner(paths)


def findings(paths: Paths) -> list[Finding]:
    """All checks that need no orchestrator."""
    if not paths.home.exists():
        return [
            _place(paths),
            Finding("state folder", "ok", f"{paths.home} is made when it is first needed"),
            _space(paths),
        ]
    folder = _folder(paths)
    if folder.level == "problem":
        return [_place(paths), folder]
    return [
        _place(paths),
        folder,
        _files(paths),
        _space(paths),
        _sockets(paths),
        _lock(paths),
        _database(paths),
        _backups(paths),
        *_left_over(paths),
        *_crashes(paths),
    ]


def _place(paths: Paths) -> Finding:
    kind = file_system(paths.home)
    if kind in NETWORK_FILE_SYSTEMS:
        return Finding(
            "disk kind",
            "problem",
            f"{paths.home} is on a network file system ({kind}): SQLite and locks fail there",
            "export QUARTERDECK_HOME=/a/folder/on/a/local/disk",
        )
    return Finding("disk kind", "ok", f"{kind or 'a local file system'}")


def _folder(paths: Paths) -> Finding:
    home = paths.home
    try:
        found = home.stat()
    except OSError as error:
        return Finding("state folder", "problem", f"{home}: {error.strerror}", f"ls -ld {quote(str(home))}")
    if not stat.S_ISDIR(found.st_mode):
        return Finding(
            "state folder", "problem", f"{home} is no folder", f"mv {quote(str(home))} {quote(str(home))}.old"
        )
    if found.st_uid != os.getuid():
        command = "export QUARTERDECK_HOME=/a/folder/of/your/own"
        return Finding("state folder", "problem", f"{home} belongs to uid {found.st_uid}", command)
    if not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        return Finding("state folder", "problem", f"no permission for {home}", f"chmod 700 {quote(str(home))}")
    if found.st_mode & 0o077:
        return Finding("state folder", "warning", f"others may look into {home}", f"chmod 700 {quote(str(home))}")
    return Finding("state folder", "ok", str(home))


def private_parts(paths: Paths) -> list[Path]:
    """Files and folders of ours that others may read or write."""
    parts = [paths.agents, paths.trash, paths.worktrees, paths.backups, paths.log.parent, paths.run]
    parts += [paths.database, paths.log, *paths.backups.glob("*.db"), *_agent_folders(paths)]
    found = []
    for part in parts:
        try:
            mode = part.lstat().st_mode
        except OSError:
            continue
        if mode & 0o077 and not stat.S_ISLNK(mode):
            found.append(part)
    return found


def _agent_folders(paths: Paths) -> list[Path]:
    try:
        return sorted(part for part in paths.agents.iterdir() if part.is_dir())
    except OSError:
        return []


def _files(paths: Paths) -> Finding:
    loose = private_parts(paths)
    if loose:
        more = f" and {len(loose) - 1} more" if len(loose) > 1 else ""
        return Finding("permissions", "warning", f"others may read {loose[0]}{more}", "quarterdeck doctor --mend")
    return Finding("permissions", "ok", "nobody else may read what is stored")


def _space(paths: Paths) -> Finding:
    here = paths.home
    while not here.exists() and here != here.parent:
        here = here.parent
    found = os.statvfs(here)
    free = found.f_bavail * found.f_frsize
    command = "free some space on that disk; quarterdeck purge --all empties the trash"
    if found.f_files and found.f_favail < 1000:
        return Finding("disk space", "problem", f"only {found.f_favail} files can be made on it", command)
    level: Level = "ok" if free >= FEW_BYTES else "warning" if free >= TOO_FEW_BYTES else "problem"
    return Finding("disk space", level, f"{size(free)} free", "" if level == "ok" else command)


def _sockets(paths: Paths) -> Finding:
    run = paths.run
    if len(os.fsencode(paths.socket)) > SOCKET_PATH_LIMIT:
        return Finding("sockets", "problem", f"{run} is too long", "export QUARTERDECK_HOME=/a/shorter/path")
    if run.parent != paths.home:
        return Finding("sockets", "note", f"in {run}, since the state folder's path is long")
    return Finding("sockets", "ok", f"in {run}")


def _lock(paths: Paths) -> Finding:
    from orchestrator.lock import stopped

    owner = owner_of(paths)
    if owner is None:
        if stopped(paths):
            return Finding("process", "note", "the orchestrator was stopped; any command starts it: quarterdeck ls")
        left = " (a dead one left its socket, which is replaced then)" if paths.socket.exists() else ""
        return Finding("process", "note", f"no orchestrator runs; the next command starts one{left}")
    if owner.halted:
        text = f"the orchestrator (pid {owner.pid}) is halted by a signal; agents run on"
        return Finding("process", "problem", text, f"kill -CONT {owner.pid}")
    if owner.version and owner.version != __version__:
        text = f"the orchestrator (pid {owner.pid}) is version {owner.version}, this is {__version__}"
        return Finding("process", "warning", text, "quarterdeck stop; quarterdeck ls")
    return Finding("process", "ok", f"the orchestrator runs (pid {owner.pid}, version {owner.version})")


def _database(paths: Paths) -> Finding:
    from quarterdeck.backups import migrations, quick_check
    from sessions.database import APPLICATION_ID, MIGRATIONS

    path = paths.database
    if not path.exists() or not path.stat().st_size:
        return Finding("database", "ok", "nothing is stored yet")
    known = len(migrations(MIGRATIONS))
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=2)) as database:
            wrong = quick_check(database)
            application = database.execute("PRAGMA application_id").fetchone()[0]
            schema = database.execute("PRAGMA user_version").fetchone()[0]
            agents = database.execute("SELECT count(*) FROM agents WHERE removed_ns = 0").fetchone()[0] if schema else 0
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        damaged = code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
        return Finding("database", "problem", f"{path}: {error}", _mend_database(paths) if damaged else f"ls -l {path}")
    if wrong:
        return Finding("database", "problem", f"{path} is damaged: {wrong}", _mend_database(paths))
    if application != APPLICATION_ID:
        return Finding("database", "problem", f"{path} is not ours", f"mv {quote(str(path))} {quote(str(path))}.other")
    if schema > known:
        text = f"{path} was written by a newer quarterdeck (schema {schema}, this one knows {known})"
        return Finding("database", "problem", text, "upgrade quarterdeck")
    return Finding("database", "ok", f"schema {schema}, {agents} agents, {size(path.stat().st_size)}")


def _mend_database(paths: Paths) -> str:
    running = "quarterdeck stop; " if owner_of(paths) else ""
    return f"{running}quarterdeck doctor --mend"


def _backups(paths: Paths) -> Finding:
    from quarterdeck.backups import backup_time_ns, backups
    from sessions.database import place

    found = backups(place(paths))
    if not found:
        return Finding("backups", "note", "none yet; one is made each day")
    return Finding("backups", "ok", f"{len(found)}, the newest {age(backup_time_ns(found[0]), time.time_ns())} old")


def held(lock: Path) -> bool:
    """Whether a living process holds ``lock`` with flock."""
    try:
        handle = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(handle)


def stale_sockets(paths: Paths) -> list[Path]:
    """Sockets of holders that are dead."""
    return [
        socket
        for socket in sorted(paths.run.glob("h-*.sock"))
        if not held(paths.agent(socket.name[2:-5]) / "holder.lock")
        and not held(paths.trash / socket.name[2:-5] / "holder.lock")
    ]


def _left_over(paths: Paths) -> list[Finding]:
    out = []
    if stale := stale_sockets(paths):
        text = f"{len(stale)} socket{'s' if len(stale) > 1 else ''} of dead holders in {paths.run}"
        out.append(Finding("left over", "warning", text, "quarterdeck doctor --mend"))
    oldest = time.time() - _TRASH_DAYS * 86400
    try:
        kept = [part for part in paths.trash.iterdir() if part.stat().st_ctime < oldest]
    except OSError:
        kept = []
    if kept:
        text = f"{len(kept)} removed agents are kept, since their worktrees hold changes that are nowhere else"
        out.append(Finding("trash", "warning", text, "quarterdeck trash; quarterdeck purge AGENT --force"))
    return out


def _crashes(paths: Paths) -> list[Finding]:
    from orchestrator.launch import error_log

    log = Path(error_log(paths))
    try:
        written = log.stat()
    except OSError:
        return []
    if not written.st_size:
        return []
    when = age(written.st_mtime_ns, time.time_ns())
    return [
        Finding("crashes", "warning", f"the interpreter wrote to {log}, last {when} ago", f"less {quote(str(log))}")
    ]


def of_orchestrator(report: dict[str, Any]) -> list[Finding]:
    """The running orchestrator's own findings, without those that were made here already."""
    process = report["process"]
    alive = sum(runs(agent["status"]) for agent in report["agents"])
    text = (
        f"up for {age(time.time_ns() - int(process['up_s'] * 1e9), time.time_ns())}, "
        f"{size(process['memory_max_kb'] * 1024)} at most, {process['files_open']} files open, "
        f"{len(report['agents'])} agents ({alive} running), {process['clients']} clients"
    )
    return [
        Finding("orchestrator", "ok", text),
        *(
            Finding("orchestrator", "warning", trouble["problem"], trouble["mend"])
            for trouble in report["problems"]
            if not any(words in trouble["problem"] for words in _SEEN_HERE)
        ),
    ]
