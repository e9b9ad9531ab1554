"""Secrets in texts that come in pieces."""

import json
import random

import pytest

from pipelines import masking
from quarterdeck.redaction import Redactor

TOKEN = "correct-horse-battery-staple-0815"
KEY = "-----BEGIN PRIVATE KEY-----\n" + "\n".join("MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEA" for _ in range(20))
KEY += "\n-----END PRIVATE KEY-----"


@pytest.fixture
def redactor():
    return Redactor({"DEPLOY_TOKEN": TOKEN, "SECOND": "Zq8/kD+w=4711 with blanks"})


def masked(lines, redactor):
    return "".join(masking.text(lines, masking.in_text(redactor)))


def test_a_known_value_is_found_over_line_ends_and_frames(redactor):
    text = masked(
        ["before", f"\u2502 {TOKEN[:9]}  \u2502", f"\u2502   {TOKEN[9:20]} \u2502", f"\u2502 {TOKEN[20:]} end"],
        redactor,
    )
    assert text.split("\n")[0] == "before"
    assert text.endswith(" end\n")
    assert text.count("\n") == 4
    for part in (TOKEN[:9], TOKEN[9:20], TOKEN[20:]):
        assert part not in text
    assert "[redacted: DEPLOY_TOKEN]" in text


def test_it_does_not_matter_where_a_long_text_is_cut(redactor):
    """Secrets at places all over a text of many windows, each found, and nothing else changed."""
    chance = random.Random(4)
    lines, wanted = [], []
    for number in range(60_000):
        line = f"line {number} of many words"
        kind = chance.randrange(400)
        if kind == 0:
            lines += [line, TOKEN[:12], TOKEN[12:]]
            wanted += [line, "[redacted: DEPLOY_TOKEN]", "[redacted: DEPLOY_TOKEN]"]
        elif kind == 1:
            lines += KEY.split("\n")
            wanted += ["[redacted: private key]"] * KEY.count("\n") + ["[redacted: private key]"]
        elif kind == 2:
            lines.append(f"API_TOKEN={chance.randbytes(12).hex()}")
            wanted.append("API_TOKEN=[redacted: assignment]")
        else:
            lines.append(line)
            wanted.append(line)
    assert sum(map(len, lines)) > 5 * masking.WINDOW
    text = masked(lines, redactor)
    # a secret of several lines is one mark and its line ends where it is in one window, one a line where it is not
    flat = [line for line in text.split("\n") if line and line != "[redacted: private key]"]
    expected = [line for line in wanted if line != "[redacted: private key]"]
    assert [one for one in flat if "DEPLOY" not in one] == [one for one in expected if "DEPLOY" not in one]
    assert text.count("\n") == sum(line.count("\n") + 1 for line in lines)
    assert "MIIE" not in text
    assert TOKEN[12:] not in text


@pytest.mark.parametrize("size", [masking.WINDOW - 1, masking.WINDOW * 3 + 17])
def test_a_line_longer_than_a_window(redactor, size):
    line = "x" * size + " " + TOKEN + " " + "y" * size
    assert masked([line, "end"], redactor) == "x" * size + " [redacted: DEPLOY_TOKEN] " + "y" * size + "\nend\n"


def test_every_cut_of_a_value_in_pieces(redactor):
    for cut in range(1, len(TOKEN)):
        pieces = [masking.Piece(n, part) for n, part in enumerate(("a ", TOKEN[:cut], TOKEN[cut:], " b"))]
        found = list(masking.found(pieces, masking.in_output(redactor)))
        assert "".join(masking.starred(one.text, one.spans) for one in found) == f"a {'*' * len(TOKEN)} b"


@pytest.mark.parametrize("noise", ["\x1b[1;31m", "\x1b[0m", "\r\n", "\x1b[3;1H", "\x1b(B", "\x08", "\x1b[K\r\n\u2502 "])
def test_stars_take_the_place_of_what_shows_and_of_nothing_else(redactor, noise):
    text = f"x\x1b[2m{noise.join(TOKEN)}\x1b[m y"
    (one,) = masking.found([masking.Piece(0, text)], masking.in_output(redactor))
    assert masking.starred(one.text, one.spans) == f"x\x1b[2m{noise.join('*' * len(TOKEN))}\x1b[m y"


def test_what_looks_like_a_secret_is_found_between_colours():
    text = "use \x1b[1msk-ant-\x1b[31mapi03-Q8rT2vWx5yZ7aBcD\x1b[0m now\x1b[2;1Hnext"
    (one,) = masking.found([masking.Piece(0, text)], masking.in_output(Redactor()))
    stars = ("*" * len("sk-ant-"), "*" * len("api03-Q8rT2vWx5yZ7aBcD"))
    assert masking.starred(one.text, one.spans) == f"use \x1b[1m{stars[0]}\x1b[31m{stars[1]}\x1b[0m now\x1b[2;1Hnext"


def test_a_line_of_json_stays_one(redactor):
    value = {
        "text": f'say "{TOKEN}"\n',
        "broken": f"{TOKEN[:7]}\n   {TOKEN[7:]}",
        "api_key": "Q8rT2vWx5yZ7aBcD99",
        "list": [1, None, {"deep": [TOKEN]}],
        "number": 4815162342,
        TOKEN: "\ud83d\ude00 \u2028",
    }
    for line in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        text = masking.json_line(line, Redactor({"DEPLOY_TOKEN": TOKEN, "PIN": "4815162342"}))
        said = json.loads(text)
        assert "\n" not in text
        assert TOKEN not in text
        assert "Q8rT2vWx5yZ7aBcD99" not in text
        assert said["list"][:2] == [1, None]
        assert said["number"] == "[redacted: PIN]"
        assert said["text"] == 'say "[redacted: DEPLOY_TOKEN]"\n'
        assert TOKEN[7:] not in said["broken"]
    assert masking.json_line("no json", redactor) == ""
    assert masking.json_line("[" * 100_000, redactor) == ""


def test_a_value_longer_than_what_is_looked_ahead():
    """As the whole of a file with credentials: wherever the windows end, none of its lines is left."""
    chance = random.Random(7)
    value = "\n".join(chance.randbytes(30).hex() for _ in range(1_000))
    redactor = Redactor({"FILE": value})
    assert len(value) > 2 * masking.AHEAD
    for before in range(0, masking.WINDOW, 50_000):
        text = masked(["w" * 79] * (before // 80) + value.split("\n") + ["end"] * 50_000, redactor)
        assert not any(line in text for line in value.split("\n"))
        assert text.count("end\n") == 50_000
