"""GitHub Copilot CLI's ``session-state/ID/events.jsonl``, as 1.0.102 writes it and its own schema describes it.

One event a line: ``{"type", "data", "id", "timestamp", "parentId"}``, and ``agentId`` where it is about a helper of the
agent. A refusal and an interrupt are both an ``abort``; which one it was is told by the permission that was open then,
whose own end may be written before or after. A turn ends once for each answer of the model, asked for tools or not.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from profiles.tally import Counts, Tally
from profiles.transcripts import limits
from profiles.transcripts.reader import Piece
from profiles.values import moment, number, table, text
from quarterdeck.evidence import Sign

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LIMITS = re.compile(r"user_\w*rate_limited|\w*quota_exceeded\w*")
_OPEN = 64
"""Requests for permission that are remembered while they are open."""


class Fold:
    """See :class:`profiles.transcripts.reader.Fold`."""

    def __init__(self, path: Path) -> None:
        self._id = path.parent.name if _ID.fullmatch(path.parent.name) else ""
        self._model = ""
        self._tally = Tally()
        self._resets = 0
        """When the quota ends that was used up at the last answer; 0 while none was."""
        self._said = ""
        """The answer of this turn, "" while it asks for tools."""
        self._open: dict[str, str] = {}
        """Keys of the calls that ask for a permission, by the ids of their requests."""
        self._refused = ""

    def conversation(self) -> str:
        """The id that ``--resume`` takes, by which the folder is named."""
        return self._id

    def usage(self) -> Mapping[str, Any]:
        """What was read from the cache is part of the input and is taken out here. What it costs is in no money."""
        return self._tally.usage(self._model)

    def count(self, entry: Mapping[str, Any]) -> None:
        """Every answer has a receipt, those for helpers too."""
        if entry.get("type") != "session.usage_record":
            return
        usage = table(table(entry.get("data")).get("usage"))
        cached = number(usage.get("cacheReadTokens"))
        if usage:
            fresh = max(0, number(usage.get("inputTokens")) - cached)
            self._tally.add(Counts(fresh, cached, number(usage.get("outputTokens"))))
        if not entry.get("agentId"):
            self._model = text(usage.get("model"))[:100] or self._model
        self._resets = _resets(table(usage.get("quotaSnapshots")))

    def take(self, entry: Mapping[str, Any]) -> Iterable[Piece]:
        """See :class:`profiles.transcripts.reader.Fold`."""
        self.count(entry)
        if entry.get("agentId"):
            return
        data, when = table(entry.get("data")), moment(entry.get("timestamp"))
        match entry.get("type"):
            case "session.start" if not self._id and _ID.fullmatch(text(data.get("sessionId"))):
                self._id = text(data.get("sessionId"))
            case "user.message" if not data.get("source") and not data.get("isAutopilotContinuation"):
                self._refused = ""
                if said := text(data.get("content")).strip():
                    yield Piece(Sign.PROMPT, when, prompt=said)
            case "assistant.turn_start":
                self._said = self._refused = ""
                self._open.clear()
                yield Piece(Sign.WORKING, when)
            case "assistant.message":
                yield from self._answer(data, when)
            case "assistant.turn_end" if self._said:
                said, self._said = self._said, ""
                yield Piece(Sign.DONE, when, message=said)
            case "permission.requested" | "permission.completed" as kind:
                yield from self._permission(kind, data, when)
            case "abort":
                yield self._stopped(data, when)
            case "session.error":
                yield self._failed(data, when)

    def _answer(self, data: Mapping[str, Any], when: int) -> Iterable[Piece]:
        said = text(data.get("content")).strip()
        if data.get("toolRequests"):
            self._said = ""
        elif said:
            self._said = said
        if said:
            yield Piece(Sign.MESSAGE, when, message=said)

    def _permission(self, kind: str, data: Mapping[str, Any], when: int) -> Iterable[Piece]:
        request, result = text(data.get("requestId"))[:200], table(data.get("result"))
        if kind == "permission.requested":
            if len(self._open) < _OPEN:
                self._open[request] = text(table(data.get("permissionRequest")).get("toolCallId"))[:200]
            return
        if request not in self._open:
            return  # its turn was stopped, which told of it
        key = self._open.pop(request) or text(data.get("toolCallId"))[:200]
        decided = text(result.get("kind"))
        if decided in ("cancelled", "denied-interactively-by-user"):
            self._refused = key
            yield Piece(Sign.ANSWERED, when, key=key, allowed=False)
        elif decided.startswith("approved") and data.get("decisionSource") == "human_response":
            yield Piece(Sign.ANSWERED, when, key=key, allowed=True)

    def _stopped(self, data: Mapping[str, Any], when: int) -> Piece:
        refused = self._refused or next(iter(self._open.values()), "")
        self._said = self._refused = ""
        self._open.clear()
        if data.get("reason") == "autopilot_credit_limit":
            return Piece(Sign.LIMITED, when, until_ns=limits.UNKNOWN, message="the credit limit of its autopilot")
        return Piece(Sign.REFUSED, when, key=refused) if refused else Piece(Sign.INTERRUPTED, when)

    def _failed(self, data: Mapping[str, Any], when: int) -> Piece:
        said = text(data.get("message"))
        self._said = ""
        kind, code = data.get("errorType"), text(data.get("errorCode"))[:100]
        if kind == "quota" or (kind == "rate_limit" and _LIMITS.fullmatch(code)) or limits.reached(said):
            return Piece(Sign.LIMITED, when, until_ns=limits.ends(said, when) or self._resets, message=said)
        return Piece(Sign.ERROR, when, message=said)


def _resets(quotas: Mapping[str, Any]) -> int:
    """When the last of the quotas ends that are used up, 0 while none is."""
    used = (table(quota) for quota in list(quotas.values())[:16])
    return max((moment(quota.get("resetDate")) for quota in used if quota.get("hasQuota") is False), default=0)


def find(environ: Mapping[str, str], cwd: str, conversation: str) -> Path | None:
    """Where the transcript of this conversation lies, whether or not it was begun. ``cwd`` plays no part."""
    base = environ.get("COPILOT_HOME") or (environ.get("HOME") and os.path.join(environ["HOME"], ".copilot"))
    if not base or not _ID.fullmatch(conversation):
        return None
    return Path(base, "session-state", conversation, "events.jsonl")
