"""The screens of the first start, of empty decks and lists, and of errors look as they were reviewed."""

from __future__ import annotations

import pytest

from quarterdeck.errors import Broken, Unreachable

LEADER = "ctrl+right_square_bracket"
FINDINGS = {
    "versions": {"quarterdeck": "0.6", "python": "3.11.7", "sqlite": "3.46.0", "tmux": ""},
    "places": {"home": "/home/ada/.local/state/quarterdeck", "log": "/home/ada/.local/state/quarterdeck/log/x.jsonl"},
    "problems": [
        {"problem": "tmux is not installed; agents run in terminals of their own", "mend": "apt install tmux"},
        {"problem": "config.toml: notify.quiet: must be two different times of day", "mend": "mend the file"},
    ],
}


async def stopped(pilot, peer, scenes):
    peer.phase("stopped", "the orchestrator was stopped")
    await scenes.settle(pilot)


def elsewhere(scenes):
    peer = scenes.fleet()
    peer.session("new", "/home/ada/src/new")
    return peer


def alone(scenes):
    peer = scenes.Peer()
    peer.session("shop")
    peer.add("one", "shop", "$ ")
    return peer


async def failed(pilot, peer, scenes):
    peer.refuse = Broken("the disk is full: new agents cannot be recorded", hint="free some space, then try again")
    await scenes.keys(LEADER, "n")(pilot, peer)


async def lost(pilot, peer, scenes):
    pilot.app.toasts.complain("rename api-auth", Unreachable("the orchestrator does not answer"))
    await scenes.settle(pilot)


async def told(pilot, peer, scenes):
    peer.happen("agent.attention", "seo", title="seo is done", text="all 41 pages have a title now", ways=["bell"])
    await scenes.settle(pilot)


async def doctor(pilot, peer, scenes):
    peer.findings = FINDINGS
    await scenes.keys(LEADER, "p", *"doctor", "enter")(pilot, peer)


def keys(*names):
    async def press(pilot, peer, scenes):
        await scenes.keys(*names)(pilot, peer)

    return press


SCENES = {
    "first": (lambda scenes: scenes.first(), keys(), {}),
    "first-second": (lambda scenes: scenes.first(), keys("2"), {}),
    "first-light": (lambda scenes: scenes.first(), keys(), {"theme": "light"}),
    "first-ascii": (lambda scenes: scenes.first(), keys(), {"plain_glyphs": True}),
    "bare": (lambda scenes: scenes.bare(), keys(), {}),
    "welcome-page": (
        lambda scenes: (peer := scenes.fleet(), setattr(peer, "installed", scenes.first().installed))[0],
        keys(LEADER, "p", *"welcome", "enter"),
        {},
    ),
    "stopped": (lambda scenes: scenes.silent(), stopped, {}),
    "elsewhere": (elsewhere, keys(LEADER, "s", *"new", "enter"), {}),
    "hidden": (alone, keys(LEADER, "h"), {}),
    "nothing-called-that": (lambda scenes: scenes.fleet(), keys(LEADER, "p", *"zzz"), {}),
    "inbox-empty": (lambda scenes: scenes.fleet(), keys(LEADER, "i"), {}),
    "composer-empty": (lambda scenes: scenes.fleet(), keys(LEADER, "e"), {}),
    "error": (lambda scenes: scenes.fleet(), failed, {}),
    "error-light": (lambda scenes: scenes.fleet(), failed, {"theme": "light"}),
    "lost": (lambda scenes: scenes.fleet(), lost, {}),
    "called": (lambda scenes: scenes.fleet(), told, {}),
    "doctor": (lambda scenes: scenes.fleet(), doctor, {}),
}
BOTH = ["first", "first-light", "bare", "welcome-page", "elsewhere", "error", "doctor"]


def _snap(snap_compare, scenes, name, size):
    build, act, options = SCENES[name]
    peer = build(scenes)

    async def before(pilot):
        await scenes.settle(pilot)
        await act(pilot, peer, scenes)
        await scenes.settle(pilot)

    assert snap_compare(scenes.app_for(peer, **options), terminal_size=size, run_before=before)


@pytest.mark.parametrize("name", SCENES)
def test_small(snap_compare, scenes, name):
    _snap(snap_compare, scenes, name, scenes.SIZES["small"])


@pytest.mark.parametrize("name", BOTH)
def test_middle(snap_compare, scenes, name):
    _snap(snap_compare, scenes, name, scenes.SIZES["middle"])
