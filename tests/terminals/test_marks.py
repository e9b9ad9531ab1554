"""Which text of a screen is the marked one, on screens as programs draw them."""

from __future__ import annotations

import pytest

from quarterdeck.marks import look_of, marks
from quarterdeck.rows import Row
from terminals.screen import Screen

PANEL, BAR, MARKED, OTHER = "\x1b[48;5;236m", "\x1b[48;5;238m", "\x1b[48;5;214m", "\x1b[48;5;30m"
REVERSE, PLAIN = "\x1b[7m", "\x1b[m"


def marked(*lines: str, cols: int = 40, height: int = 8) -> list[str]:
    """The marked texts of a screen on which these lines were drawn."""
    screen = Screen(cols, height, history_lines=0)
    try:
        screen.feed("\r\n".join(lines).encode())
        look = look_of(screen.view())
        return [look.lines[row][begin:end] for row, begin, end in look.marked]
    finally:
        screen.close()


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("Once   Always   No", []),
        (f"{REVERSE}Once{PLAIN}   Always   No", ["Once"]),
        (f"Once   Always   {REVERSE}No{PLAIN}", ["No"]),
        (f"Once  {REVERSE}{MARKED} Alw\x1b[1mays {PLAIN}  No", [" Always "]),
        (f"Once  {MARKED} Always {PLAIN}  No", [" Always "]),
        (f"{MARKED} Once {PLAIN}  Always   No", [" Once "]),
        (f"日本 {REVERSE}はい{PLAIN} いいえ", ["はい"]),
        (f"{MARKED} Once {PLAIN} {MARKED} No {PLAIN}", []),
        (f" {MARKED} Once {PLAIN} {OTHER} No {PLAIN} more", []),
        (f" {OTHER} Once {PLAIN} {MARKED} Always {PLAIN} {OTHER} No {PLAIN} more", [" Always "]),
        (f"{REVERSE}y{PLAIN}es  {REVERSE}n{PLAIN}o", []),
        (f"{REVERSE}  {PLAIN} yes", []),
        (f"{MARKED}BADGE{PLAIN} said {REVERSE}Once{PLAIN}", ["Once"]),
    ],
)
def test_in_a_row(line: str, found: list[str]) -> None:
    assert marked("above", line, "below") == found


def test_in_a_panel_with_a_bar_of_its_own() -> None:
    edge = f"  {PANEL}┃{BAR}"
    empty = f"{edge}{' ' * 35}{PLAIN}"
    row = f"{edge}  {MARKED} Once {BAR}  Always   No{' ' * 14}{PLAIN}on"
    assert marked(f"  {PANEL}┃  Permission required{' ' * 14}{PLAIN}", empty, row, empty) == [" Once "]


@pytest.mark.parametrize("at", range(3))
def test_a_row_of_a_list(at: int) -> None:
    words = ["Once".ljust(30), "Always".ljust(30), "No".ljust(30)]
    rows = [f"  {MARKED if n == at else PANEL}{word}{PLAIN}" for n, word in enumerate(words)]
    top = f"  {PANEL}{' ' * 30}{PLAIN}"
    assert marked(top, *rows, top) == [words[at]]


def test_rows_that_alternate_mark_nothing() -> None:
    assert marked(*(f"{(PANEL, BAR)[n % 2]}{'row'.ljust(40)}{PLAIN}" for n in range(6))) == []


def test_an_empty_screen() -> None:
    assert marks((Row(), Row()), 10) == ()
