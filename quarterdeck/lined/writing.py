"""TOML as people write it, from plain values: tables under their own headings, short lists on one line.

What is written is read again as exactly the same values by :mod:`tomllib`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_WIDE = 100
"""Columns from which on a list has one item in a line."""
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}


def text(values: Mapping[str, Any]) -> str:
    """A whole file: texts, numbers, truths, lists, tables, and lists of tables. None is left out."""
    lines: list[str] = []
    _table(values, (), lines)
    return "\n".join(lines).strip("\n") + "\n"


def _table(values: Mapping[str, Any], path: tuple[str, ...], lines: list[str]) -> None:
    """Plain values first, then the tables below: a heading ends the table before it."""
    inner = {name: value for name, value in values.items() if _headed(value)}
    for name, value in values.items():
        if name not in inner and value is not None:
            lines.append(f"{key(name)} = {_value(value, len(key(name)) + 3)}")
    for name, value in inner.items():
        here = (*path, name)
        heading = ".".join(key(part) for part in here)
        if isinstance(value, Mapping):
            if not value or any(not _headed(one) for one in value.values()):
                lines += ["", f"[{heading}]"]
            _table(value, here, lines)
            continue
        for one in value:
            lines += ["", f"[[{heading}]]"]
            _table(one, here, lines)


def _headed(value: Any) -> bool:
    """Whether a value stands under a heading of its own."""
    return isinstance(value, Mapping) or (
        isinstance(value, list) and bool(value) and all(isinstance(one, Mapping) for one in value)
    )


def _value(value: Any, used: int = 0) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value) if value % 1 else str(int(value))
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key(name)} = {_value(one)}" for name, one in value.items()) + " }"
    items = [_value(one) for one in value]
    if used + sum(len(item) + 2 for item in items) <= _WIDE:
        return "[" + ", ".join(items) + "]"
    return "[\n" + "".join(f"    {item},\n" for item in items) + "]"


def key(name: str) -> str:
    """A key, in quotes where it needs them."""
    return name if _BARE.fullmatch(name) else _basic(name)


def quoted(value: str) -> str:
    """A text in quotes; several lines stay several lines."""
    if "\n" not in value.strip("\n") and value.count("\n") < 2:
        return _basic(value)
    lines = [_escaped(line).replace('\\"', '"').replace('"""', '""\\"') for line in value.split("\n")]
    if lines[-1].endswith('"'):
        lines[-1] = lines[-1][:-1] + '\\"'
    return '"""\n' + "\n".join(lines) + '"""'


def _basic(value: str) -> str:
    return f'"{_escaped(value)}"'


def _escaped(value: str) -> str:
    return "".join(
        _ESCAPES.get(char) or (f"\\u{ord(char):04x}" if ord(char) < 32 or ord(char) == 127 else char) for char in value
    )
