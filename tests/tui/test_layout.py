"""Layouts on the screen, by keys alone and by the mouse alone, against a scripted orchestrator."""

from __future__ import annotations

import pytest
from textual import events

from quarterdeck import layout, splits
from quarterdeck.layout import Layout, Tab
from quarterdeck.splits import split
from tui.port import frames

LEADER = "ctrl+right_square_bracket"
BIG = (250, 60)
FOUR = ("api-auth", "tests", "shell", "editor")


async def after_leader(scenes, pilot, *names):
    """Each of these after the leader, several words being several presses."""
    for name in names:
        for key in (LEADER, *name.split()):
            await pilot.press(key)
        await scenes.settle(pilot)


async def type_keys(scenes, pilot, *names):
    for name in names:
        await pilot.press(name)
    await scenes.settle(pilot)


def some(scenes, *names, layout_text=""):
    """The fleet with these agents alone in the session."""
    peer = scenes.fleet()
    for name in [one for one, agent in peer.agents.items() if agent["session"] == "shop" and one not in names]:
        del peer.agents[name]
    peer.sessions[0]["layout"] = layout_text
    return peer


def where(app):
    return dict(app.deck_screen.plan.tiles)


def sizes(peer):
    return [request for request in peer.sent if isinstance(request, frames.Size)]


def title(app, agent):
    return app.deck_screen.panel(agent).render_line(0).text


def sound(app):
    """No panel lies over another one or beside the screen, and each widget stands where the plan says."""
    taken = set()
    for panel, (agent, at) in zip(app.deck_screen.panels, app.deck_screen.plan.tiles, strict=False):
        assert panel.agent == agent
        assert tuple(panel.region) == tuple(app.deck_screen.plan.seen(at))
        cells = {(x, y) for x in range(at.x, at.x + at.width) for y in range(at.y, at.y + at.height)}
        assert not taken & cells
        taken |= cells
    assert app.focused_agent in app.shown or not app.shown


# by keys


async def test_the_focus_goes_to_the_panel_in_a_direction(on_peer, scenes):
    text = layout.dumps(Layout(tabs=(Tab(tiling="split", split=split(
        "columns", ["api-auth", split("rows", ["tests", "shell", "editor"])])),)))  # fmt: skip
    async with on_peer(some(scenes, *FOUR, layout_text=text), BIG) as (app, pilot):
        sound(app)
        found = []
        for key in ("right", "up", "down", "down", "left", "right"):
            await after_leader(scenes, pilot, key)
            found.append(app.focused_agent)
        assert found == ["shell", "tests", "shell", "editor", "api-auth", "shell"]


async def test_zoomed_the_focus_goes_on_to_neighbours(on_peer, scenes):
    async with on_peer(some(scenes, *FOUR), BIG) as (app, pilot):
        await after_leader(scenes, pilot, "z", "down")
        assert app.shown == ("shell",)
        assert "▣" in title(app, "shell")
        await after_leader(scenes, pilot, "z")
        assert app.shown == FOUR


async def test_panels_move_swap_and_are_sized(on_peer, scenes):
    peer = some(scenes, *FOUR)
    async with on_peer(peer, BIG) as (app, pilot):
        before = where(app)
        await after_leader(scenes, pilot, "shift+right")
        assert app.arrangement.tab.tiling == "split"
        after = where(app)
        assert after["api-auth"] == before["tests"]
        assert after["tests"] == before["api-auth"]
        await after_leader(scenes, pilot, "shift+right")
        sound(app)
        column = where(app)["api-auth"]
        assert (column.y, column.height) == (1, 58)
        assert column.x + column.width == 250
        await after_leader(scenes, pilot, "ctrl+left")
        assert where(app)["api-auth"].width == column.width + 4
        await after_leader(scenes, pilot, "=")
        assert abs(where(app)["api-auth"].width - where(app)["tests"].width) <= 1
        await after_leader(scenes, pilot, "l x")
        await type_keys(scenes, pilot, *"edit", "enter")
        assert where(app)["editor"] == column._replace(x=where(app)["editor"].x, width=where(app)["editor"].width)
        assert sizes(peer)[-1].agent in FOUR
        wanted = {agent: app.deck_screen.plan.size(at) for agent, at in where(app).items()}
        told = {request.agent: (request.cols, request.lines) for request in sizes(peer)}
        assert told == wanted


