"""Layouts as people write them, and which agent gets which panel."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck import splits
from quarterdeck.errors import Broken, Invalid, NotFound, Refused
from quarterdeck.layout import Layout, Tab, members
from quarterdeck.layoutfile import dumps, fitted, loads, named, same, tiled
from quarterdeck.layoutshelf import Shelf, chosen
from quarterdeck.lined.mistakes import BadFile

FILE = b"""\
hidden = ["log"]
pinned = ["api"]

[[tabs]]
name = "work"
columns = ["api", {rows = ["tests", "*"], sizes = [2, 1]}]
sizes = [3, 2]

[[tabs]]
tiling = "main"
share = 0.7
agents = ["*", "shell"]
"""


def lines(data):
    with pytest.raises(BadFile) as raised:
        loads(data, "x.toml")
    return raised.value.lines


def test_a_layout_is_read():
    layout = loads(FILE, "x.toml")
    work, rest = layout.tabs
    assert (work.name, work.tiling, work.agents) == ("work", "split", ("api", "tests", "*1"))
    assert isinstance(work.split, splits.Split)
    assert (work.split.way, work.split.shares) == ("columns", (0.6, 0.4))
    assert (rest.tiling, rest.share, rest.agents) == ("main", 0.7, ("*2", "shell"))
    assert (layout.hidden, layout.pinned) == (("log",), ("api",))
    assert dumps(layout).encode() == FILE
    assert loads(b"\xef\xbb\xbf" + FILE, "x.toml") == layout


def test_every_mistake_is_told_with_its_line():
    assert lines(
        b"""\
