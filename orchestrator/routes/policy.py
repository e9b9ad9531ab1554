"""The policy: what its rules say, whether a person accepted them, and what they would answer."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import Depends, Query
from pydantic import BaseModel, Field

from orchestrator.access import Change, PersonOnly, TheEngine
from orchestrator.engine import Engine
from orchestrator.models import PathText
from orchestrator.routing import Routes
from sessions.policy import Request
from sessions.policy.accepted import accept, difference

router = Routes("/v1/policy", tag="policy")


class PolicyView(BaseModel):
    """The rules in force for a workspace. ``difference`` is a unified diff from what was accepted to what is there."""

    file: str
    hash: str
    accepted: bool
    rules: list[str]
    problems: list[str]
    difference: list[str]


class Accept(BaseModel):
    """Accept the user's policy as shown: exactly the file with this hash."""

    hash: str


class Question(BaseModel):
    """A request for permission that nobody made, to see what the rules would say."""

    command: Annotated[str, Field(max_length=100_000)] = ""
    tool: str = ""
    path: str = ""
    agent: str = ""
    profile: str = ""
    workspace: str = ""


class RulingView(BaseModel):
    """allow, deny or ask; the rule that says so ("" none), and why."""

    behaviour: str
    rule: str
    why: str


async def _view(engine: Engine, workspace: str) -> PolicyView:
    policies = engine.deck.policy
    user = await asyncio.to_thread(policies.file, policies.user)
    rules = await asyncio.to_thread(policies.in_force)
    return PolicyView(
        file=str(policies.user or ""),
        hash=user.digest,
        accepted=policies.accepted is None or user.digest == policies.accepted,
        rules=[rule.label for rule in rules],
        problems=await asyncio.to_thread(policies.problems, workspace),
        difference=await difference(policies, engine.deck.store),
    )


@router.get("", dependencies=[PersonOnly])
async def show(
    engine: TheEngine, workspace: Annotated[PathText, Query(description="With what this workspace brings.")] = ""
) -> PolicyView:
    """The rules in force and what is wrong with them."""
    return await _view(engine, workspace)


@router.post("/accept", dependencies=[Depends(Change("policy.accept"))])
async def accept_policy(engine: TheEngine, body: Accept) -> PolicyView:
    """Let the allow rules of the user's policy hold as it was shown; refused when the file has changed since."""
    await accept(engine.deck.policy, engine.deck.store, body.hash)
    return await _view(engine, "")


@router.post("/test", dependencies=[PersonOnly])
async def test(engine: TheEngine, body: Question) -> RulingView:
    """What the rules would say to a request; nothing is done."""
    request = Request(
        agent=body.agent,
        profile=body.profile,
        tool=body.tool,
        command=body.command,
        path=body.path,
        cwd=body.workspace,
        root=body.workspace,
    )
    ruling = await asyncio.to_thread(engine.deck.policy.decide, request, body.workspace)
    return RulingView(behaviour=ruling.behaviour, rule=ruling.rule, why=ruling.why)