async def test_a_border_stops_where_a_panel_would_be_too_small(on_peer, scenes):
    async with on_peer(some(scenes, "api-auth", "tests"), (120, 36)) as (app, pilot):
        for _ in range(12):
            await after_leader(scenes, pilot, "ctrl+down")
        assert where(app)["tests"].height == 4
        assert "no further" in app.deck_screen.keys.note
        sound(app)


async def test_ways_to_tile(on_peer, scenes):
    async with on_peer(some(scenes, *FOUR), BIG) as (app, pilot):
        await after_leader(scenes, pilot, "l m")
        assert [where(app)[name].height for name in FOUR] == [58, 20, 19, 19]
        await after_leader(scenes, pilot, "l c")
        assert app.stage.page_words() == "1 to 3 of 4"
        await after_leader(scenes, pilot, "l r")
        assert {box.width for box in where(app).values()} == {214}
        await after_leader(scenes, pilot, "l o")
        assert app.shown == ("api-auth",)
        await after_leader(scenes, pilot, "l g")
        assert app.shown == FOUR
        await after_leader(scenes, pilot, "shift+down")
        made = where(app)
        seen = []
        for _ in range(6):
            await after_leader(scenes, pilot, "g")
            seen.append(app.arrangement.tab.tiling)
        assert seen == ["grid", "main", "columns", "rows", "one", "split"]
        assert where(app) == made


async def test_a_tiling_says_how_to_get_to_the_rest_and_back_to_a_split(on_peer, scenes):
    async with on_peer(some(scenes, *FOUR), (120, 36)) as (app, pilot):
        await after_leader(scenes, pilot, "l c")
        assert app.shown == ("api-auth",)
        said = app.deck_screen.keys.note
        assert "columns: room for 1 of 4" in said
        key = said.partition("of 4, ")[2].partition(" goes on")[0]
        await after_leader(scenes, pilot, key.partition(" ")[2])
        assert app.shown == ("tests",)
    async with on_peer(some(scenes, *FOUR), BIG) as (app, pilot):
        await after_leader(scenes, pilot, "shift+right")
        made = where(app)
        await after_leader(scenes, pilot, "g")
        assert f"{app.commands.shortest('layout')} comes round to your split" in app.deck_screen.keys.note
        for _ in range(5):
            await after_leader(scenes, pilot, "g")
        assert where(app) == made
        assert app.deck_screen.keys.note == "as you split it"


async def test_an_agent_is_split_off_and_one_without_a_panel_is_brought(on_peer, scenes):
    peer = some(scenes, "api-auth", "tests")
    async with on_peer(peer, BIG) as (app, pilot):
        await after_leader(scenes, pilot, "right", "|")
        await type_keys(scenes, pilot, "right", "tab", *"mine", "enter")
        box = where(app)["mine"]
        assert app.focused_agent == "mine"
        assert box.x > where(app)["tests"].x
        (made,) = [body for method, path, body in peer.asked if (method, path) == ("POST", "/v1/agents")]
        assert (made["cols"], made["lines"]) == app.deck_screen.plan.size(box)
        await after_leader(scenes, pilot, "h")
        assert "mine" not in app.shown
        assert app.focused_agent in app.shown
        await after_leader(scenes, pilot, "1", "-")
        assert [item.name for item in app.screen.picker.entries] == ["new agent", "mine"]
        await type_keys(scenes, pilot, *"mine", "enter")
        sound(app)
        assert where(app)["mine"].x == where(app)["api-auth"].x
        assert where(app)["mine"].y == where(app)["api-auth"].y + where(app)["api-auth"].height
        assert app.arrangement.hidden == ()


async def test_a_new_agent_stands_beside_the_focused_panel_of_a_split(on_peer, scenes):
    async with on_peer(some(scenes, "api-auth", "tests"), BIG) as (app, pilot):
        await after_leader(scenes, pilot, "shift+right", "n")
        await type_keys(scenes, pilot, "right", "tab", *"mine", "enter")
        assert splits.leaves(app.arrangement.tab.split) == ("tests", "api-auth", "mine")
        assert where(app)["mine"].x == where(app)["api-auth"].x


async def test_a_new_agent_stands_beside_the_focused_panel_where_another_is_larger(on_peer, scenes):
    text = layout.dumps(Layout(tabs=(Tab(tiling="split", split=split("columns", ["api-auth", "tests"], [1, 2])),)))
    async with on_peer(some(scenes, "api-auth", "tests", layout_text=text), BIG) as (app, pilot):
        await after_leader(scenes, pilot, "1", "n")
        await type_keys(scenes, pilot, "right", "tab", *"mine", "enter")
        assert splits.leaves(app.arrangement.tab.split) == ("api-auth", "mine", "tests")
        assert where(app)["mine"].x == where(app)["api-auth"].x


