"""What people type into a search, and what reaches the index of it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from memory.backend import Filter
from memory.entry import Links
from memory.query import FIELDS, NONE, Query, parse
from quarterdeck.errors import Invalid

NOW = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp()) * 10**9
DAY = 24 * 3600 * 10**9


def day(*date: int) -> int:
    return int(datetime(*date, tzinfo=UTC).timestamp()) * 10**9


def read(text: str, which: Filter | None = None) -> Query:
    return parse(text, which or Filter(), NOW)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("timeout retry", '"timeout" AND "retry"'),
        ('"connection reset" peer', '"connection reset" AND "peer"'),
        ('"half a phrase', '"half a phrase"'),
        ("conn*", '"conn"*'),
        ('"connection re"*', '"connection re"*'),
        ("retry -flaky", '"retry" NOT "flaky"'),
        ('retry -"known flake" -skip*', '"retry" NOT "known flake" NOT "skip"*'),
        ("foo_bar src/app.py --mend", '"foo_bar" AND "src/app.py" AND "--mend"'),
        ("a:b http://x.org std::vector E501:", '"a:b" AND "http://x.org" AND "std::vector" AND "E501:"'),
        ('say"aloud"', '"say" AND "aloud"'),
        ("-> retry ***", '"retry"'),
        ("AND OR NOT NEAR(a b)", '"AND" AND "OR" AND "NOT" AND "NEAR(a" AND "b)"'),
        ("null\0 byte \x1b[31m", '"null" AND "byte" AND "[31m"'),
        ("中*", '"中"*'),
        ("", ""),
        ("   ", ""),
    ],
)
def test_words_become_strings_of_the_index(text: str, match: str) -> None:
    assert read(text).match() == match
    assert read(text).which == Filter()


@pytest.mark.parametrize(
    ("text", "which"),
    [
        ("tag:a tag:b-c", Filter(tags=("a", "b-c"))),
        ("tag:a,b", Filter(tags=("a", "b"))),
        ("kind:error,note", Filter(kinds=("error", "note"))),
        ("KIND:error", Filter(kinds=("error",))),
        ("in:session/shop by:agent/", Filter(namespaces=("session/shop",), authors=("agent/",))),
        ('by:"agent/the one"', Filter(authors=("agent/the one",))),
        ("since:2026-01-31", Filter(since_ns=day(2026, 1, 31))),
        ("since:2026-01-31T14:30", Filter(since_ns=day(2026, 1, 31, 14, 30))),
        ("since:2026-01-31T14:30+02:00", Filter(since_ns=day(2026, 1, 31, 12, 30))),
        ("since:7d since:2w", Filter(since_ns=NOW - 7 * DAY)),
        ("until:2026-01-31", Filter(until_ns=day(2026, 2, 1))),
        ("until:2026-01-31T10:00 until:12h", Filter(until_ns=day(2026, 1, 31, 10))),
        ("is:pinned is:conflict", Filter(pinned=True, conflict=True)),
        ("is:missing,deleted", Filter(missing=True, deleted=True)),
        (
            "file:src/app.py task:t1 commit:abc agent:api file:b",
            Filter(links=Links(files=("src/app.py", "b"), tasks=("t1",), commits=("abc",), agents=("api",))),
        ),
    ],
)
def test_filters(text: str, which: Filter) -> None:
    assert read(text) == Query((), which)
    assert read(f"{text} word").which == which


@pytest.mark.parametrize(
    ("given_", "text", "left"),
    [
        (("error", "note"), "kind:note,insight", ("note",)),
        (("error",), "kind:note", (NONE,)),
        ((), "kind:note", ("note",)),
    ],
)
def test_what_is_typed_narrows_what_was_given(given_: tuple[str, ...], text: str, left: tuple[str, ...]) -> None:
    assert read(text, Filter(kinds=given_)).which.kinds == left


def test_a_group_of_namespaces_lets_its_own_through() -> None:
    which = Filter(namespaces=("agent/",))
    assert read("in:agent/api,workspace", which).which.namespaces == ("agent/api",)


@pytest.mark.parametrize(
    ("text", "told", "hint"),
    [
        ("kind:eror", "eror is no kind", "did you mean error?"),
        ("kind:zzzzzz", "zzzzzz is no kind", "one of observation,"),
        ("tga:retry", "tga: is no filter", "did you mean tag?"),
        ("tag:", "tag: says nothing", "tag:retry"),
        ("-tag:x", "cannot be turned round", ""),
        ("-flaky", "a word that is to be found", ""),
        ("since:yesterday", "since:yesterday is no day", "since:7d"),
        ("since:2026-02-30", "is no day", ""),
        ("since:99999w since:1d", "", ""),
        ("until:9999-12-31", "is no day", ""),
        ("is:open", "is:open is not understood", "is:pinned"),
        ("->", "-> has no letter", ""),
        ("a*", "at least two letters", ""),
        ("foo_b*", "at least two letters", ""),
        ("x" * 2001, "at most 2,000 characters", ""),
        ("w " * 33, "at most 32 words", ""),
    ],
)
def test_what_cannot_be_understood_is_named(text: str, told: str, hint: str) -> None:
    if not told:
        assert read(text).which.since_ns == NOW - DAY
        return
    with pytest.raises(Invalid) as caught:
        read(text)
    assert told in caught.value.message
    assert hint in caught.value.hint


TYPED = st.lists(
    st.one_of(
        st.text(max_size=12),
        st.sampled_from(
            ['"', "*", "-", "(", ")", "^", "{", "}", ":", "AND", "OR", "NOT", "NEAR", "+", "'", "\0", "\x02"]
        ),
        st.builds("{}:{}".format, st.sampled_from([*FIELDS, "body", "words", "rank"]), st.text(max_size=8)),
    ),
    max_size=8,
).map(" ".join)


@given(TYPED)
@example('"" a')
@example('a"b"c')
@example("\U0001e900 word")
@example("word \ud800")
def test_whatever_is_typed_the_index_understands_what_comes_of_it(text: str) -> None:
    try:
        query = read(text)
    except Invalid:
        return
    if not query.terms:
        return
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE VIRTUAL TABLE words USING fts5 (key, body, tokenize = 'unicode61', prefix = '2 3')")
        db.execute("INSERT INTO words VALUES ('one', 'two')")
        sql = "SELECT * FROM words WHERE words MATCH ?"
        assert len(db.execute(sql, (f'({{key body}} : ({query.match()})) AND ({{key}} : "one")',)).fetchall()) <= 1
