"""Watches folders as another user than root: ``watcher.py used-up|closed FOLDER UID``; says what went wrong, if any.

``used-up``: of a user who has no inotify instance left. ``closed``: a folder that this user may not read.
"""

import asyncio
import concurrent.futures.thread  # noqa: F401  nothing can be imported as the other user
import contextlib
import os
import sys
from functools import partial
from pathlib import Path

from inotify_simple import INotify

from quarterdeck.watching import Watching

MODE, FOLDER, UID = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])


async def until(condition) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


def names(into: list[str], paths: frozenset[Path] | None) -> None:
    into += [""] if paths is None else sorted(path.name for path in paths)


async def used_up(watching: Watching) -> None:
    told: list[str] = []
    held: list[INotify] = []
    with contextlib.suppress(OSError):
        while True:
            held.append(INotify())
    watching.watch(FOLDER / "made later", partial(names, told), recursive=True)
    async with watching:
        assert watching.trouble
        await until(lambda: len(told) == 2)  # as it opened, and as we looked first
        (FOLDER / "made later").mkdir()
        (FOLDER / "made later" / "one").touch()
        await until(lambda: len(told) == 3)
        held.pop().close()
        await until(lambda: not watching.trouble)
        (FOLDER / "made later" / "two").touch()
        await until(lambda: "two" in told)
    for one in held:
        one.close()


async def closed(watching: Watching) -> None:
    told: list[str] = []
    async with watching:
        for path in (
            "closed",
            "closed/inner",
            "closed/not there",
            "file/x",
            "file",
            "open/" + "x" * 300,
            "\ud800",
            "a\0b",
        ):
            watching.watch(FOLDER / path, partial(names, told))
        watching.watch(FOLDER, partial(names, []), recursive=True)
        watching.watch(FOLDER / "open", partial(names, told))
        assert not watching.trouble
        (FOLDER / "open" / "one").touch()
        await until(lambda: told == ["one", "one"] or told == ["one"])


os.setgroups([])
os.setgid(UID)
os.setuid(UID)
asyncio.run({"used-up": used_up, "closed": closed}[MODE](Watching()))
