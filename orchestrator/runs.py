"""The runs this orchestrator carries out on its own deck: their agents are seen by everybody who looks.

A run goes on when whoever began it goes away. Its environment, which may hold secrets, is in this process alone: when
the orchestrator ends, the run is interrupted, and goes on once a person hands its environment over again. Stopped in
good order it ends its programs first; after ``kill -9`` they run on, and a run that goes on finds them.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from quarterdeck.errors import Invalid, QuarterdeckError, Refused, told_of
from quarterdeck.paths import Paths, private_folder
from sessions.deck import Deck
from sessions.groups import folder_of

if TYPE_CHECKING:
    from pipelines.folder import RunFolder
    from pipelines.model import RunEvent, RunPlan, RunResult
    from pipelines.run import Brake, RunOptions

log = logging.getLogger(__name__)

PATIENCE = 900.0
"""Seconds that a question which no rule decides waits for a person, who sees it in the inbox."""
_LOOK_AGAIN = 0.5
"""Seconds after which the events of a run in another process are looked at again."""
_CHUNK = 256 << 10


class Line(NamedTuple):
    """One stored event: where the next one begins, and its JSON."""

    after: int
    text: str


@dataclass
class _Going:
    """A run that goes on here."""

    brake: Brake
    task: asyncio.Task[RunResult] | None = None
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    news: asyncio.Event = field(default_factory=asyncio.Event)


class Runs:
    """See the module. Made by :meth:`open`. What it needs of ``pipelines`` is imported with the first run."""

    def __init__(self, paths: Paths, deck: Deck) -> None:
        self._paths = paths
        self._deck = deck
        self._going: dict[str, _Going] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls, paths: Paths, deck: Deck) -> AsyncIterator[Runs]:
        """Runs on ``deck``, which stays open around this; at the end they are interrupted and their programs ended."""
        runs = cls(paths, deck)
        try:
            yield runs
        finally:
            await runs._interrupt()

    def here(self, run_id: str) -> bool:
        """Whether this orchestrator carries it out now."""
        return run_id in self._going

    async def begin(self, plan: RunPlan, environ: Mapping[str, str], output: str) -> RunFolder:
        """Begin a run; returns once it has begun. ``environ`` is the client's.

        Raises :class:`Invalid` for a plan that makes no sense here, and what keeps a run from beginning.
        """
        from pipelines.folder import RunFolder, new_run_id
        from pipelines.run import carry_out

        await asyncio.to_thread(self._check, plan)
        folder = RunFolder.of(self._paths, new_run_id(datetime.now(UTC)))
        private_folder(folder.home)
        folder.attached.touch()
        await self._start(folder, environ, output, lambda tell, how: carry_out(plan, folder, tell, how))
        return folder

    async def go_on(self, folder: RunFolder, environ: Mapping[str, str], output: str) -> None:
        """Go on with a run that was interrupted. Raises :class:`Refused` for one that was not begun like this."""
        from pipelines.run import go_on

        if not folder.attached.exists():
            hint = f"{folder.resume}, without --attach"
            raise Refused(f"run {folder.run_id} has a deck of its own", hint=hint, run=folder.run_id)
        if self.here(folder.run_id):
            raise Refused(f"run {folder.run_id} goes on already", hint="quarterdeck run list", run=folder.run_id)
        await self._start(folder, environ, output, lambda tell, how: go_on(folder, tell, how))

    def stop(self, folder: RunFolder) -> None:
        """Stop a run that goes on here: its programs are ended, and it can be gone on with."""
        from pipelines.model import Outcome

        going = self._going.get(folder.run_id)
        if going is None:
            raise Refused(f"run {folder.run_id} does not go on here", hint="quarterdeck run list", run=folder.run_id)
        going.brake.stop(Outcome.INTERRUPTED, "stopped by a person", 128 + signal.SIGTERM)

    async def events(self, folder: RunFolder, after: int) -> AsyncGenerator[Line, None]:
        """The events of a run from a place in its file on, until it is over."""
        from pipelines.holding import holder

        while True:
            going = self._going.get(folder.run_id)
            if going:
                going.news.clear()
            over = going is None and holder(folder) is None
            lines = await asyncio.to_thread(_lines, folder.events, after)
            for line in lines:
                after = line.after
                yield line
            if lines:
                continue
            if over:
                return
            await (going.news.wait() if going else asyncio.sleep(_LOOK_AGAIN))

    def _check(self, plan: RunPlan) -> None:
        """Raise :class:`Invalid` for what no planner made: it would be carried out for ever, or not at all."""
        folder_of(plan.workspace)
        seen: set[str] = set()
        for step in plan.steps:
            agent = plan.agents.get(step.agent) if step.agent else None
            if step.key in seen or not seen.issuperset(step.needs) or bool(step.agent) != (agent is not None):
                raise Invalid(
                    f"step {step.key} of the plan makes no sense", hint="quarterdeck run FILE --dry-run --json"
                )
            seen.add(step.key)
            if agent:
                self._deck.workspaces.find(agent.profile, plan.workspace)

    async def _start(
        self,
        folder: RunFolder,
        environ: Mapping[str, str],
        output: str,
        begin: Callable[[Callable[[RunEvent], None], RunOptions], Coroutine[Any, Any, RunResult]],
    ) -> None:
        from pipelines.run import Brake, RunOptions

        going = _Going(Brake())

        def tell(_: RunEvent) -> None:
            going.begun.set()
            going.news.set()

        how = RunOptions(
            environ=environ,
            evidence=Path(output) if output else None,
            patience=PATIENCE,
            deck=self._deck,
            brake=going.brake,
        )
        self._going[folder.run_id] = going
        going.task = asyncio.create_task(begin(tell, how), name=f"run {folder.run_id}")
        going.task.add_done_callback(lambda task: self._ended(folder.run_id, task))
        begun = asyncio.ensure_future(going.begun.wait())
        try:
            await asyncio.wait({going.task, begun}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            begun.cancel()
        if not going.begun.is_set():
            try:
                await going.task
            except BaseExceptionGroup as group:
                raise told_of(group) from group

    def _ended(self, run_id: str, task: asyncio.Task[RunResult]) -> None:
        going = self._going.pop(run_id)
        going.news.set()
        error = None if task.cancelled() else task.exception()
        if isinstance(error, BaseExceptionGroup):
            error = told_of(error)
        if isinstance(error, QuarterdeckError):
            log.warning("a run could not go on", extra={"run": run_id, "reason": error.message})
        elif error is not None:
            log.error("a run failed by a fault of ours", extra={"run": run_id}, exc_info=error)
        else:
            log.info("a run has ended", extra={"run": run_id})

    async def _interrupt(self) -> None:
        from pipelines.model import Outcome

        tasks = []
        for going in self._going.values():
            going.brake.stop(Outcome.INTERRUPTED, "the orchestrator stopped")
            tasks += [going.task] if going.task else []
        await asyncio.gather(*tasks, return_exceptions=True)


def _lines(file: Path, after: int) -> list[Line]:
    """The whole lines of a file from an offset on, at most some; none where there is no file."""
    try:
        handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return []
    try:
        data = os.pread(handle, _CHUNK, after)
    finally:
        os.close(handle)
    found = []
    for line in data.splitlines(keepends=True):
        if line.endswith(b"\n"):
            after += len(line)
            found.append(Line(after, line.decode("utf-8", "replace").rstrip("\n")))
    return found
