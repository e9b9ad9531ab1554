"""One agent's spool: the folder into which its hooks put one file per event, and out of which the events are read.

    spool = Spool.find(agent_folder)            # or Spool.create(agent_folder) for a new life
    watch spool.new for IN_MOVED_TO, then:
    while taken := spool.take(shape):
        store what each ``taken.evidence`` says, together with ``taken.id``
        spool.done(one.id for one in taken)

A file stays until :meth:`Spool.done`. A crash between the two gives the same events with the same ids again, so whoever
stores them ignores an id it has seen. One ``Spool`` gives each event once. Everything in a spool is hostile: what is no
event becomes a ``problem`` and no evidence, never an exception.

The folder's name is random and private to the agent, which keeps honest programs apart. It is no wall against another
program of the same user, which can list the folder; so what comes through a spool is evidence about its own agent only,
whatever conversation, folder or process it names.

Events of an agent that runs inside this one (``codex exec`` in a shell tool inherits the variable) are told apart by
the process that told them and become no evidence.
"""

from __future__ import annotations

import errno
import hashlib
import heapq
import json
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from profiles.hooks import shapes
from profiles.hooks.answers import Asking
from quarterdeck.evidence import Evidence
from quarterdeck.paths import SPOOL_NOTE, SPOOL_PREFIX, write_file
from quarterdeck.process import Identity, alive, identity

EVENT_LIMIT = 1 << 20
"""Bytes of one event; of a longer one only the beginning is read."""
_HEAD = 64 << 10
TAKE_LIMIT = 256
_LISTED = 20_000
"""Names looked at in one go, so that a flood cannot hold the orchestrator up."""
_TMP_SECONDS = 600.0
"""What is this old in tmp/ belongs to a hook that was killed."""
_FOLDER = re.compile(re.escape(SPOOL_PREFIX) + r"[0-9a-f]{32}")
_NAME = re.compile(r"(\d{1,12})(?:\.(\d{1,2}))?-(\d{1,10})-(\d{1,10})(\.ask)?")


class Taken(NamedTuple):
    """One event. ``problem`` says why it is no evidence, for a log; most events without evidence have none."""

    id: str
    evidence: tuple[Evidence, ...]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file in new/. ``order`` sorts by arrival."""

    name: str
    order: tuple[int, ...]
    told_by: int
    asks: bool


class Spool:
    """See the module. Pure until :meth:`take`: making one touches nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asking = Asking(folder / "asks")
        """Hooks that wait for a decision."""
        self._given: set[str] = set()
        self._prefix = hashlib.blake2b(folder.name.encode(), digest_size=4).hexdigest()
        self._agent: Identity | None = None

    @property
    def new(self) -> Path:
        """The folder to watch: a file moved in is a complete event."""
        return self.folder / "new"

    @property
    def tmp(self) -> Path:
        """Where hooks write before they rename."""
        return self.folder / "tmp"

    @classmethod
    def create(cls, agent_folder: Path) -> Spool:
        """A spool for a new life of the agent, which :meth:`find` gives from now on; earlier ones are removed.

        Raises OSError.
        """
        spool = cls(agent_folder / (SPOOL_PREFIX + secrets.token_hex(16)))
        for folder in (spool.folder, spool.tmp, spool.new, spool.asking.folder):
            folder.mkdir(mode=0o700)
        write_file(agent_folder / SPOOL_NOTE, spool.folder.name.encode())
        for other in agent_folder.glob(SPOOL_PREFIX + "*"):
            if other != spool.folder:
                shutil.rmtree(other, ignore_errors=True)
        return spool

    @classmethod
    def find(cls, agent_folder: Path) -> Spool | None:
        """The spool of the agent's present or last life; None where it has none."""
        try:
            name = (agent_folder / SPOOL_NOTE).read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            return None
        folder = agent_folder / name
        return cls(folder) if _FOLDER.fullmatch(name) and folder.is_dir() else None

    def remove(self) -> None:
        """Delete it with everything in it; hooks that still run do nothing then."""
        self.asking.release_all()
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- reading

    def take(self, shape: str, limit: int = TAKE_LIMIT, now_ns: int | None = None) -> list[Taken]:
        """Up to ``limit`` events not given yet, in order of arrival; an empty list when there are none.

        ``shape`` is the profile's ``hooks.shape``. ``now_ns`` (default: now) bounds the time an event claims.
        """
        now = time.time_ns() if now_ns is None else now_ns
        taken = [self._read(entry, shape, now) for entry in heapq.nsmallest(limit, self._entries(), _order)]
        self._given.update(one.id.rpartition("/")[2] for one in taken)
        if not taken:
            self._sweep(now)
        return taken

    def done(self, ids: Iterable[str]) -> None:
        """What these events say is stored: remove their files."""
        for one in ids:
            prefix, _, name = one.rpartition("/")
            if prefix != self._prefix or not name or "\0" in name:
                continue
            path = self.new / name
            try:
                path.unlink()
            except FileNotFoundError:
                pass
            except OSError:
                with suppress(OSError):
                    path.rmdir()
                if os.path.lexists(path):
                    continue  # remembered as given: it is not looked at again
            self._given.discard(name)

    def _entries(self) -> Iterator[_Entry]:
        try:
            with os.scandir(self.new) as found:
                for count, item in enumerate(found):
                    if count >= _LISTED:
                        return
                    if item.name not in self._given:
                        yield _entry(item.name)
        except OSError:
            return

    def _read(self, entry: _Entry, shape: str, now_ns: int) -> Taken:
        event_id = f"{self._prefix}/{entry.name}"
        try:
            data, wall_ns, cut = _event(self.new / entry.name)
        except _NoEvent as problem:
            return Taken(event_id, (), str(problem))
        except FileNotFoundError:  # what it says was stored meanwhile, for somebody who took it before
            return Taken(event_id, ())
        except OSError as error:
            return Taken(event_id, (), f"cannot be read: {error.strerror}")
        if not entry.told_by:
            return Taken(event_id, (), "has a name no hook of ours gives")
        if not self._told_by_agent(entry.told_by):
            return Taken(event_id, (), f"told by process {entry.told_by}, which runs inside the agent")
        event = shapes.Event(
            id=event_id,
            data=data,
            wall_ns=min(wall_ns, now_ns),
            ask=entry.name if entry.asks else "",
            cut=cut,
        )
        try:
            evidence = shapes.read(shape, event)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, OverflowError) as error:
            return Taken(event_id, (), f"cannot be understood: {type(error).__name__}")
        self.asking.heard(entry.name if entry.asks else "", evidence)
        return Taken(event_id, evidence)

    def _told_by_agent(self, pid: int) -> bool:
        """Whether ``pid`` is the process whose events count: the first that told one, while it lives."""
        if self._agent is None:
            self._agent = self._noted_agent()
        if self._agent is not None and (self._agent.pid == pid or alive(self._agent)):
            return self._agent.pid == pid
        self._agent = identity(pid) or Identity(pid, 0)
        with suppress(OSError):
            (self.folder / "agent").write_text(f"{self._agent.pid} {self._agent.started}", encoding="ascii")
        return True

    def _noted_agent(self) -> Identity | None:
        try:
            pid, started = (self.folder / "agent").read_text(encoding="ascii").split()
            return Identity(int(pid), int(started))
        except (OSError, ValueError):
            return None

    def _sweep(self, now_ns: int) -> None:
        """Remove what killed hooks left."""
        self.asking.sweep(now_ns - int(_TMP_SECONDS * 1e9))
        with suppress(OSError), os.scandir(self.tmp) as found:
            for count, item in enumerate(found):
                if count >= _LISTED:
                    return
                with suppress(OSError):
                    if now_ns - item.stat(follow_symlinks=False).st_mtime_ns > _TMP_SECONDS * 1e9:
                        os.unlink(item.path)


