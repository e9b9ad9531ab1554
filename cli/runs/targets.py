"""Where a report goes: a file that is replaced whole, or what is there already and only takes what is written to it."""

from __future__ import annotations

import errno
import os
import stat
import time
from pathlib import Path

from quarterdeck.errors import Invalid
from quarterdeck.paths import write_file
from quarterdeck.text import safe

READER_SECONDS = 10.0
"""How long a FIFO may be without a reader when a report is written to it."""
_MOMENT = 0.05
_MOST_LINKS = 40


def check(option: str, file: str) -> None:
    """Raise :class:`Invalid` where no report can be written to ``file``. Creates nothing."""
    try:
        path, number = _meant(file)
        if number is not None:
            os.fstat(number)
        elif path.is_dir():
            raise Invalid(f"{option}: {safe(file)} is a folder", hint="name a file in it")
        elif _there(path) and not path.is_file():
            _may(path, os.W_OK)
        else:
            _may(_nearest(path.parent), os.W_OK | os.X_OK)
    except OSError as error:
        raise _unusable(option, file, error) from error


def check_folder(option: str, folder: str) -> None:
    """Raise :class:`Invalid` where ``folder`` can neither be used nor made. Creates nothing."""
    try:
        _may(_nearest(Path(folder).absolute()), os.W_OK | os.X_OK)
    except OSError as error:
        raise _unusable(option, folder, error) from error


def put(file: str, data: bytes) -> None:
    """Replace the file, or write to the device, the pipe or the open file (``/dev/stdout``) of that name.

    A link is followed; missing folders are made. Raises OSError, also for a FIFO that nobody reads.
    """
    path, number = _meant(file)
    if number is not None:
        _write(os.dup(number), data)
    elif _there(path) and not path.is_file():
        _write(_opened(path), data)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, data, 0o644)


def _meant(file: str) -> tuple[Path, int | None]:
    """Where links lead, and the number of the open file of this process where they lead to one.

    What an open file is called elsewhere does not matter: a file that standard output was sent to is not replaced.
    """
    mine = os.path.realpath("/proc/self/fd")
    path = os.path.join(os.getcwd(), file)
    for _ in range(_MOST_LINKS):
        folder, name = os.path.split(path)
        folder = os.path.realpath(folder)
        path = os.path.join(folder, name)
        if folder == mine and name.isdigit():
            return Path(path), int(name)
        if not os.path.islink(path):
            return Path(path), None
        path = os.path.join(folder, os.readlink(path))
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), file)


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest one around it that there is."""
    return next(one for one in (folder, *folder.parents) if _there(one))


def _may(path: Path, how: int) -> None:
    code = 0 if os.access(path, how) else errno.EACCES
    if how & os.X_OK and not path.is_dir():
        code = errno.ENOTDIR
    if code:
        raise OSError(code, os.strerror(code), str(path))


def _unusable(option: str, file: str, error: OSError) -> Invalid:
    said = f"{option}: nothing can be written to {safe(file)}: {error.strerror or error}"
    return Invalid(said, hint="name a place that you may write to; nothing was begun")


def _there(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _opened(path: Path) -> int:
    """Open what is no regular file; a FIFO's reader may come a little later."""
    deadline = time.monotonic() + READER_SECONDS
    flags = os.O_WRONLY | os.O_APPEND | os.O_NOCTTY | os.O_CLOEXEC
    while True:
        try:
            handle = os.open(path, flags | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO or not stat.S_ISFIFO(path.stat().st_mode):
                raise
            if time.monotonic() > deadline:
                raise OSError(errno.ENXIO, "nobody reads it", str(path)) from error
            time.sleep(_MOMENT)
        else:
            os.set_blocking(handle, True)
            return handle


def _write(handle: int, data: bytes) -> None:
    with os.fdopen(handle, "wb", buffering=0) as file:
        left = memoryview(data)
        while left:
            left = left[file.write(left) or 0 :]
