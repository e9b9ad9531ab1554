"""What a caller inside an agent may do with what is remembered."""

import json
import os
import subprocess
from itertools import count

import pytest

from tests.orchestrator.conftest import Place, eventually
from tests.orchestrator.test_api import _audit
from tests.orchestrator.test_roles import Inside
from tests.support.memory_api import Memory, repository

NUMBERS = count()


@pytest.fixture(scope="module")
def place(_no_user_settings):
    place = Place()
    subprocess.run(["git", "init", "-q", place.workspace], check=True)
    yield place
    place.close()


@pytest.fixture(scope="module")
def inside(place):
    return Inside(place, eventually)


@pytest.fixture
def memory(place):
    return Memory(place.client, place.workspace)


def test_an_agent_reads_the_memory_of_its_workspace_and_the_shared_one(inside, memory, place):
    other = Memory(place.client, repository(place.root / "other"))
    memory.add("of the workspace")
    other.add("a stranger's", key="strange")
    Memory(place.client, "").add("for everybody")
    answers = inside.ask(
        ("GET", memory.path("entries")),
        ("GET", memory.path("search", q="workspace")),
        ("GET", Memory(place.client, "").path("entries")),
        ("GET", memory.path("entries/of%20the%20workspace/history")),
        ("GET", memory.path("stats")),
        ("GET", memory.path("export")),
        ("GET", other.path("entries")),
        ("GET", other.path("entries/strange")),
        ("GET", other.path("export")),
        ("GET", memory.path("search", q="x", everywhere=True)),
        ("GET", "/v1/memory/banks"),
    )
    assert [status for status, _ in answers] == [200] * 6 + [403] * 5
    assert "of the workspace" in [entry["key"] for entry in answers[0][1]["entries"]]
    assert [entry["key"] for entry in answers[2][1]["entries"]] == ["for everybody"]
    assert "memory of its own workspace" in answers[6][1]["message"]


def test_an_agent_stores_under_its_name_where_it_may(inside, memory):
    name, session = inside.agent["name"], inside.agent["session_name"]
    wish = {"workspace": memory.name, "body": "learned"}
    answers = inside.ask(
        ("POST", "/v1/memory/entries", wish | {"key": "one"}),
        ("POST", "/v1/memory/entries", wish | {"namespace": f"agent/{name}"}),
        ("POST", "/v1/memory/entries", wish | {"namespace": f"session/{session}"}),
        ("POST", "/v1/memory/entries", wish | {"namespace": "agent/other"}),
        ("POST", "/v1/memory/entries", wish | {"namespace": "session/other"}),
        ("POST", "/v1/memory/entries", {"body": "for all"}),
        ("POST", "/v1/memory/entries", wish | {"workspace": "/"}),
    )
    assert [status for status, _ in answers] == [200] * 3 + [403] * 4
    assert {answer["author"] for _, answer in answers[:3]} == {f"agent/{name}"}
    assert f"agent/{name}" in answers[3][1]["message"]
    assert memory.entry("one")["author"] == f"agent/{name}"


def test_an_agent_changes_what_is_its_own_and_nothing_a_person_decides(inside, memory):
    name = inside.agent["name"]
    mine = f"mine{next(NUMBERS)}"
    theirs = memory.add("a person's", key=f"theirs{next(NUMBERS)}")
    given = memory.add("for the agent", key=f"given{next(NUMBERS)}", namespace=f"agent/{name}")
    body = {"workspace": memory.name}
    (_, stored), (_, changed) = inside.ask(
        ("POST", "/v1/memory/entries", body | {"body": "a\n", "key": mine}),
        ("PATCH", f"/v1/memory/entries/{mine}", body | {"body": "b\n"}),
    )
    assert (changed["body"], changed["editor"]) == ("b\n", f"agent/{name}")
    answers = inside.ask(
        ("PATCH", f"/v1/memory/entries/{given['id']}", body | {"body": "read"}),
        ("POST", f"/v1/memory/entries/{mine}/restore", body | {"version": stored["heads"][0]}),
        ("PATCH", f"/v1/memory/entries/{mine}", body | {"namespace": "agent/other"}),
        ("PATCH", f"/v1/memory/entries/{theirs['id']}", body | {"body": "overwritten"}),
        ("DELETE", memory.path(f"entries/{theirs['id']}")),
        ("POST", f"/v1/memory/entries/{mine}/resolve", body | {"body": "x"}),
        ("POST", f"/v1/memory/entries/{mine}/missing", body | {"answer": "delete"}),
        ("POST", "/v1/memory/prune", body),
        ("POST", "/v1/memory/sync", body),
        ("POST", "/v1/memory/export", body | {"path": "/tmp/never"}),
        ("POST", "/v1/memory/import", body | {"data": "{}"}),
    )
    assert [status for status, _ in answers] == [200, 200] + [403] * 9
    assert memory.entry(mine)["body"] == "a\n"
    assert memory.entry(theirs["id"])["heads"] == theirs["heads"]
    read = memory.entry(mine)
    memory.patch(mine, body="one\n", seen=read["seen"])
    assert memory.patch(mine, body="two\n", seen=read["seen"])["conflict"]
    answers = inside.ask(
        ("PATCH", f"/v1/memory/entries/{mine}", body | {"body": "three\n"}),
        ("DELETE", memory.path(f"entries/{mine}")),
    )
    assert [status for status, _ in answers] == [403, 403]
    assert "a person decides" in answers[0][1]["message"]
    assert memory.entry(mine)["conflict"]


def test_what_agents_and_people_do_is_audited_without_texts(inside, memory, place):
    entry = memory.add("hidden words", key="hidden key")
    inside.ask(
        ("DELETE", memory.path(f"entries/{entry['id']}")),
        ("POST", "/v1/memory/entries", {"workspace": memory.name, "body": "hidden words"}),
    )
    rows = [row for row in _audit(place) if row[1].startswith("memory.")]
    assert not any("hidden" in data for *_, data in rows)
    (role, action, _, data), (denied_role, denied_action, _, denied), (own_role, own_action, agent, own) = rows[-3:]
    assert (role, action, json.loads(data)["bank"]) == ("person", "memory.add", memory.name)
    assert (denied_role, denied_action, json.loads(denied)["denied"]) == ("agent", "memory.delete", True)
    assert json.loads(denied)["entry"] == entry["id"]
    assert (own_role, own_action, agent) == ("agent", "memory.add", inside.agent["id"])
    assert "denied" not in json.loads(own)


def test_an_agent_in_a_worktree_of_its_own_has_the_memory_of_the_repository(place):
    folder = repository(place.root / "with-trees")
    subprocess.run(["git", "-C", folder, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    memory = Memory(place.client, folder)
    agent = place.new("sh", workspace=str(folder), worktree=True, name="treed", environ=place.environ | {"PS1": "$ "})
    tree = agent["worktree"]["path"]
    assert os.path.realpath(tree) != str(folder)
    asking = Inside.__new__(Inside)
    asking.place, asking.until, asking.agent = place, eventually, agent
    asking.script = place.root / "ask.py"
    ((status, _),) = asking.ask(
        ("POST", "/v1/memory/entries", {"workspace": tree, "body": "from the tree", "key": "t"})
    )
    assert status == 200
    assert memory.entry("t")["author"] == "agent/treed"
    assert eventually(memory.files, "its file is in the main worktree")
