"""Files of entries: read as people write them, written so that nothing of theirs is lost."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from memory.entry import BODY_LIMIT, Content, Kind, Links, content
from memory.markdown.format import OURS, Unreadable, changed, derived_id, parse, torn, with_id, write
from quarterdeck.errors import Invalid

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)
tricky = st.sampled_from(
    ["no", "yes", "2024-01-01", "1e5", "0x1f", "~", "null", "- a", "a: b", "# c", "'q", '"', "<<", "=", "1_000"]
)
tags = st.one_of(
    st.sampled_from(["no", "2024", "1.5", "on", "null", "0o7", "a/b", "x.y"]),
    st.from_regex(r"[a-zé][a-z.+@/-]{0,8}", fullmatch=True),
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts | tricky,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
extras = st.dictionaries((words | tricky).filter(lambda key: key not in OURS), values, max_size=3)
linked = st.lists(words | tricky, max_size=2).map(tuple)
links = st.builds(Links, agents=linked, tasks=linked, commits=linked, files=linked)


@st.composite
def contents(draw: st.DrawFn) -> Content:
    given_extra = draw(extras)
    extra = tuple(
        (key, json.dumps(value, ensure_ascii=False, separators=(",", ":"))) for key, value in given_extra.items()
    )
    try:
        return content(
            key=draw(texts | tricky),
            body=draw(texts | st.sampled_from(["\n", "---\n", "---\na: b\n---\n", "a\n\n", "\n\nb"])),
            kind=draw(st.sampled_from(list(Kind))),
            namespace=draw(st.sampled_from(["workspace", "shared", "session/no", "agent/1", "agent/a+b@c"])),
            tags=tuple(draw(st.lists(tags, max_size=4))),
            links=draw(links),
            pinned=draw(st.booleans()),
            extra=extra,
        )
    except Invalid:  # a key and a body with nothing in them
        return content(key="k", body="", extra=extra)


layouts = st.sampled_from(
    [
        b"",
        b"words\n",
        b"\xef\xbb\xbf# Title\r\n\r\nwords\r\n",
        b"---\n---\n",
        b"---\nkey: a\n---\nbody",
        b"---\nkey: a # why\n\n# about tags\ntags:\n  - b\n  - no\nowner: me\n---\n\nbody\n\n",
        b"---\r\nkey: a\r\nwhen: 2024-01-01\r\n---\r\n\r\nbody\r\n",
        b"---\n  key: indented\n  kind: insight\n---\nbody\n",
        b"---\n{key: flow, tags: [a]}\n---\nbody\n",
        b"---\nnote: |\n  # not a comment\n  text\n\nkey: a\n---\nx\n",
        b"---\n# nothing but this\n---\nx\n",
        b"---\nkey: a\n---",
        '---\nkéy: ü\nkey: "a\u2028b"\n---\nx\u0085y\n'.encode(),
    ]
)
file_ids = st.from_regex(r"[2-9a-z]{10}", fullmatch=True)


@given(contents(), st.sampled_from(["workspace", "shared"]))
@example(content(key="no", body="\r"), "workspace")
def test_what_is_written_is_read(said: Content, namespace: str) -> None:
    data = write(
        said, entry_id="abcdefghij", author="agent/a: b", created_ns=1_700_000_000 * 10**9, namespace=namespace
    )
    page = parse(data, "x.md", namespace=namespace)
    assert page.content == said
    assert (page.id, page.author, page.created_ns) == ("abcdefghij", "agent/a: b", 1_700_000_000 * 10**9)
    assert data.endswith(b"\n")


@given(layouts, file_ids)
def test_an_id_changes_no_other_byte(data: bytes, entry_id: str) -> None:
    before = parse(data, "a.md")
    made = with_id(data, "a.md", entry_id)
    assert parse(made, "a.md") == replace(before, id=entry_id)
    start = next((at for at in range(len(data)) if data[at] != made[at]), len(data))
    assert data[start:] == made[len(made) - (len(data) - start) :], "put in at one place"
    other = with_id(made, "a.md", "zzzzzzzzzz")
    assert other == made.replace(entry_id.encode(), b"zzzzzzzzzz")


@given(layouts, contents())
def test_a_change_of_the_entry_reaches_the_file(data: bytes, new: Content) -> None:
    old = parse(data, "a.md").content
    made = changed(data, "a.md", old, new, entry_id="abcdefghij")
    assert parse(made, "a.md").content == new
    assert parse(made, "a.md").id == "abcdefghij"
    assert changed(made, "a.md", new, new, entry_id="abcdefghij") == made


def test_what_did_not_change_keeps_its_bytes() -> None:
    data = (
        b"---\nkey:   a   # why\n\n# about tags\ntags:\n  - b\n  - no\nowner: [me,   you]\n---\n\n\nbody \xc3\xa9\n\n"
    )
    old = parse(data, "a.md").content
    made = changed(data, "a.md", old, replace(old, tags=("c",), pinned=True), entry_id="abcdefghij")
    assert made == (
        b"---\nkey:   a   # why\n\n# about tags\ntags: [c]\nowner: [me,   you]\nid: abcdefghij\npinned: true\n"
        b"---\n\n\nbody \xc3\xa9\n\n"
    )
    windows = b"\xef\xbb\xbf---\r\nkey: a\r\nid: abcdefghij\r\n---\r\nold\r\n"
    old = parse(windows, "a.md").content
    made = changed(windows, "a.md", old, replace(old, body="new\nlines"), entry_id="abcdefghij")
    assert made == b"\xef\xbb\xbf---\r\nkey: a\r\nid: abcdefghij\r\n---\r\n\r\nnew\r\nlines\r\n"


def test_a_masked_entry_leaves_the_secret_in_the_file_of_the_person() -> None:
    data = b"---\nid: abcdefghij\nkey: a\n---\n\ntoken is hunter2\n"
    stored = replace(parse(data, "a.md").content, body="token is [masked]")
    made = changed(data, "a.md", stored, replace(stored, tags=("t",)), entry_id="abcdefghij")
    assert made == b"---\nid: abcdefghij\nkey: a\ntags: [t]\n---\n\ntoken is hunter2\n"


def test_a_file_by_hand() -> None:
    said = parse(b"# Use **WAL**\n\nbecause\n", "notes/wal.md").content
    assert (said.key, said.kind, said.namespace, said.body) == (
        "Use **WAL**",
        "note",
        "workspace",
        "# Use **WAL**\n\nbecause",
    )
    assert parse(b"", "notes/empty file.md").content.key == "empty file"
    assert parse(b"", "a.md", namespace="shared").content.namespace == "shared"
    page = parse(
        b"---\nkey: 2024-01-01\nkind: Decision\ntags: a, no, c\nlinks:\n  commits: [1234567, 0e12]\n  files: x.py\n"
        b"created: 2024-01-02 03:04:05+01:00\npinned: yes\nanswer: no\nwhen: 2024-01-01\nempty:\n---\n\n\ntext",
        "a.md",
    )
    assert page.content == content(
        key="2024-01-01",
        body="\ntext",
        kind="decision",
        tags=("a", "no", "c"),
        links=Links(commits=("1234567", "0e12"), files=("x.py",)),
        pinned=True,
        extra=(("answer", "false"), ("when", '"2024-01-01"'), ("empty", "null")),
    )
    assert page.created_ns == 1_704_161_045 * 10**9


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"---\nkey: a\n", "line 1: the front matter that begins here never ends"),
        (b"---", "never ends"),
        (b"---\nkey: a\nkey: b\n---\n", "line 3: the key 'key' is there twice"),
        (b"---\nkey: [a\n---\n", "line 2: "),
        (b"---\nkind: nonsense\n---\nx", "line 2, kind: 'nonsense' is no kind of entry"),
        (b"---\nkey: a\nkind: decison\n---\nx", "line 3, kind: 'decison' is no kind of entry; did you mean decision?"),
        (b"---\nkey: a\n\nnamespace: 'a b'\n---\nx", "line 4, namespace"),
        (b"---\ntags: ['a b']\n---\nx", "line 2, tags: 'a b' cannot be a tag"),
        (b"---\ntags:\n  a: b\n---\nx", "line 3, tags: this has to be one value"),
        (b"---\nlinks:\n  file: a\n---\nx", "line 3, links: no kind of link 'file'; did you mean files?"),
        (b"---\npinned: perhaps\n---\nx", "line 2, pinned: this has to be true or false"),
        (b"---\ncreated: yesterday\n---\nx", "line 2, created: no time"),
        (b"---\nid: ../../etc\n---\nx", "line 2, id: an id is"),
        (b"---\n- a\n- b\n---\nx", "line 2: the front matter is no list of keys"),
        (b"---\nwords\n---\nx", "line 2: "),
        (b"---\n? [a]\n: b\n---\nx", "line 2: a key has to be one word"),
        (b"---\nx: {a: 1, a: 2}\n---\nx", "line 2, x: the key 'a' is there twice"),
        (b"---\na: *b\n---\nx", "undefined alias"),
        (b"---\nx: " + b"[" * 30_000 + b"]" * 30_000 + b"\n---\n", "nested more than"),
        (b"---\nx: \n" + b"".join(b" " * n + b"- \n" for n in range(60)) + b"\n---\n", "nested more than"),
        (b"---\nx: " + b"a" * 70_000 + b"\n---\n", "front matter of more than"),
        (b"a\nb\xff\n", "line 2: byte 3 is no UTF-8"),
        (b"a\n\0", "line 2: a NUL"),
        (b"x" * (BODY_LIMIT + 1), "an entry holds at most"),
        (b"x" * (BODY_LIMIT + 100_000), "an entry at most"),
        (b"---\na: \x1b[31m\n---\nx", "a.md"),
    ],
)
def test_what_cannot_be_taken_is_named(data: bytes, says: str) -> None:
    with pytest.raises(Unreadable) as caught:
        parse(data, "a.md")
    assert says in caught.value.message
    assert caught.value.message.startswith("a.md")
    assert caught.value.message.isprintable()


def test_aliases_that_multiply_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(Unreadable, match="an alias that makes as many"):
        parse(("---\n" + "\n".join(lines) + "\n---\n").encode(), "a.md")


@given(st.binary(max_size=200))
@example(b"---\n&a b: *a\n---\n")
@example(b"---\n!!python/object:os.system x: 1\n---\n")
def test_any_bytes_are_read_or_named(data: bytes) -> None:
    for made in (data, b"---\n" + data + b"\n---\nx"):
        try:
            page = parse(made, "a.md")
        except Unreadable:
            continue
        try:
            again = with_id(made, "a.md", "abcdefghij")
        except Unreadable:
            continue
        assert parse(again, "a.md") == replace(page, id="abcdefghij")


@pytest.mark.parametrize("body", ["a\0b", "a\ud800b"])
def test_a_text_no_file_can_hold(body: str) -> None:
    with pytest.raises(Unreadable, match="no file can hold it"):
        write(Content(key="k", body=body), entry_id="abcdefghij")


def test_ids_are_the_same_for_all_who_see_the_file() -> None:
    assert derived_id("a.md", b"x") == derived_id("a.md", b"x")
    assert len({derived_id("a.md", b"x"), derived_id("b.md", b"x"), derived_id("a.md", b"y")}) == 3
    assert parse(with_id(b"x", "a.md", derived_id("a.md", b"x")), "a.md").id == derived_id("a.md", b"x")


def test_the_marks_of_a_conflict() -> None:
    assert torn(b"a\n<<<<<<< HEAD\nb\n=======\nc\n>>>>>>> other\n")
    assert not torn(b"Title\n=======\n")
