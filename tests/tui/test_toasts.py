"""Passing messages: what happened, what is safe, one thing to do by key or by click; faults of ours are contained."""

from __future__ import annotations

import logging

import pytest
from textual.widgets._toast import Toast

from quarterdeck.errors import Broken, Refused, Unreachable
from tui.faults import logged
from tui.toasts import Offer

LEADER = "ctrl+right_square_bracket"


def shown(app):
    return [f"{one.title}\n{one.message}" for one in app._notifications]


async def act(pilot, scenes):
    await pilot.press(LEADER, "exclamation_mark")
    await scenes.settle(pilot)


@pytest.mark.parametrize("error", [Broken("the disk is full", hint="free some"), Unreachable("nobody answers")])
async def test_what_failed_is_tried_again_by_one_key(on_peer, scenes, error):
    peer = scenes.fleet()
    async with on_peer(peer) as (app, pilot):
        peer.refuse = error
        await pilot.press(LEADER, "n")
        await scenes.settle(pilot)
        (text,) = shown(app)
        assert text.startswith(f"could not list the profiles\n{error.message}\nThe agents run on.")
        assert text.endswith("^] !  try again")
        assert app.screen is app.deck_screen
        peer.refuse = None
        await act(pilot, scenes)
        assert app.screen is not app.deck_screen
        assert not shown(app)


async def test_by_click_too(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer) as (app, pilot):
        peer.refuse = Broken("the disk is full")
        await pilot.press(LEADER, "n")
        await scenes.settle(pilot)
        peer.refuse = None
        toast = app.screen.query_one(Toast)
        await pilot.click(offset=(toast.region.x + 3, toast.region.y + 1))
        await scenes.settle(pilot)
        assert app.screen is not app.deck_screen
        assert not shown(app)


async def test_in_a_dialog_too_and_the_leader_is_the_dialogs_where_nothing_is_offered(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer) as (app, pilot):
        done = []
        await pilot.press(LEADER, "e")
        await scenes.settle(pilot)
        app.toasts.tell("it failed", offer=Offer("try again", lambda: done.append(1)))
        await scenes.keys("a", LEADER, "exclamation_mark", LEADER, "b", "exclamation_mark")(pilot, peer)
        assert done == [1]
        assert app.screen.editor.text == "ab!"


async def test_what_makes_no_sense_to_try_again_can_be_copied(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer) as (app, pilot):
        app.toasts.complain("do it", Refused("the name\x1b[31m is taken", hint="choose another"))
        await scenes.settle(pilot)
        assert shown(app) == ["could not do it\nthe name[31m is taken\nchoose another\n^] !  copy the message"]
        await act(pilot, scenes)
        assert app.clipboard == "could not do it\nthe name[31m is taken\nchoose another"


async def test_an_interrupt_that_was_refused_offers_to_say_why(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer) as (app, pilot):
        focused = app.focused_agent
        peer.refuse = Refused("its program has ended")
        await pilot.press(LEADER, "k")
        await scenes.settle(pilot)
        assert shown(app)[0].endswith("its program has ended\n^] !  say why")
        peer.refuse = None
        await act(pilot, scenes)
        assert ("GET", f"/v1/agents/{focused}/why", None) in peer.asked
        assert app.screen is not app.deck_screen


@pytest.mark.parametrize(("status", "offered"), [("working", "say why"), ("exited", "start it again")])
async def test_input_that_was_not_taken_offers_what_fits_and_is_said_once(on_peer, scenes, status, offered):
    peer = scenes.fleet()
    async with on_peer(peer) as (app, pilot):
        one = next(agent for agent in app.fleet.agents.values() if agent.status == status)
        for _ in range(3):
            peer.trouble(one.id, "full", "it does not read its input; what was typed now is dropped")
        await scenes.settle(pilot)
        (text,) = shown(app)
        assert text.startswith(f"{one.name} did not take it\nit does not read")
        assert text.endswith(f"^] !  {offered}")
        await act(pilot, scenes)
        assert app.focused_agent == one.id
        assert any(path.endswith(("/why", "/restore")) and one.id in path for _, path, _ in peer.asked)


