import base64
import json
import os
import signal
import socket as sockets

import pytest

from orchestrator.client import Client, request_bytes
from quarterdeck.errors import Gone, Invalid, NotFound, Refused
from quarterdeck.process import identity


@pytest.fixture
def session(shared, request):
    """A session of the test's own."""
    name = request.node.name.translate(str.maketrans("", "", "[]"))[:60]
    return shared.client.request("POST", "/v1/sessions", {"name": name, "workspace": str(shared.workspace)})


def ask(shared, method, path, body=None):
    return shared.client.request(method, path, body)


def test_health(shared):
    said = ask(shared, "GET", "/v1/health")
    assert (said["pid"], said["home"], said["role"]) == (shared.pid(), str(shared.paths.home), "person")


def test_a_session_is_made_changed_and_removed(shared):
    made = ask(shared, "POST", "/v1/sessions", {"name": "one", "workspace": str(shared.workspace)})
    assert made["agents"] == 0
    changed = ask(shared, "PATCH", "/v1/sessions/one", {"name": "two", "layout": "left|right"})
    assert (changed["id"], changed["name"], changed["layout"]) == (made["id"], "two", "left|right")
    assert changed in ask(shared, "GET", "/v1/sessions")
    with pytest.raises(Refused, match="already"):
        ask(shared, "POST", "/v1/sessions", {"name": "two", "workspace": str(shared.workspace)})
    assert ask(shared, "DELETE", "/v1/sessions/two") is None
    with pytest.raises(NotFound, match="two"):
        ask(shared, "GET", "/v1/sessions/two")


def test_an_agent_from_start_to_trash_and_back(shared, session, until):
    agent = shared.new("sh", name="worker", session=session["name"], cols=60, lines=10)
    assert (agent["session_name"], agent["status"], agent["cols"]) == (session["name"], "running", 60)
    assert "environ" not in agent
    assert identity(agent["pid"])
    assert shared.type(agent, text="echo one$((1+1))three")["status"] == "written"
    shared.shows(agent, "one2three")
    assert shared.type(agent, keys=["e", "c", "h", "o", "space", "!", "enter"])["status"] == "written"
    shared.shows(agent, "\n!\n")
    assert shared.type(agent, data=base64.b64encode(b"echo r\xc3\xa9w\r").decode())["status"] == "written"
    shared.shows(agent, "\nréw\n")
    assert shared.type(agent, paste="echo pasted")["status"] == "written"
    shared.type(agent, keys=["enter"])
    shared.shows(agent, "\npasted\n")

    path = f"/v1/agents/{session['name']}%2Fworker"
    assert ask(shared, "GET", path)["id"] == agent["id"]
    assert ask(shared, "GET", f"/v1/agents/{agent['id'][:6]}")["id"] == agent["id"]
    assert ask(shared, "PATCH", path, {"name": "renamed", "restore": "never"})["restore"] == "never"
    assert [a["name"] for a in ask(shared, "GET", f"/v1/agents?session={session['name']}")] == ["renamed"]
    with pytest.raises(Refused, match="still running"):
        ask(shared, "DELETE", f"/v1/agents/{agent['id']}")
    ended = ask(shared, "POST", f"/v1/agents/{agent['id']}/end", {"grace": 5})
    assert identity(agent["pid"]) is None
    assert ended["id"] == agent["id"]
    until(lambda: shared.status(agent) == "exited")
    assert "pasted" in shared.screen(agent), "its screen stays"
    assert ask(shared, "DELETE", f"/v1/agents/{agent['id']}")["removed_ns"] > 0
    assert agent["id"] in {one["id"] for one in ask(shared, "GET", "/v1/trash")}
    back = ask(shared, "POST", f"/v1/trash/{agent['id']}/restore")
    assert back["name"] == "renamed"
    assert "pasted" in shared.screen(agent)
    ask(shared, "DELETE", f"/v1/agents/{agent['id']}")
    assert ask(shared, "DELETE", f"/v1/trash/{agent['id']}") is None
    assert agent["id"] not in {one["id"] for one in ask(shared, "GET", "/v1/trash")}


