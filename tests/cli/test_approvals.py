"""``inbox``, ``approve`` and ``deny`` on a real orchestrator with a real program that asks."""

import json
import os
import shutil
import signal
import subprocess

import pytest

from orchestrator.client import Client
from tests.sessions.approvals.conftest import SUPPORT, Asker

NASTY = "echo \x1b[31m\x1b]0;owned\x07 \u202e [bold]x[/]"


@pytest.fixture
def asking(deck, folder, until):
    """Start an agent that asks what it is told to."""
    profiles = folder / "config" / "quarterdeck" / "profiles"
    profiles.mkdir(parents=True)
    shutil.copy(SUPPORT / "asker.toml", profiles)
    deck.environ["XDG_CONFIG_HOME"] = str(folder / "config")
    started = []

    def start(name):
        asker = Asker(folder, name)
        started.append(asker)
        asker.agent = deck.json("new", "asker", "--name", name, "--", *asker.argv)
        until(lambda: deck.json("ls")[-1]["status"] in ("idle", "done"), what="it is idle")
        return asker

    yield start
    for asker in started:
        asker.close()


def waiting(deck, until, count=1, drawn=1):
    """What is open, once ``drawn`` dialogs were found on their screens."""
    client = Client(deck.paths)

    def found():
        listed = client.request("GET", "/v1/approvals")
        return listed if len(listed) == count and sum(bool(one["shown"]) for one in listed) >= drawn else []

    return until(found, what=f"{count} requests")


def test_the_inbox_and_the_answers(deck, asking, until):
    assert "nobody asks" in deck.run("inbox").stderr
    first, second = asking("api"), asking("docs")
    assert "asks for nothing" in deck.run("approve", "api", code=3).stderr
    first.ask("alembic upgrade head")
    waiting(deck, until)
    second.ask(NASTY, "hook", "status")
    one, two = waiting(deck, until, 2)
    lines = deck.out("inbox").splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [
        [one["id"], "api", "permission"],
        [two["id"], "docs", "permission"],
    ]
    assert "Bash: alembic upgrade head" in lines[1]
    assert "allow, always, deny" in lines[1]
    assert all(line.isprintable() for line in lines)
    assert [listed["id"] for listed in deck.json("inbox")] == [one["id"], two["id"]]

    said = deck.out("approve", "api")
    assert said == "allowed once: Bash (api)\n  alembic upgrade head\n"
    assert first.typed() == [("1", "alembic upgrade head")]
    again = deck.run("approve", one["id"], code=4)
    assert "allowed once already by person" in again.stderr

    denied = deck.run("deny", two["id"], "--reason", "no colours", code=None)
    assert "\x1b" not in denied.stdout + denied.stderr
    assert deck.json("inbox", "--all")[-1]["id"] == one["id"]


def test_always_json_and_what_is_ambiguous(deck, asking, until):
    asker = asking("api")
    asker.ask("ls one", "hook", "status")
    (one,) = waiting(deck, until)
    assert deck.run("approve", "nobody", code=3).stderr.startswith("error: no ")
    assert deck.run("approve", code=2)
    assert deck.run("approve", "api", "--wait", "999", code=2)
    done = deck.json("approve", one["id"][:6], "--always")
    assert (done["state"], done["answer"], done["command"]) == ("allowed", "always", "ls one")
    assert asker.typed() == [("2", "ls one")]
    error = json.loads(deck.run("deny", "api", "--json", code=3).stderr)
    assert error["error"] == "not_found"


def test_what_was_shown_is_what_is_answered(deck, asking, until):
    asker = asking("api")
    asker.ask("ls one")
    waiting(deck, until)
    (shown,) = deck.json("inbox")
    asker.ask("ls one", "hook", "status", tool="Run")
    (one,) = until(lambda: [a for a in deck.json("inbox") if a["tool"] == "Run"], what="its hook tells more")
    assert one["digest"] != shown["digest"]
    for verb in ("approve", "deny"):
        refused = json.loads(deck.run(verb, one["id"], "--expect", shown["digest"], "--json", code=4).stderr)
        assert "something else than was shown: Run: ls one" in refused["message"]
        assert refused["fields"]["digest"] == one["digest"]
    assert asker.typed() == []
    assert deck.json("approve", one["id"], "--expect", one["digest"])["state"] == "allowed"


def test_another_dialog_is_not_answered(deck, asking, until):
    asker = asking("api")
    asker.ask("ls one")
    waiting(deck, until)
    asker.tell(swap={"tool": "Bash", "command": "rm -rf /"})
    deck.sees("api", "rm -rf /")
    (one,) = until(lambda: [a for a in Client(deck.paths).request("GET", "/v1/approvals") if a["command"] != "ls one"])
    assert deck.run("deny", one["id"]).stdout.startswith("denied: Bash (api)")
    assert [key for key, _ in asker.typed()] == ["\x1b"]


def test_watching(deck, asking, until, folder):
    asker = asking("api")
    seen = folder / "seen"
    with seen.open("wb") as out:
        watch = subprocess.Popen(deck.command("inbox", "--watch"), stdout=out, env=deck.environ, cwd=deck.work)
        try:
            asker.ask("ls one")
            waiting(deck, until)
            until(lambda: " api permission open: Bash: ls one" in seen.read_text(), what="it is shown")
            deck.run("approve", "api")
            until(lambda: " api permission allowed: Bash: ls one" in seen.read_text(), what="its end is shown")
        finally:
            os.kill(watch.pid, signal.SIGINT)
            watch.wait()
    assert watch.returncode == 130


def test_an_answer_of_which_nobody_can_know_is_told_so(deck, asking, until):
    asker = asking("api")
    asker.tell(deaf=True)
    asker.ask("touch a.txt", "asking", "status", "undrawn")
    (one,) = waiting(deck, until, drawn=0)
    until(lambda: "deny" in deck.json("inbox")[0]["can"], what="its hook waits")
    done = deck.run("approve", one["id"])
    assert done.stdout == "given, not confirmed (allow): Bash (api)\n  touch a.txt\n"
    assert "nothing shows that it was taken; look at it: quarterdeck show api" in done.stderr


def test_an_answer_that_has_no_effect_is_told(deck, asking, until):
    asker = asking("api")
    asker.tell(deaf=True)
    asker.ask("ls one")
    waiting(deck, until)
    told = deck.run("approve", "api", "--wait", "0.2", code=124)
    assert "nothing shows yet" in told.stderr
    assert deck.out("inbox").splitlines()[1].split()[2:4] == ["permission,", "answering"]
