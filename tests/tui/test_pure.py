"""Decisions without a terminal: geometry, times, widths, colours, windows, lists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.console import Console

import themes
from quarterdeck.errors import Invalid, NotFound
from quarterdeck.keys import CTRL, KeyPress, parse
from quarterdeck.rows import DIM, INVERSE, PLAIN, UNDERLINE_SHIFT, Cursor, Modes, Row, Run, Style, View
from terminals.screen import Screen
from tui.commands import matches
from tui.ink import Palette, cube
from tui.line import Line, compose, crop, draw, graphemes, link_at, marked, pieces_of
from tui.links import showable
from tui.names import key_press, textual_name
from tui.options import Options
from tui.states import LOOKS, look, word
from tui.surface import CHUNK, History, Surface, window
from tui.ticker import due
from tui.times import MINUTE, SECOND, changes_in, span

DARK = Palette(themes.load("dark"))


# times


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0:00"), (0, "0:00"), (12, "0:12"), (59, "0:59"), (60, "1 m"), (3599, "59 m"), (7300, "2 h"), (90000, "1 d")],
)
def test_a_span_reads(seconds, text):
    assert span(seconds * SECOND) == text


@given(st.integers(0, 10**15))
def test_a_span_changes_when_said(ns):
    soon = changes_in(ns)
    assert span(ns + soon - 1) == span(ns)


def test_old_agents_cost_one_wake_up_a_minute():
    now = 1_000_000 * MINUTE
    assert due(now, [now - 2 * MINUTE, now - 9999 * MINUTE]) == MINUTE
    assert due(now, [now - 2 * MINUTE, now - 10 * SECOND]) == SECOND
    assert due(now, []) == MINUTE


# widths


TRICKY = [
    "a❤️b",
    "👨‍👩‍👧x",
    "🇩🇪 日",
    "👍🏽 x",
    "e\u0301x",
    "日本語",
    "①☺️…",
    "🏳️‍🌈y",
    "각한",
    "1️⃣2",
    "\u0301x",
    "ｱｲ",
    "a\u200db",
]


@pytest.mark.parametrize("clusters", [False, True])
@pytest.mark.parametrize("text", TRICKY)
def test_columns_are_the_emulators_whatever_rich_thinks(text, clusters):
    screen = Screen(30, 2)
    screen.feed((b"\x1b[?2027h" if clusters else b"") + f"{text}\x1b[31m|".encode())
    row = screen.view().rows[0][1]
    cells = screen.view().cursor.x
    line = draw(row, 0, 30, DARK)
    assert line.cell_length == 30
    assert sum(piece.cells for run in row.runs for piece in pieces_of(run)) == cells
    written = Screen(30, 2)
    written.feed((b"\x1b[?2027h" if clusters else b"") + line.render(Console()).encode())
    assert written.view().rows[0][1].text.rstrip()[-1] == "|"
    before = sum(run.cells for run in row.runs[:-1])
    at = 0
    for run in written.view().rows[0][1].runs:
        if "|" in run.text:
            at += run.text.index("|") if run.text.isascii() else 0
            break
        at += run.cells
    assert at == before
    screen.close()
    written.close()


@given(st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc"]), max_size=12), st.integers(0, 30))
def test_graphemes_add_up_or_are_filled(text, cells):
    found = graphemes(text, cells)
    total = sum(width for _, width, _ in found)
    assert total >= 0
    if not text.isascii():
        assert total == cells or total > cells


def test_a_wide_character_cut_in_two_becomes_blanks():
    line = draw(Row((Run("日本語", 6),)), 1, 4, DARK)
    assert line.text == " 本 "
    assert line.cell_length == 4


def test_crop_fills_and_cuts():
    pieces = pieces_of(Run("hello", 5))
    assert "".join(p.text for p in crop(pieces, 0, 3, PLAIN)) == "hel"
    assert "".join(p.text for p in crop(pieces, 3, 4, PLAIN)) == "lo  "
    assert "".join(p.text for p in crop([], 0, 2, PLAIN)) == "  "


def test_a_cursor_is_marked_on_text_and_beyond_it():
    mark = Style(attrs=INVERSE)
    assert [run.style for run in marked(Row((Run("ab", 2),)), 1, mark).runs] == [PLAIN, mark]
    assert [run.text for run in marked(Row((Run("日", 2),)), 1, mark).runs] == ["日"]
    assert [(run.text, run.style) for run in marked(Row((Run("ab", 2),)), 4, mark).runs][-2:] == [
        ("  ", PLAIN),
        (" ", mark),
    ]


def test_the_right_end_of_a_line_wins():
    line = compose(10, [("long name", PLAIN)], [(" end", PLAIN)], DARK, PLAIN)
    assert line.text == "long … end"
    assert line.cell_length == 10


# colours


def test_palette_and_true_colours():
    assert cube(16) == 0
    assert cube(231) == 0xFFFFFF
    assert cube(196) == 0xFF0000
    assert cube(244) == 0x808080
    assert themes.mix(0xFFFFFF, 0, 0.5) == 0x808080
    sgr = DARK.ink(Style(fg=1, bg=1 << 24 | 0x010203)).sgr
    red = DARK.theme.palette[1]
    assert f"38;2;{red >> 16};{red >> 8 & 255};{red & 255}" in sgr
    assert "48;2;1;2;3" in sgr


def test_underlines_inverse_dim_and_no_colour():
    assert "\x1b[4:3m" in DARK.ink(Style(attrs=3 << UNDERLINE_SHIFT)).sgr
    colored = Style(attrs=1 << UNDERLINE_SHIFT, underline_color=1 << 24 | 0xFF0000)
    assert "\x1b[58:2::255:0:0m" in DARK.ink(colored).sgr
    assert DARK.ink(Style(attrs=INVERSE)).rich.bgcolor == DARK.ink(PLAIN).rich.color
    assert DARK.ink(Style(attrs=DIM)).sgr != DARK.ink(PLAIN).sgr
    none = Palette(DARK.theme, None)
    assert none.ink(Style(fg=1, attrs=INVERSE)).sgr == "\x1b[7m"
    assert "38;5;" in Palette(DARK.theme, ColorSystem.EIGHT_BIT).ink(PLAIN).sgr


@pytest.mark.parametrize("name", ["../dark", "", ".", "a/b"])
def test_a_theme_is_a_name_not_a_path(name):
    with pytest.raises(NotFound):
        themes.load(name, (themes.BUILT_IN,))


def test_options_follow_the_environment(tmp_path):
    alone = {"XDG_CONFIG_HOME": str(tmp_path)}
    assert Options.of(alone | {"NO_COLOR": "1"}).color is False
    assert Options.of(alone | {"LANG": "en_US.ISO-8859-1"}).plain_glyphs
    assert not Options.of(alone).plain_glyphs
    assert not Options.of(alone | {"LANG": "de_DE.UTF-8"}).plain_glyphs
    assert Options().load_theme({"COLORFGBG": "0;15"}).name == "light"
    assert Options().load_theme({}).name == "dark"


def test_options_come_from_user_workspace_and_environment(tmp_path):
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    (tmp_path / "quarterdeck").mkdir()
    user = tmp_path / "quarterdeck" / "config.toml"
    work = tmp_path / "work"
    (work / ".quarterdeck").mkdir(parents=True)
    user.write_text('theme = "light"\nleader = "ctrl+g"\nrestore = "ask"\n')
    (work / ".quarterdeck" / "config.toml").write_text('theme = "gone"\nleader = "ctrl+a"\nplain_glyphs = true\n')
    found = Options.of(environ, work)
    assert (found.theme, found.keymap.leader, found.plain_glyphs) == ("light", KeyPress("g", CTRL), True)
    assert Options.of(environ | {"QUARTERDECK_THEME": "dark", "QUARTERDECK_LEADER": "f12"}).keymap.leader.name == "f12"
    (work / ".quarterdeck" / "config.toml").write_text("nonsense =")
    assert Options.of(environ, work).theme == "light"
    user.write_text('leader = "x"')
    assert Options.of(environ).keymap == Options().keymap
    assert "leader: agents need that key" in Options.of(environ).key_problems[0]
    user.write_text("nonsense =")
    with pytest.raises(Invalid, match=r"config\.toml"):
        Options.of(environ)


# screens


def _view(rows, version=1, *, full=True, history=0, cursor=None, lines=3):
    return View(version, 0, 10, lines, full, tuple(rows), cursor or Cursor(), Modes(), "", history)


def _row(text):
    return Row((Run(text, len(text)),))


def test_only_rows_that_differ_are_drawn():
    surface = Surface()
    assert surface.take(_view([(0, _row("a")), (1, _row("b")), (2, _row("c"))])) is None
    assert surface.take(_view([(1, _row("b"))], 2, full=False)) == set()
    assert surface.take(_view([(1, _row("x"))], 3, full=False)) == {1}
    assert surface.take(_view([(0, _row("a")), (1, _row("x")), (2, _row("z"))], 4)) == {2}
    assert surface.take(_view([], 5, full=False, cursor=Cursor(0, 2))) == {0, 2}
    assert surface.take(_view([(9, _row("beyond"))], 6, full=False, cursor=Cursor(0, 2))) == set()


def test_what_is_looked_at_stays_while_lines_scroll_away():
    surface = Surface()
    surface.take(_view([(0, _row("a"))], history=50))
    assert surface.scroll(10)
    surface.take(_view([(0, _row("b"))], 2, full=False, history=53))
    assert surface.up == 13
    assert surface.line(0) is None
    surface.scroll(-99)
    assert surface.up == 0
    assert surface.line(0) == _row("b")
    assert not surface.scroll(-1)


def test_scrollback_is_asked_for_once_and_kept():
    history = History()
    history.count = 250
    ask = history.wanted(90, 120)
    assert [(first, count) for _, first, count in ask] == [(0, CHUNK), (CHUNK, CHUNK)]
    assert history.wanted(90, 120) == []
    rows = tuple(_row(str(n)) for n in range(CHUNK))
    assert history.take(ask[0][0], 0, rows)
    assert not history.take(ask[0][0], 0, rows)
    assert history.row(7) == _row("7")
    assert history.row(150) is None
    assert history.wanted(240, 260)[0][1] == 200
    history.forget()
    assert history.row(7) is None


@pytest.mark.parametrize(
    ("size", "room", "cursor", "first"), [(24, 30, 5, 0), (24, 10, 5, 0), (24, 10, 12, 3), (24, 10, 99, 14)]
)
def test_the_window_holds_the_cursor(size, room, cursor, first):
    assert window(size, room, cursor) == first


# names, states, commands, links


def test_every_status_is_told_apart_by_glyph_word_and_ascii():
    for field in ("glyph", "ascii", "word"):
        values = [getattr(found, field) for found in LOOKS.values()]
        assert len(set(values)) == len(values)
    assert look("invented").word == "unknown"
    assert word("exited", 3) == "exited 3"
    assert word("exited", -9) == "killed 9"


@pytest.mark.parametrize(
    ("query", "text", "fits"),
    [("", "any", True), ("re", "rename", True), ("rn", "rename", True), ("zz", "zoom", False), ("api", "my api", True)],
)
def test_a_query_fits(query, text, fits):
    assert (matches(query, text) is not None) is fits


def test_beginnings_come_first():
    assert matches("re", "rename") < matches("re", "to rename") < matches("re", "before")


@pytest.mark.parametrize(
    "name", ["a", "ctrl+c", "ctrl+alt+x", "shift+enter", "f5", "ctrl+]", "?", "A", "space", "alt+.", "é"]
)
def test_names_survive_textual(name):
    press = parse(name)
    assert key_press(*textual_name(press)) == press


@pytest.mark.parametrize(
    ("key", "character", "press"),
    [
        ("ctrl+@", "\x00", KeyPress("space", CTRL)),
        ("grinning_face", "😀", KeyPress("😀", 0, "😀")),
        ("ctrl+right_square_bracket", None, KeyPress("]", CTRL)),
        ("upper_a", "A", KeyPress("a", 1, "A")),
        ("left_shift", None, None),
    ],
)
def test_textual_keys_become_ours(key, character, press):
    assert key_press(key, character) == press


@pytest.mark.parametrize(
    ("url", "fine"),
    [
        ("https://example.org/a?b=c", True),
        ("HTTP://x", True),
        ("file:///etc/passwd", False),
        ("javascript:alert(1)", False),
        ("https://", False),
        ("https://a b", False),
        ("https://x\x1b]0;", False),
        ("https://пример", False),
        ("-h", False),
    ],
)
def test_only_web_links_open(url, fine):
    assert showable(url) is fine


def test_links_are_found_by_column():
    row = Row((Run("see ", 4), Run("日本", 4, PLAIN, "https://x"), Run(".", 1)))
    assert [link_at(row, x) for x in (3, 4, 7, 8, 99)] == ["", "https://x", "https://x", "", ""]


def test_a_line_is_written_once():
    line = draw(_row("hi"), 0, 4, DARK)
    assert isinstance(line, Line)
    assert line.render(Console()) is line.render(Console())
    assert line.beside(line).text == "hi  hi  "
