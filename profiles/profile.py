"""What is known about one kind of agent, and the command lines that follow from it.

A profile is data: one TOML file. This module knows its keys and says precisely what is wrong with a file; where files
come from is :mod:`profiles.catalogue`.
"""

from __future__ import annotations

import os
import re
import tomllib
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from profiles.parts import Headless, Hooks, Prompting, ScreenRule, Sources
from quarterdeck import keys
from quarterdeck.errors import Invalid, Refused
from quarterdeck.text import nearest, safe

RESUME_ID, SHELL = "{resume_id}", "{shell}"
"""Placeholders in command lines: the conversation's id, and the person's shell."""
KINDS = ("agent", "shell", "program")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,47}")
_MANY = -1


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """How an agent's conversation is chosen at the start and found again at a restore. All empty: it has none."""

    id: str = ""
    """``uuid``: we choose the id at the start. Empty: the agent chooses, and tells it later or never."""
    start: tuple[str, ...] = ()
    """Arguments that make a new conversation with the id ``{resume_id}``."""
    resume: tuple[str, ...] = ()
    """Arguments that go on with the conversation ``{resume_id}``."""
    fork: tuple[str, ...] = ()
    """Arguments that begin a new conversation from a copy of ``{resume_id}``."""
    own: tuple[str, ...] = ()
    """Options by which a person names the conversation; with one of them ``start`` is not added."""
    unknown: tuple[str, ...] = ()
    """Options with which the id cannot be known at the start; ``start`` is not added either."""
    keep: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Options that hold for every start, with how many values they take (-1: all up to the next option).

    Everything else on the first command line is not given again at a restore: a prompt in it would be sent twice.
    """


@dataclass(frozen=True, kw_only=True)
class Keys:
    """Key names as in :mod:`quarterdeck.keys`."""

    submit: str = "enter"
    """Sends what was typed or pasted."""
    interrupt: str = "ctrl+c"
    """Stops what it is doing now."""
    newline: str = "enter"
    """Begins a new line in its input without sending."""
    allow: tuple[str, ...] = ()
    """Pressed one after the other, they allow what its dialog asks, once."""
    always: tuple[str, ...] = ()
    """They allow it from now on."""
    deny: tuple[str, ...] = ()
    """They refuse it."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One kind of agent."""

    name: str
    title: str
    kind: str = "agent"
    """One of ``KINDS``."""
    icon: str = "●"
    """One cell that stands for it in lists."""
    argv: tuple[str, ...] = ()
    """The command; empty when it must be given."""
    environ: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Variables added to the agent's environment."""
    conversation: Conversation = Conversation()
    keys: Keys = Keys()
    headless: Headless = field(default_factory=Headless)
    prompt: Prompting = field(default_factory=Prompting)
    sources: Sources = field(default_factory=Sources)
    hooks: Hooks = field(default_factory=Hooks)
    screen: tuple[ScreenRule, ...] = ()
    verified: str = ""
    """The versions of the agent all this was checked with; "" for unverified."""
    settle_ms: int = 0
    """Milliseconds between pasted text and the key that submits it: the agent must have taken the paste."""
    source: str = ""
    """The file it was read from."""

    def new_resume_id(self, extra: Sequence[str] = ()) -> str:
        """The id of the conversation a start with these arguments makes or goes on with; "" where it is not known."""
        chosen = self.conversation
        if chosen.id != "uuid" or _has(extra, chosen.unknown):
            return ""
        if not _has(extra, chosen.own):
            return str(uuid.uuid4())
        value = _value(extra, chosen.own)
        try:
            return str(uuid.UUID(value))
        except ValueError:
            return ""

    def start(
        self, extra: Sequence[str] = (), resume_id: str = "", environ: Mapping[str, str] = os.environ
    ) -> tuple[str, ...]:
        """The command line of a first start: the command, the id it shall use, then ``extra``.

        ``environ`` names the person's shell. Raises :class:`Invalid` where a command must be given.
        """
        if not self.argv and not extra:
            raise Invalid(
                f"profile {self.name} has no command of its own", hint=f"quarterdeck new {self.name} -- COMMAND ARGS"
            )
        chosen = self.conversation
        named = _has(extra, (*chosen.own, *chosen.unknown))
        start = chosen.start if resume_id and not named else ()
        return (*_filled(self.argv, environ), *_filled(start, environ, resume_id), *extra)

    def resume(
        self, argv: Sequence[str], resume_id: str = "", environ: Mapping[str, str] = os.environ
    ) -> tuple[str, ...]:
        """The command line that goes on where ``argv``, the complete one of the start, was cut off.

        A kind without conversations simply starts again. Raises :class:`Refused` where the conversation's id is needed
        and was never learnt.
        """
        chosen = self.conversation
        if not chosen.resume:
            return tuple(argv) or self.start(environ=environ)
        if not resume_id:
            raise Refused(
                f"the conversation of this {self.title} is not known, so it cannot be resumed",
                hint=f"start a new one: quarterdeck new {self.name}",
            )
        command = tuple(argv[: len(self.argv)]) or self.argv
        return (*command, *_filled(chosen.resume, environ, resume_id), *_kept(argv[len(command) :], chosen.keep))


class Problem(NamedTuple):
    """Why a file, or a part of what was asked for, is not used."""

    file: str
    message: str


