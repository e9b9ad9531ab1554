"""The patterns of a profile: Python regular expressions that cannot hold anything up.

A pattern meets text that an agent chose. Matching cannot be interrupted, so a pattern whose worst case grows faster
than its text can bear is refused when it is read: ``unsafe`` says why.
"""

from __future__ import annotations

import functools
import math
import re
import warnings
from collections.abc import Iterator
from re import _constants as sre  # type: ignore[attr-defined] # the parsed form has no public name
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

LENGTH = 400
"""Characters of one pattern."""
LINE = 400
"""Characters of a line that are looked at."""
TEXT = 8_000
"""Characters of a whole region that are looked at, by patterns with ``(?s)``."""
GROUPS = frozenset({"tool", "command", "path", "text"})
"""Named groups: what is known of a dialog."""
_REPEATS = (sre.MAX_REPEAT, sre.MIN_REPEAT)
_STEPS = 300_000_000
"""Steps of a failing search that are bearable at the very worst: the real ones are a small part of it."""


@functools.lru_cache(maxsize=4096)
def compiled(pattern: str) -> re.Pattern[str]:
    """The pattern, compiled once. Only for what :func:`unsafe` has nothing against."""
    return re.compile(pattern)


def whole(pattern: re.Pattern[str]) -> bool:
    """Whether it is searched in the whole text of a region instead of each line."""
    return bool(pattern.flags & re.DOTALL)


def unsafe(pattern: str) -> str:
    """Why this pattern cannot be used; "" where it can."""
    if len(pattern) > LENGTH:
        return f"must be at most {LENGTH} characters"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            tree = parser.parse(pattern)
            found = compiled(pattern)
    except (re.error, OverflowError, RecursionError, ValueError, Warning) as error:
        return f"not a regular expression: {error}"
    strange = sorted(set(found.groupindex) - GROUPS)
    if strange:
        return f"unknown group {strange[0]}; groups: " + ", ".join(sorted(GROUPS))
    told = _nested(tree)
    if told:
        return told
    if _steps(tree, TEXT if whole(found) else LINE) > _STEPS:
        return (
            "too slow where it does not match: fewer of its repetitions may overlap; "
            "begin it with ^, be exact, or make them possessive (*+)"
        )
    return ""


def _nested(items: Any, repeated: bool = False) -> str:
    """What no pattern may hold: a choice or a repetition inside a repetition, and references to groups."""
    for op, argument in items:
        if op in (sre.GROUPREF, sre.GROUPREF_EXISTS):
            return "must not refer to a group"
        if repeated and (op in (sre.BRANCH, *_REPEATS, sre.POSSESSIVE_REPEAT)):
            return "must not repeat what holds a repetition or alternatives"
        many = op in (*_REPEATS, sre.POSSESSIVE_REPEAT) and argument[1] != 1
        for part in _parts(op, argument):
            told = _nested(part, repeated or many)
            if told:
                return told
    return ""


def _steps(items: Any, length: int) -> int:
    """A bound for what a failing search costs on a text of this length.

    For each kind of character, the product of the ways in which all repetitions that take it can share the text.
    """
    anchored = len(items) > 0 and items[0][0] is sre.AT and items[0][1] in (sre.AT_BEGINNING, sre.AT_BEGINNING_STRING)
    ways = list(_ways(items, length))
    each = (math.prod(count for count, taken in ways if char in taken) for char in _ALPHABET)
    return max(each, default=1) * (1 if anchored else length)


def _ways(items: Any, length: int) -> Iterator[tuple[int, frozenset[str]]]:
    """For each choice that a search may take back, in how many ways it goes and for which characters."""
    for op, argument in items:
        if op in _REPEATS and argument[0] != argument[1]:
            yield min(argument[1], length) - min(argument[0], length) + 1, _taken(argument[2])
        if op is sre.BRANCH:
            yield len(argument[1]), _ALL
        if op not in (sre.ATOMIC_GROUP, sre.POSSESSIVE_REPEAT):
            for part in _parts(op, argument):
                yield from _ways(part, length)


def _taken(items: Any) -> frozenset[str]:
    """Characters that what is repeated may hold: exact for one character or set, all for anything longer."""
    if len(items) == 1:
        op, argument = items[0]
        if op is sre.LITERAL:
            return frozenset(char for char in _ALPHABET if ord(char) == argument)
        if op is sre.NOT_LITERAL:
            return frozenset(char for char in _ALPHABET if ord(char) != argument)
        if op is sre.IN:
            return frozenset(char for char in _ALPHABET if _holds(argument, char))
    return _ALL


def _holds(items: Any, char: str) -> bool:
    negated = bool(items) and items[0][0] is sre.NEGATE
    inside = any(_is(op, argument, char) for op, argument in items if op is not sre.NEGATE)
    return inside != negated


def _is(op: Any, argument: Any, char: str) -> bool:
    if op is sre.LITERAL:
        return bool(ord(char) == argument)
    if op is sre.RANGE:
        return bool(argument[0] <= ord(char) <= argument[1])
    test = _CATEGORIES.get(argument)
    return test is None or bool(test.fullmatch(char))


def _parts(op: Any, argument: Any) -> list[Any]:
    """The patterns inside one node of a parsed pattern."""
    if op in (*_REPEATS, sre.POSSESSIVE_REPEAT):
        return [argument[2]]
    if op is sre.SUBPATTERN:
        return [argument[3]]
    if op is sre.BRANCH:
        return list(argument[1])
    if op is sre.ATOMIC_GROUP:
        return [argument]
    if op in (sre.ASSERT, sre.ASSERT_NOT):
        return [argument[1]]
    return []


_ALPHABET = "".join(map(chr, range(32, 127))) + "\n─│╭╰❯›●•…é中"
_ALL = frozenset(_ALPHABET)
_CATEGORIES = {
    sre.CATEGORY_DIGIT: re.compile(r"\d"),
    sre.CATEGORY_NOT_DIGIT: re.compile(r"\D"),
    sre.CATEGORY_SPACE: re.compile(r"\s"),
    sre.CATEGORY_NOT_SPACE: re.compile(r"\S"),
    sre.CATEGORY_WORD: re.compile(r"\w"),
    sre.CATEGORY_NOT_WORD: re.compile(r"\W"),
}
