"""A transcript read as evidence: its lines, folded by what is known of one agent's format."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from profiles.transcripts.tail import Tail
from quarterdeck.clock import Clock, SystemClock
from quarterdeck.evidence import Evidence, Sign, Source

PROMPT_LIMIT = 16_000
"""Characters of a prompt that evidence carries, and below of a message."""
MESSAGE_LIMIT = 2_000
BACKLOG = 64
"""Pieces that the first look at a file tells at most; the newest are kept. What was long ago decides nothing."""


class Piece:
    """What one entry says, its texts whole, before it is stamped. ``wall_ns`` 0: the entry does not tell when."""

    __slots__ = ("data", "sign", "wall_ns")

    def __init__(self, sign: Sign, wall_ns: int, **data: Any) -> None:
        self.sign, self.wall_ns, self.data = sign, wall_ns, data


class Fold(Protocol):
    """What is known of one agent's entries. Entries are hostile: any key may be missing or of any type."""

    def take(self, entry: Mapping[str, Any]) -> Iterable[Piece]:
        """What a new entry says; it is counted as well."""
        ...

    def count(self, entry: Mapping[str, Any]) -> None:
        """Add an entry from before the first look to the totals."""
        ...

    def usage(self) -> Mapping[str, Any]:
        """The totals, as ``Sign.USAGE`` has them; empty where none are known."""
        ...

    def conversation(self) -> str:
        """The id of the conversation, "" where the entries did not tell."""
        ...


class Reader:
    """One transcript. Owns nothing but memory: drop it and open another, and the same is read again."""

    def __init__(self, path: Path, fold: Callable[[Path], Fold], clock: Clock | None = None) -> None:
        self.path = path
        self.more = False
        """Whether another call would find more at once: call again soon, and let others run in between."""
        self.invalid = 0
        """Lines that are not what the format says."""
        self._make = fold
        self._fold = fold(path)
        self._clock = clock or SystemClock()
        self._tail = Tail(path)
        self._backlog: deque[Evidence] | None = deque(maxlen=BACKLOG)
        self._told_usage: Mapping[str, Any] = {}
        self._told_conversation = ""

    @property
    def passed(self) -> int:
        """Lines passed over because they were too long."""
        return self._tail.passed

    def read(self) -> list[Evidence]:
        """What is new. One ``stat`` where nothing is, else one piece of the file."""
        read = self._tail.read()
        self.more = self._tail.more
        if read.fresh:
            self._fold = self._make(self.path)
            self._backlog = deque(maxlen=BACKLOG)
            self._told_usage, self._told_conversation = {}, ""
        elif not read.lines and self._backlog is None:
            return []
        now = self._clock.wall_ns()
        told: list[Evidence] = []
        for line in read.lines:
            entry = self._entry(line)
            if entry is None:
                continue
            if read.past:
                self._fold.count(entry)
            else:
                told += [self._stamp(piece, now) for piece in self._fold.take(entry)]
        if self._backlog is not None:
            self._backlog.extend(told)
            told = []
            if self._tail.current:
                told, self._backlog = list(self._backlog), None
        if self._backlog is None:
            told = [*self._whose(now), *told, *self._totals(now)]
        return told

    def _entry(self, line: bytes) -> Mapping[str, Any] | None:
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            entry = None
        if not isinstance(entry, dict):
            self.invalid += 1
            return None
        return entry

    def _whose(self, now: int) -> list[Evidence]:
        name = self._fold.conversation()
        if not name or name == self._told_conversation:
            return []
        self._told_conversation = name
        return [self._stamp(Piece(Sign.CONVERSATION, 0, id=name, transcript=str(self.path)), now)]

    def _totals(self, now: int) -> list[Evidence]:
        if not (self._tail.whole and self._tail.current):
            return []
        usage = dict(self._fold.usage())
        if not usage or usage == self._told_usage:
            return []
        self._told_usage = usage
        return [self._stamp(Piece(Sign.USAGE, 0, **usage), now)]

    def _stamp(self, piece: Piece, now: int) -> Evidence:
        # a time to come would make this the newest word of all for ever
        wall_ns = min(piece.wall_ns or now, now)
        data = dict(piece.data)
        for name, limit in (("prompt", PROMPT_LIMIT), ("message", MESSAGE_LIMIT)):
            if name in data:
                data[name] = data[name][:limit]
        return Evidence(source=Source.TRANSCRIPT, sign=piece.sign, wall_ns=wall_ns, text=self.path.name, data=data)
