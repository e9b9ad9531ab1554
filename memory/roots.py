"""Which folder a memory belongs to, and where its state lies."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from quarterdeck.paths import Paths, read_file, write_file
from quarterdeck.workspace import FOLDER

NOTE = "bank.json"
"""Beside the database; says whose memory it is."""
SHARED_NAME = "shared"
_NOTE_LIMIT = 1 << 16


@dataclass(frozen=True)
class Known:
    """A bank on disk."""

    root: str
    """The folder it is the memory of; "" for the shared one."""
    state: Path


def root_of(folder: Path) -> Path:
    """The main worktree of the repository that holds ``folder``; ``folder`` itself outside of git.

    Read from git's own files, without a process. Of a repository that has no main worktree, its own folder.
    """
    here = Path(os.path.realpath(folder))
    for place in (here, *here.parents):
        dot = place / ".git"
        if dot.is_dir():
            return place
        if dot.is_file():
            return _main(place, dot)
    return here


def state_of(paths: Paths, root: Path) -> Path:
    """The state folder of the bank of ``root``, which is a result of :func:`root_of`."""
    slug = re.sub(r"[^a-z0-9]+", "-", root.name.lower()).strip("-")[:40] or "root"
    return paths.memory / f"{slug}-{hashlib.sha256(os.fsencode(root)).hexdigest()[:8]}"


def files_of(root: Path) -> Path:
    """Where the markdown files of that bank are, if it has any."""
    return root / FOLDER / "memory"


def there(paths: Paths, root: Path) -> bool:
    """Whether there is a bank of ``root``, or files to make it from."""
    return (state_of(paths, root) / NOTE).exists() or files_of(root).exists()


def note(state: Path, root: str) -> None:
    """Write beside a bank whose memory it is."""
    file = state / NOTE
    if not file.exists():
        write_file(file, json.dumps({"root": root}).encode() + b"\n")


def known(paths: Paths) -> Iterator[Known]:
    """The banks on disk that say whose they are, by root."""
    found = []
    for file in paths.memory.glob(f"*/{NOTE}"):
        try:
            said = json.loads(read_file(file, _NOTE_LIMIT))
        except (OSError, ValueError):
            continue
        if isinstance(said, dict) and isinstance(said.get("root"), str):
            found.append(Known(said["root"], file.parent))
    yield from sorted(found, key=lambda bank: bank.root)


def _main(place: Path, dot: Path) -> Path:
    """From the ``.git`` file of a linked worktree to the main one; a submodule is a repository of its own."""
    try:
        _, _, said = read_file(dot, _NOTE_LIMIT).decode("utf-8", "surrogateescape").partition("gitdir:")
        gitdir = place / said.strip()
        common = gitdir / read_file(gitdir / "commondir", _NOTE_LIMIT).decode("utf-8", "surrogateescape").strip()
    except OSError:
        return place
    folder = Path(os.path.realpath(common))
    return folder.parent if folder.name == ".git" else folder
