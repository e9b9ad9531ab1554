"""Any sequence of what banks and people do: database and folder agree afterwards, and nothing stored is lost."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from memory.backend import Draft, Filter
from memory.entry import content
from memory.hybrid import HybridBackend
from memory.markdown.backend import MarkdownBackend
from memory.markdown.format import parse
from memory.sqlite.backend import SqliteBackend
from quarterdeck.clock import SystemClock

NAMES = st.sampled_from(["a", "b", "c", "d"])
WORDS = st.sampled_from(["one", "two\n", "---\nx", "Größe\r\n", "", "a: b"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), NAMES, WORDS),
        st.tuples(st.just("delete"), NAMES, st.just("")),
        st.tuples(st.just("write"), NAMES, WORDS),
        st.tuples(st.just("append"), NAMES, WORDS),
        st.tuples(st.just("remove"), NAMES, st.just("")),
        st.tuples(st.just("rename"), NAMES, NAMES),
        st.tuples(st.just("copy"), NAMES, NAMES),
        st.tuples(st.sampled_from(["sync", "restart"]), st.just(""), st.just("")),
    ),
    min_size=1,
    max_size=12,
)


class Run:
    """One bank and what is done to it; looked at only when told to."""

    def __init__(self, root: Path, markdown: bool) -> None:
        self.root = root
        self.markdown = markdown
        self.folder = root / ".quarterdeck" / "memory"
        self.backend: HybridBackend

    async def begin(self) -> None:
        if self.markdown:
            self.backend = await MarkdownBackend.open(self.root, clock=SystemClock())
        else:
            store = await SqliteBackend.open(self.root / "state", SystemClock())
            self.backend = HybridBackend(store, self.root)
        await self.backend.start()

    def file(self, name: str) -> Path:
        """The file a person means: by name, else some file there is."""
        files = sorted(self.folder.glob("*.md"))
        return next((path for path in files if path.name[0] == name), self.folder / f"{name}.md")

    async def do(self, what: str, name: str, words: str) -> None:
        if what == "put":
            said = content(key=f"{name} key", body=words)
            await self.backend.put([Draft(entry=f"entry-{name}", content=said, author="person")])
        elif what == "delete":
            if await self.backend.entry(f"entry-{name}"):
                await self.backend.put([Draft(entry=f"entry-{name}", content=None, author="person", why="deleted")])
        elif what == "sync":
            await self.backend.sync()
        elif what == "restart":
            await self.backend.aclose()
            await self.begin()
        else:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.by_hand(what, self.file(name), words)

    def by_hand(self, what: str, path: Path, words: str) -> None:
        if what == "write":
            path.write_bytes(words.encode())
        elif what == "append" and path.exists():
            path.write_bytes(path.read_bytes() + words.encode())
        elif what == "remove":
            path.unlink(missing_ok=True)
        elif what == "rename" and path.exists():
            path.rename(self.folder / f"{words} renamed.md")
        elif what == "copy" and path.exists():
            (self.folder / f"{words} copy.md").write_bytes(path.read_bytes())

    async def agree(self) -> None:
        problems = [one for one in await self.backend.sync() if "not on this branch" not in one.message]
        entries = {one.path: one for one in await self.backend.find(Filter(missing=False), limit=1000)}
        bad = {one.path for one in problems}
        files = {
            path.name: parse(path.read_bytes(), path.name) for path in self.folder.glob("*.md") if path.name not in bad
        }
        assert {path: (one.id, one.content) for path, one in entries.items() if path not in bad} == {
            path: (page.id, page.content) for path, page in files.items()
        }
        assert bad <= {path.name for path in self.folder.glob("*.md")}
        for one in await self.backend.find(Filter(missing=True), limit=1000):
            assert not (self.folder / one.path).exists()
        before = {path: path.read_bytes() for path in self.folder.glob("*.md")}
        versions = (await self.backend.stats()).versions
        await self.backend.sync()
        assert {path: path.read_bytes() for path in self.folder.glob("*.md")} == before, "at rest"
        assert (await self.backend.stats()).versions == versions


async def check(steps: list[tuple[str, str, str]], markdown: bool) -> None:
    with tempfile.TemporaryDirectory() as place:
        run = Run(Path(place), markdown)
        await run.begin()
        try:
            for what, name, words in steps:
                await run.do(what, name, words)
            await run.agree()
        finally:
            await run.backend.aclose()


@pytest.mark.parametrize("markdown", [False, True], ids=["sqlite", "markdown"])
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
@example(
    steps=[("put", "a", "one"), ("write", "c", "one"), ("rename", "c", "b"), ("sync", "", ""), ("rename", "a", "b")]
)
def test_database_and_folder_agree(steps: list[tuple[str, str, str]], markdown: bool) -> None:
    asyncio.run(check(steps, markdown))
