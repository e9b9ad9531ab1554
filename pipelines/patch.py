"""A unified diff of hostile origin: which files it is about, and whether it can be applied inside one folder.

Git applies it, and looks first whether it fits as a whole; it follows no link and leaves the folder for nothing. What
could do more than change text (links, submodules, modes, binary files, git's own files) is refused before.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from quarterdeck.errors import Refused
from quarterdeck.text import safe
from sessions.git import git

LIMIT = 100_000
"""Characters of a diff; a mending change is smaller."""
FILES = 20
_BEGIN = re.compile(r"^(?:diff --git |--- \S)", re.MULTILINE)
_FENCE = re.compile(r"^(?P<fence>`{3,}|~{3,})[ \t]*(?:diff|patch)[ \t]*\n(?P<diff>.*?)^(?P=fence)[ \t]*$", re.M | re.S)
_STRANGE = re.compile(
    r"^(?:(?:new|old|deleted file|new file) mode (?!100(?:644|755)$)\d+|GIT binary patch|Binary files |"
    r"Submodule |similarity index |(?:copy|rename) (?:from|to) ).*$",
    re.MULTILINE,
)
_OURS = frozenset({".git", ".quarterdeck", ".gitmodules", ".gitattributes"})
_APPLY = ("apply", "--recount", "--whitespace=nowarn")


def found_in(text: str) -> tuple[str, str]:
    """The explanation and the diff in an answer: its last fenced block of that kind, or what begins as one."""
    blocks = list(_FENCE.finditer(text if text.endswith("\n") else text + "\n"))
    if blocks:
        last = blocks[-1]
        return (text[: last.start()] + text[last.end() :]).strip(), last["diff"]
    if begin := _BEGIN.search(text):
        return text[: begin.start()].strip(), text[begin.start() :].rstrip("\n") + "\n"
    return text.strip(), ""


async def files(diff: str, folder: Path) -> tuple[str, ...]:
    """The files it changes, relative to ``folder``. Raises :class:`Refused` for what is no plain change of texts."""
    if len(diff) > LIMIT:
        raise Refused(f"the change is longer than {LIMIT:,} characters")
    if strange := _STRANGE.search(diff):
        raise Refused(f"the change does more than change texts: {safe(strange[0], 100)}")
    with _file(diff) as path:
        told = await git(folder, "apply", "--numstat", "-z", "--recount", "--", path, ceiling=folder.parent)
    names = [entry.split("\t", 2)[2] for entry in told.split("\0") if entry.count("\t") >= 2]
    if not names:
        raise Refused("the change changes nothing")
    if len(names) > FILES:
        raise Refused(f"the change is about {len(names)} files, more than {FILES}")
    for name in names:
        if os.path.isabs(name) or not _OURS.isdisjoint(name.lower().split("/")) or ".." in name.split("/"):
            raise Refused(f"the change is about {safe(name, 100)}")
    return tuple(names)


async def apply(diff: str, folder: Path) -> None:
    """Apply it to the files in ``folder``, all of it or nothing; again does nothing. Raises :class:`Refused`."""
    with _file(diff) as path:
        if await _fits(folder, path, "--reverse") and not await _fits(folder, path):
            return  # an earlier process of the run did
        await git(folder, *_APPLY, "--check", "--", path, ceiling=folder.parent)
        await git(folder, *_APPLY, "--", path, ceiling=folder.parent)


async def undo(diff: str, folder: Path) -> None:
    """Take it back. Raises :class:`Refused` where that cannot be done any more."""
    with _file(diff) as path:
        await git(folder, *_APPLY, "--reverse", "--", path, ceiling=folder.parent)


async def _fits(folder: Path, path: str, *how: str) -> bool:
    try:
        await git(folder, *_APPLY, "--check", *how, "--", path, ceiling=folder.parent)
    except Refused:
        return False
    return True


@contextlib.contextmanager
def _file(diff: str) -> Iterator[str]:
    with tempfile.NamedTemporaryFile(suffix=".diff") as one:
        one.write(diff.encode("utf-8", "surrogateescape"))
        one.flush()
        yield one.name
