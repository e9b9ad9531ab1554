"""What a step has changed in the repository around its folder: commits, uncommitted files and new ones, as a patch."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from quarterdeck.errors import Refused
from quarterdeck.text import safe
from sessions.commands import run
from sessions.git import ask, surroundings

_SECONDS = 120.0
_OPTIONS = (
    *("-c", "core.quotePath=true", "-c", "core.fsmonitor=false", "-c", "submodule.recurse=false"),
    *("-c", "core.hooksPath=/dev/null", "-c", "core.safecrlf=false", "-c", "advice.addEmbeddedRepo=false"),
)
_DIFF = ("diff", "--stat", "--patch", "--no-color", "--no-ext-diff", "--no-textconv", "--find-renames")


async def patch(folder: Path, since_ns: int, base: str = "", apart: Iterable[Path] = ()) -> bytes:
    """The patch, a table of files before it; b"" where nothing has changed or there is no repository.

    ``base`` is the commit it begins at, "" for the one that was checked out at the time ``since_ns``, by git's own log.
    Files and folders in ``apart`` are left out. Several steps in one folder at the same time are not told apart. Binary
    files are named only. What is longer than :data:`sessions.commands.OUTPUT_LIMIT` is cut. Raises :class:`Refused`
    where git cannot tell.
    """
    if not await asyncio.to_thread(_may_be_inside, folder):
        return b""
    top = await ask(folder, "rev-parse", "--show-toplevel")
    index = await ask(folder, "rev-parse", "--path-format=absolute", "--git-path", "index")
    if not top or not index:
        return b""
    base = base or await _checked_out(folder, since_ns)
    inside = [one.relative_to(top) for one in apart if one.is_relative_to(top) and one != Path(top)]
    paths = ("--", ":/", *(f":(top,exclude,literal){one}" for one in inside))
    # Files git does not know yet are told to a copy of its index: the repository's own stays as it is.
    with tempfile.TemporaryDirectory(prefix="quarterdeck-") as temporary:
        copy = os.path.join(temporary, "index")
        if os.path.exists(index):
            # with its time: by it git knows which files may have changed since without a later time of their own
            await asyncio.to_thread(shutil.copy2, index, copy)
        environ = surroundings(GIT_INDEX_FILE=copy)
        git = ("git", *_OPTIONS)
        await run([*git, "add", "--intent-to-add", "--all", *paths], cwd=Path(top), environ=environ, seconds=_SECONDS)
        ended = await run([*git, *_DIFF, base, *paths], cwd=Path(top), environ=environ, seconds=_SECONDS)
    if ended.code or (ended.code is None and not ended.out):
        told = safe(os.fsdecode(ended.err), 200) or "git failed"
        raise Refused(f"what has changed in {safe(top)} cannot be told: {told}", path=top)
    return ended.out


def _may_be_inside(folder: Path) -> bool:
    """Whether git has to be asked: a working tree has a ``.git`` in it or above it."""
    here = folder.resolve()
    return any(os.path.lexists(one / ".git") for one in (here, *here.parents))


async def _checked_out(folder: Path, since_ns: int) -> str:
    if since_ns:
        moment = datetime.fromtimestamp(since_ns // 1_000_000_000 - 1, UTC)
        if found := await ask(folder, "rev-parse", "--verify", "--quiet", f"HEAD@{{{moment:%Y-%m-%d %H:%M:%S} +0000}}"):
            return found
    if found := await ask(folder, "rev-parse", "--verify", "--quiet", "HEAD^{commit}"):
        return found
    return await ask(folder, "hash-object", "-t", "tree", "/dev/null") or "HEAD"
