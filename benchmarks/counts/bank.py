"""SQL of a memory bank: for one store, one search and one look, however many entries there are."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.corpus import entries
from benchmarks.counts import Count
from memory.backend import Draft, Filter
from memory.entry import Links, content
from memory.sqlite.backend import SqliteBackend
from quarterdeck.clock import SystemClock
from quarterdeck.ids import new_id

FEW, MANY = 50, 2_000


def counts() -> Iterator[Count]:
    """See the module."""
    few, many = asyncio.run(statements(FEW)), asyncio.run(statements(MANY))
    for what, most, more in (
        ("store", 14, 0),
        ("edit", 15, 0),
        (
            "search",
            8,
            2,
        ),  # of two words; one for each word, and where there are many candidates for older and for parts
        ("search with filters", 9, 2),
        ("entry", 1, 0),
    ):
        yield Count(f"SQL statements of one {what} in a bank of {MANY:,}", many[what], most)
        yield Count(f"how many more than in one of {FEW}", many[what] - few[what], more)


async def statements(number: int) -> dict[str, int]:
    """Statements of each thing that is done to a bank of that many entries."""
    with tempfile.TemporaryDirectory(prefix="qd-") as home:
        backend = await SqliteBackend.open(Path(home) / "bank", SystemClock())
        try:
            await backend.put([Draft(entry=new_id(), content=said, author=author) for said, author in entries(number)])
            one = content(body="the error", tags=("a", "b"), links=Links(files=("src/app.py",)))
            other = replace(one, body="the error again")
            await backend.settled()
            name, told, at = new_id(), dict[str, int](), backend.statements

            async def counted(what: str) -> None:
                nonlocal at
                told[what] = backend.statements - at
                await backend.settled()  # what is done afterwards is not a part of it
                at = backend.statements

            await backend.put([Draft(entry=name, content=one, author="person")])
            await counted("store")
            await backend.put([Draft(entry=name, content=other, author="person")])
            await counted("edit")
            await backend.search("the error", Filter())
            await counted("search")
            await backend.search("the error kind:error,note by:person", Filter())
            await counted("search with filters")
            await backend.entry(name)
            await counted("entry")
            return told
        finally:
            await backend.aclose()
