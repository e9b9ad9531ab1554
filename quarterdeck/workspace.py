"""The ``.quarterdeck`` folder of a workspace: made where it is missing, kept out of git, never through a link.

What a workspace brings is a stranger's: a folder of ours in it that is a symbolic link could point anywhere, so nothing
is written through one.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from quarterdeck.errors import Broken, NotFound
from quarterdeck.paths import write_file
from quarterdeck.text import safe

FOLDER = ".quarterdeck"
IGNORE = """\
# Quarterdeck: settings, profiles, layouts, workflows and memory may go into git, nothing else, this file neither.
*
!/config.toml
!/profiles/
!/profiles/**
!/layouts/
!/layouts/**
!/workflows/
!/workflows/**
!/memory/
!/memory/**
"""
"""What a new ``.quarterdeck/.gitignore`` holds. One that is there is a person's: it is never changed."""


def own_folder(workspace: Path, *parts: str) -> Path:
    """``.quarterdeck/<parts>`` of a workspace, each folder made where it is missing, with the ``.gitignore``.

    Raises :class:`NotFound` where the workspace itself is gone, :class:`Broken` where a folder is a link or no folder,
    or cannot be made.
    """
    here = workspace
    if not here.is_dir():
        raise NotFound(f"the folder {safe(str(here))} does not exist", hint="", path=str(here))
    try:
        for part in (FOLDER, *parts):
            here /= part
            with suppress(FileExistsError):
                here.mkdir()
            if not stat.S_ISDIR(here.lstat().st_mode):
                raise Broken(
                    f"{safe(str(here))} is a link or no folder; nothing was written",
                    hint="remove it, or put a folder in its place",
                    path=str(here),
                )
            if part == FOLDER and not os.path.lexists(here / ".gitignore"):
                write_file(here / ".gitignore", IGNORE.encode())
    except OSError as error:
        raise Broken(f"cannot write to {safe(str(here))}: {error.strerror or error}", path=str(here)) from error
    return here
