from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck import layout, splits
from quarterdeck.layout import Layout, Tab
from quarterdeck.splits import Box, Node, Split, split

ROOM = Box(3, 1, 90, 30)
NAMES = [f"a{n}" for n in range(8)]


@st.composite
def trees(draw: st.DrawFn, names: list[str] = NAMES) -> Node:
    names = list(names[: draw(st.integers(1, len(names)))])
    nodes: list[Node] = list(names)
    while len(nodes) > 1:
        count = draw(st.integers(2, min(4, len(nodes))))
        shares = draw(st.lists(st.floats(0.2, 5), min_size=count, max_size=count))
        way = draw(st.sampled_from(["columns", "rows"]))
        nodes = [split(way, nodes[:count], shares), *nodes[count:]]
    return nodes[0]


def cells(box: Box) -> set[int]:
    return {y * 1000 + x for y in range(box.y, box.y + box.height) for x in range(box.x, box.x + box.width)}


def sound(node: Node) -> None:
    """No split in a split of the same way, shares that add up, at least two parts."""
    if isinstance(node, str):
        return
    assert len(node.parts) == len(node.shares) >= 2
    assert abs(sum(node.shares) - 1) < 1e-6
    assert all(share > 0 for share in node.shares)
    for part in node.parts:
        assert not (isinstance(part, Split) and part.way == node.way)
        sound(part)


@given(trees())
def test_panels_fill_the_room_but_for_separators_and_never_lie_over_each_other(node: Node) -> None:
    sound(node)
    placed = splits.place(node, ROOM)
    assert list(placed) == list(splits.leaves(node))
    taken: set[int] = set()
    for box in placed.values():
        assert not taken & cells(box)
        taken |= cells(box)
    left = cells(ROOM) - taken
    if all(box.width for box in placed.values()):
        assert not {cell for cell in left if cell - 1 in left}


@given(trees(NAMES[:7]), st.sampled_from(NAMES[:7]), st.sampled_from(splits.SIDES))
def test_a_new_panel_stands_at_the_side_asked_for(node: Node, at: str, side: splits.Side) -> None:
    made = splits.insert(node, at, "new", side)
    sound(made)
    assert sorted(splits.leaves(made)) == sorted([*splits.leaves(node), "new"])
    if at in splits.leaves(node):
        boxes = splits.place(made, ROOM)
        if all(box.width and box.height for box in boxes.values()):
            assert splits.neighbour(boxes, at, side) == "new"
    back = splits.without(made, "new")
    assert back is not None
    assert splits.leaves(back) == splits.leaves(node)


@given(trees(), st.data())
def test_panels_that_are_not_shown_keep_their_place(node: Node, data: st.DataObject) -> None:
    names = splits.leaves(node)
    away = data.draw(st.lists(st.sampled_from(names), unique=True, max_size=len(names) - 1))
    shown = splits.kept(node, [name for name in names if name not in away])
    assert shown is not None
    same = splits.grafted(shown, node, away)
    assert sorted(splits.leaves(same)) == sorted(names)
    sides = data.draw(st.lists(st.tuples(st.sampled_from(names), st.sampled_from(splits.SIDES)), max_size=3))
    for name, side in sides:
        shown = splits.resized(shown, name, side, 5, ROOM)
    back = splits.grafted(shown, node, away)
    sound(back)
    assert sorted(splits.leaves(back)) == sorted(names)
    again = splits.kept(back, splits.leaves(shown))
    assert again is not None
    before = splits.place(shown, ROOM)
    for name, box in splits.place(again, ROOM).items():
        assert all(abs(now - then) <= 1 for now, then in zip(box, before[name], strict=True))


def test_one_that_was_hidden_comes_back_beside_the_same_neighbours() -> None:
    node = split("columns", ["main", split("rows", ["b", "c", "d"], [1, 2, 1])], [2, 1])
    for name in ("main", "b", "c", "d"):
        shown = splits.without(node, name)
        assert shown is not None
        assert splits.leaves(splits.grafted(shown, node, [name])) == splits.leaves(node)
    back = splits.grafted(split("rows", ["b", "c", "d"]), node, ["main", "gone"])
    assert isinstance(back, Split)
    assert back.parts == ("main", split("rows", ["b", "c", "d"]))
    assert back.shares == pytest.approx((2 / 3, 1 / 3))


@given(trees(), st.data())
def test_taking_all_panels_away_leaves_nothing(node: Node, data: st.DataObject) -> None:
    left: Node | None = node
    for name in data.draw(st.permutations(splits.leaves(node))):
        left = splits.without(left, name)
        if left is not None:
            sound(left)
            assert name not in splits.leaves(left)
    assert left is None


@given(trees(), st.sampled_from(NAMES), st.sampled_from(splits.SIDES), st.integers(1, 80))
def test_a_border_moves_by_cells_and_stops_at_its_neighbours(
    node: Node, name: str, side: splits.Side, count: int
) -> None:
    before = splits.place(node, ROOM)
    after = splits.place(splits.resized(node, name, side, count, ROOM), ROOM)
    assert list(before) == list(after)
    sound(splits.resized(node, name, side, count, ROOM))
    assert all(box.width >= 0 and box.height >= 0 for box in after.values())


@pytest.mark.parametrize(
    ("name", "side", "widths"),
    [
        ("a", "right", [70, 50, 60]),
        ("b", "left", [50, 70, 60]),
        ("c", "right", [60, 70, 50]),
        ("c", "up", [60, 60, 60]),
    ],
)
def test_which_border_is_moved(name: str, side: splits.Side, widths: list[int]) -> None:
    node = split("columns", ["a", "b", "c"])
    placed = splits.place(splits.resized(node, name, side, 10, Box(0, 0, 182, 40)), Box(0, 0, 182, 40))
    assert [box.width for box in placed.values()] == widths


