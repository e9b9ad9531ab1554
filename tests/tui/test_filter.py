"""The filter of the list: by keys, by mouse, folded, zoomed, with two hundred agents and hostile ones."""

from __future__ import annotations

import pytest
from textual import events

from tui.filtering import fit
from tui.fleet import AgentInfo
from tui.port import frames

LEADER = "ctrl+right_square_bracket"
HOSTILE = "a[b]\x1b[2J\u202e\nc"


def info(name, **more):
    return AgentInfo.of({"id": name, "name": name, "session": "s", "status": "idle", "profile": "claude"} | more)


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        ("api", True), ("auth", True), ("claude", True), ("idle", True), ("writers", True), ("shop", True), ("", True),
        ("apauth", True), ("api shop", True), ("idle api claude", True), ("API", True),
        ("working", False), ("api working", False), ("clde", False), ("zzz", False),
    ],
)  # fmt: skip
def test_every_word_fits_something_of_an_agent(query, fits):
    agent = info("api-auth", tags=["writers"])
    assert (fit(query.split(), agent, "shop", 0) is not None) == fits


def test_a_name_that_begins_so_fits_best():
    ranks = [fit(["api"], info(name, **more), "s", 0) for name, more in
             [("api", {}), ("x", {"tags": ["api"]}), ("the-api", {}), ("rapid", {}), ("a-pain-i", {})]]  # fmt: skip
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == len(ranks)


async def press(scenes, pilot, *names):
    for name in names:
        await pilot.press(name)
        await scenes.settle(pilot)


def text_of(app):
    roster = app.deck_screen.roster
    return [roster.render_line(y).text for y in range(roster.outer_size.height)]


def names(app):
    """The agents in the list, as it is drawn."""
    lines = "\n".join(text_of(app)[1:])
    return sorted((agent for agent in app.fleet.agents if f" {agent} " in lines), key=lines.index)


def sizes(peer):
    return [one for one in peer.sent if isinstance(one, frames.Size)]


async def test_typing_narrows_arrows_choose_and_enter_focuses(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer, (160, 40)) as (app, pilot):
        before = sizes(peer)
        await press(scenes, pilot, LEADER, "f")
        assert app.filtering.chosen == app.focused_agent
        assert len(names(app)) == len(peer.agents)
        await press(scenes, pilot, *"blog codex")
        assert names(app) == ["notes", "links"]
        assert text_of(app)[0].startswith(" / blog codex")
        assert "2 of 15" in text_of(app)[0]
        await press(scenes, pilot, "down", "down")
        assert app.filtering.chosen == names(app)[-1]
        await press(scenes, pilot, "up")
        chosen = app.filtering.chosen
        assert chosen == names(app)[0]
        await press(scenes, pilot, "enter")
        assert (app.focused_agent, app.session_id, app.filtering.open) == (chosen, "blog", False)
        assert peer.typed == {}
        assert sizes(peer)[: len(before)] == before


async def test_escape_shows_all_again_and_no_agent_was_typed_into(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer, (160, 40)) as (app, pilot):
        focused, whole = app.focused_agent, text_of(app)
        await press(scenes, pilot, LEADER, "f", *"migr", "f5", "ctrl+c", "alt+x", "left")
        assert names(app) == ["migrate"]
        await press(scenes, pilot, "ctrl+w", *"no such", "down", "pageup")
        assert "nothing fits" in text_of(app)[1]
        assert app.filtering.chosen == ""
        await press(scenes, pilot, "ctrl+u", "backspace", "d")
        assert app.filtering.query == "d"
        await press(scenes, pilot, "escape")
        assert (app.focused_agent, text_of(app), peer.typed) == (focused, whole, {})
        await press(scenes, pilot, "d")
        assert peer.typed == {focused: b"d"}


async def test_enter_on_nothing_only_closes(on_peer, scenes):
    async with on_peer(scenes.fleet(), (160, 40)) as (app, pilot):
        focused = app.focused_agent
        await press(scenes, pilot, LEADER, "f", *"qqq", "enter")
        assert (app.focused_agent, app.filtering.open) == (focused, False)


@pytest.mark.parametrize("zoomed", [False, True])
async def test_folded_and_zoomed_it_lies_over_the_panels_and_changes_no_size(on_peer, scenes, zoomed):
    peer = scenes.fleet()
    async with on_peer(peer, (80, 24)) as (app, pilot):
        if zoomed:
            await press(scenes, pilot, LEADER, "z")
        tiles, asked = app.deck_screen.plan.tiles, sizes(peer)
        roster = app.deck_screen.roster
        folded = app.deck_screen.plan.roster
        await press(scenes, pilot, LEADER, "f")
        assert roster.region.width == 36 > folded
        assert app.screen.get_widget_at(30, 5)[0] is roster
        peer.feed(app.focused_agent, "more\n")
        await press(scenes, pilot, *"seo")
        assert names(app) == ["seo"]
        assert app.deck_screen.plan.tiles == tiles
        await press(scenes, pilot, "escape")
        assert sizes(peer) == asked
        assert app.screen.get_widget_at(30, 5)[0] is not roster
        assert app.deck_screen.plan.listing == folded


