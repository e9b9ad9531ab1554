"""The engine's process, started and ended: also before it is known which run it is for.

It imports DBOS, which takes most of its start, before it is told which run it keeps. This module imports little, so
that a command can start it first of all and plan its run meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from quarterdeck.errors import Broken

_MAIN = Path(__file__).with_name("dbos_engine.py")
_NOT_PASSED_ON = ("DBOS", "OTEL_", "PYTHON", "QUARTERDECK_")
"""Beginnings of variables: what would have DBOS report to others, or change how the process runs."""


async def start() -> Process:
    """Start it; it waits to be told the run. Raises :class:`Broken`."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_PASSED_ON)}
    try:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-E", "-X", "utf8", os.fspath(_MAIN)),
            cwd="/",
            env=environ,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise Broken(f"cannot start {sys.executable}: {error.strerror or error}") from error


async def end(process: Process) -> None:
    """End it at once. What was committed stays."""
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()
    process._transport.close()  # type: ignore[attr-defined]  # else its pipes are closed when it is collected


class Early:
    """The event loop of a run that is not planned yet, and the engine's process on it, ``None`` where none starts.

    Whoever carries a run out takes the process; it has ended when this ends, whoever has it.
    """

    def __init__(self) -> None:
        self.loop = asyncio.Runner()
        self.process: Process | None = None

    def __enter__(self) -> Early:
        self.loop.__enter__()
        with suppress(Broken):  # which is told when it is started once more, for the run
            self.process = self.loop.run(start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self.process is not None:
                self.loop.run(end(self.process))
        finally:
            self.loop.__exit__(kind, error, trace)
