"""What is known of an agent, one piece at a time: who says it, what it says, when.

Sources (hooks, transcripts, screen rules ...) make evidence; one reducer turns it into a status. Evidence is a plain
value: it is stored with the change of status it caused, and shown to a person who asks why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Literal

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Source(StrEnum):
    """Who says it, the strongest first where they contradict each other."""

    PROCESS = "process"
    """The kernel, the holder, the exit record."""
    PROGRAM = "program"
    """The agent itself by OSC 7501."""
    FILE = "file"
    """A status file the agent keeps."""
    STREAM = "stream"
    """The agent's own event stream."""
    HOOK = "hook"
    """A hook the agent ran."""
    TRANSCRIPT = "transcript"
    """The agent's record of the conversation."""
    SCREEN = "screen"
    """A screen rule of the profile."""
    HINT = "hint"
    """OSC 9, 9;4, 99, 777, 133, title, bell."""
    OUTPUT = "output"
    """That something was printed."""
    PERSON = "person"
    """What a person did: looked, typed, answered."""


class Sign(StrEnum):
    """What a piece of evidence says. The keys of ``data`` that belong to each are named beside it."""

    # what the agent is doing now
    STARTING = "starting"
    WORKING = "working"
    BLOCKED = "blocked"
    """It needs a person. kind (permission, question, trust, login), and as for ASKED what is known."""
    IDLE = "idle"
    DONE = "done"
    """Its turn ended by itself. message"""
    ERROR = "error"
    """Its turn ended by an error; it takes prompts again. message"""
    LIMITED = "limited"
    """A usage limit stops it. until_ns (wall clock, 0 unknown)"""
    CLEAR = "clear"
    """This source takes back what it said."""

    # what happened
    STARTED = "started"
    """The program is up and takes prompts, or resumed a conversation."""
    PROMPT = "prompt"
    """It took a prompt. prompt (its text, bounded)"""
    ASKED = "asked"
    """It asks for a permission. kind, tool, command, path, diff, input, key (its own id of the request), can (answers
    it takes: allow, always, deny), reply (where a structured answer goes, opaque to all but the source), cwd. paths
    (all files, where they are more than path), partial (there may be more of them), cut (this is not all that is
    asked), beyond (the command goes on)"""
    ANSWERED = "answered"
    """A request was decided, by whomever. key, allowed (bool)"""
    INTERRUPTED = "interrupted"
    """A person stopped the turn; it takes prompts again."""
    REFUSED = "refused"
    """A person refused what it asked for. key"""
    CONVERSATION = "conversation"
    """Which conversation it is in. id, transcript (path), how (startup, resume, clear, fork)"""
    USAGE = "usage"
    """Totals of the conversation: input, output, cached (tokens), cost (USD), model. Missing ones are unknown."""
    MESSAGE = "message"
    """Something it said to the person. message"""
    QUIT = "quit"
    """It ends in good order."""

    # the terminal and the person
    SPAWNED = "spawned"
    """A program was started in its terminal. again (bool)"""
    EXITED = "exited"
    """The program ended. code"""
    LOST = "lost"
    """Its terminal is gone."""
    OUTPUT = "output"
    """It printed something."""
    TYPED = "typed"
    """A person typed there."""
    SEEN = "seen"
    """A person looked at it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """One piece. ``wall_ns`` is when it was true by the source's own word, else when it was noticed.

    ``text`` is for a person (safe, bounded): the file, the rule, the hook it comes from. ``offset`` is the journal
    offset it belongs to, -1 where it has none.
    """

    source: Source
    sign: Sign
    wall_ns: int
    text: str = ""
    offset: int = -1
    data: Mapping[str, Any] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """An answer to a request for permission: ``allow`` once, allow ``always``, or ``deny`` with a reason."""

    behaviour: Literal["allow", "always", "deny"]
    reason: str = ""
