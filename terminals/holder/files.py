"""Small files of a holder: its lock, its facts, the record of an exit. Few imports: every holder pays for them."""

from __future__ import annotations

import fcntl
import json
import os
import time
from typing import Any

HOLDER = "holder.json"
EXIT = "exit.json"
LOCK = "holder.lock"
JOURNAL = "journal"


def write_json(path: str, value: dict[str, Any], *, durable: bool) -> None:
    """Replace ``path`` (0600) so that a crash leaves the old file or the new one. Raises OSError."""
    temporary = f"{path}.new"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        try:
            data = json.dumps(value).encode()
            if os.write(handle, data) != len(data):
                raise OSError(28, "No space left on device", path)
            if durable:
                os.fsync(handle)
        finally:
            os.close(handle)
        os.replace(temporary, path)
    except OSError:
        remove(temporary)
        raise
    if durable:
        folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def remove(path: str) -> None:
    """Delete a file if it can be."""
    try:  # noqa: SIM105
        os.unlink(path)
    except OSError:
        pass


def read_json(path: str) -> dict[str, Any] | None:
    """The object in ``path``; None where there is none or it is damaged."""
    try:
        with open(path, "rb") as file:
            value = json.loads(file.read())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def take_lock(path: str) -> int | None:
    """Hold ``path`` locked for the life of this process; None when another process does. Raises OSError.

    The lock is the proof of life: the kernel drops it with the last descriptor, even of a process that stays a zombie.
    """
    tries = 20
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            if not (tries := tries - 1):
                return None
            time.sleep(0.005)  # somebody may only be asking, see locked()
            continue
        try:
            if os.stat(path).st_ino == os.fstat(handle).st_ino:
                return handle
        except FileNotFoundError:
            pass
        os.close(handle)  # deleted between open and lock


def words(error: BaseException) -> str:
    """An error and where it was raised, in one line; :mod:`traceback` would cost every holder memory."""
    places = []
    step = error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        places.append(f"{os.path.basename(code.co_filename)}:{step.tb_lineno} {code.co_name}")
        step = step.tb_next
    return f"{error!r} at {' > '.join(places)}"


def locked(path: str) -> bool:
    """Whether a living process holds the lock."""
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
