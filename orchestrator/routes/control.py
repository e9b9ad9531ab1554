"""The orchestrator itself: health, profiles, trust, doctor, stop."""

from __future__ import annotations

import asyncio
import os
import re
from typing import Annotated

from fastapi import Depends, Query

from orchestrator import doctor
from orchestrator.access import Change, PersonOnly, TheCaller, TheEngine
from orchestrator.engine import Engine
from orchestrator.models import (
    FileTrust,
    FileTrustView,
    Health,
    PathText,
    Profiles,
    ProfileView,
    Stop,
    Stopping,
    Trust,
    TrustView,
)
from orchestrator.roles import Role
from orchestrator.routing import Routes
from quarterdeck import __version__
from quarterdeck.errors import Invalid, Refused
from sessions.groups import folder_of
from sessions.markdown.begin import manner
from sessions.trust import Outlook

router = Routes("/v1", tag="orchestrator")

API = 1
"""Grows when a client of an earlier version could not go on."""


@router.get("/health")
async def health(engine: TheEngine, caller: TheCaller) -> Health:
    """Whether it answers, who it is, and what the caller may do here."""
    return Health(
        version=__version__,
        api=API,
        pid=os.getpid(),
        started_ns=engine.started_ns,
        home=str(engine.paths.home),
        role=caller.role.value,
        problems=list(engine.problems) if caller.role is Role.PERSON else [],
    )


async def _look(engine: Engine, workspace: str) -> Outlook:
    return await asyncio.to_thread(engine.deck.workspaces.look, folder_of(workspace))


def _trust_view(outlook: Outlook) -> TrustView:
    return TrustView(
        workspace=outlook.workspace,
        hash=outlook.digest,
        trusted=outlook.trusted,
        changes=list(outlook.changes),
        problems=list(outlook.problems),
    )


@router.get("/trust", dependencies=[PersonOnly])
async def show_trust(
    engine: TheEngine, workspace: Annotated[PathText, Query(description="A folder, absolute.")]
) -> TrustView:
    """What a workspace brings, what trusting it would change, and whether it is trusted."""
    return _trust_view(await _look(engine, workspace))


@router.post("/trust", dependencies=[Depends(Change("trust"))])
async def trust(engine: TheEngine, body: Trust) -> TrustView:
    """Trust exactly what has this hash; refused when the workspace has changed since it was shown."""
    seen = await _look(engine, body.workspace)
    if body.hash and body.hash != seen.digest:
        raise Refused(f"{seen.workspace} has changed since it was shown; nothing was trusted", hint="look at it again")
    await engine.deck.store.trust(seen.workspace, body.hash or None)
    others = {place: digest for place, digest in engine.deck.workspaces.trusted.items() if place != seen.workspace}
    engine.deck.workspaces.trusted = {**others, seen.workspace: body.hash} if body.hash else others
    return _trust_view(await _look(engine, body.workspace))


@router.get("/trust/file", dependencies=[PersonOnly])
async def show_file_trust(
    engine: TheEngine, path: Annotated[PathText, Query(description="A project file, absolute.")]
) -> FileTrustView:
    """Which bytes of a project file a person agreed to run."""
    return FileTrustView(path=path, hash=await engine.deck.store.trusted(path) or "")


@router.post("/trust/file", dependencies=[Depends(Change("trust.file"))])
async def trust_file(engine: TheEngine, body: FileTrust) -> FileTrustView:
    """Remember that a person agreed to run exactly these bytes of a project file."""
    if not os.path.isabs(body.path) or os.path.isdir(body.path):
        raise Invalid("a project file is named by an absolute path", path=body.path)
    if body.hash and not re.fullmatch("[0-9a-f]{64}", body.hash):
        raise Invalid("a hash is 64 digits of a SHA-256", hash=body.hash)
    await engine.deck.store.trust(body.path, body.hash or None)
    return FileTrustView(path=body.path, hash=body.hash)


@router.get("/profiles", dependencies=[PersonOnly])
async def list_profiles(
    engine: TheEngine,
    workspace: Annotated[PathText, Query(description="With what this workspace brings, once it is trusted.")] = "",
) -> Profiles:
    """The kinds of agents that can be started."""
    outlook = await _look(engine, workspace or os.path.abspath(os.sep))
    return Profiles(
        profiles=[
            ProfileView(
                name=one.name,
                title=one.title,
                kind=one.kind,
                icon=one.icon,
                argv=list(one.argv),
                resumes=bool(one.conversation.resume),
                checkpoint=manner(one),
                install=one.install,
                source=one.source,
            )
            for one in sorted(outlook.catalogue.profiles.values(), key=lambda one: one.name)
        ],
        problems=list(dict.fromkeys((*engine.problems, *outlook.problems))),
    )


@router.get("/doctor", dependencies=[PersonOnly])
async def examine(engine: TheEngine) -> doctor.Findings:
    """What is installed, what runs, what is wrong, and the command that mends it."""
    return await doctor.examine(engine)


@router.post("/stop", dependencies=[Depends(Change("stop"))])
async def stop(engine: TheEngine, body: Stop | None = None) -> Stopping:
    """End in good order. The agents run on, unless `agents`; open clients do not start it again by themselves."""
    if body and body.agents:
        await engine.deck.end_all()
    running = sum(agent.status.alive for agent in engine.deck.agents())
    asyncio.get_running_loop().call_soon(engine.stopping.set)
    return Stopping(pid=os.getpid(), agents_running=running)
