"""Qwen Code's ``projects/FOLDER/chats/ID.jsonl``, as 0.24 writes it.

One record a line. What the model said is written when it has said it, and before that a telemetry record of the whole
answer: an answer without one was cut off by a person. Nothing is written where nothing had been said yet. An error is
told of each attempt; those end the turn that it does not repeat. What it asks the model for itself, to remember things,
is told like the rest, with the name of a helper.
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
_FINAL = (400, 402, 403, 404, 413, 422)
"""HTTP statuses of requests that are not sent again."""


class Fold:
    """See :class:`profiles.transcripts.reader.Fold`."""

    def __init__(self, path: Path) -> None:
        self._id = path.stem if _ID.fullmatch(path.stem) else ""
        self._model = ""
        self._tally = Tally()
        self._whole = False
        """Whether the end of the answer that comes next was told of."""
        self._sent = False
        """Whether the last command of its own became a prompt to the model."""

    def conversation(self) -> str:
        """The id that ``--resume`` takes, by which the file is named."""
        return self._id

    def usage(self) -> Mapping[str, Any]:
        """All answers, those to its own side questions too. What was read from the cache is taken out of the input."""
        return self._tally.usage(self._model)

    def count(self, entry: Mapping[str, Any]) -> None:
        """Telemetry tells the tokens of every answer once."""
        told = _telemetry(entry)
        if told.get("event.name") != "qwen-code.api_response":
            return
        self._whole = self._whole or not told.get("subagent_name")
        cached, given = number(told.get("cached_content_token_count")), number(told.get("input_token_count"))
        made = max(number(told.get("output_token_count")), number(told.get("total_token_count")) - given)
        self._tally.add(Counts(max(0, given - cached), cached, made))
        self._model = text(told.get("model"))[:100] or self._model

    def take(self, entry: Mapping[str, Any]) -> Iterable[Piece]:
        """See :class:`profiles.transcripts.reader.Fold`."""
        self.count(entry)
        when = moment(entry.get("timestamp"))
        match entry.get("type"):
            case "user" if entry.get("provenance", "real_user") == "real_user":
                yield from self._user(entry, when)
            case "assistant":
                yield from self._answer(entry, when)
            case "tool_result":
                yield from self._result(table(entry.get("toolCallResult")), when)
            case "system":
                yield from self._system(entry, when)

    def _user(self, entry: Mapping[str, Any], when: int) -> Iterable[Piece]:
        self._whole = False
        # what was typed while it worked stands between results of tools, with what was shown beside what was sent
        shown = text(table(entry.get("systemPayload")).get("displayText"))
        if said := (shown or _said(entry)).strip():
            yield Piece(Sign.PROMPT, when, prompt=said)

    def _answer(self, entry: Mapping[str, Any], when: int) -> Iterable[Piece]:
        whole, self._whole = self._whole or not self._tally.any or bool(entry.get("usageMetadata")), False
        said = _said(entry).strip()
        calls = any("functionCall" in part for part in _parts(entry))
        if not whole:
            if said:
                yield Piece(Sign.MESSAGE, when, message=said)
            yield Piece(Sign.INTERRUPTED, when)
        elif calls:
            if said:
                yield Piece(Sign.MESSAGE, when, message=said)
            yield Piece(Sign.WORKING, when)
        elif said:
            yield Piece(Sign.DONE, when, message=said)

    def _result(self, result: Mapping[str, Any], when: int) -> Iterable[Piece]:
        self._whole = False
        if result.get("status") != "cancelled":
            return
        key = text(result.get("callId"))[:200]
        if result.get("executionStatus") == "not_started":
            yield Piece(Sign.ANSWERED, when, key=key, allowed=False)
            yield Piece(Sign.REFUSED, when, key=key)
        else:
            yield Piece(Sign.INTERRUPTED, when)

    def _system(self, entry: Mapping[str, Any], when: int) -> Iterable[Piece]:
        told, payload = _telemetry(entry), table(entry.get("systemPayload"))
        if told.get("event.name") == "qwen-code.api_error" and not told.get("subagent_name"):
            self._whole = True  # what was said until then was not cut off by a person
            if limits.reached(said := text(told.get("error_message"))):
                yield Piece(Sign.LIMITED, when, until_ns=limits.ends(said, when), message=said)
            elif number(told.get("status_code")) in _FINAL:
                yield Piece(Sign.ERROR, when, message=said)
        if entry.get("subtype") != "slash_command":
            return
        if payload.get("phase") == "invocation":
            self._sent = bool(payload.get("sentToModel"))
            yield Piece(Sign.PROMPT, when, prompt=text(payload.get("rawCommand")))
        elif not self._sent:
            yield Piece(Sign.IDLE, when)


def _telemetry(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    told = table(entry.get("systemPayload")).get("uiEvent") if entry.get("subtype") == "ui_telemetry" else None
    return table(told)


def _parts(entry: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    parts = table(entry.get("message")).get("parts")
    return [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []


def _said(entry: Mapping[str, Any]) -> str:
    return "\n".join(said for part in _parts(entry) if not part.get("thought") and (said := text(part.get("text"))))


def find(environ: Mapping[str, str], cwd: str, conversation: str) -> Path | None:
    """Where the transcript of this conversation lies, whether or not it was begun; None where that is not known."""
    home = environ.get("HOME")
    base = environ.get("QWEN_RUNTIME_DIR") or environ.get("QWEN_HOME") or (home and os.path.join(home, ".qwen"))
    if not base or not base.startswith("/") or not _ID.fullmatch(conversation):
        return None
    return Path(base, "projects", re.sub(r"[^A-Za-z0-9]", "-", os.path.realpath(cwd)), "chats", f"{conversation}.jsonl")
