"""Where dialogs, toasts and the top line end, in small windows too."""

from __future__ import annotations

import pytest
from textual.widgets._toast import Toast

from tui.bars import KeyBar

LEADER = "ctrl+right_square_bracket"


@pytest.mark.parametrize("size", [(60, 15), (79, 24), (80, 24), (120, 36)])
@pytest.mark.parametrize("keys", [[LEADER, "p"], [LEADER, "n"], [LEADER, "x"], [LEADER, "e"]])
async def test_a_dialog_covers_what_lies_beside_it_or_leaves_it_readable_and_shows_its_keys(
    on_peer, scenes, size, keys
):
    peer = scenes.fleet()
    async with on_peer(peer, size) as (app, pilot):
        await scenes.keys(*keys)(pilot, peer)
        box = app.screen.query("#box, #sheet").first()
        assert box.region.x == size[0] - box.region.right or box.region.x + 1 == size[0] - box.region.right
        assert box.region.x == 0 or size[0] >= 80
        bar = app.screen.query(KeyBar).last()
        assert bar.region.height == 1
        assert bar.region.bottom <= size[1]
        assert "esc" in bar.render_line(0).text or size[0] < 80


@pytest.mark.parametrize("size", [(60, 15), (120, 36)])
async def test_a_toast_ends_at_the_edge_and_keeps_its_distance_from_the_key_bar(on_peer, scenes, size):
    async with on_peer(scenes.fleet(), size) as (app, pilot):
        app.toasts.tell("one", "two")
        await scenes.settle(pilot)
        toast = app.screen.query_one(Toast)
        assert toast.region.right == size[0]
        assert toast.region.bottom == size[1] - 1
        assert not toast.render_line(toast.region.height - 1).text.strip("▌ ")


async def test_the_most_urgent_states_keep_their_words_where_not_all_have_room(on_peer, scenes):
    async with on_peer(scenes.fleet(), (120, 36)) as (app, _):
        line = app.deck_screen.top.render_line(0).text
        assert "✕ 1 failed" in line
        assert "? 1 unknown" not in line
        assert "? 1" in line
        assert line.rstrip().endswith("14:02")