[[tabs]]
colums = ["a"]
columns = ["a", { rows = ["c", 3], size = [1] }, {}]
rows = []
tiling = "gird"
sizes = [1, "x"]
[[tabs]]
sizes = [1]
share = 5
agents = ["x y", "b", "b"]
[[tabs]]
columns = ["d", "a", "e"]
sizes = [1, 2]
"""
    ) == (
        "x.toml:2: tabs[0].colums: unknown key (did you mean columns?)",
        'x.toml:3: tabs[0].columns[1].rows[1]: must be an agent\'s name, "*", or a table with columns or rows',
        "x.toml:3: tabs[0].columns[1].size: unknown key (did you mean sizes?)",
        "x.toml:3: tabs[0].columns[2]: must have columns or rows",
        "x.toml:4: tabs[0].rows: columns and rows cannot stand in one table (put one into the other)",
        "x.toml:4: tabs[0].rows: must have 1 to 256 items",
        "x.toml:5: tabs[0].tiling: a tab with columns or rows has no tiling (leave one of them out)",
        'x.toml:5: tabs[0].tiling: must be "grid", "main", "columns", "rows" or "one" (did you mean grid?)',
        "x.toml:6: tabs[0].sizes: has 1 sizes for 3 parts",
        "x.toml:6: tabs[0].sizes[1]: must be a number from 0.001 to 1e+06",
        "x.toml:8: tabs[1].sizes: sizes belong to columns or rows",
        "x.toml:9: tabs[1].share: must be a number from 0.1 to 0.9",
        (
            "x.toml:10: tabs[1].agents[0]: 'x y' cannot be a name "
            "(1 to 64 letters, digits and . _ + @ - , beginning with a letter or digit)"
        ),
        "x.toml:10: tabs[1].agents[1]: b has a place already",
        "x.toml:12: tabs[2].columns[1]: a has a place already",
        "x.toml:13: tabs[2].sizes: has 2 sizes for 3 parts",
    )


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "says no layout"),
        (b"tabs = 3", "must be a list"),
        (b"[[tabs]]\nname = 'a\\u001b'\n[[tabs]]\nname = \"\\u001b\"", "must be one printable line"),
        (b"[[tabs]]\nhidden = 1", "unknown key"),
        (b'hidden = ["*"]\n[[tabs]]', "has a place in a tab"),
        (b'[[tabs]]\ncolumns = ["a"]\n[[tabs]]\ncolumns = ["a"]', "a has a place already"),
        (b"[[tabs]]\ncolumns = " + b"{ rows = [" * 30 + b'"a"' + b"] }" * 30, "must be a list"),
        (b"[[tabs]]\ncolumns = [" + b"{ rows = [" * 30 + b'"a"' + b"] }" * 30 + b"]", "splits deep"),
        (b"[[tabs]]\ncolumns = [" + b"[" * 5000 + b"]" * 5000 + b"]", "nested too deep"),
        (b"[[tabs]]\n" * 40, "must have 1 to 32 items"),
        (b"[[tabs]]\nagents = [" + b'"*", ' * 200 + b"]\n[[tabs]]\nagents = [" + b'"*", ' * 200 + b"]", "256 panels"),
        (b"\xff", "not a text in UTF-8"),
        (b"[[tabs", "not TOML"),
    ],
)
def test_what_is_no_layout(data, said):
    with pytest.raises(BadFile, match=said):
        loads(data, "x.toml")


def test_a_huge_file_is_not_read():
    with pytest.raises(Invalid, match="larger than 256 KB"):
        loads(b"#" * (1 << 20), "x.toml")


def test_panels_go_to_those_they_name_then_to_the_next():
    layout = loads(FILE, "x.toml")
    agents = {"one": "1", "tests": "2", "log": "3", "two": "4", "api": "5"}
    found = fitted(layout, agents)
    assert [tab.agents for tab in found.tabs] == [("5", "2", "1"), ("4",)]
    assert splits.leaves(found.tabs[0].split) == ("5", "2", "1")
    assert (found.hidden, found.pinned) == (("3",), ("5",))
    # agents without a panel come to the first tab
    more = {name: name for name in ("api", "tests", "shell", "x", "y", "z")}
    assert members(fitted(layout, more), list(more)) == [["api", "tests", "x", "z"], ["y", "shell"]]


def test_panels_that_nobody_is_left_for_are_left_out():
    layout = loads(FILE, "x.toml")
    found = fitted(layout, {"solo": "1"})
    assert found == Layout(tabs=(Tab(name="work", agents=("1",), tiling="split", split="1"),), pinned=("1",))
    assert fitted(layout, {}) == Layout()
    empty = loads(b'[[tabs]]\ncolumns = ["a"]\n[[tabs]]\nname = "later"', "x.toml")
    assert [tab.name for tab in fitted(empty, {}).tabs] == ["later"]


SHARES = st.lists(st.floats(1, 10), min_size=2, max_size=4)


@st.composite
def trees(draw):
    """A tree of up to 30 panels a, b, c ..., each once."""
    names = iter([f"a{number}" for number in range(1000)])

    def node(deep):
        if deep == 0 or draw(st.booleans()):
            return next(names)
        shares = draw(SHARES)
        return splits.split(draw(st.sampled_from(["columns", "rows"])), [node(deep - 1) for _ in shares], shares)

    return node(3)


@given(st.lists(trees(), min_size=1, max_size=3), st.sampled_from(["grid", "main", "one"]))
def test_what_is_written_is_read_again(nodes, tiling):
    tabs = []
    for number, node in enumerate(nodes):
        names = {leaf: f"{leaf}.{number}" for leaf in splits.leaves(node)}
        panels = splits.renamed(node, names)
        tabs.append(Tab(agents=splits.leaves(panels), tiling="split", split=panels, name=f"tab {number}"))
    tabs.append(Tab(agents=("z", "y"), tiling=tiling))
    layout = Layout(tabs=tuple(tabs), hidden=("z",), pinned=("y",))
    ids = {agent: agent for tab in tabs for agent in tab.agents}
    assert same(fitted(loads(dumps(layout).encode(), "x.toml"), ids), layout, ids)


def test_a_session_s_layout_gets_its_names():
    layout = Layout(tabs=(Tab(agents=("2",), zoom=True, focus="2"),), at=0, pinned=("1",))
    agents = {"one": "1", "two": "2"}
    assert named(layout, agents) == Layout(tabs=(Tab(agents=("two", "one")),), pinned=("one",))
    assert same(layout, fitted(named(layout, agents), agents), agents)
    assert not same(layout, tiled("main"), agents)


@pytest.fixture
def shelf(tmp_path):
    (tmp_path / "work").mkdir()
    return Shelf(tmp_path / "user", tmp_path / "work")


def test_named_layouts(shelf, tmp_path):
    assert shelf.all() == []
    with pytest.raises(NotFound, match="no layout review"):
        shelf.find("review")
    path = shelf.save("review", loads(FILE, "x.toml"))
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(Refused, match="already"):
        shelf.save("review", tiled("grid"))
    theirs = shelf.save("review", tiled("rows"), "workspace")
    assert theirs == tmp_path / "work/.quarterdeck/layouts/review.toml"
    assert "!/layouts/" in (tmp_path / "work/.quarterdeck/.gitignore").read_text()
    assert [(one.name, one.where) for one in shelf.all()] == [("review", "workspace"), ("review", "yours")]
    assert shelf.find("review").layout == tiled("rows")
    assert chosen("main", shelf) == tiled("main")
    with pytest.raises(NotFound) as raised:
        shelf.find("reviw")
    assert raised.value.hint == "did you mean review?"
    assert shelf.remove("review") == theirs
    assert shelf.find("review").layout == loads(FILE, "x.toml")
    with pytest.raises(Invalid, match="is a tiling"):
        shelf.save("grid", tiled("grid"))


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "a" * 65, "x\n"])
def test_no_name_leads_out_of_the_folder(shelf, name):
    for verb in (shelf.find, shelf.remove, lambda name: shelf.save(name, tiled("grid"))):
        with pytest.raises((Invalid, NotFound)):
            verb(name)


def test_what_a_stranger_put_there(shelf, tmp_path):
    folder = tmp_path / "work/.quarterdeck/layouts"
    folder.mkdir(parents=True)
    (folder / "dev.toml").symlink_to("/dev/zero")
    (folder / "bad.toml").write_text("x = 1")
    (folder / "bad\x1b.toml").write_text("x = 1")
    (folder / "dir.toml").mkdir()
    import os

    os.mkfifo(folder / "pipe.toml")
    found = {one.name: one.problem for one in shelf.all()}
    assert sorted(found) == ["bad", "dev", "dir", "pipe"]
    assert all(found.values())
    with pytest.raises(Broken, match="not a regular file"):
        shelf.find("pipe")


def test_a_link_in_the_workspace_is_not_written_through(shelf, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "work/.quarterdeck").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Broken, match="link"):
        shelf.save("mine", tiled("grid"), "workspace")
    assert not list((tmp_path / "elsewhere").iterdir())
