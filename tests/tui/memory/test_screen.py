"""The memory screen against a scripted orchestrator: what cannot be made to happen with a real one on demand."""

from __future__ import annotations

import asyncio

from quarterdeck.errors import Unreachable
from tui.memory.screen import MemoryScreen

LEADER = "ctrl+right_square_bracket"


def shown(widget):
    return "\n".join(widget.render_line(y).text.rstrip() for y in range(widget.outer_size.height))


async def press(scenes, pilot, *names):
    for name in names:
        await pilot.press(name)
        await scenes.settle(pilot)


def searches(peer):
    return [path for _, path, _ in peer.asked if path.startswith("/v1/memory/search")]


async def test_a_search_that_is_overtaken_is_never_shown(on_peer, scenes, remembered, until):
    peer = remembered.shop()
    async with on_peer(peer, (120, 36)) as (app, pilot):
        await press(scenes, pilot, LEADER, "m")
        screen = app.screen
        assert isinstance(screen, MemoryScreen)
        before = [one.key for one in screen.found.entries]
        peer.held = asyncio.Event()
        await pilot.press(*"snowb")
        await until(pilot, lambda: len(searches(peer)) == 5, "five searches asked")
        working = [worker for worker in app.workers if worker.group == "memory find" and not worker.is_finished]
        assert len(working) == 1, "the others were let go"
        assert [one.key for one in screen.found.entries] == before
        peer.held.set()
        await scenes.settle(pilot)
        assert [one.key for one in screen.found.entries] == ["search finds plurals by stemming"]


async def test_what_cannot_be_understood_leaves_what_was_found(on_peer, scenes, remembered):
    async with on_peer(remembered.shop(), (120, 36)) as (app, pilot):
        await press(scenes, pilot, LEADER, "m", *"pool")
        found = [one.id for one in app.screen.found.entries]
        assert found
        await press(scenes, pilot, ":")
        assert "says nothing" in shown(app.screen.told_line)
        assert "says nothing" not in shown(app.screen.notice)
        assert [one.id for one in app.screen.found.entries] == found


async def test_a_lost_connection_is_told_and_the_list_stays(on_peer, scenes, remembered):
    peer = remembered.shop()
    async with on_peer(peer, (120, 36)) as (app, pilot):
        await press(scenes, pilot, LEADER, "m", "tab")
        peer.refuse = Unreachable("nobody answers")
        await press(scenes, pilot, "5")
        assert "nobody answers" in shown(app.screen.told_line)
        assert len(app.screen.found.entries) == 12


async def test_changes_of_other_banks_ask_for_nothing(on_peer, scenes, remembered):
    peer = remembered.shop()
    async with on_peer(peer, (120, 36)) as (_, pilot):
        await press(scenes, pilot, LEADER, "m")
        asked = len([path for _, path, _ in peer.asked if path.startswith("/v1/memory/entries")])
        peer.happen(
            "memory.changed", bank="/elsewhere", entry="x", key="x", why="stored", conflict=False, missing=False
        )
        await scenes.settle(pilot)
        assert len([path for _, path, _ in peer.asked if path.startswith("/v1/memory/entries")]) == asked
        peer.happen("memory.changed", bank=remembered.BANK, entry="x", key="x", why="stored")
        await scenes.settle(pilot)
        assert len([path for _, path, _ in peer.asked if path.startswith("/v1/memory/entries")]) == asked + 1


async def test_a_name_with_escape_sequences_and_a_text_of_controls_draw_nothing_else(on_peer, scenes, remembered):
    bad = "\x1b[2J\x1b]0;owned\x07\u202e\u2066 name"
    body = f"# {bad}\n\n{bad} [x](http://\u202e.y)"
    more = {"tags": ["t\x1b[31m"], "namespace": f"agent/{bad}", "links": {"files": [bad]}, "conflict": True}
    entries = [remembered.entry("bad", bad, body, 5, author=bad, editor=bad, **more)]
    peer = remembered.shop(entries)
    peer.histories["bad"] = [remembered.version("w1:1", bad, bad, 5, bad, key=bad, head=True, seen={})] * 2
    entries[0]["heads"] = ["w1:1", "w1:1"]
    async with on_peer(peer, (120, 36)) as (app, pilot):
        for keys in (
            (LEADER, "m", "tab"),
            ("v",),
            ("enter",),
            ("escape", "h"),
            ("v",),
            ("escape", "c"),
            ("escape", "x"),
        ):
            await press(scenes, pilot, *keys)
            for widget in app.screen.query("*"):
                if hasattr(widget, "paint"):
                    assert not set(shown(widget)) & set("\x1b\x07\u202e\u2066\x02\x03"), widget
        assert app.screen is not app.deck_screen


async def test_turning_the_terminal_keeps_what_is_marked(on_peer, scenes, remembered):
    async with on_peer(remembered.shop(), (120, 36)) as (app, pilot):
        await press(scenes, pilot, LEADER, "m", "tab", "down", "down")
        for size in ((80, 24), (60, 15), (250, 60), (120, 36)):
            await pilot.resize_terminal(*size)
            await scenes.settle(pilot)
            assert app.screen.found.chosen.id == "flaky"
            assert "flaky on sqlite" in shown(app.screen.reader)
            assert "passes alone" in shown(app.screen.reader)
            assert "tests/cart" in shown(app.screen.found)
