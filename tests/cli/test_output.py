import io
import json
import unicodedata

import pytest

from cli.output import Cell, Column, Output
from quarterdeck.errors import Refused
from quarterdeck.text import cells, plain

HOSTILE = "a\x1b]2;owned\x07b\x9b31mc\x00\u202ed\x85e\u2066f"


class Terminal(io.StringIO):
    """A stream that says it is a terminal of a given width."""

    encoding = "utf-8"

    def isatty(self):
        return True


def output(tty=False, **options):
    out, err = (Terminal() if tty else io.StringIO()), io.StringIO()
    return Output(out, err, **options), out, err


def controls(text):
    return [char for char in text if unicodedata.category(char) == "Cc" and char not in "\n\t"]


def test_plain_leaves_no_control_character():
    assert not controls(plain(HOSTILE))
    assert "\u202e" not in plain(HOSTILE)
    assert "\u2066" not in plain(HOSTILE)
    assert plain("tab\tnew\nline é 漢") == "tab\tnew\nline é 漢"


@pytest.mark.parametrize(("text", "width"), [("", 0), ("abc", 3), ("é", 1), ("e\u0301", 1), ("漢字", 4), ("a漢", 3)])
def test_cells(text, width):
    assert cells(text) == width


def test_a_table_is_aligned_with_wide_characters():
    out, text, _ = output()
    out.table([Column("NAME"), Column("N", right=True)], [("ab", "1"), ("漢字", "100")])
    assert text.getvalue() == "NAME    N\nab      1\n漢字  100\n"


def test_hostile_names_in_a_table_cannot_act():
    out, text, _ = output()
    out.table([Column("NAME"), Column("X")], [(HOSTILE, "x\r\ny")])
    assert not controls(text.getvalue())
    assert len(text.getvalue().splitlines()) == 2


def test_a_narrow_terminal_cuts_then_drops_columns(monkeypatch):
    out, text, _ = output(tty=True)
    monkeypatch.setattr(Output, "width", 30)
    columns = [Column("NAME", cut="middle"), Column("SIZE", right=True, drop=2), Column("PATH", cut="left", drop=1)]
    out.table(columns, [("a-very-long-name-indeed", "80x24", "/some/long/folder/name")])
    lines = text.getvalue().replace("\x1b[2m", "").replace("\x1b[0m", "").splitlines()
    assert all(cells(line) <= 30 for line in lines)
    assert lines[0].split() == ["NAME", "PATH"]


def test_no_column_is_cut_in_a_pipe():
    out, text, _ = output()
    out.table([Column("NAME", cut="middle")], [("n" * 150,)])
    assert "n" * 150 in text.getvalue()


def test_colour_only_on_a_terminal_and_not_with_no_color(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for tty, no_color, coloured in [(True, "", True), (False, "", False), (True, "1", False)]:
        monkeypatch.setenv("NO_COLOR", no_color)
        out, text, _ = output(tty=tty)
        out.table([Column("S")], [(Cell("running", "32"),)])
        assert ("\x1b[32m" in text.getvalue()) is coloured


def test_errors_have_a_hint_for_people_and_are_json_for_programs():
    error = Refused("no: \x1b[31mred\x1b[0m\nsecond", hint="do this", name="x")
    out, _, err = output()
    out.error(error)
    assert err.getvalue() == "error: no: [31mred[0m second\nhint: do this\n"
    out, _, err = output(json=True)
    out.error(error)
    out.note("nothing of this with --json")
    said = json.loads(err.getvalue())
    assert said["error"] == "refused"
    assert said["fields"] == {"name": "x"}
    assert not controls(err.getvalue())


def test_json_results_are_ascii():
    out, text, _ = output(json=True)
    out.data({"title": HOSTILE})
    assert text.getvalue().isascii()
    assert not controls(text.getvalue())
    assert json.loads(text.getvalue())["title"] == HOSTILE


def test_nothing_can_be_asked_without_a_terminal():
    out, _, err = output()
    assert not out.can_ask
    assert not out.ask("sure?")
    assert err.getvalue() == ""
