"""Looking at an agent: its screen, its whole output as text, exports."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from fastapi import Query
from starlette.responses import PlainTextResponse, StreamingResponse

from orchestrator.access import ReadableAgent, TheEngine
from orchestrator.engine import Engine
from orchestrator.models import Row, ScreenView
from orchestrator.routing import Routes
from quarterdeck import rows
from quarterdeck.errors import QuarterdeckError
from sessions.model import Agent
from terminals import asciicast, transcript
from terminals.replay import journal_folder

router = Routes("/v1/agents/{ref}", tag="screens")

BATCH = 64 << 10
"""Characters of a long answer that are put together before they are sent."""
_T = TypeVar("_T")


@router.get("/screen", response_model=ScreenView, responses={200: {"content": {"text/plain": {}}}})
async def show_screen(
    agent: ReadableAgent,
    engine: TheEngine,
    format: Annotated[  # noqa: A002  the query's name
        Literal["text", "ansi", "rows"], Query(description="`text` and `ansi` are plain text, `rows` is JSON.")
    ] = "text",
    history: Annotated[bool, Query(description="With the scrollback that is kept live.")] = False,
) -> Any:
    """The screen as it is now."""
    live = engine.deck.live(agent.id)
    if format == "text":
        return PlainTextResponse(await live.text(history=history))
    if format == "ansi":
        return PlainTextResponse(await live.ansi(history=history))
    view = await live.view()
    shown = [_row(y, row) for y, row in view.rows]
    if history:
        above, count = await live.history(0, view.history)
        shown = [_row(number - count, row) for number, row in enumerate(above)] + shown
    return ScreenView(
        version=view.version,
        offset=view.offset,
        cols=view.cols,
        lines=view.lines,
        title=view.title,
        cursor=view.cursor._asdict(),
        modes=view.modes._asdict(),
        history=view.history,
        rows=shown,
    )


def _row(y: int, row: rows.Row) -> Row:
    return Row(
        y=y,
        wrapped=row.wrapped,
        runs=[{"text": run.text, "cells": run.cells, **run.style._asdict(), "link": run.link} for run in row.runs],
    )


@router.get("/log", response_class=PlainTextResponse)
async def show_log(
    agent: ReadableAgent,
    engine: TheEngine,
    follow: Annotated[bool, Query(description="Go on as it prints, until its program has ended.")] = False,
) -> StreamingResponse:
    """Everything the terminal printed, as plain text, each line when it has left the screen."""
    folder = journal_folder(engine.paths.agent(agent.id))
    text = _followed(engine, agent, folder) if follow else _batches(transcript.lines(folder))
    return StreamingResponse(text, media_type="text/plain; charset=utf-8")


@router.get("/export", response_class=PlainTextResponse, responses={200: {"content": {"application/x-asciicast": {}}}})
async def export(
    agent: ReadableAgent,
    engine: TheEngine,
    format: Annotated[  # noqa: A002  the query's name
        Literal["asciicast", "text"], Query(description="`asciicast` is version 2, with the true times and sizes.")
    ] = "asciicast",
) -> StreamingResponse:
    """The whole record of the terminal as a file."""
    folder = journal_folder(engine.paths.agent(agent.id))
    if format == "text":
        return StreamingResponse(_batches(transcript.lines(folder)), media_type="text/plain; charset=utf-8")
    lines = asciicast.lines(folder, title=f"{agent.name} ({agent.profile})")
    return StreamingResponse(_batches(lines), media_type="application/x-asciicast")


async def _batches(lines: Iterator[str]) -> AsyncIterator[bytes]:
    """Long work a piece at a time, off the loop."""
    try:
        while piece := await _in_thread(_batch, lines):
            yield piece
    finally:
        close = getattr(lines, "close", None)
        if close is not None:
            close()


def _batch(lines: Iterator[str]) -> bytes:
    taken: list[str] = []
    size = 0
    for line in lines:
        taken.append(line + "\n")
        size += len(line)
        if size >= BATCH:
            break
    return "".join(taken).encode("utf-8", "replace")


async def _in_thread(function: Callable[..., _T], *arguments: Any) -> _T:
    """Run on a thread; cancelled, it still returns only when the thread is done with what it was given."""
    future = asyncio.get_running_loop().run_in_executor(None, function, *arguments)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait([future])
        raise


async def _followed(engine: Engine, agent: Agent, folder: Path) -> AsyncIterator[bytes]:
    news = asyncio.Event()
    with contextlib.ExitStack() as stack:
        stack.callback(engine.deck.watch(agent.id, news.set))
        events = stack.enter_context(engine.deck.subscribe())

        async def more() -> bool:
            if _over(engine, agent.id):
                return False
            await engine.unless_stopped(_either(news.wait(), events.next()))
            news.clear()
            return not engine.stopping.is_set()

        async for line in transcript.follow(folder, more, _in_thread):
            yield line.encode("utf-8", "replace") + b"\n"


def _over(engine: Engine, agent_id: str) -> bool:
    """Whether nothing will be printed any more."""
    try:
        agent, live = engine.deck.agent(agent_id), engine.deck.live(agent_id)
    except QuarterdeckError:
        return True
    return not agent.status.alive and (live.exit is None or live.offset >= live.exit.end)


async def _either(*waits: Any) -> None:
    """Return when one of them does."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
