"""Runs: begin one on this orchestrator's deck, look at all, follow what happens in one, stop it, go on with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated, Any, Self

from fastapi import Depends, Header, Path, Query
from pydantic import Field
from starlette.responses import StreamingResponse

from orchestrator.access import Change, PersonOnly, TheEngine
from orchestrator.engine import Engine
from orchestrator.models import MAX_OFFSET, Answer, Body, Environ, PathText
from orchestrator.routes.events import HEARTBEAT
from orchestrator.routing import Routes
from orchestrator.runs import Line
from pipelines import codec, runs
from pipelines.folder import RunFolder
from pipelines.model import Outcome
from pipelines.runs import Listed, State
from quarterdeck.errors import Broken, Invalid, NotFound

router = Routes("/v1/runs", tag="runs")


class RunAgain(Body):
    """What a run needs of the client: it is kept in no file."""

    environ: Environ = Field(default={}, description="The client's environment, with the values of secrets.")
    output: PathText = Field(
        default="", description="Where the evidence goes, absolute; in the workspace when it is empty."
    )


class RunWish(RunAgain):
    """A run to begin."""

    plan: dict[str, Any] = Field(description="As `quarterdeck run FILE --dry-run --json` prints it, under `plan`.")


class RunView(Answer):
    """A run of this state folder. Times are wall-clock nanoseconds, 0 for unknown."""

    run_id: str
    state: State
    here: bool = Field(description="Whether this orchestrator carries it out now.")
    attached: bool = Field(description="Whether an orchestrator does, did, and may go on with it.")
    name: str
    workspace: str
    outcome: Outcome | None = Field(description="Of its last result; null before the first.")
    started_ns: int
    ended_ns: int
    steps: int
    problem: str

    @classmethod
    def of(cls, engine: Engine, folder: RunFolder, listed: Listed) -> Self:
        """From what is kept."""
        values = {name: getattr(listed, name) for name in cls.model_fields if hasattr(listed, name)}
        return cls(**values, here=engine.runs.here(folder.run_id), attached=folder.attached.exists())


class WholeRunView(RunView):
    """A run with all that is kept of it."""

    plan: dict[str, Any] | None
    result: dict[str, Any] | None = Field(description="Null before its first end.")


def _folder(engine: TheEngine, run: Annotated[str, Path(description="A run's id.", max_length=100)]) -> RunFolder:
    folder = RunFolder.of(engine.paths, run)
    if not folder.home.is_dir():
        raise NotFound(f"there is no run {run}", hint="quarterdeck run list", run=run)
    return folder


TheRun = Annotated[RunFolder, Depends(_folder)]


async def _view(engine: Engine, folder: RunFolder) -> RunView:
    return RunView.of(engine, folder, await asyncio.to_thread(runs.look, folder))


@router.post("", status_code=201, dependencies=[Depends(Change("run.begin"))])
async def begin_run(engine: TheEngine, body: RunWish) -> RunView:
    """Begin a run; answers once it has begun. It goes on without the client."""
    try:
        plan = codec.load_plan(body.plan)
    except Broken as error:
        raise Invalid(error.message, hint="quarterdeck run FILE --dry-run --json") from error
    return await _view(engine, await engine.runs.begin(plan, body.environ, body.output))


@router.get("", dependencies=[PersonOnly])
async def list_runs(engine: TheEngine) -> list[RunView]:
    """All runs of this state folder, those of other processes too, the newest first."""
    found = await asyncio.to_thread(runs.listed, engine.paths)
    return [RunView.of(engine, RunFolder.of(engine.paths, one.run_id), one) for one in found]


@router.get("/{run}", dependencies=[PersonOnly])
async def show_run(engine: TheEngine, folder: TheRun) -> WholeRunView:
    """One run with its plan and its last result."""

    def kept() -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        try:
            plan = codec.dump_plan(runs.kept_plan(folder))
        except NotFound:
            plan = None
        result = runs.kept_result(folder)
        return plan, codec.dump_result(result) if result else None

    plan, result = await asyncio.to_thread(kept)
    view = await _view(engine, folder)
    return WholeRunView(**view.model_dump(), plan=plan, result=result)


@router.get(
    "/{run}/events",
    response_class=StreamingResponse,
    dependencies=[PersonOnly],
    responses={
        200: {
            "description": "Server-sent events: `id:` is the cursor, `data:` as `run-events.schema.json` has it.",
            "content": {"text/event-stream": {}},
        }
    },
)
async def follow_run(
    engine: TheEngine,
    folder: TheRun,
    cursor: Annotated[int, Query(ge=0, le=MAX_OFFSET, description="Begin after this one; 0 is the first.")] = 0,
    last_event_id: Annotated[str | None, Header(description="As `cursor`; browsers send it.")] = None,
) -> StreamingResponse:
    """Follow a run from its beginning, or from a cursor on, until it is over; then the stream ends."""
    if not cursor and last_event_id and last_event_id.isascii() and last_event_id.isdigit():
        cursor = min(int(last_event_id[:19]), MAX_OFFSET)
    return StreamingResponse(
        _stream(engine, folder, cursor), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
    )


async def _stream(engine: Engine, folder: RunFolder, cursor: int) -> AsyncIterator[str]:
    yield ": quarterdeck\n\n"
    lines = engine.runs.events(folder, cursor)
    stop = asyncio.ensure_future(engine.stopping.wait())
    news: asyncio.Task[Line | None] = asyncio.ensure_future(_next(lines))
    try:
        while True:
            await asyncio.wait({news, stop}, timeout=HEARTBEAT, return_when=asyncio.FIRST_COMPLETED)
            if stop.done():
                return
            if not news.done():
                yield ": still here\n\n"
                continue
            line = news.result()
            if line is None:
                return
            yield f"id: {line.after}\ndata: {line.text}\n\n"
            news = asyncio.ensure_future(_next(lines))
    finally:
        stop.cancel()
        news.cancel()
        await asyncio.gather(news, stop, return_exceptions=True)
        await lines.aclose()


async def _next(lines: AsyncGenerator[Line, None]) -> Line | None:
    return await anext(lines, None)


@router.post("/{run}/stop", dependencies=[Depends(Change("run.stop"))])
async def stop_run(engine: TheEngine, folder: TheRun) -> RunView:
    """Stop a run that goes on here: its programs are ended. Answers at once; its events tell the end."""
    engine.runs.stop(folder)
    return await _view(engine, folder)


@router.post("/{run}/resume", dependencies=[Depends(Change("run.resume"))])
async def resume_run(engine: TheEngine, folder: TheRun, body: RunAgain) -> RunView:
    """Go on with a run that was interrupted: finished steps are not repeated."""
    await engine.runs.go_on(folder, body.environ, body.output)
    return await _view(engine, folder)
