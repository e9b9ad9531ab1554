"""The keys of a profile's TOML file, and precisely what is wrong with one.

A file with a mistake is not used at all, so that nobody runs half a profile. A mistake in one ``[[screen]]`` rule
leaves out that rule alone: agents change their screens often, and the other rules still tell the truth.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from profiles import checks, parts
from profiles.checks import ANSWERS, Check, Wrong
from profiles.pasted import FORMS
from profiles.profile import KINDS, RESUME_ID, SHELL, Conversation, Keys, Profile
from profiles.strokes import LIMIT, confirms, strokes
from quarterdeck.errors import Invalid
from quarterdeck.evidence import Source
from quarterdeck.text import nearest, safe


class Problem(NamedTuple):
    """Why a file, or one rule of it, is not used, or not in all cases.

    ``message`` names the file too; ``key`` is "" for the whole file.
    """

    file: str
    message: str
    key: str = ""


class Parsed(NamedTuple):
    """One file's profile, and the rules that were left out of it."""

    profile: Profile
    problems: tuple[Problem, ...] = ()


@lru_cache(maxsize=64)
def parse(data: bytes, source: str, default_name: str) -> Parsed:
    """The profile in one file. Raises :class:`Invalid` that names the file, the key and the nearest known one.

    Kept by the file's bytes: checking the rules of all built-in profiles takes some 40 ms, and each agent that begins
    asks for them.
    """
    try:
        table = tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise Invalid(f"{source}: not a TOML file: {safe(str(error))}", file=source) from error
    read = _table(source, "", table, _PROFILE)
    read.setdefault("name", default_name)
    read.setdefault("title", read["name"])
    try:
        checks.name(read["name"])
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
    while unusable := dict(_unusable(source, rules, own)):
        for name, wrong in unusable.items():
            problems.append(Problem(source, f"{wrong.message}; this rule is left out", str(wrong.fields["key"])))
            del rules[name]
    problems += _unmarked(source, rules.values(), own)
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
    for key in ("kind", "can", "keys", "then", "marked"):
        if rule.state != "blocked" and read.get(key):
            raise _bad(source, prefix + key, "only where the state is blocked")
    for answer in rule.can:
        if not rule.keys.get(answer) and not getattr(own, answer):
            raise _bad(source, prefix + "can", f"no keys say {answer}, neither of this rule nor in [keys]")
    for key, given in (("keys", rule.keys), ("then", rule.then), ("marked", rule.marked)):
        for answer in given:
            if answer not in rule.can:
                raise _bad(source, prefix + key, f"{answer} is not in can")
    return rule


def _unusable(source: str, rules: Mapping[str, parts.ScreenRule], own: Keys) -> Iterator[tuple[str, Invalid]]:
    """Rules with answers that lead to another dialog where they cannot go on, and what is wrong with each."""
    for rule in rules.values():
        for answer in rule.can:
            pressed = strokes(tuple(rules.values()), own, rule.name, answer)
            key = f"screen.{rule.name}." + ("then" if answer in rule.then else "keys")
            if not pressed:
                told = f"{answer} leads to {rule.then[answer]!r}, which does not take it, or leads back"
                yield rule.name, _bad(source, key, told)
                break
            if len(pressed) > LIMIT:
                yield rule.name, _bad(source, key, f"{answer} takes {len(pressed)} keys, more than {LIMIT}")
                break


def _unmarked(source: str, rules: Iterable[parts.ScreenRule], own: Keys) -> Iterator[Problem]:
    """Answers whose last key chooses what is marked, of rules that do not say what that must be."""
    for rule in rules:
        for answer in rule.can:
            last = (rule.keys.get(answer) or getattr(own, answer))[-1]
            if confirms(last) and answer not in rule.marked:
                told = (
                    f"{answer} ends with {last}, which chooses what is marked; without marked.{answer}, which says "
                    "what that must be, it is not pressed in a dialog that marks something"
                )
                key = f"screen.{rule.name}.marked"
                yield Problem(source, f"{source}: {key}: {told}", key)


def _bad(source: str, key: str, told: str) -> Invalid:
    return Invalid(f"{source}: {key}: {told}", file=source, key=key)


# what belongs together


def _any(_key: str, _values: Mapping[str, Any]) -> str:
    return ""


def _conversation(key: str, values: Mapping[str, Any]) -> str:
    needs_id = (key == "start" and values[key]) or (key == "fork" and values[key])
    return f"needs {RESUME_ID}" if needs_id and not _holds(values[key], RESUME_ID) else ""


