"""One living terminal: its screen, and everything a person or a program does to it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from quarterdeck.errors import Refused, Unreachable
from quarterdeck.keys import KeyPress
from quarterdeck.marks import look_of
from quarterdeck.rows import Look, Modes, Row, View
from terminals.adapter import Terminal, Written, clamp
from terminals.fold import Feeder, Fold, Listener
from terminals.replay import Base, Guard, base, history_files, history_path
from terminals.screen import EMULATOR, HISTORY_LINES, Screen
from terminals.snapshot import Snapshot

__all__ = ["Feeder", "Listener", "LiveTerminal", "Turn"]

LOCK_LIMIT = 0.5
"""Seconds a key waits for another writer of the same terminal."""

SETTLE = 0.05
"""Seconds between a pasted prompt and its Enter, unless the profile says otherwise."""

SETTLE_LIMIT = 0.4
"""What a profile may ask for at most: a person's keys wait that long."""
NEVER = 1 << 62
"""An offset no journal stands at: a write under this condition is never made."""
LARGE = 4096
"""Bytes beyond which a paste may still wait for its program when it counts as written."""
TAKEN_WITHIN = 2.0
"""Seconds a program has to take a large paste before the next key is pressed all the same."""
Standing = Callable[[], contextlib.AbstractAsyncContextManager[Screen]]
"""The screen for one moment; see :meth:`LiveTerminal._standing`."""
HISTORIES_KEPT = 2
REDRAW_PAUSE = 0.05
"""Seconds between the two sizes that make a program repaint; shorter, it may see only the second."""


class Turn:
    """One writer's turn at a terminal: nobody else types before it ends. See :meth:`LiveTerminal.turn`."""

    def __init__(self, terminal: Terminal, standing: Standing) -> None:
        self._terminal, self._standing = terminal, standing

    async def write(
        self, encode: Callable[[Screen], bytes], *, write_id: int | None = None, if_offset: int | None = None
    ) -> Written:
        """Type what ``encode`` makes of the screen's modes; where that is nothing, nothing is asked either."""
        async with self._standing() as screen:
            data = encode(screen)
        if not data:
            return Written("written", self._terminal.state.offset)
        return await self._terminal.write(data, write_id=write_id, if_offset=if_offset)

    async def paste(
        self, text: str, *, newline: KeyPress | None = None, write_id: int | None = None, if_offset: int | None = None
    ) -> Written:
        """Paste text: bracketed where the program asked for it, else with the key ``newline`` between its lines."""

        def encode(screen: Screen) -> bytes:
            if newline is None or screen.modes.bracketed_paste:
                return screen.paste(text)
            return screen.key(newline).join(screen.paste(line) for line in text.split("\n"))

        return await self.write(encode, write_id=write_id, if_offset=if_offset)

    async def press(self, key: KeyPress, *, write_id: int | None = None, if_offset: int | None = None) -> Written:
        """Press one key, encoded for the present modes."""
        if self._terminal.encodes_keys:
            return await self._terminal.press(key, write_id=write_id, if_offset=if_offset)
        return await self.write(lambda screen: screen.key(key), write_id=write_id, if_offset=if_offset)

    async def settle(self, size: int, seconds: float) -> None:
        """Let the program take in ``size`` characters of pasted text, and then for ``seconds`` more."""
        if size > LARGE:
            with contextlib.suppress(TimeoutError, Unreachable, Refused):
                async with asyncio.timeout(TAKEN_WITHIN):
                    while (await self._terminal.describe()).get("input_queued"):  # noqa: ASYNC110  only asking tells
                        await asyncio.sleep(0.01)
        await asyncio.sleep(min(seconds, SETTLE_LIMIT))


