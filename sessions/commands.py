"""Programs the orchestrator itself runs to their end: in a process session of their own, bounded, never left behind."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Self

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

    What is left of its process group at its end is killed; all of it when it takes too long, prints too much, or the
    caller is cancelled. Raises FileNotFoundError or PermissionError when it cannot be started.
    """
    async with _Pipe() as out, _Pipe() as err:
        # Pipes of our own: with asyncio's, wait() lasts until nobody holds them, a daemon it started included.
        process = await asyncio.create_subprocess_exec(
            *argv,
            cwd=cwd,
            env=dict(environ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out.end,
            stderr=out.end if merge else err.end,
            start_new_session=True,
        )
        out.given()
        err.given()
        over = False

        def kill() -> None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)

        async def take(pipe: _Pipe) -> None:
            nonlocal over
            while data := await pipe.reader.read(1 << 16):
                if len(pipe.taken) < OUTPUT_LIMIT:
                    pipe.taken += data
                elif not over:
                    over = True
                    kill()

        readers = asyncio.gather(take(out), take(err))
        try:
            async with asyncio.timeout(seconds):
                await process.wait()
        except TimeoutError:
            over = True
            err.taken += f"ended after {seconds:.0f} s\n".encode()
        finally:
            kill()
            await process.wait()
            # A daemon that left the process group may hold the pipes for ever.
            await asyncio.wait([readers], timeout=LINGER_SECONDS)
            readers.cancel()
            await asyncio.gather(readers, return_exceptions=True)
        return Ended(None if over else process.returncode, bytes(out.taken), bytes(err.taken))


class _Pipe:
    """A pipe whose ``end`` a program writes to; what it wrote collects in ``taken``."""

    def __init__(self) -> None:
        self.taken = bytearray()
        self.reader = asyncio.StreamReader()
        self.end = -1

    def given(self) -> None:
        """The program has its end: ours is closed, so that its last close is seen."""
        if self.end >= 0:
            os.close(self.end)
            self.end = -1

    async def __aenter__(self) -> Self:
        mine, self.end = os.pipe()
        self._transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(self.reader), os.fdopen(mine, "rb", buffering=0)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self.given()
        self._transport.close()
