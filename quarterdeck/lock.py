"""A lock that one process holds for life: of a state folder, of a run.

The flock is the one proof that its holder lives. What the file says (pid, start time, boot, version) is information
about it and means nothing once nobody holds the lock: a pid may be somebody else's by then.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from quarterdeck import __version__
from quarterdeck.errors import Broken
from quarterdeck.paths import boot_id
from quarterdeck.process import stat

_POLL = 0.02


class Owner(NamedTuple):
    """Who holds the lock, as it wrote itself down; ``pid`` 0 when it has not written yet."""

    pid: int = 0
    started: int = 0
    boot: str = ""
    version: str = ""

    @property
    def halted(self) -> bool:
        """Whether this process is stopped (SIGSTOP, ^Z) and therefore answers nobody."""
        found = stat(self.pid) if self.pid else None
        return found is not None and found.started == self.started and found.state in "Tt"


class Lock:
    """One lock, held until :meth:`release` or the end of the process."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    @classmethod
    def take(cls, path: Path, *, patience: float = 0.0, while_waiting: Callable[[], bool] | None = None) -> Lock | None:
        """The lock, or None when another process keeps it for ``patience`` seconds.

        ``while_waiting`` ends the wait early by returning True (the other one serves and is not about to end).

        A predecessor that is about to end, and the short looks of :func:`owner`, make waiting worth while.
        """
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline or (while_waiting is not None and while_waiting()):
                    os.close(handle)
                    return None
                time.sleep(_POLL)
            except OSError as error:
                os.close(handle)
                raise Broken(f"cannot lock {path}: {error.strerror}", path=str(path)) from error
        me = stat(os.getpid())
        text = json.dumps(
            {"pid": os.getpid(), "started": me.started if me else 0, "boot": boot_id(), "version": __version__}
        )
        os.ftruncate(handle, 0)
        os.pwrite(handle, text.encode(), 0)
        return cls(handle)

    def release(self) -> None:
        """Let the next one in."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def owner(path: Path) -> Owner | None:
    """Who holds the lock now; None when nobody does."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _written(os.pread(handle, 4096, 0))
    except OSError:
        return None
    else:
        return None
    finally:
        os.close(handle)


def _written(data: bytes) -> Owner:
    try:
        said: Any = json.loads(data)
        return Owner(int(said["pid"]), int(said["started"]), str(said["boot"]), str(said["version"]))
    except (ValueError, KeyError, TypeError):
        return Owner()
