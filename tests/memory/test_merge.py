"""What becomes of concurrent versions: a table of cases with the real git, and the same answer in any order."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory.backend import Version
from memory.entry import Content, Kind, Links, content
from memory.merge import How, ancestor, merge_texts, resolve
from memory.versions import Dot
from quarterdeck.errors import Invalid

BASE = "one\ntwo\nthree\nfour\nfive\nsix\nseven\n"


def version(writer: str, seq: int, what: Content | str | None, at: int, **seen: int) -> Version:
    said = content(body=what, key="k") if isinstance(what, str) else what
    return Version(
        entry="e", dot=Dot(writer, seq), seen=seen, content=said, author="person", why="stored", written_ns=at
    )


def three(ours: Content | str | None, theirs: Content | str | None, base: Content | str | None = BASE) -> list[Version]:
    return [version("a", 1, base, 1), version("a", 2, ours, 5, a=1), version("b", 1, theirs, 9, a=1)]


def edited(old: str, new: str, text: str = BASE) -> str:
    return text.replace(old, new)


async def merged(history: list[Version], *, how: str = How.MERGE) -> Content | None:
    resolution = await resolve(history[1:], history, how)
    assert resolution.conflict is (resolution.merged is None)
    return resolution.merged


async def test_edits_of_different_lines_are_put_together() -> None:
    whole = await merged(three(edited("one", "ONE"), edited("seven", "SEVEN")))
    assert whole is not None
    assert whole.body == edited("one", "ONE", edited("seven", "SEVEN"))


@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
async def test_the_end_of_a_text_is_merged_like_any_line(end: str) -> None:
    base = "one\ntwo\nthree\nfour\nfive" + end
    whole = await merged(three("ONE\ntwo\nthree\nfour\nfive" + end, base + "six" if end else base, base))
    assert whole is not None
    assert whole.body == "ONE\ntwo\nthree\nfour\nfive" + end + ("six" if end else "")


async def test_edits_of_the_same_line_are_a_persons_to_decide() -> None:
    history = three(edited("two", "2"), edited("two", "II"))
    resolution = await resolve(history[1:], history)
    assert (resolution.conflict, resolution.merged, resolution.shown) == (True, None, Dot("b", 1))
    assert resolution.seen == {"a": 2, "b": 1}


async def test_the_same_edit_twice_is_none() -> None:
    history = three("same", "same")
    for how in How:
        resolution = await resolve(history[1:], history, how)
        assert (resolution.conflict, resolution.merged, resolution.shown) == (False, None, Dot("b", 1))


async def test_an_edit_beats_a_deletion_it_had_not_seen() -> None:
    for history in (three("edit", None), three(None, "edit")):
        for how in How:
            resolution = await resolve(history[1:], history, how)
            assert (resolution.conflict, resolution.merged) == (False, None)
            assert next(one for one in history if one.dot == resolution.shown).content is not None
    gone = await resolve(three(None, None)[1:], three(None, None))
    assert (gone.conflict, gone.shown) == (False, Dot("b", 1))


async def test_latest_shows_the_newest_and_manual_asks() -> None:
    history = three("x", "y")
    latest = await resolve(history[1:], history, "latest")
    manual = await resolve(history[1:], history, "manual")
    assert (latest.shown, latest.conflict) == (Dot("b", 1), False)
    assert (manual.shown, manual.conflict) == (Dot("b", 1), True)
    with pytest.raises(Invalid, match="no way to resolve"):
        await resolve(history, history, "guess")
    with pytest.raises(ValueError, match="at least one head"):
        await resolve([], history)


async def test_fields_are_merged_each_for_itself() -> None:
    base = content(body="b", key="k", tags=("x", "y"), links=Links(files=("f1", "f2")), extra=(("p", "1"), ("q", "2")))
    ours = content(
        body="b", key="ours", tags=("y", "z"), links=Links(files=("f1", "f2", "f3")), extra=(("p", "1"), ("q", "3"))
    )
    theirs = content(
        body="b2", key="k", kind=Kind.INSIGHT, pinned=True, tags=("w", "x", "y"), links=Links(files=("f2",)),
        extra=(("q", "2"), ("r", "4")),
    )  # fmt: skip
    assert await merged(three(ours, theirs, base)) == content(
        body="b2", key="ours", kind=Kind.INSIGHT, pinned=True, tags=("w", "y", "z"), links=Links(files=("f2", "f3")),
        extra=(("q", "3"), ("r", "4")),
    )  # fmt: skip
    both = await merged(
        three(content(body="b", key="ours"), content(body="b", key="theirs"), content(body="b", key="k"))
    )
    assert both is not None
    assert both.key == "theirs"


async def test_more_than_an_entry_holds_is_a_conflict() -> None:
    ours = content(body="b", tags=[f"a{number}" for number in range(40)])
    theirs = content(body="b", tags=[f"b{number}" for number in range(40)])
    assert await merged(three(ours, theirs, content(body="b"))) is None


async def test_three_heads_are_one_in_whatever_order_they_come() -> None:
    history = [
        version("a", 1, BASE, 1),
        version("a", 2, edited("one", "ONE"), 5, a=1),
        version("b", 1, edited("four", "FOUR"), 4, a=1),
        version("c", 1, edited("seven", "SEVEN"), 3, a=1),
    ]
    answers = [await resolve(list(order), history) for order in itertools.permutations(history[1:])]
    assert all(answer == answers[0] for answer in answers)
    whole = answers[0].merged
    assert whole is not None
    assert whole.body == edited("one", "ONE", edited("four", "FOUR", edited("seven", "SEVEN")))


async def test_the_base_is_the_newest_version_both_had_seen() -> None:
    history = [
        version("a", 1, "first", 1),
        version("b", 1, "second", 2, a=1),
        version("a", 2, "ours", 3, a=1, b=1),
        version("b", 2, "theirs", 4, a=1, b=1),
    ]
    assert ancestor([history[2]], [history[3]], history) is history[1]
    assert ancestor([history[2]], [history[3]], history[2:]) is None
    lost = await resolve(history[2:], history[2:])
    assert lost.conflict, "without what both began from nobody knows which lines changed"


async def test_without_git_overlapping_or_not_is_for_a_person(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert await merge_texts(BASE, edited("one", "ONE"), edited("seven", "SEVEN")) is None


async def test_nobodys_settings_take_part(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".gitconfig").write_text("[merge]\n\tconflictStyle = nonsense\n[core]\n\tautocrlf = true\n")
    (tmp_path / ".gitattributes").write_text("* merge=union -text\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / ".gitconfig"))
    monkeypatch.chdir(tmp_path)
    assert await merge_texts(BASE, edited("two", "2"), edited("two", "II")) is None
    assert await merge_texts(BASE, edited("one", "ONE"), edited("seven", "7")) == edited(
        "one", "ONE", edited("seven", "7")
    )


async def test_texts_git_cannot_merge_are_a_conflict() -> None:
    assert await merge_texts("a\0\nb\nc\nd\n", "A\0\nb\nc\nd\n", "a\0\nb\nc\nD\n") is None


lines = st.lists(st.sampled_from(["one", "two", "", "ä\u2028ö"]), max_size=6).map("\n".join)


@settings(max_examples=25, deadline=None)
@given(base=lines, texts=st.lists(lines, min_size=2, max_size=3), data=st.data())
async def test_any_order_of_heads_gives_the_same_answer(base: str, texts: list[str], data: st.DataObject) -> None:
    history = [version("a", 1, base or "-", 1)]
    history += [version("bcd"[index], 1, text or "-", 5 + index % 2, a=1) for index, text in enumerate(texts)]
    shuffled = data.draw(st.permutations(history[1:]))
    assert await resolve(shuffled, data.draw(st.permutations(history))) == await resolve(history[1:], history)
