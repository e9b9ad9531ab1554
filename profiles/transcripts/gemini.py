"""Gemini CLI's ``tmp/PROJECT/chats/session-TIME-ID.jsonl``, as 0.61 writes it.

One entry a line, the first about the session. An entry with an id that was seen before replaces it. It does not write
that a turn ended. After a stop the program writes its history again, as other entries with new ids and times, the
prompts among them: from the words of its own that it begins with to the list of all messages that ends it, nothing is
new.
"""

from __future__ import annotations

import json
import os
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from profiles.tally import Counts, Tally
from profiles.transcripts import limits
from profiles.transcripts.reader import Piece
from profiles.values import moment, number, table, text
from quarterdeck.evidence import Sign

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_REMEMBERED = 4_096
_CONTEXT = "<session_context>"
_REWRITES = 2 * 10**9
"""Nanoseconds that writing the history again takes at most."""


class Fold:
    """See :class:`profiles.transcripts.reader.Fold`."""

    def __init__(self, path: Path) -> None:
        self._id = ""
        self._model = ""
        self._tally = Tally()
        self._answered: OrderedDict[str, None] = OrderedDict()
        self._said: OrderedDict[str, None] = OrderedDict()
        self._rejected = ""
        self._stopped = False
        """Whether this turn was stopped: what was running is told as cancelled after that."""
        self._again = 0
        """When it began to write its history again; 0 while it does not."""

    def conversation(self) -> str:
        """The id that ``--resume`` takes."""
        return self._id

    def usage(self) -> Mapping[str, Any]:
        """What was read from the cache is part of Gemini's input and is taken out here."""
        return self._tally.usage(self._model)

    def count(self, entry: Mapping[str, Any]) -> None:
        """Every answer once."""
        if not self._id and _ID.fullmatch(text(entry.get("sessionId"))):
            self._id = text(entry.get("sessionId"))
        tokens = table(entry.get("tokens"))
        if entry.get("type") != "gemini" or not tokens:
            return
        cached = number(tokens.get("cached"))
        made = number(tokens.get("output")) + number(tokens.get("thoughts"))
        counts = Counts(max(0, number(tokens.get("input")) - cached), cached, made)
        self._tally.put(text(entry.get("id"))[:200], counts)
        self._model = text(entry.get("model"))[:100] or self._model

    def take(self, entry: Mapping[str, Any]) -> Iterable[Piece]:
        """See :class:`profiles.transcripts.reader.Fold`."""
        self.count(entry)
        when = moment(entry.get("timestamp"))
        if self._is_again(entry, when):
            return
        match entry.get("type"):
            case "user":
                yield from self._user(entry, when)
            case "gemini":
                yield from self._answer(entry, when)
            case "info" if text(entry.get("content")).startswith("Request cancelled"):
                refused, self._rejected, self._stopped = self._rejected, "", True
                yield Piece(Sign.REFUSED, when, key=refused) if refused else Piece(Sign.INTERRUPTED, when)
            case "error":
                said = text(entry.get("content"))
                if limits.reached(said):
                    yield Piece(Sign.LIMITED, when, until_ns=limits.ends(said, when), message=said)
                else:
                    yield Piece(Sign.ERROR, when, message=said)

    def _is_again(self, entry: Mapping[str, Any], when: int) -> bool:
        """Whether the entry is of a history that is written again. One that was cut off ends with what is later."""
        if entry.get("type") == "user" and any(part.startswith(_CONTEXT) for part in _parts(entry)):
            self._again = when or 1
        elif "messages" in table(entry.get("$set")) or (when and when > self._again + _REWRITES):
            self._again = 0
        return self._again > 0

    def _user(self, entry: Mapping[str, Any], when: int) -> Iterable[Piece]:
        if said := "\n".join(part for part in _parts(entry) if part).strip():
            self._rejected, self._stopped = "", False
            yield Piece(Sign.PROMPT, when, prompt=said)

    def _answer(self, entry: Mapping[str, Any], when: int) -> Iterable[Piece]:
        said, key = text(entry.get("content")).strip(), text(entry.get("id"))[:200]
        if said and _first(self._said, key):
            yield Piece(Sign.MESSAGE, when, message=said)
        calls = entry.get("toolCalls")
        for call in calls if isinstance(calls, list) else ():
            name = text(table(call).get("id"))[:200]
            if table(call).get("status") == "cancelled" and _first(self._answered, name) and not self._stopped:
                self._rejected = name
                yield Piece(Sign.ANSWERED, moment(call.get("timestamp")) or when, key=name, allowed=False)


def _parts(entry: Mapping[str, Any]) -> list[str]:
    content = entry.get("content")
    blocks = content if isinstance(content, list) else [{"text": content}]
    return [text(block.get("text")) for block in blocks if isinstance(block, dict)]


def _first(known: OrderedDict[str, None], key: str) -> bool:
    if key in known:
        return False
    known[key] = None
    if len(known) > _REMEMBERED:
        known.popitem(last=False)
    return True


def find(environ: Mapping[str, str], cwd: str, conversation: str) -> Path | None:
    """The transcript of this conversation where it was begun, else None. ``cwd`` plays no part."""
    if not _ID.fullmatch(conversation) or not environ.get("HOME"):
        return None
    for found in Path(environ["HOME"], ".gemini", "tmp").glob(f"*/chats/session-*-{conversation[:8]}.jsonl"):
        try:
            with open(os.open(found, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
                first = json.loads(file.readline(64 << 10))
        except (OSError, ValueError, RecursionError):
            continue
        if table(first).get("sessionId") == conversation:
            return found
    return None
