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


def stamps(folder: Path) -> Stamps:
    """What tells of a change of the files in a folder without opening them; nothing where it cannot be read."""
    found: Stamps = {}
    with contextlib.suppress(OSError, ValueError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                told = entry.stat(follow_symlinks=False)
                found[entry.name] = (told.st_mtime_ns, told.st_size, told.st_ino)
    return found


async def follow(wanted: Path, tell: Callable[[str], None]) -> None:
    """Tell of changes in a folder by watchfiles until cancelled; see :data:`sessions.status.watch.Tell`."""
    from watchfiles import awatch

    while True:
        folder = next((one for one in (wanted, *wanted.parents) if _identity(one)), None)
        if folder is None:
            return
        watched = _identity(folder)
        changes = awatch(folder, recursive=False, debounce=50, step=20)
        coming = asyncio.ensure_future(anext(changes))
        await asyncio.sleep(0)  # from here on it is watched; what changed before is told by nobody else
        tell("")
        try:
            while _identity(folder) == watched and bool(_identity(wanted)) == (folder == wanted):
                paths = {Path(path) for _, path in await coming}
                for path in paths if folder == wanted else ():
                    tell(path.name)
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


def _identity(folder: Path) -> tuple[int, int] | None:
    """Which folder is there; None for none."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISDIR(found.st_mode) else None