async def test_what_is_paged_for_want_of_room_is_left_as_it_was_split(on_peer, scenes):
    text = layout.dumps(Layout(tabs=(Tab(tiling="split", split=split("columns", list(FOUR))),)))
    async with on_peer(some(scenes, *FOUR, layout_text=text), (80, 24)) as (app, pilot):
        assert app.shown == ("api-auth",)
        for keys in ("shift+right", "ctrl+right", "|"):
            await after_leader(scenes, pilot, keys)
            assert "no room for these panels" in app.deck_screen.keys.note
        assert app.screen is app.deck_screen
        await pilot.resize_terminal(*BIG)
        await scenes.settle(pilot)
        assert app.shown == FOUR


async def test_an_agent_that_came_when_its_neighbour_was_gone_finds_a_place(on_peer, scenes):
    peer = some(scenes, *FOUR)
    async with on_peer(peer, BIG) as (app, pilot):
        await after_leader(scenes, pilot, "|")
        peer.remove("api-auth")
        await scenes.settle(pilot)
        await type_keys(scenes, pilot, "right", "tab", *"mine", "enter")
        sound(app)
        assert set(app.shown) == {"tests", "shell", "editor", "mine"}


async def test_a_hidden_panel_comes_back_to_its_place(on_peer, scenes):
    async with on_peer(some(scenes, *FOUR), BIG) as (app, pilot):
        await after_leader(scenes, pilot, "shift+right", "ctrl+right")
        before = where(app)
        await after_leader(scenes, pilot, "h")
        assert "api-auth" not in app.shown
        assert "api-auth" in app.arrangement.hidden
        assert "api-auth +2 –" in roster(app)
        await after_leader(scenes, pilot, "p")
        await type_keys(scenes, pilot, *"api-auth", "enter")
        assert where(app) == before
        assert app.arrangement.hidden == ()


async def test_a_pinned_panel_is_first_on_every_page(on_peer, scenes):
    async with on_peer(scenes.fleet(), (120, 36)) as (app, pilot):
        await after_leader(scenes, pilot, "3", "v")
        assert app.shown == ("shell", "api-auth")
        assert "◉" in title(app, "shell")
        assert "pinned" in title(app, "shell")
        await after_leader(scenes, pilot, "5")
        assert app.shown[0] == "shell"
        assert "web" in app.shown
        await after_leader(scenes, pilot, "1", "v")
        assert app.shown == ("shell", "editor")


async def test_tabs_are_made_named_filled_turned_and_closed(on_peer, scenes):
    async with on_peer(some(scenes, *FOUR), BIG) as (app, pilot):
        assert not app.deck_screen.plan.tabs
        await after_leader(scenes, pilot, "o")
        assert app.deck_screen.plan.tabs
        assert app.shown == ()
        assert "nothing is on this tab yet" in notice(app)
        await after_leader(scenes, pilot, "l n")
        await type_keys(scenes, pilot, *"review", "enter")
        await after_leader(scenes, pilot, ",")
        assert app.shown == FOUR
        await after_leader(scenes, pilot, "2", "l t")
        await type_keys(scenes, pilot, *"review", "enter")
        assert app.shown == ("api-auth", "shell", "editor")
        assert "1 api-auth" in tab_line(app) or "1 shell" in tab_line(app)
        assert "2 review" in tab_line(app)
        await after_leader(scenes, pilot, ".")
        assert app.shown == ("tests",)
        assert app.focused_agent == "tests"
        await after_leader(scenes, pilot, "n")
        await type_keys(scenes, pilot, "right", "tab", *"mine", "enter")
        assert app.shown == ("tests", "mine")
        await after_leader(scenes, pilot, "l q")
        assert not app.deck_screen.plan.tabs
        assert set(app.shown) == {*FOUR, "mine"}
        assert app.focused_agent == "mine"


async def test_the_last_panel_of_a_tab_takes_the_focus_with_it_to_another_one(on_peer, scenes):
    tabs = (Tab(agents=("api-auth",)), Tab(name="back", agents=("tests", "shell", "editor")))
    async with on_peer(some(scenes, *FOUR, layout_text=layout.dumps(Layout(tabs=tabs))), BIG) as (app, pilot):
        await after_leader(scenes, pilot, "l t")
        await type_keys(scenes, pilot, *"back", "enter")
        assert (app.arrangement.at, app.focused_agent) == (1, "api-auth")
        assert app.shown == ("tests", "shell", "editor", "api-auth")
        await after_leader(scenes, pilot, "l t")
        await type_keys(scenes, pilot, *"tab 1", "enter")
        assert (app.arrangement.at, app.shown) == (1, ("tests", "shell", "editor"))
        assert app.focused_agent in app.shown


