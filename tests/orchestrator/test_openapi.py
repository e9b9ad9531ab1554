import json
from pathlib import Path

import pytest
from fastapi.routing import APIRoute, APIWebSocketRoute
from starlette.routing import Route

from orchestrator.app import describe, openapi_text

CHECKED_IN = Path(__file__).parents[2] / "docs" / "openapi.json"
MEND = "python -c \"from orchestrator.app import openapi_text; open('docs/openapi.json', 'w').write(openapi_text())\""


def test_the_checked_in_document_agrees():
    assert CHECKED_IN.read_text() == openapi_text(), f"write it anew: {MEND}"


def test_no_route_is_analysed_again_by_the_first_request():
    assert {type(route) for route in describe().routes} == {Route, APIRoute, APIWebSocketRoute}


def test_the_served_document_is_the_checked_in_one(shared):
    assert shared.client.request("GET", "/openapi.json") == json.loads(CHECKED_IN.read_text())


@pytest.fixture(scope="module")
def document():
    return json.loads(CHECKED_IN.read_text())


def test_everything_is_described(document):
    assert document["openapi"].startswith("3.1")
    names = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert len(names) == len(set(names))
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation.get("description"), f"{method} {path}"
            assert operation["responses"]["default"], f"{method} {path} does not tell its errors"
    for name, model in document["components"]["schemas"].items():
        assert model.get("description"), name


def test_every_route_is_in_the_page_for_people(document):
    page = (CHECKED_IN.parent / "api.md").read_text()
    for path, methods in document["paths"].items():
        for method in methods:
            assert f"`{method.upper()} {path}`" in page, f"docs/api.md does not name {method.upper()} {path}"
