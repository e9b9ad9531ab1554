"""The files of a memory folder, as bytes: listed, read, written and removed, never through a link.

Everything here blocks and is meant for threads. A write replaces a file whole or not at all, and only one that is still
as its writer knows it; what lies between that comparison and the rename is a few microseconds.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import secrets
import signal
import stat
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from memory.markdown.format import FILE_LIMIT
from memory.markdown.names import ours
from quarterdeck.errors import Broken
from quarterdeck.workspace import FOLDER, own_folder

Stamp = tuple[int, ...]
"""Modified and changed (ns), size, inode of a file."""
TEMPORARY = ".quarterdeck-"
"""Begins the names of files that are being written; the watcher and people's tools pass over hidden ones."""
_LITTER_S = 60
_RACY_NS = 2_500_000_000
"""A file written this shortly before it was read may be written again without its times changing."""
_LINK = (errno.ELOOP, errno.ENOTDIR)
_F_SETSIG = getattr(fcntl, "F_SETSIG", 10)


class Moved(Exception):
    """The file is not what its writer took it for: written, made or removed by somebody since; nothing was changed."""


class Held(Moved):
    """Some program has the file open for writing; when it is closed, the watcher tells."""


@dataclass(frozen=True)
class Look:
    """What was read of one file."""

    data: bytes
    stamp: Stamp
    open: bool
    """Whether some program has it open for writing, or wrote while we read: it may be half a file."""

    @property
    def digest(self) -> str:
        """SHA-256, hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def settled(self) -> Stamp:
        """Its stamp where that tells of every later change; else ()."""
        newest = max(self.stamp[:2])
        return self.stamp if newest < time.time_ns() - _RACY_NS else ()


class Disk:
    """One memory folder: ``parts`` below ``base``. The base is a person's word; no part below it may be a link."""

    def __init__(self, base: Path, parts: Sequence[str]) -> None:
        self.base = base
        self.folder = base.joinpath(*parts)
        self._parts = tuple(parts)

    def there(self) -> bool:
        """Whether the folder exists and is none of somebody else's behind a link."""
        try:
            with self._opened(()):
                return True
        except OSError:
            return False

    def make(self) -> None:
        """Make the folder. Raises :class:`~quarterdeck.errors.QuarterdeckError` where it cannot be."""
        if self._parts[0] == FOLDER:
            own_folder(self.base, *self._parts[1:])
            return
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Broken(f"cannot make {self.folder}: {error.strerror or error}", path=str(self.folder)) from error

    def scan(self) -> tuple[dict[str, Stamp], list[str]]:
        """All files that may be entries with their stamps, and the links that were not followed."""
        found: dict[str, Stamp] = {}
        links: list[str] = []
        folders: list[tuple[str, ...]] = [()]
        with suppress(FileNotFoundError, PermissionError):
            try:
                with self._opened(()):
                    pass
            except OSError as error:
                if error.errno not in _LINK:
                    raise
                return {}, ["."]
        while folders:
            parts = folders.pop()
            prefix = "".join(f"{part}/" for part in parts)
            with suppress(OSError), self._opened(parts) as handle, os.scandir(handle) as entries:
                for entry in entries:
                    name = entry.name
                    if name.startswith("."):
                        if name.startswith(TEMPORARY):
                            self._tidy(name, handle)
                    elif entry.is_symlink():
                        if ours(name) or entry.is_dir():
                            links.append(prefix + name)
                    elif entry.is_dir(follow_symlinks=False):
                        folders.append((*parts, name))
                    elif ours(name) and _shown(name) and entry.is_file(follow_symlinks=False):
                        found[prefix + name] = _stamp(entry.stat(follow_symlinks=False))
        return found, links

    def exists(self, path: str) -> bool:
        """Whether there is a file of exactly this name, also where names that differ by case are one."""
        *parts, name = path.split("/")
        try:
            with self._opened(parts) as handle:
                return stat.S_ISREG(os.lstat(name, dir_fd=handle).st_mode) and name in os.listdir(handle)
        except OSError:
            return False

    def read(self, path: str) -> Look:
        """The file's bytes. Raises OSError; EFBIG for one that is too large, ELOOP for a link."""
        *parts, name = path.split("/")
        with self._opened(parts) as folder:
            return _look(name, folder)

    def write(self, path: str, data: bytes, expected: str) -> Stamp:
        """Make ``path`` hold ``data``; ``expected`` is the digest it has now, "" for one that must not exist.

        Durable once :meth:`settle` has been called. Raises :class:`Moved`, and OSError.
        """
        *parts, name = path.split("/")
        for depth in range(1, len(parts) + 1):
            with self._opened(parts[: depth - 1]) as above, suppress(FileExistsError):
                os.mkdir(parts[depth - 1], dir_fd=above)
        with self._opened(parts) as folder:
            mode = 0o666
            if expected:
                with suppress(FileNotFoundError):
                    mode = stat.S_IMODE(os.lstat(name, dir_fd=folder).st_mode)
            temporary = f"{TEMPORARY}{secrets.token_hex(6)}"
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode, dir_fd=folder)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                    if expected:
                        os.fchmod(file.fileno(), mode)
                        _compare(name, folder, expected)
                        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
                    else:
                        _begin(temporary, name, folder)
                    return _stamp(os.fstat(file.fileno()))  # by its name it may be another one now, or none
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary, dir_fd=folder)
                raise

    def remove(self, path: str, expected: str) -> None:
        """Remove a file that has this digest. Raises :class:`Moved`, and OSError: FileNotFoundError for none."""
        *parts, name = path.split("/")
        with self._opened(parts) as folder:
            if stat.S_ISLNK(os.lstat(name, dir_fd=folder).st_mode):
                return
            _compare(name, folder, expected)
            os.unlink(name, dir_fd=folder)

    def settle(self, paths: Sequence[str]) -> None:
        """Make writes and removals durable."""
        for parent in {path.rpartition("/")[0] for path in paths} | ({""} if paths else set()):
            with suppress(OSError), self._opened(parent.split("/") if parent else ()) as folder:
                os.fsync(folder)

    @contextmanager
    def _opened(self, parts: Sequence[str]) -> Iterator[int]:
        """A descriptor of a folder, reached without following a link below the base. Raises OSError."""
        handle = os.open(self.base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in (*self._parts, *parts):
                if part in ("", ".", ".."):
                    raise OSError(errno.EINVAL, "no name of a folder", part)
                try:
                    inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=handle)
                except OSError as error:
                    if error.errno in _LINK:
                        raise OSError(error.errno, f"{part} is a link or no folder") from None
                    raise
                os.close(handle)
                handle = inner
            yield handle
        finally:
            os.close(handle)

    @staticmethod
    def _tidy(name: str, folder: int) -> None:
        """Remove what a writer that was killed left behind."""
        with suppress(OSError):
            if os.lstat(name, dir_fd=folder).st_mtime < time.time() - _LITTER_S:
                os.unlink(name, dir_fd=folder)


