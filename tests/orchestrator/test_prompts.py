"""Prompts over HTTP, with a real agent that takes them."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from urllib.parse import urlencode

import pytest

from orchestrator.client import Link, LinkState, frames
from quarterdeck.errors import Invalid, NotFound, Refused
from tests.sessions.outbox.conftest import profile

PROMPTEE = Path(__file__).parents[1] / "support" / "promptee.py"


class Promptee:
    """An agent of its own place that takes prompts."""

    def __init__(self, place, until, number):
        self.place, self.until = place, until
        self.folder = place.root / f"p{number}"
        self.folder.mkdir()
        self.agent = place.new(str(self.folder), name=f"p{number}", profile="promptee")
        self.id = self.agent["id"]
        until(lambda: place.status(self.agent) == "idle", "it is idle")

    @property
    def taken(self):
        path = self.folder / "taken"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def send(self, text, **more):
        return self.place.client.request("POST", f"/v1/agents/{self.id}/prompts", {"text": text, **more})

    def ask(self):
        os.kill(self.agent["pid"], signal.SIGUSR1)
        self.until(lambda: self.place.status(self.agent) == "blocked", "it asks")

    def answer(self):
        self.place.type(self.agent, keys=["1"])


@pytest.fixture
def stage(place, until, monkeypatch):
    """A place whose person has a profile for such agents; ``stage()`` starts one."""
    folder = place.root / "config" / "quarterdeck" / "profiles"
    folder.mkdir(parents=True)
    (folder / "promptee.toml").write_text(profile())
    monkeypatch.setenv("XDG_CONFIG_HOME", str(place.root / "config"))
    made = []

    def start():
        made.append(Promptee(place, until, len(made)))
        return made[-1]

    return start


def waited(place, prompt, until, seconds=20):
    query = urlencode({"until": until, "seconds": seconds})
    return place.client.request("GET", f"/v1/prompts/{prompt['id']}?{query}")


def test_a_prompt_and_what_became_of_it(place, stage):
    agent = stage()
    prompt = agent.send("fix it\x1b[31m now")
    assert (prompt["state"], prompt["open"], prompt["text"]) == ("queued", True, "fix it now")
    done = waited(place, prompt, "idle")
    assert (done["state"], done["finished"], agent.taken) == ("accepted", True, ["fix it now"])
    assert done["receipt"] in ("hook", "program")
    listed = place.client.request("GET", f"/v1/agents/{agent.id}/prompts")
    assert [one["id"] for one in listed] == [prompt["id"]]
    assert place.client.request("GET", f"/v1/prompts/{prompt['id'][:5]}")["id"] == prompt["id"]
    for text, error in (("", Invalid), ("\x00 \n", Invalid), ("x" * 1_000_001, Invalid)):
        with pytest.raises(error):
            agent.send(text)
    with pytest.raises(NotFound):
        place.client.request("GET", "/v1/prompts/nobody")


def test_a_queue_is_changed_and_counted(place, stage):
    agent = stage()
    agent.ask()
    with pytest.raises(Refused, match="asks for a permission"):
        agent.send("at once", now=True)
    one, two, three = [agent.send(word) for word in ("one", "two", "three")]
    held = waited(place, one, "decided")
    assert held["reason"] == "waits: it asks for a permission"
    assert place.client.request("GET", f"/v1/agents/{agent.id}")["queue"] == 3
    change = place.client.request
    assert change("PATCH", f"/v1/prompts/{two['id']}", {"text": "zwei", "position": 0})["text"] == "zwei"
    change("PATCH", f"/v1/prompts/{three['id']}", {"before": one["id"]})
    assert change("DELETE", f"/v1/prompts/{one['id']}")["state"] == "cancelled"
    assert [p["text"] for p in change("GET", "/v1/prompts") if p["open"]] == ["zwei", "three"]
    with pytest.raises(Refused, match="is cancelled"):
        change("DELETE", f"/v1/prompts/{one['id']}")
    place.kill()
    assert [p["text"] for p in change("GET", "/v1/prompts") if p["open"]] == ["zwei", "three"]
    agent.answer()
    assert waited(place, three, "accepted")["state"] == "accepted"
    assert agent.taken == ["zwei", "three"]


def test_a_broadcast_answers_for_each_agent(place, stage):
    free, busy = stage(), stage()
    busy.ask()
    shell = place.new("cat", name="sh")
    ask = place.client.request
    with pytest.raises(Invalid, match="nobody is chosen"):
        ask("POST", "/v1/broadcast", {"text": "all hands"})
    done = ask("POST", "/v1/broadcast", {"text": "all hands", "all": True})
    assert [one["agent"] for one in done["receipts"]] == [free.id]
    assert {one["name"] for one in done["skipped"]} == {"p1", "sh"}
    assert waited(place, done["receipts"][0]["prompt"], "accepted")["broadcast"] == done["broadcast"]
    done = ask("POST", "/v1/broadcast", {"text": "to you", "agents": [shell["id"], "p0"], "status": "running"})
    assert [one["name"] for one in done["receipts"]] == ["sh"]
    assert "to you" in place.shows(shell, "to you")
    for one in (free, busy):
        ask("PATCH", f"/v1/agents/{one.id}", {"add_tags": ["api"]})
    done = ask("POST", "/v1/broadcast", {"text": "api only", "tags": ["api"]})
    assert [one["agent"] for one in done["receipts"]] == [free.id]
    assert [(one["name"], one["reason"]) for one in done["skipped"]] == [("p1", "it asks for a permission")]
    with pytest.raises(Invalid, match="cannot be a tag"):
        ask("POST", "/v1/broadcast", {"text": "x", "tags": ["A B"]})
    assert busy.taken == []


async def test_a_person_at_the_keys_is_waited_for(place, stage, until, monkeypatch):
    monkeypatch.setenv("QUARTERDECK_TYPING_PAUSE", "1.5")
    agent = stage()
    async with asyncio.timeout(20), Link(place.paths) as link:
        while not link.send(frames.Press(agent.id, "left")):
            await asyncio.sleep(0.01)
        while not (agent.folder / "typed").exists():
            await asyncio.sleep(0.01)
        prompt = await asyncio.to_thread(agent.send, "go on")
        held = await asyncio.to_thread(waited, place, prompt, "decided")
        assert held["reason"].startswith("waits: a person typed there")
        done = await asyncio.to_thread(waited, place, prompt, "accepted")
        assert done["state"] == "accepted"


def test_an_agent_sends_nothing(place, stage, until):
    agent = stage()
    script = (
        "import sys; from pathlib import Path\n"
        "from orchestrator.client import Client; from quarterdeck.paths import Paths\n"
        "from quarterdeck.errors import QuarterdeckError\n"
        "client = Client(Paths(Path(sys.argv[1])), start=False)\n"
        f"for method, path, body in (('POST', '/v1/agents/{agent.id}/prompts', {{'text': 'x'}}),"
        " ('POST', '/v1/broadcast', {'text': 'x', 'all': True}), ('GET', '/v1/prompts', None),"
        " ('DELETE', '/v1/prompts/abc', None), ('PATCH', '/v1/prompts/abc', {'position': 0})):\n"
        "    try: client.request(method, path, body); print('done')\n"
        "    except QuarterdeckError as error: print(error.code)\n"
    )
    root = Path(__file__).parents[2]
    inside = place.new(
        "sh", "-c", f"PYTHONPATH={root} {sys.executable} -c \"$SCRIPT\" {place.paths.home}; echo that was all; cat",
        environ=place.environ | {"SCRIPT": script},
    )  # fmt: skip
    screen = place.shows(inside, "that was all")
    refused = ["not_permitted", "not_permitted"]
    assert screen.split() == [*refused, "done", *refused, "that", "was", "all"], "it may look at its own, no more"
    assert agent.taken == []


async def test_a_client_that_types_by_an_agents_name_is_a_person_who_types_there(place, stage):
    agent = await asyncio.to_thread(stage)
    async with Link(place.paths) as link, asyncio.timeout(30):
        while not (isinstance(said := await anext(link), LinkState) and said.phase == "up"):
            pass

        async def types():
            while True:
                assert link.send(frames.Press(agent.agent["name"], "left"))
                await asyncio.sleep(0.02)

        typing = asyncio.create_task(types())
        while not (agent.folder / "typed").exists():
            await asyncio.sleep(0.01)
        prompt = await asyncio.to_thread(agent.send, "later")
        path = f"/v1/prompts/{prompt['id']}"
        while (
            "a person typed there"
            not in (found := await asyncio.to_thread(place.client.request, "GET", path))["reason"]
        ):
            assert found["state"] == "queued"
        typing.cancel()
        await asyncio.to_thread(place.client.request, "DELETE", path)
    assert agent.taken == []
