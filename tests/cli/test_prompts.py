"""``send``, ``broadcast`` and ``queue`` on a real agent."""

import json
import os
import signal

import pytest

from tests.sessions.outbox.conftest import profile


class Promptee:
    def __init__(self, deck, until, name, **options):
        self.deck, self.until, self.name = deck, until, name
        self.folder = deck.home.parent / f"folder-{name}"
        self.folder.mkdir()
        (self.folder / "options").write_text(json.dumps(options))
        deck.run("new", "promptee", "--name", name, "--", str(self.folder))
        until(lambda: self.agent["status"] == "idle", what="it is idle")

    @property
    def agent(self):
        return next(one for one in self.deck.json("ls") if one["name"] == self.name)

    @property
    def taken(self):
        path = self.folder / "taken"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def ask(self):
        os.kill(self.agent["pid"], signal.SIGUSR1)
        self.until(lambda: self.agent["status"] == "blocked", what="it asks")


@pytest.fixture
def start(deck, until):
    """Start agents that take prompts, by name."""
    folder = deck.home.parent / "config" / "quarterdeck" / "profiles"
    folder.mkdir(parents=True)
    (folder / "promptee.toml").write_text(profile())
    deck.environ["XDG_CONFIG_HOME"] = str(deck.home.parent / "config")
    return lambda name, **options: Promptee(deck, until, name, **options)


def test_send(deck, start):
    agent = start("one")
    assert deck.out("send", "one", "say hello", "--wait").startswith("one: accepted (by ")
    done = deck.json("send", "one", "-", "--wait=idle", input="from\nstdin\n")
    assert (done["state"], done["finished"], done["text"]) == ("accepted", True, "from\nstdin")
    file = deck.work / "prompt.txt"
    file.write_text("from a file")
    deck.run("send", "one", "--file", str(file), "--wait")
    assert agent.taken == ["say hello", "from\nstdin", "from a file"]
    assert "there is no text to send" in deck.run("send", "one", "", code=2).stderr
    assert "there is no text to send" in deck.run("send", "one", code=2).stderr
    assert "given twice" in deck.run("send", "one", "x", "--file", str(file), code=2).stderr
    assert "does not exist" in deck.run("send", "one", "--file", "nothing", code=3).stderr
    assert "past the queue" in deck.run("send", "one", "x", "--no-enter", "--now", code=2).stderr


def test_send_says_what_it_waits_for(deck, start):
    agent = start("one", turn=60)
    agent.ask()
    assert deck.out("send", "one", "go on") == "one: queued: waits: it asks for a permission\n"
    done = deck.run("send", "one", "go on", "--now", code=4)
    assert "one: it asks for a permission; nothing was sent" in done.stderr
    assert deck.run("send", "one", "more", "--wait", "--timeout", "0.2", code=124).stdout.startswith("one: queued")
    deck.run("keys", "one", "1")
    assert deck.run("send", "one", "last", "--wait=idle", "--timeout", "0.5", code=124)
    deck.run("kill", "one", "--grace", "0.2")
    assert "quarterdeck restore one" in deck.run("send", "one", "x", code=4).stderr


def test_the_queue(deck, start, until):
    agent = start("one")
    agent.ask()
    assert "no prompt waits" in deck.run("queue").stderr
    first, second, third = [deck.json("send", "one", word)["id"] for word in ("first", "second", "third")]
    listed = deck.out("queue", "ls", "one")
    assert [line.split()[0] for line in listed.splitlines()[1:]] == [first, second, third]
    assert "waits: it asks for a permission" in listed
    assert deck.out("queue", "move", third[:6], "first") == f"{third} is queued\n"
    assert "counted from 1" in deck.run("queue", "move", first, "0", code=2).stderr
    assert "3 prompts wait" in deck.run("queue", "move", first, "99", code=2).stderr
    assert [one["id"] for one in deck.json("queue")] == [third, first, second]
    deck.run("queue", "move", first, "2")
    deck.run("queue", "move", second, first)
    assert deck.json("queue", "edit", second, "zweitens")[0]["text"] == "zweitens"
    assert deck.out("queue", "cancel", first) == f"{first} is cancelled\n"
    assert [one["id"] for one in deck.json("queue")] == [third, second]
    assert "can no longer be cancelled" in deck.run("queue", "cancel", first, code=4).stderr
    assert "no prompt" in deck.run("queue", "edit", "zzzz", "x", code=3).stderr
    deck.run("keys", "one", "1")
    until(lambda: agent.taken == ["third", "zweitens"], what="both are taken")
    until(lambda: not deck.json("queue"), what="the queue is empty")
    states = {one["id"]: one["state"] for one in deck.json("queue", "ls", "--all")}
    assert states == {first: "cancelled", second: "accepted", third: "accepted"}


def test_broadcast(deck, start):
    one, two, three = start("one"), start("two"), start("three")
    two.ask()
    deck.run("kill", "three", "--grace", "0.2")
    said = deck.out("broadcast", "all hands", "--all", "--wait").splitlines()
    assert said[0].startswith("one: accepted (by ")
    assert set(said[1:]) == {
        "two: passed over: it asks for a permission",
        f"three: passed over: its program has ended ({three.agent['reason']})",
    }
    told = deck.json("broadcast", "to you", "one", "--profile", "promptee")
    assert [one["name"] for one in told["receipts"]] == ["one"]
    assert "nobody is chosen" in deck.run("broadcast", "x", code=2).stderr
    assert "sent to nobody" in deck.run("broadcast", "x", "two", code=4).stderr
    assert "sent to nobody" in deck.run("broadcast", "x", "--tag", "api", code=4).stderr
    deck.run("tag", "one", "two", "--add", "api")
    said = deck.out("broadcast", "to the api", "--tag", "api", "--wait").splitlines()
    assert said[0].startswith("one: accepted (by ")
    assert said[1:] == ["two: passed over: it asks for a permission"]
    assert two.taken == []
    assert one.taken[0] == "all hands"


def test_interrupt(deck, start):
    agent = start("api", turn=60)
    refused = deck.run("interrupt", "api", code=4)
    assert "is idle, not working; nothing was typed" in refused.stderr
    deck.run("send", "api", "work on", "--wait")
    told = deck.run("interrupt", "api", "--wait", "0.1", code=124)
    assert "ctrl+c was typed, and nothing shows that it stopped: it is working" in told.stderr
    done = json.loads(deck.run("interrupt", "api", "--wait", "0", "--json", code=124).stdout)
    assert (done["pressed"], done["confirmed"], done["status"]) == (["ctrl+c"], False, "working")
    (agent.folder / "options").write_text(json.dumps({"stops": True}))
    assert deck.json("interrupt", "api")["confirmed"]