async def test_an_agent_of_another_tab_opens_it(on_peer, scenes):
    text = layout.dumps(Layout(tabs=(Tab(agents=("api-auth", "tests")), Tab(agents=("shell", "editor")))))
    async with on_peer(some(scenes, *FOUR, layout_text=text), BIG) as (app, pilot):
        await after_leader(scenes, pilot, "4")
        assert (app.arrangement.at, app.focused_agent) == (1, "editor")
        await after_leader(scenes, pilot, ",", ".")
        assert app.focused_agent == "editor"


def tab_line(app):
    return app.deck_screen.tabs.render_line(0).text


def roster(app):
    lines = [app.deck_screen.roster.render_line(y).text for y in range(app.deck_screen.roster.outer_size.height)]
    return "\n".join(lines)


def notice(app):
    return "\n".join(text for line in app.deck_screen.notice.text for text, _ in line)


async def test_a_tab_that_is_not_open_says_who_needs_a_person(on_peer, scenes):
    text = layout.dumps(Layout(tabs=(Tab(agents=("api-auth",)), Tab(name="back", agents=("tests", "shell")))))
    peer = some(scenes, *FOUR, layout_text=text)
    async with on_peer(peer, (80, 24)) as (app, pilot):
        assert "▲" not in tab_line(app)
        peer.change("tests", status="blocked")
        peer.change("shell", status="failed")
        await scenes.settle(pilot)
        assert "2 back ▲ 2" in tab_line(app)
        await after_leader(scenes, pilot, ".")
        assert "▲" not in tab_line(app)


async def test_those_that_need_me_of_all_sessions_and_back(on_peer, scenes):
    peer = scenes.fleet()
    peer.change("notes", status="blocked", since_ns=scenes.NOW)
    async with on_peer(peer, BIG) as (app, pilot):
        await after_leader(scenes, pilot, "3", "j")
        assert app.shown == ("notes", "migrate", "import", "images", "drafts")
        assert app.focused_agent == "notes"
        assert "blog" in title(app, "notes")
        assert "those that need you" in app.deck_screen.top.render_line(0).text
        await type_keys(scenes, pilot, "x")
        assert peer.typed == {"notes": b"x"}
        peer.change("notes", status="working")
        peer.change("web", status="blocked", since_ns=scenes.NOW - 9)
        await scenes.settle(pilot)
        assert app.shown == ("notes", "migrate", "import", "images", "drafts", "web"), "nothing moves below one's hands"
        app.clock.advance(60)
        await after_leader(scenes, pilot, "right")
        app.clock.advance(60)
        app.sync()
        await scenes.settle(pilot)
        assert app.shown == ("web", "migrate", "import", "images", "drafts")
        await after_leader(scenes, pilot, "l g")
        assert "arranges itself" in app.deck_screen.keys.note
        await after_leader(scenes, pilot, "j")
        assert app.session_id == "shop"
        assert app.focused_agent == "shell"
        assert len(app.shown) == 7


async def test_nobody_needs_me(on_peer, scenes):
    peer = some(scenes, "api-auth", "tests")
    for name in ("import", "images", "drafts"):
        del peer.agents[name]
    async with on_peer(peer, BIG) as (app, pilot):
        await after_leader(scenes, pilot, "j")
        assert "nobody needs you" in app.deck_screen.keys.note
        assert app.shown == ("api-auth", "tests")
        peer.change("tests", status="blocked")
        await scenes.settle(pilot)
        await after_leader(scenes, pilot, "j")
        assert app.shown == ("tests",)
        peer.remove("tests")
        await scenes.settle(pilot)
        assert app.shown == ()
        assert "nobody needs you any more" in notice(app)
        await after_leader(scenes, pilot, "j")
        assert app.focused_agent == "api-auth"


