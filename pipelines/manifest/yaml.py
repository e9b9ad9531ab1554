"""YAML with lines, read from the nodes of PyYAML's safe loader: no tags, no dates, no ``no`` that means false.

Plain words mean what they do in YAML 1.2: ``true``, ``false``, ``null``, decimal numbers; all else is a text. Anchors
may be used, but only so far that the whole stays small.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from quarterdeck.lined.mistakes import Mistakes, Path
from quarterdeck.lined.source import Source, Written

NODES = 20_000
"""Values of one file, with those that anchors repeat."""
_TAG = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):
    """Finds nodes only; nothing is ever constructed by it."""


_Loader.yaml_implicit_resolvers = {}

for _kind, _shape, _first in (
    ("bool", r"(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("null", r"(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("int", r"[-+]?(?:0|[1-9][0-9]{0,17})$", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)$", "-+.0123456789"),
):
    _Loader.add_implicit_resolver(_TAG + _kind, re.compile(_shape), list(_first))


def read(text: str, told: Mistakes) -> Source:
    """The values and lines of ``text``; empty where it is no YAML. Keys that are set twice keep their first value."""
    source = Source()
    told.lines = source.lines
    try:
        root = yaml.compose(text, Loader=_Loader)
        if root is None:
            return source
        values = _Reader(source, told).value((), root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = f"not YAML: {error.problem or error.context}"
        if error.problem == "but found another document":
            what = "a second document begins here, and one file is one run"
        told.add((), what, line=mark.line + 1 if mark else 0)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        what = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        told.add((), f"not YAML: {what}")
    else:
        if isinstance(values, dict):
            source.values = values
        else:
            told.add((), "must be a table with keys", line=1)
    return source


class _Reader:
    def __init__(self, source: Source, told: Mistakes) -> None:
        self._lines = source.lines
        self._told = told
        self._open: set[int] = set()
        self._count = 0

    def value(self, here: Path, node: yaml.Node) -> Any:
        """The plain value of a node; its line is remembered."""
        self._count += 1
        if self._count > NODES:
            raise yaml.YAMLError(f"it has more than {NODES} values")
        if id(node) in self._open:
            raise yaml.composer.ComposerError(None, None, "an anchor holds itself", node.start_mark)
        if here:
            self._lines.setdefault(here, node.start_mark.line + 1)
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
                return self._table(here, node)
            if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
                return [self.value((*here, index), item) for index, item in enumerate(node.value)]
            if isinstance(node, yaml.ScalarNode):
                return _scalar(node)
            raise yaml.composer.ComposerError(None, None, f"the tag {node.tag} means nothing here", node.start_mark)
        finally:
            self._open.discard(id(node))

    def _table(self, here: Path, node: yaml.MappingNode) -> dict[str, Any]:
        table: dict[str, Any] = {}
        for key, item in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.composer.ComposerError(None, None, "a key must be one word", key.start_mark)
            path = (*here, key.value)
            if key.value in table:
                self._told.add(path, f"is set already in line {self._lines[path]}", line=line)
                continue
            self._lines[path] = line
            table[key.value] = self.value(path, item)
        return table


def _scalar(node: yaml.ScalarNode) -> Any:
    kind, value = node.tag.removeprefix(_TAG), str(node.value)
    if kind == "str":
        return value
    if node.style is None:  # plain words only: a quoted one with a tag was tagged by hand
        if kind == "null":
            return None
        if kind == "bool":
            return value.lower() == "true"
        if kind == "int":
            return int(value)
        if kind == "float":
            return Written(value)
    raise yaml.composer.ComposerError(None, None, f"the tag {node.tag} means nothing here", node.start_mark)
