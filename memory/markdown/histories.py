"""The history of each entry as lines in a file of its own, ``.versions/<id>.jsonl`` beside the markdown files.

A version is acknowledged when its line is on the disk. Several at once are put into one file first, so that a kill
stores all of them or none. A last line that was torn by a crash is no line. Everything is read once and held in
memory, which is meant for some ten thousand entries.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from memory.backend import Version
from memory.markdown.ledger import Filed
from memory.records import decode, encode
from memory.versions import Dot
from quarterdeck.errors import Broken, Invalid
from quarterdeck.paths import sync_folder, write_file

FOLDER = ".versions"
"""In the memory folder; it keeps itself out of git."""
_PENDING, _KNOWN, _LOCK = ".pending.jsonl", ".known.jsonl", ".lock"
_SLACK = 1_000
"""Lines of the ledger that say nothing any more, before it is written anew at a start."""


class Known(msgspec.Struct, omit_defaults=True):
    """One line of what is known besides the versions; the last of each sort counts."""

    writer: str = ""
    """This bank's name."""
    floor: dict[str, int] = {}
    """Numbers of versions that were here once, for each writer."""
    mark: str | None = None
    filed: Filed | None = None
    unfiled: str = ""
    """An entry that has no file any more."""
    settled: tuple[str, Dot, bool] | None = None
    """An entry, its shown version, and whether it is in conflict."""


