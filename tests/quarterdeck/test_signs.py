"""One table of signs, which the screen, the printed lists and README.md share."""

import io
import re
from pathlib import Path

from cli.output import Output
from cli.overview import state_cells
from quarterdeck.signs import SIGNS
from quarterdeck.text import safe
from sessions.model import Status
from tui.states import LOOKS

README = Path(__file__).parents[2] / "README.md"


def test_every_status_has_a_sign_of_its_own():
    assert set(SIGNS) == {status.value for status in Status}
    for kind in ("glyph", "ascii"):
        assert len({getattr(sign, kind) for sign in SIGNS.values()}) == len(SIGNS)
        assert all(len(getattr(sign, kind)) == 1 and safe(getattr(sign, kind)) for sign in SIGNS.values())


def test_the_screen_and_the_printed_list_show_the_same():
    for status, sign in SIGNS.items():
        assert (LOOKS[status].sign(plain=False), LOOKS[status].sign(plain=True)) == tuple(sign)
        for encoding, shown in (("utf-8", sign.glyph), ("ascii", sign.ascii)):
            cell, _ = state_cells({"status": status}, Output(io.TextIOWrapper(io.BytesIO(), encoding)))
            assert cell.text == shown


def test_the_readme_tells_each():
    told = {}
    for signs, words in re.findall(r"^\| (\S(?: \S)*) \| ([a-z, ]+) \|", README.read_text(), re.MULTILINE):
        told |= dict(zip(words.split(", "), signs.split(), strict=True))
    assert told == {status: sign.glyph for status, sign in SIGNS.items()}
