"""Programs the orchestrator itself runs to their end: in a process session of their own, bounded, never left behind."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

OUTPUT_LIMIT = 64 << 20
"""Bytes of output taken; a program that prints more is ended."""
LINGER_SECONDS = 1.0
"""How long what a program started may hold its output open after its end."""


class Ended(NamedTuple):
    """How a program ended. ``code`` as waitpid tells; None when it was ended by us for time or output."""

    code: int | None
    out: bytes
    err: bytes


async def run(
    argv: Sequence[str], *, cwd: Path, environ: Mapping[str, str], seconds: float, merge: bool = False
) -> Ended:
    """Run ``argv`` with no input, wait for it. With ``merge`` its errors are in ``out``.

    When it takes too long, prints too much, or the caller is cancelled, its whole process group is killed. Raises
    FileNotFoundError or PermissionError when it cannot be started.
    """
    process = await asyncio.create_subprocess_exec(
        *argv,
        cwd=cwd,
        env=dict(environ),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT if merge else asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    out, err = bytearray(), bytearray()
    over = False

    def kill() -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)

    async def take(stream: asyncio.StreamReader | None, into: bytearray) -> None:
        nonlocal over
        while stream and (data := await stream.read(1 << 16)):
            into += data
            if len(into) > OUTPUT_LIMIT and not over:
                over = True
                kill()

    readers = asyncio.gather(take(process.stdout, out), take(process.stderr, err))
    try:
        async with asyncio.timeout(seconds):
            await process.wait()
    except TimeoutError:
        over = True
        err += f"\nended after {seconds:.0f} s".encode()
    finally:
        if process.returncode is None:
            kill()
            await process.wait()
        done, _ = await asyncio.wait([readers], timeout=LINGER_SECONDS)
        if not done:  # somebody it started still holds the pipes: so its process group still exists
            kill()
            await asyncio.wait([readers], timeout=LINGER_SECONDS)
            readers.cancel()
            await asyncio.gather(readers, return_exceptions=True)
    return Ended(None if over else process.returncode, bytes(out), bytes(err))
