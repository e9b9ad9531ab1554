"""TOML with lines: the values are those of :mod:`tomllib`, lines and duplicate keys those of tree-sitter's grammar.

A text that one of them does not understand is a mistake; nothing is ever read by the grammar alone.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from typing import TYPE_CHECKING

from quarterdeck.lined.mistakes import Mistakes, Path
from quarterdeck.lined.source import Source, Written

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

DEPTH = 100
"""Tables and lists in one another."""
_WHERE = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$")


@cache
def _parser() -> Parser:
    import tree_sitter_toml
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_toml.language()))


def read(text: str, told: Mistakes) -> Source:
    """The values and lines of ``text``; empty where it is no TOML. Keys that are set twice keep their first value."""
    data = text.encode()
    reader = _Reader(told)
    told.lines = reader.lines
    try:
        reader.document(_parser().parse(data).root_node)
        for node in reader.again:
            data = data[: node.start_byte] + re.sub(rb"[^\n]", b" ", node.text or b"") + data[node.end_byte :]
        return Source(tomllib.loads(data.decode(), parse_float=Written), reader.lines)
    except _TooDeep as error:
        told.add((), "not TOML: it is nested too deeply", line=error.line)
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        found = _WHERE.search(str(error))
        line = int(found[1] or text.count("\n") + 1) if found else 0
        what = _WHERE.sub("", str(error)) if not isinstance(error, RecursionError) else "it is nested too deeply"
        told.add((), f"not TOML: {what}", line=line)
    return Source()


class _TooDeep(Exception):
    """What begins in ``line`` is nested deeper than anything that is meant."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


class _Reader:
    """Walks the tree of one file."""

    def __init__(self, told: Mistakes) -> None:
        self.lines: dict[Path, int] = {}
        self.again: list[Node] = []
        """What sets a key once more, and is left out."""
        self._told = told
        self._arrays: dict[Path, int] = {}
        self._set: set[Path] = set()

    def document(self, root: Node) -> None:
        for node in root.named_children:
            if node.type == "pair":
                self._pair((), node)
            elif node.type in ("table", "table_array_element"):
                self._table(node)

    def _table(self, node: Node) -> None:
        head, *rest = node.named_children
        names = _names(head)
        here: Path = ()
        for name in names:
            here += (name,)
            if here in self._arrays and (len(here) < len(names) or node.type == "table"):
                here += (self._arrays[here],)
            self.lines.setdefault(here, _line(head))
        if node.type == "table_array_element":
            self._arrays[here] = self._arrays.get(here, -1) + 1
            here += (self._arrays[here],)
            self.lines[here] = _line(head)
        elif self._twice(here, node, _line(head)):
            return
        self.lines[here] = _line(head)
        for pair in rest:
            if pair.type == "pair":
                self._pair(here, pair)

    def _pair(self, base: Path, node: Node) -> None:
        if len(node.named_children) < 2:
            return  # tomllib says what is wrong
        head, value = node.named_children[0], node.named_children[-1]
        here = base
        for name in _names(head):
            here += (name,)
            self.lines.setdefault(here, _line(head))
        if not self._twice(here, node, _line(head)):
            self._value(here, value)

    def _value(self, here: Path, node: Node) -> None:
        if len(here) > DEPTH:
            raise _TooDeep(_line(node))
        if node.type == "inline_table":
            for pair in node.named_children:
                if pair.type == "pair":
                    self._pair(here, pair)
        elif node.type == "array":
            elements = [child for child in node.named_children if child.type != "comment"]
            for index, element in enumerate(elements):
                self.lines[(*here, index)] = _line(element)
                self._value((*here, index), element)

    def _twice(self, here: Path, node: Node, line: int) -> bool:
        """Whether this key was set before. What stands inside an inline table is left to :mod:`tomllib`."""
        if here not in self._set or (node.parent and node.parent.type == "inline_table"):
            self._set.add(here)
            return False
        self._told.lines = self.lines
        self._told.add(here, f"is set already in line {self.lines[here]}", line=line)
        self.again.append(node)
        return True


def _line(node: Node) -> int:
    return node.start_point[0] + 1


def _names(node: Node) -> list[str]:
    """The names of a key, without their quotes."""
    names: list[str] = []
    while node.type == "dotted_key":
        if len(names) >= DEPTH:
            raise _TooDeep(_line(node))
        names.insert(0, _name(node.named_children[-1]))
        node = node.named_children[0]
    return [_name(node), *names]


def _name(node: Node) -> str:
    written = (node.text or b"").decode()
    if node.type != "quoted_key":
        return written
    try:
        return next(iter(tomllib.loads(f"{written} = 0")))
    except tomllib.TOMLDecodeError:
        return written
