"""``up``, ``down``, ``session project`` and ``layout`` on real agents."""

import json
import os
import signal
import subprocess
import tomllib

import pytest

from orchestrator.client import Client
from quarterdeck.layout import loads
from quarterdeck.splits import Split
from tests.sessions.outbox.conftest import profile

PROJECT = """\
[sessions.web]
goal = "ship it"

[sessions.web.agents.api]
command = ["sleep", "1000"]
tags = ["b", "a"]

[sessions.web.agents.tests]
command = "echo in $PWD with $COLOR; exec sleep 1000"
cwd = "sub"
env = { COLOR = "blue" }

[[sessions.web.tabs]]
name = "work"
columns = ["api", { rows = ["tests", "gone"] }]
sizes = [2, 1]

[sessions.web.agents.gone]
command = ["/does/not/exist"]

[sessions.web.agents.odd]
profile = "shel"
"""
GOOD = PROJECT.replace(', { rows = ["tests", "gone"] }', ', "tests"').split("\n[sessions.web.agents.gone]")[0]


@pytest.fixture
def file(shared):
    path = shared.work / "project.toml"
    (shared.work / "sub").mkdir(exist_ok=True)
    path.write_text(PROJECT)
    yield path
    path.unlink()
    for folder in (shared.work / ".quarterdeck/layouts", shared.home.parent / "config/quarterdeck/layouts"):
        for one in folder.glob("*"):
            one.unlink()


def layout(deck, session):
    return loads(next(one for one in deck.json("session", "ls") if one["name"] == session)["layout"])


def names(deck):
    return {agent["name"]: agent["id"] for agent in deck.json("ls")}


def test_agents_are_listed_in_the_order_of_the_file(shared, file):
    many = [f"ag{number:02d}" for number in (7, 3, 11, 1, 9, 2, 12, 5)]
    agents = "\n".join(f'agents.{name} = {{ command = ["sleep", "1000"] }}' for name in many)
    file.write_text(f"[sessions.web]\n{agents}\n")
    shared.out("up", file, "--yes")
    assert [agent["name"] for agent in shared.json("ls")] == many
    shared.out("down", file, "--yes")


def test_up_starts_what_is_missing_and_says_the_rest(shared, file, until):
    said = shared.out("up", file, "--dry-run", code=4)
    assert "web/api    start" in said
    assert "there is no profile shel (did you mean shell?)" in said
    assert f"session web would be made on {shared.work}" in said
    assert shared.json("ls") == shared.json("session", "ls") == []

    done = shared.run("up", file, "--yes", code=1)
    assert "web/api: started\n" in done.stdout
    assert "web/gone: failed: the command '/does/not/exist' was not found" in done.stdout
    assert "web/odd: cannot: there is no profile shel" in done.stdout
    assert "session web is arranged as the file says" in done.stdout
    shared.sees("tests", f"in {shared.work}/sub with blue")
    (session,) = shared.json("session", "ls")
    assert (session["goal"], session["workspace"]) == ("ship it", str(shared.work))
    first = names(shared)
    tab = layout(shared, "web").tab
    assert (tab.name, tab.agents) == ("work", (first["api"], first["tests"]))
    assert isinstance(tab.split, Split)
    assert tab.split.shares == pytest.approx((2 / 3, 1 / 3), abs=1e-3)

    file.write_text(GOOD)
    assert shared.out("up", file) == "web/api: kept\nweb/tests: kept\n"
    assert "everything is there already" in shared.run("up", file, "--dry-run").stderr
    assert names(shared) == first


