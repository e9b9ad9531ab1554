"""Agents: list, start, change, end, remove, bring back."""

from __future__ import annotations

import contextlib
from typing import Annotated

from fastapi import Depends, Query

from orchestrator.access import Change, PersonOnly, ReadableAgent, Ref, TheCaller, TheEngine, own_only, plain
from orchestrator.engine import Engine
from orchestrator.models import Adoption, AgentChange, AgentView, AgentWish, End, ReportView, RestoreWish
from orchestrator.routing import Routes
from quarterdeck.errors import QuarterdeckError
from quarterdeck.tags import changed, tidy
from sessions.deck import Adopt, NewAgent
from sessions.model import Agent
from sessions.outbox.selection import tagged
from sessions.restore import RestoreReport

router = Routes("/v1", tag="agents")


def view(engine: Engine, agent: Agent) -> AgentView:
    """An agent as the API shows it."""
    session = title = ""
    with contextlib.suppress(QuarterdeckError):
        session = engine.deck.session(agent.session).name
        title = engine.deck.live(agent.id).title
    return AgentView.of(agent, session, title, engine.deck.outbox.count(agent.id))


def report(found: RestoreReport) -> ReportView:
    """A restore's report as the API shows it."""
    return ReportView.model_validate(found.as_json())


@router.get("/agents")
async def list_agents(
    engine: TheEngine,
    caller: TheCaller,
    session: Annotated[str, Query(description="Only this session's, by id or name.")] = "",
    tag: Annotated[tuple[str, ...], Query(description="Only those that have all of these tags.", max_length=64)] = (),
) -> list[AgentView]:
    """All agents, oldest first. A caller inside an agent sees itself."""
    wanted, tags = engine.deck.session(plain(session)).id if session else "", tidy(tag)
    return [view(engine, agent) for agent in own_only(caller, engine.deck.agents(wanted)) if tagged(agent, tags)]


@router.post("/agents", status_code=201, dependencies=[Depends(Change("agent.create"))])
async def create_agent(body: AgentWish, engine: TheEngine) -> AgentView:
    """Start an agent. Nothing is left of one that cannot be started."""
    wish = NewAgent(**(dict(body) | {"argv": tuple(body.argv), "tags": tuple(body.tags)}))
    return view(engine, await engine.deck.create(wish))


@router.get("/agents/{ref}")
async def show_agent(agent: ReadableAgent, engine: TheEngine) -> AgentView:
    """One agent."""
    return view(engine, agent)


@router.patch("/agents/{ref}", dependencies=[Depends(Change("agent.change"))])
async def change_agent(agent: ReadableAgent, body: AgentChange, engine: TheEngine) -> AgentView:
    """Rename an agent, set what happens to it after a crash, add tags to it and take others away."""
    changed(agent.tags, body.add_tags, body.remove_tags)  # what is wrong is refused before anything is done
    if body.name is not None:
        agent = await engine.deck.rename(agent.id, body.name)
    if body.restore is not None:
        agent = await engine.deck.set_restore(agent.id, body.restore)
    if body.add_tags or body.remove_tags:
        agent = await engine.deck.tag(agent.id, body.add_tags, body.remove_tags)
    return view(engine, agent)


@router.delete("/agents/{ref}", dependencies=[Depends(Change("agent.remove"))])
async def remove_agent(
    agent: ReadableAgent,
    engine: TheEngine,
    force: Annotated[bool, Query(description="End it first where it still runs.")] = False,
) -> AgentView:
    """Put an agent into the trash, where it stays for seven days."""
    return view(engine, await engine.deck.remove(agent.id, force=force))


@router.post("/agents/{ref}/end", dependencies=[Depends(Change("agent.end"))])
async def end_agent(agent: ReadableAgent, engine: TheEngine, body: End | None = None) -> AgentView:
    """End its program and wait for that: hang-up, then TERM and KILL. Its screen and history stay."""
    return view(engine, await engine.deck.end(agent.id, (body or End()).grace))


@router.post("/agents/{ref}/release", status_code=204, dependencies=[Depends(Change("agent.release"))])
async def release_agent(agent: ReadableAgent, engine: TheEngine) -> None:
    """Give an adopted pane back to the user's tmux, unharmed."""
    await engine.deck.release(agent.id)


@router.post("/agents/{ref}/restore", dependencies=[Depends(Change("agent.restore"))])
async def restore_agent(agent: ReadableAgent, engine: TheEngine, body: RestoreWish | None = None) -> ReportView:
    """Start an ended agent again in its old place, by its profile."""
    return report(await engine.deck.restore([agent.id], body.environ if body else None))


@router.post("/adopt", status_code=201, dependencies=[Depends(Change("agent.adopt"))])
async def adopt_pane(body: Adoption, engine: TheEngine) -> AgentView:
    """Take over a pane of the user's own tmux."""
    return view(engine, await engine.deck.adopt(Adopt(**dict(body))))


@router.get("/restore", dependencies=[PersonOnly])
async def last_report(engine: TheEngine) -> ReportView:
    """What the last start of the orchestrator found and did."""
    return report(engine.deck.report)


@router.post("/restore", dependencies=[Depends(Change("restore"))])
async def restore(engine: TheEngine, body: RestoreWish | None = None) -> ReportView:
    """Start agents again whose program is gone."""
    wish = body or RestoreWish()
    refs = None if wish.agents is None else [engine.deck.agent(ref).id for ref in wish.agents]
    return report(await engine.deck.restore(refs, wish.environ))


@router.get("/trash", dependencies=[PersonOnly])
async def list_trash(engine: TheEngine) -> list[AgentView]:
    """Removed agents that can be brought back, newest first."""
    return [view(engine, agent) for agent in await engine.deck.trash()]


@router.post("/trash/{ref}/restore", dependencies=[Depends(Change("trash.restore"))])
async def untrash(ref: Ref, engine: TheEngine) -> AgentView:
    """Bring a removed agent back as it was; it does not run."""
    return view(engine, await engine.deck.untrash(plain(ref)))


@router.delete("/trash/{ref}", status_code=204, dependencies=[Depends(Change("trash.purge"))])
async def purge(
    ref: Ref,
    engine: TheEngine,
    force: Annotated[bool, Query(description="Even where its worktree holds work that is nowhere else.")] = False,
) -> None:
    """Delete a removed agent for good."""
    await engine.deck.purge(plain(ref), force=force)
