"""Looking at an agent: its screen, its whole output as text, exports."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from starlette.responses import PlainTextResponse

from orchestrator.access import ReadableAgent, TheEngine
from orchestrator.models import Row, ScreenView
from quarterdeck import rows

router = APIRouter(prefix="/v1/agents/{ref}", tags=["screens"])

_TEXT = {200: {"content": {"text/plain": {"schema": {"type": "string"}}, "application/json": {}}}}


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