def test_what_differs_is_said_and_kept(shared, file):
    file.write_text(GOOD)
    shared.run("up", file, "--yes")
    changed = GOOD.replace('["b", "a"]', '["c"]').replace('"1000"', '"999"').replace('"ship it"', '"else"')
    file.write_text(changed.replace('cwd = "sub"', 'adapter = "tmux"\nrestore = "never"'))
    said = shared.run("up", file).stdout.splitlines()
    assert said == [
        "web/api: kept",
        "web/api differs: command: sleep 1000, the file says sleep 999",
        "web/api differs: tags: a b, the file says c",
        "web/tests: kept",
        f"web/tests differs: folder: {shared.work}/sub, the file says {shared.work}",
        "web/tests differs: terminal: native, the file says tmux",
        "web/tests differs: restore: ask, the file says never",
        "session web differs: its goal is 'ship it', not 'else'",
    ]
    told = shared.json("up", file, "--dry-run")
    assert told[0]["agents"][0]["differs"] == [said[1].split(": ", 1)[1], said[2].split(": ", 1)[1]]


def test_a_layout_is_set_again_unless_it_is_to_be_kept(shared, file):
    file.write_text(GOOD)
    shared.run("up", file, "--yes")
    shared.run("layout", "apply", "rows", "--session", "web")
    assert layout(shared, "web").tab.tiling == "rows"
    shared.run("up", file, "--keep-layout")
    assert layout(shared, "web").tab.tiling == "rows"
    assert "session web is arranged as the file says" in shared.out("up", file)
    assert layout(shared, "web").tab.tiling == "split"


def test_nobody_runs_what_nobody_agreed_to(shared, file, pane):
    file.write_text(GOOD)
    done = shared.run("up", file, code=4)
    assert "web/tests runs sh -c 'echo in $PWD with $COLOR; exec sleep 1000'" in done.stderr
    assert "web/tests has COLOR=blue" in done.stderr
    assert "nothing was started" in done.stderr
    assert shared.json("ls") == shared.json("session", "ls") == []
    error = json.loads(shared.run("up", file, "--json", code=4).stderr)
    assert error["fields"]["runs"][0] == "web/api runs sleep 1000"
    # a profile alone asks nothing
    plain = shared.work / "plain.toml"
    plain.write_text('[sessions.plain.agents.sh]\nprofile = "shell"\n')
    assert shared.out("up", plain) == "plain/sh: started\n"
    plain.write_text('[sessions.plain.agents.sh2]\nprofile = "shell"\nprompt = "\\u001b[31mrm -rf"\n')
    assert "plain/sh2 is told: rm -rf" in shared.run("up", plain, code=4).stderr.replace("[31m", "")
    plain.unlink()
    # on a terminal it is asked about once, and again when the file changes
    environ = [f"{name}={value}" for name, value in shared.environ.items() if name in ("QUARTERDECK_HOME", "SHELL")]
    pane.run("env", *environ, *shared.command("up", file))
    pane.sees("Run this?")
    pane.type("y")
    pane.press("Enter")
    pane.sees("web/tests: started")
    shared.run("rm", "api", "--force")
    assert "web/api: started" in shared.out("up", file)
    file.write_text(GOOD + "\n")
    assert shared.out("up", file) == "web/api: kept\nweb/tests: kept\n"
    shared.run("rm", "api", "--force")
    assert "nothing was started" in shared.run("up", file, code=4).stderr


def test_what_is_your_own_asks_nothing(shared, file):
    config = shared.home.parent / "config"
    mine = config / "quarterdeck" / "mine.toml"
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text(f'[sessions.own]\nworkspace = "{shared.work}"\nagents.a = {{ command = ["sleep", "9"] }}\n')
    assert shared.out("up", mine, env={"XDG_CONFIG_HOME": str(config)}) == "own/a: started\n"


def test_every_mistake_is_told_and_nothing_done(shared, file):
    file.write_text('[sessions.web]\nlayuot = "main"\n[sessions.web.agents.a]\nprofil = "shell"\n')
    done = shared.run("up", file, code=2)
    assert done.stderr.splitlines() == [
        f"{file}:2: sessions.web.layuot: unknown key (did you mean layout?)",
        f"{file}:3: sessions.web.agents.a: must have a profile or a command",
        f"{file}:4: sessions.web.agents.a.profil: unknown key (did you mean profile?)",
        "3 mistakes; nothing was done",
    ]
    assert shared.json("session", "ls") == []
    assert "there is no file" in shared.run("up", "nothing.toml", code=3).stderr


