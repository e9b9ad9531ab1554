"""Folders watched for all agents by one descriptor: hook spools, status files, transcripts.

On Linux inotify tells of every change in 0.4 ms and costs nothing in between; elsewhere watchfiles does. A folder that
does not exist yet is waited for, and one that is removed and made again is found again. Which folders these are may be
an agent's word, so one that cannot be watched is no error. Where the system has no more watches to give, we look
ourselves, now and then, until it has.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Callable
from errno import EMFILE, ENFILE, ENOENT, ENOMEM, ENOSPC, ENOTDIR
from pathlib import Path
from typing import TYPE_CHECKING

from sessions.status.elsewhere import Stamps, follow, stamps

if TYPE_CHECKING:
    from inotify_simple import INotify

log = logging.getLogger(__name__)

Tell = Callable[[str], None]
"""Called with the name of the file in the folder that changed; "" when any of them may have."""
SWEEP = 1.0
"""Seconds between two looks at what the system does not watch for us."""
_MISSING = (ENOENT, ENOTDIR)
_SHORT = (EMFILE, ENFILE, ENOMEM, ENOSPC)
"""The system has nothing left to give: inotify instances, descriptors, memory, watches."""


class _Wish:
    """A folder somebody wants to hear of. ``at`` is the folder watched for it: itself, or an ancestor while missing."""

    def __init__(self, folder: Path, tell: Tell) -> None:
        self.folder = folder
        self.tell = tell
        self.at = folder
        self.task: asyncio.Task[None] | None = None
        self.stamps: Stamps | None = None
        """What we saw when we looked ourselves."""


class Watch:
    """Tells of changes in folders while it is open; what is added before is watched from then on."""

    def __init__(self, *, inotify: bool = sys.platform == "linux") -> None:
        self._inotify = inotify
        self.events = 0
        """Changes the system told of, for benchmarks that count instead of time."""
        self.trouble = ""
        """Why changes are seen late; "" while they are not."""
        self._wishes: list[_Wish] = []
        self._tasks: asyncio.TaskGroup | None = None
        self._notify: INotify | None = None
        self._watched: dict[int, list[_Wish]] = {}
        self._unwatched: list[_Wish] = []
        self._sweeper: asyncio.Task[None] | None = None

    def open(self, tasks: asyncio.TaskGroup) -> None:
        """Begin to watch. Everything there is counts as changed: it may be, since somebody looked last."""
        self._tasks = tasks
        for wish in self._wishes:
            self._attach(wish)
            wish.tell("")

    def close(self) -> None:
        """Watch nothing any more."""
        self._tasks = None
        if self._notify is not None:
            asyncio.get_running_loop().remove_reader(self._notify.fileno())
            self._notify.close()
            self._notify = None
        self._watched.clear()
        self._unwatched.clear()
        for task in (self._sweeper, *(wish.task for wish in self._wishes)):
            if task:
                task.cancel()

    def add(self, folder: Path, tell: Tell) -> Callable[[], None]:
        """Call ``tell`` whenever something in ``folder`` changes, until the returned function is called."""
        wish = _Wish(folder, tell)
        self._wishes.append(wish)
        if self._tasks is not None:
            self._attach(wish)

        def remove() -> None:
            if wish in self._wishes:
                self._wishes.remove(wish)
                self._detach(wish)

        return remove

    def _attach(self, wish: _Wish) -> None:
        if not self._inotify:
            if self._tasks is not None and wish.task is None:
                wish.task = self._tasks.create_task(follow(wish.folder, wish.tell))
            return
        try:
            self._watch_it(wish)
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in _SHORT:
                self._look_ourselves(wish, error.strerror or "")
            else:
                log.warning("%r cannot be watched: %s", str(wish.folder), error)

    def _watch_it(self, wish: _Wish) -> None:
        """Have the folder watched, or what is there of the way to it. Raises OSError and ValueError."""
        if self._notify is None:
            from inotify_simple import INotify

            self._notify = INotify()
            asyncio.get_running_loop().add_reader(self._notify.fileno(), self._read)
        way = (wish.folder, *wish.folder.parents)
        for _ in way:
            number, at = _nearest(self._notify, way)
            wish.at = way[at]
            self._watched.setdefault(number, []).append(wish)
            if at == 0 or not os.path.isdir(way[at - 1]):
                return
            self._detach(wish)  # it was made in between
        raise OSError(ENOENT, "it comes and goes")

    def _detach(self, wish: _Wish) -> None:
        if wish.task:
            wish.task.cancel()
            wish.task = None
        if wish in self._unwatched:
            self._unwatched.remove(wish)
        for number, wishes in list(self._watched.items()):
            if wish in wishes:
                wishes.remove(wish)
                if not wishes:
                    del self._watched[number]
                    if self._notify is not None:
                        with contextlib.suppress(OSError):  # the folder went first
                            self._notify.rm_watch(number)

    def _read(self) -> None:
        if self._notify is None:
            return
        from inotify_simple import flags

        told: dict[tuple[int, str], tuple[_Wish, str]] = {}
        moved: list[_Wish] = []
        for number, mask, _, name in self._notify.read(timeout=0):
            self.events += 1
            if mask & flags.Q_OVERFLOW:
                for wish in self._wishes:
                    told[id(wish), ""] = (wish, "")
                continue
            gone = mask & (flags.IGNORED | flags.DELETE_SELF | flags.MOVE_SELF)
            for wish in tuple(self._watched.get(number, ())):
                if gone or wish.at != wish.folder:
                    moved.append(wish)
                else:
                    told[id(wish), name] = (wish, name)
        for wish in moved:
            if wish not in self._wishes:
                continue
            before = wish.at
            self._detach(wish)
            self._attach(wish)
            if wish.at == wish.folder or before == wish.folder:
                told[id(wish), ""] = (wish, "")
        for wish, name in told.values():
            if wish in self._wishes:
                wish.tell(name)

    # -- where the system has no more watches

    def _look_ourselves(self, wish: _Wish, why: str) -> None:
        if not self.trouble:
            log.warning("changes of files are seen late: %s", why)
        self.trouble = why
        self._unwatched.append(wish)
        if self._tasks is not None and (self._sweeper is None or self._sweeper.done()):
            self._sweeper = self._tasks.create_task(self._sweep())

    async def _sweep(self) -> None:
        while waiting := tuple(self._unwatched):
            await asyncio.sleep(SWEEP)
            found = await asyncio.to_thread(
                lambda folders: [stamps(one) for one in folders], [w.folder for w in waiting]
            )
            for wish, seen in zip(waiting, found, strict=True):
                if wish not in self._unwatched:
                    continue
                self._detach(wish)
                self._attach(wish)
                if seen != wish.stamps or wish not in self._unwatched:
                    wish.stamps = seen
                    wish.tell("")
        self.trouble = ""


def _nearest(notify: INotify, way: tuple[Path, ...]) -> tuple[int, int]:
    """A watch on the first folder of ``way`` that exists, and which one that is. Raises OSError and ValueError."""
    from inotify_simple import flags

    mask = (
        flags.CREATE | flags.MODIFY | flags.CLOSE_WRITE | flags.MOVED_TO | flags.MOVED_FROM | flags.DELETE
        | flags.DELETE_SELF | flags.MOVE_SELF | flags.ONLYDIR
    )  # fmt: skip
    for at, folder in enumerate(way):
        try:
            return notify.add_watch(folder, mask), at
        except OSError as error:
            if error.errno not in _MISSING or at == len(way) - 1:
                raise
    raise AssertionError("a way has no end")