def _headless(key: str, values: Mapping[str, Any]) -> str:
    wanted = {"argv": parts.PROMPT, "resume": parts.PROMPT, "turns": parts.LIMIT, "money": parts.LIMIT}.get(key, "")
    return f"needs {wanted}" if values[key] and wanted and not _holds(values[key], wanted) else ""


def _paste(key: str, values: Mapping[str, Any]) -> str:
    return "needs file, which says how any other file is given" if key != "file" and not values.get("file") else ""


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
_HOOK_WORDS = (parts.HOOKS_FILE, parts.HOOKS_FOLDER, parts.HOOKS, parts.SPOOL, parts.TELL, parts.ASK, parts.PORT)
_PARTS: dict[str, tuple[Callable[..., Any], dict[str, Check], Callable[[str, Mapping[str, Any]], str]]] = {
    "conversation": (
        Conversation,
        {
            "id": checks.one_of("uuid", ""),
            "start": checks.arguments(RESUME_ID),
            "resume": checks.arguments(RESUME_ID),
            "fork": checks.arguments(RESUME_ID),
            "own": checks.texts,
            "unknown": checks.texts,
            "keep": checks.options,
        },
        _conversation,
    ),
    "keys": (
        Keys,
        {
            "submit": checks.key,
            "interrupt": checks.some_keys,
            "interrupt_at": checks.some_of(parts.KINDS),
            "newline": checks.key,
            "allow": checks.pressed,
            "always": checks.pressed,
            "deny": checks.pressed,
        },
        _any,
    ),
    "headless": (
        parts.Headless,
        {
            "argv": checks.arguments(parts.PROMPT, RESUME_ID),
            "resume": checks.arguments(parts.PROMPT, RESUME_ID),
            "format": checks.reader,
            "turns": checks.arguments(parts.LIMIT),
            "money": checks.arguments(parts.LIMIT),
        },
        _headless,
    ),
    "asking": (parts.Asking, {"argv": checks.arguments(), "unless": checks.texts}, _any),
    "prompt": (
        parts.Prompting,
        {
            "receipts": checks.some_of(parts.RECEIPTS),
            "steer": checks.truth,
            "ends": checks.words,
            "wait": checks.some_of(_SOURCES),
            "draft": checks.draft,
            "every_line": checks.truth,
            "end": checks.begin,
            "placeholder": checks.patterns,
            "suggests": checks.truth,
            "checkpoint": checks.one_of("file", "prompt", "none"),
        },
        _any,
    ),
    "paste": (
        parts.Pasting,
        {
            "image": checks.form(*FORMS),
            "file": checks.form(*FORMS),
            "alone": checks.truth,
            "types": checks.words,
        },
        _paste,
    ),
    "sources": (
        parts.Sources,
        {
            "program": checks.truth,
            "file": checks.reader,
            "stream": checks.reader,
            "transcript": checks.reader,
            "titles": checks.titles,
        },
        _any,
    ),
    "hooks": (
        parts.Hooks,
        {
            "shape": checks.reader,
            "door": checks.one_of(*parts.DOORS),
            "argv": checks.arguments(*_HOOK_WORDS),
            "environ": checks.variables(*_HOOK_WORDS),
            "events": checks.words,
            "asks": checks.words,
            "wait_s": checks.seconds,
            "file": checks.line(200),
        },
        _hooks,
    ),
}
_SCREEN: dict[str, Check] = {
    "name": checks.name,
    "state": checks.one_of(*parts.STATES),
    "region": checks.region,
    "begin": checks.begin,
    "input": checks.truth,
    "all": checks.patterns,
    "any": checks.patterns,
    "none": checks.patterns,
    "kind": checks.one_of(*parts.KINDS),
    "priority": checks.whole_number(-1000, 1000),
    "can": checks.some_of(ANSWERS),
    "keys": checks.answers,
    "then": checks.dialogs,
    "marked": checks.marked,
}
_PROFILE: dict[str, Check] = {
    "name": checks.name,
    "title": checks.text,
    "kind": checks.one_of(*KINDS),
    "icon": checks.icon,
    "argv": checks.arguments(SHELL),
    "environ": checks.variables(),
    "settle_ms": checks.whole_number(0, 10_000, " of milliseconds"),
    "verified": checks.line(200),
    "install": checks.line(200),
    **dict.fromkeys(_PARTS, checks.table),
    "screen": checks.tables,
}
