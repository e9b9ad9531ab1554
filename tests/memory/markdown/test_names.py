"""Names of files: the same everywhere, never two that differ by case alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.markdown.names import file_name, folded, ours, slug


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("Use WAL mode", "use-wal-mode-abcde.md"),
        ("Größe & Länge", "groe-lange-abcde.md"),
        ("../../etc/passwd", "etc-passwd-abcde.md"),
        ("CON", "con-abcde.md"),
        ("日本", "abcde.md"),
        ("x" * 300, "x" * 60 + "-abcde.md"),
    ],
)
def test_names_come_from_keys(key: str, name: str) -> None:
    assert file_name(key, "abcdefghij", "workspace", (), default="workspace") == name


def test_namespaces_are_folders() -> None:
    assert file_name("k", "abcdefghij", "session/Shop", (), default="workspace") == "session-shop/k-abcde.md"
    assert file_name("k", "abcdefghij", "agent/CON", (), default="workspace") == "agent-con/k-abcde.md"
    assert file_name("k", "abcdefghij", "shared", (), default="shared") == "k-abcde.md"


@given(st.lists(st.tuples(st.text(min_size=1, max_size=8), st.from_regex(r"[ab]{4,10}", fullmatch=True)), max_size=30))
def test_no_two_names_are_the_same_for_a_system_that_ignores_case(entries: list[tuple[str, str]]) -> None:
    taken: set[str] = {folded("A-ABABA.md")}
    for key, entry in entries:
        name = file_name(key, entry, "workspace", taken, default="workspace")
        assert folded(name) not in taken
        assert name == name.lower()
        assert name.isascii()
        assert ours(name)
        assert len(name) < 120
        taken.add(folded(name))


def test_what_may_be_an_entry() -> None:
    assert [name for name in ("a.md", "A.MD", ".a.md", "~a.md", "#a.md", "a.md~", "a.txt", "4913") if ours(name)] == [
        "a.md",
        "A.MD",
    ]
    assert slug("nul") == "nul-"
