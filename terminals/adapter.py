"""The protocol every terminal adapter speaks.

An adapter starts a program in a terminal that outlives the orchestrator, and finds it again afterwards. What
the terminal prints goes to its journal (:mod:`terminals.journal`); the adapter only tells how far the journal
has grown. All coroutines and callbacks run on one event loop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from quarterdeck.keys import KeyPress
from quarterdeck.process import Identity

MIN_SIZE, MAX_COLS, MAX_LINES = 1, 500, 300
WRITES_AT_ONCE = 64
"""How many ids :meth:`Terminal.new_write_id` gives out at once."""


def clamp(cols: int, lines: int) -> tuple[int, int]:
    """A size every emulator and kernel takes: at least 1x1, at most 500x300 cells."""
    return max(MIN_SIZE, min(cols, MAX_COLS)), max(MIN_SIZE, min(lines, MAX_LINES))


@dataclass(frozen=True, kw_only=True)
class Spawn:
    """What to start. ``environ`` is complete: nothing is inherited. ``folder`` is the agent's, it exists."""

    agent: str
    folder: Path
    socket: Path
    argv: tuple[str, ...]
    cwd: Path
    environ: Mapping[str, str]
    cols: int = 80
    lines: int = 24
    replies: tuple[tuple[bytes, bytes], ...] = ()
    """(query, answer) pairs the holder itself answers while nobody is attached."""
    journal_limit: int = 64 << 20
    """Bytes of journal kept when nobody is attached."""
    preamble: bytes = b""
    """Put into the journal before the program's first byte: what leaves the modes of an earlier life behind."""
    lease: float | None = None
    """Seconds without an attached orchestrator after which the terminal ends its agent and itself."""


@dataclass(frozen=True, kw_only=True)
class Exit:
    """How the program ended. ``code`` follows waitpid: negative is minus the signal; None where it is not known.

    ``offset`` is where the journal stood at waitpid, ``end`` where it ended; -1 while output may still follow.
    """

    code: int | None
    offset: int
    end: int
    wall_ns: int
    closed: bool = False
    """Whether it was being ended, by :meth:`Terminal.close` or because its lease ran out: not by itself."""


WriteStatus = Literal["written", "refused", "full", "closed", "unknown"]


@dataclass(frozen=True)
class Written:
    """What became of a write, and where the journal stood.

    ``refused``: the journal had moved past ``if_offset``. ``full``: the program does not read and the bound is
    reached. ``closed``: it has ended. ``unknown``: the id is older than the ledger.
    """

    status: WriteStatus
    offset: int


@dataclass(frozen=True, kw_only=True)
class State:
    """A terminal as found when a connection is made."""

    offset: int
    """Bytes printed so far: the journal's end."""
    cols: int
    lines: int
    child: Identity | None
    exit: Exit | None = None
    replied_upto: int = 0
    """Queries that end at or before this offset are answered or dropped for good."""
    answered: tuple[tuple[int, int], ...] = ()
    """(start, end) of queries after ``replied_upto`` the holder answered itself."""
    facts: Mapping[str, Any] = field(default_factory=dict)


class Watcher(Protocol):
    """Whoever follows a terminal; called on the event loop, must not block."""

    def advanced(self, offset: int) -> None:
        """The journal now reaches ``offset`` (bytes, resizes or a gap were added)."""

    def streamed(self, offset: int, data: bytes) -> None:
        """``data`` starts at ``offset`` and could not be written to disk; the journal will have a gap there."""

    def resized(self, offset: int, cols: int, lines: int) -> None:
        """The size changed at exactly ``offset`` and could not be recorded (see :meth:`streamed`)."""

    def exited(self, how: Exit) -> None:
        """The program ended: called at waitpid, and once more when ``how.end`` is known if it was not by then."""

    def lost(self, reason: str) -> None:
        """The terminal itself is gone: its holder, pane or server died."""


class Terminal(Protocol):
    """A connection to one running terminal. Losing the connection never harms the program in it."""

    adapter: str
    answers_queries: bool
    """Whether replies of our emulator belong to it (native) or its own host answers (tmux)."""
    encodes_keys: bool
    """Whether :meth:`press` must be used because the host encodes keys itself (tmux)."""
    state: State

    async def attach(self, watcher: Watcher, acknowledged: int) -> None:
        """Start to follow; everything before ``acknowledged`` was read already. Renews :attr:`state`."""

    async def write(self, data: bytes, *, write_id: int | None = None, if_offset: int | None = None) -> Written:
        """Type ``data``, exactly once per ``write_id`` (one is made when None).

        Asked again with an id that is known, it tells what became of that write, whatever ``data`` and ``if_offset``.
        """

    async def press(self, key: KeyPress, *, write_id: int | None = None, if_offset: int | None = None) -> Written:
        """Type one key where the host encodes it, once per ``write_id``. Only with ``encodes_keys``."""

    def new_write_id(self) -> int:
        """The first of ``WRITES_AT_ONCE`` ids in a row, larger than any given out, even before a restart of ours."""

    async def reply(self, upto: int, data: bytes) -> None:
        """Answer queries that end at or before ``upto``. Only with ``answers_queries``."""

    async def resize(self, cols: int, lines: int) -> None:
        """Record the size at the current offset, then set it."""

    async def signal(self, number: int) -> None:
        """Signal the foreground process group."""

    async def close(self, grace: float = 3.0) -> None:
        """End the program: hang up, then TERM and KILL what is left after ``grace`` seconds; waits for its exit."""

    async def release(self) -> None:
        """Let go of it. An adopted pane is given back unharmed; anything else goes on unattached."""

    async def detach(self) -> None:
        """Stop following. The program goes on, and an adopted pane stays adopted; :meth:`Adapter.find` finds it."""

    def acknowledge(self, offset: int) -> None:
        """Everything before ``offset`` was read."""

    def pace(self, seconds: float) -> None:
        """Hear of a trickle of output at most once in so many seconds; 0 at once, also of what was put off."""

    async def position(self) -> int:
        """How far the journal reaches now, with all that was printed until now. Raises Unreachable."""

    def keep_from(self, offset: int) -> None:
        """A durable snapshot stands at ``offset``: journal before it may be deleted when space is short."""

    async def describe(self) -> dict[str, Any]:
        """Facts for people: pids, foreground command, socket, sizes, queue lengths."""


class Adapter(Protocol):
    """Makes terminals of one kind."""

    name: str

    async def spawn(self, spec: Spawn) -> Terminal:
        """Start a program. Raises NotFound (command, cwd), Broken or Unreachable; then nothing was started."""

    async def find(self, agent: str, folder: Path, socket: Path) -> Terminal:
        """Connect to a terminal that was started earlier. Raises Unreachable when it is gone."""

    async def aclose(self) -> None:
        """Release what the adapter itself holds (never the terminals)."""