def test_a_session_on_another_workspace_is_somebody_else_s(shared, file):
    other = shared.home.parent / "other"
    other.mkdir(exist_ok=True)
    shared.run("session", "new", "web", "--workspace", other)
    file.write_text(
        GOOD + f'\n[sessions.more]\nworkspace = "{shared.home.parent}/nowhere"\nagents.a = {{ profile = "shell" }}\n'
    )
    done = shared.run("up", file, code=4)
    assert f"there is a session web on {other}" in done.stderr
    assert f"the folder {shared.home.parent}/nowhere does not exist" in done.stderr
    assert shared.json("ls") == []


def test_a_session_is_written_and_comes_up_again_as_it_was(shared, file):
    file.write_text(GOOD)
    shared.run("up", file, "--yes")
    shared.run("new", "shell", "--session", "web", "--name", "sh.1", "--restore", "never")
    written = shared.out("session", "project", "web")
    values = tomllib.loads(written)["sessions"]["web"]
    assert values["agents"] == {
        "api": {"command": ["sleep", "1000"], "tags": ["a", "b"]},
        "tests": {"command": ["sh", "-c", "echo in $PWD with $COLOR; exec sleep 1000"], "cwd": "sub"},
        "sh.1": {"profile": "shell", "restore": "never"},
    }
    file.write_text(written)
    told = shared.json("up", file)
    assert [one["done"] for one in told["agents"]] == ["kept"] * 3
    assert [one["differs"] for one in told["agents"]] == [[]] * 3
    assert (told["arranged"], told["troubles"]) == ([], [])
    shared.run("down", file, "--yes")
    assert shared.json("session", "ls") == []
    shared.run("up", file, "--yes")
    assert shared.out("session", "project", "web") == written


def test_down_asks_and_leaves_others(shared, file):
    file.write_text(GOOD)
    shared.run("up", file, "--yes")
    shared.run("new", "shell", "--session", "web", "--name", "mine")
    assert "nothing was removed" in shared.run("down", file, code=4).stderr
    done = shared.json("down", file, "--yes")
    assert [(one["session"], one["name"]) for one in done] == [("web", "api"), ("web", "tests")]
    assert list(names(shared)) == ["mine"]
    assert "none of its agents is there" in shared.run("down", file, "--yes").stderr


def test_two_at_once_make_nothing_twice(shared, file):
    agents = "\n".join(f'a{number} = {{ command = ["sleep", "1000"] }}' for number in range(8))
    file.write_text(f'[sessions.web]\nlayout = "main"\n[sessions.web.agents]\n{agents}\n')
    command, env = shared.command("up", file, "--yes", "--json"), shared.environ
    both = [subprocess.Popen(command, cwd=shared.work, env=env, stdout=subprocess.PIPE) for _ in range(2)]
    told = [json.loads(one.communicate(timeout=60)[0]) for one in both]
    assert [one.returncode for one in both] == [0, 0]
    assert sorted(names(shared)) == [f"a{number}" for number in range(8)]
    done = [{one["name"]: one["done"] for one in said["agents"]} for said in told]
    assert all({done[0][name], done[1][name]} == {"started", "kept"} for name in done[0])
    tab = layout(shared, "web").tab
    assert tab.agents == tuple(names(shared)[f"a{number}"] for number in range(8))


