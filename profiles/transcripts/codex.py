"""Codex's ``sessions/YYYY/MM/DD/rollout-TIME-ID.jsonl``, as 0.169 writes it; earlier forms are understood too.

One entry a line: ``{"timestamp", "type", "payload"}``. What a person sees comes as ``event_msg``; the same words come
again as ``response_item``, among words that nobody typed, which are left alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from profiles.transcripts import limits
from profiles.transcripts.reader import Piece
from profiles.values import moment, number, table, text, texts
from quarterdeck.evidence import Sign

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Fold:
    """See :class:`profiles.transcripts.reader.Fold`."""

    def __init__(self, path: Path) -> None:
        named = _ID.search(path.stem)
        self._id = named[0] if named else ""
        self._model = ""
        self._totals: Mapping[str, Any] = {}
        self._resets = 0
        self._said = ""
        self._form = ""

    def conversation(self) -> str:
        """The id that ``codex resume`` takes."""
        return self._id

    def usage(self) -> Mapping[str, Any]:
        """Codex counts itself; what it read from its cache is part of its input and is taken out here."""
        if not self._totals:
            return {}
        cached = number(self._totals.get("cached_input_tokens"))
        usage: dict[str, Any] = {
            "input": max(0, number(self._totals.get("input_tokens")) - cached),
            "cached": cached,
            "output": number(self._totals.get("output_tokens")),
        }
        return usage | ({"model": self._model} if self._model else {})

    def count(self, entry: Mapping[str, Any]) -> None:
        """Totals are told as such, so that the latest are enough and what is past adds nothing."""

    def take(self, entry: Mapping[str, Any]) -> Iterable[Piece]:
        """See :class:`profiles.transcripts.reader.Fold`."""
        payload = table(entry.get("payload"))
        when = moment(entry.get("timestamp"))
        match entry.get("type"):
            case "session_meta" if not self._id:
                self._id = text(payload.get("id"))[:100]
            case "turn_context":
                self._model = text(payload.get("model"))[:100] or self._model
            case "event_msg":
                yield from self._event(payload, when)

    def _event(self, payload: Mapping[str, Any], when: int) -> Iterable[Piece]:
        kind = payload.get("type")
        match kind:
            case "task_started" | "turn_started":
                self._said = ""
                yield Piece(Sign.WORKING, when)
            case "user_message" | "agent_message":
                yield from self._words(kind, "event", text(payload.get("message")), when)
            case "item_completed":
                item = table(payload.get("item"))
                if item.get("type") == "CommandExecution" and item.get("status") == "declined":
                    yield Piece(Sign.ANSWERED, when, key=text(item.get("id"))[:200], allowed=False)
                said = texts(item.get("content"), "text", "Text")
                yield from self._words(text(item.get("type")), "item", said, when)
            case "token_count":
                self._totals = table(table(payload.get("info")).get("total_token_usage")) or self._totals
                self._resets = _resets(table(payload.get("rate_limits")), when)
            case "task_complete" | "turn_complete":
                yield self._end(table(payload.get("error")), text(payload.get("last_agent_message")), when)
            case "error":
                yield self._end(payload, "", when)
            case "turn_aborted" if payload.get("reason") != "replaced":
                yield Piece(Sign.INTERRUPTED if payload.get("reason") == "interrupted" else Sign.IDLE, when)

    def _words(self, who: str, form: str, said: str, when: int) -> Iterable[Piece]:
        """What was said, in the form this file uses: some versions write the same words in both."""
        said = said.strip()
        if not said or who not in ("user_message", "agent_message", "UserMessage", "AgentMessage"):
            return
        self._form = self._form or form
        if form != self._form:
            return
        if who in ("user_message", "UserMessage"):
            yield Piece(Sign.PROMPT, when, prompt=said)
        else:
            self._said = said
            yield Piece(Sign.MESSAGE, when, message=self._said)

    def _end(self, error: Mapping[str, Any], said: str, when: int) -> Piece:
        message = text(error.get("message"))
        info = error.get("codex_error_info")
        if not error:
            return Piece(Sign.DONE, when, message=said or self._said)
        if info == "usage_limit_exceeded" or limits.reached(message):
            until = self._resets or limits.ends(message, when)
            return Piece(Sign.LIMITED, when, until_ns=until, message=message)
        return Piece(Sign.ERROR, when, message=message)


def _resets(told: Mapping[str, Any], when: int) -> int:
    """When the last of the windows ends that are used up, 0 while none is."""
    full = []
    for window in (table(told.get("primary")), table(told.get("secondary"))):
        used = window.get("used_percent")
        if isinstance(used, int | float) and used >= 100:
            # before 0.60 it told seconds from now
            soon = when + number(window.get("resets_in_seconds")) * 1_000_000_000
            at = number(window.get("resets_at"))
            full.append(limits.plausible(at, when) if at else soon if soon > when else 0)
    return max(full, default=0)


def find(environ: Mapping[str, str], cwd: str, conversation: str) -> Path | None:
    """The transcript of this conversation where it was begun, else None. ``cwd`` plays no part."""
    if not _ID.fullmatch(conversation):
        return None
    base = environ.get("CODEX_HOME") or (environ.get("HOME") and os.path.join(environ["HOME"], ".codex"))
    if not base:
        return None
    # a version 7 UUID begins with its time; folders are named by local days
    milliseconds = int(conversation[:8] + conversation[9:13], 16)
    with suppress(OSError, ValueError, OverflowError):
        day = datetime.fromtimestamp(milliseconds / 1000, UTC)
        for near in (day, day - timedelta(days=1), day + timedelta(days=1)):
            folder = Path(base, "sessions", f"{near:%Y}", f"{near:%m}", f"{near:%d}")
            for found in folder.glob(f"rollout-*-{conversation}.jsonl"):
                return found
    return None
