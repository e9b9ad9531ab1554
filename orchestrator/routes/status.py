"""Why an agent has its status, waiting for one, and that a person has looked."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query
from pydantic import Field

from orchestrator.access import Change, ReadableAgent, TheEngine
from orchestrator.models import AgentView, Answer
from orchestrator.routes.agents import view
from orchestrator.routing import Routes
from sessions.model import Status
from sessions.status.waiting import statuses

router = Routes("/v1/agents/{ref}", tag="status")

WAIT_LIMIT = 600.0
"""Seconds one request waits at most; a client that waits longer asks again."""


class CauseView(Answer):
    """One piece of evidence."""

    source: str
    sign: str = Field(description="What it says: working, asked, done ...")
    says: str = Field(description="The sign with what is asked or said, in one line.")
    text: str = Field(description="Where it comes from: the file, the rule, the hook.")
    wall_ns: int


class HeardView(CauseView):
    """The latest word of one source about the state."""

    since_ns: int = Field(description="Since when it has said the same.")
    authority: str = Field(description="exact, edge, screen or hint; the strongest first.")
    believed: bool
    note: str = Field(description="Why it is not believed.")


class TransitionView(Answer):
    """One change of status."""

    wall_ns: int
    before: Status
    status: Status
    reason: str
    cause: CauseView | None = Field(description="What was told; null: patience ran out.")


class WhyView(Answer):
    """Why an agent has its status."""

    agent: str
    name: str
    status: Status
    reason: str
    since_ns: int
    now_ns: int
    decided_by: str = Field(description="The source that decided, empty where none did.")
    sources: list[HeardView]
    contradictions: dict[str, int] = Field(
        description="How often each source contradicted a stronger one that did not come to agree."
    )
    transitions: list[TransitionView] = Field(description="The last ten, newest first.")
    awaits: str = Field(description="What it waits for next.")
    due_ns: int = Field(description="When patience runs out; 0: it does not.")


class WaitView(Answer):
    """How a wait ended."""

    reached: bool = Field(description="Whether it has one of the statuses. If not, it ended, or time is up.")
    agent: AgentView


@router.get("/why")
async def why(agent: ReadableAgent, engine: TheEngine) -> WhyView:
    """What each source says of the agent, who is believed, and the last changes with their evidence."""
    return WhyView.model_validate((await engine.deck.status.why(agent.id)).as_json())


@router.get("/wait")
async def wait(
    agent: ReadableAgent,
    engine: TheEngine,
    until: Annotated[
        str,
        Query(max_length=200, description="Statuses with commas between; `done` is `idle` too, `ended` is every end."),
    ],
    seconds: Annotated[float, Query(ge=0, le=WAIT_LIMIT, allow_inf_nan=False)] = 60.0,
) -> WaitView:
    """Wait until it has one of these statuses, or its program ended, or time is up.

    Idle and done count once no prompt is on its way to it: none is being typed, none is queued that goes on by itself,
    and the turn of the last one has ended.
    """
    wanted = statuses(word.strip() for word in until.split(",") if word.strip())
    work = engine.deck.outbox.wait_status(agent.id, wanted, seconds)
    found = await engine.unless_stopped(work) or (engine.deck.agent(agent.id), False)
    return WaitView(reached=found[1], agent=view(engine, found[0]))


@router.post("/seen", dependencies=[Depends(Change("agent.seen"))])
async def seen(agent: ReadableAgent, engine: TheEngine) -> AgentView:
    """A person has looked at it: what was done is idle, nothing is unread."""
    engine.deck.status.seen(agent.id)
    return view(engine, engine.deck.agent(agent.id))