class Histories:
    """The files; blocking, for one thread at a time. Raises :class:`Broken` where they cannot be used."""

    def __init__(self, folder: Path, writer: str) -> None:
        self._folder = folder / FOLDER
        self._damaged: set[str] = set()
        """Entries of whose history a line could not be read."""
        self._whole: dict[str, int] = {}
        """Bytes of each history up to the end of its last good line."""
        self._lock = -1
        self.versions: dict[str, dict[Dot, Version]] = {}
        self.problems: list[str] = []
        self.writer = ""
        self.floor: dict[str, int] = {}
        self.mark = ""
        self.filed: dict[str, Filed] = {}
        self.settled: dict[str, tuple[Dot, bool]] = {}
        try:
            self._open()
            lines = self._known()
            self._histories()
            self._apply()
            self._doubt()
        except OSError as error:
            self.close()
            raise Broken(f"cannot use {self._folder}: {error.strerror or error}", path=str(self._folder)) from error
        if not self.writer:
            self.writer = writer
            self.know([Known(writer=writer)])
        elif lines > 2 * (len(self.filed) + len(self.settled)) + _SLACK:
            self._renew()

    def add(self, versions: Sequence[Version]) -> None:
        """Store versions durably, all or none."""
        lines = b"".join(map(encode, versions))
        try:
            if len(versions) > 1:
                write_file(self._folder / _PENDING, lines)
            self._append(versions)
            if len(versions) > 1:
                (self._folder / _PENDING).unlink()
        except OSError as error:
            raise Broken(f"cannot write to {self._folder}: {error.strerror or error}; nothing was stored") from error

    def drop(self, entry: str, dots: Iterable[Dot], floor: Mapping[str, int]) -> None:
        """Forget versions of an entry; the numbers in ``floor`` stay taken."""
        self.know([Known(floor=dict(floor))])
        self.floor = dict(floor)
        gone = set(dots)
        left = {dot: version for dot, version in self.versions[entry].items() if dot not in gone}
        path = self._path(entry)
        if left:
            data = b"".join(map(encode, left.values()))
            write_file(path, data)
            self.versions[entry], self._whole[entry] = left, len(data)
        else:
            path.unlink(missing_ok=True)
            sync_folder(self._folder)
            del self.versions[entry]
            self._whole.pop(entry, None)

    def know(self, facts: Sequence[Known]) -> None:
        """Append to what is known, durably."""
        self._write(self._folder / _KNOWN, b"".join(msgspec.json.encode(fact) + b"\n" for fact in facts))
        for fact in facts:
            self._learn(fact)

    def size(self) -> int:
        """Bytes on the disk."""
        with os.scandir(self._folder) as entries:
            return sum(entry.stat(follow_symlinks=False).st_size for entry in entries)

    def close(self) -> None:
        """Let go of the folder."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _open(self) -> None:
        if self._folder.is_symlink():
            raise Broken(f"{self._folder} is a link; nothing was read", path=str(self._folder))
        self._folder.mkdir(exist_ok=True)
        if not (self._folder / ".gitignore").exists():
            write_file(self._folder / ".gitignore", b"*\n")
        self._lock = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise Broken(
                f"another orchestrator keeps the memory in {self._folder.parent}",
                hint='end it, or let both use memory.backend = "hybrid", which shares a folder',
            ) from None

    def _known(self) -> int:
        lines = 0
        path = self._folder / _KNOWN
        if not path.exists():
            return 0
        data = path.read_bytes()
        good = data.rfind(b"\n") + 1
        if good < len(data):
            os.truncate(path, good)
        decoder = msgspec.json.Decoder(Known)
        for line in data[:good].splitlines():
            lines += 1
            try:
                self._learn(decoder.decode(line))
            except msgspec.DecodeError as error:
                self.problems.append(f"{path}, line {lines} was passed over: {error}")
        return lines

    def _learn(self, fact: Known) -> None:
        self.writer = fact.writer or self.writer
        self.floor.update(fact.floor)
        if fact.mark is not None:
            self.mark = fact.mark
        if fact.filed is not None:
            self.filed[fact.filed.entry] = fact.filed
        if fact.unfiled:
            self.filed.pop(fact.unfiled, None)
        if fact.settled is not None:
            entry, shown, conflict = fact.settled
            self.settled[entry] = (Dot(*shown), conflict)

    def _renew(self) -> None:
        facts = [Known(writer=self.writer, floor=self.floor, mark=self.mark)]
        facts += [Known(filed=row) for row in self.filed.values()]
        facts += [Known(settled=(entry, *settled)) for entry, settled in self.settled.items()]
        write_file(self._folder / _KNOWN, b"".join(msgspec.json.encode(fact) + b"\n" for fact in facts))

    def _histories(self) -> None:
        for entry in sorted(os.listdir(self._folder)):
            if entry.startswith(".") or not entry.endswith(".jsonl"):
                continue
            path = self._folder / entry
            data = b"" if path.is_symlink() else path.read_bytes()
            whole = data.rfind(b"\n") + 1
            self._whole[path.stem] = whole
            known = self.versions.setdefault(path.stem, {})
            for number, line in enumerate(data[:whole].splitlines(), 1):
                try:
                    version = decode(line)
                    if version.entry != path.stem:
                        raise Invalid("it is of another entry")
                    known[version.dot] = version
                except Invalid as error:
                    self.problems.append(f"{path}, line {number} was passed over: {error.message}")
                    self._damaged.add(path.stem)
            if not known:
                del self.versions[path.stem]

    def _doubt(self) -> None:
        """Hold for unknown the files of versions that were lost, so that they are taken again, never overwritten."""
        for row in list(self.filed.values()):
            known = self.versions.get(row.entry, {})
            if not known or (row.entry in self._damaged and row.dot not in known):
                del self.filed[row.entry]
                if row.dot.writer == self.writer:  # its number stays taken
                    self.floor[self.writer] = max(row.dot.seq, self.floor.get(self.writer, 0))

    def _apply(self) -> None:
        """Finish what was begun when we were killed."""
        path = self._folder / _PENDING
        with suppress(FileNotFoundError):
            versions = [decode(line) for line in path.read_bytes().splitlines()]
            self._append([one for one in versions if one.dot not in self.versions.get(one.entry, {})])
            path.unlink()

    def _append(self, versions: Sequence[Version]) -> None:
        of: dict[str, list[Version]] = {}
        for version in versions:
            of.setdefault(version.entry, []).append(version)
        for entry, some in of.items():
            self._whole[entry] = self._write(self._path(entry), b"".join(map(encode, some)), self._whole.get(entry, 0))
            self.versions.setdefault(entry, {}).update((version.dot, version) for version in some)
        if any(len(self.versions[entry]) == len(some) for entry, some in of.items()):
            sync_folder(self._folder)

    @staticmethod
    def _write(path: Path, lines: bytes, at: int | None = None) -> int:
        """Append durably, over what is torn behind ``at``; where the file ends then."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        handle = os.open(path, flags, 0o600)
        try:
            if at is None:
                at = os.lseek(handle, 0, os.SEEK_END)
            else:
                os.ftruncate(handle, at)
            end = at + len(lines)
            while lines:
                written = os.pwrite(handle, lines, at)
                lines, at = lines[written:], at + written
            os.fsync(handle)
        finally:
            os.close(handle)
        return end

    def _path(self, entry: str) -> Path:
        return self._folder / f"{entry}.jsonl"


def facts(rows: Sequence[Filed], gone: Sequence[str]) -> list[Known]:
    """What :meth:`memory.markdown.ledger.Ledger.note` says, as lines."""
    return [*(Known(unfiled=entry) for entry in gone), *(Known(filed=row) for row in rows)]
