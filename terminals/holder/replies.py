"""The holder's own answers to stateless queries, given while no orchestrator follows."""

from __future__ import annotations

import re
from collections.abc import Sequence

KEPT = 1024
"""Answered ranges remembered; older ones are covered by raising ``replied_upto``."""


class Replies:
    """Which queries in the output were answered, by whom, and what to answer now.

    Queries are found in the stream as literal bytes, across reads. A range once answered is never answered again:
    ``replied_upto`` covers everything an emulator answered, ``answered`` what the table answered after it.
    """

    def __init__(self, table: Sequence[tuple[bytes, bytes]] = ()) -> None:
        self.replied_upto = 0
        self.answered: list[tuple[int, int]] = []
        self._table = dict(table)
        longest_first = sorted((query for query in self._table if query), key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, longest_first))) if longest_first else None
        self._keep = len(longest_first[0]) - 1 if longest_first else 0
        self._tail = b""

    def scan(self, offset: int, data: bytes, answer: bool) -> bytes:
        """Look at output that begins at ``offset``; what to type back when ``answer`` is set."""
        if self._pattern is None:
            return b""
        text = self._tail + data
        base = offset - len(self._tail)
        self._tail = text[-self._keep :] if self._keep else b""
        out = b""
        if not answer:
            return out
        for found in self._pattern.finditer(text):
            start, end = base + found.start(), base + found.end()
            if end <= offset or end <= self.replied_upto:
                continue
            out += self._table[found.group()]
            self.answered.append((start, end))
        if len(self.answered) > KEPT:
            self._forget(self.answered[-KEPT - 1][1])
        return out

    def accept(self, upto: int) -> bool:
        """Whether an emulator's answer to the queries up to ``upto`` is the first one."""
        if upto <= self.replied_upto:
            return False
        self._forget(upto)
        return True

    def _forget(self, upto: int) -> None:
        self.replied_upto = upto
        self.answered = [(start, end) for start, end in self.answered if end > upto]
