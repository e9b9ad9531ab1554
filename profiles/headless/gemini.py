"""``gemini --output-format stream-json`` as 0.61 prints it.

``init`` names the conversation; an answer comes in pieces; ``result`` ends it and tells the tokens of all models. What
only a person may allow is not offered to the model, or its tool ends with an error that says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from profiles.headless.fold import Fold
from profiles.headless.heard import MESSAGE_LIMIT, End, Heard, Told
from profiles.tally import Counts
from profiles.values import moment, number, table, text

_NOBODY = re.compile(r"requires user confirmation|not supported in non-interactive mode")
_BY_RULE = "policy_violation"
_TURNS = "FatalTurnLimitedError"


class Gemini(Fold):
    """See the module."""

    def __init__(self, heard: Heard) -> None:
        super().__init__(heard)
        self._saying = ""

    def take(self, entry: Mapping[str, Any], wall_ns: int) -> Iterable[Told]:
        """See :class:`profiles.headless.fold.Fold`."""
        when = moment(entry.get("timestamp")) or wall_ns
        kind = entry.get("type")
        if kind == "message" and entry.get("role") == "assistant":
            self.answers()
            self._saying = (self._saying + text(entry.get("content")))[-MESSAGE_LIMIT:]
            if not entry.get("delta"):
                yield from self._said()
            return
        yield from self._said()
        match kind:
            case "init":
                self.named(entry.get("session_id"), entry.get("model"))
            case "tool_use":
                self.answers()
                yield from self.called(entry.get("tool_name"), entry.get("parameters"), entry.get("tool_id"))
            case "tool_result":
                self.answered()
                error = table(entry.get("error"))
                ruled = error.get("type") == _BY_RULE
                if ruled or _NOBODY.search(text(error.get("message"))[:2_000]):
                    yield from self.refused(entry.get("tool_id"), ruled=ruled)
            case "error":
                yield from self.failed(text(entry.get("message")), when)
            case "result":
                yield from self._result(entry, when)

    def over(self) -> None:
        """An answer that was cut off is all there is."""
        for _ in self._said():
            pass

    def _said(self) -> Iterable[Told]:
        saying, self._saying = self._saying, ""
        yield from self.said(saying)

    def _result(self, entry: Mapping[str, Any], when: int) -> Iterable[Told]:
        stats, error = table(entry.get("stats")), table(entry.get("error"))
        if stats:
            given, cached = number(stats.get("input_tokens")), number(stats.get("cached"))
            made = max(number(stats.get("output_tokens")), number(stats.get("total_tokens")) - given)
            self.heard.tokens = Counts(max(0, given - cached), cached, made)
            self.named("", next(reversed(list(table(stats.get("models")))), ""))
        said = text(error.get("message"))
        if entry.get("status") == "success":
            self.finished(End.SUCCESS)
        elif error.get("type") == _TURNS:
            self.finished(End.TURNS, said)
        else:
            yield from self.failed(said, when)
            self.finished(End.ERROR, said)
