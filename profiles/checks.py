"""What the values of a profile's keys may be: each check gives the value as it is kept, or raises :class:`Wrong`."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any

from profiles.patterns import compiled, unsafe, whole
from quarterdeck import keys
from quarterdeck.text import safe

Check = Callable[[Any], Any]
RULES = 100
"""Screen rules of one profile."""
ANSWERS = ("allow", "always", "deny")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,47}")
_COUNTED = re.compile(r"(?:bottom|above)(?::[1-9][0-9]?)?")
_PLACEHOLDER = re.compile(r"\{[a-z_]+\}")


class Wrong(ValueError):
    """What is wrong with the value of one key."""


def name(value: Any) -> str:
    """The name of a profile, a rule."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise Wrong("must be 1 to 48 small letters, digits and . _ -")
    return value


def reader(value: Any) -> str:
    """The name of a reader, or ""."""
    return "" if value == "" else name(value)


def line(limit: int) -> Check:
    """A check for one printable line of at most ``limit`` characters."""

    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise Wrong("must be a text")
        if not value or safe(value, limit) != value:
            raise Wrong(f"must be one printable line of 1 to {limit} characters")
        return value

    return check


text = line(80)
"""A check for a title, an icon, a key."""


def icon(value: Any) -> str:
    """One character for lists."""
    if len(text(value)) > 2:
        raise Wrong("must be one character")
    return str(value)


def truth(value: Any) -> bool:
    """A yes or no."""
    if not isinstance(value, bool):
        raise Wrong("must be true or false")
    return value


