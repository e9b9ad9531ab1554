"""What of a tab is shown, and where: for any room, the same for the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck import layout, splits
from quarterdeck.layout import Tab
from quarterdeck.splits import Box, split
from tui.dragging import zone
from tui.fleet import AgentInfo
from tui.needing import view
from tui.screen import FOLD_BELOW, FOLDED, WIDE, plan
from tui.tiles import LEAST_COLS, LEAST_LINES, MOST, SMALL_COLS, SMALL_LINES, added, fits, grid, page, shown

NAMES = [f"a{n}" for n in range(40)]


@st.composite
def trees(draw, names):
    nodes = list(names)
    while len(nodes) > 1:
        count = draw(st.integers(2, min(4, len(nodes))))
        shares = draw(st.lists(st.floats(0.2, 5), min_size=count, max_size=count))
        nodes = [split(draw(st.sampled_from(["columns", "rows"])), nodes[:count], shares), *nodes[count:]]
    return nodes[0]


@st.composite
def tabs(draw):
    """A tab, the agents of it that have panels, which one has the focus, which are pinned."""
    agents = NAMES[: draw(st.integers(0, 40))]
    tiling = draw(st.sampled_from(layout.TILINGS))
    tree = None
    if tiling == "split":
        known = draw(st.lists(st.sampled_from([*agents, "gone", "hidden"]), unique=True, min_size=1, max_size=9))
        tree = draw(trees(known))
    focus = draw(st.sampled_from([*agents, "nobody"]))
    pinned = draw(st.lists(st.sampled_from([*agents, "gone"]), unique=True, max_size=4))
    tab = Tab(tiling=tiling, split=tree, zoom=draw(st.booleans()), share=draw(st.floats(0.1, 0.9)))
    return tab, agents, focus, pinned


@given(tabs(), st.integers(20, 400), st.integers(4, 150))
def test_panels_lie_inside_the_room_and_never_over_each_other(made, width, height):
    tab, agents, focus, pinned = made
    found = shown(tab, agents, focus, pinned, width, height)
    assert found == shown(tab, agents, focus, pinned, width, height)
    here = splits.leaves(found.tree)
    assert set(here) <= set(agents)
    assert len(set(here)) == len(here) <= MOST
    assert bool(here) == bool(agents)
    if focus in agents:
        assert focus in here
    taken = set()
    for box in splits.place(found.tree, Box(0, 0, width, height)).values() if found.tree is not None else ():
        cells = {(x, y) for x in range(box.x, box.x + box.width) for y in range(box.y, box.y + box.height)}
        assert cells
        assert not taken & cells
        assert all(0 <= x < width and 0 <= y < height for x, y in cells)
        taken |= cells
    if len(here) > 1:
        least = (SMALL_COLS, SMALL_LINES) if found.own else (LEAST_COLS, LEAST_LINES)
        for box in splits.place(found.tree, Box(0, 0, width, height)).values():
            assert box.width >= min(least[0], width)
            assert box.height >= min(least[1], height)


@given(tabs(), st.integers(60, 300), st.integers(15, 90))
def test_every_agent_is_on_a_page_and_pages_agree(made, width, height):
    tab, agents, _, pinned = made
    seen = {}
    for agent in agents:
        found = shown(tab, agents, agent, pinned, width, height)
        assert 0 <= found.page < found.pages
        assert agent in splits.leaves(found.tree)
        assert seen.setdefault(found.page, found) == found or set(pinned) & set(agents)
        if not tab.zoom and not found.own and len(splits.leaves(found.tree)) > 1:
            first = [one for one in agents if one in pinned][: len(splits.leaves(found.tree)) - 1]
            assert list(splits.leaves(found.tree))[: len(first)] == first


@given(tabs(), st.integers(60, 300), st.integers(15, 90), st.integers(20, 59), st.integers(4, 14))
def test_a_resize_and_back_leaves_all_as_it_was(made, width, height, narrow, low):
    tab, agents, focus, pinned = made
    before = shown(tab, agents, focus, pinned, width, height)
    shown(tab, agents, focus, pinned, narrow, low)
    assert shown(tab, agents, focus, pinned, width, height) == before


def test_a_tree_that_does_not_fit_is_paged_until_there_is_room():
    tree = split("columns", ["a", split("rows", ["b", "c"]), "d"])
    tab = Tab(tiling="split", split=tree)
    small = shown(tab, list("abcd"), "c", (), 59, 20)
    assert small.crowded
    assert splits.leaves(small.tree) == ("c",)
    assert (small.page, small.pages) == (2, 4)
    large = shown(tab, list("abcd"), "c", (), 120, 40)
    assert (large.tree, large.own, large.crowded) == (tree, True, False)


def test_new_ones_find_a_place_in_a_tree_while_there_is_room_then_a_page():
    tab = Tab(tiling="split", split=split("columns", ["a", "b"], [2, 1]))
    found = shown(tab, ["a", "b", "new"], "a", (), 214, 58)
    assert splits.place(found.tree, Box(0, 0, 214, 58))["new"] == Box(0, 29, 142, 29)
    assert splits.leaves(found.tree) == ("a", "new", "b")
    full = shown(tab, ["a", "b", "new"], "a", (), 100, 20)
    assert splits.leaves(full.tree) == ("a", "b")
    assert (full.page, full.pages) == (0, 2)
    rest = shown(tab, ["a", "b", "new"], "new", (), 100, 20)
    assert (rest.tree, rest.own, rest.page) == ("new", False, 1)


def test_hidden_and_gone_ones_leave_their_room_and_come_back_to_it():
    tree = split("columns", ["a", split("rows", ["b", "c"])])
    tab = Tab(tiling="split", split=tree)
    assert shown(tab, ["a", "c"], "a", (), 200, 50).tree == split("columns", ["a", "c"])
    assert shown(tab, ["a", "b", "c"], "a", (), 200, 50).tree == tree


def test_pinned_ones_come_first_on_every_page():
    assert page(list("abcdefg"), 2, "g", 4) == (list("abg"), 2, 3)
    assert page(list("abcdefg"), 2, "a", 4) == (list("abcd"), 0, 3)
    assert page(list("abc"), 3, "c", 1) == (["c"], 2, 3)
    assert page([], 0, "", 3) == ([], 0, 1)


@pytest.mark.parametrize(
    ("count", "shape"),
    [(1, (1, 1)), (2, (2, 1)), (3, (2, 2)), (4, (2, 2)), (5, (3, 2)), (6, (3, 2)), (7, (3, 3)), (9, (3, 3))],
)
def test_a_large_screen_tiles_as_expected(count, shape):
    assert grid(count, 214, 58) == shape


def test_one_large_panel_beside_a_stack_or_above_it():
    tab = Tab(tiling="main")
    wide = splits.place(shown(tab, list("abcd"), "a", (), 214, 58).tree, Box(0, 0, 214, 58))
    assert [wide[name].height for name in "abcd"] == [58, 20, 19, 19]
    assert wide["a"].width == 128
    tall = splits.place(shown(tab, list("abcd"), "a", (), 80, 58).tree, Box(0, 0, 80, 58))
    assert list(tall) == ["a", "b"]
    assert (tall["a"].height, tall["b"].height) == (35, 23)


@given(trees(NAMES[:5]), st.sampled_from(NAMES[:5]), st.integers(60, 300), st.integers(15, 80))
def test_another_panel_comes_beside_the_focused_one_where_both_stay_large_enough(tree, focus, width, height):
    made = added(tree, "new", focus, width, height)
    if made is not None:
        before = splits.place(tree, Box(0, 0, width, height))
        boxes = splits.place(made, Box(0, 0, width, height))
        assert set(boxes) == {*before, "new"}
        assert boxes["new"].width >= min(LEAST_COLS, before[focus].width) or boxes["new"].height >= LEAST_LINES


@given(
    tabs(), st.integers(1, 400), st.integers(1, 120), st.integers(0, 12), st.sampled_from([0, 72]),
    st.booleans(), st.integers(0, 9),
)  # fmt: skip
def test_a_plan_stays_on_the_screen(made, width, height, bar, side, tabbed, guide):
    tab, agents, focus, pinned = made
    side = side if width > 200 else 0
    found = plan(tab, agents, focus, pinned, width, height, bar=bar, side=side, tabs=tabbed, guide=guide)
    if found.tiny:
        assert width < 60 or height < 15
        return
    assert focus not in agents or focus in found.shown
    assert found.roster == (0 if tab.zoom and agents else WIDE if width >= FOLD_BELOW else FOLDED)
    plain = plan(tab, agents, focus, pinned, width, height, side=side, tabs=tabbed)
    for (agent, at), (same, before) in zip(found.tiles, plain.tiles, strict=True):
        assert agent == same
        assert found.size(at) == plain.size(before)
        seen = found.seen(at)
        assert seen.x >= found.roster - 1
        assert seen.y >= 1 + tabbed
        assert min(found.size(at)) > 0 or height < 20
        assert seen.x + seen.width <= width - side
        assert seen.height == 0 or seen.y + seen.height <= height - 1 - bar - guide


def test_what_fits():
    assert fits(split("columns", ["a", "b"]), 41, 4)
    assert not fits(split("columns", ["a", "b"]), 40, 4)
    assert not fits(split("rows", NAMES[: MOST + 1]), 100, 200)


@pytest.mark.parametrize(
    ("x", "y", "what"), [(1, 10, "left"), (98, 10, "right"), (50, 0, "up"), (50, 19, "down"), (50, 10, "swap")]
)
def test_where_a_panel_is_dropped(x, y, what):
    assert zone(Box(0, 0, 100, 20), x, y) == what


def _agent(ident, status, since=0):
    return AgentInfo.of({"id": ident, "status": status, "since_ns": since})


def test_those_that_need_a_person_come_by_urgency_and_stay_while_somebody_acts():
    agents = {one.id: one for one in (
        _agent("calm", "working"), _agent("done", "done"), _agent("late", "blocked", 9), _agent("early", "blocked", 3),
        _agent("bad", "failed"),
    )}  # fmt: skip
    assert view(agents, (), "", held=False) == ["early", "late", "bad", "done"]
    agents["early"] = _agent("early", "working")
    agents["new"] = _agent("new", "blocked", 1)
    before = ["early", "late", "bad", "done"]
    assert view(agents, before, "early", held=True) == [*before, "new"]
    assert view(agents, before, "early", held=False) == ["early", "new", "late", "bad", "done"]
    assert view(agents, before, "late", held=False) == ["new", "late", "bad", "done"]
    del agents["late"]
    assert view(agents, before, "late", held=True) == ["early", "bad", "done", "new"]
