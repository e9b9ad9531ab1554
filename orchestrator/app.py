"""The application: its routes, errors as JSON, bodies with a bound."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import unquote

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request

from orchestrator.access import SLASH
from orchestrator.engine import Engine
from orchestrator.routes import (
    agents,
    approvals,
    control,
    events,
    markdown,
    policy,
    prompts,
    screens,
    sessions,
    sockets,
    status,
    terminals,
)
from orchestrator.routing import Json
from quarterdeck import __version__
from quarterdeck.errors import Invalid, NotFound, QuarterdeckError

BODY_LIMIT = 8 << 20
"""Bytes of one request's body."""
MEMORY_LIMIT = 64 << 20
"""Of one about the memory: an entry's text of 10 MB may take six times as much in JSON."""
DESCRIPTION = """\
What the orchestrator of one state folder does for its clients, over its Unix socket (`run/api.sock`, 0600).

Errors are JSON with `error`, `message`, `hint` and `fields`. A caller that runs inside an agent may only read what is
that agent's own. Agents are named by id, by the start of an id, by name, or as `session%2Fname`. Live screens and keys
go over the WebSocket `/v1/socket` (MessagePack, see `docs/api.md`).
"""
_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]


class Edge:
    """What happens to a request before the routes: an encoded slash stays one segment, a body has a bound.

    The routes of the memory and of runs come with the first request for one, so that a start does not pay for them.
    """

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self._later = dict(_LATER)

    async def __call__(self, scope: MutableMapping[str, Any], receive: _Receive, send: _Send) -> None:
        """See ASGI 3."""
        if scope["type"] == "http":
            raw = bytes(scope["raw_path"]).replace(b"%2f", SLASH.encode()).replace(b"%2F", b"%252F")
            scope["path"] = unquote(raw.decode("latin-1"))
            memory = raw.startswith(b"/v1/memory/")
            receive = _bounded(receive, MEMORY_LIMIT if memory else BODY_LIMIT)
            for path in [path for path in self._later if raw.startswith(path) or raw == b"/openapi.json"]:
                self._later.pop(path)(self.app)
        await self.app(scope, receive, send)


def _bounded(receive: _Receive, limit: int) -> _Receive:
    taken = 0

    async def bounded() -> _Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > limit:
            raise Invalid(f"a request's body may have {limit >> 20} MB")
        return message

    return bounded


def build(engine: Engine) -> Edge:
    """The application that serves ``engine``."""
    app = _application()
    app.state.engine = engine
    return Edge(app)


def describe() -> FastAPI:
    """The application without an engine: enough for its OpenAPI document."""
    app = _application()
    for add in _LATER.values():
        add(app)
    return app


def _add_memory(app: FastAPI) -> None:
    from orchestrator.routes import memory, memory_banks

    memory.router.join(app)
    memory_banks.router.join(app)


def _add_runs(app: FastAPI) -> None:
    from orchestrator.routes import runs

    runs.router.join(app)


_LATER = {b"/v1/memory/": _add_memory, b"/v1/runs": _add_runs}
"""What is added by the first request for such a path."""


def _application() -> FastAPI:
    app = FastAPI(
        title="Quarterdeck",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
    )
    for module in (
        sessions,
        markdown,
        agents,
        prompts,
        status,
        approvals,
        screens,
        terminals,
        events,
        policy,
        control,
        sockets,
    ):
        module.router.join(app)
    app.add_exception_handler(QuarterdeckError, _quarterdeck_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _internal_error)
    return app


def openapi_text() -> str:
    """The OpenAPI document as it is checked in."""
    return json.dumps(describe().openapi(), indent=2) + "\n"


def _answer(error: QuarterdeckError, status: int = 0) -> Json:
    return Json(error.as_json(), status_code=status or error.http_status)


async def _quarterdeck_error(request: Request, error: Exception) -> Json:
    assert isinstance(error, QuarterdeckError)
    return _answer(error)


async def _validation_error(request: Request, error: Exception) -> Json:
    assert isinstance(error, RequestValidationError)
    told = [
        {"where": ".".join(str(part) for part in one.get("loc", ())[1:]), "what": str(one.get("msg", ""))}
        for one in error.errors()[:20]
    ]
    text = "; ".join(f"{one['where']}: {one['what']}" if one["where"] else one["what"] for one in told)
    return _answer(Invalid(f"the request makes no sense: {text}"[:2000], errors=told))


async def _http_error(request: Request, error: Exception) -> Json:
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, QuarterdeckError):  # raised while the body was read
        return _answer(error.__cause__)
    kind = NotFound if error.status_code == 404 else Invalid
    what = f"{request.method} {request.url.path[:200]}"
    return _answer(kind(f"{error.detail}: {what}", hint="see /openapi.json"), error.status_code)


async def _internal_error(request: Request, error: Exception) -> Json:
    # the server logs it with its traceback
    return _answer(QuarterdeckError("an internal error; nothing else was harmed", hint="see the orchestrator's log"))
