"""A terminal's journal folded into its screen as it grows: live, in a replay, and over gaps.

All methods run on one event loop. A screen is touched by one owner at a time: short pieces of output are fed on the
loop, long ones on the one feed thread all terminals share, and while a piece of a terminal is there, whatever else
concerns that terminal waits for its lane.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, TypeVar

from quarterdeck.errors import Unreachable
from terminals import journal
from terminals.adapter import Exit, Terminal
from terminals.replay import PIECE, Base, Guard, cut, journal_folder, whole_base
from terminals.screen import Report, Screen

T = TypeVar("T")

INLINE = 16 << 10
"""Bytes fed on the loop itself; about 0.2 ms."""
PACE = 0.25
"""Seconds between two looks at a program that goes on printing while nobody looks."""
STIRRED_FOR = 3.0
"""Seconds after anything else happened in which its output is heard of at once all the same."""
CATCH_UP_LIMIT = 5.0
HOLD_LIMIT = 0.15
"""Seconds a synchronized update may keep the old picture on screen."""
REBUILD_LIMIT = 16 << 20
"""Journal read again, behind a restored screen, to bring its history back."""


class Listener(Protocol):
    """Who hears of a terminal; called on the event loop, must not block."""

    def changed(self) -> None:
        """Screen, cursor, modes, title or size may have changed."""

    def reported(self, offset: int, report: Report) -> None:
        """The program reported something in output that ends at or before ``offset``."""

    def exited(self, how: Exit) -> None:
        """The program ended."""

    def lost(self, reason: str) -> None:
        """The terminal itself is gone."""

    def gap(self, start: int, end: int, reason: str) -> None:
        """These bytes are missing from the journal; the screen shows a line that says so."""


class Feeder:
    """The one thread that feeds long output, shared by all terminals of a process. An async context manager.

    One, because two threads feeding at once are slower than one after the other: the emulator's memory maps contend.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="feed")
        self.rebuilding = asyncio.Semaphore(2)
        """Histories brought back at the same time: each needs a second screen while it lasts."""

    async def __aenter__(self) -> Feeder:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self._pool.shutdown)

    async def run(self, function: Callable[..., T], *args: Any) -> T:
        """Run ``function`` on the thread. Cancelled, it still returns only when the thread is done with it."""
        future = asyncio.get_running_loop().run_in_executor(self._pool, function, *args)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait([future])
            raise


