"""The first start: what is installed here, one agent running in two keys or two clicks; and every other empty deck."""

from __future__ import annotations

import json
import os

import pytest

from quarterdeck import layout as layouts
from quarterdeck.errors import Unreachable
from tui.installed import choices, look

LEADER = "ctrl+right_square_bracket"
PROFILES = [
    {"name": "aider", "title": "aider", "kind": "agent", "argv": ["aider"], "install": "uv tool install aider-chat"},
    {"name": "claude", "title": "Claude Code", "kind": "agent", "argv": ["claude"], "install": "npm i -g claude"},
    {"name": "codex", "title": "Codex", "kind": "agent", "argv": ["codex"], "install": "npm i\x1b[31m -g codex"},
    {"name": "shell", "title": "shell", "kind": "shell", "argv": ["{shell}", "-i"]},
    {"name": "custom", "title": "command", "kind": "program", "argv": []},
]


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with Claude Code, from npm, and Codex; nothing of either is run."""
    package = tmp_path / "lib" / "node_modules" / "claude-code"
    (package / "bin").mkdir(parents=True)
    (package / "package.json").write_text(json.dumps({"name": "claude-code", "version": "2.1.329"}))
    folder = tmp_path / "bin"
    folder.mkdir()
    trap = f"#!/bin/sh\ntouch {tmp_path}/ran\n"
    for path in (package / "bin" / "claude", folder / "codex"):
        path.write_text(trap)
        path.chmod(0o755)
    (folder / "claude").symlink_to(package / "bin" / "claude")
    (folder / "aider").write_text("not to be run")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("SHELL", "/bin/sh")
    yield folder
    assert not (tmp_path / "ran").exists()


def text_of(app):
    notice = app.deck_screen.notice
    return "\n".join(notice.render_line(y).text.rstrip() for y in range(notice.outer_size.height))


def test_what_is_there_is_found_and_nothing_is_run(machine):
    found = look(PROFILES, {}, os.environ)
    assert [(one.name, bool(one.path)) for one in found] == [
        ("aider", False), ("claude", True), ("codex", True), ("shell", True),
    ]  # fmt: skip
    assert found[1].version == "2.1.329"
    assert found[2].version == ""
    assert found[2].install == "npm i[31m -g codex"
    assert found[3].path == "/bin/sh"


def test_those_used_last_come_first(machine):
    assert [one.name for one in look(PROFILES, {"codex": 2, "shell": 5}, os.environ)][:2] == ["shell", "codex"]


def test_the_form_offers_what_is_here_first_and_marks_what_is_not(machine):
    found = choices(PROFILES, look(PROFILES, {"codex": 2}, os.environ))
    assert found == [
        ("codex", "Codex"),
        ("claude", "Claude Code"),
        ("shell", "shell"),
        ("custom", "command"),
        ("aider", "not found here  uv tool install aider-chat"),
    ]


async def test_the_form_begins_with_what_was_used_last_and_letters_choose(on_peer, scenes, machine, monkeypatch):
    peer = scenes.Peer()
    peer.session("shop")
    peer.add("one", "shop", "$ ", profile="codex")
    peer.trash = [{"profile": "shell", "created_ns": 1}]
    asked = peer.request

    async def request(method, path, body=None):
        return PROFILES if path == "/v1/profiles" else await asked(method, path, body)

    monkeypatch.setattr(peer, "request", request)
    async with on_peer(peer) as (app, pilot):
        await scenes.keys(LEADER, "n")(pilot, peer)
        profile = app.screen.query_one("#profile")
        assert [name for name, _ in profile.values] == ["codex", "shell", "claude", "custom", "aider"]
        assert profile.value == "codex"
        for typed, chosen in (("a", "aider"), ("c", "codex"), ("c", "claude"), ("u", "custom"), ("!", "custom")):
            await pilot.press("exclamation_mark" if typed == "!" else typed)
            assert profile.value == chosen, typed
        await pilot.press("left", *"codex", "enter")
        await scenes.settle(pilot)
        assert (
            next(body for method, path, body in peer.asked if (method, path) == ("POST", "/v1/agents"))["profile"]
            == "codex"
        )


def test_the_path_of_the_client_counts(machine, tmp_path):
    assert not look(PROFILES[1:2], {}, {"PATH": str(tmp_path)})[0].path
    assert not look(PROFILES[1:2], {}, {"PATH": ""})[0].path


@pytest.mark.parametrize("note", ["{", "[]", '{"version": {}}', '{"version": "\\u001b[31m"}', "[" * 5000])
def test_a_note_that_makes_no_sense_is_no_version(machine, tmp_path, note):
    (tmp_path / "lib" / "node_modules" / "claude-code" / "package.json").write_text(note)
    version = look(PROFILES[1:2], {}, os.environ)[0].version
    assert version in ("", "{}", "[31m")


@pytest.mark.parametrize(
    ("keys", "profile"),
    [
        (["enter"], "claude"),
        (["2", "enter"], "codex"),
        (["down", "down", "enter"], "shell"),
        (["up", "enter"], "shell"),
    ],
)
async def test_an_agent_runs_after_two_keys(on_peer, scenes, machine, keys, profile):
    peer = scenes.empty()
    async with on_peer(peer) as (app, pilot):
        text = text_of(app)
        assert "nothing is started unasked" in text
        assert "src/shop" in text
        assert "Claude Code" in text
        assert "2.1.329" in text
        for key in keys:
            assert not app.fleet.agents
            await pilot.press(key)
            await scenes.settle(pilot)
        (body,) = [body for method, path, body in peer.asked if (method, path) == ("POST", "/v1/agents")]
        assert (body["profile"], body["workspace"], body["argv"]) == (profile, "/home/ada/src/shop", [])
        assert body["environ"]["PATH"] == str(machine)
        assert app.focused_agent == profile
        assert app.focused_panel() is not None


async def test_what_is_not_there_says_how_to_get_it(on_peer, scenes, machine):
    (machine / "codex").unlink()
    async with on_peer(scenes.empty()) as (app, pilot):
        text = text_of(app)
        assert "not found here" in text
        assert "npm install -g @openai/codex" in text
        await pilot.press("3")
        await scenes.settle(pilot)
        assert "starts an agent" in app.deck_screen.keys.note


async def test_by_mouse_alone(on_peer, scenes, machine):
    peer = scenes.empty()
    async with on_peer(peer) as (app, pilot):
        notice = app.deck_screen.notice
        at = next(y for y in range(notice.outer_size.height) if "Codex" in notice.render_line(y).text)
        for _ in range(2):
            await pilot.click(offset=(notice.region.x + 12, notice.region.y + at))
            await scenes.settle(pilot)
        assert list(app.fleet.agents) == ["codex"]


async def test_typing_starts_nothing_and_two_enters_start_one(on_peer, scenes, machine):
    peer = scenes.empty()
    async with on_peer(peer) as (app, pilot):
        await pilot.press(*"hello", "escape", "space", "ctrl+m", "9", "0")
        app.keyboard.paste("1\r2\r")
        await scenes.settle(pilot)
        assert not app.fleet.agents
        await pilot.press("enter", "enter")
        await scenes.settle(pilot)
        assert len([1 for method, path, _ in peer.asked if (method, path) == ("POST", "/v1/agents")]) == 1


async def test_a_start_that_failed_is_tried_again(on_peer, scenes, machine):
    peer = scenes.empty()
    async with on_peer(peer) as (app, pilot):
        peer.refuse = Unreachable("nobody answers")
        await pilot.press("enter")
        await scenes.settle(pilot)
        assert not app.fleet.agents
        await pilot.press(LEADER, "exclamation_mark")
        await scenes.settle(pilot)
        assert list(app.fleet.agents) == ["claude"]


async def test_it_comes_back_with_the_last_agents_end_and_is_a_page_any_time(on_peer, scenes, machine):
    peer = scenes.empty()
    async with on_peer(peer) as (app, pilot):
        await pilot.press("enter")
        await scenes.settle(pilot)
        peer.trash = [{"profile": "codex", "created_ns": 1 << 62}]
        await scenes.keys(LEADER, "p", *"welcome", "enter")(pilot, peer)
        page = app.screen
        assert page is not app.deck_screen
        assert [one.name for one in app.welcome.offered] == ["codex", "claude", "shell"]
        await pilot.press("3", "enter")
        await scenes.settle(pilot)
        assert app.screen is app.deck_screen
        assert app.focused_agent == "shell"
        for agent in list(peer.agents):
            peer.remove(agent)
        await scenes.settle(pilot)
        assert "nothing is started unasked" in text_of(app)
        assert [one.name for one in app.welcome.offered] == ["codex", "claude", "shell"]


# other empty decks


async def lines_of(app, words):
    text = text_of(app)
    for word in words:
        assert word in text, text
    keys = [line for line in text.splitlines() if "^]" in line]
    assert 0 < len(keys) <= 3
    assert not text_of(app).isspace()


async def test_a_workspace_without_agents_while_others_have_some(on_peer, scenes):
    peer = scenes.fleet()
    peer.session("new", "/home/ada/src/new")
    async with on_peer(peer) as (app, pilot):
        await scenes.keys(LEADER, "s", *"new", "enter")(pilot, peer)
        await lines_of(app, ["no agents in new yet", "15 in other sessions", "start one", "open another session"])


async def test_all_agents_hidden(on_peer, scenes):
    peer = scenes.Peer()
    peer.session("shop")
    peer.add("one", "shop", "$ ")
    async with on_peer(peer) as (app, pilot):
        await pilot.press(LEADER, "h")
        await scenes.settle(pilot)
        await lines_of(app, ["the one agent of shop is hidden", "choose one in the list to show it again"])


async def test_an_empty_tab(on_peer, scenes):
    peer = scenes.fleet()
    layout = layouts.loads("")
    peer.sessions[0]["layout"] = layouts.dumps(layouts.Layout(tabs=(*layout.tabs, layouts.Tab(name="two")), at=1))
    async with on_peer(peer) as (app, _):
        await lines_of(app, ["nothing is on this tab yet", "start an agent here"])


async def test_nobody_answers(on_peer, scenes):
    peer = scenes.silent()
    async with on_peer(peer) as (app, pilot):
        assert "connecting" in text_of(app)
        peer.phase("stopped", "the orchestrator was stopped")
        await scenes.settle(pilot)
        await lines_of(app, ["the orchestrator was stopped", "the agents run on", "start it and connect", "leave"])
        notice = app.deck_screen.notice
        at = next(y for y in range(notice.outer_size.height) if "start it and connect" in notice.render_line(y).text)
        await pilot.click(offset=(notice.region.x + 20, notice.region.y + at))
        await scenes.settle(pilot)
        assert peer.revived == 1


async def test_a_session_that_is_not_there(scenes):
    from tui.app import QuarterdeckApp
    from tui.options import Options

    peer = scenes.empty()
    app = QuarterdeckApp(peer, workspace="/home/ada/src/shop", session="gone\x1b[31m", options=Options(theme="dark"))
    async with app.run_test(size=(80, 24)) as pilot:
        await scenes.settle(pilot)
        await lines_of(app, ["no session is called gone[31m", "open one there is"])


async def test_doctor_tells_what_is_wrong_first(on_peer, scenes):
    peer = scenes.fleet()
    peer.findings = {
        "versions": {"quarterdeck": "1", "tmux": ""}, "places": {"log": "/x/log"},
        "problems": [{"problem": "the disk is\x1b[31m nearly full", "mend": "free some space"}],
    }  # fmt: skip
    async with on_peer(peer) as (app, pilot):
        await scenes.keys(LEADER, "p", *"doctor", "enter")(pilot, peer)
        rows = ["".join(text for text, _ in row) for row in app.screen.table.rows]
        assert rows[0] == "▲ the disk is[31m nearly full"
        assert "free some space" in rows[1]
