"""The WebSocket of one client; its messages are :mod:`orchestrator.frames`, in MessagePack."""

from __future__ import annotations

from fastapi import WebSocket

from orchestrator.access import TheCaller, TheEngine
from orchestrator.models import MAX_OFFSET
from orchestrator.roles import Role
from orchestrator.routing import Routes
from orchestrator.viewer import Viewer

router = Routes()


@router.websocket("/v1/socket")
async def socket(websocket: WebSocket, engine: TheEngine, caller: TheCaller) -> None:
    """Frames and events out, input and sizes in. `?cursor=` continues the events after that one."""
    if caller.role is not Role.PERSON:
        await websocket.close(1008)
        return
    said = websocket.query_params.get("cursor", "")
    cursor = min(int(said[:19]), MAX_OFFSET) if said.isascii() and said.isdigit() else None
    await Viewer(engine, websocket, caller, cursor).run()