class Fold:
    """The output side of one terminal; see the module."""

    def __init__(self, folder: Path, start: Base, *, feeder: Feeder, listener: Listener, terminal: Terminal | None,
                 reported_upto: int) -> None:  # fmt: skip
        self.folder = folder
        self.terminal = terminal
        self.exit: Exit | None = terminal.state.exit if terminal else None
        self._feeder, self._listener = feeder, listener
        self._screen = start.screen
        self._redraw = start.redraw
        self._whole = start.whole
        self._reader = journal.Reader(journal_folder(folder), start.offset)
        self._fed = start.offset
        self._told = -1
        """Where the journal ends as far as we were told; -1 for not at all."""
        self._reported_upto = reported_upto
        self._start_size: tuple[int, int] | None = start.screen.size
        self._lane = asyncio.Lock()
        self._wake = asyncio.Event()
        self._streamed: deque[tuple[int, bytes | tuple[int, int]]] = deque()
        """Output and sizes that could not be recorded, by their offsets."""
        self._guard: Guard | None = None
        self._size_report = b""
        self._hold_timer: asyncio.TimerHandle | None = None
        self._hold_seen = 0
        self._hold_over = False
        self._title = start.screen.title
        self._tasks: set[asyncio.Task[None]] = set()
        self._eager = True
        self._stirred = asyncio.get_running_loop().time()
        """When it was last looked at, typed into, or asked something: from then on news are heard at once."""
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._closed = False
        self._freed = False

    async def aclose(self) -> None:
        """Stop following and free the screen; the program goes on."""
        if self._closed:
            return
        self._closed = True
        if self._hold_timer is not None:
            self._hold_timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.terminal is not None:
            with contextlib.suppress(Unreachable):
                await self.terminal.detach()
        async with self._lane:
            self._freed = True
            self._reader.close()
            self._screen.close()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._listener.lost(f"its screen failed: {error}")
            task.get_loop().call_exception_handler({"message": "a terminal's task failed", "exception": error})

    # --- the terminal's watcher

    def advanced(self, offset: int) -> None:
        """See :class:`terminals.adapter.Watcher`."""
        self._told = offset
        self._wake.set()

    def streamed(self, offset: int, data: bytes) -> None:
        """See :class:`terminals.adapter.Watcher`."""
        self._streamed.append((offset, data))
        self._wake.set()

    def resized(self, offset: int, cols: int, lines: int) -> None:
        """See :class:`terminals.adapter.Watcher`."""
        self._streamed.append((offset, (cols, lines)))
        self._wake.set()

    def exited(self, how: Exit) -> None:
        """See :class:`terminals.adapter.Watcher`."""
        self.exit = how
        self._wake.set()
        self._listener.exited(how)

    def lost(self, reason: str) -> None:
        """See :class:`terminals.adapter.Watcher`."""
        self._wake.set()
        self._listener.lost(reason)

    # --- output

    @property
    def eager(self) -> bool:
        """Whether somebody looks. While nobody does, a program that goes on printing is read at a slower pace."""
        return self._eager

    @eager.setter
    def eager(self, eager: bool) -> None:
        self._eager = eager
        self.stir()

    def stir(self) -> None:
        """Something happens here: hear of output at once, for a while."""
        self._stirred = asyncio.get_running_loop().time()
        if self.terminal is not None:
            self.terminal.pace(0.0)

    async def catch_up(self) -> None:
        """Until the screen shows all that was printed before this call. Returns early when the terminal is gone."""
        if self.terminal is None or self.exit is not None or self._closed:
            return
        self.stir()
        try:
            upto = await self.terminal.position()
        except Unreachable:
            return
        if upto > self._fed:
            reached = asyncio.get_running_loop().create_future()
            self._waiting.append((upto, reached))
            self.advanced(max(upto, self._told))
            await asyncio.wait([reached], timeout=CATCH_UP_LIMIT)

    async def _follow(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self._drain()
            if self.terminal is not None and not self._eager and loop.time() - self._stirred > STIRRED_FOR:
                self.terminal.pace(PACE)
            await self._caught_up()

    async def _drain(self, upto: int | None = None) -> None:
        """Feed all there is (or what lies before ``upto``, at least), acknowledging as it goes."""
        while upto is None or self._fed < upto:
            if self._streamed and self._streamed[0][0] <= self._reader.position:
                await self._unrecorded(*self._streamed.popleft())
                self._acknowledge()
                continue
            limit = PIECE
            if self._streamed:
                limit = min(limit, self._streamed[0][0] - self._reader.position)
            items = self._reader.read(limit, merge=True)
            if not items:
                if not self._streamed:
                    return
                await self._missing(self._fed, self._streamed[0][0], "unwritten")
                self._reader.seek(self._fed)
                continue
            if self._start_size is not None:
                items = _after_size(items, self._start_size)
                self._start_size = None
            for item in items:
                match item:
                    case journal.Bytes(offset, data):
                        await self._bytes(offset, data)
                    case journal.Resize(_, cols, lines):
                        await self._resized(cols, lines)
                    case journal.Gap(start, end, reason):
                        await self._missing(start, end, reason)
            self._acknowledge()
            if upto is None and 0 <= self._told <= self._fed and not self._streamed:
                return  # what comes after it is told of; looking for it now would cost more than the reading
            await asyncio.sleep(0)  # a program that prints without end must not keep the loop for itself

    def _acknowledge(self) -> None:
        if self.terminal is not None:
            self.terminal.acknowledge(self._fed)
        if self._waiting:
            for upto, reached in self._waiting:
                if upto <= self._fed and not reached.done():
                    reached.set_result(None)
            self._waiting = [one for one in self._waiting if not one[1].done()]

    async def _bytes(self, start: int, data: bytes) -> None:
        end = start + len(data)
        pieces = self._guard.pieces(start, end) if self._guard else [(start, end, False)]
        for begin, stop, skip in pieces:
            if skip:
                await self._missing(begin, stop, "crashed the emulator")
                continue
            if self._guard:
                self._guard.feeding(begin, stop)
            for low, high in cut(begin, stop, self._edges()):
                await self._feed(low, high, data[low - start : high - start])

    async def _unrecorded(self, offset: int, what: bytes | tuple[int, int]) -> None:
        """Output or a size that came over the socket; what was read already is left out."""
        if isinstance(what, tuple):
            await self._resized(*what)
            return
        at = max(offset, self._fed)
        if data := what[at - offset :]:
            await self._bytes(at, data)
        self._reader.seek(max(self._fed, self._reader.position))

    def _edges(self) -> set[int]:
        """Where feeding has to stop, for replies and reports to be told apart exactly."""
        edges = {self._reported_upto}
        if self.terminal is not None:
            edges.add(self.terminal.state.replied_upto)
            for answered in self.terminal.state.answered:
                edges.update(answered)
        return edges

    def _muted(self, start: int, end: int) -> bool:
        """Whether queries in this range were answered before or are not ours to answer."""
        terminal = self.terminal
        if terminal is None or not terminal.answers_queries or self.exit is not None:
            return True
        state = terminal.state
        return end <= state.replied_upto or any(low <= start and end <= high for low, high in state.answered)

    async def _feed(self, start: int, end: int, data: bytes) -> None:
        async with self._lane:
            if len(data) <= INLINE:
                fed = self._screen.feed(data)
            else:
                fed = await self._feeder.run(self._screen.feed, data)
            self._fed = end
            if any(report.kind == "title" for report in fed.reports):
                self._title = self._screen.title
        if fed.replies and not self._muted(start, end) and self.terminal is not None:
            self.stir()
            with contextlib.suppress(Unreachable):
                await self.terminal.reply(end, fed.replies)
        if end > self._reported_upto:
            for report in fed.reports:
                self._listener.reported(end, report)
        self._changed()

    async def _resized(self, cols: int, lines: int) -> None:
        async with self._lane:
            self._size_report = self._screen.resize(cols, lines) or self._size_report
        self._changed()

    async def _missing(self, start: int, end: int, reason: str) -> None:
        """A hole in the journal; output that came over the socket instead fills it."""
        while self._streamed and self._streamed[0][0] < end:
            offset, what = self._streamed.popleft()
            if self._fed < offset:
                await self._tell_missing(self._fed, offset, reason)
            await self._unrecorded(offset, what)
        if self._fed < end:
            await self._tell_missing(max(start, self._fed), end, reason)

    async def _tell_missing(self, start: int, end: int, reason: str) -> None:
        async with self._lane:
            self._screen.missing(end - start, reason)
            self._fed = max(self._fed, end)
        self._redraw = True
        self._listener.gap(start, end, reason)
        self._changed()

    def _changed(self) -> None:
        """Tell of a change, but not of one a synchronized update hides; see that it is not hidden for long."""
        screen = self._screen
        if not screen.held:
            self._hold_over = False
            if self._hold_timer is not None:
                self._hold_timer.cancel()
                self._hold_timer = None
        elif screen.holds != self._hold_seen:
            self._hold_seen, self._hold_over = screen.holds, False
            if self._hold_timer is not None:
                self._hold_timer.cancel()
            self._hold_timer = asyncio.get_running_loop().call_later(HOLD_LIMIT, self._hold_ended)
        elif not self._hold_over:
            return
        self._listener.changed()

    def _hold_ended(self) -> None:
        self._hold_timer, self._hold_over = None, True
        self._listener.changed()

    async def _caught_up(self) -> None:
        """Called when all output there is was fed."""

    async def _rebuild(self, cols: int, lines: int, history_lines: int) -> None:
        """Bring back the history behind a screen that was restored without it, from a saved one or the journal."""
        async with self._feeder.rebuilding:
            end = journal.end(journal_folder(self.folder))
            start = whole_base(self.folder, cols, lines, history_lines, end)
            screen, guard = start.screen, Guard(self.folder)
            try:
                with journal.Reader(journal_folder(self.folder), start.offset) as reader:
                    if end - start.offset <= REBUILD_LIMIT and await self._refold(screen, reader, guard):
                        screen.resize(*self._screen.size)
                        screen.cover(self._screen)
                        self._screen, screen = screen, self._screen
                        self._whole = True
                        self._listener.changed()
            finally:
                guard.done()
                screen.close()

    async def _refold(self, screen: Screen, reader: journal.Reader, guard: Guard) -> bool:
        """Feed a second screen up to where the first one stands; False when something on the way is missing.

        Returns without giving up the loop once both stand at the same byte, so that nothing comes between.
        """
        enough = reader.position + 2 * REBUILD_LIMIT
        while reader.position != self._fed or self._lane.locked():
            if reader.position > enough:  # it prints as fast as it is read: there is no end to this
                return False
            if reader.position == self._fed:
                async with self._lane:
                    continue
            items = reader.read(min(PIECE, self._fed - reader.position), merge=True)
            if not items:
                return False
            for item in items:
                match item:
                    case journal.Bytes(offset, data):
                        if any(skipped for *_, skipped in guard.pieces(offset, offset + len(data))):
                            return False
                        guard.feeding(offset, offset + len(data))
                        await self._feeder.run(screen.feed, data)
                    case journal.Resize(_, cols, lines):
                        screen.resize(cols, lines)
                    case journal.Gap():
                        return False
        return True


def _after_size(items: list[journal.Item], size: tuple[int, int]) -> list[journal.Item]:
    """Without the resizes recorded at the very byte a replay begins with that its screen already has."""
    known = 0
    for at, item in enumerate(items):
        if not isinstance(item, journal.Resize):
            break
        if (item.cols, item.lines) == size:
            known = at + 1
    return items[known:]