def whole_number(low: int, high: int, unit: str = "") -> Check:
    """A check for a whole number; ``unit`` is for the message."""

    def check(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise Wrong(f"must be a whole number{unit}, {low} to {high}")
        return value

    return check


def seconds(value: Any) -> float:
    """A number of seconds."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 3600:
        raise Wrong("must be a number of seconds, 0 to 3600")
    return float(value)


def one_of(*known: str) -> Check:
    """A check for one of these words."""

    def check(value: Any) -> str:
        if value not in known:
            raise Wrong("must be one of " + ", ".join(word or '""' for word in known))
        return str(value)

    return check


def some_of(known: Collection[str]) -> Check:
    """A check for a list of different words out of these."""

    def check(value: Any) -> tuple[str, ...]:
        for item in (found := texts(value)):
            if item not in known:
                raise Wrong(f"{safe(item, 40)!r} is none of " + ", ".join(known))
        if len(set(found)) < len(found):
            raise Wrong("names something twice")
        return found

    return check


def texts(value: Any) -> tuple[str, ...]:
    """A list of texts."""
    if not isinstance(value, list) or not all(isinstance(item, str) and "\0" not in item for item in value):
        raise Wrong("must be a list of texts")
    return tuple(value)


def words(value: Any) -> tuple[str, ...]:
    """A list of printable lines."""
    return tuple(line(80)(item) for item in texts(value))


def arguments(*placeholders: str) -> Check:
    """A check for arguments in which these placeholders may stand."""

    def check(value: Any) -> tuple[str, ...]:
        for part in (found := texts(value)):
            _placed(part, placeholders)
        return found

    return check


def form(*placeholders: str) -> Check:
    """A check for a line in which exactly one of these placeholders stands once."""

    def check(value: Any) -> str:
        found = _PLACEHOLDER.findall(line(80)(value))
        _placed(value, placeholders)
        if len(found) != 1:
            raise Wrong("needs one of " + ", ".join(placeholders))
        return str(value)

    return check


def variables(*placeholders: str) -> Check:
    """A check for variables in whose values these placeholders may stand."""

    def check(value: Any) -> Mapping[str, str]:
        if not isinstance(value, dict) or not all(
            isinstance(item, str) and "\0" not in item for item in value.values()
        ):
            raise Wrong("must be a table of texts")
        for variable, item in value.items():
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable):
                raise Wrong(f"{safe(variable)!r} cannot be the name of a variable")
            _placed(item, placeholders)
        return MappingProxyType(dict(value))

    return check


def _placed(argument: str, placeholders: tuple[str, ...]) -> None:
    for found in _PLACEHOLDER.findall(argument):
        if found not in placeholders:
            known = "placeholders here: " + ", ".join(placeholders) if placeholders else "there are none here"
            raise Wrong(f"unknown placeholder {found}; {known}")


def key(value: Any) -> str:
    """The name of a key, in its usual form."""
    return str(keys.parse(text(value)))


def pressed(value: Any) -> tuple[str, ...]:
    """A list of keys."""
    return tuple(key(item) for item in texts(value))


def some_keys(value: Any) -> tuple[str, ...]:
    """A key, or a list of some."""
    found = (key(value),) if isinstance(value, str) else pressed(value)
    if not found:
        raise Wrong("names no key")
    return found


def answers(value: Any) -> Mapping[str, tuple[str, ...]]:
    """Keys by answer."""
    given = table(value)
    for answer in given:
        if answer not in ANSWERS:
            raise Wrong(f"{safe(answer, 40)!r} is none of " + ", ".join(ANSWERS))
    return MappingProxyType({answer: pressed(by) for answer, by in given.items()})


def marked(value: Any) -> Mapping[str, str]:
    """Patterns by answer."""
    given = table(value)
    for answer in given:
        if answer not in ANSWERS:
            raise Wrong(f"{safe(answer, 40)!r} is none of " + ", ".join(ANSWERS))
    return MappingProxyType({answer: pattern(by) for answer, by in given.items()})


def dialogs(value: Any) -> Mapping[str, str]:
    """Names of rules by answer."""
    given = table(value)
    for answer in given:
        if answer not in ANSWERS:
            raise Wrong(f"{safe(answer, 40)!r} is none of " + ", ".join(ANSWERS))
    return MappingProxyType({answer: name(rule) for answer, rule in given.items()})


def table(value: Any) -> dict[str, Any]:
    """A table of its own, read later."""
    if not isinstance(value, dict):
        raise Wrong("must be a table")
    return value


def tables(value: Any) -> list[dict[str, Any]]:
    """The ``[[screen]]`` tables, read later."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value) or len(value) > RULES:
        raise Wrong(f"must be at most {RULES} [[screen]] tables")
    return value


def options(value: Any) -> Mapping[str, int]:
    """Options with the number of their values."""
    given = table(value)
    for option, count in given.items():
        if not option.startswith("-") or not isinstance(count, int) or isinstance(count, bool) or not -1 <= count <= 9:
            raise Wrong(f"{safe(option)}: an option and its number of values, -1 for all up to the next option")
    return MappingProxyType(dict(given))


def pattern(value: Any) -> str:
    """A safe pattern."""
    if not isinstance(value, str) or not value:
        raise Wrong("must be a pattern")
    told = unsafe(value)
    if told:
        raise Wrong(f"{safe(value, 60)!r}: {told}")
    return value


def draft(value: Any) -> str:
    """A pattern with the group ``text``, or ""."""
    if value and "(?P<text>" not in pattern(value):
        raise Wrong("needs the group (?P<text>...)")
    return str(value)


def begin(value: Any) -> str:
    """A pattern that is searched in each line."""
    if whole(compiled(found := pattern(value))):
        raise Wrong("must be a pattern of one line")
    return found


def patterns(value: Any) -> tuple[str, ...]:
    """A list of safe patterns."""
    found = texts(value)
    if len(found) > 16:
        raise Wrong("must be at most 16 patterns")
    return tuple(pattern(item) for item in found)


def titles(value: Any) -> Mapping[str, str]:
    """Patterns and what they hint at."""
    hint = one_of("working", "blocked", "idle")
    return MappingProxyType({pattern(title): hint(said) for title, said in table(value).items()})


def region(value: Any) -> str:
    """The name of a region."""
    if value not in ("screen", "input", "box", "title") and not (isinstance(value, str) and _COUNTED.fullmatch(value)):
        raise Wrong("must be one of screen, bottom, bottom:N (1 to 99), above, above:N, input, box, title")
    return str(value)
