"""Named layouts on the screen: kept and taken by keys, against a scripted orchestrator."""

from __future__ import annotations

import pytest

from quarterdeck.layout import loads
from quarterdeck.layoutfile import tiled
from quarterdeck.layoutshelf import Shelf

LEADER = "ctrl+right_square_bracket"
BIG = (250, 60)


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """The person's layouts; those of the workspace lie in ``work``."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "work").mkdir()
    return Shelf(tmp_path / "quarterdeck", tmp_path / "work")


def fleet(scenes, tmp_path):
    peer = scenes.fleet()
    for session in peer.sessions:
        session["workspace"] = str(tmp_path / "work")
    return peer


async def press(scenes, pilot, *keys):
    for key in keys:
        await pilot.press(key)
    await scenes.settle(pilot)


async def open_shop(scenes, app, pilot, peer):
    app.open_session(peer.sessions[0]["id"])
    await scenes.settle(pilot)


def said(app):
    return app.deck_screen.keys.note


async def test_a_layout_is_kept_and_taken(on_peer, scenes, until, shelf, tmp_path):
    peer = fleet(scenes, tmp_path)
    async with on_peer(peer, size=BIG) as (app, pilot):
        await open_shop(scenes, app, pilot, peer)
        await press(scenes, pilot, LEADER, "l", "r")
        await press(scenes, pilot, LEADER, "l", "s")
        assert app.screen.query_one("Input").has_focus
        await press(scenes, pilot, *"review", "enter")
        await until(pilot, lambda: said(app) == "kept as review", "it is kept")
        kept = shelf.find("review")
        names = [app.fleet.agents[agent].name for agent in app.members]
        assert (kept.layout.tab.tiling, list(kept.layout.tab.agents)) == ("rows", names)

        await press(scenes, pilot, LEADER, "l", "s", *"review", "enter")
        await until(pilot, lambda: "already" in str(app.screen.query_one("#problem").render()), "the name is taken")
        await press(scenes, pilot, "escape")

        await press(scenes, pilot, LEADER, "l", "c")
        assert app.arrangement.tab.tiling == "columns"
        await press(scenes, pilot, LEADER, "l", "a")
        await until(pilot, lambda: [item.name for item in app.screen.picker.entries] == ["review"], "it is offered")
        await press(scenes, pilot, "enter")
        await until(pilot, lambda: said(app) == "arranged as review", "it is taken")
        assert app.arrangement.tab.tiling == "rows"


async def test_a_workspace_s_layout_counts_and_a_bad_one_says_why(on_peer, scenes, until, shelf, tmp_path):
    shelf.save("wide", tiled("rows"))
    shelf.save("wide", tiled("main"), "workspace")
    (tmp_path / "work/.quarterdeck/layouts/bad.toml").write_text("x = 1\n")
    peer = fleet(scenes, tmp_path)
    async with on_peer(peer, size=BIG) as (app, pilot):
        await open_shop(scenes, app, pilot, peer)
        await press(scenes, pilot, LEADER, "l", "a")
        offered = await until(pilot, lambda: app.screen.picker.entries, "they are offered")
        assert [(item.name, item.about) for item in offered] == [
            ("bad", "line 1: x: unknown key (known keys: tabs, hidden, pinned)"),
            ("wide", "0 panels, of this workspace"),
        ]
        await press(scenes, pilot, "enter")
        await until(pilot, lambda: said(app).startswith("line 1: x: unknown key"), "why")
        await press(scenes, pilot, LEADER, "l", "a")
        await until(pilot, lambda: app.screen.picker.entries, "they are offered")
        await press(scenes, pilot, "down", "enter")
        await until(pilot, lambda: app.arrangement.tab.tiling == "main", "it is taken")
        stored = await until(
            pilot,
            lambda: [body for method, _, body in peer.asked if method == "PATCH" and "layout" in (body or {})],
            "it is stored with the session",
        )
        assert loads(stored[-1]["layout"]).tab.tiling == "main"


async def test_nothing_was_kept_yet(on_peer, scenes, until, shelf, tmp_path):
    peer = fleet(scenes, tmp_path)
    async with on_peer(peer, size=BIG) as (app, pilot):
        await open_shop(scenes, app, pilot, peer)
        await press(scenes, pilot, LEADER, "l", "a")
        await until(pilot, lambda: said(app).startswith("no layout was kept yet; "), "what to do")
