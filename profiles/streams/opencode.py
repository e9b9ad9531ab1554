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
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from profiles.streams.opencode_events import Fold, Said
from profiles.streams.sse import Decoder
from quarterdeck.clock import Clock, SystemClock
from quarterdeck.evidence import Decision, Evidence, Sign

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)

SILENCE_S = 35.0
"""The server beats every ten seconds."""
PAUSES_S = (0.1, 0.2, 0.4, 0.8, 1.6, 3.0)
"""Pauses before each new attempt to connect; the last one from then on."""
BEGIN_S = (2.0, 10.0)
"""For each first answer, in the first attempt and at most: asked while it starts, it may never answer."""
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

    def say(pieces: Iterable[Said]) -> None:
        for piece in pieces:
            tell(piece.stamped(clock.wall_ns()))

    async with _client(port, SILENCE_S) as client:
        while True:
            heard = False
            try:
                async with asyncio.timeout(min(BEGIN_S[0] + failed, BEGIN_S[1])) as patience, _events(client) as events:
                    patience.reschedule(None)
                    heard, failed = True, 0
                    await _listen(client, events, say)
            except (httpx.HTTPError, httpx.StreamError, TimeoutError) as error:
                log.debug("opencode on port %d: %s", port, error)
            if heard:
                say([Said(Sign.CLEAR, "its event stream ended", {})])
            await asyncio.sleep(PAUSES_S[min(failed, len(PAUSES_S) - 1)])
            failed += 1


async def _listen(client: httpx.AsyncClient, events: httpx.Response, say: Callable[[Iterable[Said]], None]) -> None:
    """Say what the stream says until it ends, and what was so before as soon as that is answered."""
    fold, decoder = Fold(), Decoder()

    async def before() -> None:
        busy, permissions, questions = [await _ask(client, path) for path in _PRESENT]
        say(fold.begin(busy, permissions, questions))

    asking = asyncio.create_task(before())
    try:
        async for data in events.aiter_raw():
            for event in decoder.take(data):
                say(fold.take(_object(event)))
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


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


@asynccontextmanager
async def _events(client: httpx.AsyncClient) -> AsyncIterator[httpx.Response]:
    async with client.stream("GET", "/event", headers={"Accept": "text/event-stream"}) as response:
        response.raise_for_status()
        yield response


async def _ask(client: httpx.AsyncClient, path: str) -> object:
    """What the server answers, None where it knows no such thing or answers too much. Asked until it answers."""
    import httpx

    wait = BEGIN_S[0]
    while True:
        body = bytearray()
        try:
            async with asyncio.timeout(wait), client.stream("GET", path) as response:
                if response.status_code != httpx.codes.OK:
                    return None
                async for data in response.aiter_raw():
                    body += data
                    if len(body) > _BODY_LIMIT:
                        return None
            return _json(bytes(body))
        except (httpx.HTTPError, httpx.StreamError, TimeoutError) as error:
            log.debug("opencode does not answer %s: %s", path, error)
        await asyncio.sleep(PAUSES_S[1])
        wait = min(wait + 1, BEGIN_S[1])


def _json(data: bytes) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _object(data: bytes) -> Mapping[str, Any]:
    found = _json(data)
    return found if isinstance(found, dict) else {}