class _NoEvent(Exception):
    """Why a file is none; its text is for a log."""


def _order(entry: _Entry) -> tuple[int, ...]:
    return entry.order


def _entry(name: str) -> _Entry:
    fit = _NAME.fullmatch(name)
    if fit is None:
        return _Entry(name, (0,), 0, False)
    seconds, hundredths, told_by, written_by, asks = fit.groups()
    arrived = int(seconds) * 100 + int((hundredths or "0").ljust(2, "0"))
    return _Entry(name, (arrived, int(written_by), not asks), int(told_by), bool(asks))


def _event(path: Path) -> tuple[Mapping[str, Any], int, bool]:
    """What one file says, when it was written, and whether only its beginning could be read. Raises _NoEvent, OSError.

    Opened without following a link and without waiting on a pipe.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise _NoEvent("is no regular file") from error
        raise
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise _NoEvent("is no regular file")
        if status.st_uid != os.getuid():
            raise _NoEvent(f"belongs to user {status.st_uid}")
        whole = status.st_size <= EVENT_LIMIT
        with os.fdopen(handle, "rb", closefd=False) as file:
            read = file.read(EVENT_LIMIT if whole else _HEAD)
    finally:
        os.close(handle)
    data = _object(read) if whole else _head(read)
    if not data:
        raise _NoEvent("holds no JSON object")
    return data, status.st_mtime_ns, not whole


def _object(read: bytes) -> Mapping[str, Any]:
    try:
        data = json.loads(read)
    except (ValueError, RecursionError, UnicodeDecodeError) as error:
        raise _NoEvent("is not JSON") from error
    return data if isinstance(data, dict) else {}


_STEP = re.compile(r"[\s,]*(?=\")")
_COLON = re.compile(r"\s*:\s*")


def _head(read: bytes) -> Mapping[str, Any]:
    """The complete members at the beginning of an object that is too large to read."""
    said = read.decode("utf-8", "replace").lstrip()
    decoder = json.JSONDecoder()
    members: dict[str, Any] = {}
    at = 1 if said.startswith("{") else len(said)
    with suppress(ValueError, RecursionError):
        while step := _STEP.match(said, at):
            key, at = decoder.raw_decode(said, step.end())
            colon = _COLON.match(said, at)
            if colon is None:
                break
            value, at = decoder.raw_decode(said, colon.end())
            if at >= len(said):
                break  # a number may go on behind the end
            members[key] = value
    return members
