"""What every route begins with: the engine, who asks, and which agent is meant."""

from __future__ import annotations

import contextlib
from typing import Annotated, Any

from fastapi import Depends, Path
from starlette.requests import HTTPConnection, Request

from orchestrator.engine import Engine, refusal
from orchestrator.roles import Caller, Role
from quarterdeck.errors import NotPermitted, QuarterdeckError
from sessions.model import Agent

SLASH = "%2F"
"""Stays encoded in a path, so that ``session/name`` is one segment."""


def _engine(connection: HTTPConnection) -> Engine:
    engine: Engine = connection.app.state.engine
    return engine


def _caller(connection: HTTPConnection) -> Caller:
    return _engine(connection).caller(connection.scope.get("state", {}).get("peer"))


def plain(ref: str) -> str:
    """A reference as the client meant it."""
    return ref.replace(SLASH, "/")


TheEngine = Annotated[Engine, Depends(_engine)]
TheCaller = Annotated[Caller, Depends(_caller)]
Ref = Annotated[str, Path(description="An id, the start of one, a name, or `session/name` (as `session%2Fname`).")]


def _readable_agent(ref: Ref, engine: TheEngine, caller: TheCaller) -> Agent:
    if caller.role is Role.PERSON:
        return engine.deck.agent(plain(ref))
    if caller.role is not Role.AGENT:
        raise refusal(caller)
    own = engine.deck.agent(caller.agent)
    try:
        meant = engine.deck.agent(plain(ref))
    except QuarterdeckError:
        meant = None
    if meant is None or meant.id != own.id:
        raise NotPermitted("an agent may only read what is its own", hint=f"its own is {own.name}", agent=own.id)
    return own


ReadableAgent = Annotated[Agent, Depends(_readable_agent)]
"""The agent of the path, where the caller may read it."""


class Change:
    """A dependency of each route that changes something: notes it and refuses callers that are no person."""

    def __init__(self, action: str) -> None:
        self.action = action

    async def __call__(self, request: Request, engine: TheEngine, caller: TheCaller) -> None:
        data: dict[str, Any] = {"pid": caller.pid}
        agent = ""
        if ref := plain(request.path_params.get("ref", "")):
            data["ref"] = ref[:200]
            with contextlib.suppress(QuarterdeckError):
                agent = engine.deck.agent(ref).id
        await engine.permit(caller, self.action, agent, **data)


def _person(caller: TheCaller) -> Caller:
    if caller.role is not Role.PERSON:
        raise refusal(caller)
    return caller


PersonOnly = Depends(_person)
"""For routes that read what belongs to no single agent."""


def own_only(caller: Caller, agents: list[Agent]) -> list[Agent]:
    """Those of ``agents`` the caller may know of."""
    return [agent for agent in agents if caller.may_read(agent.id)]
