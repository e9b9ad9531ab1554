import re

import pytest

from cli.paint import BEGIN, END, Painter, cursor_to, draw, nearest, sgr, showable_link
from quarterdeck.rows import BOLD, DEFAULT, INVERSE, ITALIC, PLAIN, RGB, UNDERLINE_SHIFT, Cursor, Row, Run, Style

ALLOWED = re.compile(
    r"\x1b\[(?:[\d;:]*m|K|\d+G|\d+;\d+H|\?25[lh]|\?2026[lh]|\d q)|\x1b\]8;;(?:https?://[!-~]*)?\x1b\\|[^\x00-\x1f\x7f-\x9f]"
)


def only_allowed(text):
    return ALLOWED.sub("", text) == ""


def row(*runs):
    return Row(tuple(Run(*run) if isinstance(run, tuple) else Run(run, len(run)) for run in runs))


@pytest.mark.parametrize(
    ("style", "rich", "expected"),
    [
        (PLAIN, True, "\x1b[m"),
        (Style(fg=1), True, "\x1b[0;31m"),
        (Style(bg=9), True, "\x1b[0;101m"),
        (Style(fg=200), True, "\x1b[0;38;5;200m"),
        (Style(fg=RGB | 0x102030), True, "\x1b[0;38;2;16;32;48m"),
        (Style(fg=RGB | 0xFF0000), False, "\x1b[0;38;5;196m"),
        (Style(attrs=BOLD | ITALIC | INVERSE), True, "\x1b[0;1;3;7m"),
        (Style(attrs=1 << UNDERLINE_SHIFT), True, "\x1b[0;4m"),
        (Style(attrs=3 << UNDERLINE_SHIFT), True, "\x1b[0;4:3m"),
        (Style(attrs=3 << UNDERLINE_SHIFT), False, "\x1b[0;4m"),
        (Style(attrs=1 << UNDERLINE_SHIFT, underline_color=4), True, "\x1b[0;4;58:5:4m"),
        (Style(attrs=3 << UNDERLINE_SHIFT, underline_color=RGB | 1), True, "\x1b[0;4:3;58:2::0:0:1m"),
        (Style(attrs=BOLD, underline_color=DEFAULT), False, "\x1b[0;1m"),
    ],
)
def test_sgr(style, rich, expected):
    assert sgr(style, rich) == expected


@pytest.mark.parametrize(
    ("rgb", "index"), [((0, 0, 0), 16), ((255, 255, 255), 231), ((128, 128, 128), 244), ((95, 135, 175), 67)]
)
def test_nearest(rgb, index):
    assert nearest(*rgb) == index


def test_a_short_row_clears_the_rest_and_a_full_one_does_not():
    assert draw(row("ab"), 5) == "ab\x1b[K"
    assert draw(row("abcde"), 5) == "abcde"
    assert draw(Row(), 5) == "\x1b[K"


def test_the_pen_is_reset_before_the_rest_is_cleared():
    assert draw(row(("ab", 2, Style(bg=1))), 5) == "\x1b[0;41mab\x1b[m\x1b[K"


def test_the_column_is_set_again_after_characters_whose_width_may_differ():
    assert draw(row(("漢", 2), "x"), 9) == "漢\x1b[3Gx\x1b[K"
    assert draw(row(("👩\u200d💻", 2)), 9) == "👩\u200d💻\x1b[3G\x1b[K"


def test_rows_are_cropped_by_cells():
    assert draw(row("abc", ("漢字", 4)), 6) == "abc漢\x1b[6G\x1b[K"
    assert draw(row("abcdef", "ghi"), 4) == "abcd"


def test_control_characters_in_a_row_become_a_replacement():
    drawn = draw(row(("a\x1b[2J\x07\x9b\u202eb\nc\td", 11)), 80)
    assert only_allowed(drawn)
    assert "\u202e" not in drawn


@pytest.mark.parametrize(
    ("link", "shown"),
    [
        ("https://example.org/a?b#c", True),
        ("http://example.org", True),
        ("file:///etc/passwd", False),
        ("javascript:alert(1)", False),
        ("https://example.org/\x1b\\\x1b]2;owned\x07", False),
        ("https://example.org/\u202e", False),
        ("https://example.org/ x", False),
        ("https://" + "x" * 5000, False),
    ],
)
def test_only_plain_web_links_are_offered(link, shown):
    assert bool(showable_link(link)) is shown
    drawn = draw(Row((Run("text", 4, PLAIN, link),)), 80)
    assert ("\x1b]8;" in drawn) is shown
    assert only_allowed(drawn)


def test_a_link_is_closed_at_the_end_of_its_run():
    drawn = draw(Row((Run("a", 1, PLAIN, "http://x"), Run("b", 1))), 2)
    assert drawn == "\x1b]8;;http://x\x1b\\a\x1b]8;;\x1b\\b"


@pytest.mark.parametrize(
    ("cursor", "expected"),
    [
        (Cursor(0, 0), "\x1b[2 q\x1b[1;1H\x1b[?25h"),
        (Cursor(4, 2, True, "bar", True), "\x1b[5 q\x1b[3;5H\x1b[?25h"),
        (Cursor(4, 2, True, "underline"), "\x1b[4 q\x1b[3;5H\x1b[?25h"),
        (Cursor(4, 2, False), "\x1b[?25l"),
        (Cursor(80, 0), "\x1b[2 q\x1b[1;80H\x1b[?25h"),
        (Cursor(0, 24), "\x1b[?25l"),
    ],
)
def test_cursor(cursor, expected):
    assert cursor_to(cursor, 80, 24) == expected


def test_only_changed_rows_are_drawn():
    painter = Painter(10, 3)
    first = painter.picture([row("one"), row("two"), Row()], Cursor())
    assert first.startswith(BEGIN)
    assert first.endswith(END)
    assert "one" in first
    assert painter.picture([row("one"), row("two"), Row()], Cursor()) == ""
    second = painter.picture([row("one"), row("2"), Row()], Cursor())
    assert "one" not in second
    assert "\x1b[2;1H2\x1b[K" in second
    moved = painter.picture([row("one"), row("2"), Row()], Cursor(1, 1))
    assert moved == BEGIN + "\x1b[2 q\x1b[2;2H\x1b[?25h" + END
    painter.forget()
    assert "one" in painter.picture([row("one"), row("2"), Row()], Cursor(1, 1))


def test_the_status_takes_the_last_line_and_gives_it_back():
    painter = Painter(12, 2)
    rows = [row("one"), row("two")]
    painter.picture(rows, Cursor())
    said = painter.picture(rows, Cursor(), "reconnecting \x1b[2J now")
    assert only_allowed(said)
    assert "one" not in said
    assert "reconnectin" in said
    assert "\x1b[?25h" not in said
    assert "two" in painter.picture(rows, Cursor())


def test_a_larger_screen_is_cropped_around_the_cursor():
    painter = Painter(4, 2)
    rows = [row("first"), row("second"), row("third")]
    drawn = painter.picture(rows, Cursor(0, 2))
    assert "firs" not in drawn
    assert "seco" in drawn
    assert "thir" in drawn
    assert "\x1b[2;1H\x1b[?25h" in drawn
