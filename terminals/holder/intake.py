"""When a holder reads its terminal, and how much of it at once."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

AHEAD = 8 << 20
"""Bytes the journal may be ahead of an orchestrator before the terminal is no longer read."""
STALL = 2.0
"""Seconds a terminal is not read for an orchestrator's sake; then it counts as gone until it catches up."""
FIRST_FOLLOWER = 1.0
"""Seconds a new terminal waits for the orchestrator that asked for it before its output is read."""
COALESCE = 256 << 10
"""Bytes read before they are recorded as one append."""
SHORT = 1024
"""Bytes of a read after which no more is expected to be there at once; a full one of a PTY has 4,095."""
LONGEST_PACE = 1.0
TRICKLE = 2048
"""Bytes taken at once that are no trickle: a PTY holds about 12 KB, and who prints more must wait for us."""
LIVELY = 2.0
"""Seconds after such a burst in which the terminal is read as soon as it prints, whatever the pace."""
OVERDUE = 2
"""Paces a terminal rests at most; the orchestrator that is to end the rest may be stuck."""


class Intake:
    """The reading end of a terminal: read as soon as something is there, but for two exceptions.

    *Paused*: the orchestrator is too far behind, so that the program has to wait for it, for at most ``STALL``.
    *Resting*: nobody looks and the program prints a trickle, so that it may stay where it is until the orchestrator
    asks for it. What is to be exact (a size, a guarded write, a position) is preceded by a thorough :meth:`take`.

    ``program`` tells whether the source is a program's PTY; the pipe of a pane never pauses or rests, since its output
    would only pile up in tmux's memory.
    """

    def __init__(self, source: int, *, program: bool) -> None:
        self.source = source
        self.open = True
        """Whether its end was not read yet."""
        self.stalled = False
        """Whether the orchestrator counts as gone because it did not catch up."""
        self.pace = 0.0
        """Seconds output may rest; 0 while somebody looks, or nobody said so."""
        self._program = program
        # Whoever asked for the terminal follows in a moment, and knows every answer; the table does not.
        self._paused_until = time.monotonic() + FIRST_FOLLOWER if program else None
        self._rests_until: float | None = None
        self._lively_until = 0.0
        self._took = False

    @property
    def paused(self) -> bool:
        """Whether it must not be read now: more was printed than is recorded."""
        return self._paused_until is not None

    @property
    def readable(self) -> bool:
        """Whether it may be read now, resting or not."""
        return self.open and self._paused_until is None

    @property
    def wanted(self) -> bool:
        """Whether it is to be read as soon as something is there."""
        return self.open and self._paused_until is None and self._rests_until is None

    @property
    def resting(self) -> bool:
        """Whether what is printed now stays in the terminal for a while."""
        return self._rests_until is not None

    def take(self, *, thorough: bool) -> tuple[bytes, bool]:
        """What is there, up to 256 KB, and whether the end was met; ``thorough``: until nothing is left for sure."""
        pieces: list[bytes] = []
        size = 0
        ended = False
        piece = 8192 if self._program else 65536
        while size < COALESCE:
            try:
                data = os.read(self.source, piece)
            except BlockingIOError:
                break
            except OSError:
                ended = True
                break
            if not data:
                ended = True
                break
            pieces.append(data)
            size += len(data)
            if len(data) < SHORT and not thorough:
                break
        if size:
            self._took = True
            if self.pace and size >= TRICKLE:
                self._lively_until = time.monotonic() + LIVELY
        return pieces[0] if len(pieces) == 1 else b"".join(pieces), ended

    def rest(self) -> bool:
        """Let output rest, if something was taken since the last call and it was a trickle; whether it does now."""
        took, self._took = self._took, False
        if not (took and self.pace and self._program and self.wanted):
            return False
        now = time.monotonic()
        if now < self._lively_until:
            return False
        self._rests_until = now + OVERDUE * self.pace
        return True

    def rise(self) -> bool:
        """The end of a rest; whether it rested."""
        rested, self._rests_until = self._rests_until is not None, None
        return rested

    def behind(self, count: int) -> bool:
        """The orchestrator is ``count`` bytes behind; whether that makes it pause now."""
        if not self._program or self.stalled or count <= AHEAD:
            return False
        self._paused_until = time.monotonic() + STALL
        return True

    def resume(self) -> None:
        """The end of a pause."""
        self._paused_until = None

    def deadlines(self) -> Iterator[float]:
        """When :meth:`on_time` has something to do."""
        if self._paused_until is not None:
            yield self._paused_until
        if self._rests_until is not None:
            yield self._rests_until

    def on_time(self, now: float) -> bool:
        """End a pause or a rest that lasted long enough; whether one was ended."""
        if self._paused_until is not None and now >= self._paused_until:
            self.stalled = True
            self._paused_until = None
            return True
        return self._rests_until is not None and now >= self._rests_until and self.rise()

    def close(self) -> None:
        """Its end was read, or nothing more of it is wanted."""
        self.open = False
        self._paused_until = self._rests_until = None