async def test_what_was_closed_comes_back_to_its_place_and_goes_on(on_peer, scenes):
    peer = some(scenes, *FOUR)
    async with on_peer(peer, BIG) as (app, pilot):
        await after_leader(scenes, pilot, "shift+right", "ctrl+right")
        before = where(app)
        await after_leader(scenes, pilot, "x")
        await type_keys(scenes, pilot, "enter")
        (toast,) = app._notifications
        assert "bring it back" in toast.message
        await after_leader(scenes, pilot, "2", "x")
        await type_keys(scenes, pilot, "enter")
        assert len(app.shown) == 2
        await after_leader(scenes, pilot, "u", "u")
        assert where(app) == before
        assert app.focused_agent == "api-auth"
        done = [path for method, path, _ in peer.asked if method == "POST"]
        assert done == [
            "/v1/trash/shell/restore", "/v1/agents/shell/restore", "/v1/trash/api-auth/restore",
            "/v1/agents/api-auth/restore",
        ]  # fmt: skip
        assert app.fleet.agents["api-auth"].alive
        await after_leader(scenes, pilot, "u")
        assert "nothing was closed" in app.deck_screen.keys.note


async def test_what_was_closed_comes_back_to_its_place_of_a_tiling(on_peer, scenes):
    peer = some(scenes, *FOUR)
    for number, agent in enumerate(peer.agents.values()):
        agent["created_ns"] = number + 1
    async with on_peer(peer, BIG) as (app, pilot):
        before = where(app)
        for digit in ("1", "2"):
            await after_leader(scenes, pilot, digit, "x")
            await type_keys(scenes, pilot, "enter")
        assert app.shown != FOUR
        await after_leader(scenes, pilot, "u")
        await after_leader(scenes, pilot, "u")
        assert where(app) == before
        assert app.shown == FOUR


async def test_what_had_ended_when_it_was_closed_is_not_started(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer, BIG) as (app, pilot):
        await after_leader(scenes, pilot, "7", "x", "u")
        assert app.focused_agent == "docs"
        assert [path for method, path, _ in peer.asked if method == "POST"] == ["/v1/trash/docs/restore"]


async def test_a_client_that_began_later_brings_back_from_the_trash(on_peer, scenes):
    peer = some(scenes, *FOUR)
    async with on_peer(peer, BIG) as (app, pilot):
        await after_leader(scenes, pilot, "shift+right", "2", "x")
        before = where(app)
        await type_keys(scenes, pilot, "enter")
    later = some(scenes, *FOUR, layout_text=peer.sessions[0]["layout"])
    gone = next(iter(set(FOUR) - set(peer.agents)))
    later.trash.append(later.agents.pop(gone))
    async with on_peer(later, BIG) as (app, pilot):
        await after_leader(scenes, pilot, "u")
        assert where(app) == before


async def test_a_session_with_tabs_is_drawn_anew_when_it_is_opened(on_peer, scenes):
    peer = some(scenes, *FOUR)
    tabs = (Tab(agents=("api-auth",)), Tab(agents=("tests", "shell", "editor")))
    peer.sessions[0]["layout"] = layout.dumps(Layout(tabs=tabs))
    peer.feed("api-auth", "".join(f"line {number}\n" for number in range(60)))
    for name in ("drafts", "images"):
        peer.feed(name, "elsewhere\n" * 40)
    other = peer.agents["drafts"]["session"]
    async with on_peer(peer, (120, 36)) as (app, pilot):
        for _ in range(2):
            app.open_session(other)
            await scenes.settle(pilot)
            assert not app.deck_screen.plan.tabs
            app.open_session("shop")
            panel = app.deck_screen.panel("api-auth")
            before = panel.outer_size
            panel.render_lines(before.region)  # drawn once more where it stood, before it is laid out
            await scenes.settle(pilot)
            assert before.height < panel.outer_size.height
            seen = [panel.render_line(y) for y in range(panel.outer_size.height)]
            assert seen == [panel.paint(y, panel.outer_size.width) for y in range(panel.outer_size.height)]
            assert "cropped" not in title(app, "api-auth")


async def test_a_full_screen_that_has_ended_is_not_cropped_by_what_says_so(on_peer, scenes):
    peer = some(scenes, "api-auth")
    async with on_peer(peer, (120, 36)) as (app, pilot):
        peer.feed("api-auth", "".join(f"line {number}\n" for number in range(60)) + "the last line")
        peer.change("api-auth", status="exited", exit_code=0)
        await scenes.settle(pilot)
        panel = app.deck_screen.panel("api-auth")
        assert panel.notice
        assert panel.surface.lines == panel.room[1]
        assert "cropped" not in title(app, "api-auth")
        assert "the last line" in panel.render_line(panel.outer_size.height - 2).text
        await pilot.resize_terminal(90, 24)
        await scenes.settle(pilot)
        assert "102x33 cropped" in title(app, "api-auth")


# what is stored


