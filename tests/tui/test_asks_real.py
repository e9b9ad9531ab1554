"""Real scripted agents that ask through a real orchestrator, answered from the bar and from the inbox."""

from __future__ import annotations

import json
import os
import shutil
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from quarterdeck.keys import parse
from tui.app import QuarterdeckApp
from tui.composer import Composer
from tui.inbox import Inbox
from tui.options import Options

LEADER = "ctrl+right_square_bracket"
SUPPORT = Path(__file__).parents[1] / "support"
ASKER = SUPPORT / "asker.py"


class Asker:
    """One scripted agent, told what to do through a FIFO."""

    def __init__(self, deck, name):
        self.record = deck.workspace / f"{name}.record"
        control = deck.workspace / f"{name}.control"
        os.mkfifo(control)
        self._pipe = os.open(control, os.O_RDWR)
        argv = [sys.executable, "-P", str(ASKER), str(self.record), str(control)]
        self.id = deck.start(name, *argv, profile="asker")["id"]

    def ask(self, command, tool="Bash"):
        self.tell(ask={"tool": tool, "command": command}, tell=["status"])

    def tell(self, **order):
        os.write(self._pipe, json.dumps(order).encode() + b"\n")

    def typed(self):
        notes = [json.loads(line) for line in self.record.read_text().splitlines()] if self.record.exists() else []
        return [(note["key"], note["dialog"]) for note in notes if "key" in note]

    def close(self):
        os.close(self._pipe)


@pytest.fixture(scope="module")
def shared_deck(shared_deck):
    """An orchestrator that knows the agents' profile."""
    config = shared_deck.home / "config"
    (config / "quarterdeck" / "profiles").mkdir(parents=True)
    shutil.copy(SUPPORT / "asker.toml", config / "quarterdeck" / "profiles")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(config))
        yield shared_deck


@pytest.fixture
def asker(deck):
    """``asker(name)`` starts one."""
    made = []

    def start(name):
        made.append(Asker(deck, name))
        return made[-1]

    yield start
    for one in made:
        one.close()


@asynccontextmanager
async def client(deck, size=(100, 30)):
    app = QuarterdeckApp(deck.link(), workspace=str(deck.workspace), options=Options(theme="dark"))
    async with app.run_test(size=size, notifications=True) as pilot:
        yield app, pilot


def bar(app):
    if not app.deck_screen.plan.bar:
        return ""
    widget = app.deck_screen.asks
    return "\n".join(widget.render_line(y).text for y in range(widget.outer_size.height))


async def test_a_request_is_allowed_from_the_bar_while_another_panel_has_the_keys(deck, asker, until):
    deck.start("shell", "/bin/sh")
    agent = asker("api")
    async with client(deck) as (app, pilot):
        await until(pilot, lambda: agent.id in app.members and app.fleet.agents[agent.id].status == "idle", "idle")
        app.focus_agent(next(ident for ident in app.members if ident != agent.id))
        focused = app.focused_agent
        before = app.deck_screen.plan.tiles
        agent.ask("touch a.txt")
        await until(pilot, lambda: "touch a.txt" in bar(app) and "y allow once" in bar(app), "the bar")
        assert "api asks" in bar(app)
        assert [at.width for _, at in before] == [at.width for _, at in app.deck_screen.plan.tiles]
        await pilot.press("y", "a")
        await until(pilot, lambda: app.answering.read, "time to read it")
        await pilot.press(LEADER, "y")
        await until(pilot, lambda: agent.typed() == [("1", "touch a.txt")], "the answer typed")
        await until(pilot, lambda: "allowed" in bar(app), "what became of it")
        await until(pilot, lambda: not app.deck_screen.plan.bar, "the bar gone")
        assert app.focused_agent == focused
        assert app.fleet.agents[agent.id].status == "working"


async def test_requests_of_two_agents_are_decided_in_the_inbox(deck, asker, until):
    one, two = asker("one"), asker("two")
    async with client(deck, (120, 36)) as (app, pilot):
        await until(pilot, lambda: [a.status for a in app.fleet.agents.values()] == ["idle", "idle"], "both idle")
        one.ask("rm -r build")
        await until(pilot, lambda: len(app.asks.waiting) == 1 and app.asks.waiting[0].can, "the first request")
        two.ask("ls")
        await until(pilot, lambda: len(app.asks.waiting) == 2 and all(a.can for a in app.asks.waiting), "both")
        await pilot.press(LEADER, "i")
        await until(pilot, lambda: isinstance(app.screen, Inbox) and len(app.screen.asks) == 2, "the inbox")
        inbox = app.screen
        assert inbox.ask.command == "rm -r build"
        shown = "\n".join(inbox.request.render_line(y).text for y in range(12))
        assert "rm -r build" in shown
        await pilot.press("down", "up", "n")
        await until(pilot, lambda: app.screen is not inbox, "the question")
        await pilot.press(*"too much", "enter")
        await until(pilot, lambda: one.typed()[:1] == [("\x1b", "rm -r build")], "the denial typed")
        await until(pilot, lambda: app.screen is inbox and inbox.ask.command == "ls", "the next one")
        assert two.typed() == []
        await pilot.press("up", "down", "a")
        await until(pilot, lambda: two.typed() == [("2", "ls")], "the answer typed")
        await until(pilot, lambda: [a.state for a in inbox.asks] == ["denied", "allowed"], "what became of them")
        assert inbox.asks[0].reason == "too much"
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.deck_screen and not app.deck_screen.plan.bar, "all as before")


