"""How a route is told: made once, whole, with its errors and its JSON."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.responses import JSONResponse

from orchestrator.models import Problem

ERRORS: dict[int | str, dict[str, Any]] = {"default": {"model": Problem, "description": "What went wrong."}}
"""What every route may answer besides its own."""


class Json(JSONResponse):
    """JSON in ASCII: text an agent chose may hold what UTF-8 cannot."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, default=str).encode("ascii")


class Routes(APIRouter):
    """The routes of one module, for :meth:`join`.

    FastAPI's ``include_router`` analyses each route a second time when the first request comes, which costs every
    start of the orchestrator as much as all routes did before; these need nothing from the application.
    """

    def __init__(self, prefix: str = "", *, tag: str = "") -> None:
        super().__init__(
            prefix=prefix,
            tags=[tag] if tag else [],
            default_response_class=Json,
            responses=ERRORS,
            generate_unique_id_function=_operation,
        )

    def join(self, app: FastAPI) -> None:
        """Make them routes of ``app``, after those it has."""
        app.router.routes.extend(self.routes)


def _operation(route: APIRoute) -> str:
    return route.name
