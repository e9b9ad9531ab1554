"""The pages of one workspace on disk: ``.quarterdeck/sessions/<name>/checkpoint.md``, written whole or not at all.

A page that is not the one this state folder wrote last is never overwritten: it may hold what a lost database knew. It
is set aside as ``checkpoint-<when>.md`` beside the new one, and read like it. Functions here block: call them off the
loop.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from quarterdeck.errors import Broken, QuarterdeckError
from quarterdeck.paths import read_file, sync_folder, write_file
from quarterdeck.text import safe
from quarterdeck.workspace import FOLDER, own_folder
from sessions.markdown.record import Record, load
from sessions.markdown.render import NAME, Parts, parts

SESSIONS = "sessions"
PAGE_LIMIT = 1 << 20
"""Bytes of one page."""
TRIES = 5
"""Times a page is written anew because somebody wrote to it meanwhile."""
PAGES_LIMIT = 500
"""Pages of one workspace that are looked at."""

_PAGE = re.compile(r"checkpoint(?:-[0-9A-Za-z-]{1,40})?\.md")


class Page(NamedTuple):
    """A page as it stands on disk; ``record`` is None where its block cannot be read, and ``problem`` says why."""

    path: Path
    text: str
    record: Record | None
    problem: str = ""

    @property
    def parts(self) -> Parts:
        """Its body, summary and notes."""
        return parts(self.text)


def place(workspace: Path, name: str) -> Path:
    """Where the page of the session ``name`` is."""
    return workspace / FOLDER / SESSIONS / name / NAME


def read(path: Path) -> Page | None:
    """The page at ``path``; None where nothing is there. A link is not followed, a pipe not waited for."""
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return Page(path, "", None, "it is a link or no file")
        text = read_file(path, PAGE_LIMIT).decode("utf-8", "surrogateescape")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return Page(path, "", None, f"it cannot be read: {error.strerror or error}")
    try:
        return Page(path, text, load(text))
    except QuarterdeckError as error:
        return Page(path, text, None, error.message)


def read_below(workspace: Path, path: Path) -> Page | None:
    """As :func:`read`; None as well where a folder between the workspace and the page is a link."""
    between = path.relative_to(workspace).parents
    return read(path) if all(_is_folder(workspace / folder) for folder in between if folder.parts) else None


def pages(workspace: Path) -> Iterator[Page]:
    """Every page of a workspace, sessions by name, the newest page of each first. Links are not followed."""
    top = workspace / FOLDER / SESSIONS
    if not all(_is_folder(folder) for folder in (workspace / FOLDER, top)):
        return
    count = 0
    for folder in sorted(_entries(top)):
        if not _is_folder(folder):
            continue
        names = sorted((path for path in _entries(folder) if _PAGE.fullmatch(path.name)), reverse=True)
        for path in sorted(names, key=lambda path: path.name != NAME):
            count += 1
            if count > PAGES_LIMIT:
                return
            if page := read(path):
                yield page


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def put(
    workspace: Path, name: str, ours: Callable[[Record], bool], make: Callable[[Page | None], str], *, first: bool
) -> Path | None:
    """Write the page of session ``name``; its path, None where ``make`` gives "" because nothing is to be written.

    ``make`` is given the page that stands there. One that is not ``ours`` is set aside first. With ``first`` what a
    crash left of an earlier attempt is removed. Raises :class:`NotFound` where the workspace is gone, :class:`Broken`
    where it cannot be written.
    """
    folder = own_folder(workspace, SESSIONS, name)
    path = folder / NAME
    try:
        if first:
            for left in folder.glob(f".{NAME}.*"):
                left.unlink(missing_ok=True)
        for _ in range(TRIES):
            try:
                return path if _put(path, ours, make) else None
            except _Edited:
                continue  # with what was written meanwhile
    except OSError as error:
        raise Broken(f"cannot write {safe(str(path))}: {error.strerror or error}", path=str(path)) from error
    raise Broken(f"{safe(str(path))} is being changed by another program; it was left alone", path=str(path))


class _Edited(Exception):
    """Somebody wrote to the page after it was read."""


def _put(path: Path, ours: Callable[[Record], bool], make: Callable[[Page | None], str]) -> bool:
    """As :func:`put`, once; whether something was to be written. Raises OSError, :class:`Broken`, :class:`_Edited`."""
    old = read(path)
    text = make(old)
    if not text:
        return False
    data = text.encode("utf-8", "surrogateescape")
    if len(data) > PAGE_LIMIT:
        raise Broken(
            f"{safe(str(path))} would be larger than {PAGE_LIMIT >> 20} MB; nothing was written",
            hint="shorten the notes in it",
            path=str(path),
        )
    aside = old is not None and not (old.record and ours(old.record))
    if old is not None and aside:
        set_aside(old)

    def check() -> None:
        now = read(path)
        if (now.text if now else None) != (old.text if old and not aside else None):
            raise _Edited

    write_file(path, data, check=check)
    return True


def set_aside(page: Page, word: str = "checkpoint") -> Path:
    """Give a page another name in its folder, by when it was written; nothing is overwritten. Raises OSError."""
    when = re.sub(r"[^0-9TZ]", "", page.record.written)[:20] if page.record else ""
    stem = f"{word}-{when or 'unread'}"
    for number in range(1, 1000):
        path = page.path.with_name(f"{stem}-{number}.md" if number > 1 else f"{stem}.md")
        if not os.path.lexists(path):
            os.rename(page.path, path)
            sync_folder(path.parent)
            return path
    raise OSError(f"too many pages like {stem} in {page.path.parent}")


def move(workspace: Path, before: str, after: str) -> None:
    """The session has another name: its folder too, where none of that name is there. Raises OSError."""
    top = workspace / FOLDER / SESSIONS
    if all(_is_folder(folder) for folder in (top.parent, top, top / before)) and not os.path.lexists(top / after):
        os.rename(top / before, top / after)


def drop(workspace: Path, name: str) -> None:
    """Delete the page of a session, and its folder where nothing else is in it. Raises OSError."""
    folder = workspace / FOLDER / SESSIONS / name
    (folder / NAME).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()
