"""TOML that is written is read again as the same values."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.lined.writing import text

TEXTS = st.text(st.characters(codec="utf-8"))
NUMBERS = st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False, width=32)
VALUES = st.recursive(
    TEXTS | st.booleans() | NUMBERS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=15
)


@given(st.dictionaries(TEXTS, VALUES))
def test_it_is_read_again_as_it_was(values):
    assert tomllib.loads(text(values)) == values


@pytest.mark.parametrize(
    ("values", "written"),
    [
        ({"a": {"b": {"c": 1}}}, "[a.b]\nc = 1\n"),
        ({"a": {"x y": {"c": True}}}, '[a."x y"]\nc = true\n'),
        ({"b": [{"c": 1}, {"c": 2}], "a": [1.5, 2.0]}, "a = [1.5, 2]\n\n[[b]]\nc = 1\n\n[[b]]\nc = 2\n"),
        ({"p": 'one\ntwo "three"\nfour'}, 'p = """\none\ntwo "three"\nfour"""\n'),
        ({"p": [{"columns": ["a"]}, "b"]}, 'p = [{ columns = ["a"] }, "b"]\n'),
        ({"p": None, "q": "\x1b[31m\x7f"}, 'q = "\\u001b[31m\\u007f"\n'),
        ({"a": {}}, "[a]\n"),
    ],
)
def test_it_reads_well(values, written):
    assert text(values) == written
