"""``copilot --output-format json`` as 1.0.102 prints it and its own schema describes it.

The events of its transcript, and some that are only shown. ``result`` ends it with the exit status; what a request
costs is told in no money.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from profiles.headless.fold import Fold
from profiles.headless.heard import End, Heard, Told
from profiles.tally import Counts, Tally
from profiles.values import moment, number, table, text

_NOBODY = re.compile(r"no interactive user response|could not request permission", re.IGNORECASE)
_LIMITS = re.compile(r"user_\w*rate_limited|\w*quota_exceeded\w*")


class Copilot(Fold):
    """See the module."""

    def __init__(self, heard: Heard) -> None:
        super().__init__(heard)
        self._tally = Tally()

    def take(self, entry: Mapping[str, Any], wall_ns: int) -> Iterable[Told]:
        """See :class:`profiles.headless.fold.Fold`."""
        data, when = table(entry.get("data")), moment(entry.get("timestamp")) or wall_ns
        kind = entry.get("type")
        own = not entry.get("agentId") and not data.get("parentToolCallId")
        match kind:
            case "session.start":
                self.named(data.get("sessionId"))
            case "assistant.turn_start" if own:
                self.heard.turns = (self.heard.turns or 0) + 1
            case "assistant.message" if own:
                self.named("", data.get("model"))
                yield from self.said(text(data.get("content")))
            case "assistant.usage":
                self._count(data, text(data.get("apiCallId")) or text(entry.get("id")))
            case "tool.execution_start":
                yield from self.called(data.get("toolName"), data.get("arguments"), data.get("toolCallId"))
            case "tool.execution_complete":
                error = table(data.get("error"))
                if error.get("code") in ("denied", "rejected"):
                    ruled = not _NOBODY.search(text(error.get("message"))[:2_000])
                    yield from self.refused(data.get("toolCallId"), ruled=ruled)
            case "session.error" if own:
                limited = data.get("errorType") == "quota" or bool(_LIMITS.fullmatch(text(data.get("errorCode"))[:100]))
                yield from self.failed(text(data.get("message")), when, until_ns=0 if limited else None)
            case "result":
                self.named(entry.get("sessionId"))
                good = entry.get("exitCode") == 0
                self.finished(End.SUCCESS if good else End.ERROR, self.last_error())

    def _count(self, data: Mapping[str, Any], key: str) -> None:
        cached = number(data.get("cacheReadTokens"))
        fresh = max(0, number(data.get("inputTokens")) - cached)
        self._tally.put(key[:200], Counts(fresh, cached, number(data.get("outputTokens"))))
        self.heard.tokens = self._tally.total