def test_agents_are_tagged_and_found_by_their_tags(shared, session):
    name = session["name"]
    one = shared.new("cat", session=name, tags=["web", "api", "api"])
    two = shared.new("cat", session=name)
    assert (one["tags"], two["tags"]) == (["api", "web"], [])
    path = f"/v1/agents/{two['id']}"
    assert ask(shared, "PATCH", path, {"add_tags": ["api", "needs-review"]})["tags"] == ["api", "needs-review"]
    changed = ask(shared, "PATCH", path, {"add_tags": ["docs"], "remove_tags": ["needs-review"]})
    assert changed["tags"] == ["api", "docs"]

    def tagged(*tags):
        query = "".join(f"&tag={tag}" for tag in tags)
        return [agent["id"] for agent in ask(shared, "GET", f"/v1/agents?session={name}{query}")]

    assert tagged() == tagged("api") == [one["id"], two["id"]]
    assert tagged("api", "docs") == [two["id"]]
    assert tagged("nothing") == []
    for wrong in ("No", "a%20b", ""):
        with pytest.raises(Invalid, match="cannot be a tag"):
            tagged(wrong)
    with pytest.raises(Invalid, match="cannot be a tag") as raised:
        ask(shared, "PATCH", path, {"name": "other", "add_tags": ["No Tag"]})
    assert "a-z 0-9" in raised.value.hint
    assert ask(shared, "GET", path)["name"] == two["name"], "nothing of a wrong change is done"
    with pytest.raises(Invalid, match="at most 16"):
        ask(shared, "PATCH", path, {"add_tags": [f"t{n}" for n in range(20)]})
    assert ("person", "agent.change", two["id"]) in [row[:3] for row in _audit(shared)]


def test_a_session_says_what_it_is_for(shared, session):
    path = f"/v1/sessions/{session['id']}"
    assert session["goal"] == ""
    assert ask(shared, "PATCH", path, {"goal": "  ship the\nnew cart "})["goal"] == "ship the new cart"
    assert ask(shared, "PATCH", path, {"layout": "x"})["goal"] == "ship the new cart"
    for wrong in ("x" * 201, "a\x1b[2Jb"):
        with pytest.raises(Invalid, match="one line"):
            ask(shared, "PATCH", path, {"goal": wrong, "name": "another"})
    assert ask(shared, "GET", path)["name"] == session["name"]
    assert ask(shared, "PATCH", path, {"goal": ""})["goal"] == ""


def test_an_ended_agent_is_started_again(shared, session, until):
    agent = shared.new("sh", "-c", "echo life $$; read x", session=session["name"])
    shared.shows(agent, "life")
    shared.type(agent, keys=["enter"])
    until(lambda: shared.status(agent) == "exited")
    report = ask(shared, "POST", f"/v1/agents/{agent['id']}/restore", {"environ": shared.environ})
    assert [(one["agent"], one["action"]) for one in report["outcomes"]] == [(agent["id"], "resumed")]
    assert shared.status(agent) == "running"
    shared.type(agent, keys=["enter"])
    until(lambda: shared.status(agent) == "exited")
    report = ask(shared, "POST", "/v1/restore", {"agents": [agent["id"]], "environ": shared.environ})
    assert report["outcomes"][0]["action"] == "resumed"
    assert ask(shared, "GET", "/v1/restore")["rebooted"] is False


def test_the_screen_in_three_forms(shared, session):
    script = "printf 'plain \\033[1;31mred\\033[0m\\n'; for i in $(seq 0 29); do echo line $i; done; cat"
    agent = shared.new("sh", "-c", script, session=session["name"], cols=40, lines=10)
    shared.shows(agent, "line 29")
    path = f"/v1/agents/{agent['id']}/screen"
    assert "line 3\n" not in shared.screen(agent)
    whole = ask(shared, "GET", f"{path}?history=1")
    assert whole.startswith("plain red\nline 0\n")
    assert "\x1b[" in ask(shared, "GET", f"{path}?format=ansi&history=1")
    said = ask(shared, "GET", f"{path}?format=rows&history=1")
    assert (said["cols"], said["lines"]) == (40, 10)
    assert [row["y"] for row in said["rows"]] == list(range(-said["history"], 10))
    red = next(run for run in said["rows"][0]["runs"] if run["text"] == "red")
    assert (red["fg"], red["attrs"]) == (1, 1)


