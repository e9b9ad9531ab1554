"""One orchestrator per state folder: a lock held for life, and the mark of an explicit stop.

The flock is the one proof that an orchestrator lives. What the file says (pid, start time, boot, version) is
information about its owner and means nothing once nobody holds the lock: a pid may be somebody else's by then.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from quarterdeck import __version__
from quarterdeck.errors import Broken
from quarterdeck.paths import Paths, boot_id
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
    """The lock of one state folder, held until :meth:`release` or the end of the process."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    @classmethod
    def take(
        cls, paths: Paths, *, patience: float = 0.0, while_waiting: Callable[[], bool] | None = None
    ) -> Lock | None:
        """The lock, or None when another process keeps it for ``patience`` seconds.

        ``while_waiting`` ends the wait early by returning True (the other one serves and is not about to end).

        A predecessor that is about to end, and the short looks of :func:`owner`, make waiting worth while.
        """
        handle = os.open(paths.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
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
                raise Broken(f"cannot lock {paths.lock}: {error.strerror}", path=str(paths.lock)) from error
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


def owner(paths: Paths) -> Owner | None:
    """Who holds the lock now; None when nobody does."""
    try:
        handle = os.open(paths.lock, os.O_RDONLY | os.O_CLOEXEC)
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


def stopped(paths: Paths) -> bool:
    """Whether a person stopped the orchestrator in this boot and nobody has started it since."""
    try:
        return (paths.run / "stopped").read_text(encoding="utf-8") == boot_id()
    except OSError:
        return False


def mark_stopped(paths: Paths) -> None:
    """Write down an explicit stop, so that clients which are already open do not undo it."""
    handle = os.open(paths.run / "stopped", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(boot_id())


def clear_stopped(paths: Paths) -> None:
    """Forget an explicit stop: an orchestrator serves again."""
    (paths.run / "stopped").unlink(missing_ok=True)
