"""The named screens look as they were reviewed (docs/screen-review.md)."""

from __future__ import annotations

import pytest

BOTH = [
    "memory", "memory-light", "search", "nothing", "conflict-marked", "filtered", "empty", "troubled", "read",
    "history", "history-light", "conflict", "conflict-light", "conflict-base",
]  # fmt: skip
SMALL = [
    "list", "memory-ascii", "memory-no-color", "missing-marked", "search-bad", "raw", "problems", "more", "new",
    "delete", "deleted", "missing", "history-restore",
]  # fmt: skip
LARGE = ["memory", "conflict"]


def _snap(snap_compare, scenes, remembered, name, size):
    build, act, options = remembered.SCENES[name]
    peer = build()
    app = scenes.app_for(peer, **options)

    async def before(pilot):
        await scenes.settle(pilot)
        await act(pilot, peer)
        await scenes.settle(pilot)

    assert snap_compare(app, terminal_size=size, run_before=before)


@pytest.mark.parametrize("name", [*BOTH, *SMALL])
def test_small(snap_compare, scenes, remembered, name):
    _snap(snap_compare, scenes, remembered, name, scenes.SIZES["small"])


@pytest.mark.parametrize("name", BOTH)
def test_middle(snap_compare, scenes, remembered, name):
    _snap(snap_compare, scenes, remembered, name, scenes.SIZES["middle"])


@pytest.mark.parametrize("name", LARGE)
def test_large(snap_compare, scenes, remembered, name):
    _snap(snap_compare, scenes, remembered, name, scenes.SIZES["large"])
