"""Which entry a file is: by the id in it, by where it lies, by its bytes, or a new one. For a thread, all of it blocks.

An id is put into a file that has none, and a copy gets one of its own. That is the only thing ever written here.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from memory.markdown.disk import Disk, Held, Look, Moved, Stamp
from memory.markdown.format import Page, Unreadable, derived_id, parse, torn, with_id
from memory.markdown.ledger import Filed
from quarterdeck.text import safe

_WRITERS = 8


@dataclass(frozen=True, kw_only=True)
class Found:
    """A file that was taken, and the entry it is."""

    path: str
    entry: str
    page: Page
    digest: str
    stamp: Stamp
    """() where it does not tell of later changes."""
    owed: str = ""
    """Why its id could not be put in."""


@dataclass(kw_only=True)
class Sifted:
    """What became of some files."""

    found: list[Found] = field(default_factory=list)
    bad: dict[str, tuple[Stamp, str, str]] = field(default_factory=dict)
    """Path to stamp, why it was not taken, and what a person may do."""
    later: list[str] = field(default_factory=list)
    """Changed a moment ago: to be looked at again."""
    open: list[str] = field(default_factory=list)
    """Open for writing: their close is told."""
    absent: list[str] = field(default_factory=list)
    same: list[Filed] = field(default_factory=list)
    """Rows of files that hold what they held, with what is known of their times now."""


class Sifter:
    """Reads the files of one folder. ``fresh`` keeps what was seen of files that changed a moment ago."""

    def __init__(self, disk: Disk, namespace: str) -> None:
        self._disk = disk
        self._namespace = namespace
        self._fresh: dict[str, tuple[Stamp, str]] = {}

    def sift(
        self,
        paths: Iterable[str],
        rows: Mapping[str, Filed],
        by_path: Mapping[str, str],
        gone: Collection[str],
        busy: str,
        quiet_ns: int,
    ) -> Sifted:
        """Take these files, in the order of their names.

        ``gone`` are the entries whose files are known to be absent, ``busy`` what git is at, "" for nothing. A file
        written in the last ``quiet_ns`` is taken once two looks agree.
        """
        made = Sifted()
        claimed: dict[str, str] = {}
        puts: list[tuple[Found, bytes]] = []
        for path in sorted(paths):
            try:
                look = self._disk.read(path)
            except FileNotFoundError:
                made.absent.append(path)
                continue
            except OSError as error:
                self._refuse(made, path, error)
                continue
            if look.open:
                made.open.append(path)
                continue
            if not quiet_ns <= time.time_ns() - max(look.stamp[:2]) and self._fresh.get(path) != (
                look.stamp,
                look.digest,
            ):
                self._fresh[path] = (look.stamp, look.digest)
                made.later.append(path)
                continue
            self._fresh.pop(path, None)
            row = rows.get(by_path.get(path, ""))
            if row is not None and not row.missing and row.digest == look.digest:
                claimed[row.entry] = path
                made.same.append(replace(row, stamp=look.settled))
                continue
            try:
                if busy and torn(look.data):
                    reason = f"{safe(path)} has the marks of a conflict, and {busy} is under way; it was not taken"
                    raise Unreadable(reason, hint="resolve it, and go on with git")
                page = parse(look.data, path, namespace=self._namespace)
                entry = self._identified(path, look, page, rows, by_path, gone, claimed)
                found = Found(path=path, entry=entry, page=page, digest=look.digest, stamp=look.settled)
                if entry == page.id:
                    made.found.append(found)
                else:
                    puts.append((found, with_id(look.data, path, entry, page)))
                claimed[entry] = path
            except Unreadable as error:
                made.bad[path] = (look.stamp, error.message, error.hint)
        with ThreadPoolExecutor(_WRITERS) as pool:  # one by one, each would wait for the disk alone
            for (found, _), put in zip(puts, pool.map(self._put, puts), strict=True):
                if isinstance(put, Found):
                    made.found.append(put)
                elif not isinstance(put, Held):
                    made.later.append(found.path)
        return made

    def _put(self, wanted: tuple[Found, bytes]) -> Found | Moved:
        """Put an id into a file."""
        found, data = wanted
        try:
            look = Look(data, self._disk.write(found.path, data, found.digest), False)
        except Moved as moved:
            return moved
        except OSError as error:
            return replace(found, owed=error.strerror or str(error))
        return replace(found, digest=look.digest, stamp=look.settled)

    @staticmethod
    def _refuse(made: Sifted, path: str, error: OSError) -> None:
        if error.errno == errno.ELOOP:
            made.absent.append(path)
            reason = "it is a link, and links are not followed"
        elif error.errno == errno.EFBIG:
            reason = f"it is too large ({error.strerror})"
        else:
            reason = error.strerror or str(error)
        made.bad[path] = ((), f"{safe(path)}: {reason}; it was not taken", "")

    def _identified(
        self,
        path: str,
        look: Look,
        page: Page,
        rows: Mapping[str, Filed],
        by_path: Mapping[str, str],
        gone: Collection[str],
        claimed: Mapping[str, str],
    ) -> str:
        """The entry this file is."""
        entry = page.id
        if not entry:
            entry = by_path.get(path, "") or self._renamed(look.digest, rows, gone, claimed)
        if not entry or entry in claimed or not self._free(entry, path, rows):
            entry = self._unused(path, look.data, rows, claimed)
        return entry

    @staticmethod
    def _renamed(digest: str, rows: Mapping[str, Filed], gone: Collection[str], claimed: Mapping[str, str]) -> str:
        """The entry whose file went and had the very same bytes."""
        return next((one for one in gone if rows[one].digest == digest and one not in claimed), "")

    def _free(self, entry: str, path: str, rows: Mapping[str, Filed]) -> bool:
        """Whether the entry has no other file: none is known, it is this one, or it is not there any more."""
        row = rows.get(entry)
        if row is None or row.path == path or not self._disk.exists(row.path):
            return True
        try:
            return parse(self._disk.read(row.path).data, row.path).id not in ("", entry)
        except (OSError, Unreadable):
            return False

    def _unused(self, path: str, data: bytes, rows: Mapping[str, Filed], claimed: Mapping[str, str]) -> str:
        number = 0
        while True:
            entry = derived_id(path if number == 0 else f"{path}\0{number}", data)
            if entry not in claimed and self._free(entry, path, rows):
                return entry
            number += 1
