"""The keys of a profile's TOML file, and precisely what is wrong with one.

A file with a mistake is not used at all, so that nobody runs half a profile. A mistake in one ``[[screen]]`` rule
leaves out that rule alone: agents change their screens often, and the other rules still tell the truth.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from profiles import parts
from profiles.patterns import compiled, unsafe, whole
from profiles.profile import KINDS, RESUME_ID, SHELL, Conversation, Keys, Profile
from quarterdeck import keys
from quarterdeck.errors import Invalid
from quarterdeck.evidence import Source
from quarterdeck.text import nearest, safe

Check = Callable[[Any], Any]
RULES = 100
"""Screen rules of one profile."""
_COUNTED = re.compile(r"(?:bottom|above)(?::[1-9][0-9]?)?")
ANSWERS = ("allow", "always", "deny")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,47}")
_PLACEHOLDER = re.compile(r"\{[a-z_]+\}")


class Problem(NamedTuple):
    """Why a file, or one rule of it, is not used. ``message`` names the file too; ``key`` is "" for the whole file."""

    file: str
    message: str
    key: str = ""


class Parsed(NamedTuple):
    """One file's profile, and the rules that were left out of it."""

    profile: Profile
    problems: tuple[Problem, ...] = ()


class Wrong(ValueError):
    """What is wrong with the value of one key."""


def parse(data: bytes, source: str, default_name: str) -> Parsed:
    """The profile in one file. Raises :class:`Invalid` that names the file, the key and the nearest known one."""
    try:
        table = tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise Invalid(f"{source}: not a TOML file: {safe(str(error))}", file=source) from error
    read = _table(source, "", table, _PROFILE)
    read.setdefault("name", default_name)
    read.setdefault("title", read["name"])
    try:
        _name(read["name"])
    except Wrong as error:
        raise Invalid(f"{source}: name: {error}", file=source, key="name") from error
    for part, (make, known, together) in _PARTS.items():
        if part in read:
            values = _table(source, part + ".", read[part], known)
            for key in known:
                told = together(key, values) if key in values else ""
                if told:
                    raise Invalid(f"{source}: {part}.{key}: {told}", file=source, key=f"{part}.{key}")
            read[part] = make(**values)
    rules, problems = _rules(source, read.pop("screen", []), read.get("keys", Keys()))
    return Parsed(Profile(**read, screen=rules, source=source), problems)