def test_a_hostile_title_is_made_safe(shared, session, until):
    script = "printf '\\033]0;a\\342\\200\\256b [bold]c\\007done'; cat"
    agent = shared.new("sh", "-c", script, session=session["name"])
    shared.shows(agent, "done")
    found = [one for one in ask(shared, "GET", "/v1/agents") if one["id"] == agent["id"]]
    assert found[0]["title"] == "ab [bold]c"


def test_a_write_that_comes_too_late_is_refused(shared, session):
    agent = shared.new("cat", session=session["name"])
    shared.type(agent, text="first")
    shared.shows(agent, "first\nfirst")
    offset = ask(shared, "GET", f"/v1/agents/{agent['id']}/screen?format=rows")["offset"]
    for body in ({"text": "x"}, {"keys": ["x"]}, {"paste": "x"}, {"data": "eA=="}):
        assert shared.type(agent, **body, if_offset=offset - 1)["status"] == "refused"
    assert shared.type(agent, keys=["x", "y", "enter"], if_offset=offset)["status"] == "written"
    assert "xy" in shared.shows(agent, "xy\nxy")


def test_resize_reaches_the_program_and_is_clamped(shared, session):
    agent = shared.new("sh", session=session["name"])
    path = f"/v1/agents/{agent['id']}/resize"
    assert ask(shared, "POST", path, {"cols": 101, "lines": 33})["cols"] == 101
    shared.type(agent, text="stty size")
    shared.shows(agent, "33 101")
    assert [ask(shared, "POST", path, {"cols": 0, "lines": 0})[key] for key in ("cols", "lines")] == [1, 1]
    assert [ask(shared, "POST", path, {"cols": 1000, "lines": 1000})[key] for key in ("cols", "lines")] == [500, 300]


def test_a_signal_goes_to_the_foreground(shared, session, until):
    agent = shared.new("sh", "-c", "trap 'echo caught' INT; while :; do sleep 0.02; done", session=session["name"])
    until(lambda: _catches(agent["pid"], signal.SIGINT), "the trap")
    ask(shared, "POST", f"/v1/agents/{agent['id']}/signal", {"signal": "SIGINT"})
    shared.shows(agent, "caught")
    ask(shared, "POST", f"/v1/agents/{agent['id']}/signal", {"signal": 9})
    until(lambda: shared.status(agent) == "exited")
    assert ask(shared, "GET", f"/v1/agents/{agent['id']}")["exit_code"] == -9
    with pytest.raises(NotFound, match="does not run"):
        ask(shared, "POST", f"/v1/agents/{agent['id']}/signal", {"signal": 9})


def _catches(pid, number):
    with open(f"/proc/{pid}/status") as file:
        mask = next(line for line in file if line.startswith("SigCgt:"))
    return int(mask.split()[1], 16) >> (number - 1) & 1


@pytest.mark.parametrize(
    ("body", "match"),
    [
        ({}, "exactly one"),
        ({"text": "a", "keys": ["b"]}, "exactly one"),
        ({"keys": ["nonsense+x"]}, "modifier"),
        ({"data": "%%%"}, "base64"),
        ({"text": "x", "if_offset": -1}, "if_offset"),
        ({"text": "x", "more": 1}, "more"),
        ([], "dictionary"),
    ],
)
def test_input_that_makes_no_sense(shared, body, match):
    agent = shared.new("cat")
    with pytest.raises(Invalid, match=match):
        ask(shared, "POST", f"/v1/agents/{agent['id']}/input", body)


