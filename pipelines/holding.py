"""One process carries out a run, and says so in its folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pipelines.folder import RunFolder
from quarterdeck.errors import Broken, Refused
from quarterdeck.lock import Lock, owner
from quarterdeck.paths import private_folder

PATIENCE = 0.5
"""Seconds; the short looks of others at the lock are waited for."""


@contextmanager
def hold(folder: RunFolder) -> Iterator[None]:
    """Hold the run while inside; its folder is made. It is let go of by the end of the process, too.

    Raises :class:`Refused` where another process holds it, :class:`Broken` where the folder cannot be used.
    """
    new = not folder.home.exists()
    private_folder(folder.home)
    try:
        lock = Lock.take(folder.lock, patience=PATIENCE)
    except (OSError, Broken) as error:
        if new:  # there is no run
            with suppress(OSError):
                folder.lock.unlink(missing_ok=True)
                folder.home.rmdir()
        if isinstance(error, Broken):
            raise
        raise Broken(
            f"run {folder.run_id} cannot be carried out: cannot write {folder.lock}: {error.strerror or error}; "
            "nothing was begun",
            hint="free some disk space or correct the permissions there",
            path=str(folder.lock),
        ) from error
    if lock is None:
        pid = holder(folder)
        raise Refused(
            f"run {folder.run_id} goes on in process {pid or '?'}",
            hint=f"wait for it, or stop it: kill {pid}" if pid else "wait for it",
            run_id=folder.run_id,
            pid=pid,
        )
    try:
        yield
    finally:
        lock.release()


def holder(folder: RunFolder) -> int | None:
    """The pid of the process that carries the run out now, 0 where it did not say; None where nobody does."""
    found = owner(folder.lock)
    return None if found is None else found.pid
