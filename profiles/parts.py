"""The parts of a profile that tell how an agent is watched and answered; all are data from its TOML file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

HOOKS_FILE, SPOOL, TELL, ASK, PORT, PROMPT = "{hooks_file}", "{spool}", "{tell}", "{ask}", "{port}", "{prompt}"
HOOKS, HOOKS_FOLDER = "{hooks}", "{hooks_folder}"
LIMIT = "{limit}"
"""Placeholders: the hooks' settings file of this run, the agent's spool, the two hook commands, a free port on
127.0.0.1 chosen for this run, a headless run's prompt, the hooks of this run as one argument, the folder that the
settings file is in, and how much an agent may use."""

STATES = ("working", "blocked", "idle", "limited", "starting", "ignore")
"""What a screen rule may say. ``ignore``: while it matches, the other rules say nothing (a transcript viewer)."""
KINDS = ("permission", "question", "trust", "login")
DOORS = ("none", "argv", "environ")
"""How hooks reach one run only: by arguments, by variables, or not at all."""
RECEIPTS = ("hook", "transcript", "program", "file", "stream", "screen")


@dataclass(frozen=True, kw_only=True)
class Headless:
    """How the agent runs without a screen: arguments after the command, ``{prompt}`` and ``{resume_id}`` filled in."""

    argv: tuple[str, ...] = ()
    resume: tuple[str, ...] = ()
    format: str = ""
    """What it prints: the name of a reader, "" for plain text."""
    turns: tuple[str, ...] = ()
    """Arguments that limit how often its model may answer to ``{limit}``; empty: it has no such limit of its own."""
    money: tuple[str, ...] = ()
    """Arguments that limit what it may spend to ``{limit}`` US dollars."""


@dataclass(frozen=True, kw_only=True)
class Asking:
    """How the agent is started in a terminal so that it asks before it does something, for whoever watches it."""

    argv: tuple[str, ...] = ()
    """Arguments; empty: it asks anyway, or cannot be told to."""
    unless: tuple[str, ...] = ()
    """Options with which a person chose how it asks, beside those in ``argv``: then nothing is added."""


@dataclass(frozen=True, kw_only=True)
class Prompting:
    """How prompts are given."""

    receipts: tuple[str, ...] = ()
    """Sources, of ``RECEIPTS``, that confirm a prompt this agent took; empty: nothing does."""
    steer: bool = False
    """Whether it takes a prompt while it works."""
    ends: tuple[str, ...] = ()
    """Whole prompts that end its program: its end confirms them."""
    wait: tuple[str, ...] = ()
    """Sources of which one must have said idle before the first prompt; empty: any."""
    draft: str = ""
    """A pattern for the first line of its input box; the group ``text`` is what is typed there. The box is visible
    where the cursor stands in that line, or below it in lines that go on: indented by two cells at least, or blank."""
    every_line: bool = False
    """Whether ``draft`` fits every line of the box, which then ends where it fits no more."""
    end: str = ""
    """A pattern for the line right below the box, without which there is none."""
    placeholder: tuple[str, ...] = ()
    """Patterns of whole texts that the empty input box shows."""
    suggests: bool = False
    """Whether the empty box may show any text, as a suggestion: nothing is typed while the cursor stands before it."""
    checkpoint: str = ""
    """How a new one is handed a session's checkpoint: ``file`` (its first prompt names the file), ``prompt`` (it holds
    the text), ``none``; "" is file for agents, none for shells and programs, which would run it."""


@dataclass(frozen=True, kw_only=True)
class Pasting:
    """How it wants to be given the path of a file that is dropped on its terminal.

    One of ``{path}``, ``{escaped}`` (backslashes) and ``{quoted}`` (double quotes where needed) in a text. A paste that
    is anything else is not touched.
    """

    image: str = ""
    """The path of an image; "" for agents that treat it like any file."""
    file: str = ""
    """The path of any file or folder; "" leaves pastes as they are."""
    alone: bool = False
    """Whether each image has to be a paste of its own."""
    types: tuple[str, ...] = ("png", "jpg", "jpeg", "gif", "webp")
    """What names of images end with."""


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Which sources tell of this agent, besides its process and its screen."""

    program: bool = False
    """It reports its state by OSC 7501."""
    file: str = ""
    """It keeps a status file: the name of a reader."""
    stream: str = ""
    """It serves an event stream: the name of a reader."""
    transcript: str = ""
    """It writes its conversation down: the name of a reader."""
    titles: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Patterns of the title and what they hint at: working, blocked, idle."""


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """How its hooks are installed and read."""

    shape: str = ""
    """The form of their events: the name of a reader; "" for an agent without hooks."""
    door: str = "none"
    argv: tuple[str, ...] = ()
    """With the door ``argv``: arguments that load ``{hooks_file}`` for this run only."""
    environ: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """With the door ``environ``: variables that do."""
    events: tuple[str, ...] = ()
    """Events that are told."""
    asks: tuple[str, ...] = ()
    """Events that wait for a decision."""
    wait_s: float = 0.0
    """Seconds an asking hook waits before it leaves the question to the agent's own dialog."""
    file: str = ""
    """The user's own settings file that ``profile hooks install`` changes."""


@dataclass(frozen=True, kw_only=True)
class ScreenRule:
    """One thing a screen can say. It holds where every pattern of ``all``, one of ``any`` and none of ``none`` does.

    Patterns are Python regular expressions searched in each line of the region (with ``(?s)`` in its whole text).
    Named groups ``tool``, ``command``, ``path`` and ``text`` become what is known of a dialog.
    """

    name: str
    state: str
    region: str = "bottom"
    """``screen``, ``bottom`` or ``bottom:N`` (the last N lines that are not blank, 12), ``above`` or ``above:N`` (what
    stands above the input box; its last N lines that are not blank), ``input`` (the input box), ``box`` (the body of
    the lowest framed, barred or ruled-off block), ``title``."""
    begin: str = ""
    """A pattern: the region is looked at from the first line that matches it on, and holds nothing without one."""
    input: bool | None = None
    """Only while the input box is visible, or is not; what an agent quotes stands above a visible one."""
    all: tuple[str, ...] = ()
    any: tuple[str, ...] = ()
    none: tuple[str, ...] = ()
    kind: str = ""
    priority: int = 0
    """The highest that holds speaks."""
    can: tuple[str, ...] = ()
    """Answers the dialog takes by keys: allow, always, deny."""
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """Keys for an answer where they differ from the profile's own, by answer."""
    marked: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """By answer, a pattern for a line of the region in which what is marked stands between « and »: without it the last
    key of the answer is not pressed where that key confirms what is marked."""
    then: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """By answer, the rule of the dialog that its keys lead to: that rule's keys for the same answer follow there."""
