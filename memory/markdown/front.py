"""YAML as far as front matter needs it: read with positions, by PyYAML's safe parser; written one line a value.

Words stand for themselves: a tag ``no`` is the word, not a false; a date is the text a person wrote. Nothing is ever
constructed from a tag, an alias or a deep nesting is refused.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import yaml
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STR = "tag:yaml.org,2002:str"
_DEPTH = 32
_NODES = 10_000
_PLAIN = re.compile(r"[\w/][\w ./+@()=$%;!?'~^-]*(?<! )")
_RESOLVER: Any = Resolver()
_CONSTRUCTOR = SafeConstructor()
_TRUTH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


class Unfit(Exception):
    """YAML that cannot be taken. ``at`` is the character it was seen at."""

    def __init__(self, reason: str, at: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.at = at


def compose(text: str) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
    """The pairs of the mapping that ``text`` is, in its order; none for an empty text. Raises :class:`Unfit`."""
    try:
        if sum(text.count(char) for char in "[{-?") > _DEPTH:
            _measure(text)
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        begun = "flow" in (error.context or "") or "quoted" in (error.context or "")
        mark = (begun and error.context_mark) or error.problem_mark or error.context_mark
        raise Unfit(str(error.problem or error.context or "no YAML"), mark.index if mark else 0) from None
    except yaml.YAMLError as error:
        raise Unfit(str(getattr(error, "reason", error)).strip() or "no YAML", 0) from None
    if root is None:
        return []
    if not isinstance(root, yaml.MappingNode):
        raise Unfit("the front matter is no list of keys with values", _at(root))
    return _pairs(root)


def _measure(text: str) -> None:
    """Refuse deep nesting, which libyaml's binding follows by recursion until the process dies."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEPTH:
                raise Unfit(f"nested more than {_DEPTH} deep", _at(event))
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _pairs(node: yaml.MappingNode) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
    seen: set[str] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise Unfit("a key has to be one word", _at(key))
        if key.value in seen:
            raise Unfit(f"the key {key.value!r} is there twice", _at(key))
        seen.add(key.value)
    return list(node.value)


def mapping(node: yaml.Node) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
    """The pairs of a nested mapping; none where there is no value."""
    if isinstance(node, yaml.MappingNode):
        return _pairs(node)
    if _empty(node):
        return []
    raise Unfit("this has to be keys with values", _at(node))


def word(node: yaml.Node) -> str:
    """A value as it is written, whatever YAML takes it for; "" where there is none."""
    if not isinstance(node, yaml.ScalarNode):
        raise Unfit("this has to be one value", _at(node))
    return "" if _empty(node) else str(node.value)


def words(node: yaml.Node) -> tuple[str, ...]:
    """A list of words; a single value counts as a list of what it has between its commas."""
    if isinstance(node, yaml.SequenceNode):
        return tuple(word(one) for one in node.value)
    return tuple(part for one in word(node).split(",") if (part := one.strip()))


def truth(node: yaml.Node) -> bool:
    """Yes or no, in YAML's words for them."""
    said = word(node).lower()
    if said not in _TRUTH and said:
        raise Unfit("this has to be true or false", _at(node))
    return _TRUTH.get(said, False)


def plain(node: yaml.Node) -> Any:
    """A value of unknown meaning as JSON has it; what JSON has not (dates, infinities) as the text it is."""
    return _plain(node, [_NODES])


def _plain(node: yaml.Node, left: list[int]) -> Any:
    left[0] -= 1
    if left[0] < 0:
        raise Unfit(f"more than {_NODES:,} values, or an alias that makes as many", _at(node))
    if isinstance(node, yaml.SequenceNode):
        return [_plain(one, left) for one in node.value]
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): _plain(value, left) for key, value in _pairs(node)}
    kind = node.tag.rpartition(":")[2]
    assert isinstance(node, yaml.ScalarNode)
    try:
        if kind == "null":
            return None
        if kind == "bool":
            return _TRUTH[node.value.lower()]
        if kind == "int":
            return _CONSTRUCTOR.construct_yaml_int(node)
        if kind == "float" and math.isfinite(number := _CONSTRUCTOR.construct_yaml_float(node)):
            return number
    except (ValueError, KeyError, IndexError):
        pass
    return str(node.value)


def _at(node: yaml.Node | yaml.Event) -> int:
    return node.start_mark.index if node.start_mark else 0


def _empty(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag.endswith(":null")


def line(value: Any) -> str:
    """A value of JSON's kinds on one line, so that :func:`plain` gives it back; raises ValueError for another kind."""
    if isinstance(value, str):
        return _string(value)
    if value is None or isinstance(value, bool | int):
        return json.dumps(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("no number of JSON")
        digits, mark, exponent = repr(value).partition("e")
        if not mark:
            return digits
        return (
            (digits if "." in digits else digits + ".0") + "e" + (exponent if exponent[0] in "+-" else "+" + exponent)
        )
    if isinstance(value, list | tuple):
        return "[" + ", ".join(line(one) for one in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_string(str(key))}: {line(one)}" for key, one in value.items()) + "}"
    raise ValueError(f"{type(value).__name__} is no kind of JSON")


def _string(text: str) -> str:
    if (
        _PLAIN.fullmatch(text)
        and text.isprintable()
        and _RESOLVER.resolve(yaml.ScalarNode, text, (True, False)) == _STR
    ):
        return text
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    if char == " " or char.isprintable():
        return char
    number = ord(char)
    if 0xD800 <= number < 0xE000:
        raise ValueError("half a character")
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