async def test_a_quick_leave_loses_no_layout(on_peer, scenes):
    peer = some(scenes, *FOUR)
    async with on_peer(peer, BIG) as (_, pilot):
        await after_leader(scenes, pilot, "shift+right", "o")
        assert peer.sessions[0]["layout"] == ""
    stored = layout.loads(peer.sessions[0]["layout"])
    assert len(stored.tabs) == 2
    assert stored.tabs[0].tiling == "split"


async def test_a_layout_is_stored_when_somebody_answers_again(on_peer, scenes, until):
    peer = some(scenes, *FOUR)
    async with on_peer(peer, BIG) as (_, pilot):
        peer.phase("lost", "gone")
        await scenes.settle(pilot)
        await after_leader(scenes, pilot, "l m")
        peer.phase("up")
        await scenes.settle(pilot)
        await until(pilot, lambda: "main" in peer.sessions[0]["layout"], "the layout stored")


async def test_another_clients_layout_is_followed_and_the_focus_stays(on_peer, scenes):
    peer = some(scenes, *FOUR)
    async with on_peer(peer, BIG) as (app, pilot):
        await after_leader(scenes, pilot, "2")
        await app.stage.keeping.flush()
        theirs = Layout(tabs=(Tab(agents=("api-auth", "shell")), Tab(name="x", agents=("editor", "tests"))), at=0)
        peer.sessions[0]["layout"] = layout.dumps(theirs)
        peer.happen("session.layout")
        await scenes.settle(pilot)
        assert app.focused_agent == "tests"
        assert app.arrangement.at == 1
        assert app.shown == ("editor", "tests")
        assert [path for method, path, _ in peer.asked if method == "PATCH"] == ["/v1/sessions/shop"]


async def test_one_of_before_is_read(on_peer, scenes):
    text = '{"mode":"columns","zoom":false,"focus":"shell"}'
    async with on_peer(some(scenes, *FOUR, layout_text=text), BIG) as (app, _):
        assert app.arrangement.tab.tiling == "columns"
        assert app.focused_agent == "shell"


# by the mouse


async def press_at(scenes, pilot, x, y, kind=events.MouseDown, button=1):
    event = kind(None, x, y, 0, 0, button, False, False, False, screen_x=x, screen_y=y)
    pilot.app.post_message(event)
    await scenes.settle(pilot)


async def drag(scenes, pilot, start, *stops, drop=True):
    await press_at(scenes, pilot, *start)
    for stop in stops:
        await press_at(scenes, pilot, *stop, kind=events.MouseMove)
    if drop:
        await press_at(scenes, pilot, *stops[-1], kind=events.MouseUp)


def edge(app, agent):
    at = where(app)[agent]
    return at.x, at.y + 3


async def test_a_border_is_dragged_and_terminals_are_told_once(on_peer, scenes):
    peer = some(scenes, *FOUR)
    async with on_peer(peer, BIG) as (app, pilot):
        before, known = where(app), len(sizes(peer))
        x, y = edge(app, "tests")
        await press_at(scenes, pilot, x, y, kind=events.MouseMove)
        assert app.deck_screen.panel("tests").lit == app.deck_screen.panel("editor").lit == "left"
        await drag(scenes, pilot, (x, y), *[(x + n, y) for n in range(1, 12)], drop=False)
        assert where(app)["tests"].x == before["tests"].x + 11
        assert len(sizes(peer)) == known
        sound(app)
        await press_at(scenes, pilot, x + 11, y, kind=events.MouseUp)
        told = [request.agent for request in sizes(peer)[known:]]
        assert sorted(told) == sorted(set(told))
        assert ("tests", app.deck_screen.plan.size(where(app)["tests"])) in [
            (request.agent, (request.cols, request.lines)) for request in sizes(peer)[known:]
        ]
        assert peer.typed == {}
        await press_at(scenes, pilot, 2, 30, kind=events.MouseMove)
        assert app.deck_screen.panel("tests").lit == ""


async def test_a_title_with_a_panel_above_it_is_a_border(on_peer, scenes):
    peer = some(scenes, *FOUR)
    async with on_peer(peer, BIG) as (app, pilot):
        before = where(app)
        at = before["shell"]
        middle = at.x + at.width // 2
        await press_at(scenes, pilot, middle, at.y, kind=events.MouseMove)
        assert "───" in title(app, "shell")
        await drag(scenes, pilot, (middle, at.y), (middle, at.y - 1), (middle, at.y - 6))
        assert where(app)["shell"].y == at.y - 6
        assert where(app)["shell"].height == at.height + 6
        await drag(scenes, pilot, (middle, at.y - 6), (middle, 2))
        assert where(app)["api-auth"].height == 4
        sound(app)


