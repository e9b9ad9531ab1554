"""A text source that is a file of lines: one passage a line, as ``WALL_NS TEXT``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from memory.texts.source import Batch, Passage

PIECE = 4096


@dataclass(frozen=True)
class TextFile:
    agent: str
    path: Path
    kind: str = "journal"
    name: str = ""

    def stamp(self) -> str:
        return str(self.path.stat().st_size) if self.path.exists() else ""

    def open(self, cursor: bytes) -> Lines:
        return Lines(self.path, int(cursor or b"0"))


class Lines:
    def __init__(self, path: Path, at: int) -> None:
        self.file = os.open(path, os.O_RDONLY)
        self.at = at

    def read(self) -> Batch:
        data = os.pread(self.file, PIECE, self.at)
        whole = data[: data.rfind(b"\n") + 1]
        passages, at = [], self.at
        for line in whole.split(b"\n")[:-1]:
            when, _, text = line.decode().partition(" ")
            passages.append(Passage(at, at + len(line) + 1, int(when), text.replace("\\n", "\n")))
            at += len(line) + 1
        self.at += len(whole)
        return Batch(passages, b"%d" % self.at, len(data) == PIECE)

    def close(self) -> None:
        os.close(self.file)
