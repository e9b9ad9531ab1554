"""Texts of entries, hostile ones among them: what is shown, how they are compared, what is asked for."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from tui.memory.compare import MARKS, VersionInfo, base_of, diff_rows, lines_of, marked, still_marked, two_columns
from tui.memory.entries import EntryInfo, Wanted, answer_of, bank_name
from tui.memory.found import excerpt, snippet_bits
from tui.memory.markdown import LONGEST, Bit, readable, render, size, wrap
from tui.memory.reader import body_rows
from tui.outside import _file_name
from tui.states import PLAIN_GLYPHS, Glyphs

HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
PAGE = """# Head\n\nSome **bold**, *slanted* and `code` with [a link](https://example.com/x "title").

- one
  - two
- three

1. first
2. second

> said

```python
x = 1
```

| a | b |
|---|---|
| 1 | a cell that is far too long for the room there is in this table of ours |

---
"""
HOSTILE = {
    "controls": "a\x1b[2J\x1b]0;title\x07b\x00c\x9bd",
    "bidi": "rm \u202e-rf \u2066/\u2069 \u200f",
    "invisible": "a\u200bb\u2060c\ufeffd\U000e0041e\u3164f",
    "surrogate": "a\ud800b",
    "long line": "x" * 10_000_000,
    "wide": "日本" * 10_000,
    "html": "<script>alert(1)</script>\n\n<img src=x onerror=y>\n\n<!-- hidden -->",
    "links": "[ok](https://a.b) [js](javascript:alert(1)) [file](file:///etc/passwd) <mailto:a@b.c> [x](http://\u202ea)",
    "images": "![pixel](https://tracker.example/x.png)",
    "markup": "[bold]x[/bold] [@click=app.quit]y[/] [link=http://z]z[/link]",
    "brackets": "[" * LONGEST,
    "images deep": "![" * LONGEST,
    "quotes": "> " * 60 + "secret",
    "lists": "\n".join("  " * n + "- item" for n in range(200)),
    "stars": "**a" * LONGEST,
    "table": "|a|b|\n|-|-|\n" + "|1|2|\n" * 5000,
    "columns": "|" + "a|" * 300 + "\n|" + "-|" * 300 + "\n",
    "references": "[a]: http://x 'hidden words'\n\n[a]",
    "emoji": "👩‍👩‍👧‍👦 🏳️‍🌈 é",
    "blanks": "a\u00a0b\u2003c",
    "returns": "a\rb\r\nc",
    "empty": "",
}


def text_of(rows):
    return "\n".join("".join(bit.text for bit in row) for row in rows)


def info(body, **more):
    return EntryInfo.of({"id": "e", "key": "k", "body": body} | more)


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_are_shown_as_harmless_lines_that_fit(name, raw):
    rows = body_rows(info(HOSTILE[name]), 40, Glyphs(), plain=False, raw=raw)
    for row in rows:
        assert size(row) <= 40, row
        for bit in row:
            assert "\n" not in bit.text
            assert not [c for c in bit.text if unicodedata.category(c) in HIDDEN and c != "\u200d"], bit
            assert bit.link.startswith(("http://", "https://", "")), bit
            assert not bit.link or bit.link.isascii()


def test_nothing_in_a_page_opens_but_web_links_whose_target_is_shown():
    rows = render(HOSTILE["links"] + "\n\n" + HOSTILE["images"] + "\n\n" + HOSTILE["html"], 60, Glyphs())
    shown = text_of(rows)
    assert {bit.link for row in rows for bit in row if bit.link} == {"https://a.b"}
    for said in ("(https://a.b)", "javascript:alert(1)", "file:///etc/passwd", "https://tracker.example/x.png",
                 "image: pixel", "<script>alert(1)</script>", "<!-- hidden -->"):  # fmt: skip
        assert said in shown.replace("\n", " "), said
    assert "‹U+202E›" in shown


def test_what_is_nested_too_deep_or_defined_elsewhere_is_still_shown():
    for name, said in (("quotes", "secret"), ("references", "hidden words")):
        assert said in text_of(render(HOSTILE[name], 60, Glyphs()))
    assert text_of(render(HOSTILE["lists"], 60, Glyphs())).count("item") == 200


def test_a_page_has_its_parts():
    shown = text_of(render(PAGE, 50, Glyphs()))
    assert shown.splitlines()[:2] == ["Head", "────"]
    for line in (
        "Some bold, slanted and code with a link",
        "· one",
        "  · two",
        "1. first",
        "│ said",
        " python",
        " x = 1",
    ):
        assert line in [one.rstrip() for one in shown.splitlines()], line
    cells = [line for line in shown.splitlines() if line.startswith(("1  ", "   "))]
    assert all(cell_len(line) <= 50 for line in cells)
    assert "ours" in shown
    assert text_of(render(PAGE, 50, PLAIN_GLYPHS, plain=True)).isascii()


def test_a_long_text_is_begun_and_that_is_said():
    rows = body_rows(info("word " * 2_000_000), 60, Glyphs(), plain=False, raw=False)
    assert "the first 16,384 characters" in text_of(rows[-2:])
    assert len(rows) < 400
    assert "first 16,384" in text_of(body_rows(info("short", cut=True), 60, Glyphs(), plain=False, raw=True))
    assert "first 16,384" not in text_of(body_rows(info("short"), 60, Glyphs(), plain=False, raw=False))


def test_the_heading_that_repeats_the_name_is_left_out():
    entry = info("# K\n\nSaid.\n", key="k")
    assert text_of(body_rows(entry, 40, Glyphs(), plain=False, raw=False)) == "Said."
    assert text_of(body_rows(entry, 40, Glyphs(), plain=False, raw=True)).startswith("# K")
    assert excerpt(entry, 40).strip() == "Said."


@given(st.lists(st.text(st.sampled_from("ab日é👍 \n"), max_size=30), max_size=5), st.integers(2, 20))
@settings(max_examples=200, deadline=None)
def test_wrapped_lines_fit_and_lose_no_letter(texts, width):
    lines = wrap([Bit(text) for text in texts], width)
    assert all(size(line) <= width for line in lines)
    assert text_of(lines).replace("\n", "").replace(" ", "") == "".join(texts).replace("\n", "").replace(" ", "")


def test_text_to_be_read():
    assert readable(HOSTILE["emoji"]) == HOSTILE["emoji"]
    assert readable(HOSTILE["blanks"]) == "a b c"
    assert "\x1b" not in readable(HOSTILE["controls"])
    assert "‹U+001B›" in readable(HOSTILE["controls"])


@pytest.mark.parametrize(
    ("text", "room", "bits"),
    [
        ("a \x02word\x03 here", 40, [("a ", False), ("word", True), (" here", False)]),
        ("\x02one\x03 \x02two\x03", 40, [("one", True), (" ", False), ("two", True)]),
        ("# head\nand \x02b\x03", 40, [("head and ", False), ("b", True)]),
        ("plain", 40, [("plain", False)]),
        ("", 40, []),
        ("\x02open", 40, [("open", True)]),
        ("far before the \x02word\x03 **it** is", 18, [("…e the ", False), ("word", True), (" it is", False)]),
        ("long \x02words\x03 here", 8, [("…g ", False), ("words", True)]),
    ],
)
def test_a_snippet_on_one_line(text, room, bits):
    assert snippet_bits(text, room, plain=False) == bits


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        (Wanted(), "/v1/memory/entries?workspace=%2Fw&limit=200"),
        (Wanted(kind="error", tag="a"), "/v1/memory/entries?workspace=%2Fw&limit=200&kind=error&tag=a"),
        (Wanted(words="time"), "/v1/memory/search?workspace=%2Fw&limit=200&q=time%2A"),
        (Wanted(namespace="shared"), "/v1/memory/entries?workspace=&limit=200&namespace=shared"),
        (Wanted(conflict=True, missing=True), "/v1/memory/entries?workspace=%2Fw&limit=200&conflict=true&missing=true"),
        (Wanted(everywhere=True), "/v1/memory/search?workspace=%2Fw&limit=200&q=&everywhere=true"),
    ],
)
def test_what_is_asked_for(wanted, path):
    assert wanted.path("/w") == path


@pytest.mark.parametrize(
    ("words", "query"),
    [
        ("conn", "conn*"),
        ("a", "a"),
        ("connection res", "connection res*"),
        ("done ", "done "),
        ('"a phr', '"a phr'),
        ('"a phrase" wo', '"a phrase" wo*'),
        ("tag:re", "tag:re"),
        ("-wo", "-wo"),
        ("wo*", "wo*"),
        ("", ""),
    ],
)
def test_the_last_word_may_be_half_typed(words, query):
    assert Wanted(words=words).query() == query


def test_answers_are_made_safe():
    data = {"id": "e1", "key": "a\x1b[31mb\u202e", "body": "x", "tags": ["t\n"], "author": "agent/\x07n"}
    found = answer_of({"bank": "/b", "entries": [data]}).entries[0]
    assert (found.key, found.tags, found.author, found.bank) == ("a[31mb", ("t",), "agent/n", "/b")
    hit = answer_of({"bank": "/b", "hits": [{"entry": data, "snippet": "\x02s\x03", "bank": "/c"}], "ms": 1.5})
    bad = answer_of({"bank": "/b", "hits": [], "problems": ["the memory of /d was not searched: \x07why"]})
    assert bad.problems == ("the memory of /d was not searched: why",)
    assert (hit.entries[0].bank, hit.entries[0].snippet, hit.ms) == ("/c", "\x02s\x03", 1.5)
    assert (bank_name("/home/a/src/shop"), bank_name("")) == ("shop", "shared")


def test_a_file_for_the_editor_has_a_harmless_name():
    assert _file_name("../../etc/passwd\x1b[2J") == "etc-passwd--2J"
    assert _file_name("日本") == "entry"
    assert len(_file_name("x" * 500)) == 60


# versions


def version(name, body, seen=None, **more):
    content = None if body is None else {"key": "k", "kind": "note", "namespace": "workspace", "body": body} | more
    return VersionInfo.of({"version": name, "content": content, "seen": seen})


def test_a_diff_shows_what_came_and_went():
    before, after = (
        lines_of(version("w:1", "a\nb\nc\n").content),
        lines_of(version("w:2", "a\nB\nc\n", tags=["t"]).content),
    )
    shown = text_of(diff_rows(before, after, 40)).splitlines()
    assert "+ tags  t" in shown
    assert shown[-3:] == ["- b", "+ B", "  c"]
    assert diff_rows(before, before, 40) == []
    assert text_of(diff_rows([], after, 40)).splitlines()[0] == "+ name  k"
    assert lines_of(None) == []


def test_texts_beside_each_other_stay_in_their_columns():
    left, right = ["same", "日本" * 30, "only here", "end"], ["same", "other", "end"]
    rows = two_columns(left, right, 20, "│")
    assert all(cell_len("".join(bit.text for bit in row).split("│")[0]) == 21 for row in rows)
    shown = text_of(rows).splitlines()
    assert shown[0].split("│")[1].strip() == "same"
    assert shown[-1].split("│")[0].strip() == shown[-1].split("│")[1].strip() == "end"


def test_comparing_hostile_texts_ends_and_says_what_is_left_out():
    began = time.monotonic()
    lines = lines_of(version("w:1", "x" * 10_000_000).content)
    assert len(lines[-1]) < 3_000
    many = lines_of(version("w:1", "line\n" * 100_000).content)
    assert "not compared" in many[-1]
    assert len(many) < 4_000
    rows = diff_rows(many, [*many[:50], "\x1b[2J", *many[60:]], 40)
    assert "‹U+001B›" in text_of(rows)
    assert began <= time.monotonic()


@given(st.lists(st.sampled_from("abc"), max_size=12), st.lists(st.sampled_from("abc"), max_size=12))
@settings(max_examples=200, deadline=None)
def test_both_texts_are_in_what_is_to_be_merged(left, right):
    text = marked("\n".join(left), "\n".join(right), "one", "two")
    sides = {"both": [], "left": [], "right": []}
    here = "both"
    taken_left, taken_right = [], []
    for line in text.split("\n"):
        if line.startswith(MARKS[0]):
            here = "left"
        elif line == MARKS[1]:
            here = "right"
        elif line.startswith(MARKS[2]):
            here = "both"
        else:
            sides[here].append(line)
            taken_left += [line] if here != "right" else []
            taken_right += [line] if here != "left" else []
    assert ("\n".join(taken_left), "\n".join(taken_right)) == ("\n".join(left), "\n".join(right))
    assert still_marked(text) == (left != right)


def test_the_base_is_what_both_sides_had_read():
    one, two = version("w:1", "a"), version("w:2", "b", {"w": 1})
    mine, theirs = version("w:3", "c", {"w": 2}), version("v:9", "d", {"w": 1, "v": 4})
    history = [one, two, mine, theirs]
    assert base_of(history, [mine, theirs]) is one
    assert base_of(history, [version("w:3", "c"), theirs]) is None
    assert base_of([mine, theirs], [mine, theirs]) is None
