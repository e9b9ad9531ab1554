"""Tokens that answers of a model used, each answer counted once however often and in how many pieces it is told."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NamedTuple

REMEMBERED = 4_096
"""Answers whose counts are remembered, so that one that is told again adds only what is new."""


class Counts(NamedTuple):
    """Tokens. ``fresh`` is the input that was not read from a cache, which is ``cached``."""

    fresh: int = 0
    cached: int = 0
    output: int = 0

    def __bool__(self) -> bool:
        return any(self)

    def plus(self, other: Counts) -> Counts:
        """Both together."""
        return Counts(self.fresh + other.fresh, self.cached + other.cached, self.output + other.output)

    def minus(self, other: Counts) -> Counts:
        """What is more than ``other``; never below zero."""
        return Counts(
            max(0, self.fresh - other.fresh), max(0, self.cached - other.cached), max(0, self.output - other.output)
        )


class Tally:
    """A sum over answers."""

    def __init__(self) -> None:
        self.total = Counts()
        self.any = False
        """Whether anything was counted, be it nothing."""
        self._known: OrderedDict[str, Counts] = OrderedDict()

    def knows(self, key: str) -> bool:
        """Whether the answer with this key was counted, not too long ago."""
        return key in self._known

    def add(self, counts: Counts) -> None:
        """An answer that is told once."""
        self.any = True
        self.total = self.total.plus(counts)

    def put(self, key: str, counts: Counts) -> bool:
        """An answer as it is known now; whether that is more than before. Its first pieces may tell too little."""
        before = self._known.get(key, Counts())
        now = Counts(*map(max, before, counts))
        self.add(now.minus(before))
        self._known[key] = now
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return now != before

    def usage(self, model: str = "") -> dict[str, Any]:
        """The totals as ``Sign.USAGE`` has them; empty where nothing was counted."""
        if not self.any:
            return {}
        usage: dict[str, Any] = dict(zip(("input", "cached", "output"), self.total, strict=True))
        return usage | ({"model": model} if model else {})
