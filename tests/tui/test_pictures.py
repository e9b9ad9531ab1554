"""The named screens look as they were reviewed (docs/screen-review.md)."""

from __future__ import annotations

import pytest

SMALL = [
    "grid", "zoom", "leader", "new-agent", "rename", "close", "help", "palette", "sessions", "ended", "scrollback",
    "disconnected", "restore-report", "empty", "connecting", "light", "ascii", "no-color",
    "asking", "answer-keys", "answered", "deny", "inbox", "inbox-diff", "inbox-empty", "inbox-ascii", "composer",
    "queue", "broadcast", "broadcast-sent", "why", "inbox-light",
    "broadcast-tag", "why-tags", "tags", "goals", "guide", "guide-asking", "guide-layout", "help-found",
]  # fmt: skip
MIDDLE = [
    "asking", "asking-light", "inbox-diff", "composer-light", "why", "broadcast-tag", "split", "split-ascii",
    "split-border", "split-drop", "tab-empty", "tab-move", "needing", "panel-menu", "guide", "guide-light",
    "guide-asking", "help",
]  # fmt: skip
LARGE = ["grid", "light", "asking", "inbox", "split", "split-drop", "main", "needing"]


def _snap(snap_compare, scenes, name, size):
    build, act, options = scenes.SCENES[name]
    peer = build()
    app = scenes.app_for(peer, **options)

    async def before(pilot):
        await scenes.settle(pilot)
        await act(pilot, peer)
        await scenes.settle(pilot)

    assert snap_compare(app, terminal_size=size, run_before=before)


@pytest.mark.parametrize("name", SMALL)
def test_small(snap_compare, scenes, name):
    _snap(snap_compare, scenes, name, scenes.SIZES["small"])


@pytest.mark.parametrize("name", MIDDLE)
def test_middle(snap_compare, scenes, name):
    _snap(snap_compare, scenes, name, scenes.SIZES["middle"])


@pytest.mark.parametrize("name", LARGE)
def test_large(snap_compare, scenes, name):
    _snap(snap_compare, scenes, name, scenes.SIZES["large"])


@pytest.mark.parametrize("name", ["guide", "guide-asking", "help"])
def test_least(snap_compare, scenes, name):
    _snap(snap_compare, scenes, name, scenes.LEAST)


def test_tiny(snap_compare, scenes):
    _snap(snap_compare, scenes, "grid", scenes.TINY)