async def test_trouble_of_an_agent_that_is_gone_is_no_message(on_peer, scenes):
    """As of one that could not be started: the form says what there is to say."""
    peer = scenes.fleet()
    async with on_peer(peer) as (app, pilot):
        ident = next(iter(app.fleet.agents))
        del peer.agents[ident]
        peer.trouble(ident, "not_found", f"no agent {ident!r}", "quarterdeck ls --all")
        await scenes.settle(pilot)
        assert not shown(app)
        assert "no agent" not in app.deck_screen.keys.note
        assert ident not in app.fleet.agents


async def test_nobody_answers_at_all(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer) as (app, pilot):
        peer.phase("stopped", "the orchestrator was stopped")
        await scenes.settle(pilot)
        app.toasts.complain("do it", Unreachable("nobody answers"))
        await scenes.settle(pilot)
        assert shown(app)[0].endswith("reconnect")
        await act(pilot, scenes)
        assert peer.revived == 1


async def test_the_newest_offer_is_the_keys_and_each_is_done_once_and_not_for_ever(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer) as (app, pilot):
        done = []
        for name in ("one", "two", "three"):
            app.toasts.tell(name, offer=Offer(name, lambda name=name: done.append(name)))
        app.toasts.tell("no offer [bold]and no markup[/]")
        await act(pilot, scenes)
        await act(pilot, scenes)
        assert done == ["three", "two"]
        app.clock.advance(61)
        await act(pilot, scenes)
        assert done == ["three", "two"]
        assert "no message offers anything" in app.deck_screen.keys.render_line(0).text


@pytest.mark.parametrize("place", ["worker", "verb", "callback"])
async def test_a_mistake_of_ours_is_said_once_and_logged(on_peer, scenes, faults, place, tmp_path, monkeypatch):
    peer = scenes.fleet()

    def fail(*_):
        raise ZeroDivisionError("boom\x1b[31m")

    async def fail_later():
        fail()

    async with on_peer(peer) as (app, pilot):
        path = tmp_path / "tui.log"
        app.faults.log_path = path
        with logged(path):
            for _ in range(2):
                if place == "worker":
                    app.actions.run(fail_later(), "do it")
                elif place == "verb":
                    monkeypatch.setattr(app.actions, "do_zoom", fail, raising=False)
                    await pilot.press(LEADER, "z")
                else:
                    app.faults.unhandled(None, {"exception": ZeroDivisionError("boom")})
                await scenes.settle(pilot)
            logging.getLogger("a.library").warning("hm %s", "\x1b]0;x\x07")
        (text,) = shown(app)
        assert "ZeroDivisionError" in text
        assert "the agents run on" in text
        assert str(path) in text
        assert len(faults) == 2
        faults.clear()
        told = path.read_text()
        assert told.count("ZeroDivisionError: boom") == 2
        assert "hm" in told
        assert "\x1b" not in told
        assert path.stat().st_mode & 0o777 == 0o600
        await pilot.press(LEADER, "n")
        await scenes.settle(pilot)
        assert app.screen is not app.deck_screen


async def test_a_dialog_that_broke_is_closed_with_what_lies_over_it(on_peer, scenes, faults):
    peer = scenes.fleet()
    async with on_peer(peer) as (app, pilot):
        await pilot.press(LEADER, "r")
        await scenes.settle(pilot)
        below = app.screen
        app.push_screen(type(below)("another", "over it"))
        await scenes.settle(pilot)

        def fail():
            raise ValueError("boom")

        below.call_next(fail)
        await scenes.settle(pilot)
        assert app.screen is app.deck_screen
        assert [str(error) for error in faults] == ["boom"]
        faults.clear()
        await pilot.press(LEADER, "r")
        await scenes.settle(pilot)
        assert app.screen is not app.deck_screen
