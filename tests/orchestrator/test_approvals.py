"""Approvals over the API: a real orchestrator, a real program that asks, hostile words."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from quarterdeck.errors import Invalid, NotFound, NotPermitted, QuarterdeckError, Refused
from tests.sessions.approvals.conftest import SUPPORT, Asker

HOSTILE = [
    "echo \x1b[31mred\x1b[0m",
    "echo \x1b]0;title\x07 \x1b]52;c;AAAA\x07",
    "echo a\r\nb\tc\x00d",
    "echo \u202egnp.exe \u2066x\u2069",
    "echo [bold red]markup[/] {{x}} %s %n",
    "echo \ud800 lone",
    "x" * 300_000,
    "\n" * 5_000,
    "; DROP TABLE approvals; --",
    "-rf --help",
]


@pytest.fixture
def asking(shared, until, request):
    """Start an agent that asks what it is told to."""
    folder = Path(os.environ["XDG_CONFIG_HOME"]) / "quarterdeck" / "profiles"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(SUPPORT / "asker.toml", folder)
    started = []

    def start():
        name = f"asks{len(started)}-{abs(hash(request.node.name)) % 10**6}"
        asker = Asker(shared.root, name)
        started.append(asker)
        asker.agent = shared.new(*asker.argv, name=name, profile="asker")
        until(lambda: shared.status(asker.agent) in ("idle", "done"), "it is idle")
        return asker

    yield start
    for asker in started:
        asker.close()
        until(lambda a=asker: shared.status(a.agent) == "exited", "it ends")
    (folder / "asker.toml").unlink()


def get(place, path):
    return place.client.request("GET", f"/v1/{path}")


def answer(place, ident, word, **more):
    return place.client.request("POST", f"/v1/approvals/{ident}/answer", {"answer": word} | more)


def waiting(place, asker, until, count=1):
    path = f"agents/{asker.agent['id']}/approvals"
    return until(lambda: found if len(found := get(place, path)) == count and found[0]["shown"] else [], "it asks")


def test_a_request_is_listed_shown_and_answered(shared, asking, until):
    asker = asking()
    asker.ask("touch a.txt", "hook", "status")
    (one,) = waiting(shared, asker, until)
    assert one == {**get(shared, f"approvals/{one['id']}"), **one}
    assert one["id"] in [other["id"] for other in get(shared, "approvals")]
    assert (one["what"], one["state"], one["can"]) == ("Bash: touch a.txt", "open", ["allow", "always", "deny"])
    assert one["agent_name"] == asker.agent["name"]
    assert not {"reply", "key", "write_id"} & set(one)
    done = answer(shared, one["id"][:5], "allow", wait=30)
    assert (done["state"], done["answer"], done["answered_by"]) == ("allowed", "allow", "person")
    assert asker.typed() == [("1", "touch a.txt")]
    assert get(shared, f"agents/{asker.agent['id']}/approvals") == []
    assert [a["state"] for a in get(shared, f"agents/{asker.agent['id']}/approvals?all=1")] == ["allowed"]
    with pytest.raises(Refused, match="allowed once already by person"):
        answer(shared, one["id"], "deny")


def test_what_happens_is_told_by_events(shared, asking, until):
    before = get(shared, "health").get("cursor", 0)
    asker = asking()
    asker.ask("touch a.txt")
    (one,) = waiting(shared, asker, until)
    answer(shared, one["id"], "deny", wait=30)
    kinds = []
    for line in shared.client.stream("GET", f"/v1/events?cursor={before}"):
        if line.startswith(b"data:"):
            event = json.loads(line[5:])
            if event["data"].get("approval") == one["id"]:
                kinds.append(event["kind"])
                assert event["agent"] == asker.agent["id"]
                assert len(json.dumps(event["data"])) < 2000
        if kinds and kinds[-1] == "approval.closed":
            break
    assert kinds[0] == "approval.opened"
    assert kinds[-2:] == ["approval.answered", "approval.closed"]


def test_what_makes_no_sense_is_refused(shared, asking, until):
    asker = asking()
    asker.ask("touch a.txt")
    (one,) = waiting(shared, asker, until)
    for body in ({}, {"answer": "yes"}, {"answer": "allow", "reason": "x" * 5000}, {"answer": "deny", "more": 1}):
        with pytest.raises(Invalid):
            shared.client.request("POST", f"/v1/approvals/{one['id']}/answer", body)
    with pytest.raises(NotFound):
        answer(shared, "nobody", "allow")
    for path in ("approvals/nobody", "approvals/%25", "agents/nobody/approvals"):
        with pytest.raises(NotFound):
            get(shared, path)
    with pytest.raises(Invalid):
        get(shared, "approvals?limit=0")
    assert asker.typed() == []


def test_an_agent_answers_nothing_and_sees_its_own(shared, asking, until):
    """A caller inside an agent: no answer, not even for itself, and each attempt is audited."""
    asker = asking()
    asker.ask("touch a.txt")
    (one,) = waiting(shared, asker, until)
    result = shared.root / "inside.json"
    script = (
        "import json, sys\n"
        "from quarterdeck.paths import Paths\n"
        "from pathlib import Path\n"
        "from orchestrator.client import Client\n"
        "from quarterdeck.errors import QuarterdeckError\n"
        "client, said = Client(Paths(Path(sys.argv[1]))), []\n"
        "asks = [('GET', '/v1/approvals', None), ('GET', '/v1/approvals/' + sys.argv[2], None)]\n"
        "for one in (sys.argv[2], 'nobody'):\n"
        "    asks.append(('POST', '/v1/approvals/' + one + '/answer', {'answer': 'allow'}))\n"
        "for method, path, body in asks:\n"
        "    try:\n"
        "        said.append(client.request(method, path, body))\n"
        "    except QuarterdeckError as error:\n"
        "        said.append(error.code)\n"
        "Path(sys.argv[3] + '.part').write_text(json.dumps(said))\n"
        "Path(sys.argv[3] + '.part').rename(sys.argv[3])\n"
    )
    argv = [sys.executable, "-c", script, str(shared.paths.home), one["id"], str(result)]
    inside = shared.new(*argv, environ=shared.environ | {"PYTHONPATH": str(Path(__file__).parents[2])})
    until(result.exists, "it has tried")
    assert json.loads(result.read_text()) == [[], "not_permitted", "not_permitted", "not_permitted"]
    assert asker.typed() == []
    until(lambda: shared.status(inside) == "exited", "it ends")
    assert get(shared, f"approvals/{one['id']}")["state"] == "open"


@pytest.mark.parametrize("command", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_words_are_bounded_and_harmless(shared, asking, until, command):
    asker = asking()
    asker.ask(command, "hook", tool="Bash")
    path = f"agents/{asker.agent['id']}/approvals"
    (one,) = until(lambda: get(shared, path), "it asks")
    assert len(json.dumps(one)) < 200_000
    for key in ("what", "tool", "agent_name"):
        assert one[key].isprintable()
        assert len(one[key]) <= 200
    done = answer(shared, one["id"], "deny", wait=30) if "deny" in one["can"] else None
    assert done is None or done["state"] in ("denied", "open")


def test_a_large_diff_is_bounded(shared, asking, until):
    asker = asking()
    patch = "*** Begin Patch\n*** Update File: a.py\n" + "+x = '\x1b[31m'\n" * 30_000
    asker.ask(patch, "hook", tool="apply_patch")
    (one,) = until(lambda: get(shared, f"agents/{asker.agent['id']}/approvals"), "it asks")
    assert one["diff"]
    assert len(one["diff"]) < 70_000


def test_many_at_once_answer_one(shared, asking, until):
    """Ten clients answer the same request: one does, nine are told who."""
    from concurrent.futures import ThreadPoolExecutor

    asker = asking()
    asker.ask("touch a.txt")
    (one,) = waiting(shared, asker, until)

    def attempt(number):
        try:
            return answer(shared, one["id"], "deny" if number % 2 else "allow", wait=30)["state"]
        except NotPermitted:
            raise
        except QuarterdeckError as error:
            return error.code

    with ThreadPoolExecutor(10) as pool:
        said = list(pool.map(attempt, range(10)))
    assert sorted(said)[:1] + sorted(said)[-9:] in (["allowed"] + ["refused"] * 9, ["denied"] + ["refused"] * 9)
    assert len(asker.typed()) == 1
