"""Checkpoints in markdown: a session's page, and sessions rebuilt from the pages of workspaces."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from fastapi import Depends, Query
from pydantic import Field

from orchestrator.access import Change, PersonOnly, Ref, TheEngine, plain
from orchestrator.models import Answer, Body, Environ, Name, PathText
from orchestrator.routing import Routes
from sessions.markdown import folder
from sessions.markdown.plan import Plan, PlannedAgent, PlannedSession, plan
from sessions.markdown.rebuild import Rebuilt, rebuild
from sessions.model import Restore

router = Routes("/v1", tag="checkpoints")

Workspaces = Annotated[list[PathText], Query(min_length=1, max_length=100, description="Folders, absolute.")]


class CheckpointView(Answer):
    """A session's page as it stands on disk."""

    path: str
    text: str = Field(description="Empty where it is not written yet. Texts in it are as agents and people wrote them.")
    problem: str = Field(description="Why it could not be written last; empty where it could.")


class PlannedAgentView(Answer):
    """An agent of a page: `start` it will be started, `there` it is there already, `refused` it will not be."""

    name: str
    profile: str
    action: Literal["start", "there", "refused"]
    reason: str = Field(description="Why it is refused, or what to know about it.")
    adapter: str
    folder: str = Field(description="Where it starts, below the workspace.")
    branch: str = Field(description="The branch of its own worktree; empty for none.")
    restore: Restore
    tags: list[str]
    prompts: list[str] = Field(description="What will be queued for it, in order.")
    withheld: int = Field(description="Prompts that waited too and are not in the page.")
    worktree: str = Field(description="The worktree that is left of it, in which it goes on; empty for none.")

    @classmethod
    def of(cls, planned: PlannedAgent) -> Self:
        """From the plan."""
        values: dict[str, Any] = {name: getattr(planned, name) for name in cls.model_fields if name != "worktree"}
        return cls(**values, worktree=planned.tree.path if planned.tree else "")


class PlannedSessionView(Answer):
    """What becomes of one page."""

    workspace: str
    page: str
    session: str = Field(description="The name it will have.")
    action: Literal["make", "add", "refused"]
    reason: str
    written: str = Field(description="When the page was written, as it says.")
    goal: str = Field(description="The goal it will get; empty where that stays as it is.")
    changes: bool = Field(description="Whether anything is made of it.")
    agents: list[PlannedAgentView]

    @classmethod
    def of(cls, planned: PlannedSession) -> Self:
        """From the plan."""
        values: dict[str, Any] = {name: getattr(planned, name) for name in cls.model_fields if name != "agents"}
        return cls(**values, agents=[PlannedAgentView.of(agent) for agent in planned.agents])


class PlanView(Answer):
    """What a restore from pages would make."""

    hash: str = Field(description="Names exactly this plan, to agree to it.")
    changes: bool = Field(description="Whether there is anything to do.")
    sessions: list[PlannedSessionView]

    @classmethod
    def of(cls, found: Plan) -> Self:
        """From the plan."""
        return cls(
            hash=found.digest, changes=found.changes, sessions=[PlannedSessionView.of(one) for one in found.sessions]
        )


class MarkdownWish(Body):
    """A plan to carry out."""

    workspaces: list[PathText] = Field(min_length=1, max_length=100, description="As the plan was asked for.")
    hash: Name = Field(description="As `GET /v1/restore/markdown` told it.")
    environ: Environ = Field(default={}, description="The client's environment, in which the agents run.")
    prompts: bool = Field(default=True, description="Whether what waited is queued again.")


class RebuiltView(Answer):
    """What became of one agent."""

    session: str
    name: str
    agent: str = Field(description="Its id; empty where there is none.")
    action: Literal["started", "there", "failed", "refused"]
    reason: str
    queued: int = Field(description="Prompts that were queued for it.")

    @classmethod
    def of(cls, done: Rebuilt) -> Self:
        """From what was done."""
        return cls(**asdict(done))


@router.get("/sessions/{ref}/checkpoint", dependencies=[PersonOnly])
async def show_checkpoint(ref: Ref, engine: TheEngine) -> CheckpointView:
    """A session's checkpoint as markdown, as it was written last."""
    session = engine.deck.session(plain(ref))
    path = folder.place(Path(session.workspace), session.name)
    page = await asyncio.to_thread(folder.read_below, Path(session.workspace), path)
    problem = engine.deck.markdown.problems.get(session.id, "") or (page.problem if page else "")
    text = page.text.encode("utf-8", "surrogateescape").decode("utf-8", "replace") if page else ""
    return CheckpointView(path=str(path), text=text, problem=problem)


@router.get("/restore/markdown", dependencies=[PersonOnly])
async def plan_markdown(engine: TheEngine, workspace: Workspaces) -> PlanView:
    """What would be made of the checkpoints in these workspaces, and what would not and why. Makes nothing."""
    return PlanView.of(await plan(engine.deck, workspace))


@router.post("/restore/markdown", dependencies=[Depends(Change("restore.markdown"))])
async def restore_markdown(engine: TheEngine, body: MarkdownWish) -> list[RebuiltView]:
    """Make exactly the plan with this hash: sessions, agents, queued prompts. Refused where it has changed since."""
    _, done = await rebuild(engine.deck, body.workspaces, body.hash, body.environ, prompts=body.prompts)
    return [RebuiltView.of(one) for one in done]