def test_killed_in_between_it_goes_on(deck, until):
    """The client, then the orchestrator: each first prompt is given once, whatever died."""
    profiles = deck.home.parent / "config" / "quarterdeck" / "profiles"
    profiles.mkdir(parents=True)
    (profiles / "promptee.toml").write_text(profile())
    deck.environ["XDG_CONFIG_HOME"] = str(deck.home.parent / "config")
    folders = [deck.work / f"p{number}" for number in range(6)]
    text = "[sessions.web.agents]\n"
    for folder in folders:
        folder.mkdir()
        (folder / "options").write_text("{}")
        text += f'{folder.name} = {{ profile = "promptee", args = ["{folder}"], prompt = "begin {folder.name}" }}\n'
    file = deck.work / "project.toml"
    file.write_text(text)
    deck.run("ls")
    client = Client(deck.paths)
    up = subprocess.Popen(deck.command("up", file, "--yes"), cwd=deck.work, env=deck.environ, stdout=subprocess.DEVNULL)
    until(lambda: len(client.request("GET", "/v1/agents")) >= 2, what="some are there")
    up.kill()
    up.wait()
    os.kill(client.request("GET", "/v1/health")["pid"], signal.SIGKILL)
    told = deck.json("up", file)
    assert len(told["agents"]) == 6
    assert all(one["done"] in ("started", "kept", "restored") for one in told["agents"]), told
    for folder in folders:
        taken = folder / "taken"
        until(taken.exists, what=f"{folder.name} was told")
    until(lambda: not deck.json("queue"), what="nothing waits any more")
    for folder in folders:
        assert [json.loads(line) for line in (folder / "taken").read_text().splitlines()] == [f"begin {folder.name}"]
    deck.run("up", file)
    assert len(deck.json("queue", "ls", "--all")) == 6


def test_what_a_crash_ended_is_started_again(deck, until):
    file = deck.work / "project.toml"
    file.write_text('[sessions.web.agents]\na = { command = ["sleep", "1000"] }\nb = { command = ["false"] }\n')
    deck.run("up", file, "--yes")
    pid = next(one["pid"] for one in deck.json("ls") if one["name"] == "a")
    deck.run("stop")
    holders = [int(one) for one in deck.processes() if one != pid]
    for one in holders:
        os.kill(one, signal.SIGKILL)
    until(lambda: not deck.processes(), what="all holders are gone")
    said = deck.out("up", file)
    assert "web/a: started again" in said
    assert "web/b: kept: its program has ended: exit status 1" in said


def test_named_layouts(shared, file):
    file.write_text(GOOD)
    shared.run("up", file, "--yes")
    env = {"XDG_CONFIG_HOME": str(shared.home.parent / "config")}
    assert "no named layouts yet" in shared.run("layout", "list", env=env).stderr
    shared.run("layout", "save", "review", "--session", "web", env=env)
    assert "already" in shared.run("layout", "save", "review", env=env, code=4).stderr
    shared.run("layout", "save", "review", "--force", env=env)
    shared.run("layout", "save", "review", "--workspace", env=env)
    listed = [(one["name"], one["whose"], one["panels"]) for one in shared.json("layout", "list", env=env)]
    assert listed == [("review", "workspace", 2), ("review", "yours", 2)]
    shown = tomllib.loads(shared.out("layout", "show", "review", env=env))
    assert shown == {"tabs": [{"name": "work", "columns": ["api", "tests"], "sizes": [2, 1]}]}
    for name in ("one", "two", "tests"):
        shared.run("new", "--session", "other", "--name", name, "--", "sleep", "1000")
    shared.run("layout", "apply", "review", "--session", "other", env=env)
    ids = {one["name"]: one["id"] for one in shared.json("ls", "--session", "other")}
    assert layout(shared, "other").tab.agents == (ids["one"], ids["tests"])
    assert "did you mean review?" in shared.run("layout", "apply", "reviw", env=env, code=3).stderr
    assert "nothing was deleted" in shared.run("layout", "rm", "review", env=env, code=4).stderr
    shared.run("layout", "rm", "review", "--yes", env=env)
    shared.run("layout", "rm", "review", "--yes", "--workspace", env=env)
    assert shared.json("layout", "list", env=env) == []
    # a file names one, too
    file.write_text('[sessions.third]\nlayout = "nosuch"\nagents.a = { profile = "shell" }\n')
    done = shared.run("up", file, code=4, env=env)
    assert "its layout was not set: there is no layout nosuch" in done.stderr
    assert "third/a: started" in done.stdout


def test_a_workspace_without_a_session_has_no_layout(shared, file):
    assert "this workspace has no session" in shared.run("layout", "apply", "grid", code=3).stderr
    shared.run("session", "new", "empty")
    assert "no agents to arrange" in shared.run("layout", "save", "x", "--session", "empty", code=2).stderr