async def test_a_title_is_dropped_on_another_panel_or_its_edge(on_peer, scenes):
    peer = some(scenes, *FOUR)
    async with on_peer(peer, BIG) as (app, pilot):
        before = where(app)
        start = (before["api-auth"].x + 3, before["api-auth"].y)
        target = before["editor"]
        middle = (target.x + target.width // 2, target.y + target.height // 2)
        await drag(scenes, pilot, start, (start[0] + 9, 5), middle, drop=False)
        body = [app.deck_screen.panel("editor").render_line(y).text for y in range(target.height)]
        assert any(" swap " in line for line in body)
        await press_at(scenes, pilot, *middle, kind=events.MouseUp)
        assert where(app)["api-auth"] == before["editor"]
        assert where(app)["editor"] == before["api-auth"]
        start = (where(app)["tests"].x + 3, where(app)["tests"].y)
        target = where(app)["shell"]
        low = (target.x + target.width // 2, target.y + target.height - 2)
        await drag(scenes, pilot, start, (start[0] + 9, 5), low)
        sound(app)
        assert where(app)["tests"].x == where(app)["shell"].x
        assert where(app)["tests"].y == where(app)["shell"].y + where(app)["shell"].height
        assert peer.typed == {}


async def test_escape_drops_a_drag_and_reaches_nobody(on_peer, scenes):
    peer = some(scenes, *FOUR)
    peer.feed("api-auth", "\x1b[?1002h\x1b[?1006h")
    async with on_peer(peer, BIG) as (app, pilot):
        before = where(app)
        target = before["editor"]
        middle = (target.x + target.width // 2, target.y + target.height // 2)
        await drag(scenes, pilot, (before["api-auth"].x + 3, 1), (60, 5), middle, drop=False)
        await type_keys(scenes, pilot, "escape")
        await press_at(scenes, pilot, *middle, kind=events.MouseUp)
        assert where(app) == before
        assert peer.typed == {}
        assert " swap " not in "".join(app.deck_screen.panel("editor").render_line(y).text for y in range(20))


async def test_a_title_is_clicked_twice_pressed_on_its_buttons_and_asked_for_its_menu(on_peer, scenes):
    peer = some(scenes, *FOUR)
    async with on_peer(peer, BIG) as (app, pilot):
        panel = app.deck_screen.panel("shell")
        await pilot.click(panel, offset=(4, 0))
        await scenes.settle(pilot)
        assert app.focused_agent == "shell"
        await pilot.click(panel, offset=(4, 0), times=2)
        await scenes.settle(pilot)
        assert app.shown == ("shell",)
        panel = app.deck_screen.panel("shell")
        await pilot.click(panel, offset=(title(app, "shell").index("□"), 0))
        await scenes.settle(pilot)
        assert app.shown == FOUR
        panel = app.deck_screen.panel("shell")
        await pilot.click(panel, offset=(title(app, "shell").index(" – ") + 1, 0))
        await scenes.settle(pilot)
        assert "shell" not in app.shown
        await press_at(scenes, pilot, *_at(app, "tests", 4, 0), button=2)
        assert app.screen is not app.deck_screen
        await type_keys(scenes, pilot, "escape")
        await press_at(scenes, pilot, *_at(app, "tests", 4, 0), button=3)
        assert [item.name for item in app.screen.picker.entries][:3] == ["zoom", "split right", "split below"]
        await type_keys(scenes, pilot, *"zoom", "enter")
        assert app.shown == ("tests",)
        assert peer.typed == {}


def _at(app, agent, x, y):
    at = where(app)[agent]
    return at.x + x, at.y + y


async def test_tabs_are_clicked_named_and_dropped_on(on_peer, scenes):
    text = layout.dumps(Layout(tabs=(Tab(agents=("api-auth", "tests", "shell")), Tab(name="back", agents=("editor",)))))
    async with on_peer(some(scenes, *FOUR, layout_text=text), BIG) as (app, pilot):
        line = app.deck_screen.tabs
        x = tab_line(app).index("back")
        await drag(scenes, pilot, _at(app, "tests", 3, 0), (120, 5), (line.region.x + x, line.region.y))
        assert app.shown == ("api-auth", "shell")
        await pilot.click(line, offset=(x, 0))
        await scenes.settle(pilot)
        assert app.shown == ("editor", "tests")
        assert app.focused_agent == "tests"
        await pilot.click(line, offset=(tab_line(app).index("back"), 0), times=2)
        await scenes.settle(pilot)
        app.screen.query_one("#name").value = "rear"
        await type_keys(scenes, pilot, "enter")
        assert "2 rear" in tab_line(app)
        plus = (line.region.x + tab_line(app).index("+"), line.region.y)
        await drag(scenes, pilot, _at(app, "editor", 3, 0), (120, 5), plus)
        assert (app.arrangement.at, app.shown) == (2, ("editor",))
        await press_at(scenes, pilot, line.region.x + 2, line.region.y, button=3)
        assert app.arrangement.at == 0
        await type_keys(scenes, pilot, *"close", "enter")
        assert set(app.shown) == {"api-auth", "shell", "tests"}
        await after_leader(scenes, pilot, "p")
        await type_keys(scenes, pilot, *"tab 2", "enter")
        assert app.shown == ("editor",)


async def test_a_program_keeps_its_own_mouse_inside_its_screen(on_peer, scenes):
    peer = some(scenes, *FOUR)
    peer.feed("tests", "\x1b[?1003h\x1b[?1006h")
    async with on_peer(peer, BIG) as (app, pilot):
        await after_leader(scenes, pilot, "2")
        await press_at(scenes, pilot, *_at(app, "tests", 9, 4), button=3)
        await press_at(scenes, pilot, *_at(app, "tests", 9, 4), button=3, kind=events.MouseUp)
        assert app.screen is app.deck_screen
        typed = peer.typed["tests"]
        assert typed.startswith(b"\x1b[<2;9;4M")
        await press_at(scenes, pilot, *_at(app, "tests", 40, 0), kind=events.MouseMove)
        await press_at(scenes, pilot, *edge(app, "tests"), kind=events.MouseMove)
        await press_at(scenes, pilot, *edge(app, "tests"))
        await press_at(scenes, pilot, *edge(app, "tests"), kind=events.MouseUp)
        assert peer.typed["tests"] == typed


# sizes and costs


async def test_the_bar_and_the_guide_hide_lines_and_resize_nothing(on_peer, scenes):
    text = layout.dumps(Layout(tabs=(Tab(tiling="split", split=split("rows", list(FOUR), [5, 5, 5, 2])),)))
    peer = some(scenes, *FOUR, layout_text=text)
    async with on_peer(peer, (120, 36)) as (app, pilot):
        told = sizes(peer)
        assert where(app)["editor"].height < 6
        peer.ask("a1", "tests", command="rm -rf x", tool="Bash")
        await scenes.settle(pilot)
        assert app.deck_screen.plan.bar
        app.keyboard.ask()
        await scenes.settle(pilot)
        assert app.deck_screen.plan.guide > 6
        plan = app.deck_screen.plan
        assert plan.seen(where(app)["editor"]).height == 0
        assert sizes(peer) == told


async def test_nothing_that_is_as_it_was_is_laid_out_told_or_stored(on_peer, scenes):
    text = layout.dumps(Layout(tabs=(Tab(agents=FOUR[:3], focus="api-auth"), Tab(name="back", agents=("editor",)))))
    peer = some(scenes, *FOUR, layout_text=text)
    async with on_peer(peer, BIG) as (app, pilot):
        laid = []
        original = app.deck_screen._refresh_layout
        app.deck_screen._refresh_layout = lambda *a, **k: (laid.append(1), original(*a, **k))
        sent, asked = len(peer.sent), len(peer.asked)
        for _ in range(20):
            app.sync()
        await scenes.settle(pilot)
        assert not laid
        assert len(peer.sent) == sent
        assert len(peer.asked) == asked
        assert not app.watching.settling


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (250, 60)])
async def test_nothing_is_lost_right_after_any_resize(on_peer, scenes, size):
    text = layout.dumps(Layout(tabs=(Tab(tiling="split", split=split(
        "columns", ["api-auth", split("rows", ["tests", "shell"]), "editor"], [3, 2, 1])),)))  # fmt: skip
    peer = some(scenes, *FOUR, layout_text=text)
    async with on_peer(peer, BIG) as (app, pilot):
        before = where(app)
        for one in (size, (61, 16), (300, 80), (90, 30), BIG):
            await pilot.resize_terminal(*one)
            await scenes.settle(pilot)
            sound(app)
            assert app.focused_agent in app.shown
        assert where(app) == before
        assert layout.dumps(app.arrangement) == layout.dumps(layout.loads(text).with_tab(app.arrangement.tab))
        told = {request.agent: (request.cols, request.lines) for request in sizes(peer)}
        assert told == {agent: app.deck_screen.plan.size(at) for agent, at in where(app).items()}
