"""Conditions and templates: what is understood, what is refused with a hint, what comes out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.expressions import Unset, Wrong, condition, template

VALUES = {"env.CI": "true", "env.EMPTY": "", "matrix.os": "linux", "steps.a-b.outputs.x": "it's", "run.id": "r1"}


def look(name):
    return VALUES.get(str(name))


@pytest.mark.parametrize(
    ("text", "success", "failure", "holds"),
    [
        ("success()", True, False, True),
        ("failure()", True, False, False),
        ("failure()", False, True, True),
        ("always()", False, True, True),
        ("not success()", False, True, True),
        ("env.CI == 'true'", True, False, True),
        ("env.NOTHING == ''", True, False, True),
        ("env.NOTHING != ''", True, False, False),
        ("(env.NOTHING or 'x') == 'x'", True, False, True),
        ('matrix.os == "linux" and not failure()', True, False, True),
        ("matrix.os == 'mac' or run.id == 'r1'", True, False, True),
        ("matrix.os == 'mac' or run.id == 'r1' and failure()", True, False, False),
        ("not (matrix.os == 'mac' or run.id == 'r1')", True, False, False),
        ("steps.a-b.outputs.x == 'it''s'", True, False, True),
        ("3.11 == '3.11'", True, False, True),
    ],
)
def test_conditions(text, success, failure, holds):
    assert condition(text).holds(look, success=success, failure=failure) is holds


@pytest.mark.parametrize(
    ("text", "told", "hint"),
    [
        ("", "ends too early", ""),
        ("env.CI", "env.CI is a text; compare it", "env.CI == 'true'"),
        ("not env.CI", "not takes conditions", "write env.CI == 'true'"),
        ("always() && success()", "'&&' is not understood here", "write and"),
        ("!failure()", "'!' is not understood here", "write not"),
        ("env.CI = 'true'", "'=' is not understood here", "write =="),
        ("succes()", "there is no succes()", "did you mean success?"),
        ("success", "success is a function", "write success()"),
        ("env.CI == true", "there is no true", "a text stands in quotes: 'true'"),
        ("envv.CI == 'x'", "there is no envv.CI", "did you mean env?"),
        ("env == 'x'", "env is no name", "write env.NAME"),
        ("steps.a.outcom == 'x'", "steps.a.outcom is no name", "write steps.NAME.outputs.FIELD"),
        ("success() == failure()", "== compares texts", ""),
        ("'a' or success()", "of which one is a text", ""),
        ("env.CI == 'a", "a text without its closing quote", ""),
        ("success() failure()", "'failure' is not understood here", ""),
        ("(success()", "ends too early", ""),
        ("success(1)", "'1' is not understood here", ""),
        ("(" * 40 + "success()" + ")" * 40, "nested too deeply", ""),
        ("not " * 40 + "success()", "nested too deeply", ""),
        ("success()" + " or success()" * 100, "longer than", ""),
        ("os.system('x') == ''", "there is no os.system()", ""),
    ],
)
def test_what_is_refused(text, told, hint):
    with pytest.raises(Wrong) as raised:
        condition(text)
    assert told in str(raised.value)
    assert hint in raised.value.hint


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("nothing", "nothing"),
        ("$HOME {{ x }} $ {{", "$HOME {{ x }} $ {{"),
        ("on ${{ matrix.os }}, ${{run.id}}", "on linux, r1"),
        ("${{ env.NOTHING or 'a }} b' }}!", "a }} b!"),
        ("${{ env.EMPTY or env.NOTHING or matrix.os }}", "linux"),
        ("${{ '${{' }} x }}", "${{ x }}"),
        ("${{ env.EMPTY }}", ""),
    ],
)
def test_templates(text, filled):
    assert template(text).fill(look) == filled


@pytest.mark.parametrize("text", ["${{", "${{ env.CI", "${{ success() }}", "${{ }}", "${{ env.CI }", "a ${{ b }}"])
def test_templates_that_are_refused(text):
    with pytest.raises(Wrong):
        template(text)


def test_a_value_that_is_missing_is_an_error_and_never_a_hole():
    with pytest.raises(Unset) as raised:
        template("fix ${{ env.NOTHING }}").fill(look)
    assert str(raised.value.name) == "env.NOTHING"


def test_what_was_filled_in_is_never_read_again():
    assert template("${{ env.X }}").fill(lambda _: "${{ run.id }}") == "${{ run.id }}"


@given(st.text(alphabet="()'\"=!&|.{} \nenvsucorantilwy-1", max_size=60))
def test_any_text_is_understood_or_refused_and_evaluating_never_fails(text):
    try:
        made = condition(text)
    except Wrong:
        return
    assert made.holds(lambda _: None, success=True, failure=False) in (True, False)


@given(st.text(alphabet="$ {}'\"env.Xor", max_size=60))
def test_a_template_without_marks_is_itself(text):
    if "${{" not in text:
        assert template(text).fill(look) == text