class LiveTerminal(Fold):
    """A terminal in use. Made by :meth:`open`; :meth:`aclose` detaches and never harms the program.

    One writer at a time: whoever comes while another one types waits for at most ``LOCK_LIMIT``.
    """

    def __init__(self, folder: Path, start: Base, *, feeder: Feeder, listener: Listener, terminal: Terminal | None,
                 reported_upto: int) -> None:  # fmt: skip
        super().__init__(
            folder, start, feeder=feeder, listener=listener, terminal=terminal, reported_upto=reported_upto
        )
        self._input = asyncio.Lock()

    @classmethod
    async def open(
        cls,
        folder: Path,
        *,
        feeder: Feeder,
        listener: Listener,
        cols: int,
        lines: int,
        terminal: Terminal | None,
        snapshot: Snapshot | None = None,
        history_lines: int = HISTORY_LINES,
        reported_upto: int | None = None,
    ) -> LiveTerminal:
        """Rebuild the screen and follow the terminal from there; returns when it has caught up.

        With ``terminal`` None the program is gone and its screen stays readable. Reports in output before
        ``reported_upto`` (the snapshot's offset unless given) are not told again.
        """
        cols, lines = clamp(cols, lines)
        start = base(folder, cols, lines, history_lines, snapshot)
        if reported_upto is None:
            reported_upto = snapshot.offset if snapshot else 0
        self = cls(folder, start, feeder=feeder, listener=listener, terminal=terminal, reported_upto=reported_upto)
        try:
            upto = None
            if terminal is not None:
                await terminal.attach(self, self._fed)
                upto = terminal.state.offset
            self._guard = Guard(folder)
            await self._drain(upto)
            self._guard.done()
            self._guard = None
            await self._caught_up()
        except BaseException:
            await self.aclose()
            raise
        if terminal is not None:
            self._wake.set()
            self._spawn(self._follow())
        if not self._whole:
            self._spawn(self._rebuild(cols, lines, history_lines))
        return self

    async def _caught_up(self) -> None:
        """What waits until all output was read: the size a program asked to be told of, and a repaint."""
        if self.terminal is None or self.exit is not None:
            return
        report, self._size_report = self._size_report, b""
        if report and self.terminal.answers_queries:
            self._spawn(self._report_size(report))
        if self._redraw:
            self._redraw = False
            self._spawn(self._repaint())

    async def _report_size(self, report: bytes) -> None:
        with contextlib.suppress(Unreachable):
            await self.write(report)

    async def _repaint(self) -> None:
        """Make the program draw its screen anew by another size for a moment."""
        cols, lines = self.size
        with contextlib.suppress(Unreachable):
            await self.resize(*((cols - 1, lines) if cols > 1 else (cols + 1, lines)))
            await asyncio.sleep(REDRAW_PAUSE)
            await self.resize(cols, lines)

    # --- what is seen

    @property
    def offset(self) -> int:
        """The journal offset the screen stands at."""
        return self._fed

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines."""
        return self._screen.size

    @property
    def title(self) -> str:
        """The title as the program set it: bounded, not safe to show."""
        return self._title

    @contextlib.asynccontextmanager
    async def _standing(self) -> AsyncIterator[Screen]:
        """The screen for one moment, in which nothing is fed. Raises :class:`Unreachable` where it was closed."""
        async with self._lane:
            if self._freed:
                raise Unreachable("its terminal was let go of meanwhile; nothing was done")
            yield self._screen

    async def modes(self) -> Modes:
        """The modes a client must know."""
        async with self._standing() as screen:
            return screen.modes

    async def view(self, since: int = 0) -> View:
        """What changed on the screen after version ``since``."""
        async with self._standing() as screen:
            return screen.view(since, self._fed, through_hold=self._hold_over)

    async def history(self, first: int, count: int) -> tuple[tuple[Row, ...], int]:
        """``count`` rows of history from ``first`` (0 the oldest), and how many there are."""
        async with self._standing() as screen:
            return screen.history(first, count)

    async def text(self, *, history: bool = False) -> str:
        """The screen as plain text; with ``history`` everything kept."""
        async with self._standing() as screen:
            return screen.text(history=history)

    async def look(self, *, fresh: bool = False) -> Look:
        """The visible screen as text, with the offset it stands at; ``fresh``: with all that was printed by now."""
        if fresh:
            await self.catch_up()
        return look_of(await self.view())

    async def ansi(self, *, history: bool = False) -> str:
        """The screen as lines with colours, safe for a person's terminal."""
        async with self._standing() as screen:
            return screen.ansi(history=history)

    async def snapshot(self) -> Snapshot | None:
        """The screen frozen where it stands; None inside a sequence too long to be kept."""
        async with self._standing() as screen:
            return screen.snapshot(self._fed)

    async def save_history(self, path: Path | None = None) -> Path | None:
        """Write the screen with its history to a file, off the loop; None where that cannot be done now.

        Only the last two files are kept. A screen whose own history is not back yet writes none.
        """
        if not self._whole:
            return None
        async with self._standing() as screen:
            target = path or history_path(self.folder, self._fed)
            target.parent.mkdir(mode=0o700, exist_ok=True)
            if not await self._feeder.run(screen.save_history, target, self._fed):
                return None
        if path is None:
            for _, old in history_files(self.folder)[HISTORIES_KEPT:]:
                old.unlink(missing_ok=True)
        return target

    # --- what is typed

    async def press(self, key: KeyPress, *, if_offset: int | None = None) -> Written:
        """Type one key, encoded for the present modes; refused when output came after ``if_offset``."""
        async with self.turn() as turn:
            return self._busy() if turn is None else await turn.press(key, if_offset=if_offset)

    async def paste(self, text: str) -> Written:
        """Paste text: bracketed where the program asked for it."""
        return await self._typed(lambda screen: screen.paste(text))

    async def mouse(self, action: str, x: int, y: int, button: int = 0, mods: int = 0) -> Written:
        """A mouse event; nothing is written when the program does not listen."""
        return await self._typed(lambda screen: screen.mouse(action, x, y, button, mods))

    async def focus(self, focused: bool) -> Written:
        """A focus change; nothing is written when the program does not listen."""
        return await self._typed(lambda screen: screen.focus(focused))

    async def raw(self, data: bytes) -> Written:
        """Bytes as they are."""
        return await self._typed(lambda _: data)

    async def write(self, data: bytes, *, write_id: int | None = None, if_offset: int | None = None) -> Written:
        """Type ``data`` exactly once per ``write_id``, refused when output came after ``if_offset``."""
        async with self.turn() as turn:
            if turn is None:
                return self._busy()
            return await turn.write(lambda _: data, write_id=write_id, if_offset=if_offset)

    async def say(
        self, text: str, *, enter: bool = True, settle: float = SETTLE, if_offset: int | None = None
    ) -> Written:
        """Paste a text, let the program take it in, and press Enter: one unit, nobody types in between."""
        async with self.turn() as turn:
            if turn is None:
                return self._busy()
            written = await turn.paste(text, if_offset=if_offset)
            if not enter or written.status != "written":
                return written
            if text:
                await turn.settle(len(text), settle)
            return await turn.press(KeyPress("enter"), if_offset=None if text else if_offset)

    async def became(self, write_id: int) -> Written:
        """What became of a write by its id. Never makes it: ``refused`` says that it was not made and never will be."""
        return await self._living().write(b"", write_id=write_id, if_offset=NEVER)

    def new_write_id(self) -> int:
        """The first of ``WRITES_AT_ONCE`` ids that no other write to this terminal has or gets."""
        return self._living().new_write_id()

    async def _typed(self, encode: Callable[[Screen], bytes]) -> Written:
        async with self.turn() as turn:
            return self._busy() if turn is None else await turn.write(encode)

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[Turn | None]:
        """This writer's turn, in order of asking; None when another one does not finish."""
        try:
            async with asyncio.timeout(LOCK_LIMIT):
                await self._input.acquire()
        except TimeoutError:
            yield None
            return
        try:
            self.stir()
            yield Turn(self._living(), self._standing)
        finally:
            self._input.release()

    def _busy(self) -> Written:
        """Somebody else's write does not get through, so neither would this one."""
        return Written("full", self._fed)

    def _living(self) -> Terminal:
        if self.terminal is None:
            raise Refused("its program is not running", hint="restore the agent to type into it")
        return self.terminal

    # --- what is done to it

    async def resize(self, cols: int, lines: int) -> None:
        """Set the size, clamped. The screen follows when the journal says so; without a program, at once."""
        cols, lines = clamp(cols, lines)
        if self.terminal is not None and self.exit is None:
            await self.terminal.resize(cols, lines)
            return
        async with self._standing() as screen:
            screen.resize(cols, lines)
        self._changed()

    async def signal(self, number: int) -> None:
        """Signal the foreground process group."""
        await self._living().signal(number)

    async def end(self, grace: float = 3.0) -> None:
        """End the program; waits for its exit."""
        await self._living().close(grace)

    async def release(self) -> None:
        """Let go of the terminal: an adopted pane is given back, anything else goes on unattached."""
        await self._living().release()

    def keep_from(self, offset: int) -> None:
        """A durable snapshot stands at ``offset``."""
        if self.terminal is not None:
            self.terminal.keep_from(offset)

    async def describe(self) -> dict[str, Any]:
        """Facts for people about terminal and screen."""
        facts = await self.terminal.describe() if self.terminal is not None else {}
        cols, lines = self.size
        return {**facts, "cols": cols, "lines": lines, "offset": self._fed, "emulator": EMULATOR}
