"""opencode's own event stream, ``GET /event`` of the server in each opencode that was started with ``--port``.

What happened before we listened is asked for once after each connect. A stream that ends or goes silent is taken up
again for as long as :func:`follow` runs; meanwhile its word is taken back. Only 127.0.0.1 is ever spoken to, and never
through a proxy.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from profiles.streams.opencode_events import Fold
from profiles.streams.sse import Decoder
from quarterdeck.clock import Clock, SystemClock
from quarterdeck.evidence import Decision, Evidence, Sign, Source

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)

SILENCE_S = 35.0
"""The server beats every ten seconds."""
PAUSES_S = (0.1, 0.2, 0.4, 0.8, 1.6, 3.0)
"""Pauses before each new attempt to connect; the last one from then on."""
REPLY_S = 5.0
_BODY_LIMIT = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
_WORDS = {"allow": "once", "always": "always", "deny": "reject"}
_REASON_LIMIT = 2_000


async def follow(port: int, tell: Callable[[Evidence], None], clock: Clock | None = None) -> None:
    """Tell what the opencode at ``port`` says, until cancelled. Never gives up: cancel it when the agent ends.

    Holds about a megabyte at most, whatever the server sends.
    """
    import httpx

    clock = clock or SystemClock()
    failed = 0
    async with _client(port, SILENCE_S) as client:
        while True:
            fold = Fold()
            heard = False
            try:
                async with client.stream("GET", "/event", headers={"Accept": "text/event-stream"}) as response:
                    response.raise_for_status()
                    for piece in fold.begin(*[await _ask(client, path) for path in _PRESENT]):
                        tell(piece.stamped(clock.wall_ns()))
                    heard, failed = True, 0
                    decoder = Decoder()
                    async for data in response.aiter_raw():
                        for event in decoder.take(data):
                            for piece in fold.take(_object(event)):
                                tell(piece.stamped(clock.wall_ns()))
            except (httpx.HTTPError, httpx.StreamError) as error:
                log.debug("opencode on port %d: %s", port, error)
            if heard:
                said = "its event stream ended"
                tell(Evidence(source=Source.STREAM, sign=Sign.CLEAR, wall_ns=clock.wall_ns(), text=said))
            await asyncio.sleep(PAUSES_S[min(failed, len(PAUSES_S) - 1)])
            failed += 1


async def reply(port: int, address: Mapping[str, Any], decision: Decision) -> bool:
    """Answer the request at ``address``; True: this opencode took the answer, and nobody had answered before."""
    import httpx

    request, session = address.get("permission"), address.get("session")
    if not isinstance(request, str) or not _NAME.fullmatch(request):
        return False
    body: dict[str, str] = {"reply": _WORDS[decision.behaviour]}
    if decision.behaviour == "deny" and decision.reason:
        body["message"] = decision.reason[:_REASON_LIMIT]
    path = f"/permission/{request}/reply"
    if address.get("form") == "session":
        if not isinstance(session, str) or not _NAME.fullmatch(session):
            return False
        path, body = f"/session/{session}/permissions/{request}", {"response": body["reply"]}
    try:
        async with _client(port, REPLY_S) as client, client.stream("POST", path, json=body) as response:
            return response.status_code == httpx.codes.OK
    except (httpx.HTTPError, httpx.StreamError) as error:
        log.debug("opencode on port %d: %s", port, error)
        return False


_PRESENT = ("/session/status", "/permission", "/question")
"""What is so now: busy sessions, open requests, open questions."""


@asynccontextmanager
async def _client(port: int, silence_s: float) -> AsyncIterator[httpx.AsyncClient]:
    import httpx

    timeout = httpx.Timeout(5.0, read=silence_s)
    # no proxy, no netrc, nothing compressed: a few bytes could become many
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}",
        trust_env=False,
        timeout=timeout,
        headers={"Accept-Encoding": "identity"},
    ) as client:
        yield client


async def _ask(client: httpx.AsyncClient, path: str) -> object:
    """What the server answers, None where it does not or answers too much."""
    body = bytearray()
    async with client.stream("GET", path) as response:
        if response.status_code != 200:
            return None
        async for data in response.aiter_raw():
            body += data
            if len(body) > _BODY_LIMIT:
                return None
    return _json(bytes(body))


def _json(data: bytes) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _object(data: bytes) -> Mapping[str, Any]:
    found = _json(data)
    return found if isinstance(found, dict) else {}
