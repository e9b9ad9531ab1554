"""What the formats share: entries make news, and the state behind them."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

from profiles.headless.heard import LINE_LIMIT, MESSAGE_LIMIT, End, Heard, Kind, Refusal, Told
from profiles.hooks.values import clean, word
from profiles.transcripts import limits
from profiles.values import text
from quarterdeck.text import safe

_CALLS = 256
"""Calls of tools that are remembered, to say what was refused."""
_TOLD_BY = (
    *("command", "cmd", "file_path", "filePath", "absolute_path", "path", "pattern", "query", "url", "prompt"),
    *("description", "name"),
)
"""Keys of a call's input, the first of which says most of it."""


class Fold:
    """One format. Entries are hostile: any key may be missing or of any type."""

    OF_ENTRIES = True
    """Whether it is JSON, an object a line."""

    def __init__(self, heard: Heard) -> None:
        self.heard = heard
        self._calls: OrderedDict[str, Told] = OrderedDict()
        self._answering = False

    def take(self, entry: Mapping[str, Any], wall_ns: int) -> Iterable[Told]:
        """What an entry says that was read at ``wall_ns``."""
        raise NotImplementedError

    def noise(self, line: str, wall_ns: int) -> Iterable[Told]:
        """What a line says that is not of the format: nothing, as a rule."""
        if said := safe(line, LINE_LIMIT):
            self.heard.noise.append(said)
        return ()

    def over(self) -> None:
        """No more comes."""

    # -- what entries say

    def named(self, conversation: object, model: object = "") -> None:
        """Whose words these are."""
        self.heard.resume_id = word({"id": conversation}, "id") or self.heard.resume_id
        self.heard.model = safe(text(model), 100) or self.heard.model

    def said(self, words: str) -> Iterable[Told]:
        """The agent said something to the person."""
        if words := clean(words).strip():
            self.heard.message = last(words)
            yield Told(Kind.MESSAGE, self.heard.message)

    def called(self, name: object, given: object, key: object = "") -> Iterable[Told]:
        """It calls a tool; told once for each ``key``."""
        known = text(key)[:200]
        if known and known in self._calls:
            return
        told = Told(Kind.TOOL, in_one_line(given), safe(text(name), 80) or "tool")
        if known:
            self._calls[known] = told
            if len(self._calls) > _CALLS:
                self._calls.popitem(last=False)
        self.heard.tools += 1
        yield told

    def refused(self, key: object, *, name: object = "", given: object = None, ruled: bool = False) -> Iterable[Told]:
        """A call was not allowed; told once for each ``key``."""
        known = text(key)[:200]
        if known and any(refusal.key == known for refusal in self.heard.refusals):
            return
        call = self._calls.get(known) or Told(Kind.TOOL, in_one_line(given), safe(text(name), 80) or "tool")
        self.heard.refusals.append(Refusal(call.name, call.text, known, ruled))
        yield Told(Kind.REFUSED, call.text, call.name)

    def failed(self, words: str, wall_ns: int, *, until_ns: int | None = None) -> Iterable[Told]:
        """It says what went wrong. ``until_ns``: a usage limit was reached that ends then, 0 for nobody knows when."""
        said = safe(words, LINE_LIMIT)
        if until_ns is None and limits.reached(words):
            until_ns = limits.ends(words, wall_ns)
        if said and said not in self.heard.errors:
            self.heard.errors.append(said)
            yield Told(Kind.ERROR if until_ns is None else Kind.LIMITED, said)
        if until_ns is not None:
            self.heard.limited_ns = until_ns or self.heard.limited_ns or limits.UNKNOWN

    def finished(self, how: End, reason: str = "") -> None:
        """It says that it ended."""
        self.heard.ended = how
        self.heard.reason = "" if how is End.SUCCESS else safe(reason, LINE_LIMIT) or self.last_error()

    def last_error(self) -> str:
        """The last thing that went wrong."""
        return self.heard.errors[-1] if self.heard.errors else ""

    # -- turns of agents that do not number their answers

    def answers(self) -> None:
        """Something of an answer came: the first since a tool's result begins a new one."""
        if not self._answering:
            self._answering = True
            self.heard.turns = (self.heard.turns or 0) + 1

    def answered(self) -> None:
        """A tool's result came: what follows is another answer."""
        self._answering = False


def last(words: str) -> str:
    """The end of a long message, from the beginning of a line on."""
    if len(words) <= MESSAGE_LIMIT:
        return words
    kept = words[-MESSAGE_LIMIT:]
    return kept.partition("\n")[2] or kept


def in_one_line(given: object) -> str:
    """What a tool is called with, in one line."""
    if isinstance(given, str):
        return safe(given, LINE_LIMIT)
    if not isinstance(given, dict):
        return ""
    for key in _TOLD_BY:
        value = given.get(key)
        if isinstance(value, list) and all(isinstance(one, str) for one in value):
            value = " ".join(value[:64])
        if isinstance(value, str) and value:
            return safe(value, LINE_LIMIT)
    try:
        return safe(json.dumps(dict(list(given.items())[:8]), ensure_ascii=False), LINE_LIMIT) if given else ""
    except (ValueError, RecursionError):
        return ""
