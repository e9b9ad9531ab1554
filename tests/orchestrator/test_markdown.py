import pytest

from quarterdeck.errors import Invalid, NotFound, Refused

PAGE = """---
quarterdeck: 1
session: {session}
goal: ship it
agents:
- name: api
  profile: shell
  tags: [web]
- name: evil
  profile: evil
---

# a page
"""


def put(folder, session):
    path = folder / ".quarterdeck/sessions" / session / "checkpoint.md"
    path.parent.mkdir(parents=True)
    path.write_text(PAGE.format(session=session))
    return path


def test_a_plan_is_shown_and_then_made(place):
    page = put(place.workspace, "shop")
    query = f"/v1/restore/markdown?workspace={place.workspace}"
    plan = place.client.request("GET", query)
    (one,) = plan["sessions"]
    assert (one["session"], one["action"], one["goal"], one["page"]) == ("shop", "make", "ship it", str(page))
    assert [(agent["name"], agent["action"], agent["tags"]) for agent in one["agents"]] == [
        ("api", "start", ["web"]),
        ("evil", "refused", []),
    ]
    assert plan["changes"]
    assert place.client.request("GET", "/v1/sessions") == []
    body = {"workspaces": [str(place.workspace)], "environ": place.environ, "hash": "other"}
    with pytest.raises(Refused, match="changed since it was shown"):
        place.client.request("POST", "/v1/restore/markdown", body)
    done = place.client.request("POST", "/v1/restore/markdown", body | {"hash": plan["hash"]})
    assert [(one["name"], one["action"]) for one in done] == [("api", "started"), ("evil", "refused")]
    (agent,) = place.client.request("GET", "/v1/agents")
    assert (agent["id"], agent["session_name"], agent["argv"][1:]) == (done[0]["agent"], "shop", ["-i"])
    with pytest.raises(Refused):
        place.client.request("POST", "/v1/restore/markdown", body | {"hash": plan["hash"]})
    assert not place.client.request("GET", query)["changes"]


def test_a_checkpoint_is_shown(place, until):
    place.client.request("POST", "/v1/sessions", {"name": "shop", "workspace": str(place.workspace)})
    shown = until(lambda: (found := place.client.request("GET", "/v1/sessions/shop/checkpoint"))["text"] and found)
    assert shown["path"] == str(place.workspace / ".quarterdeck/sessions/shop/checkpoint.md")
    assert "# shop" in shown["text"]
    assert shown["problem"] == ""
    with pytest.raises(NotFound):
        place.client.request("GET", "/v1/sessions/nobody/checkpoint")


def test_what_is_asked_must_make_sense(place):
    for query in ("", "?workspace=relative", "?workspace="):
        with pytest.raises(Invalid):
            place.client.request("GET", "/v1/restore/markdown" + query)
    with pytest.raises(NotFound):
        place.client.request("GET", "/v1/restore/markdown?workspace=/no/such/folder")
    wish = {"profile": "shell", "workspace": str(place.workspace), "environ": place.environ}
    with pytest.raises(Refused, match="takes no checkpoint"):
        place.client.request("POST", "/v1/agents", wish | {"from_checkpoint": "shop"})
    assert place.client.request("GET", "/v1/agents") == []
