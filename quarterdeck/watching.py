"""Folders watched for everybody by one descriptor: what agents write, a person's files.

On Linux inotify tells of every change in 0.4 ms and costs nothing in between; elsewhere watchfiles does. A folder that
does not exist yet is waited for, and one that is removed, moved or made again is found again. Which folders these are
may be an agent's word, so one that cannot be watched is no error: the log says why. Where the system has no more
watches to give, we look ourselves, now and then, until it has.

Not noticed: that a folder *above* a watched one was renamed; what is behind a link inside of a watched folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Callable, Coroutine
from errno import EMFILE, ENFILE, ENOENT, ENOMEM, ENOSPC, ENOTDIR
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quarterdeck.looking import Stamps, follow, stamps

if TYPE_CHECKING:
    from types import TracebackType

    from inotify_simple import INotify

log = logging.getLogger(__name__)

Told = Callable[[frozenset[Path] | None], None]
"""Called on the loop with the paths that changed, each below the watched folder and not empty: files and folders made,
written, moved, removed. Of a folder that was moved away its own path alone; of one that came all that is in it, where
that is watched too. None: something may have been missed, look at everything again."""
SWEEP = 1.0
"""Seconds between two looks at what the system does not watch for us."""
_MISSING = (ENOENT, ENOTDIR)
_SHORT = (EMFILE, ENFILE, ENOMEM, ENOSPC)
"""The system has nothing left to give: inotify instances, descriptors, memory, watches."""


class Watch:
    """One folder somebody hears of, made by :meth:`Watching.watch`."""

    def __init__(self, watching: Watching, folder: Path, told: Told, recursive: bool) -> None:
        self.folder = folder
        self.recursive = recursive
        self._watching = watching
        self._told = told
        self._closed = False
        self._awaited = ""
        """While the folder is missing: the name that is waited for in the nearest folder above that exists."""
        self._numbers: dict[int, Path] = {}
        """What inotify watches for this one; a single folder above while the folder is missing."""
        self._task: asyncio.Task[None] | None = None
        self._stamps: Stamps | None = None
        """What we saw when we looked ourselves."""

    def close(self) -> None:
        """Hear nothing any more, from now on. May be called again."""
        if not self._closed:
            self._closed = True
            self._watching._forget(self)


class Watching:
    """Tells of changes in folders from :meth:`start` to :meth:`aclose`; used on one loop, never from a thread."""

    def __init__(self, *, inotify: bool = sys.platform == "linux") -> None:
        self._inotify = inotify
        self.events = 0
        """Changes inotify told of, for benchmarks that count instead of time."""
        self.trouble = ""
        """Why changes are seen late; "" while they are not."""
        self._open = False
        self._watches: list[Watch] = []
        self._notify: INotify | None = None
        self._heard: dict[int, list[Watch]] = {}
        """By inotify's numbers: one for each folder, however many watches it serves."""
        self._unwatched: list[Watch] = []
        self._sweeper: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Watching:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def start(self) -> None:
        """Begin. Of what is watched already everything counts as changed: it may be, since somebody looked last."""
        self._open = True
        for watch in self._watches:
            self._attach(watch)
            self._tell(watch, None)

    async def aclose(self) -> None:
        """Tell nothing any more, and give back all that the system gave."""
        self._open = False
        for watch in self._watches:
            self._detach(watch)
        if self._notify is not None:
            asyncio.get_running_loop().remove_reader(self._notify.fileno())
            self._notify.close()
            self._notify = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def __len__(self) -> int:
        return len(self._watches)

    def watch(self, folder: Path, told: Told, *, recursive: bool = False) -> Watch:
        """Call ``told`` of what changes in ``folder`` until the watch is closed.

        Recursive: in the folders below as well, but in none behind a link; they are walked at once, so this is meant
        for trees of some thousands of folders. Before :meth:`start` nothing is told, and None at the start; after it
        the caller looks once at what is there when this has returned.
        """
        watch = Watch(self, folder, told, recursive)
        self._watches.append(watch)
        if self._open:
            self._attach(watch)
        return watch

    def _forget(self, watch: Watch) -> None:
        self._watches.remove(watch)
        self._detach(watch)

    def _tell(self, watch: Watch, paths: frozenset[Path] | None) -> None:
        """Tell by a call of its own: a listener that fails keeps nobody else from hearing."""

        def tell() -> None:
            if self._open and not watch._closed:
                watch._told(paths)

        asyncio.get_running_loop().call_soon(tell)

    def _attach(self, watch: Watch) -> None:
        if self._inotify:
            self._guard(watch, self._take_up, watch)
        else:
            watch._task = self._keep(follow(watch.folder, watch.recursive, partial(self._tell, watch)))

    def _detach(self, watch: Watch) -> None:
        watch._awaited = ""
        if watch._task:
            watch._task.cancel()
            watch._task = None
        if watch in self._unwatched:
            self._unwatched.remove(watch)
        for number in tuple(watch._numbers):
            self._drop(watch, number)

    def _keep(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if not task.cancelled() and (error := task.exception()):
                log.error("folders are not watched any more", exc_info=error)

        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(ended)
        return task

    # -- by inotify

    def _guard(self, watch: Watch, work: Callable[..., Any], *given: Any) -> bool:
        """Whether ``work`` could be done; where the system has nothing left for it, we look ourselves from now on."""
        try:
            work(*given)
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in _SHORT:
                self._detach(watch)
                self._look_ourselves(watch, error.strerror or "")
            else:
                log.warning("%r cannot be watched: %s", str(watch.folder), error)
            return False
        return True

    def _take_up(self, watch: Watch) -> None:
        """Have the folder watched, or what is there of the way to it. Raises OSError and ValueError."""
        way = (watch.folder, *watch.folder.parents)
        for _ in way:
            at = self._nearest(watch, way)
            if at == 0:
                if watch.recursive:
                    self._cover(watch, watch.folder, set())
                return
            watch._awaited = way[at - 1].name
            if not os.path.isdir(way[at - 1]):
                return
            self._detach(watch)  # it was made in between
        raise OSError(ENOENT, "it comes and goes")

    def _nearest(self, watch: Watch, way: tuple[Path, ...]) -> int:
        """Watch the first folder of ``way`` that exists, and say which that is. Raises OSError and ValueError."""
        for at, folder in enumerate(way):
            try:
                self._number(watch, folder)
                return at
            except OSError as error:
                if error.errno not in _MISSING or at == len(way) - 1:
                    raise
        raise AssertionError("a way has no end")

    def _cover(self, watch: Watch, top: Path, found: set[Path]) -> None:
        """Watch the folders below ``top``, itself included; all that is in them is added to ``found``.

        Each is watched first and listed then, so nothing is missed in between. Raises OSError where the system has
        nothing left; a folder that went again or may not be read is passed over.
        """
        folders = [top]
        while folders:
            folder = folders.pop()
            try:
                if not self._number(watch, folder) and folder != watch.folder:
                    continue  # seen, and followed since
                with os.scandir(folder) as entries:
                    for entry in entries:
                        found.add(folder / entry.name)
                        if entry.is_dir(follow_symlinks=False):
                            folders.append(folder / entry.name)
            except OSError as error:
                if error.errno in _SHORT:
                    raise
                if error.errno not in _MISSING:
                    log.info("%r is not watched: %s", str(folder), error)

    def _number(self, watch: Watch, folder: Path) -> bool:
        """Have inotify watch ``folder``; whether it did not yet for this watch. Raises OSError and ValueError."""
        from inotify_simple import INotify, flags

        if self._notify is None:
            self._notify = INotify()
            asyncio.get_running_loop().add_reader(self._notify.fileno(), self._read)
        number = self._notify.add_watch(
            folder,
            flags.CREATE | flags.MODIFY | flags.CLOSE_WRITE | flags.MOVED_TO | flags.MOVED_FROM | flags.DELETE
            | flags.DELETE_SELF | flags.MOVE_SELF | flags.ONLYDIR,
        )  # fmt: skip
        new = number not in watch._numbers
        watch._numbers[number] = folder
        if new:
            self._heard.setdefault(number, []).append(watch)
        return new

    def _drop(self, watch: Watch, number: int) -> None:
        del watch._numbers[number]
        self._heard[number].remove(watch)
        if not self._heard[number]:
            del self._heard[number]
            if self._notify is not None:
                with contextlib.suppress(OSError):  # the folder went first
                    self._notify.rm_watch(number)

    def _read(self) -> None:
        if self._notify is None:
            return
        from inotify_simple import flags

        changed: dict[Watch, set[Path]] = {}
        again: dict[Watch, None] = {}
        """Of these what is watched may not be what it was."""
        for number, mask, _, name in self._notify.read(timeout=0):
            self.events += 1
            if mask & flags.Q_OVERFLOW:
                again |= dict.fromkeys(self._watches)
            gone = mask & (flags.IGNORED | flags.DELETE_SELF | flags.MOVE_SELF)
            for watch in tuple(self._heard.get(number, ())):
                folder = watch._numbers[number]
                if watch._awaited:
                    if gone or name == watch._awaited:
                        again[watch] = None
                elif gone and folder == watch.folder:
                    again[watch] = None
                elif mask & flags.IGNORED:
                    self._drop(watch, number)
                elif name:
                    paths = changed.setdefault(watch, set())
                    paths.add(folder / name)
                    if watch.recursive and mask & flags.ISDIR:
                        self._shift(watch, folder / name, bool(mask & (flags.CREATE | flags.MOVED_TO)), paths, again)
        for watch in again:
            changed.pop(watch, None)
            missing = bool(watch._awaited)
            self._detach(watch)
            self._attach(watch)
            if not (missing and watch._awaited):
                self._tell(watch, None)
        for watch, paths in changed.items():
            self._tell(watch, frozenset(paths))

    def _shift(self, watch: Watch, folder: Path, came: bool, found: set[Path], again: dict[Watch, None]) -> None:
        """A folder below a watched one came or went; inotify goes on with one that was moved away until told not to."""
        if came:
            if not self._guard(watch, self._cover, watch, folder, found):
                again[watch] = None
            return
        for number, at in tuple(watch._numbers.items()):
            if at.is_relative_to(folder):
                self._drop(watch, number)

    # -- where the system has no more watches

    def _look_ourselves(self, watch: Watch, why: str) -> None:
        if not self.trouble:
            log.warning("changes of files are seen late: %s", why)
        self.trouble = why
        self._unwatched.append(watch)
        if self._sweeper is None or self._sweeper.done():
            self._sweeper = self._keep(self._sweep())

    async def _sweep(self) -> None:
        while waiting := tuple(self._unwatched):
            await asyncio.sleep(SWEEP)
            seen = await asyncio.to_thread(lambda all_: [stamps(one.folder, one.recursive) for one in all_], waiting)
            for watch, now in zip(waiting, seen, strict=True):
                if watch not in self._unwatched:
                    continue
                self._detach(watch)
                self._attach(watch)
                if now != watch._stamps or watch not in self._unwatched:
                    watch._stamps = now
                    self._tell(watch, None)
        self.trouble = ""
