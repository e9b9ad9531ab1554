"""``opencode run --format json`` as 1.18 prints it.

Each answer is a step: what it said, its tools when they have ended, its tokens. Nothing says that all is over: a last
step does whose reason is not the call of a tool. A permission that nobody gave ends it, with a good exit status.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from profiles.headless.fold import Fold
from profiles.headless.heard import End, Heard, Told
from profiles.tally import Counts, Tally
from profiles.values import amount, number, table, text

_NOBODY = "The user rejected permission to use this specific tool call"
_BY_RULE = "The user has specified a rule which prevents you from using this specific tool call"


class Opencode(Fold):
    """See the module."""

    def __init__(self, heard: Heard) -> None:
        super().__init__(heard)
        self._tally = Tally()

    def take(self, entry: Mapping[str, Any], wall_ns: int) -> Iterable[Told]:
        """See :class:`profiles.headless.fold.Fold`."""
        part = table(entry.get("part"))
        when = number(entry.get("timestamp")) * 1_000_000 or wall_ns
        self.named(entry.get("sessionID"))
        match entry.get("type"):
            case "step_start":
                self.heard.ended = None
            case "text":
                yield from self.said(text(part.get("text")))
            case "tool_use":
                yield from self._tool(part, table(part.get("state")))
            case "step_finish":
                self._step(part)
            case "error":
                error = table(entry.get("error"))
                said = text(table(error.get("data")).get("message")) or text(error.get("name"))
                yield from self.failed(said, when)
                self.finished(End.ERROR, said)

    def _tool(self, part: Mapping[str, Any], state: Mapping[str, Any]) -> Iterable[Told]:
        yield from self.called(part.get("tool"), state.get("input"), part.get("callID"))
        error = text(state.get("error"))
        if error.startswith((_NOBODY, _BY_RULE)):
            yield from self.refused(part.get("callID"), ruled=error.startswith(_BY_RULE))

    def _step(self, part: Mapping[str, Any]) -> None:
        tokens = table(part.get("tokens"))
        cache, made = table(tokens.get("cache")), number(tokens.get("output")) + number(tokens.get("reasoning"))
        fresh = number(tokens.get("input")) + number(cache.get("write"))
        if self._tally.put(text(part.get("id"))[:200], Counts(fresh, number(cache.get("read")), made)):
            self.heard.turns = (self.heard.turns or 0) + 1
            self.heard.tokens = self._tally.total
            if (cost := amount(part.get("cost"))) is not None:
                self.heard.cost = (self.heard.cost or 0.0) + cost
        reason = text(part.get("reason"))
        if reason == "stop":
            self.finished(End.SUCCESS)
        elif reason != "tool-calls":
            self.finished(End.ERROR, f"its answer ended with {reason or 'no reason'}")
