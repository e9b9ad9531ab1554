"""A systemd user scope per holder, so that ending the orchestrator's unit or login session does not end agents."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Mapping, Sequence


def available(environ: Mapping[str, str] = os.environ) -> str | None:
    """The ``busctl`` to ask with; None where no user manager answers."""
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    if not runtime or not os.path.exists(f"{runtime}/systemd/private") or not os.path.exists(f"{runtime}/bus"):
        return None
    return shutil.which("busctl", path=environ.get("PATH"))


def command(busctl: str, agent: str, pids: Sequence[int]) -> list[str]:
    """The argument list that moves ``pids`` into a scope of their own (StartTransientUnit of systemd's manager)."""
    return [
        *(busctl, "--user", "--quiet", "call"),
        *("org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"),
        *("StartTransientUnit", "ssa(sv)a(sa(sv))", f"quarterdeck-{agent}.scope", "fail", "4"),
        *("Description", "s", f"Quarterdeck agent {agent}"),
        *("PIDs", "au", str(len(pids)), *map(str, pids)),
        *("SendSIGHUP", "b", "true"),
        *("CollectMode", "s", "inactive-or-failed"),
        "0",
    ]


async def enter(agent: str, pids: Sequence[int], environ: Mapping[str, str] = os.environ) -> bool:
    """Ask for a scope around ``pids``; whether it was granted. Never raises: it is a help, not a need."""
    if not pids or (busctl := available(environ)) is None:
        return False
    try:
        process = await asyncio.create_subprocess_exec(
            *command(busctl, agent, pids),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return False
    try:
        return await process.wait() == 0
    except asyncio.CancelledError:
        if process.returncode is None:
            process.kill()
        await process.wait()
        raise
