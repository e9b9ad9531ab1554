"""What is known about one kind of agent, and the command lines that follow from it.

A profile is data: one TOML file. How it is read is :mod:`profiles.schema`, where files come from
:mod:`profiles.catalogue`.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from profiles.parts import LIMIT, PROMPT, Asking, Headless, Hooks, Pasting, Prompting, ScreenRule, Sources
from quarterdeck.errors import Invalid, Refused

RESUME_ID, SHELL = "{resume_id}", "{shell}"
"""Placeholders in command lines: the conversation's id, and the person's shell."""
KINDS = ("agent", "shell", "program")
_PLACEHOLDER = re.compile(r"\{[a-z_]+\}")
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
    interrupt: tuple[str, ...] = ("ctrl+c",)
    """Pressed one after the other while it works, they stop what it is doing; no more of them once it has stopped."""
    interrupt_at: tuple[str, ...] = ()
    """Kinds of requests in front of which they stop it too."""
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
    asking: Asking = field(default_factory=Asking)
    prompt: Prompting = field(default_factory=Prompting)
    paste: Pasting = field(default_factory=Pasting)
    sources: Sources = field(default_factory=Sources)
    hooks: Hooks = field(default_factory=Hooks)
    screen: tuple[ScreenRule, ...] = ()
    """In the order in which they are asked: ``ignore`` first, then the highest priority, then as written."""
    verified: str = ""
    """The versions of the agent all this was checked with; "" for unverified."""
    install: str = ""
    """How a person gets the program, in one line; shown to people, never run."""
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
        return (*_filled(self._command(extra), environ), *_filled(start, environ, resume_id), *extra)

    def given(
        self, argv: Sequence[str], resume_id: str = "", environ: Mapping[str, str] = os.environ
    ) -> tuple[str, ...]:
        """What was added when ``argv`` was made by :meth:`start`, the least that makes it: for ``custom`` all of it.

        Where the profile has changed since, all that follows the command itself.
        """
        whole = tuple(argv)
        for count in range(min(len(whole), len(self.argv) + len(self.conversation.start)), -1, -1):
            extra = whole[count:]
            if (self.argv or extra) and self.start(extra, resume_id, environ) == whole:
                return extra
        return whole[self.own(whole) :]

    def own(self, argv: Sequence[str]) -> int:
        """How many arguments of a command line are the command itself, with what the profile adds to it."""
        words = _words(self.argv)
        return next((count for count in (len(self.argv), words) if tuple(argv[:count]) == self.argv[:count]), 1)

    def _command(self, given: Sequence[str]) -> tuple[str, ...]:
        """The command with the options added to it, but for those that are given anyway."""
        words = _words(self.argv)
        kept: list[str] = []
        rest = list(self.argv[words:])
        while rest:
            part = rest.pop(0)
            option, equals, _ = part.partition("=")
            if not option.startswith("-") or not _has(given, (option,)):
                kept.append(part)
            elif not equals:
                del rest[: self.conversation.keep.get(option, 0)]
        return (*self.argv[:words], *kept)

    def resume(
        self, argv: Sequence[str], resume_id: str = "", environ: Mapping[str, str] = os.environ
    ) -> tuple[str, ...]:
        """The command line that goes on where ``argv``, the complete one of the start, was cut off.

        A kind without conversations simply starts again. Raises :class:`Refused` where the conversation's id is needed
        and was never learnt.
        """
        if not self.conversation.resume:
            return tuple(argv) or self.start(environ=environ)
        return self._again(self.conversation.resume, "resumed", argv, resume_id, environ)

    def begin(self, argv: Sequence[str], resume_id: str, environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
        """The command line that begins the conversation ``resume_id``, of which nothing was written down yet.

        Like :meth:`resume` it has the options of ``argv``, the complete one of the start. Raises :class:`Refused` where
        the id cannot be chosen.
        """
        if not self.conversation.start:
            raise Refused(f"{self.title} chooses its conversations' ids itself")
        return self._again(self.conversation.start, "begun", argv, resume_id, environ)

    def fork(self, argv: Sequence[str], resume_id: str, environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
        """The command line that begins a new conversation from a copy of ``resume_id``, with the options of ``argv``.

        Raises :class:`Refused` where this kind cannot, or the conversation's id is not known.
        """
        if not self.conversation.fork:
            raise Refused(f"{self.title} cannot begin from a copy of a conversation")
        return self._again(self.conversation.fork, "copied", argv, resume_id, environ)

    def headless_argv(
        self,
        prompt: str,
        *,
        resume_id: str = "",
        resume: bool = False,
        extra: Sequence[str] = (),
        environ: Mapping[str, str] = os.environ,
    ) -> tuple[str, ...]:
        """The command line that works on ``prompt`` without a screen; ``extra`` are options of the agent.

        With ``resume`` it goes on with the conversation ``resume_id``, else a new one gets that id where the agent lets
        us choose. Raises :class:`Refused` where this kind cannot, :class:`Invalid` where the id is missing.
        """
        chosen = self.headless.resume if resume else self.headless.argv
        if not chosen:
            raise Refused(f"{self.title} cannot {'go on' if resume else 'work'} without a screen")
        if "\0" in prompt:
            raise Invalid("a prompt cannot hold the character NUL")
        if not resume_id and any(RESUME_ID in part for part in chosen):
            raise Invalid(f"{self.title} needs the id of a conversation")
        return (*_filled(self._command(extra), environ), *extra, *_filled(chosen, environ, resume_id, prompt))

    def headless_limits(
        self, given: Sequence[str] = (), *, turns: int | None = None, money: float | None = None
    ) -> tuple[str, ...]:
        """Options by which the agent limits itself to so many turns and US dollars, but for those in ``given``."""
        limits: list[str] = []
        for how, limit in ((self.headless.turns, turns), (self.headless.money, money)):
            if limit is not None and how and not _has(given, tuple(part.partition("=")[0] for part in how)):
                said = f"{max(limit, 1e-6):.6f}".rstrip("0").rstrip(".") if isinstance(limit, float) else str(limit)
                limits += [part.replace(LIMIT, said) for part in how]
        return tuple(limits)

    def asking_argv(self, given: Sequence[str] = ()) -> tuple[str, ...]:
        """Arguments with which it asks before it does something; none where ``given`` say how it asks."""
        how = self.asking
        chosen = (*(part.partition("=")[0] for part in how.argv if part.startswith("-")), *how.unless)
        return () if _has(given, chosen) else how.argv

    def _again(
        self, how: Sequence[str], done: str, argv: Sequence[str], resume_id: str, environ: Mapping[str, str]
    ) -> tuple[str, ...]:
        if not resume_id and any(RESUME_ID in part for part in how):
            raise Refused(
                f"the conversation of this {self.title} is not known, so it cannot be {done}",
                hint=f"start a new one: quarterdeck new {self.name}",
            )
        begins = self.own(argv)
        kept = _kept(argv[begins:], self.conversation.keep)
        command = self._command(kept)
        words = tuple(argv[: min(begins, _words(self.argv))])
        return (*words, *_filled(command[len(words) :], environ), *_filled(how, environ, resume_id), *kept)


def _filled(argv: Sequence[str], environ: Mapping[str, str], resume_id: str = "", prompt: str = "") -> tuple[str, ...]:
    """The arguments with their placeholders replaced; what is put in is not looked at again."""
    words = {RESUME_ID: resume_id, PROMPT: prompt, SHELL: shell(environ)}
    return tuple(_PLACEHOLDER.sub(lambda found: words.get(found[0], found[0]), part) for part in argv)


def shell(environ: Mapping[str, str]) -> str:
    """The person's shell: ``$SHELL`` where it can be run, else ``/bin/sh``."""
    wanted = environ.get("SHELL", "")
    return wanted if os.path.isabs(wanted) and os.access(wanted, os.X_OK) and os.path.isfile(wanted) else "/bin/sh"


def _words(argv: Sequence[str]) -> int:
    """How many arguments stand before the first option."""
    return next((at for at, part in enumerate(argv) if part.startswith("-")), len(argv))


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
