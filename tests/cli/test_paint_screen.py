"""What is drawn from rows looks, in a terminal, exactly like the rows."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.paint import Painter
from quarterdeck.rows import Row
from quarterdeck.text import plain
from terminals.screen import Screen

COLS, LINES = 30, 8
PIECES = st.one_of(
    st.text(alphabet="ab xyz0漢字é─█👍\u0301", max_size=12).map(str.encode),
    st.sampled_from(
        [
            *(b"\r\n", b"\x1b[H", b"\x1b[2J", b"\x1b[K", b"\x1b[m", b"\x1b[7m", b"\x1b[1;4m", b"\x1b[4:3m\x1b[58;5;9m"),
            *(
                b"\x1b[38;5;208m",
                b"\x1b[48;2;1;2;3m",
                b"\x1b[31;103m",
                b"\x1b[3;5H",
                b"\x1b[20C",
                b"\x1b[2L",
                b"\x1b[9X",
            ),
            *(b"\x1b]8;;https://example.org/x\x1b\\", b"\x1b]8;;\x1b\\", b"\x1b[?25l", b"\x1b[?25h", b"\x1b[5 q"),
            *(b"\x1b]2;\xe2\x80\xaetitle\x07", b"\x9b31m", b"\x1b[9;2;5m", b"\x1b[53m", b"\x1b[21m"),
        ]
    ),
    st.binary(max_size=6),
)


def rows_of(screen):
    view = screen.view()
    rows = [Row()] * view.lines
    for y, row in view.rows:
        rows[y] = row
    return rows, view


def texts(rows):
    return [plain(row.text).rstrip() for row in rows]


def styles(rows):
    return [[(run.style, run.link) for run in row.runs if run.text.strip()] for row in rows]


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES, min_size=1, max_size=25), st.lists(PIECES, max_size=10))
def test_a_drawn_screen_equals_the_screen(first, second):
    agent, person = Screen(COLS, LINES), Screen(COLS, LINES)
    painter = Painter(COLS, LINES)
    person.feed(b"\x1b[?7l")
    try:
        for pieces in (first, second):
            agent.feed(b"".join(pieces))
            rows, view = rows_of(agent)
            person.feed(painter.picture(rows, view.cursor).encode())
            drawn, seen = rows_of(person)
            assert texts(drawn) == texts(rows)
            assert styles(drawn) == styles(rows)
            assert seen.cursor.visible == view.cursor.visible
            if view.cursor.visible:
                assert seen.cursor == view.cursor
            assert seen.title == ""
    finally:
        agent.close()
        person.close()


@pytest.mark.parametrize("seed", range(3))
def test_a_narrower_terminal_shows_the_left_part(seed):
    generator = random.Random(seed)
    agent, person = Screen(COLS, LINES), Screen(COLS - 11, LINES)
    painter = Painter(COLS - 11, LINES)
    person.feed(b"\x1b[?7l")
    try:
        for _ in range(LINES):
            agent.feed("".join(generator.choice("abc漢é") for _ in range(14)).encode() + b"\r\n")
        rows, view = rows_of(agent)
        person.feed(painter.picture(rows, view.cursor).encode())
        drawn, _ = rows_of(person)
        for whole, part in zip(texts(rows), texts(drawn), strict=True):
            assert whole.startswith(part)
            assert len(part) >= min(len(whole), (COLS - 11) // 2)
    finally:
        agent.close()
        person.close()
