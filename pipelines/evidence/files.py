"""Files of the evidence: complete or not there, in folders that lead nowhere else."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from quarterdeck.errors import Broken
from quarterdeck.text import safe

NAME_BYTES = 200
_MARK, _SAYS = ".gitignore", b"# evidence of quarterdeck runs\n*\n"
_ODD = re.compile(r'[^ -~\u00a1-\ud7ff\uf900-\ufdff]|["<>:|*?\\]')
"""What uploaders of CI systems refuse in a name, and what acts on a terminal."""


def folder(path: Path) -> Path:
    """Make a folder, and those around it. Raises :class:`Broken` where it is a link, or cannot be made."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        if not stat.S_ISDIR(path.lstat().st_mode):
            raise NotADirectoryError(errno.ENOTDIR, "a link, and no folder", str(path))
    except OSError as error:
        raise Broken(f"cannot keep evidence in {safe(str(path))}: {error.strerror or error}", path=str(path)) from error
    return path


def write(path: Path, parts: Iterable[bytes], limit: int, note: bytes = b"") -> int:
    """Write ``parts`` so that a crash or a full disk leaves the whole file or none; returns its size.

    At most ``limit`` bytes are taken; ``note`` ends a file that was cut. The umask decides who may read it. Raises
    OSError, and what ``parts`` raises; then nothing is left.
    """
    temporary = path.with_name(f".{path.name[:NAME_BYTES]}.part")
    with suppress(FileNotFoundError):
        temporary.unlink()
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            size = 0
            for part in parts:
                if size + len(part) > limit:
                    size += file.write(part[: limit - size]) + file.write(note)
                    break
                size += file.write(part)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    return size


def marked(path: Path) -> Path:
    """Make a folder of evidence, marked as such where it is empty: git ignores it, and no run takes it for work.

    Raises as :func:`folder`, and OSError.
    """
    folder(path)
    if not any(path.iterdir()):
        handle = os.open(path / _MARK, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        with os.fdopen(handle, "wb") as file:
            file.write(_SAYS)
    return path


def is_marked(folder: int) -> bool:
    """Whether the folder with this descriptor is one that :func:`marked` made."""
    try:
        handle = os.open(_MARK, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return False
    with os.fdopen(handle, "rb", buffering=0) as file:
        return stat.S_ISREG(os.fstat(handle).st_mode) and file.read(len(_SAYS) + 1) == _SAYS


def tame(name: str) -> str:
    """A file's name that every system takes, and nothing takes for more than a name."""
    plain = _ODD.sub("_", name)
    if plain in ("", ".", ".."):
        plain = "_" * max(1, len(plain))
    while len(plain.encode()) > NAME_BYTES:
        plain = plain[:-1]
    return plain
