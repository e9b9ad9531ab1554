"""Values out of an event that anybody may have written: bounded, of the type they should be, without broken characters.

Nothing here raises. What is missing or of the wrong type is the empty value of its type.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

COMMAND_LIMIT = 400_000
"""Characters. A command is told whole or marked as cut: a rule must never judge the harmless half of one."""
MESSAGE_LIMIT = 8000
PROMPT_LIMIT = 64 << 10
PATH_LIMIT = 4096
INPUT_LIMIT = 16 << 10
"""Characters of a tool's input as JSON."""
_DEPTH = 6
_ITEMS = 64
_NOT_OF_A_CALL = frozenset({"description", "answers", "annotations"})
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")
_LONE = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """``text`` without lone surrogates, which no file and no socket takes."""
    return _LONE.sub("\ufffd", text)


def text(data: Mapping[str, Any], key: str, limit: int) -> str:
    """The text under ``key``, cut to ``limit`` characters."""
    value = data.get(key)
    return clean(value[:limit]) if isinstance(value, str) else ""


def word(data: Mapping[str, Any], key: str) -> str:
    """A name or an id that may stand on a command line: letters, digits and ``_ . : -``, never an option; else ""."""
    value = data.get(key)
    return value if isinstance(value, str) and _WORD.fullmatch(value) else ""


def path(data: Mapping[str, Any], key: str) -> str:
    """An absolute path, whole or not at all."""
    value = data.get(key)
    usable = isinstance(value, str) and value.startswith("/") and len(value) <= PATH_LIMIT and "\0" not in value
    return clean(value) if usable and isinstance(value, str) else ""


def table(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The object under ``key``."""
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def with_hooks(base: Mapping[str, Any], entries: Mapping[str, Any]) -> dict[str, Any]:
    """The settings ``base`` with one entry more in the list of hooks of each event."""
    hooks = dict(table(base, "hooks"))
    for name, entry in entries.items():
        theirs = hooks.get(name)
        hooks[name] = [*(theirs if isinstance(theirs, list) else []), entry]
    return {**base, "hooks": hooks}


def items(data: Mapping[str, Any], key: str) -> list[Any]:
    """The list under ``key``, its first entries."""
    value = data.get(key)
    return value[:_ITEMS] if isinstance(value, list) else []


def bounded(value: Any, limit: int = INPUT_LIMIT) -> tuple[Any, bool]:
    """A copy of a JSON value that stays small whatever it was, and whether something was left out."""
    left = [limit]
    cut = [False]

    def copy(one: Any, depth: int) -> Any:
        if isinstance(one, str):
            kept = clean(one[: max(0, left[0])])
            cut[0] |= len(kept) < len(one)
            left[0] -= len(kept) + 2
            return kept
        if isinstance(one, bool | float) or one is None:
            left[0] -= 5
            return one
        if isinstance(one, int):
            left[0] -= 20
            return one if -(1 << 63) <= one < 1 << 63 else float(min(max(one, -(10**300)), 10**300))
        if depth >= _DEPTH or left[0] <= 0:
            cut[0] = True
            return None
        if isinstance(one, dict):
            cut[0] |= len(one) > _ITEMS
            pairs = list(one.items())[:_ITEMS]
            return {clean(str(key)[:200]): copy(inner, depth + 1) for key, inner in pairs}
        if isinstance(one, list):
            cut[0] |= len(one) > _ITEMS
            return [copy(inner, depth + 1) for inner in one[:_ITEMS]]
        cut[0] = True
        return None

    return copy(value, 0), cut[0]


def digest(*parts: Any) -> str:
    """A short name for JSON values: the same values have the same one."""
    try:
        said = json.dumps(parts, sort_keys=True, ensure_ascii=True, default=str)
    except (ValueError, TypeError, RecursionError):
        return ""
    return hashlib.blake2b(said.encode(), digest_size=10).hexdigest()


def call_key(data: Mapping[str, Any]) -> str:
    """Names one call of a tool by its conversation, tool and input: a request for permission carries no id of its own.

    The same call made twice has the same key; the first is decided before the second is asked. What a request and the
    end of its call do not both have is not part of it: what is said of the call for a person, and answers to questions.
    """
    given = data.get("tool_input")
    if isinstance(given, dict):
        given = {key: value for key, value in given.items() if key not in _NOT_OF_A_CALL}
    return digest(data.get("session_id"), data.get("tool_name"), given)
