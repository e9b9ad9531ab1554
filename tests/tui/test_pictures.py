"""Every screen looks as it was reviewed (docs/screen-review.md), in its sizes and themes.

``make pictures`` draws them as a person sees them; after a look ``pytest tests/tui/test_pictures.py --snapshot-update``
passes what is there now.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from pathlib import Path

import pytest
from textual.screen import Screen

import tui

HERE = Path(__file__).parent
SEEN = HERE / "__snapshots__" / "test_pictures"


def _sibling(name):
    """A module of pictures.py's folder, whatever the test runner's import mode."""
    known = f"tui_tests_{name}"
    if known not in sys.modules:
        spec = importlib.util.spec_from_file_location(known, HERE / f"{name}.py")
        sys.modules[known] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[known])
    return sys.modules[known]


ALL = _sibling("pictures").every()
drawn = _sibling("drawn")


@pytest.mark.parametrize("name", ALL)
async def test_screen(name, passed, scenes):
    assert await scenes.text_of(ALL[name]) == passed


def _screens(kind=Screen):
    for one in kind.__subclasses__():
        if not one.__subclasses__() and one.__module__.split(".")[0] == "tui":
            yield one.__name__
        yield from _screens(one)


def test_every_screen_there_is_has_been_looked_at():
    for module in pkgutil.walk_packages(tui.__path__, "tui."):
        importlib.import_module(module.name)
    there_are = set(_screens())
    looked_at = {word for path in SEEN.glob("*.txt") for word in path.read_text().partition("\n")[0].split()[1:]}
    assert {"DeckScreen", "Inbox", "HelpPage"} <= there_are
    assert there_are - looked_at == set()


@pytest.mark.parametrize("path", SEEN.glob("*.txt"), ids=lambda path: path.stem)
def test_a_theme_changes_colours_and_nothing_else(path):
    themes = {}
    for (size, _), one in drawn.read(path.read_text()).items():
        themes.setdefault(size, set()).add(one.rows)
    assert {size for size, found in themes.items() if len(found) > 1} == set()


def test_a_difference_is_told_where_it_is():
    one = drawn.Drawn(("ab  c", ""), ((("text on background", 5),), (("plain", 5),)))
    other = drawn.Drawn(("ab  d", ""), ((("text on background", 1), ("warm on background bold", 4)), (("plain", 5),)))
    light = drawn.Drawn(("ab  c", ""), ((("text on background", 2), ("#ffffff on text", 3)), (("plain", 5),)))
    was, now = ({("5x2", "dark"): this, ("5x2", "light"): light} for this in (one, other))
    for pictures in (was, now):
        assert drawn.read(drawn.written(pictures, ["DeckScreen"])) == pictures
    told = list(drawn.difference(drawn.written(was, ["DeckScreen"]), drawn.written(now, ["DeckScreen", "Inbox"])))
    assert told == [
        "was screens DeckScreen; is screens DeckScreen Inbox",
        "5x2 dark line  0 was |ab  c",
        "5x2 dark         is |ab  d",
        "5x2 dark line  0 cells 1 to 4: was text on background; is warm on background bold",
    ]
