"""What an edit would change, as a unified diff for a person, from the input of the tool that asks."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from profiles.hooks.values import clean, items, text

LIMIT = 16 << 10
"""Characters of a diff."""
_TEXT_LIMIT = 64 << 10
_LINES = 2000
"""Comparing takes time that grows with the square of the lines: longer texts are shown as replaced whole."""
CUT = "… the rest is not shown"


def of_edits(path: str, tool_input: Mapping[str, Any]) -> str:
    """The diff of an input with ``old_string`` and ``new_string``, a list of such ``edits``, or whole ``content``."""
    pairs: list[tuple[str, str]] = []
    if isinstance(tool_input.get("edits"), list):
        pairs = [_pair(one) for one in items(tool_input, "edits") if isinstance(one, dict)]
    elif "old_string" in tool_input or "new_string" in tool_input:
        pairs = [_pair(tool_input)]
    elif isinstance(tool_input.get("content"), str):
        pairs = [("", text(tool_input, "content", _TEXT_LIMIT))]
    elif isinstance(tool_input.get("new_source"), str):
        pairs = [("", text(tool_input, "new_source", _TEXT_LIMIT))]
    lines: list[str] = []
    for old, new in pairs:
        lines += _hunks(old, new)
    return _joined(path, lines) if lines else ""


def of_patch(patch: str) -> str:
    """A patch that is text already, bounded."""
    return clean(patch) if len(patch) <= LIMIT else clean(patch[:LIMIT]) + "\n" + CUT


def _pair(edit: Mapping[str, Any]) -> tuple[str, str]:
    return text(edit, "old_string", _TEXT_LIMIT), text(edit, "new_string", _TEXT_LIMIT)


def _hunks(old: str, new: str) -> Iterator[str]:
    before, after = old.splitlines(), new.splitlines()
    if len(before) * len(after) > _LINES * 100:
        yield f"@@ -1,{len(before)} +1,{len(after)} @@"
        yield from (f"-{line}" for line in before)
        yield from (f"+{line}" for line in after)
        return
    found = difflib.unified_diff(before, after, lineterm="", n=3)
    yield from (line for line in found if not line.startswith(("--- ", "+++ ")) or line[4:].strip())


def _joined(path: str, lines: list[str]) -> str:
    shown = f"--- {path}\n+++ {path}\n" + "\n".join(lines)
    if len(shown) <= LIMIT:
        return shown
    return shown[:LIMIT].rpartition("\n")[0] + "\n" + CUT
