"""Status over the API: what a program says of itself, why, waiting, and that a person looked."""

import json
import threading

import pytest

from quarterdeck.errors import Invalid, NotFound

REPORTS = r"""
say() { printf '\033]7501;state=%s\033\\' "$1"; }
while read -r word; do
    case "$word" in
        quit) exit 3;;
        *) say "$word"; echo "said $word";;
    esac
done
"""


@pytest.fixture
def profile(place):
    """A kind of agent that does what it is told and speaks OSC 7501."""
    folder = place.root / "config" / "quarterdeck" / "profiles"
    folder.mkdir(parents=True)
    (place.root / "says").write_text(REPORTS)
    command = json.dumps(["sh", str(place.root / "says")])
    (folder / "told.toml").write_text(f'kind = "agent"\nargv = {command}\n[sources]\nprogram = true\n')
    return "told"


@pytest.fixture
def told(place, profile, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(place.root / "config"))
    monkeypatch.setenv("HOME", str(place.root))
    return place.new(profile=profile)


def says(place, agent, word):
    place.type(agent, text=word)
    place.shows(agent, f"said {word}")


def ask(place, agent, path, method="GET"):
    return place.client.request(method, f"/v1/agents/{agent['id']}/{path}")


def test_a_status_is_explained_waited_for_and_seen(place, told):
    assert told["status"] == "starting"
    says(place, told, "idle")
    assert ask(place, told, "wait?until=idle&seconds=20")["reached"]
    reached = []
    waiter = threading.Thread(target=lambda: reached.append(ask(place, told, "wait?until=blocked,done&seconds=30")))
    waiter.start()
    says(place, told, "working")
    says(place, told, "blocked")
    waiter.join(30)
    assert reached[0]["reached"]
    assert reached[0]["agent"]["status"] == "blocked"
    assert reached[0]["agent"]["doing"]["kind"] == "permission"
    why = ask(place, told, "why")
    assert (why["status"], why["decided_by"]) == ("blocked", "program")
    assert [(one["source"], one["sign"], one["believed"]) for one in why["sources"]] == [("program", "blocked", True)]
    assert [one["status"] for one in why["transitions"]] == ["blocked", "working", "idle"]
    assert why["transitions"][0]["cause"]["text"] == "program status (OSC 7501)"
    says(place, told, "working")
    says(place, told, "done")
    agent = ask(place, told, "wait?until=idle&seconds=20")["agent"]
    assert (agent["status"], agent["doing"]["unread"]) == ("done", 1)
    assert ask(place, told, "seen", "POST")["status"] == "idle"
    soon = ask(place, told, "wait?until=working&seconds=0.05")
    assert (soon["reached"], soon["agent"]["alive"]) == (False, True)
    place.type(told, text="quit")
    over = ask(place, told, "wait?until=working&seconds=30")
    assert (over["reached"], over["agent"]["status"], over["agent"]["alive"]) == (False, "exited", False)
    assert ask(place, told, "wait?until=ended&seconds=30")["reached"]
    assert ask(place, told, "why")["sources"]
    with pytest.raises(Invalid, match="no status"):
        ask(place, told, "wait?until=idel")
    with pytest.raises(Invalid):
        ask(place, told, "wait?until=idle&seconds=1e9")
    with pytest.raises(NotFound):
        place.client.request("GET", "/v1/agents/nobody/why")


def test_blocked_and_done_survive_the_death_of_the_orchestrator(place, told, profile):
    other = place.new(profile=profile)
    for agent, word in ((told, "blocked"), (other, "done")):
        says(place, agent, "working")
        says(place, agent, word)
        assert ask(place, agent, f"wait?until={word}&seconds=20")["reached"]
    place.kill()
    now = {one["id"]: one for one in place.client.request("GET", "/v1/agents")}
    assert now[told["id"]]["status"] == "blocked"
    assert (now[other["id"]]["status"], now[other["id"]]["doing"]["unread"]) == ("done", 1)
    place.kill()
    # it goes on while nobody is there
    last = now[told["id"]]["since_ns"]
    assert place.client.request("GET", f"/v1/agents/{told['id']}")["since_ns"] == last
    says(place, told, "working")
    assert ask(place, told, "wait?until=working&seconds=20")["reached"]


def test_waiting_ends_when_the_agent_is_removed(place, told):
    ended = []

    def wait():
        try:
            ended.append(ask(place, told, "wait?until=working&seconds=30")["reached"])  # its program is ended first
        except NotFound:
            ended.append(False)

    waiter = threading.Thread(target=wait)
    waiter.start()
    place.client.request("DELETE", f"/v1/agents/{told['id']}?force=1")
    waiter.join(30)
    assert ended == [False]