def test_swapping_and_making_equal_keep_the_shape() -> None:
    node = split("columns", ["a", split("rows", ["b", "c"], [1, 3])], [2, 1])
    assert splits.leaves(splits.swapped(node, "a", "c")) == ("c", "b", "a")
    assert splits.swapped(node, "a", "nobody") == node
    assert splits.equal(node) == split("columns", ["a", split("rows", ["b", "c"])])


def test_the_neighbour_is_the_one_level_with_the_middle() -> None:
    boxes = splits.place(split("columns", ["a", split("rows", ["b", "c", "d"])]), ROOM)
    assert splits.neighbour(boxes, "a", "right") == "c"
    assert [splits.neighbour(boxes, "b", side) for side in splits.SIDES] == ["a", None, None, "c"]
    assert splits.neighbour(boxes, "nobody", "left") is None


def test_parts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="needs a part"):
        split("rows", [])
    for shares in ([1.0], [1.0, 0.0], [1.0, float("inf")]):
        with pytest.raises(ValueError, match="one share"):
            split("rows", ["a", "b"], shares)


# -- a session's layout


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    tabs = []
    names = list(NAMES)
    for number in range(draw(st.integers(1, 3))):
        mine = tuple(names.pop() for _ in range(draw(st.integers(0, len(names)))))
        panels = draw(trees(list(mine))) if mine and draw(st.booleans()) else None
        tiling = draw(st.sampled_from(layout.AUTOMATIC if panels is None else layout.TILINGS))
        focus = draw(st.sampled_from(mine)) if mine else ""
        name = f"tab {number}" if draw(st.booleans()) else ""
        tabs.append(Tab(name=name, agents=mine, tiling=tiling, split=panels, zoom=draw(st.booleans()), focus=focus))
    at = draw(st.integers(0, len(tabs) - 1))
    hidden = tuple(draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=2)))
    return Layout(tabs=tuple(tabs), at=at, hidden=hidden, pinned=hidden[:1])


@given(layouts())
def test_what_is_stored_is_read_again(one: Layout) -> None:
    text = layout.dumps(one)
    again = layout.loads(text)
    assert [tab.agents for tab in again.tabs] == [tab.agents for tab in one.tabs]
    assert (again.at, again.hidden, again.pinned) == (one.at, one.hidden, one.pinned)
    assert [splits.leaves(tab.split) for tab in again.tabs] == [splits.leaves(tab.split) for tab in one.tabs]
    for tab, before in zip(again.tabs, one.tabs, strict=True):
        assert replace(tab, split=None) == replace(before, split=None)
        if tab.split is not None and before.split is not None:
            placed = splits.place(before.split, ROOM)
            for name, box in splits.place(tab.split, ROOM).items():
                assert all(abs(now - then) <= 2 for now, then in zip(box, placed[name], strict=True))


@given(layouts(), st.sampled_from(NAMES))
def test_every_agent_is_on_exactly_one_tab(one: Layout, agent: str) -> None:
    last = layout.moved(one, agent, len(one.tabs) - 1)
    for changed in (one, last, layout.closed(one, 0), layout.without(one, agent)):
        found = [name for tab in layout.members(changed, NAMES) for name in tab]
        assert sorted(found) == sorted(NAMES)
        assert 0 <= changed.at < len(changed.tabs)
    assert layout.tab_of(last, agent) == len(one.tabs) - 1


@given(layouts())
def test_names_and_ids_are_exchanged(one: Layout) -> None:
    ids = {name: f"id-{name}" for name in NAMES}
    back = {ident: name for name, ident in ids.items()}
    assert layout.renamed(layout.renamed(one, ids), back) == one
    few = layout.renamed(one, {"a1": "b"})
    assert {agent for tab in few.tabs for agent in tab.agents} <= {"b"}
    assert {leaf for tab in few.tabs for leaf in splits.leaves(tab.split)} <= {"b"}


def test_a_layout_of_before_is_read() -> None:
    found = layout.loads('{"mode":"auto","zoom":true,"focus":"a1"}')
    assert found == Layout(tabs=(Tab(zoom=True, focus="a1"),))
    assert layout.loads('{"mode":"columns","zoom":false,"focus":""}').tab.tiling == "columns"


DEEP: Any = "a"
for number in range(40):
    DEEP = {"columns" if number % 2 else "rows": [DEEP, f"b{number}"]}


@pytest.mark.parametrize(
    "text",
    [
        "", "nonsense", "[]", "{}", '{"tabs": 3}', '{"tabs": []}', '{"tabs": [3, null]}', "[" * 100_000,
        '{"tabs": [{"tiling": "heap"}], "at": 9, "hidden": 3, "pinned": [null, ""]}',
        '{"tabs": [{"tiling": "split", "split": {"columns": []}}]}',
        '{"tabs": [{"tiling": "split", "split": {"columns": ["a", "a"]}}]}',
        json.dumps({"tabs": [{"tiling": "split", "split": DEEP}]}),
        '{"tabs": [{"share": "x", "zoom": 1, "agents": "abc", "name": null}]}',
    ],
)  # fmt: skip
def test_what_cannot_be_used_counts_as_the_default(text: str) -> None:
    assert layout.loads(text) == Layout()


def test_hostile_names_and_numbers_are_tamed() -> None:
    first = '{"name": "a\\u001b[31m\\nb", "share": 1e400, "agents": ["x", "x"]}'
    text = f'{{"tabs": [{first}, {{"agents": ["x", "y"]}}], "at": 1}}'
    found = layout.loads(text)
    assert [tab.agents for tab in found.tabs] == [("x",), ("y",)]
    assert (found.tabs[0].name, found.tabs[0].share, found.at) == ("a[31m b", 0.9, 1)
