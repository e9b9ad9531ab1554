"""Searching what agents printed and wrote down, over HTTP, with real agents."""

import json
import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from quarterdeck.errors import Invalid
from tests.orchestrator.conftest import Place, eventually
from tests.orchestrator.test_roles import Inside
from tests.support.memory_api import Memory

ERROR = "printf '\\033[31mError:\\033[0m EADDRINUSE port 8421 is taken\\r\\n'"


def search(place, words, **more):
    """What is found once everything is searched."""
    memory = Memory(place.client, place.workspace)

    def asked():
        answer = memory.get("search", q=words, texts=True, **more)
        return None if answer["behind"] else answer

    return eventually(asked, "a whole search")["texts"]


def names(found):
    return [one["agent_name"] for one in found]


@pytest.fixture(scope="module")
def place(_no_user_settings):
    place = Place()
    yield place
    place.close()


def test_which_agent_saw_this_error_is_one_query(place):
    api = place.new("sh", "-c", f"{ERROR}; exec sleep 1000", name="api")
    web = place.new("sh", "-c", "echo all is well; exec sleep 1000", name="web")
    place.shows(api, "EADDRINUSE")
    place.shows(web, "all is well")
    (found,) = search(place, '"port 8421" EADDRINUSE')
    assert (found["agent"], found["agent_name"]) == (api["id"], "api")
    assert found["snippet"] == "Error: \x02EADDRINUSE\x03 \x02port 8421\x03 is taken"
    where = found["where"]
    assert where["kind"] == "journal"
    journal = place.paths.agents / api["id"] / "journal" / f"{0:020d}.log"
    assert b"EADDRINUSE" in journal.read_bytes()[where["start"] : where["end"]]
    assert names(search(place, "well OR EADDRINUSE")) == [], "it is no language of operators"
    assert names(search(place, "well")) == ["web"]
    assert search(place, "well agent:api") == []
    assert names(search(place, "well agent:web")) == ["web"]
    assert names(search(place, "well by:agent/")) == ["web"]
    assert search(place, "well until:2020-01-01") == []
    assert search(place, "well kind:error") == [], "no text is of a kind of entries"
    assert search(place, "well", kind="error") == []
    assert search(place, "well in:session/nowhere") == []
    assert Memory(place.client, place.workspace).get("search", q="well")["texts"] == []


def test_what_is_printed_later_is_found_by_the_next_search(place):
    shell = place.new("sh", name="shell")
    place.type(shell, text="echo fir''stword")
    place.shows(shell, "firstword")
    assert names(search(place, "firstword")) == ["shell"]
    place.type(shell, text="echo sec''ondword")
    place.shows(shell, "secondword")
    assert names(search(place, "secondword")) == ["shell"]
    assert names(search(place, "firstword")) == ["shell"], "and nothing twice"


def test_an_agent_that_ended_is_indexed_without_being_asked_and_found_in_the_trash_until_it_is_purged(place):
    gone = place.new("sh", "-c", "echo lastwordofit", name="gone")
    eventually(lambda: place.status(gone) == "exited", "its end")
    database = place.paths.memory / "text.db"

    def stored():
        if not database.exists():
            return False
        with closing(sqlite3.connect(database)) as db:
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'passages'").fetchone():
                return False  # it is only being made
            return db.execute("SELECT 1 FROM passages WHERE text LIKE '%lastwordofit%'").fetchone()

    eventually(stored, "its text in the index")
    place.client.request("DELETE", f"/v1/agents/{gone['id']}")
    assert names(search(place, "lastwordofit")) == ["gone"]
    place.kill()
    assert names(search(place, "lastwordofit")) == ["gone"]
    place.client.request("DELETE", f"/v1/trash/{gone['id']}")
    eventually(lambda: not search(place, "lastwordofit"), "it is forgotten")
    eventually(lambda: not stored(), "its text is deleted")


