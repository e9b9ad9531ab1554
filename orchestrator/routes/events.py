"""The event stream: everything that happens, from a cursor on."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Header, Query
from starlette.responses import StreamingResponse

from orchestrator.access import TheCaller, TheEngine
from orchestrator.engine import Engine
from orchestrator.models import MAX_OFFSET, EventView, Problem
from orchestrator.roles import Caller
from orchestrator.routing import Routes
from sessions.model import Event

router = Routes("/v1", tag="events")

HEARTBEAT = 15.0
"""Seconds of silence after which a comment is sent, so that a dead connection is noticed."""
_AT_ONCE = 500


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Server-sent events: `id:` is the cursor, `event:` the kind, `data:` the event as JSON.",
            "content": {"text/event-stream": {"schema": EventView.model_json_schema()}},
        },
        410: {"model": Problem, "description": "The cursor is too old; `fields` holds the oldest valid one."},
    },
)
async def follow_events(
    engine: TheEngine,
    caller: TheCaller,
    cursor: Annotated[
        int | None, Query(ge=0, le=MAX_OFFSET, description="Begin after this one; now, when left out.")
    ] = None,
    since_ns: Annotated[
        int | None,
        Query(ge=0, le=MAX_OFFSET, description="Begin with the first that is not older, where no cursor is."),
    ] = None,
    last_event_id: Annotated[str | None, Header(description="As `cursor`; browsers send it.")] = None,
) -> StreamingResponse:
    """Follow what happens, as server-sent events. A caller inside an agent gets the events about that agent."""
    if cursor is None and last_event_id and last_event_id.isascii() and last_event_id.isdigit():
        cursor = min(int(last_event_id[:19]), MAX_OFFSET)
    if cursor is None and since_ns is not None:
        cursor = await engine.deck.store.cursor_before(since_ns)
    first = [] if cursor is None else await engine.deck.events(cursor, _AT_ONCE)
    return StreamingResponse(
        _stream(engine, caller, cursor, first),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store"},
    )


async def _stream(engine: Engine, caller: Caller, cursor: int | None, first: list[Event]) -> AsyncIterator[str]:
    with engine.deck.subscribe() as subscription:
        last = engine.deck.store.newest if cursor is None else cursor
        yield f": begins after {last}\n\n"  # where a reader goes on that is cut off before anything happens
        found, behind = first, cursor is not None
        while not engine.stopping.is_set():
            for event in found:
                if event.cursor > last:
                    last = event.cursor
                    if caller.may_read(event.agent):
                        yield as_text(event)
            if behind or subscription.overflowed:
                subscription.overflowed = False
                found = await engine.deck.events(last, _AT_ONCE)
                behind = len(found) == _AT_ONCE
            else:
                news = await engine.unless_stopped(subscription.next(), HEARTBEAT)
                found = [news] if news else []
                if not news:
                    yield ": still here\n\n"


def as_text(event: Event) -> str:
    """One server-sent event. JSON has no line breaks, so no text of an agent can end it early."""
    data = json.dumps(EventView.of(event).model_dump())
    return f"id: {event.cursor}\nevent: {event.kind}\ndata: {data}\n\n"
