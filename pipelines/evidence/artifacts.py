"""Files that a step's patterns name, copied out of its folder, and out of nowhere else.

Links are not followed, neither to files nor to folders, ``.git`` is never looked into, and what is no regular file is
passed over, as is what runs have written: evidence, and what they keep apart. A file is copied as it is, or not at all:
one that holds a secret known to the run is left out.
"""

from __future__ import annotations

import errno
import fnmatch
import os
import re
import stat
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pipelines.evidence import files
from quarterdeck.redaction import Redactor
from quarterdeck.text import safe

FILE_LIMIT = 512 << 20
"""Bytes of one file."""
TOTAL_LIMIT = 2 << 30
"""Bytes of all files of a step."""
COUNT_LIMIT = 10_000
_CHUNK = 1 << 20
_PRUNED = frozenset({".git"})


@dataclass(frozen=True)
class Copied:
    """An artifact: its path in the step's folder as it is to be shown, where its copy is, and its bytes."""

    name: str
    path: Path
    size: int


class Held(Exception):
    """A file holds a secret."""


def copy(
    source: Path,
    patterns: Sequence[str],
    target: Path,
    redactor: Redactor,
    problem: Callable[[str], None],
    stop: Callable[[], None] = lambda: None,
    apart: Collection[Path] = (),
) -> list[Copied]:
    """Copy what ``patterns`` name of the folder ``source`` into ``target``, sorted by name.

    A pattern that names a folder means all of it. ``problem`` is told in one line of what was named and not copied;
    ``stop`` is called between two files and ends the work by raising. A full disk is a problem like any other. What is
    in ``apart``, and evidence of any run, is passed over.
    """
    copied: list[Copied] = []
    taken: set[str] = set()
    total = 0
    matches = [_pattern(tuple(one.rstrip("/").split("/"))) for one in patterns]
    for parts, folder in _walk(source, matches, problem, apart):
        stop()
        name = safe("/".join(parts), 1000)
        if len(copied) >= COUNT_LIMIT or total >= TOTAL_LIMIT:
            problem(f"artifacts from {name} on: there are too many")
            break
        path = target.joinpath(*_free(parts, taken))
        try:
            files.folder(path.parent)
            size = _copy(parts[-1], folder, path, min(FILE_LIMIT, TOTAL_LIMIT - total), redactor)
        except Held as held:
            problem(f"artifact {name}: it holds the secret {held}")
        except OSError as error:
            problem(f"artifact {name}: {error.strerror or error}")
        else:
            total += size
            copied.append(Copied(name, path, size))
    return copied


def _walk(
    source: Path,
    matches: Sequence[Callable[[tuple[str, ...]], bool]],
    problem: Callable[[str], None],
    apart: Collection[Path],
) -> Iterator[tuple[tuple[str, ...], int]]:
    """Files that match, with an open descriptor of the folder each is in: no name is gone through twice."""

    def wanted(parts: tuple[str, ...]) -> bool:
        return any(match(parts[:count]) for match in matches for count in range(1, len(parts) + 1))

    def failed(error: OSError) -> None:
        problem(f"artifacts in {safe(str(error.filename), 300)}: {error.strerror}")

    for place, folders, names, handle in os.fwalk(source, onerror=failed, follow_symlinks=False):
        folders[:] = sorted(one for one in folders if one not in _PRUNED)
        here = tuple(os.path.relpath(place, source).split(os.sep)) if place != os.fspath(source) else ()
        if here and files.is_marked(handle):
            folders.clear()
            continue
        left_out = {one.name for one in apart if one.parent == Path(os.path.realpath(place))}
        folders[:] = [one for one in folders if one not in left_out]
        for name in sorted({*names} - left_out):
            if wanted((*here, name)) and name not in _PRUNED:
                yield (*here, name), handle


def _copy(name: str, folder: int, path: Path, limit: int, redactor: Redactor) -> int:
    if stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        raise OSError(errno.EINVAL, "it is a link")
    handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    with os.fdopen(handle, "rb", buffering=0) as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        if found.st_size > limit:
            raise OSError(errno.EFBIG, f"it is larger than {limit >> 20} MB")
        return files.write(path, _searched(file.read, limit, redactor), limit)


def _searched(read: Callable[[int], bytes], limit: int, redactor: Redactor) -> Iterator[bytes]:
    before = b""
    size = 0
    keep = max(0, redactor.longest - 1)
    while data := read(_CHUNK):
        size += len(data)
        if size > limit:
            raise OSError(errno.EFBIG, "it grew while it was read")
        if held := redactor.held(before + data):
            raise Held(held)
        before = (before + data)[-keep:] if keep else b""
        yield data


def _free(parts: tuple[str, ...], taken: set[str]) -> list[str]:
    """A path that every system takes, and no other file has, also where capitals count for nothing."""
    tame = [files.tame(part) for part in parts]
    plain = tame[-1]
    number = 1
    while (path := "/".join(tame).casefold()) in taken:
        number += 1
        tame[-1] = f"{number}-{plain}"
    taken.add(path)
    return tame


def _pattern(pattern: tuple[str, ...]) -> Callable[[tuple[str, ...]], bool]:
    compiled = [None if part == "**" else re.compile(fnmatch.translate(part)) for part in pattern if part != "."]

    @lru_cache(4096)
    def rest(parts: tuple[str, ...], at: int) -> bool:
        if at == len(compiled):
            return not parts
        shape = compiled[at]
        if shape is None:
            return rest(parts, at + 1) or (bool(parts) and rest(parts[1:], at))
        return bool(parts) and shape.match(parts[0]) is not None and rest(parts[1:], at + 1)

    return lambda parts: rest(parts, 0)