def test_agents_that_cannot_be_started_leave_nothing(shared):
    before = ask(shared, "GET", "/v1/agents")
    folders = set(os.listdir(shared.paths.agents))
    with pytest.raises(NotFound, match="no-such-command"):
        shared.new("no-such-command")
    with pytest.raises(Invalid, match="unknown profile 'clod'") as told:
        shared.new(profile="clod")
    assert "claude" in told.value.hint
    with pytest.raises(NotFound, match="/nowhere"):
        shared.new("cat", workspace="/nowhere")
    with pytest.raises(Invalid, match="adapter"):
        shared.new("cat", adapter="carrier-pigeon")
    with pytest.raises(Invalid, match="NUL"):
        shared.new("ca\0t")
    with pytest.raises(Invalid, match="name"):
        shared.new("cat", name="bad name\n")
    assert ask(shared, "GET", "/v1/agents") == before
    assert set(os.listdir(shared.paths.agents)) == folders


def test_an_environment_with_bytes_that_are_no_text(shared, session):
    environ = shared.environ | {"BROKEN": "a\udcffb", "FINE": "é"}
    agent = shared.new("sh", "-c", "echo [$BROKEN$FINE]; cat", environ=environ, session=session["name"])
    shared.shows(agent, "[é]")


def test_trust_is_for_exactly_what_was_shown(shared):
    folder = shared.root / "strange"
    (folder / ".quarterdeck" / "profiles").mkdir(parents=True)
    profile = folder / ".quarterdeck" / "profiles" / "claude.toml"
    profile.write_text('title = "Mine"\nargv = ["sh", "-c", "echo stolen"]\n')
    path = f"/v1/trust?workspace={folder}"
    seen = ask(shared, "GET", path)
    assert not seen["trusted"]
    assert "claude" in "".join(seen["changes"])
    stolen = ["sh", "-c", "echo stolen"]
    assert stolen not in _commands(ask(shared, "GET", f"/v1/profiles?workspace={folder}"))
    profile.write_text(profile.read_text() + "\n")
    with pytest.raises(Refused, match="changed since"):
        ask(shared, "POST", "/v1/trust", {"workspace": str(folder), "hash": seen["hash"]})
    seen = ask(shared, "GET", path)
    assert ask(shared, "POST", "/v1/trust", {"workspace": str(folder), "hash": seen["hash"]})["trusted"]
    assert stolen in _commands(ask(shared, "GET", f"/v1/profiles?workspace={folder}"))
    assert not ask(shared, "POST", "/v1/trust", {"workspace": str(folder), "hash": ""})["trusted"]
    assert stolen not in _commands(ask(shared, "GET", f"/v1/profiles?workspace={folder}"))


def _commands(said):
    return [one["argv"] for one in said["profiles"]]


def test_doctor_names_facts_and_what_mends_a_problem(shared, session, until):
    agent = shared.new("sh", "-c", "echo hello; cat", session=session["name"])
    shared.shows(agent, "hello")
    said = ask(shared, "GET", "/v1/doctor")
    assert said["versions"]["emulator"]
    assert said["process"]["pid"] == shared.pid()
    mine = next(one for one in said["agents"] if one["id"] == agent["id"])
    assert (mine["pid"], mine["status"]) == (agent["pid"], "running")
    assert mine["journal_bytes"] > 0
    assert all(one["mend"] for one in said["problems"])


def test_what_the_log_says_holds_no_text_that_was_typed(shared):
    agent = shared.new("cat", environ=shared.environ | {"MY_TOKEN": "secret-value-1"})
    shared.type(agent, text="secret-value-2")
    shared.shows(agent, "secret-value-2\nsecret-value-2")
    with pytest.raises(Invalid):
        shared.type(agent, text=["secret-value-3"])
    for file in shared.paths.log.parent.iterdir():
        assert "secret-value" not in file.read_text()


def test_unknown_paths_methods_and_bodies(shared):
    with pytest.raises(NotFound, match="GET /v1/nothing"):
        ask(shared, "GET", "/v1/nothing")
    with pytest.raises(Invalid, match="Method Not Allowed"):
        ask(shared, "DELETE", "/v1/health")
    with pytest.raises(NotFound, match="no agent 'nobody'"):
        ask(shared, "GET", "/v1/agents/nobody")
    with pytest.raises(Gone) as told:
        ask(shared, "GET", "/v1/events?cursor=4000000000")
    assert told.value.fields["newest"] >= told.value.fields["oldest"]


