"""A folder that carries versions between banks: synced by whatever syncs files, on a stick, on a network drive.

``WRITER/WRITER.FROM-TO.DIGEST.jsonl.gz``: the folder is named by the bank that writes there, no other does; the file
by whose versions it holds, from which number to which, and by the SHA-256 of its bytes, of which it has the first 32
digits. A file never changes. Half of one, as a sync leaves it on its way, does not have the digest of its name and is
not read. What one bank handed on for another lies in its own folder, so that a bank that is never seen here is heard.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import stat
import zlib
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from memory.backend import Version
from memory.records import LINE_LIMIT, decode, encode
from memory.versions import Vector
from quarterdeck.errors import Broken, Invalid
from quarterdeck.paths import read_file, sync_folder, write_file
from quarterdeck.text import safe

TEXT_SIZE = 4 << 20
"""Bytes of lines in one segment, unless one version alone is longer."""
TEXT_LIMIT = TEXT_SIZE + LINE_LIMIT
"""Bytes of lines in one segment that are read; more is damage or meant badly."""
SMALL = 256 << 10
MANY_SMALL = 16
"""So many segments of this bank smaller than :data:`SMALL` bytes are put together."""
FILES_LIMIT = 100_000
LEFT_SECONDS = 3600
"""A temporary file of ours that is older was left by a crash."""
_NAME = re.compile(r"([0-9A-Za-z_-]{1,64})\.([1-9]\d{0,15})-([1-9]\d{0,15})\.([0-9a-f]{32})\.jsonl\.gz")
_BY = re.compile(r"[0-9A-Za-z_-]{1,64}")


class Segment(NamedTuple):
    """One file: versions of ``writer`` from number ``first`` to ``last``, as many of them as were kept."""

    writer: str
    first: int
    last: int
    path: Path
    size: int
    """Bytes on disk."""


class Folder:
    """A peer (see :mod:`memory.replicate`) that is a folder. It must exist; ``writer`` names the bank that uses it."""

    def __init__(self, root: Path, writer: str) -> None:
        self.root = root
        self.writer = writer
        self.problems: list[str] = []
        """What could not be read, one line each."""
        self._covered: dict[str, int] = {}

    async def summary(self) -> Vector:
        """For each writer the number up to which the files reach without a hole, by their names."""
        self._covered = _covered(await asyncio.to_thread(self._listed))
        return dict(self._covered)

    async def since(self, seen: Vector) -> AsyncIterator[list[Version]]:
        """See :class:`memory.backend.Backend`. A writer whose next file cannot be read is gone on with another time."""
        segments = await asyncio.to_thread(self._listed)
        for writer in sorted({segment.writer for segment in segments}):
            at = seen.get(writer, 0)
            own = [segment for segment in segments if segment.writer == writer]
            while usable := [one for one in own if one.first <= at + 1 and one.last > at]:
                best = max(usable, key=lambda one: (one.last, one.path))
                own.remove(best)
                versions = await self._read(best)
                if versions is None:
                    continue
                if fresh := [version for version in versions if version.dot.seq > at]:
                    yield fresh
                at = best.last

    async def receive(self, versions: Sequence[Version]) -> list[str]:
        """Write files of these versions, which follow on what the folder has; they are on disk when this returns."""
        ordered = sorted(versions, key=lambda version: version.dot)
        for writer in dict.fromkeys(version.dot.writer for version in ordered):
            at = self._covered.get(writer, 0)
            fresh = [version for version in ordered if version.dot.writer == writer and version.dot.seq > at]
            for lines, last in _parts(fresh):
                await asyncio.to_thread(self._write, writer, at + 1, last, lines)
                self._covered[writer] = at = last
        return []

    async def compact(self) -> int:
        """Put many small files of this bank together; how many went. A crash between leaves both, which is no harm."""
        gone = 0
        listed = [one for one in await asyncio.to_thread(self._listed) if one.path.parent.name == self.writer]
        for writer in sorted({segment.writer for segment in listed}):
            small = sorted(one for one in listed if one.writer == writer and one.size < SMALL)
            if len(small) < MANY_SMALL:
                continue
            run: list[Segment] = []
            for segment in [*small, None]:
                if segment is not None and (not run or segment.first <= max(one.last for one in run) + 1):
                    run.append(segment)
                    continue
                gone += await self._joined(writer, run)
                run = [segment] if segment is not None else []
        return gone

    async def _joined(self, writer: str, run: list[Segment]) -> int:
        if len(run) < 2:
            return 0
        found: dict[int, Version] = {}
        for segment in run:
            versions = await self._read(segment)
            if versions is None:
                return 0
            found.update((version.dot.seq, version) for version in versions)
        at, end = run[0].first, max(one.last for one in run)
        written = set[Path]()
        parts = list(_parts([found[seq] for seq in sorted(found)]))
        for index, (lines, last) in enumerate(parts):
            until = end if index == len(parts) - 1 else last
            written.add(await asyncio.to_thread(self._write, writer, at, until, lines))
            at = until + 1
        old = [segment.path for segment in run if written and segment.path not in written]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)

    async def _read(self, segment: Segment) -> list[Version] | None:
        """What a file holds; None, with a problem noted, where it is not whole, :class:`Invalid` where it lies."""
        try:
            return await asyncio.to_thread(_read, segment)
        except FileNotFoundError:  # put together with others meanwhile
            return None
        except (OSError, zlib.error) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            problem = (
                f"{segment.path} cannot be read ({safe(why)}): what it holds is taken when it is whole; "
                "if it stays so, delete it and exchange again with a bank that has its versions"
            )
            if problem not in self.problems:
                self.problems.append(problem)
            return None

    def _listed(self) -> list[Segment]:
        found: list[Segment] = []
        try:
            with os.scandir(self.root) as folders:
                names = sorted(one.name for one in folders if _BY.fullmatch(one.name) and _folder(one))
            for name in names:
                with suppress(FileNotFoundError), os.scandir(self.root / name) as files:
                    found += [segment for one in files if (segment := _segment(one))]
                if len(found) > FILES_LIMIT:
                    raise Invalid(f"{self.root} holds more than {FILES_LIMIT:,} files of versions; nothing was taken")
        except OSError as error:
            raise Broken(
                f"cannot read {self.root}: {error.strerror or error}; nothing was exchanged",
                hint="is the folder there, and the drive it is on?",
                path=str(self.root),
            ) from error
        return found

    def _write(self, writer: str, first: int, last: int, lines: bytes) -> Path:
        # no name and no time inside: the same versions make the same file
        packer = zlib.compressobj(6, wbits=31)
        data = packer.compress(lines) + packer.flush()
        digest = hashlib.sha256(data).hexdigest()[:32]
        folder = self.root / self.writer
        path = folder / f"{writer}.{first}-{last}.{digest}.jsonl.gz"
        try:
            if not folder.is_dir():
                folder.mkdir(mode=0o700, exist_ok=True)
                sync_folder(self.root)
            _tidy(folder)
            write_file(path, data)
        except OSError as error:
            raise Broken(
                f"cannot write to {folder}: {error.strerror or error}; what was written before is complete",
                hint="free some space or correct the permissions there, and exchange again",
                path=str(path),
            ) from error
        return path


def _covered(segments: Iterable[Segment]) -> dict[str, int]:
    covered: dict[str, int] = {}
    for segment in sorted(segments):
        at = covered.get(segment.writer, 0)
        if segment.first <= at + 1:
            covered[segment.writer] = max(at, segment.last)
    return covered


def _parts(versions: Iterable[Version]) -> Iterable[tuple[bytes, int]]:
    """Lines for one file each, with the number of the last version in them."""
    lines: list[bytes] = []
    size = last = 0
    for version in versions:
        line = encode(version)
        if lines and size + len(line) > TEXT_SIZE:
            yield b"".join(lines), last
            lines, size = [], 0
        lines.append(line)
        size += len(line)
        last = version.dot.seq
    if lines:
        yield b"".join(lines), last


def _folder(one: os.DirEntry[str]) -> bool:
    return one.is_dir(follow_symlinks=False)


def _segment(one: os.DirEntry[str]) -> Segment | None:
    name = _NAME.fullmatch(one.name)
    if name is None:
        return None
    try:
        status = one.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    first, last = int(name[2]), int(name[3])
    if not stat.S_ISREG(status.st_mode) or last < first:
        return None
    return Segment(name[1], first, last, Path(one.path), status.st_size)


def _read(segment: Segment) -> list[Version]:
    data = read_file(segment.path, TEXT_LIMIT)
    name = _NAME.fullmatch(segment.path.name)
    if name is None or hashlib.sha256(data).hexdigest()[:32] != name[4]:
        raise OSError(0, "incomplete or damaged", str(segment.path))
    unpacker = zlib.decompressobj(wbits=31)
    text = unpacker.decompress(data, TEXT_LIMIT)
    if unpacker.unconsumed_tail or not unpacker.eof:
        raise Invalid(f"{segment.path} holds more than {TEXT_LIMIT:,} bytes, or half of them; nothing of it was taken")
    versions: list[Version] = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            version = decode(line)
            at = versions[-1].dot.seq if versions else segment.first - 1
            if version.dot.writer != segment.writer or not at < version.dot.seq <= segment.last:
                raise Invalid(f"the version {version.dot} does not belong into this file")
        except Invalid as error:
            raise Invalid(
                f"{segment.path}, line {number}: {error.message}; nothing of this file was taken",
                hint=error.hint or "delete the file, or upgrade quarterdeck where it was written by a newer one",
                path=str(segment.path),
                line=number,
            ) from None
        versions.append(version)
    return versions


def _tidy(folder: Path) -> None:
    """Remove temporary files in which we were killed."""
    with os.scandir(folder) as files:
        for one in files:
            if one.name.startswith("."):
                with suppress(FileNotFoundError):
                    status = one.stat(follow_symlinks=False)
                    newest = folder.stat().st_mtime
                    if newest - status.st_mtime > LEFT_SECONDS:
                        os.unlink(one.path)
