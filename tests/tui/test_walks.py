"""The main tasks, each done by keys alone, by the mouse alone and by the palette alone.

Only what a person writes (a name, a prompt, what is searched) is typed in all of them. The mouse clicks on words and
signs that are on the screen; what is not there to be read cannot be clicked.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from rich.cells import cell_len
from textual import events
from textual.strip import Strip

from quarterdeck import splits
from quarterdeck.keymap.commands import BY_ID
from tui.app import QuarterdeckApp
from tui.options import Options

LEADER = "ctrl+right_square_bracket"
SIZE = (160, 44)


def seen(app):
    """The lines of the whole screen, as they are drawn."""
    update = app.screen._compositor.render_update(full=True, screen_stack=app._background_screens)
    return [Strip.join(strips).text for strips in update.strips]


class Walk:
    """A person before the screen. ``rest`` waits until the screen has come to rest."""

    def __init__(self, app, pilot, rest):
        self.app, self.pilot, self.rest = app, pilot, rest

    async def press(self, *keys):
        for key in keys:
            await self.pilot.press(key)
            await self.rest(self.pilot)

    async def write(self, text):
        """What nobody can do but by typing."""
        await self.press(*text)

    def reads(self, text):
        return any(text in line for line in seen(self.app))


class Keys(Walk):
    async def do(self, command):
        await self.press(LEADER, *self.app.keymap.keys(command)[0].split())

    async def take(self, words, key="enter"):
        """The entry that is marked after arrows went to it."""
        for _ in range(40):
            if any(words in line for line in self.marked()):
                break
            await self.press("down")
        await self.press(key)

    def marked(self):
        picker = next(iter(self.app.screen.query("Picker")))
        return [picker.chosen.name]

    async def hint(self, key, label):
        await self.press({"esc": "escape"}.get(key, key))

    async def to(self, agent):
        await self.press(LEADER, str(self.app.stage.numbered.index(agent) + 1))

    async def move_right(self):
        await self.do("move_right")

    async def look_back(self):
        await self.press("shift+pageup")


class Palette(Keys):
    """Everything begins with its name."""

    async def do(self, command):
        await self.press(LEADER, "p", *BY_ID[command].label)
        await self.take(BY_ID[command].label)

    async def to(self, agent):
        await self.press(LEADER, "p", *agent)
        await self.take(agent)

    async def move_right(self):
        await self.do("move_right")

    async def look_back(self):
        await self.do("scroll")


class Mouse(Walk):
    async def click(self, words, *, last=False, right_of="", button=1, times=1):
        """On the first (or last) place where ``words`` stand."""
        places = []
        for y, line in enumerate(seen(self.app)):
            x = line.find(words, line.find(right_of) if right_of in line else len(line))
            if x >= 0:
                places.append((cell_len(line[:x]), y))
        assert places, f"{words!r} is nowhere:\n" + "\n".join(seen(self.app))
        x, y = places[-1 if last else 0]
        await self.at(x + (1 if len(words) > 2 else 0), y, button, times)

    async def at(self, x, y, button=1, times=1):
        await self.pilot.click(offset=(x, y), button=button, times=times)
        await self.rest(self.pilot)

    async def mouse(self, kind, x, y, button=1):
        self.app.post_message(kind(None, x, y, 0, 0, button, False, False, False, screen_x=x, screen_y=y))
        await self.rest(self.pilot)

    async def drag(self, start, *stops):
        await self.mouse(events.MouseDown, *start)
        for place in stops:
            await self.mouse(events.MouseMove, *place)
        await self.mouse(events.MouseUp, *stops[-1])

    async def do(self, command):
        """In the key bar, in the guide that its leader opens, or in a group of it."""
        label = BY_ID[command].label
        keys = self.app.keymap.keys(command)
        if not keys:
            await self.click("p find", last=True)
            await self.write(label)
            await self.click(BY_ID[command].about)
            return
        await self.click("^]", last=True)
        if not any(cell.choice and cell.choice.label == label for cell in self.app.deck_screen.guide._cells):
            await self.click("layout …")
        cell = next(c for c in self.app.deck_screen.guide._cells if c.choice and c.choice.label == label)
        at = self.app.deck_screen.guide.region
        await self.at(at.x + cell.x, at.y + cell.y)

    async def take(self, words, key="enter"):
        await self.click(f" {words} ", last=True)

    async def hint(self, key, label):
        sign = self.app.glyphs.enter if key == "enter" else key
        await self.click(f"{sign} {label}", last=True)

    async def to(self, agent):
        await self.click(f" {agent} ")

    async def move_right(self):
        tiles = dict(self.app.deck_screen.plan.tiles)
        here = tiles[self.app.focused_agent]
        other = next(at for at in tiles.values() if at.x > here.x)
        middle = (other.x + other.width // 2, other.y + other.height // 2)
        await self.drag((here.x + 4, here.y), (here.x + 12, here.y + 3), middle)

    async def look_back(self):
        at = self.app.focused_panel().region
        for _ in range(4):
            await self.mouse(events.MouseScrollUp, at.x + 5, at.y + 5, 0)


WAYS = (Keys, Mouse, Palette)


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__.lower())
def walking(request, on_peer, scenes):
    @asynccontextmanager
    async def walk(peer, size=SIZE):
        async with on_peer(peer, size=size, reduced_motion=True) as (app, pilot):
            app.clock.advance(1)
            yield app, request.param(app, pilot, scenes.settle)

    return walk


async def test_from_the_first_start_to_an_agent(walking, scenes):
    peer = scenes.first()
    async with walking(peer) as (app, me):
        if isinstance(me, Mouse):
            await me.click("Claude Code")
        elif isinstance(me, Palette):
            await me.do("new")
            await me.hint("enter", "start")
        else:
            await me.press("enter")
        assert [path for method, path, _ in peer.asked if method == "POST"] == ["/v1/agents"]
        assert app.focused_agent == "claude"
        assert me.reads("claude")


async def test_a_prompt_and_its_receipt(walking, scenes):
    peer = scenes.fleet()
    async with walking(peer) as (_, me):
        await me.to("tests")
        await me.do("prompt")
        await me.write("run them all")
        await me.hint("enter", "send")
        [ident] = [one["id"] for one in peer.prompts.values()]
        assert peer.prompts[ident]["text"] == "run them all"
        peer.become(ident, "accepted", receipt="hook")
        await me.rest(me.pilot)
        assert me.reads("accepted")
        await me.hint("esc", "back")
        assert not me.reads("accepted")


async def test_what_an_agent_asks_is_answered(walking, scenes):
    peer = scenes.asking()
    async with walking(peer) as (app, me):
        if isinstance(me, Mouse):
            await me.click("allow once")
        elif isinstance(me, Palette):
            await me.do("inbox")
            app.clock.advance(1)
            await me.press("down", "down", "y")
        else:
            await me.press(LEADER, "y")
        assert (peer.approvals["ask1"]["state"], peer.approvals["ask1"]["answer"]) == ("allowed", "allow")


async def test_panels_are_split_zoomed_moved_and_brought_back(walking, scenes):
    peer = scenes.split_up()
    async with walking(peer) as (app, me):
        await me.to("api-auth")
        await me.do("split_right")
        await me.take("editor")
        assert set(app.shown) == {"api-auth", "editor", "tests", "shell"}
        places = dict(app.deck_screen.plan.tiles)
        assert places["editor"].x > places["api-auth"].x
        await me.to("api-auth")
        await me.do("zoom")
        assert app.shown == ("api-auth",)
        await me.do("zoom")
        before = list(splits.leaves(app.stage.tab.split))
        await me.move_right()
        assert list(splits.leaves(app.stage.tab.split)) != before
        assert app.focused_agent == "api-auth"
        await me.do("hide")
        assert "api-auth" not in app.shown
        await me.to("api-auth")
        assert "api-auth" in app.shown


async def test_a_tab_is_made_named_filled_and_closed(walking, scenes):
    peer = scenes.split_up()
    async with walking(peer) as (app, me):
        await me.to("shell")
        await me.do("move_to_tab")
        await me.take("new tab")
        assert [tab.agents for tab in app.stage.layout.tabs][-1] == ("shell",)
        assert app.shown == ("shell",)
        await me.do("tab_rename")
        await me.write("spare")
        await me.hint("enter", "keep")
        assert me.reads("4 spare")
        await me.do("tab_previous")
        assert "shell" not in app.shown
        await me.do("tab_next")
        await me.do("tab_close")
        assert len(app.stage.layout.tabs) == 3
        assert "shell" in app.members


async def test_an_agent_is_closed_and_brought_back(walking, scenes):
    peer = scenes.fleet()
    async with walking(peer) as (app, me):
        await me.to("shell")
        await me.do("close")
        await me.hint("enter", "end it and close")
        assert "shell" not in app.fleet.agents
        await me.do("undo_close")
        assert "shell" in app.members


async def test_an_agent_is_found_by_what_it_is(walking, scenes):
    peer = scenes.grouped()
    async with walking(peer) as (app, me):
        if isinstance(me, Palette):
            await me.press(LEADER, "p", *"writ")
            await me.take("drafts")
        else:
            await me.do("filter")
            await me.write("blog done")
            await me.press("enter") if isinstance(me, Keys) else await me.click(" drafts ")
        assert app.focused_agent == "drafts"
        assert app.session_id == "blog"


async def test_another_theme(walking, scenes):
    async with walking(scenes.fleet()) as (app, me):
        await me.do("themes")
        await me.take("fjord")
        assert app.wearing.theme.name == "fjord"
        assert app.screen is app.deck_screen


async def test_why_it_is_so(walking, scenes):
    async with walking(scenes.told()) as (app, me):
        await me.do("why")
        assert me.reads("PermissionRequest")
        await me.hint("esc", "back")
        assert app.screen is app.deck_screen


async def test_what_scrolled_away(walking, scenes):
    async with walking(scenes.fleet()) as (app, me):
        await me.to("web")
        await me.look_back()
        assert me.reads("looking back")
        await me.hint("esc", "live screen")
        assert not me.reads("looking back")
        assert app.focused_agent == "web"


async def test_the_memory_is_searched(walking, scenes, remembered):
    async with walking(remembered.shop()) as (app, me):
        await me.do("memory")
        await me.write("answer")
        assert me.reads("1 found")
        assert me.reads("retries of payments are idempotent")
        await me.hint("esc", "back")
        assert app.screen is app.deck_screen


async def test_leaving(walking, scenes):
    async with walking(scenes.fleet()) as (app, me):
        app.exit = lambda code: left.append(code)
        left = []
        await me.do("detach")
        assert left == [0]


# on a real orchestrator


def shown(app, name):
    agent = next((one.id for one in app.fleet.agents.values() if one.name == name), "")
    panel = app.deck_screen.panel(agent)
    return "" if panel is None else "\n".join(panel.render_line(y).text for y in range(1, panel.outer_size.height))


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__.lower())
async def test_a_day_with_real_agents(way, deck, until, scenes):
    """Two shells: the second started beside the first, both typed into, looked back at, closed, brought back, left."""
    deck.start("one", "/bin/sh")
    app = QuarterdeckApp(deck.link(), workspace=str(deck.workspace), options=Options(theme="dark", reduced_motion=True))
    async with app.run_test(size=SIZE, notifications=True) as pilot:

        async def rest(_):
            async with asyncio.timeout(30):
                await pilot.pause()
                while app.return_code is None and scenes.changing(app):
                    await asyncio.sleep(0.005)

        me = way(app, pilot, rest)
        await until(pilot, lambda: "$" in shown(app, "one"), "the prompt")
        await me.do("split_right")
        await until(pilot, lambda: me.reads("next field"), "the dialog")
        app.screen.query_one("#profile").choose("custom")
        app.screen.query_one("#name").value = "two"
        app.screen.query_one("#command").value = "/bin/sh -c 'seq 300; exec sh'"
        await me.hint("enter", "start")
        await until(pilot, lambda: "300" in shown(app, "two"), "the second one's output")
        deck.remember(deck.client.request("GET", f"/v1/agents/{app.focused_agent}")["pid"])
        first, second = app.members
        places = dict(app.deck_screen.plan.tiles)
        assert places[second].x > places[first].x
        await me.write("echo t$((1+1))")
        await me.press("enter")
        await until(pilot, lambda: "t2" in shown(app, "two"), "its answer")
        await me.look_back()
        await until(pilot, lambda: me.reads("looking back"), "what scrolled away")
        await me.hint("esc", "live screen")
        await until(pilot, lambda: not me.reads("looking back"), "the live screen")
        await me.do("zoom")
        await until(pilot, lambda: app.shown == (second,), "it alone")
        await me.do("zoom")
        await until(pilot, lambda: len(app.shown) == 2, "both again")
        await me.do("close")
        await until(pilot, lambda: me.reads("end it and close"), "the question")
        await me.hint("enter", "end it and close")
        await until(pilot, lambda: app.members == [first], "it closed")
        await me.do("undo_close")
        await until(pilot, lambda: len(app.members) == 2, "it back")
        await until(pilot, lambda: len(app.shown) == 2, "it back in its place")
        back = next(one for one in app.members if one != first)
        places = dict(app.deck_screen.plan.tiles)
        assert places[back].x > places[first].x
        await until(pilot, lambda: app.fleet.agents[back].alive, "it running again")
        deck.remember(deck.client.request("GET", f"/v1/agents/{back}")["pid"])
        await me.do("detach")
        async with asyncio.timeout(30):
            while app.return_code is None:
                await asyncio.sleep(0.005)
        assert app.return_code == 0
    assert {one["status"] for one in deck.agents()} == {"running"}
