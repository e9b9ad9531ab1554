"""``codex exec --json`` as 0.169 prints it.

``thread.started`` names the conversation, ``item.started`` and ``item.completed`` tell of messages and tools,
``turn.completed`` ends it with the tokens of the whole conversation, earlier runs too. It asks nobody for a permission:
what its sandbox does not let through fails as any command may, and what would need to leave the sandbox it refuses with
a line of its log.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from profiles.headless.fold import Fold, in_one_line
from profiles.headless.heard import End, Told
from profiles.tally import Counts
from profiles.values import number, table, tables, text

_REFUSES = re.compile(r"\bERROR\b.{0,80}\berror=approval policy is \w+; reject")
_TOOLS = {
    "command_execution": "shell",
    "file_change": "edit",
    "mcp_tool_call": "mcp",
    "web_search": "web_search",
    "collab_tool_call": "collab",
}


class Codex(Fold):
    """See the module."""

    def take(self, entry: Mapping[str, Any], wall_ns: int) -> Iterable[Told]:
        """See :class:`profiles.headless.fold.Fold`."""
        match entry.get("type"):
            case "thread.started":
                self.named(entry.get("thread_id"))
            case "turn.started":
                self.heard.turns = self.heard.turns or 0
            case "item.started" | "item.updated" | "item.completed" as how:
                yield from self._item(table(entry.get("item")), wall_ns, done=how == "item.completed")
            case "turn.completed":
                self.heard.thread = _counts(table(entry.get("usage")))
                self.finished(End.SUCCESS)
            case "turn.failed":
                yield from self._failed(table(entry.get("error")), wall_ns)
            case "error":
                yield from self.failed(_words(entry.get("message")), wall_ns)

    def noise(self, line: str, wall_ns: int) -> Iterable[Told]:
        """Its log tells that it refused to leave the sandbox, though not what for."""
        yield from super().noise(line, wall_ns)
        if _REFUSES.search(line[:2_000]):
            yield from self.refused("", name="shell", given="a command outside its sandbox")

    def _item(self, item: Mapping[str, Any], wall_ns: int, *, done: bool) -> Iterable[Told]:
        kind = text(item.get("type"))
        if kind == "agent_message":
            self.answers()
            if done:
                yield from self.said(text(item.get("text")))
        elif kind == "reasoning":
            self.answers()
        elif kind == "error":
            # warnings, too: what ends the turn is told by its end
            yield from super().noise(_words(item.get("message")), wall_ns)
        elif kind in _TOOLS:
            self.answers()
            yield from self.called(_name(kind, item), _given(item), item.get("id"))
            if done:
                self.answered()
                if item.get("status") == "declined":
                    yield from self.refused(item.get("id"), ruled=True)

    def _failed(self, error: Mapping[str, Any], wall_ns: int) -> Iterable[Told]:
        said = _words(error.get("message"))
        yield from self.failed(said, wall_ns)
        self.finished(End.ERROR, said)


def _counts(usage: Mapping[str, Any]) -> Counts:
    cached = number(usage.get("cached_input_tokens"))
    return Counts(max(0, number(usage.get("input_tokens")) - cached), cached, number(usage.get("output_tokens")))


def _name(kind: str, item: Mapping[str, Any]) -> str:
    called = text(item.get("tool"))
    return f"{text(item.get('server'))}.{called}".strip(".") if called else _TOOLS[kind]


def _given(item: Mapping[str, Any]) -> Any:
    if paths := [text(change.get("path")) for change in tables(item.get("changes"))[:16]]:
        return " ".join(paths)
    return item.get("command") or item.get("query") or item.get("arguments") or ""


def _words(message: object) -> str:
    """An error's own words; it may be the API's answer as it came."""
    said = text(message)
    if said.startswith("{"):
        import json

        try:
            found = json.loads(said[:100_000])
        except (ValueError, RecursionError):
            return said
        inner = table(table(found).get("error"))
        return text(inner.get("message")) or text(table(found).get("message")) or in_one_line(said)
    return said
