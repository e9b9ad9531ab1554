import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap

import pytest

from orchestrator.app import describe
from orchestrator.client import Client
from orchestrator.roles import Peer, Role, Roles, lineage
from sessions.model import Agent, Status

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ASK = textwrap.dedent("""
    import json, os, sys
    from pathlib import Path
    from orchestrator.client import Client
    from quarterdeck.errors import QuarterdeckError
    from quarterdeck.paths import Paths
    if "orphan" in sys.argv:
        parent = os.getpid()
        if os.fork():
            os._exit(0)
        os.setsid()
        if os.fork():
            os._exit(0)
        while os.getppid() == parent:
            pass
    client = Client(Paths(Path(sys.argv[1])), start=False)
    requests = json.load(open(sys.argv[2]))
    if "heir" in sys.argv:
        links = [client.connect() for _ in requests]
        parent = os.getpid()
        if os.fork():
            os._exit(0)
        while os.path.exists(f"/proc/{parent}"):
            pass
        client.connect = links.pop
    said = []
    for method, path, body in requests:
        try:
            said.append([200, client.request(method, path, body)])
        except QuarterdeckError as error:
            said.append([error.http_status, error.as_json()])
    Path(sys.argv[3] + ".part").write_text(json.dumps(said))
    os.rename(sys.argv[3] + ".part", sys.argv[3])
""")


class Inside:
    """Asks the API from within an agent's terminal."""

    def __init__(self, place, until, adapter="native"):
        self.place, self.until = place, until
        self.agent = place.new("sh", adapter=adapter)
        self.script = place.root / "ask.py"
        self.script.write_text(ASK)

    def ask(self, *requests, how="{}", extra=""):
        number = len(os.listdir(self.place.root))
        asked, answered = self.place.root / f"asked-{number}", self.place.root / f"answered-{number}"
        asked.write_text(json.dumps([[*request, None][:3] for request in requests]))
        words = [sys.executable, str(self.script), str(self.place.paths.home), str(asked), str(answered)]
        command = f"PYTHONPATH={shlex.quote(REPOSITORY)} " + how.format(shlex.join(words) + extra)
        self.place.type(self.agent, text=command)
        self.until(answered.exists, f"the answer of {command}; screen: {self.place.screen(self.agent)}")
        return json.loads(answered.read_text())


@pytest.fixture(scope="module")
def inside(shared):
    from tests.orchestrator.conftest import eventually

    return Inside(shared, eventually)


@pytest.fixture(scope="module")
def inside_tmux(shared):
    from tests.orchestrator.conftest import eventually

    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    return Inside(shared, eventually, "tmux")


