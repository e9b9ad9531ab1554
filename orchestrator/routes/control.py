"""The orchestrator itself: health, profiles, trust, doctor, stop."""

from __future__ import annotations

import asyncio
import os
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from orchestrator import doctor
from orchestrator.access import Change, PersonOnly, TheCaller, TheEngine
from orchestrator.models import Health, Stop, Stopping, Trust
from quarterdeck import __version__

router = APIRouter(prefix="/v1", tags=["orchestrator"])

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