def _look(name: str, folder: int) -> Look:
    handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        before = os.fstat(handle)
        if not stat.S_ISREG(before.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", name)
        if before.st_size > FILE_LIMIT:
            raise OSError(errno.EFBIG, f"{before.st_size:,} bytes", name)
        written = _written_to(handle)
        with os.fdopen(handle, "rb", closefd=False) as file:
            data = file.read(FILE_LIMIT + 1)
        after = _stamp(os.fstat(handle))
        return Look(data, after, written or after != _stamp(before) or len(data) != after[2])
    finally:
        os.close(handle)


def _written_to(handle: int) -> bool:
    """Whether anybody has this file open for writing: then the kernel refuses us a read lease.

    Where a lease cannot be had at all (another owner, another system) we do not know, and say no. Should somebody open
    the file while we have the lease, he waits until we let go of it, and the signal sent to us is one that is ignored.
    """
    if sys.platform != "linux":
        return False
    try:
        fcntl.fcntl(handle, _F_SETSIG, signal.SIGURG)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    return False


def _compare(name: str, folder: int, expected: str) -> None:
    try:
        look = _look(name, folder)
    except FileNotFoundError:
        raise Moved from None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EFBIG, errno.EINVAL):
            raise Moved from None
        raise
    if look.open:
        raise Held
    if look.digest != expected:
        raise Moved


def _begin(temporary: str, name: str, folder: int) -> None:
    """Give a new file its name, unless that is taken."""
    try:
        os.link(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except FileExistsError:
        raise Moved from None
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        with suppress(FileNotFoundError):  # no hard links here
            os.lstat(name, dir_fd=folder)
            raise Moved from None
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        return
    os.unlink(temporary, dir_fd=folder)


def _stamp(told: os.stat_result) -> Stamp:
    return (told.st_mtime_ns, told.st_ctime_ns, told.st_size, told.st_ino)


def _shown(name: str) -> bool:
    """Whether a name is text: one that is not can be in no database, and in no message."""
    with suppress(UnicodeEncodeError):
        name.encode()
        return True
    return False
