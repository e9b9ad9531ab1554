"""Changing a JSON file of somebody else's so that every other byte stays: order, indentation, comments, all of it.

A small reader of JSON that also takes comments and trailing commas, as several agents do, and knows where each value
stands; and two changes of the text, each the exact opposite of the other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

DEPTH = 100
_SPACE = re.compile(r"(?:[ \t\r\n\ufeff]+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_WORD = re.compile(r"true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")


class Unreadable(ValueError):
    """Where the text stops being JSON, in words."""


@dataclass(frozen=True)
class Node:
    """A value at ``text[start:end]``: the ``members`` of an object with where each begins, the ``items`` of a list."""

    kind: str
    """``object``, ``list``, ``string`` or ``other``."""
    start: int
    end: int
    members: tuple[tuple[str, int, Node], ...] = ()
    items: tuple[Node, ...] = ()
    value: str = field(default="", compare=False)

    def get(self, key: str) -> Node | None:
        """The member called ``key``; of several the last, as every reader takes it."""
        return next((node for name, _, node in reversed(self.members) if name == key), None)

    def entries(self) -> Iterator[tuple[int, int]]:
        """Where each entry begins and ends."""
        if self.kind == "object":
            yield from ((start, node.end) for _, start, node in self.members)
        else:
            yield from ((node.start, node.end) for node in self.items)


def read(text: str) -> Node:
    """The value that is the whole of ``text``. Raises :class:`Unreadable`."""
    reader = _Reader(text)
    node = reader.value(reader.space(0), 0)
    if reader.space(node.end) != len(text):
        raise reader.wrong(reader.space(node.end), "nothing more")
    return node


def insert(text: str, into: Node, value: object, key: str | None = None) -> str:
    """``text`` with ``value`` as the last entry of the object (under ``key``) or the list ``into``."""
    step = _step(text)
    begins = [start for start, _ in into.entries()]
    own = _indent(text, into.start)
    inner = own + step
    if begins and "\n" in text[into.start : begins[0]]:
        inner = _indent(text, begins[0])
    said = json.dumps(value, indent=len(step) if step.strip("\t") else "\t", ensure_ascii=False)
    line = "\r\n" if "\r\n" in text else "\n"
    said = said.replace("\n", line + inner)
    entry = f"{json.dumps(key, ensure_ascii=False)}: {said}" if key is not None else said
    if begins:
        ends = list(into.entries())[-1][1]
        apart = line + inner if "\n" in text[into.start : into.end] else " "
        return f"{text[:ends]},{apart}{entry}{text[ends:]}"
    inside = text[into.start + 1 : into.end - 1]
    kept = inside.rstrip() if inside.strip() else ""
    return f"{text[: into.start + 1]}{kept}{line}{inner}{entry}{line}{own}{text[into.end - 1 :]}"


def remove(text: str, out_of: Node, number: int) -> str:
    """``text`` without entry ``number`` of ``out_of``, and without one comma beside it."""
    spans = list(out_of.entries())
    if number > 0:
        return text[: spans[number - 1][1]] + text[spans[number][1] :]
    if len(spans) > 1:
        return text[: spans[0][0]] + text[spans[1][0] :]
    before, after = text[out_of.start + 1 : spans[0][0]], text[spans[0][1] : out_of.end - 1]
    kept = before.rstrip() + after.strip().removeprefix(",")
    return text[: out_of.start + 1] + kept + text[out_of.end - 1 :]


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text

    def space(self, at: int) -> int:
        found = _SPACE.match(self.text, at)
        return found.end() if found else at

    def wrong(self, at: int, wanted: str) -> Unreadable:
        line = self.text.count("\n", 0, at) + 1
        return Unreadable(f"line {line}: expected {wanted}")

    def value(self, at: int, depth: int) -> Node:
        if depth > DEPTH:
            raise self.wrong(at, "less depth")
        char = self.text[at : at + 1]
        if char == "{":
            return self._object(at, depth)
        if char == "[":
            return self._list(at, depth)
        if char == '"':
            return self._string(at)
        if found := _WORD.match(self.text, at):
            return Node("other", at, found.end())
        raise self.wrong(at, "a value")

    def _string(self, at: int) -> Node:
        found = _STRING.match(self.text, at)
        if found is None:
            raise self.wrong(at, "a text")
        try:
            said = json.loads(found.group())
        except ValueError as error:
            raise self.wrong(at, "a text") from error
        return Node("string", at, found.end(), value=str(said))

    def _object(self, start: int, depth: int) -> Node:
        members: list[tuple[str, int, Node]] = []
        at = self.space(start + 1)
        while self.text[at : at + 1] != "}":
            key = self._string(at)
            colon = self.space(key.end)
            if self.text[colon : colon + 1] != ":":
                raise self.wrong(colon, "a colon")
            node = self.value(self.space(colon + 1), depth + 1)
            members.append((key.value, at, node))
            at = self._next(node.end, "}")
        return Node("object", start, at + 1, members=tuple(members))

    def _list(self, start: int, depth: int) -> Node:
        items: list[Node] = []
        at = self.space(start + 1)
        while self.text[at : at + 1] != "]":
            items.append(self.value(at, depth + 1))
            at = self._next(items[-1].end, "]")
        return Node("list", start, at + 1, items=tuple(items))

    def _next(self, at: int, closing: str) -> int:
        at = self.space(at)
        if self.text[at : at + 1] == ",":
            return self.space(at + 1)
        if self.text[at : at + 1] != closing:
            raise self.wrong(at, f"a comma or {closing}")
        return at


def _indent(text: str, at: int) -> str:
    """The white space at the beginning of the line that holds ``at``."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _step(text: str) -> str:
    """One level of indentation as the file has it; two spaces where it has none."""
    found = re.search(r"\n([ \t]+)\S", text)
    return found.group(1) if found else "  "
