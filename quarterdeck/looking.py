"""Folders watched without inotify: by watchfiles on other systems, by their files' stamps where nothing is left."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import stat
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)

Stamps = dict[str, tuple[int, ...]]


def stamps(folder: Path, recursive: bool) -> Stamps:
    """What tells of a change of the files in a folder without opening them; nothing where it cannot be read.

    Recursive: of the folders below as well, none of them behind a link.
    """
    found: Stamps = {}
    folders = [os.fspath(folder)]
    while folders:
        with contextlib.suppress(OSError, ValueError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    told = entry.stat(follow_symlinks=False)
                    found[entry.path] = (told.st_mtime_ns, told.st_size, told.st_ino)
                    if recursive and stat.S_ISDIR(told.st_mode):
                        folders.append(entry.path)
    return found


async def follow(wanted: Path, recursive: bool, tell: Callable[[frozenset[Path] | None], None]) -> None:
    """Tell of changes in a folder by watchfiles until cancelled; see :data:`quarterdeck.watching.Told`."""
    from watchfiles import awatch

    while True:
        folder = next((one for one in (wanted, *wanted.parents) if _identity(one)), None)
        if folder is None:
            return
        watched = _identity(folder)
        changes = awatch(folder, watch_filter=None, recursive=recursive and folder == wanted, debounce=50, step=20)
        coming = asyncio.ensure_future(anext(changes))
        await asyncio.sleep(0)  # from here on it is watched; what changed before is told by nobody else
        tell(None)
        try:
            while _identity(folder) == watched and bool(_identity(wanted)) == (folder == wanted):
                paths = {_below(folder, Path(path)) for _, path in await coming}
                if recursive and folder == wanted:  # what was made before a new folder was watched is told by nobody
                    paths.update(Path(below) for one in paths - {folder} for below in stamps(one, recursive=True))
                if folder == wanted and paths - {folder}:
                    tell(frozenset(paths - {folder}))
                if folder in paths:
                    break  # it went, and what is there now is another one
                coming = asyncio.ensure_future(anext(changes))
        except (OSError, RuntimeError) as error:
            log.warning("%s cannot be watched: %s", folder, error)
            return
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
            await changes.aclose()


def _below(folder: Path, path: Path) -> Path:
    """A path as told by the system, which follows links on the way to the folder, as one below ``folder``."""
    with contextlib.suppress(ValueError, OSError):
        return path if path.is_relative_to(folder) else folder / path.relative_to(folder.resolve())
    return folder


def _identity(folder: Path) -> tuple[int, int] | None:
    """Which folder is there; None for none."""
    try:
        found = folder.stat()
    except (OSError, ValueError):
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISDIR(found.st_mode) else None
