from __future__ import annotations

from quarterdeck.rows import BOLD, DEFAULT, OVERLINE, PLAIN, RGB, UNDERLINE_SHIFT, Row, Run, Style


def test_flags_and_underline_do_not_overlap() -> None:
    assert OVERLINE < 1 << UNDERLINE_SHIFT
    style = Style(attrs=BOLD | OVERLINE | 3 << UNDERLINE_SHIFT)
    assert style.underline == 3
    assert style.attrs & BOLD
    assert PLAIN.underline == 0


def test_palette_true_colour_and_default_are_told_apart() -> None:
    assert DEFAULT < 0
    assert RGB > 255
    assert RGB | 0 << 16 | 0 << 8 | 7 != 7


def test_rows_are_values() -> None:
    row = Row((Run("a語", 3, Style(fg=1)), Run("b", 1)))
    assert row.text == "a語b"
    assert row == Row((Run("a語", 3, Style(fg=1)), Run("b", 1)))
    assert len({row, Row(row.runs), Row(row.runs, wrapped=True)}) == 2