class Wrong(ValueError):
    """What is wrong with the value of one key."""


def parse(data: bytes, source: str, default_name: str) -> Profile:
    """The profile in one file. Raises :class:`Invalid` that names the file, the key and the nearest known one."""
    try:
        table = tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"{source}: not a TOML file: {safe(str(error))}", file=source) from error
    read = _table(source, "", table, _PROFILE)
    read.setdefault("name", default_name)
    read.setdefault("title", read["name"])
    try:
        _name(read["name"])
    except Wrong as error:
        raise Invalid(f"{source}: name: {error}", file=source, key="name") from error
    nested: dict[str, Any] = {}
    if "conversation" in read:
        nested["conversation"] = Conversation(**_table(source, "conversation.", read["conversation"], _CONVERSATION))
    if "keys" in read:
        nested["keys"] = Keys(**_table(source, "keys.", read["keys"], _KEYS))
    return Profile(**read | nested, source=source)


def _table(source: str, prefix: str, table: Mapping[str, Any], known: Mapping[str, Callable[[Any], Any]]) -> Any:
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
            raise Invalid(f"{source}: {prefix}{key}: {error}", file=source, key=prefix + key) from error
    return read


def _name(value: Any) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise Wrong("must be 1 to 48 small letters, digits and . _ -")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Wrong("must be a text")
    if not value or safe(value, 80) != value:
        raise Wrong("must be one printable line of 1 to 80 characters")
    return value


def _icon(value: Any) -> str:
    if len(_text(value)) > 2:
        raise Wrong("must be one character")
    return str(value)


def _arguments(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) and "\0" not in item for item in value):
        raise Wrong("must be a list of texts")
    return tuple(value)


def _variables(value: Any) -> Mapping[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) and "\0" not in text for text in value.values()):
        raise Wrong("must be a table of texts")
    for name in value:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise Wrong(f"{safe(name)!r} cannot be the name of a variable")
    return MappingProxyType(dict(value))


def _one_of(*words: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in words:
            raise Wrong("must be one of " + ", ".join(word or '""' for word in words))
        return str(value)

    return check


def _milliseconds(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 10_000:
        raise Wrong("must be a whole number of milliseconds, 0 to 10000")
    return value


def _key(value: Any) -> str:
    return str(keys.parse(_text(value)))


def _subtable(value: Any) -> Any:
    if not isinstance(value, dict):
        raise Wrong("must be a table")
    return value


def _options(value: Any) -> Mapping[str, int]:
    table = _subtable(value)
    for name, count in table.items():
        if not name.startswith("-") or not isinstance(count, int) or isinstance(count, bool) or not -1 <= count <= 9:
            raise Wrong(f"{safe(name)}: an option and its number of values, -1 for all up to the next option")
    return MappingProxyType(dict(table))


_KEYS = {"submit": _key, "interrupt": _key, "newline": _key}
_CONVERSATION: dict[str, Callable[[Any], Any]] = {
    "id": _one_of("uuid", ""),
    "start": _arguments,
    "resume": _arguments,
    "own": _arguments,
    "unknown": _arguments,
    "keep": _options,
}
_PROFILE: dict[str, Callable[[Any], Any]] = {
    "name": _name,
    "title": _text,
    "kind": _one_of(*KINDS),
    "icon": _icon,
    "argv": _arguments,
    "environ": _variables,
    "conversation": _subtable,
    "keys": _subtable,
    "settle_ms": _milliseconds,
}


def _filled(argv: Sequence[str], environ: Mapping[str, str], resume_id: str = "") -> tuple[str, ...]:
    return tuple(
        part.replace(RESUME_ID, resume_id) if RESUME_ID in part else part.replace(SHELL, shell(environ))
        for part in argv
    )


def shell(environ: Mapping[str, str]) -> str:
    """The person's shell: ``$SHELL`` where it can be run, else ``/bin/sh``."""
    wanted = environ.get("SHELL", "")
    return wanted if os.path.isabs(wanted) and os.access(wanted, os.X_OK) and os.path.isfile(wanted) else "/bin/sh"


def _options_in(arguments: Sequence[str]) -> Sequence[str]:
    """The part before ``--``: what follows it is never an option."""
    return arguments[: arguments.index("--")] if "--" in arguments else arguments


def _has(arguments: Sequence[str], options: Sequence[str]) -> bool:
    return any(part.partition("=")[0] in options for part in _options_in(arguments))


def _value(arguments: Sequence[str], options: Sequence[str]) -> str:
    for index, part in enumerate(_options_in(arguments)):
        option, equals, value = part.partition("=")
        if option in options:
            return value if equals else "".join(arguments[index + 1 : index + 2])
    return ""


def _kept(arguments: Sequence[str], keep: Mapping[str, int]) -> tuple[str, ...]:
    kept: list[str] = []
    rest = list(_options_in(arguments))
    while rest:
        part = rest.pop(0)
        option, equals, _ = part.partition("=")
        if option not in keep:
            continue
        kept.append(part)
        count = 0 if equals else keep[option]
        while rest and count and not (keep[option] == _MANY and rest[0].startswith("-")):
            kept.append(rest.pop(0))
            count -= 1
    return tuple(kept)
