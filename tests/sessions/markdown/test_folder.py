"""Writing a page that others write, too."""

from __future__ import annotations

from pathlib import Path

import pytest

from quarterdeck.errors import Broken
from sessions.markdown import folder
from sessions.markdown.folder import Page
from sessions.markdown.record import Record, dump


def any_of_them(_: Record) -> bool:
    return True


def test_what_somebody_writes_while_a_page_is_made_is_not_lost(tmp_path: Path) -> None:
    path = folder.place(tmp_path, "shop")
    seen: list[str | None] = []

    def make(old: Page | None) -> str:
        seen.append(old.text if old else None)
        if len(seen) == 1:
            path.write_text("ask Bob\n")
        return f"{len(seen)}\n"

    assert folder.put(tmp_path, "shop", any_of_them, make, first=True) == path
    assert seen == [None, "ask Bob\n"]
    assert path.read_text() == "2\n"
    (aside,) = path.parent.glob("checkpoint-*.md")
    assert aside.read_text() == "ask Bob\n"
    assert {one.name for one in path.parent.iterdir()} == {path.name, aside.name}


def test_a_page_that_never_comes_to_rest_is_left_alone(tmp_path: Path) -> None:
    path = folder.place(tmp_path, "shop")
    path.parent.mkdir(parents=True)
    path.write_text(dump(Record(session="shop")))

    def make(old: Page | None) -> str:
        assert old is not None
        path.write_text(old.text + "more\n")
        return "ours"

    with pytest.raises(Broken, match="being changed"):
        folder.put(tmp_path, "shop", any_of_them, make, first=False)
    assert path.read_text() == dump(Record(session="shop")) + "more\n" * folder.TRIES
