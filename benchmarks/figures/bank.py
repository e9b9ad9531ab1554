"""A memory bank of a hundred thousand entries: searching it, storing one more, and how much it takes on disk.

The entries and the queries are fixed (``benchmarks/corpus.py``, ``benchmarks/queries.txt``) and go through the same
calls as those of clients, on an event loop, after the bank has merged its index as it does by itself. Stores come one
at a time with a pause between them, as agents store; the time is from the call to the acknowledgement. Peer: the same
entries as a folder of markdown files, searched for a few of the words by ripgrep, or by grep where that is not
installed, with the files in the page cache.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from benchmarks.corpus import entries, queries
from benchmarks.report import Result, ratio
from benchmarks.sample import Sample
from memory.backend import Draft, Filter
from memory.markdown.format import write
from memory.sqlite.backend import SqliteBackend
from quarterdeck.clock import SystemClock
from quarterdeck.ids import new_id

ENTRIES, QUICK = 100_000, 5_000
TOGETHER = 500
STORES = 1_000
PAUSE = 0.004
"""Seconds between two stores."""
PEER = ("the", "deadlock", "rivemu")


def measure(quick: bool) -> list[Result]:
    """See the module."""
    number, rounds = (QUICK, 2) if quick else (ENTRIES, 5)
    with folder() as home:
        found, stored, size, text = asyncio.run(bank(home / "bank", number, rounds))
        with_files(home / "files", number)
        name, theirs = peer(home / "files", 1 if quick else 3)
    single = Sample.of(time_ for query, time_ in found if query in PEER)
    every = Sample.of(time_ for _, time_ in found)
    best = Sample.of(min(time_ for one, time_ in found if one == query) for query in queries())
    slowest = max(queries(), key=lambda query: max(time_ for one, time_ in found if one == query))
    return [
        Result(
            figure=f"search of {number:,} entries, {len(queries())} queries",
            goal="p50 <= 5 ms, p99 <= 50 ms",
            measured=f"{every.spread()}, longest {every.most:.0f} ms ({slowest}); "
            f"the quickest of {rounds} of each: p50 {best.p50:.1f}, longest {best.most:.0f} ms",
            peer=f"{name} over the same as files, for {', '.join(PEER)}: {theirs.spread(digits=0)}",
            ratio=ratio(single.p50, theirs.p50),
            met=every.p50 <= 5 and every.p99 <= 50,
        ),
        Result(
            figure="store to acknowledgement, the same bank",
            goal="p50 <= 2 ms",
            measured=f"{stored.spread(digits=2)}, longest {stored.most:.0f} ms",
            met=stored.p50 <= 2,
        ),
        Result(
            figure="growth per entry, the same bank",
            measured=f"{size / number / 1024:.1f} KB on disk for {text / number / 1024:.2f} KB of text, index included",
        ),
    ]


async def bank(state: Path, number: int, rounds: int) -> tuple[list[tuple[str, float]], Sample, int, int]:
    """Milliseconds of each search and of stores; bytes on disk and of text."""
    backend = await SqliteBackend.open(state, SystemClock())
    try:
        made = entries(number + STORES)
        left = number
        while left:
            some = list(islice(made, min(TOGETHER, left)))
            await backend.put([Draft(entry=new_id(), content=said, author=author) for said, author in some])
            left -= len(some)
    finally:
        await backend.aclose()
    backend = await SqliteBackend.open(state, SystemClock())
    try:
        await backend.settled()
        stats = await backend.stats()
        found = []
        for turn in range(rounds + 1):
            for query in queries():
                began = time.perf_counter()
                await backend.search(query, Filter())
                if turn:  # the first warms the page cache
                    found.append((query, (time.perf_counter() - began) * 1000))
        stored = []
        for said, author in made:
            draft = Draft(entry=new_id(), content=said, author=author)
            began = time.perf_counter()
            await backend.put([draft])
            stored.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(PAUSE)
    finally:
        await backend.aclose()
    return found, Sample.of(stored), stats.disk_bytes, stats.text_bytes


def with_files(home: Path, number: int) -> None:
    """The same entries as files, a thousand to a folder."""
    for place, (said, author) in enumerate(entries(number)):
        inside = home / f"{place // 1000:03}"
        inside.mkdir(parents=True, exist_ok=True)
        (inside / f"{place:06}.md").write_bytes(write(said, entry_id=f"e{place:06}", author=author))


def peer(home: Path, rounds: int) -> tuple[str, Sample]:
    """What searches files, and its milliseconds."""
    name = "ripgrep" if shutil.which("rg") else "grep -r"
    words = ["rg", "-liwF"] if shutil.which("rg") else ["grep", "-rliwF"]
    taken = []
    for turn in range(rounds + 1):
        for word in PEER:
            began = time.perf_counter()
            done = subprocess.run([*words, "--", word, str(home)], stdout=subprocess.PIPE, check=False)
            assert done.stdout, f"{name} finds {word}"
            if turn:
                taken.append((time.perf_counter() - began) * 1000)
    return name, Sample.of(taken)


@contextmanager
def folder() -> Iterator[Path]:
    """A folder on the disk of temporary files, gone afterwards."""
    made = Path(tempfile.mkdtemp(prefix="qd-bank-"))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
