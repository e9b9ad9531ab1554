"""What evidence tells beside the state: what is asked, what was said, tokens and cost. Texts are bounded here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from quarterdeck.evidence import Evidence, Sign
from quarterdeck.text import safe
from sessions.model import Doing

MESSAGE_LIMIT = 2_000
LINE_LIMIT = 300
KINDS = ("permission", "question", "trust", "login")
_NUMBER_LIMIT = 2**62


def asks(evidence: Evidence) -> str:
    """What it waits for, in one line: ``Bash: touch a.txt``."""
    data = evidence.data
    what = _line(data, "command") or _line(data, "path")
    tool = _line(data, "tool")
    if tool and what:
        return safe(f"{tool}: {what}", LINE_LIMIT)
    return what or tool or _line(data, "text") or _line(data, "message")


def kind(evidence: Evidence) -> str:
    """Of what it waits for; permission where the source does not say."""
    said = evidence.data.get("kind")
    return said if isinstance(said, str) and said in KINDS else "permission"


def message(evidence: Evidence) -> str:
    """What it said, bounded; line breaks are kept, it is made safe where it is shown."""
    said = evidence.data.get("message")
    return said[:MESSAGE_LIMIT] if isinstance(said, str) else ""


def until(evidence: Evidence) -> int:
    """When its usage limit ends; 0 unknown."""
    return _count(evidence.data.get("until_ns")) or 0


def taken(doing: Doing, evidence: Evidence) -> Doing:
    """``doing`` with what ``evidence`` tells of conversation, words and numbers."""
    data = evidence.data
    changes: dict[str, Any] = {}
    if evidence.sign in (Sign.DONE, Sign.ERROR, Sign.MESSAGE) and (said := message(evidence)):
        changes["message"] = said
    if evidence.sign is Sign.CONVERSATION:
        if data.get("how") in ("clear", "fork"):
            changes |= {"tokens_in": None, "tokens_out": None, "cost": None, "transcript": ""}
        if path := _text(data, "transcript", 4096):
            changes["transcript"] = path
    if evidence.sign is Sign.USAGE:
        for name, key in (("tokens_in", "input"), ("tokens_out", "output")):
            if (count := _count(data.get(key))) is not None:
                changes[name] = count
        if (cost := _cost(data.get("cost"))) is not None:
            changes["cost"] = cost
    if model := safe(_text(data, "model", 400), 100):
        changes["model"] = model
    return replace(doing, **changes) if changes else doing


def _text(data: Mapping[str, Any], key: str, limit: int) -> str:
    value = data.get(key)
    return value[:limit] if isinstance(value, str) else ""


def _line(data: Mapping[str, Any], key: str) -> str:
    return safe(_text(data, key, 4 * LINE_LIMIT), LINE_LIMIT)


def _count(value: object) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value < _NUMBER_LIMIT else None


def _cost(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and 0 <= value < _NUMBER_LIMIT else None
