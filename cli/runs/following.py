"""A run that the person's orchestrator carries out: handed over, followed, gone on with after the orchestrator died.

The command ends with the run and its exit code; ended before, it leaves the run going on.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from cli.runs.carrying import conclude
from cli.runs.options import Options
from cli.runs.telling import Telling
from cli.scope import client_environment
from orchestrator.lock import stopped
from pipelines import codec
from pipelines.folder import RunFolder
from pipelines.holding import holder
from pipelines.model import EXIT_CODES, Outcome, RunEvent, RunPlan, RunResult
from pipelines.runs import State, kept_plan, kept_result
from quarterdeck.errors import Broken, Invalid, Refused, Unreachable

if TYPE_CHECKING:
    from cli.scope import Scope

_AT_ONCE = 1000
_MOMENT = 0.1


def hand_over(scope: Scope, plan: RunPlan, options: Options) -> None:
    """Let the orchestrator carry out a new run and follow it; ends with its exit code."""
    begun = scope.post("/v1/runs", _wish(options) | {"plan": codec.dump_plan(plan)})
    _follow(scope, RunFolder.of(scope.paths, begun["run_id"]), plan, options)


def refuse(options: Options) -> None:
    """Raise :class:`Invalid` for options that a run of the person's own orchestrator cannot have."""
    mine = [name for name in ("--policy", "--trust", "--database") if name in options.changed()]
    if mine:
        raise Invalid(
            f"{' and '.join(mine)} cannot be used with --attach: your orchestrator has its own",
            hint="quarterdeck policy, quarterdeck trust",
        )


def follow(scope: Scope, folder: RunFolder, options: Options) -> None:
    """Follow a run from its beginning, after going on with it where it was interrupted; ends with its exit code."""
    found = scope.get(f"/v1/runs/{folder.run_id}")
    if found["state"] == State.INTERRUPTED:
        scope.post(f"/v1/runs/{folder.run_id}/resume", _wish(options))
    elif not found["attached"]:
        raise Refused(f"run {folder.run_id} is no run of your orchestrator", hint=folder.resume)
    _follow(scope, folder, kept_plan(folder), options)


def _wish(options: Options) -> dict[str, Any]:
    return {"environ": client_environment(), "output": os.path.abspath(options.output) if options.output else ""}


def _follow(scope: Scope, folder: RunFolder, plan: RunPlan, options: Options) -> None:
    telling = Telling(scope.out, plan, options, os.environ)

    async def whole() -> None:
        after = 0

        def begin() -> Iterator[tuple[int, RunEvent]]:
            return _events(scope, folder.run_id, after)

        async with telling.alive():
            while True:
                try:
                    async for place, event in _read(begin):
                        after = place
                        telling(event)
                    over = True
                except Unreachable:
                    over = False
                if over or stopped(scope.paths) or not await asyncio.to_thread(_goes_on, scope, folder, options):
                    return

    try:
        asyncio.run(whole())
        result = _result(folder)
    except KeyboardInterrupt:
        scope.out.note(f"it goes on without you; stop it: quarterdeck run stop {folder.run_id}")
        raise click.exceptions.Exit(EXIT_CODES[Outcome.INTERRUPTED]) from None
    conclude(scope, result, plan, options, telling)


def _result(folder: RunFolder) -> RunResult:
    """What came of it, once nobody carries it out any more: an orchestrator that stops still writes that down."""
    while holder(folder) is not None:
        time.sleep(_MOMENT)
    result = kept_result(folder)
    if result is None:
        raise Broken(f"run {folder.run_id} was cut off", hint=folder.resume)
    return result


def _goes_on(scope: Scope, folder: RunFolder, options: Options) -> bool:
    """Whether there is more to follow. A run whose orchestrator was killed is gone on with: its environment is ours."""
    found = scope.get(f"/v1/runs/{folder.run_id}")
    if found["state"] == State.INTERRUPTED:
        scope.post(f"/v1/runs/{folder.run_id}/resume", _wish(options))
        return True
    return bool(found["state"] == State.RUNNING)


def _events(scope: Scope, run_id: str, after: int) -> Iterator[tuple[int, RunEvent]]:
    """The events after a cursor, each with its own, until the stream ends."""
    cursor = after
    for raw in scope.client.stream("GET", f"/v1/runs/{run_id}/events?cursor={after}"):
        field, _, value = raw.decode("utf-8", "replace").rstrip("\n").partition(": ")
        if field == "id":
            cursor = int(value)
        elif field == "data":
            yield cursor, _event(json.loads(value))


def _event(said: dict[str, Any]) -> RunEvent:
    """An event as ``run-events.schema.json`` describes it."""
    at = datetime.strptime(said["at"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    return RunEvent(
        kind=said["event"],
        at_ns=int(at.timestamp() * 1000) * 1_000_000,
        run_id=said["run_id"],
        step=said.get("step", ""),
        text=said.get("text", ""),
        data=said.get("data", {}),
    )


async def _read(
    begin: Callable[[], Iterator[tuple[int, RunEvent]]],
) -> AsyncIterator[tuple[int, RunEvent]]:
    """What a blocking iterator gives, read by a thread that nothing waits for: ctrl+c must end the command at once."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[tuple[int, RunEvent] | BaseException | None] = asyncio.Queue()
    room = threading.Semaphore(_AT_ONCE)

    def put(item: tuple[int, RunEvent] | BaseException | None) -> None:
        try:
            loop.call_soon_threadsafe(queue.put_nowait, item)
        except RuntimeError:  # the loop is closed: the command is ending
            raise SystemExit from None

    def read() -> None:
        try:
            for item in begin():
                room.acquire()
                put(item)
        except Exception as error:  # noqa: BLE001  raised where it is waited for
            put(error)
        else:
            put(None)

    threading.Thread(target=read, name="events", daemon=True).start()
    while (item := await queue.get()) is not None:
        if isinstance(item, BaseException):
            raise item
        room.release()
        yield item
