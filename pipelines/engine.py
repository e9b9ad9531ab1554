"""The engine's process as the run sees it: started, asked, started again when it was killed, ended.

DBOS is one per process and takes a second of processor time to import. In a process of its own it holds up neither the
run's event loop nor its first step, several runs go on beside one another, and its memory is given back at the end.
"""

from __future__ import annotations

import asyncio
import json
import os
from asyncio.subprocess import Process
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipelines import starting
from pipelines.dbos_engine import framed
from pipelines.folder import resume_command
from pipelines.ports import Json
from quarterdeck.errors import Broken, QuarterdeckError, Refused
from quarterdeck.text import safe

OPEN_SECONDS = 120.0
ANSWER_SECONDS = 120.0
"""How long a database may be away before a run gives up; DBOS itself tries again for ever."""
END_SECONDS = 15.0
RESTARTS = 3
ERRORS_KEPT = 2000
MISSING = "durable runs need the extra: pip install 'quarterdeck[pipelines]'"


class Engine:
    """The process for one run. ``opened`` first; then everything in turn, by one task at a time."""

    def __init__(self, run_id: str, where: Path | str, early: Process | None = None) -> None:
        """``where`` is the path of a SQLite file, or a ``postgresql://`` URL; ``early`` was started before."""
        self.run_id = run_id
        self.where = where
        self._early = early
        self._process: Process | None = None
        self._listener: asyncio.Task[None] | None = None
        self._said = b""

    async def opened(self, *, fresh: bool) -> Mapping[str, Json]:
        """Start it; all that is remembered of the run, by key. Raises :class:`Broken`, :class:`Refused`."""
        early = self._early is not None
        answer = await self._begin(fresh=fresh)
        if answer is None and early:  # it has ended while nobody looked after it
            await self.kill()
            answer = await self._begin(fresh=fresh)
        if answer is None:
            raise self._error("other", "its process ended at once")
        known: dict[str, Json] = answer["known"]
        return known

    async def remember(self, key: str, value: Json) -> None:
        """Return when it is committed. An engine that was killed is started again, a few times for each value."""
        asked = {"key": key, "value": value}
        for _ in range(RESTARTS + 1):
            if await self._ask(asked, ANSWER_SECONDS) is not None:
                return
            await self.kill()
            await self._begin(fresh=False)
        raise self._error("other", f"its process ended {RESTARTS + 1} times")

    async def aclose(self) -> None:
        """Let it end by itself: all that it was asked is committed then."""
        process = self._process
        if process is not None and process.stdin is not None:
            process.stdin.close()
            with suppress(TimeoutError):
                async with asyncio.timeout(END_SECONDS):
                    await process.wait()
        await self.kill()

    async def kill(self) -> None:
        """End it at once. What was committed stays."""
        process, self._process = self._process, None
        if process is None:
            return
        await starting.end(process)
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)
            self._listener = None

    async def _begin(self, *, fresh: bool) -> dict[str, Json] | None:
        """Start it and have it open the database; None where it ended meanwhile."""
        await self._start()
        where = self.where if isinstance(self.where, str) else os.path.abspath(self.where)
        return await self._ask({"run_id": self.run_id, "where": where, "fresh": fresh}, OPEN_SECONDS)

    async def _start(self) -> None:
        early, self._early = self._early, None
        self._said = b""
        self._process = early or await starting.start()
        assert self._process.stderr is not None
        self._listener = asyncio.create_task(self._listen(self._process.stderr), name="engine errors")

    async def _listen(self, errors: asyncio.StreamReader) -> None:
        """Keep the last of what it says, for an error."""
        while data := await errors.read(1 << 14):
            self._said = (self._said + data)[-ERRORS_KEPT:]

    async def _ask(self, message: Json, seconds: float) -> dict[str, Any] | None:
        """The answer; None where the process has ended. Raises what the answer says went wrong."""
        process = self._process
        if process is None:
            return None
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            async with asyncio.timeout(seconds):
                process.stdin.write(framed(message))
                await process.stdin.drain()
                size = int.from_bytes(await process.stdout.readexactly(4), "big")
                answer: dict[str, Any] = json.loads(await process.stdout.readexactly(size))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        except TimeoutError:
            await self.kill()
            raise self._error("silent", f"no answer for {seconds:.0f} s") from None
        if "fault" in answer:
            raise self._error(answer["fault"], answer["detail"])
        return answer

    def _error(self, kind: str, detail: str) -> QuarterdeckError:
        """In words; for all of them holds that what was remembered before is kept."""
        place = self._place()
        detail = safe(detail, 300)
        go_on = resume_command(self.run_id)
        if kind == "missing":
            return Broken("what a run has done is kept with DBOS, which is not installed", hint=MISSING)
        if kind == "elsewhere":
            return Refused(
                f"run {self.run_id} goes on in another process", hint=f"stop it there, or wait; then {go_on}"
            )
        if kind == "begun":
            return Refused(f"run {self.run_id} was begun before; nothing was changed", hint=go_on)
        if kind == "newer":
            hint = "upgrade quarterdeck"
            return Broken(f"run {self.run_id} was carried out by a newer Quarterdeck ({detail})", hint=hint)
        if kind == "damaged":
            return Broken(
                f"the record of run {self.run_id}, {place}, is damaged ({detail}); nothing was changed, its "
                "branches, logs and bundles are kept",
                hint="put a sound copy of it back, or start a new run",
                path=place,
            )
        words = {
            "foreign": (f"{place} is a database of something else; nothing was changed", "move it away"),
            "full": (f"the disk that holds {place} is full", f"free some disk space, then {go_on}"),
            "locked": (f"another program holds {place} locked", f"close that program, then {go_on}"),
            "place": (f"{place} cannot have a write-ahead log ({detail})", "set QUARTERDECK_HOME to a local disk"),
        }
        lines = [line.strip() for line in self._said.decode("utf-8", "replace").splitlines()]
        last = safe(next((line for line in reversed(lines) if line and "https://sqlalche.me/" not in line), ""), 300)
        said = f"what run {self.run_id} has done cannot be recorded in {place}: {detail}" + (
            f"; {last}" if last else ""
        )
        what, hint = words.get(kind, (said, f"look after the database, then {go_on}"))
        return Broken(f"{what}; all that was recorded before is kept", hint=hint, path=place)

    def _place(self) -> str:
        """Where the record is, without a password."""
        if not isinstance(self.where, str):
            return str(self.where)
        scheme, _, rest = self.where.partition("://")
        return safe(f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}")
