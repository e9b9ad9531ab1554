"""The file in which a step says what it hands on."""

from __future__ import annotations

import os

import pytest

from pipelines import outputs
from quarterdeck.errors import Invalid
from quarterdeck.redaction import Redactor

NOBODY = Redactor()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("a=1\nb=two words\n", {"a": "1", "b": "two words"}),
        ("a=1\r\nb=2", {"a": "1", "b": "2"}),
        ("a=x=y<<z\n", {"a": "x=y<<z"}),
        ("a=\n\n\nb=2\n", {"a": "", "b": "2"}),
        ("a<<END\none\n\ntwo=3\nEND\nb=2\n", {"a": "one\n\ntwo=3", "b": "2"}),
        ("a<<END\nEND\n", {"a": ""}),
        ("a=1\na=2\n", {"a": "2"}),
        ("\ufeffa=ü\n", {"a": "ü"}),
    ],
)
def test_values(text, found):
    assert outputs.parse(text, NOBODY) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("just words\n", "line 1: 'just words' is no output"),
        ("a=1\n\n=2\n", "line 3: '' is no name"),
        ("two words=1\n", "line 1: 'two words' is no name"),
        ("a<<END\none\n", "line 1: a is not ended by 'END'"),
        ("a<<\n", "needs the word that ends the value"),
        ("a=" + "x" * (outputs.VALUE_LIMIT + 1), "a is longer than 64 kB"),
        ("a=\0", "holds a NUL character"),
        ("".join(f"a{n}=1\n" for n in range(201)), "201 values"),
    ],
)
def test_mistakes_name_their_line(text, said):
    with pytest.raises(Invalid, match="outputs") as raised:
        outputs.parse(text, NOBODY)
    assert said in raised.value.message


def test_secrets_are_masked():
    redactor = Redactor({"DEPLOY": "hunter2-hunter2"})
    assert outputs.parse("a=it is hunter2-hunter2\n", redactor) == {"a": "it is [redacted: DEPLOY]"}


def test_a_file_that_cannot_be_one(tmp_path):
    assert outputs.read(tmp_path / "none", NOBODY) == {}
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Invalid):
        outputs.read(tmp_path / "pipe", NOBODY)
    (tmp_path / "big").write_bytes(b"a" * (outputs.FILE_LIMIT + 1))
    with pytest.raises(Invalid, match="512 kB"):
        outputs.read(tmp_path / "big", NOBODY)
    (tmp_path / "bytes").write_bytes(b"a=\xff\n")
    with pytest.raises(Invalid, match="UTF-8"):
        outputs.read(tmp_path / "bytes", NOBODY)


def test_the_message_is_handed_on_where_nothing_else_is():
    assert outputs.of_step({"a": "1"}, "done") == {"message": "done", "a": "1"}
    assert outputs.of_step({"message": "mine"}, "done") == {"message": "mine"}
    assert outputs.of_step({}, "") == {}
    long = outputs.of_step({}, "ä" * outputs.VALUE_LIMIT)["message"]
    assert len(long.encode()) <= outputs.VALUE_LIMIT
    assert set(long) == {"ä"}