def test_a_body_beyond_the_bound_is_refused(shared):
    agent = shared.new("cat")
    with pytest.raises(Invalid):
        shared.type(agent, text="x" * (9 << 20))
    assert shared.status(agent) == "running"


def test_a_client_that_leaves_in_the_middle(shared):
    for cut in range(0, 120, 7):
        with sockets.socket(sockets.AF_UNIX) as link:
            link.connect(str(shared.paths.socket))
            link.sendall(request_bytes("POST", "/v1/sessions", {"name": "never", "workspace": "/"})[:cut])
    assert ask(shared, "GET", "/v1/health")["pid"] == shared.pid()


def test_the_answer_has_no_date_and_names_no_server(shared):
    with sockets.socket(sockets.AF_UNIX) as link:
        link.connect(str(shared.paths.socket))
        link.sendall(request_bytes("GET", "/v1/health"))
        head = link.makefile("rb").read().partition(b"\r\n\r\n")[0].lower()
    assert b"server:" not in head
    assert json.loads(b'"x"') == "x"


def test_every_change_is_audited_without_its_text(shared, session):
    agent = shared.new("cat", session=session["name"])
    shared.type(agent, text="the text of a prompt")
    rows = _audit(shared)
    mine = [row for row in rows if row[2] == agent["id"]]
    assert ("person", "agent.type", agent["id"]) in [row[:3] for row in mine]
    assert "the text of a prompt" not in str(rows)
    assert any(row[1] == "session.create" for row in rows)


def _audit(shared):
    import sqlite3

    with sqlite3.connect(f"file:{shared.paths.database}?mode=ro", uri=True) as db:
        found = db.execute("SELECT role, action, agent, data FROM audit").fetchall()
    db.close()
    return found


def test_two_clients_share_nothing(shared):
    assert Client(shared.paths).request("GET", "/v1/sessions") == ask(shared, "GET", "/v1/sessions")


def test_agents_as_they_would_be_asked_for_again(shared, session):
    given = {"session": session["name"], "tags": ["b", "a"], "restore": "never", "cwd": "/"}
    shared.new("sleep", "1000", name="one", **given)
    shared.new(name="two", profile="shell", argv=[], session=session["name"])
    one, two = ask(shared, "GET", f"/v1/sessions/{session['name']}/asked")
    assert (one["name"], one["profile"], one["args"], one["cwd"]) == ("one", "custom", ["sleep", "1000"], "/")
    assert (one["tags"], one["restore"], one["restore_chosen"]) == (["a", "b"], "never", True)
    assert (two["profile"], two["args"], two["cwd"]) == ("shell", [], str(shared.workspace))
    assert (two["restore"], two["restore_chosen"], two["worktree"], two["branch"]) == ("ask", False, False, "")
    with pytest.raises(NotFound):
        ask(shared, "GET", "/v1/sessions/nobody/asked")


def test_a_project_file_is_trusted_by_its_bytes(shared):
    path = "/somewhere/project.toml"
    assert ask(shared, "GET", f"/v1/trust/file?path={path}") == {"path": path, "hash": ""}
    agreed = {"path": path, "hash": "a" * 64}
    assert ask(shared, "POST", "/v1/trust/file", agreed) == agreed
    assert ask(shared, "GET", f"/v1/trust/file?path={path}") == agreed
    ask(shared, "POST", "/v1/trust/file", {"path": path})
    assert ask(shared, "GET", f"/v1/trust/file?path={path}")["hash"] == ""
    for wrong in ({"path": "project.toml"}, {"path": path, "hash": "x"}, {"path": "/", "hash": "a" * 64}):
        with pytest.raises(Invalid):
            ask(shared, "POST", "/v1/trust/file", wrong)


def test_events_since_a_time(shared, session):
    made = next(one for one in ask(shared, "GET", "/v1/sessions") if one["id"] == session["id"])

    def first(since_ns):
        for line in shared.client.stream("GET", f"/v1/events?since_ns={since_ns}"):
            if line.startswith(b"data: "):
                return json.loads(line[6:])
        return None

    found = first(made["created_ns"])
    assert (found["kind"], found["session"]) == ("session.created", session["id"])
    assert first(0)["cursor"] == 1