async def test_a_request_answered_in_its_panel_leaves_the_bar_and_takes_no_key(deck, asker, until):
    agent = asker("api")
    async with client(deck) as (app, pilot):
        await until(pilot, lambda: agent.id in app.members and app.fleet.agents[agent.id].status == "idle", "idle")
        agent.ask("touch b.txt")
        await until(pilot, lambda: "y allow once" in bar(app) and app.answering.read, "the bar")
        await pilot.press(LEADER)
        app.keyboard.press(agent.id, parse("1"))
        await until(pilot, lambda: agent.typed() == [("1", "touch b.txt")], "answered in its panel")
        await until(pilot, lambda: not any(ask.open for ask in app.asks.all.values()), "gone")
        await pilot.press("y")
        await until(pilot, lambda: "nothing was answered" in app.deck_screen.keys.note, "a word about it")
        assert agent.typed() == [("1", "touch b.txt")]


async def test_a_prompt_is_queued_changed_and_typed_when_the_agent_is_idle(deck, asker, until):
    agent = asker("api")
    async with client(deck, (120, 36)) as (app, pilot):
        await until(pilot, lambda: agent.id in app.members and app.fleet.agents[agent.id].status == "idle", "idle")
        agent.tell(say="working")
        await until(pilot, lambda: app.fleet.agents[agent.id].status == "working", "working")
        await pilot.press(LEADER, "e")
        await until(pilot, lambda: isinstance(app.screen, Composer) and app.screen.queue.known, "the composer")
        composer = app.screen
        await pilot.press(*"first", "alt+enter", *"line two", "enter")
        await until(pilot, lambda: composer.queue.entries and composer.queue.entries[0].state == "queued", "queued")
        assert composer.queue.entries[0].text == "first\nline two"
        await pilot.press(*"second", "enter")
        await until(pilot, lambda: len(composer.queue.entries) == 2, "two queued")
        await until(pilot, lambda: app.fleet.agents[agent.id].queue == 2, "the queue's length")
        await pilot.press("tab", "down", "u")
        await until(pilot, lambda: composer.queue.entries[0].text == "second", "reordered")
        await pilot.press("down", "x")
        await until(pilot, lambda: [p.state for p in composer.queue.entries] == ["queued", "cancelled"], "cancelled")
        await pilot.press("up", "enter")
        await until(pilot, lambda: composer.editing and composer.editor.has_focus, "its text to be changed")
        await pilot.press(*" one", "enter")
        await until(pilot, lambda: composer.queue.entries[0].text == "second one", "changed")
        agent.tell(say="idle")
        await until(pilot, lambda: "second one" in "".join(key for key, _ in agent.typed()), "typed")
        await until(pilot, lambda: composer.queue.entries[0].state != "queued", "its state shown")
        await pilot.press("up")
        assert composer.editor.text == "second one"
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.deck_screen, "back")


async def test_why_explains_with_the_sources_own_words(deck, asker, until):
    agent = asker("api")
    async with client(deck, (120, 36)) as (app, pilot):
        await until(pilot, lambda: agent.id in app.members and app.fleet.agents[agent.id].status == "idle", "idle")
        await pilot.press(LEADER, "w")
        await until(pilot, lambda: app.screen is not app.deck_screen, "the page")
        page = app.screen

        def text():
            return "\n".join(page.table.render_line(y).text for y in range(page.table.outer_size.height))

        await until(pilot, lambda: "program" in text() and "idle" in text(), "what its program says")
        agent.tell(say="working")
        await until(pilot, lambda: "working" in text(), "the page renewed")
        await pilot.press("w")
        await until(pilot, lambda: app.screen is app.deck_screen, "back")


async def test_a_broadcast_passes_over_who_asks_and_shows_the_receipts(deck, asker, until):
    agents = [asker(name) for name in ("one", "two", "three")]
    async with client(deck, (120, 36)) as (app, pilot):
        await until(pilot, lambda: [a.status for a in app.fleet.agents.values()] == ["idle"] * 3, "all idle")
        agents[2].ask("ls")
        await until(pilot, lambda: app.fleet.agents[agents[2].id].status == "blocked", "one asks")
        await pilot.press(LEADER, "b", *"go on", "enter")
        await until(pilot, lambda: app.screen.targets.receipts, "handed over")
        found = app.screen.targets.receipts
        assert set(found) == {agents[0].id, agents[1].id}
        for agent in agents[:2]:
            await until(pilot, lambda a=agent: "go on" in "".join(key for key, _ in a.typed()), "typed")
        await until(pilot, lambda: all(r.prompt.state not in ("queued", "sending") for r in found.values()), "receipts")
        assert agents[2].typed() == []
