"""Keys, pastes, the mouse, frames and verbs, against a scripted orchestrator with the real emulator behind it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from textual import events

from quarterdeck.errors import Refused
from tui.driver import Key
from tui.port import frames
from tui.typed import press

LEADER = "ctrl+right_square_bracket"


def sent(peer, kind):
    return [request for request in peer.sent if isinstance(request, kind)]


def text_of(app, agent):
    panel = app.deck_screen.panel(agent)
    return "\n".join(panel.render_line(y).text for y in range(panel.outer_size.height))


async def type_keys(scenes, pilot, *names):
    for name in names:
        await pilot.press(name)
    await scenes.settle(pilot)


@pytest.mark.parametrize(
    ("key", "data"),
    [
        ("ctrl+q", b"\x11"), ("ctrl+p", b"\x10"), ("ctrl+c", b"\x03"), ("tab", b"\t"), ("shift+tab", b"\x1b[Z"),
        ("escape", b"\x1b"), ("enter", b"\r"), ("ctrl+z", b"\x1a"), ("f1", b"\x1bOP"), ("ctrl+@", b"\x00"),
        ("up", b"\x1b[A"), ("question_mark", b"?"), ("A", b"A"), ("ctrl+backslash", b"\x1c"), ("space", b" "),
    ],
)  # fmt: skip
async def test_every_key_is_the_agents(on_peer, scenes, key, data):
    peer = scenes.fleet()
    async with on_peer(peer) as (app, pilot):
        await type_keys(scenes, pilot, key)
        assert peer.typed == {"api-auth": data}
        assert app.is_running
        assert app.screen is app.deck_screen


async def test_the_leader_twice_is_the_leader(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer) as (app, pilot):
        await type_keys(scenes, pilot, LEADER)
        assert app.keyboard.pending
        assert peer.typed == {}
        await type_keys(scenes, pilot, LEADER, LEADER, "escape")
        assert not app.keyboard.pending
        assert peer.typed == {"api-auth": b"\x1d"}


async def test_keys_the_drivers_parser_told_apart(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer) as (app, pilot):
        for name, mods in (("enter", 2), ("backspace", 2), ("x", 6), ("space", 2)):
            app.post_message(Key(press(name, mods)))
        await scenes.settle(pilot)
        assert peer.typed == {"api-auth": b"\x1b\r\x1b\x7f\x1b\x18\x1b "}


async def test_focus_moves_by_keys_digits_and_clicks(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer, (250, 60)) as (app, pilot):
        await type_keys(scenes, pilot, LEADER, "right")
        assert app.focused_agent == "tests"
        await type_keys(scenes, pilot, LEADER, "left")
        assert app.focused_agent == "api-auth"
        await type_keys(scenes, pilot, LEADER, "4")
        assert app.focused_agent == "editor"
        await pilot.click(app.deck_screen.panel("web"), offset=(5, 5))
        await scenes.settle(pilot)
        assert app.focused_agent == "web"
        await pilot.click(app.deck_screen.roster, offset=(5, 13))
        await scenes.settle(pilot)
        assert app.focused_agent == "seo"
        assert app.session_id == "blog"
        assert sent(peer, frames.Focus)[-1] == frames.Focus("seo")


async def test_only_what_is_visible_is_watched_the_focused_closely(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer, (250, 60)) as (app, pilot):
        rates = {request.agent: request.rate for request in sent(peer, frames.Watch)}
        assert rates == dict.fromkeys(app.members, 30) | {"api-auth": 120}
        await type_keys(scenes, pilot, LEADER, "z")
        assert {request.agent for request in sent(peer, frames.Unwatch)} == set(app.members) - {"api-auth"}
        size = sent(peer, frames.Size)[-1]
        assert size == frames.Size("api-auth", 250, 57)


async def test_sizes_are_those_of_the_panels_and_follow_the_window(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer, (80, 24)) as (app, pilot):
        assert sent(peer, frames.Size) == [frames.Size("api-auth", 62, 21)]
        await pilot.resize_terminal(100, 23)
        await scenes.settle(pilot)
        assert sent(peer, frames.Size)[-1] == frames.Size("api-auth", 82, 20)
        await pilot.resize_terminal(59, 23)
        await scenes.settle(pilot)
        assert app.deck_screen.plan.tiny
        assert sent(peer, frames.Unwatch)[-1] == frames.Unwatch("api-auth")
        await pilot.resize_terminal(80, 24)
        await scenes.settle(pilot)
        assert sent(peer, frames.Watch)[-1].agent == "api-auth"
        assert "Thinking" in text_of(app, "api-auth")


async def test_changed_rows_are_drawn_and_others_stay(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer) as (app, pilot):
        panel = app.deck_screen.panel("api-auth")
        before = [panel.render_line(y) for y in range(22)]
        peer.feed("api-auth", "\x1b[5;1Hnew words\x1b[K")
        await scenes.settle(pilot)
        after = [panel.render_line(y) for y in range(22)]
        changed = [y for y, (old, new) in enumerate(zip(before, after, strict=True)) if old is not new]
        assert "new words" in after[5].text
        assert set(changed) <= {5, before.index(before[-1]), panel.surface.cursor.y + 1} | {
            y for y in range(22) if before[y].text != after[y].text
        } | {21}


async def test_a_paste_goes_as_one_and_is_defused_by_the_emulator(on_peer, scenes):
    peer = scenes.fleet()
    peer.feed("api-auth", "\x1b[?2004h")
    async with on_peer(peer) as (app, pilot):
        app.post_message(events.Paste("two\nlines \x1b[201~ end"))
        await scenes.settle(pilot)
        assert sent(peer, frames.Paste) == [frames.Paste("api-auth", "two\nlines \x1b[201~ end")]
        assert peer.typed["api-auth"].startswith(b"\x1b[200~two")
        assert peer.typed["api-auth"].count(b"\x1b[201~") == 1


async def test_the_mouse_is_the_agents_where_it_asked(on_peer, scenes):
    peer = scenes.fleet()
    peer.feed("api-auth", "\x1b[?1002h\x1b[?1006h")
    async with on_peer(peer) as (app, pilot):
        panel = app.deck_screen.panel("api-auth")
        await pilot.mouse_down(panel, offset=(4, 3))
        await pilot.mouse_up(panel, offset=(4, 3))
        await scenes.settle(pilot)
        assert peer.typed["api-auth"] == b"\x1b[<0;5;3M\x1b[<0;5;3m"
        panel.on_mouse_scroll_up(_wheel(panel))
        assert peer.typed["api-auth"].endswith(b"\x1b[<64;3;2M")


def _wheel(panel, **more):
    values = {"shift": False, "meta": False, "ctrl": False} | more
    return events.MouseScrollUp(panel, 2, 2, 0, 0, 0, values["shift"], values["meta"], values["ctrl"])


async def test_a_link_is_named_then_opened_by_the_desktop(on_peer, scenes, until, tmp_path, monkeypatch):
    opener = tmp_path / "xdg-open"
    opener.write_text(f'#!/bin/sh\nprintf "%s" "$1" > {tmp_path}/part && mv {tmp_path}/part {tmp_path}/opened\n')
    opener.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    peer = scenes.fleet()
    peer.feed(
        "shell",
        b"\x1b[H\x1b]8;;https://example.org/a\x1b\\site\x1b]8;;\x1b\\ \x1b]8;;file:///x\x1b\\file\x1b]8;;\x1b\\",
    )
    async with on_peer(peer) as (app, pilot):
        await type_keys(scenes, pilot, LEADER, "3")
        panel = app.deck_screen.panel("shell")
        await pilot.hover(panel, offset=(2, 1))
        await scenes.settle(pilot)
        assert app.deck_screen.keys.note == "ctrl+click opens https://example.org/a"
        await pilot.hover(panel, offset=(6, 1))
        await scenes.settle(pilot)
        assert app.deck_screen.keys.note == ""
        await pilot.click(panel, offset=(6, 1), control=True)
        await scenes.settle(pilot)
        assert "not a web link" in app.deck_screen.keys.note
        await pilot.click(panel, offset=(2, 1), control=True)
        await until(pilot, (tmp_path / "opened").exists, "the opener called")
        assert (tmp_path / "opened").read_text() == "https://example.org/a"


async def test_looking_back_by_wheel_and_keys(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer) as (app, pilot):
        await type_keys(scenes, pilot, LEADER, "5")
        panel = app.deck_screen.panel("web")
        live = text_of(app, "web")
        panel.on_mouse_scroll_up(_wheel(panel))
        await scenes.settle(pilot)
        assert panel.surface.up == 3
        assert "3 of 220 lines" in text_of(app, "web")
        await type_keys(scenes, pilot, "pageup", "home")
        assert panel.surface.up == 220
        assert "/api/cart/0 " in text_of(app, "web")
        peer.feed("web", "one more line\n")
        await scenes.settle(pilot)
        assert panel.surface.up == 221
        assert "/api/cart/0 " in text_of(app, "web")
        await type_keys(scenes, pilot, "x")
        assert panel.surface.up == 0
        assert peer.typed == {"web": b"x"}
        assert "one more line" in text_of(app, "web")
        assert text_of(app, "web") != live
        await type_keys(scenes, pilot, "shift+pageup", "escape")
        assert panel.surface.up == 0
        assert peer.typed == {"web": b"x"}


async def test_a_key_to_an_agent_that_ended_is_explained(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer) as (app, pilot):
        await type_keys(scenes, pilot, LEADER, "6", "x")
        assert peer.typed == {}
        assert "migrate has ended" in app.deck_screen.keys.note
        assert "exit status 3" in text_of(app, "migrate")
        await type_keys(scenes, pilot, LEADER, "a")
        assert ("POST", "/v1/agents/migrate/restore") in [call[:2] for call in peer.asked]
        assert app.fleet.agents["migrate"].alive


async def test_closing_asks_only_where_something_runs(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer) as (app, pilot):
        await type_keys(scenes, pilot, LEADER, "x")
        assert app.screen is not app.deck_screen
        await type_keys(scenes, pilot, "escape")
        assert "api-auth" in app.fleet.agents
        await type_keys(scenes, pilot, LEADER, "x", "enter")
        assert "api-auth" not in app.fleet.agents
        assert app.focused_agent == "tests"
        await type_keys(scenes, pilot, LEADER, "6", LEADER, "x")
        assert "docs" not in app.fleet.agents
        assert app.screen is app.deck_screen


async def test_a_refused_rename_says_why_in_the_dialog(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer) as (app, pilot):
        await type_keys(scenes, pilot, LEADER, "r")
        peer.refuse = Refused("session 'shop' has an agent 'tests' already", hint="choose another name")
        await type_keys(scenes, pilot, "enter")
        assert "already" in str(app.screen.query_one("#problem").render())
        await type_keys(scenes, pilot, *"-2", "enter")
        assert app.screen is app.deck_screen
        assert app.fleet.agents["api-auth"].name == "api-auth-2"


async def test_an_agent_is_started_with_what_was_filled_in(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer) as (app, pilot):
        await type_keys(scenes, pilot, LEADER, "n")
        await type_keys(
            scenes, pilot, "right", "right", "tab", *"mine", "tab", "tab", *"web, api", "tab", *"top -d 1", "enter"
        )
        method, path, body = peer.asked[-1] if peer.asked[-1][0] == "POST" else peer.asked[-2]
        assert (method, path) == ("POST", "/v1/agents")
        assert body["profile"] == "custom"
        assert body["argv"] == ["top", "-d", "1"]
        assert body["tags"] == ["web", "api"]
        assert (body["name"], body["session"], body["adapter"], body["worktree"]) == ("mine", "shop", "native", False)
        assert body["workspace"] == "/home/ada/src/shop"
        assert (body["cols"], body["lines"]) == (62, 21)
        assert app.focused_agent == "mine"


async def test_tags_and_goals_are_changed_and_shown(on_peer, scenes):
    peer = scenes.grouped()
    async with on_peer(peer, (160, 40)) as (app, pilot):
        assert "carts belong to users" in app.deck_screen.top.render_line(0).text
        await type_keys(scenes, pilot, LEADER, "p", *"tags", "enter")
        assert app.screen.query_one("#tags").value == "api needs-review"
        app.screen.query_one("#tags").value = "v2, api  slow"
        await type_keys(scenes, pilot, "enter")
        assert peer.asked[-1] == (
            "PATCH", "/v1/agents/api-auth", {"add_tags": ["v2", "slow"], "remove_tags": ["needs-review"]},
        )  # fmt: skip
        assert app.fleet.agents["api-auth"].tags == ("api", "slow", "v2")
        await type_keys(scenes, pilot, LEADER, "p", *"goal", "enter")
        app.screen.query_one("#goal").value = " ship it "
        await type_keys(scenes, pilot, "enter")
        assert ("PATCH", "/v1/sessions/shop", {"goal": "ship it"}) in peer.asked
        peer.happen("session.goal")
        await scenes.settle(pilot)
        assert "shop  ship it  " in app.deck_screen.top.render_line(0).text
        await type_keys(scenes, pilot, LEADER, "p", *"writing")
        assert {item.name for item in app.screen.picker.entries} == {"notes", "drafts"}


async def test_what_is_typed_in_one_burst_is_what_the_palette_takes(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer, size=(120, 36)) as (app, pilot):
        await type_keys(scenes, pilot, LEADER, "p")
        for key in "zoom":
            app.post_message(events.Key(key, key))
        app.post_message(events.Key("enter", "\r"))
        await scenes.settle(pilot)
        assert app.screen is app.deck_screen
        assert app.arrangement.tab.zoom


async def test_the_palette_finds_agents_and_actions(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer) as (app, pilot):
        await type_keys(scenes, pilot, LEADER, "p", *"seo", "enter")
        assert app.focused_agent == "seo"
        await type_keys(scenes, pilot, LEADER, "p", *"zoom", "enter")
        assert app.arrangement.tab.zoom
        await type_keys(scenes, pilot, LEADER, "p", *"qqqq", "enter", "escape")
        assert app.screen is app.deck_screen


async def test_an_agent_begins_from_the_checkpoint_of_the_open_session(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer) as (app, pilot):
        await type_keys(scenes, pilot, LEADER, "p", *"new from", "enter")
        await scenes.settle(pilot)
        profile = app.screen.query_one("#profile")
        assert [name for name, _ in profile.values] == ["claude"], "what would run it is not offered"
        await type_keys(scenes, pilot, "enter")
        (body,) = [body for method, path, body in peer.asked if (method, path) == ("POST", "/v1/agents")]
        assert (body["profile"], body["from_checkpoint"], body["session"]) == ("claude", "shop", "shop")
        assert app.screen is app.deck_screen


async def test_the_layout_is_kept_with_the_session(on_peer, scenes, until):
    peer = scenes.fleet()
    async with on_peer(peer) as (app, pilot):
        await type_keys(scenes, pilot, LEADER, "g", LEADER, "3", LEADER, "z")
        await until(pilot, lambda: peer.sessions[0]["layout"], "the layout stored")
    again = scenes.fleet()
    again.sessions[0]["layout"] = peer.sessions[0]["layout"]
    async with on_peer(again) as (app, _):
        assert app.focused_agent == "shell"
        assert app.arrangement.tab.zoom


async def test_nobody_answers_then_somebody_does(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer) as (app, pilot):
        before = text_of(app, "api-auth")
        peer.phase("lost", "the orchestrator ended; the agents go on")
        await scenes.settle(pilot)
        assert text_of(app, "api-auth") == before
        assert app.deck_screen.keys.lead == "orchestrator restarting; the agents run on"
        await type_keys(scenes, pilot, "x")
        assert peer.typed == {}
        assert "dropped" in app.deck_screen.keys.note
        peer.add("late", "shop", "hello")
        peer.screens["api-auth"].feed(b"\x1b[3;1Hmeanwhile")
        peer.phase("up")
        await scenes.settle(pilot)
        assert "late" in app.fleet.agents
        assert "meanwhile" in text_of(app, "api-auth")


async def test_a_stopped_orchestrator_is_started_again_on_request(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer) as (_, pilot):
        peer.phase("stopped", "the orchestrator was stopped", "quarterdeck ls starts it")
        await type_keys(scenes, pilot, LEADER, "p", *"reconnect", "enter")
        assert peer.revived == 1


async def test_a_restore_worth_telling_is_told_once(on_peer, scenes):
    peer = scenes.fleet()
    peer.report = {
        "wall_ns": scenes.NOW,
        "rebooted": True,
        "worth_telling": True,
        "outcomes": [{"agent": "images", "name": "images", "action": "waiting", "detail": "rebooted"}],
    }
    async with on_peer(peer) as (app, pilot):
        assert app.screen is not app.deck_screen
        await type_keys(scenes, pilot, "a")
        assert ("POST", "/v1/restore") in [call[:2] for call in peer.asked]
        assert app.screen is app.deck_screen
        peer.phase("up")
        await scenes.settle(pilot)
        assert app.screen is app.deck_screen


HOSTILE = "[bold red]x[/] \x1b[2J\x1b]0;evil\x07 \u202eabc\u2066 \x9b31m a\nb " + "z" * 500


async def test_hostile_text_is_shown_as_text(on_peer, scenes):
    peer = scenes.Peer()
    peer.session(HOSTILE)
    peer.sessions[0] |= {"id": "s", "workspace": "/home/ada/src/shop"}
    peer.add("a", "s", "hi", name=HOSTILE, title=HOSTILE, reason=HOSTILE, status="failed",
             worktree={"branch": HOSTILE}, argv=[HOSTILE], profile=HOSTILE)  # fmt: skip
    async with on_peer(peer, (200, 40)) as (app, pilot):
        peer.trouble("a", "full", HOSTILE, HOSTILE)
        await scenes.settle(pilot)
        await type_keys(scenes, pilot, LEADER, "r")
        await type_keys(scenes, pilot, "escape", LEADER, "p", "escape", LEADER, "s", "escape")
        picture = app.export_screenshot()
        lines = [
            widget.render_line(y).text for widget in (app.deck_screen.top, app.deck_screen.roster) for y in range(1)
        ]
        for text in (*lines, text_of(app, "a"), app.deck_screen.keys.render_line(0).text):
            assert not any((ord(char) < 32 and char != "\n") or 0x7F <= ord(char) < 0xA0 for char in text)
            assert "\u202e" not in text
        assert "bold" in picture


async def test_times_cost_one_timer(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer) as (app, pilot):
        roster = app.deck_screen.roster
        app.clock.advance(3600)
        app._tick()
        await scenes.settle(pilot)
        assert "15:02" in app.deck_screen.top.render_line(0).text
        await pilot.resize_terminal(250, 60)
        await scenes.settle(pilot)
        assert "1 h" in roster.render_line(2).text


async def test_an_agent_that_appears_or_vanishes_elsewhere(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer) as (app, pilot):
        peer.add("fresh", "shop", "from a script")
        peer.happen("agent.created", "fresh")
        await scenes.settle(pilot)
        assert "fresh" in app.members
        peer.remove("fresh")
        await scenes.settle(pilot)
        assert "fresh" not in app.members
        peer.change("tests", status="exited", exit_code=1)
        await scenes.settle(pilot)
        assert app.fleet.agents["tests"].status == "exited"


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (120, 40), (250, 60), (400, 100)])
async def test_lines_fill_every_size_exactly(on_peer, scenes, size):
    peer = scenes.fleet()
    async with on_peer(peer, size) as (app, _):
        screen = app.deck_screen
        widgets = [screen.top, screen.keys, screen.roster, *screen.panels[: len(app.shown)]]
        for widget in widgets:
            width, height = widget.outer_size
            assert width > 0
            assert height > 0
            for y in range(height):
                line = widget.render_line(y)
                assert line.cell_length == width
                assert sum(segment.cell_length for segment in line) == width


async def test_mistakes_in_the_persons_files_are_told_until_they_are_mended(on_peer, scenes):
    peer = scenes.fleet()
    peer.complaints = ["config.toml: notify.quiet: must be two different times of day"]
    async with on_peer(peer) as (app, pilot):
        await scenes.settle(pilot)
        assert app.deck_screen.keys.note == "1 problem: quarterdeck doctor"
        assert [told.message.split("\n")[0] for told in app._notifications] == peer.complaints
        peer.happen("orchestrator.problems", problems=[*peer.complaints, "policy.toml: line 3"])
        await scenes.settle(pilot)
        assert app.deck_screen.keys.note == "2 problems: quarterdeck doctor"
        assert len(app._notifications) == 2
        peer.happen("orchestrator.problems", problems=[])
        await scenes.settle(pilot)
        assert app.deck_screen.keys.note == ""
        peer.phase("lost", "unknown schema", "upgrade quarterdeck")
        await scenes.settle(pilot)
        assert app.deck_screen.keys.lead == "orchestrator restarting: unknown schema"


async def test_many_mistakes_in_keys_are_one_toast_and_the_same_one_counts_once(on_peer, scenes):
    peer = scenes.fleet()
    file = Path("/home/ada/.config/quarterdeck/config.toml")
    wrong = f"{file}: keys: bind.zooom: unknown command"
    told = f"{wrong}; the last good settings hold until it is mended"
    mine = (f"{wrong} (did you mean zoom?)", *(f"keys: {n} for inbox is one of the digits" for n in range(1, 5)))
    peer.complaints = [told]
    peer.findings["problems"] = [{"problem": told, "mend": ""}, {"problem": "no git", "mend": "install it"}]
    async with on_peer(peer, (120, 36), files=(file,), key_problems=mine) as (app, pilot):
        assert app.deck_screen.keys.note == "5 problems: quarterdeck doctor"
        (toast,) = app._notifications
        assert toast.title == "5 problems"
        assert toast.message.startswith(f"{mine[0]}\nand 4 more")
        peer.happen("orchestrator.problems", problems=[told])
        await type_keys(scenes, pilot, LEADER, "!")
        assert len(app._notifications) <= 1
        page = "\n".join("".join(text for text, _ in line) for line in app.screen.table.rows)
        assert page.count("zooom") == 1
        assert all(line in page for line in (*mine, "no git"))


@pytest.mark.parametrize("changed", [["web"], ["web", "tests", "editor"]], ids=["asked for", "in the list"])
async def test_an_agent_that_goes_while_it_is_asked_for_does_not_come_back(
    on_peer, scenes, until, monkeypatch, changed
):
    peer = scenes.fleet()
    async with on_peer(peer) as (app, pilot):
        asked, answers, request = asyncio.Event(), asyncio.Event(), peer.request

        async def slow(method, path, body=None):
            answer = await request(method, path, body)
            if path in ("/v1/agents", "/v1/agents/web"):
                asked.set()
                await answers.wait()
            return answer

        monkeypatch.setattr(peer, "request", slow)
        for agent in changed:
            peer.change(agent, title="another")
        await asyncio.wait_for(asked.wait(), 30)
        peer.remove("web")
        while "web" in app.fleet.agents:
            await asyncio.sleep(0.001)
        answers.set()
        await scenes.settle(pilot)
        assert "web" not in app.fleet.agents


async def test_keys_go_nowhere_after_the_focused_agent_went_elsewhere(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer, (250, 60)) as (app, pilot):
        await type_keys(scenes, pilot, "r", "m")
        peer.remove("api-auth")
        await scenes.settle(pilot)
        said = "api-auth is gone; keys go nowhere until you choose a panel"
        assert app.focused_agent == ""
        assert app.deck_screen.keys.note == said
        assert sent(peer, frames.Focus)[-1] == frames.Focus("")
        app.post_message(events.Paste("-rf"))
        await type_keys(scenes, pilot, "space", "enter", LEADER, LEADER, LEADER, "x", LEADER, "h")
        assert app.screen is app.deck_screen
        assert peer.typed == {"api-auth": b"rm"}
        assert not app.arrangement.hidden
        peer.remove(app.stage.focus)
        await scenes.settle(pilot)
        assert app.deck_screen.keys.note == said
        await type_keys(scenes, pilot, "enter", LEADER, "right")
        assert app.focused_agent == app.members[0]
        assert app.deck_screen.keys.note == ""
        await pilot.pause()
        app.clock.advance(1)
        await type_keys(scenes, pilot, "l")
        assert peer.typed == {"api-auth": b"rm", app.members[0]: b"l"}


@pytest.mark.parametrize("way", ["digit", "panel", "list"])
async def test_a_panel_is_chosen_after_the_focused_agent_went(on_peer, scenes, way):
    peer = scenes.fleet()
    async with on_peer(peer, (250, 60)) as (app, pilot):
        peer.remove("api-auth")
        await scenes.settle(pilot)
        next_one = app.stage.focus
        if way == "digit":
            await type_keys(scenes, pilot, LEADER, "1")
        elif way == "panel":
            await pilot.click(app.deck_screen.panel(next_one), offset=(5, 5))
        else:
            await pilot.click(app.deck_screen.roster, offset=(5, app.deck_screen.roster._place("editor")))
        await scenes.settle(pilot)
        assert app.focused_agent
        chosen = app.focused_agent
        await type_keys(scenes, pilot, "l")
        assert peer.typed == {chosen: b"l"}


async def test_keys_go_nowhere_after_the_open_session_went(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer) as (app, pilot):
        peer.session("later")
        peer.add("another", "later")
        peer.sessions = [one for one in peer.sessions if one["id"] != "shop"]
        peer.agents = {name: one for name, one in peer.agents.items() if one["session"] != "shop"}
        peer.happen("session.removed")
        await type_keys(scenes, pilot)
        assert app.session_id == "later"
        await type_keys(scenes, pilot, "enter")
        assert peer.typed == {}
        assert "keys go nowhere" in app.deck_screen.keys.note


async def test_the_enter_after_closing_is_nobodys(on_peer, scenes, until):
    peer = scenes.fleet()
    peer.agents["docs"]["status"] = "idle"
    async with on_peer(peer) as (app, pilot):
        await type_keys(scenes, pilot, LEADER, "6")
        assert app.focused_agent == "migrate"
        await type_keys(scenes, pilot, LEADER, "x", "enter")
        heir = app.focused_agent
        assert "migrate" not in app.fleet.agents
        assert heir
        assert peer.typed == {}
        assert app.deck_screen.keys.note == "what you type is dropped until you pause"
        app.clock.advance(0.9)
        await type_keys(scenes, pilot, "l")
        assert peer.typed == {}
        app.clock.advance(1)
        await until(pilot, lambda: "dropped" not in app.deck_screen.keys.note, "keys taken again")
        await type_keys(scenes, pilot, "l")
        assert peer.typed == {heir: b"l"}


async def test_the_enter_after_the_last_agent_went_starts_nobody(on_peer, scenes):
    peer = scenes.alone()
    async with on_peer(peer) as (app, pilot):
        peer.remove(app.focused_agent)
        await scenes.settle(pilot)
        await type_keys(scenes, pilot, "enter")
        assert not [call for call in peer.asked if call[0] == "POST"]
        assert "dropped" in app.deck_screen.keys.note


async def test_what_arrives_after_a_restart_has_no_hole(on_peer, scenes, until):
    peer = scenes.fleet()
    async with on_peer(peer) as (app, pilot):
        await type_keys(scenes, pilot, "a")
        peer.phase("lost", "the orchestrator ended; the agents go on")
        await type_keys(scenes, pilot, "b")
        assert app.deck_screen.keys.note == "nobody answers; what you type is dropped"
        peer.phase("up")
        await type_keys(scenes, pilot, "c")
        app.clock.advance(0.8)
        app.post_message(events.Paste("d"))
        await type_keys(scenes, pilot)
        app.clock.advance(0.8)
        await type_keys(scenes, pilot, "e")
        assert peer.typed == {"api-auth": b"a"}
        assert app.deck_screen.keys.note == "what you type is dropped until you pause"
        app.clock.advance(1)
        await until(pilot, lambda: "you type" not in app.deck_screen.keys.note, "keys taken again")
        await type_keys(scenes, pilot, "f")
        assert peer.typed == {"api-auth": b"af"}


async def test_what_was_typed_as_the_connection_broke_has_no_second_half(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer) as (_, pilot):
        await type_keys(scenes, pilot, "a")
        peer.phase("lost", "the orchestrator ended; the agents go on")
        peer.phase("up")
        await type_keys(scenes, pilot, "b")
        assert peer.typed == {"api-auth": b"a"}
        await type_keys(scenes, pilot, LEADER, "right", "c")
        assert peer.typed == {"api-auth": b"a", "tests": b"c"}


async def test_keys_where_nothing_fits_are_explained(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer, (50, 12)) as (app, pilot):
        assert app.deck_screen.plan.tiny
        await type_keys(scenes, pilot, "x")
        assert peer.typed == {}
        await pilot.resize_terminal(80, 24)
        await scenes.settle(pilot)
        assert app.deck_screen.keys.note == "what you typed while there was no room for panels is dropped"


async def test_digits_count_what_is_on_the_screen_then_the_list(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer, (250, 60)) as (app, pilot):
        await type_keys(scenes, pilot, LEADER, "shift+right", LEADER, "4", LEADER, "h")
        here = [app.deck_screen.panel(one) for one in app.shown]
        placed = [panel.agent for panel in sorted(here, key=lambda panel: (panel.region.y, panel.region.x))]
        assert placed[:2] == ["tests", "api-auth"]
        assert len(placed) == len(app.members) - 1
        for zoomed in (False, True):
            for number, agent in enumerate([*placed, "editor"], 1):
                await type_keys(scenes, pilot, LEADER)
                assert app.digit(agent) == str(number)
                if app.deck_screen.panel(agent):
                    assert f"{number} " in text_of(app, agent).split(agent)[0]
                await type_keys(scenes, pilot, "escape", LEADER, str(number))
                assert app.focused_agent == agent
                if agent == "editor":
                    await type_keys(scenes, pilot, LEADER, "h")
            if not zoomed:
                await type_keys(scenes, pilot, LEADER, "1", LEADER, "z")
