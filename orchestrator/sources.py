"""What agents printed and what they wrote down, as texts the memory can index."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import msgspec

from memory.texts.source import Batch, Passage
from profiles import transcripts
from profiles.transcripts.reader import Fold
from terminals.journal import format as form
from terminals.readable import Lines, Readable

PIECE = 128 << 10
"""Bytes of a journal that are read in one go: some fifteen milliseconds."""
CHARS = 1_000
"""Characters from which on a passage is not added to."""
SPAN = 8 << 10
"""Bytes of the journal that one passage comes from, at most."""
TOGETHER_NS = 60 * 10**9
"""What was printed further apart does not belong together."""
LINES_PIECE = 256 << 10
LINE_LIMIT = 4 << 20
"""Bytes; a longer line of a transcript is passed over."""
LONG = 4_000
"""Characters of a passage of a transcript, about."""
REMEMBERED = 2_048
_ANCHOR = 64
_DIGEST = 8


@dataclass(frozen=True)
class JournalSource:
    """What the terminal of an agent printed. Its journal is in one of ``folders``: it moves when it is removed."""

    agent: str
    folders: tuple[Path, ...]
    kind: str = "journal"
    name: str = ""

    def _folder(self) -> str:
        return os.fspath(next((folder for folder in self.folders if folder.exists()), self.folders[0]))

    def stamp(self) -> str:
        """The newest segment and the sizes of its files."""
        folder = self._folder()
        starts = form.segments(folder)
        if not starts:
            return ""
        sizes = []
        for path in (form.log_path(folder, starts[-1]), form.idx_path(folder, starts[-1])):
            try:
                sizes.append(os.path.getsize(path))
            except OSError:
                sizes.append(-1)
        return f"{starts[-1]} {sizes}"

    def open(self, cursor: bytes) -> JournalReading:
        """Read on from a cursor."""
        return JournalReading(self._folder(), cursor)


class JournalReading:
    """One journal being read."""

    def __init__(self, folder: str, cursor: bytes) -> None:
        self._lines = Readable(folder, cursor)

    def read(self) -> Batch:
        """The next piece. What is missing on disk is passed over."""
        found = self._lines.read(PIECE)
        return Batch(list(_passages(found)), self._lines.state(), self._lines.more)

    def close(self) -> None:
        """Free the emulator."""
        self._lines.close()


def _passages(found: list[Lines]) -> Iterator[Passage]:
    run: list[Lines] = []
    size = 0
    for one in found:
        apart = run and (one.end - run[0].end > SPAN or one.wall_ns - run[-1].wall_ns > TOGETHER_NS)
        if apart or size >= CHARS:
            yield _passage(run)
            run, size = [], 0
        run.append(one)
        size += sum(map(len, one.lines))
    if run:
        yield _passage(run)


def _passage(run: list[Lines]) -> Passage:
    text = "\n".join(line for one in run for line in one.lines)
    return Passage(run[0].start, run[-1].end, run[-1].wall_ns, text)


class _Cursor(msgspec.Struct, array_like=True):
    offset: int
    inode: int
    anchor: bytes
    """The bytes before ``offset``: whether it is still the same file."""
    seen: bytes


@dataclass(frozen=True)
class TranscriptSource:
    """What an agent's program wrote down of a conversation: prompts, answers, errors, as its format tells."""

    agent: str
    path: Path
    format: str
    kind: str = "transcript"

    @property
    def name(self) -> str:
        """The file."""
        return str(self.path)

    def stamp(self) -> str:
        """Which file, its size and its last change."""
        try:
            found = os.stat(self.path)
        except (OSError, ValueError):
            return ""
        return f"{found.st_ino} {found.st_size} {found.st_mtime_ns}" if stat.S_ISREG(found.st_mode) else ""

    def open(self, cursor: bytes) -> TranscriptReading:
        """Read on from a cursor; a file that took the place of the one that was read is read from its beginning."""
        return TranscriptReading(self.path, transcripts.FORMATS[self.format].fold(self.path), cursor)


class TranscriptReading:
    """One transcript being read. What was said lately is not said again where a history is rewritten."""

    def __init__(self, path: Path, fold: Fold, cursor: bytes) -> None:
        self._fold = fold
        self._file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        found = os.fstat(self._file)
        self._inode, self._changed_ns = found.st_ino, found.st_mtime_ns
        try:
            old = msgspec.msgpack.decode(cursor, type=_Cursor) if cursor else None
        except msgspec.DecodeError:
            old = None
        seen = old.seen if old else b""
        self._seen = dict.fromkeys(seen[at : at + _DIGEST] for at in range(0, len(seen), _DIGEST))
        same = old is not None and old.inode == found.st_ino and self._before(old.offset) == old.anchor
        self._at = old.offset if old is not None and same else 0

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def read(self) -> Batch:
        """The next lines; one whose end is not written yet is left for later."""
        data = os.pread(self._file, LINES_PIECE, self._at)
        while b"\n" not in data and len(data) >= LINES_PIECE:  # a line longer than a piece
            more = os.pread(self._file, LINES_PIECE, self._at + len(data))
            if not more:
                break
            if len(data) > LINE_LIMIT:
                self._at += len(data)
                data = b""
            data += more
        whole = data[: data.rfind(b"\n") + 1]
        passages = list(self._said(whole))
        self._at += len(whole)
        cursor = _Cursor(self._at, self._inode, self._before(self._at), b"".join(self._seen))
        return Batch(passages, msgspec.msgpack.encode(cursor), len(data) >= LINES_PIECE and bool(whole))

    def _before(self, at: int) -> bytes:
        return os.pread(self._file, min(_ANCHOR, at), max(0, at - _ANCHOR))

    def _said(self, data: bytes) -> Iterator[Passage]:
        at = self._at
        for line in data.split(b"\n")[:-1]:
            start, at = at, at + len(line) + 1
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if not isinstance(entry, dict):
                continue
            for piece in self._fold.take(entry):
                said = piece.data.get("prompt") or piece.data.get("message")
                if isinstance(said, str) and self._is_new(said):
                    yield from (Passage(start, at, piece.wall_ns or self._changed_ns, part) for part in _parts(said))

    def _is_new(self, said: str) -> bool:
        digest = blake2b(said.encode("utf-8", "surrogatepass"), digest_size=_DIGEST).digest()
        if digest in self._seen:
            return False
        self._seen[digest] = None
        while len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return True


def _parts(said: str) -> Iterator[str]:
    """A long text in parts that end with a line, where it has any."""
    while len(said) > LONG:
        cut = said.rfind("\n", LONG // 2, LONG) + 1 or said.rfind(" ", LONG // 2, LONG) + 1 or LONG
        yield said[:cut]
        said = said[cut:]
    if said.strip():
        yield said