WAYS = {
    "child": ("{}", ""),
    "in the background": ("{} &", ""),
    "a session of its own": ("setsid {}", ""),
    "nohup": ("nohup {} >/dev/null 2>&1 &", ""),
    "an orphan": ("{}", " orphan"),
    "an heir of who connected": ("{}", " heir"),
    "an heir in the background": ("setsid {} &", " heir"),
    "an heir without marks": ("env -u QUARTERDECK_AGENT {}", " heir"),
    "an orphan without marks": ("env -u QUARTERDECK_AGENT {}", " orphan"),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_caller_inside_an_agent_is_known_however_it_hides(inside, way):
    how, extra = WAYS[way]
    check_no_person(inside, how, extra)


@pytest.mark.parametrize("way", [way for way in WAYS if way != "an orphan without marks"])
def test_a_caller_inside_a_pane_is_known_unless_it_drops_every_trace(inside_tmux, way):
    how, extra = WAYS[way]
    check_no_person(inside_tmux, how, extra)


def check_no_person(inside, how, extra):
    typing = ("POST", f"/v1/agents/{inside.agent['id']}/input", {"text": "yes"})
    (status, health), (denied, _) = inside.ask(("GET", "/v1/health"), typing, how=how, extra=extra)
    assert (status, denied) == (200, 403)
    assert health["role"] in ({"agent", "unknown"} if "heir" in extra else {"agent"})


def test_a_process_that_is_gone_when_its_connection_is_accepted_has_no_rights(shared):
    me = shared.new("cat")
    script, asked, answered = (shared.root / f"gone-{name}" for name in ("ask.py", "asked", "answered"))
    script.write_text(ASK)
    changing = [("POST", f"/v1/agents/{me['id']}/input", {"text": "yes"}), ("POST", "/v1/stop", {})]
    closed = ["/v1/agents/" + me["id"], "/v1/prompts", "/v1/doctor", f"/v1/agents/{me['id']}/screen"]
    empty = ["/v1/agents", "/v1/sessions", "/v1/approvals?all=true"]
    requests = [*changing, *(("GET", path, None) for path in [*closed, *empty, "/v1/health"])]
    asked.write_text(json.dumps(requests))
    orchestrator = shared.pid()
    os.kill(orchestrator, signal.SIGSTOP)
    try:
        subprocess.run([sys.executable, script, shared.paths.home, asked, answered, "heir"], check=True, cwd=REPOSITORY)
    finally:
        os.kill(orchestrator, signal.SIGCONT)
    from tests.orchestrator.conftest import eventually

    eventually(answered.exists, "the answers")
    answers = json.loads(answered.read_text())
    assert [status for status, _ in answers] == [403] * 6 + [200] * 4
    assert [value for _, value in answers[6:9]] == [[], [], []]
    assert answers[9][1]["role"] == "unknown"


def test_an_agent_reads_what_is_its_own_and_nothing_else(inside, shared):
    other = shared.new("cat", name="other")
    me = inside.agent["id"]
    shared.client.request("POST", f"/v1/agents/{other['id']}/prompts", {"text": "not yours"})
    answers = inside.ask(
        ("GET", "/v1/agents"),
        ("GET", f"/v1/agents/{me}"),
        ("GET", f"/v1/agents/{me}/screen"),
        ("GET", f"/v1/agents/{me}/log"),
        ("GET", "/v1/sessions"),
        ("GET", "/v1/prompts"),
        ("GET", f"/v1/agents/{me}/prompts"),
        ("GET", f"/v1/agents/{other['id']}/prompts"),
        ("GET", f"/v1/agents/{other['id']}"),
        ("GET", "/v1/agents/other"),
        ("GET", f"/v1/agents/{other['id']}/screen"),
        ("GET", "/v1/agents/nobody"),
        ("GET", "/v1/doctor"),
        ("GET", "/v1/trash"),
        ("GET", "/v1/trust?workspace=/"),
        ("GET", "/v1/trust/file?path=/project.toml"),
        ("GET", "/v1/runs"),
    )
    assert [status for status, _ in answers] == [200] * 7 + [403] * 10
    assert [prompt["agent"] for _, prompts in answers[5:7] for prompt in prompts] == []
    assert [agent["id"] for agent in answers[0][1]] == [me]
    assert [session["id"] for session in answers[4][1]] == [inside.agent["session"]]


def test_an_agent_may_change_nothing_not_even_of_its_own(inside, shared):
    """Every changing route there is, as the document lists them."""
    bodies = {
        "/v1/sessions": {"name": "mine", "workspace": "/"},
        "/v1/agents": {"profile": "shell", "workspace": "/"},
        "/v1/agents/{ref}/input": {"text": "yes"},
        "/v1/agents/{ref}/resize": {"cols": 1, "lines": 1},
        "/v1/agents/{ref}/signal": {"signal": 9},
        "/v1/adopt": {"pane": "%0"},
        "/v1/trust": {"workspace": "/", "hash": ""},
        "/v1/trust/file": {"path": "/project.toml", "hash": ""},
        "/v1/agents/{ref}/prompts": {"text": "yes"},
        "/v1/broadcast": {"text": "yes", "all": True},
        "/v1/approvals/{approval}/answer": {"answer": "allow"},
        "/v1/policy/accept": {"hash": ""},
        "/v1/restore/markdown": {"workspaces": ["/"], "hash": ""},
        "/v1/memory/entries": {"body": "yes"},
        "/v1/memory/entries/{ref}/restore": {"version": "a:1"},
        "/v1/memory/entries/{ref}/missing": {"answer": "keep"},
        "/v1/memory/export": {"path": "/nowhere"},
        "/v1/runs": {"plan": {}},
    }
    changing = [
        (method.upper(), path.replace("{ref}", inside.agent["id"]), bodies.get(path, {}))
        for path, methods in describe().openapi()["paths"].items()
        for method in methods
        if method != "get"
    ]
    assert len(changing) >= 18
    answers = inside.ask(*changing)
    assert {status for status, _ in answers} == {403}, [
        (request, answer) for request, answer in zip(changing, answers, strict=True) if answer[0] != 403
    ]
    assert all(answer["fields"]["agent"] == inside.agent["id"] for _, answer in answers)
    assert shared.status(inside.agent) == "running"


def test_an_agent_gets_no_live_connection(inside):
    script = inside.place.root / "knock.py"
    script.write_text(
        "import socket, sys\n"
        "link = socket.socket(socket.AF_UNIX); link.connect(sys.argv[1])\n"
        "link.sendall(b'GET /v1/socket HTTP/1.1\\r\\nHost: q\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n'\n"
        "             b'Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\\r\\nSec-WebSocket-Version: 13\\r\\n\\r\\n')\n"
        "print('answered', link.recv(100).split()[1].decode())\n"
    )
    inside.place.type(inside.agent, text=f"{sys.executable} {script} {inside.place.paths.socket}")
    inside.place.shows(inside.agent, "answered 403")


def test_refusals_are_audited(inside, shared):
    from tests.orchestrator.test_api import _audit

    inside.ask(("POST", "/v1/stop", {"agents": True}))
    role, _, _, data = [row for row in _audit(shared) if row[1] == "stop"][-1]
    assert (role, json.loads(data)["denied"], json.loads(data)["by"]) == ("agent", True, inside.agent["id"])


def test_after_a_restart_of_the_orchestrator_it_is_the_same(inside, shared):
    shared.kill()
    assert Client(shared.paths).request("GET", "/v1/health")["role"] == "person"
    ((_, health),) = inside.ask(("GET", "/v1/health"), extra=" orphan")
    assert health["role"] == "agent"


def agent_of(pid, **more):
    return Agent(id=f"a{pid}", name="x", session="s", profile="p", adapter="tmux", argv=(), cwd="/", pid=pid, **more)


def test_the_nearest_agent_counts_and_ended_ones_do_not():
    with subprocess.Popen(["sh", "-c", "sleep 1000 & wait"], start_new_session=True) as outer:
        inner = _child(outer.pid)
        known = [agent_of(outer.pid, status=Status.RUNNING), agent_of(inner, status=Status.RUNNING)]
        roles = Roles()
        assert roles.caller(Peer(inner), known).agent == f"a{inner}"
        assert roles.caller(Peer(outer.pid), known).agent == f"a{outer.pid}"
        assert roles.caller(Peer(inner), known[:1]).agent == f"a{outer.pid}"
        assert roles.caller(Peer(inner), [agent_of(outer.pid, status=Status.INTERRUPTED)]).role is Role.PERSON
        assert roles.caller(Peer(os.getpid()), known).role is Role.PERSON
        os.kill(inner, 9)
        outer.kill()
    assert roles.caller(Peer(outer.pid), known).role is Role.UNKNOWN, "gone: its parents are not known"


def test_a_peer_that_ended_is_no_person_but_may_still_be_an_agents():
    roles = Roles()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert roles.caller(Peer.of(ours), []).role is Role.PERSON
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{folder}/s")
        listener.listen()
        knock = f"import socket; socket.socket(socket.AF_UNIX).connect({folder + '/s'!r})"
        with subprocess.Popen([sys.executable, "-c", knock]) as child:
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
            link, _ = listener.accept()
            with link:
                assert list(lineage(child.pid)), "a zombie"
                peer = Peer.of(link)
                assert roles.caller(peer, []).role is Role.UNKNOWN
                assert roles.caller(peer, [agent_of(child.pid, status=Status.RUNNING)]).role is Role.AGENT
                child.wait()
                assert roles.caller(Peer.of(link), []).role is Role.UNKNOWN
    assert roles.caller(Peer(-1), []).role is Role.UNKNOWN
    assert roles.caller(Peer(0), []).role is Role.PERSON


def _child(pid):
    import time

    end = time.monotonic() + 10
    while time.monotonic() < end:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            if found := file.read().split():
                return int(found[0])
    raise AssertionError("no child")


def test_the_kernel_names_the_peer():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert Peer.of(ours).pid == os.getpid()
    with socket.socket() as unconnected:
        assert Peer.of(unconnected).pid == 0
    assert next(lineage(os.getpid()))[0] == os.getpid()
    assert list(lineage(0)) == []
