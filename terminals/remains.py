"""What is left of an agent whose holder was killed: found by process session, ended before it is started again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path

from quarterdeck.paths import boot_id
from quarterdeck.process import Identity, alive, identity, members, stat
from terminals.holder import files

_LOOK_EVERY = 0.02
_KILL_TAKES = 2.0


def remains(folder: Path) -> list[Identity]:
    """Living processes of the process session the agent in ``folder`` was started in; none while its holder lives.

    A session id cannot be reused while a member lives, so the members are the agent's unless its leader's pid
    belongs to a process with another start time.
    """
    record = files.read_json(os.fspath(folder / files.HOLDER))
    if record is None or record.get("boot") != boot_id() or not record.get("child"):
        return []
    if files.locked(os.fspath(folder / files.LOCK)):
        return []
    leader = Identity(*record["child"])
    found = stat(leader.pid)
    if found is not None and found.started != leader.started:
        return []
    return [who for pid in members(leader.pid) if (who := identity(pid)) is not None]


async def end_remains(folder: Path, grace: float = 3.0) -> list[Identity]:
    """End what :func:`remains` finds: hang up, TERM after half of ``grace``, KILL after it. Returns what lives."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    stages = [(0.0, signal.SIGHUP), (grace / 2, signal.SIGTERM), (grace, signal.SIGKILL)]
    left = remains(folder)
    while left and loop.time() < began + grace + _KILL_TAKES:
        while stages and loop.time() >= began + stages[0][0]:
            _, number = stages.pop(0)
            for who in left:
                _signal(who, number)
        await asyncio.sleep(_LOOK_EVERY)
        left = remains(folder)
    return left


def _signal(who: Identity, number: int) -> None:
    if alive(who):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(who.pid, number)
            os.kill(who.pid, signal.SIGCONT)