def _table(source: str, prefix: str, table: Mapping[str, Any], known: Mapping[str, Check]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for key, value in table.items():
        check = known.get(key)
        if check is None:
            raise Invalid(
                f"{source}: unknown key {prefix}{safe(key)!s}",
                hint=nearest(key, known) or "known keys: " + ", ".join(known),
                file=source,
                key=prefix + key,
            )
        try:
            read[key] = check(value)
        except (Wrong, Invalid) as error:
            raise Invalid(f"{source}: {prefix}{key}: {safe(str(error), 400)}", file=source, key=prefix + key) from error
    return read


def _rules(source: str, tables: Any, own: Keys) -> tuple[tuple[parts.ScreenRule, ...], tuple[Problem, ...]]:
    """The rules that can be used, in the order in which they are asked, and what is wrong with the others."""
    rules: dict[str, parts.ScreenRule] = {}
    problems: list[Problem] = []
    for number, table in enumerate(tables, 1):
        named = safe(name, 48) if isinstance(name := table.get("name"), str) and name else str(number)
        prefix = f"screen.{named}."
        try:
            rule = _rule(source, prefix, table, own)
            if rule.name in rules:
                raise _bad(source, prefix + "name", "another rule has this name")
        except Invalid as error:
            told = f"{error.message} ({error.hint})" if error.hint else error.message
            problems.append(
                Problem(source, f"{told}; this rule is left out", str(error.fields.get("key", prefix[:-1])))
            )
        else:
            rules[rule.name] = rule
    ordered = sorted(rules.values(), key=lambda rule: (rule.state != "ignore", -rule.priority))
    return tuple(ordered), tuple(problems)


def _rule(source: str, prefix: str, table: Mapping[str, Any], own: Keys) -> parts.ScreenRule:
    read = _table(source, prefix, table, _SCREEN)
    for key in ("name", "state"):
        if key not in read:
            raise _bad(source, prefix + key, "is missing")
    rule = parts.ScreenRule(**read)
    if not rule.all and not rule.any:
        raise _bad(source, prefix + "all", "a rule needs a pattern in all or any")
    if rule.state == "blocked" and not rule.kind:
        raise _bad(source, prefix + "kind", "a rule that says blocked tells by what: " + ", ".join(parts.KINDS))
    for key in ("kind", "can", "keys"):
        if rule.state != "blocked" and read.get(key):
            raise _bad(source, prefix + key, "only where the state is blocked")
    for answer in rule.can:
        if not rule.keys.get(answer) and not getattr(own, answer):
            raise _bad(source, prefix + "can", f"no keys say {answer}, neither of this rule nor in [keys]")
    for answer in rule.keys:
        if answer not in rule.can:
            raise _bad(source, prefix + "keys", f"{answer} is not in can")
    return rule


def _bad(source: str, key: str, told: str) -> Invalid:
    return Invalid(f"{source}: {key}: {told}", file=source, key=key)


# values


def _name(value: Any) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise Wrong("must be 1 to 48 small letters, digits and . _ -")
    return value


def _reader(value: Any) -> str:
    return "" if value == "" else _name(value)


def _line(limit: int) -> Check:
    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise Wrong("must be a text")
        if not value or safe(value, limit) != value:
            raise Wrong(f"must be one printable line of 1 to {limit} characters")
        return value

    return check


_text = _line(80)


def _icon(value: Any) -> str:
    if len(_text(value)) > 2:
        raise Wrong("must be one character")
    return str(value)


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Wrong("must be true or false")
    return value


def _whole(low: int, high: int, unit: str = "") -> Check:
    def check(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise Wrong(f"must be a whole number{unit}, {low} to {high}")
        return value

    return check


def _seconds(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 3600:
        raise Wrong("must be a number of seconds, 0 to 3600")
    return float(value)


def _one_of(*words: str) -> Check:
    def check(value: Any) -> str:
        if value not in words:
            raise Wrong("must be one of " + ", ".join(word or '""' for word in words))
        return str(value)

    return check


def _some_of(words: Collection[str]) -> Check:
    def check(value: Any) -> tuple[str, ...]:
        for item in (found := _texts(value)):
            if item not in words:
                raise Wrong(f"{safe(item, 40)!r} is none of " + ", ".join(words))
        if len(set(found)) < len(found):
            raise Wrong("names something twice")
        return found

    return check


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) and "\0" not in item for item in value):
        raise Wrong("must be a list of texts")
    return tuple(value)


def _words(value: Any) -> tuple[str, ...]:
    return tuple(_line(80)(item) for item in _texts(value))


def _arguments(*placeholders: str) -> Check:
    def check(value: Any) -> tuple[str, ...]:
        for part in (found := _texts(value)):
            _placed(part, placeholders)
        return found

    return check


def _variables(*placeholders: str) -> Check:
    def check(value: Any) -> Mapping[str, str]:
        if not isinstance(value, dict) or not all(
            isinstance(text, str) and "\0" not in text for text in value.values()
        ):
            raise Wrong("must be a table of texts")
        for name, text in value.items():
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
                raise Wrong(f"{safe(name)!r} cannot be the name of a variable")
            _placed(text, placeholders)
        return MappingProxyType(dict(value))

    return check


def _placed(text: str, placeholders: tuple[str, ...]) -> None:
    for found in _PLACEHOLDER.findall(text):
        if found not in placeholders:
            known = "placeholders here: " + ", ".join(placeholders) if placeholders else "there are none here"
            raise Wrong(f"unknown placeholder {found}; {known}")


def _key(value: Any) -> str:
    return str(keys.parse(_text(value)))


def _pressed(value: Any) -> tuple[str, ...]:
    return tuple(_key(item) for item in _texts(value))


def _answers(value: Any) -> Mapping[str, tuple[str, ...]]:
    table = _subtable(value)
    for answer in table:
        if answer not in ANSWERS:
            raise Wrong(f"{safe(answer, 40)!r} is none of " + ", ".join(ANSWERS))
    return MappingProxyType({answer: _pressed(pressed) for answer, pressed in table.items()})


def _subtable(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Wrong("must be a table")
    return value


def _tables(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value) or len(value) > RULES:
        raise Wrong(f"must be at most {RULES} [[screen]] tables")
    return value


def _options(value: Any) -> Mapping[str, int]:
    table = _subtable(value)
    for name, count in table.items():
        if not name.startswith("-") or not isinstance(count, int) or isinstance(count, bool) or not -1 <= count <= 9:
            raise Wrong(f"{safe(name)}: an option and its number of values, -1 for all up to the next option")
    return MappingProxyType(dict(table))


def _pattern(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise Wrong("must be a pattern")
    told = unsafe(value)
    if told:
        raise Wrong(f"{safe(value, 60)!r}: {told}")
    return value


def _draft(value: Any) -> str:
    if value and "(?P<text>" not in _pattern(value):
        raise Wrong("needs the group (?P<text>...)")
    return str(value)


def _begin(value: Any) -> str:
    if whole(compiled(found := _pattern(value))):
        raise Wrong("must be a pattern of one line")
    return found


def _patterns(value: Any) -> tuple[str, ...]:
    found = _texts(value)
    if len(found) > 16:
        raise Wrong("must be at most 16 patterns")
    return tuple(_pattern(item) for item in found)


def _titles(value: Any) -> Mapping[str, str]:
    table = _subtable(value)
    hint = _one_of("working", "blocked", "idle")
    return MappingProxyType({_pattern(pattern): hint(said) for pattern, said in table.items()})


def _region(value: Any) -> str:
    if value not in ("screen", "input", "box", "title") and not (isinstance(value, str) and _COUNTED.fullmatch(value)):
        raise Wrong("must be one of screen, bottom, bottom:N (1 to 99), above, above:N, input, box, title")
    return str(value)


# what belongs together


def _any(_key: str, _values: Mapping[str, Any]) -> str:
    return ""


def _conversation(key: str, values: Mapping[str, Any]) -> str:
    needs_id = (key == "start" and values[key]) or (key == "fork" and values[key])
    return f"needs {RESUME_ID}" if needs_id and not _holds(values[key], RESUME_ID) else ""


def _headless(key: str, values: Mapping[str, Any]) -> str:
    wanted = {"argv": (parts.PROMPT,), "resume": (parts.PROMPT,)}.get(key, ()) if values[key] else ()
    missing = [placeholder for placeholder in wanted if not _holds(values[key], placeholder)]
    return f"needs {missing[0]}" if missing else ""


def _hooks(key: str, values: Mapping[str, Any]) -> str:
    door = values.get("door", "none")
    if key == "door" and door != "none" and not values.get(door):
        return f"needs {door}, which says how"
    if key in ("argv", "environ") and values[key] and door != key:
        return f'only with door = "{key}"'
    if key == "asks":
        strange = [event for event in values[key] if event not in values.get("events", ())]
        return f"{strange[0]} is not in events" if strange else ""
    if key in ("events", "file") and values[key] and not values.get("shape"):
        return "needs shape, which says how the events are read"
    return ""


def _holds(arguments: tuple[str, ...], placeholder: str) -> bool:
    return any(placeholder in part for part in arguments)


_SOURCES = tuple(source.value for source in Source)
_HOOK_WORDS = (parts.HOOKS_FILE, parts.HOOKS, parts.SPOOL, parts.TELL, parts.ASK, parts.PORT)
_PARTS: dict[str, tuple[Callable[..., Any], dict[str, Check], Callable[[str, Mapping[str, Any]], str]]] = {
    "conversation": (
        Conversation,
        {
            "id": _one_of("uuid", ""),
            "start": _arguments(RESUME_ID),
            "resume": _arguments(RESUME_ID),
            "fork": _arguments(RESUME_ID),
            "own": _texts,
            "unknown": _texts,
            "keep": _options,
        },
        _conversation,
    ),
    "keys": (
        Keys,
        {
            "submit": _key,
            "interrupt": _key,
            "newline": _key,
            "allow": _pressed,
            "always": _pressed,
            "deny": _pressed,
        },
        _any,
    ),
    "headless": (
        parts.Headless,
        {
            "argv": _arguments(parts.PROMPT, RESUME_ID),
            "resume": _arguments(parts.PROMPT, RESUME_ID),
            "format": _reader,
        },
        _headless,
    ),
    "prompt": (
        parts.Prompting,
        {
            "receipts": _some_of(parts.RECEIPTS),
            "steer": _truth,
            "wait": _some_of(_SOURCES),
            "draft": _draft,
            "every_line": _truth,
            "placeholder": _patterns,
            "suggests": _truth,
        },
        _any,
    ),
    "sources": (
        parts.Sources,
        {"program": _truth, "file": _reader, "stream": _reader, "transcript": _reader, "titles": _titles},
        _any,
    ),
    "hooks": (
        parts.Hooks,
        {
            "shape": _reader,
            "door": _one_of(*parts.DOORS),
            "argv": _arguments(*_HOOK_WORDS),
            "environ": _variables(*_HOOK_WORDS),
            "events": _words,
            "asks": _words,
            "wait_s": _seconds,
            "file": _line(200),
        },
        _hooks,
    ),
}
_SCREEN: dict[str, Check] = {
    "name": _name,
    "state": _one_of(*parts.STATES),
    "region": _region,
    "begin": _begin,
    "input": _truth,
    "all": _patterns,
    "any": _patterns,
    "none": _patterns,
    "kind": _one_of(*parts.KINDS),
    "priority": _whole(-1000, 1000),
    "can": _some_of(ANSWERS),
    "keys": _answers,
}
_PROFILE: dict[str, Check] = {
    "name": _name,
    "title": _text,
    "kind": _one_of(*KINDS),
    "icon": _icon,
    "argv": _arguments(SHELL),
    "environ": _variables(),
    "settle_ms": _whole(0, 10_000, " of milliseconds"),
    "verified": _line(200),
    **dict.fromkeys(_PARTS, _subtable),
    "screen": _tables,
}
