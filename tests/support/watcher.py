"""Watches folders as another user than root: ``watcher.py used-up|closed FOLDER UID``; says what went wrong, if any.

``used-up``: of a user who has no inotify instance left. ``closed``: a folder that this user may not read.
"""

import asyncio
import concurrent.futures.thread  # noqa: F401  nothing can be imported as the other user
import contextlib
import os
import sys
from pathlib import Path

from inotify_simple import INotify

from sessions.status.watch import Watch

MODE, FOLDER, UID = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])


async def until(condition) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


async def used_up(watch: Watch) -> None:
    told: list[str] = []
    held: list[INotify] = []
    with contextlib.suppress(OSError):
        while True:
            held.append(INotify())
    watch.add(FOLDER / "made later", told.append)
    async with asyncio.TaskGroup() as tasks:
        watch.open(tasks)
        assert watch.trouble
        await until(lambda: len(told) == 2)  # as it opened, and as we looked first
        (FOLDER / "made later").mkdir()
        (FOLDER / "made later" / "one").touch()
        await until(lambda: len(told) == 3)
        held.pop().close()
        await until(lambda: not watch.trouble)
        (FOLDER / "made later" / "two").touch()
        await until(lambda: "two" in told)
        watch.close()
    for one in held:
        one.close()


async def closed(watch: Watch) -> None:
    told: list[str] = []
    async with asyncio.TaskGroup() as tasks:
        watch.open(tasks)
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
            watch.add(FOLDER / path, told.append)
        watch.add(FOLDER / "open", told.append)
        assert not watch.trouble
        (FOLDER / "open" / "one").touch()
        await until(lambda: told == ["one", "one"] or told == ["one"])
        watch.close()


os.setgroups([])
os.setgid(UID)
os.setuid(UID)
asyncio.run({"used-up": used_up, "closed": closed}[MODE](Watch()))