def test_a_kill_and_a_lost_or_damaged_index_lose_nothing(place):
    noisy = place.new("sh", "-c", "seq -f 'unique%gline' 1 3000; exec sleep 1000", name="noisy")
    place.shows(noisy, "unique3000line")
    assert names(search(place, "unique1234line")) == ["noisy"]
    database = place.paths.memory / "text.db"
    for damage in (None, b"", os.urandom(30_000)):
        place.kill()
        if damage is not None:
            for file in place.paths.memory.glob("text.db*"):
                file.unlink()
            database.write_bytes(damage)
        for word in ("unique1line", "unique1234line", "unique3000line"):
            eventually(lambda word=word: names(search(place, word)) == ["noisy"], f"{word} once")


def test_transcripts_are_texts_too(place, tmp_path):
    program = place.root / "bin" / "claude"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexec sleep 1000\n")
    program.chmod(0o755)
    environ = place.environ | {"PATH": f"{program.parent}:{place.environ['PATH']}"}
    agent = place.new(profile="claude", name="claude", environ=environ)
    folder = Path(
        place.environ["HOME"], ".claude", "projects", re.sub(r"[^A-Za-z0-9]", "-", str(place.workspace.resolve()))
    )
    folder.mkdir(parents=True)
    told = place.client.request("GET", f"/v1/agents/{agent['id']}")
    lines = [
        {"type": "user", "message": {"content": "why does the flurbizer hang"}, "timestamp": "2026-01-31T10:00:00Z"},
        {
            "type": "assistant",
            "timestamp": "2026-01-31T10:00:05Z",
            "message": {
                "content": [{"type": "text", "text": "because of\n" + "filler " * 900 + "\nthe zorbing deadlock"}],
                "stop_reason": "end_turn",
            },
        },
    ]
    transcript = folder / f"{told['resume_id']}.jsonl"
    transcript.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (prompt,) = search(place, "flurbizer")
    assert prompt["snippet"] == "why does the \x02flurbizer\x03 hang"
    assert prompt["where"] == {"kind": "transcript", "start": 0, "end": len(json.dumps(lines[0])) + 1} | {
        "file": str(transcript)
    }
    assert prompt["at_ns"] == 1769853600 * 10**9
    (answer,) = search(place, "zorbing")
    assert answer["snippet"] == "the \x02zorbing\x03 deadlock"
    transcript.unlink()
    assert names(search(place, "zorbing")) == ["claude"], "what was seen stays"


def test_an_agent_finds_its_own_texts_only(place):
    inside = Inside(place, eventually)
    other = place.new("sh", "-c", "echo sharedword of another; exec sleep 1000", name="another")
    place.shows(other, "sharedword")
    place.type(inside.agent, text="echo shared''word of mine")
    place.shows(inside.agent, "sharedword of mine")
    assert set(names(search(place, "sharedword"))) == {"another", inside.agent["name"]}
    memory = Memory(place.client, place.workspace)
    paths = [memory.path("search", q=words, texts=True) for words in ("sharedword", "sharedword agent:another")]
    (status, mine), (_, theirs) = inside.ask(*(("GET", path) for path in paths))
    assert status == 200
    assert set(names(mine["texts"])) == {inside.agent["name"]}
    assert theirs["texts"] == []


def test_secrets_of_agents_are_not_in_the_index(place):
    environ = place.environ | {"SHOP_TOKEN": "zq8-Fw3pLm2-vT"}
    agent = place.new("sh", "-c", "echo it is $SHOP_TOKEN indeed; exec sleep 1000", name="leaky", environ=environ)
    place.shows(agent, "indeed")
    (found,) = search(place, "indeed agent:leaky")
    assert "zq8" not in found["snippet"]
    assert "redacted" in found["snippet"]


def test_a_query_that_is_not_understood(place):
    with pytest.raises(Invalid, match="no day or time"):
        Memory(place.client, place.workspace).get("search", q="since:nonsense", texts=True)