@pytest.mark.parametrize("size", [(80, 24), (160, 40)])
async def test_by_the_mouse(on_peer, scenes, size):
    peer = scenes.fleet()
    async with on_peer(peer, size) as (app, pilot):
        roster = app.deck_screen.roster
        await pilot.hover(offset=(3, 5))
        await scenes.settle(pilot)
        assert " / " in text_of(app)[0]
        await pilot.click(offset=(roster.region.right - 3, 1))
        await scenes.settle(pilot)
        assert app.filtering.open
        await press(scenes, pilot, *"not")
        line = next(y for y, text in enumerate(text_of(app)) if " notes " in text)
        await pilot.click(offset=(5, line + 1))
        await scenes.settle(pilot)
        assert (app.focused_agent, app.filtering.open) == ("notes", False)
        await pilot.click(offset=(roster.region.right - 3, 1))
        await pilot.click(offset=(3, 1))
        await scenes.settle(pilot)
        assert not app.filtering.open
        await press(scenes, pilot, LEADER, "f")
        await pilot.click(offset=(app.deck_screen.keys.render_line(0).text.index("all again"), size[1] - 1))
        await scenes.settle(pilot)
        assert not app.filtering.open


async def test_two_hundred_agents_scroll_by_wheel_and_keys(on_peer, scenes):
    peer = scenes.fleet()
    for number in range(200):
        peer.add(f"a{number:03d}", "shop" if number % 2 else "blog", tags=[f"t{number % 10}"])
    async with on_peer(peer, (160, 40)) as (app, pilot):
        await press(scenes, pilot, LEADER, "f", *"t3")
        assert app.filtering.found == [f"a{n:03d}" for n in range(3, 200, 10)]
        await press(scenes, pilot, "end")
        assert app.filtering.chosen == "a193"
        await press(scenes, pilot, "ctrl+u", "end")
        last = names(app)[-1]
        assert app.filtering.chosen == last
        await press(scenes, pilot, "home")
        assert app.filtering.chosen not in names(app)[-1:]
        await press(scenes, pilot, "escape")
        top = names(app)
        for _ in range(8):
            app.deck_screen.roster.post_message(
                events.MouseScrollDown(app.deck_screen.roster, 3, 5, 0, 1, 0, False, False, False)
            )
        await scenes.settle(pilot)
        scrolled = names(app)
        assert set(scrolled).isdisjoint(top[:10])
        peer.change("docs", since_ns=scenes.NOW)
        await scenes.settle(pilot)
        assert names(app) == scrolled
        await press(scenes, pilot, LEADER, "2")
        assert app.focused_agent in names(app)


async def test_the_list_stays_narrow_while_agents_come_change_and_go(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer, (160, 40)) as (app, pilot):
        await press(scenes, pilot, LEADER, "f", *"failed")
        assert names(app) == ["migrate"]
        peer.change("web", status="failed")
        await scenes.settle(pilot)
        assert sorted(names(app)) == ["migrate", "web"]
        assert app.filtering.chosen == "migrate"
        peer.remove("migrate")
        await scenes.settle(pilot)
        assert (names(app), app.filtering.chosen) == (["web"], "web")


async def test_what_is_pasted_and_named_draws_nothing_else(on_peer, scenes):
    peer = scenes.fleet()
    peer.add("evil", "shop", name=HOSTILE, tags=[HOSTILE])
    async with on_peer(peer, (100, 30)) as (app, pilot):
        await press(scenes, pilot, LEADER, "f")
        app.post_message(events.Paste(HOSTILE))
        await scenes.settle(pilot)
        shown = "\n".join(text_of(app))
        assert app.filtering.query.startswith("a[b]")
        assert not any(sign in shown for sign in "\x1b\u202e")
        app.post_message(events.Paste("x" * 5000))
        await scenes.settle(pilot)
        assert {len(line) for line in text_of(app)} == {36}
        assert peer.typed == {}


async def test_the_leader_works_meanwhile(on_peer, scenes):
    async with on_peer(scenes.fleet(), (160, 40)) as (app, pilot):
        await press(scenes, pilot, LEADER, "f", *"sh", LEADER, "f")
        assert not app.filtering.open
        await press(scenes, pilot, LEADER, "f", LEADER, "2")
        assert app.focused_agent == app.members[1]


async def test_no_room_for_a_list_means_no_filter(on_peer, scenes):
    async with on_peer(scenes.fleet(), (160, 40)) as (app, pilot):
        await press(scenes, pilot, LEADER, "f")
        await pilot.resize_terminal(50, 12)
        await scenes.settle(pilot)
        await press(scenes, pilot, "q")
        assert not app.filtering.open
        await press(scenes, pilot, LEADER, "f")
        assert not app.filtering.open
