"""Sessions: list, create, change, remove."""

from __future__ import annotations

import asyncio

from fastapi import Depends

from orchestrator.access import Change, PersonOnly, Ref, TheCaller, TheEngine, own_only, plain
from orchestrator.engine import Engine
from orchestrator.models import AskedView, NewSession, SessionChange, SessionView
from orchestrator.roles import Role
from orchestrator.routing import Routes
from quarterdeck.tags import check_goal
from sessions.model import Agent, Session

router = Routes("/v1/sessions", tag="sessions")


def _view(engine: Engine, session: Session) -> SessionView:
    return SessionView.of(session, len(engine.deck.agents(session.id)))


@router.get("")
async def list_sessions(engine: TheEngine, caller: TheCaller) -> list[SessionView]:
    """All sessions, oldest first. A caller inside an agent sees that agent's own."""
    own = {agent.session for agent in own_only(caller, engine.deck.agents())}
    return [_view(engine, s) for s in engine.deck.sessions() if caller.role is Role.PERSON or s.id in own]


@router.post("", status_code=201, dependencies=[Depends(Change("session.create"))])
async def create_session(body: NewSession, engine: TheEngine) -> SessionView:
    """Create an empty session."""
    return _view(engine, await engine.deck.groups.create(body.name, body.workspace))


@router.get("/{ref}", dependencies=[PersonOnly])
async def show_session(ref: Ref, engine: TheEngine) -> SessionView:
    """One session, by its id or name."""
    return _view(engine, engine.deck.session(plain(ref)))


@router.get("/{ref}/asked", dependencies=[PersonOnly])
async def show_asked(ref: Ref, engine: TheEngine) -> list[AskedView]:
    """Its agents, oldest first, as they would be asked for again: what a project file says of them."""
    return await asyncio.to_thread(_asked, engine, engine.deck.agents(engine.deck.session(plain(ref)).id))


def _asked(engine: Engine, agents: list[Agent]) -> list[AskedView]:
    found = []
    for agent in agents:
        ask = engine.deck.asked(agent)
        values = {name: getattr(agent, name) for name in AskedView.model_fields if hasattr(agent, name)}
        values |= {name: getattr(ask, name) for name in ("cwd", "worktree", "branch")}
        values |= {"args": list(ask.argv), "tags": list(ask.tags), "restore_chosen": ask.restore is not None}
        found.append(AskedView(**values))
    return found


@router.patch("/{ref}", dependencies=[Depends(Change("session.change"))])
async def change_session(ref: Ref, body: SessionChange, engine: TheEngine) -> SessionView:
    """Rename a session, say what it is for, or remember its layout."""
    session = engine.deck.session(plain(ref))
    check_goal(body.goal or "")  # what is wrong is refused before anything is done
    if body.name is not None:
        session = await engine.deck.groups.rename(session.id, body.name)
    if body.goal is not None:
        session = await engine.deck.groups.set_goal(session.id, body.goal)
    if body.layout is not None:
        session = await engine.deck.groups.set_layout(session.id, body.layout)
    return _view(engine, session)


@router.delete("/{ref}", status_code=204, dependencies=[Depends(Change("session.remove"))])
async def remove_session(ref: Ref, engine: TheEngine) -> None:
    """Forget an empty session."""
    await engine.deck.groups.remove(engine.deck.session(plain(ref)).id)
