"""Finding a line in a hundred megabytes of what agents printed: indexing, searching, and the size of the index.

Four agents that print coloured logs, and four that draw a whole screen over and over, as agents' own interfaces do;
each journal is written by the writer holders use, with its times. They are indexed by the calls of the orchestrator, as
fast as it goes (somebody waits), and searched for words, phrases and beginnings that are in very many passages, some,
or one. Peer: the same lines as plain text files, searched by ripgrep, or by grep where that is not installed, with the
files in the page cache; it prints all lines that match, not the best.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from benchmarks.corpus import SEED, vocabulary
from benchmarks.figures.bank import folder
from benchmarks.report import Result, ratio
from benchmarks.sample import Sample
from memory.backend import Filter
from memory.query import parse
from memory.texts.index import FILE, TextIndex
from memory.texts.source import TextFilter, TextSource
from orchestrator.sources import JournalSource
from quarterdeck.clock import SystemClock
from quarterdeck.redaction import Redactor
from terminals import journal
from terminals.readable import Readable

SIZE, QUICK = 100 << 20, 8 << 20
AGENTS = 4
"""Of either sort."""
QUERIES = (
    "error",
    "the",
    "deadlock",
    "rivemu",
    "zanolo",
    '"connection retry"',
    "sess* timeout",
    "needle4711",
    "queue -lock",
)
SINGLE = ("deadlock", "rivemu", "needle4711")
LINE_NS = 2_000_000


def measure(quick: bool) -> list[Result]:
    """See the module."""
    total = QUICK if quick else SIZE
    with folder() as home:
        sources = written(home / "agents", total // (2 * AGENTS))
        logs = sources[:AGENTS]
        printed = sum(journal.end(source.folders[0]) for source in sources)
        of_logs = sum(journal.end(source.folders[0]) for source in logs)
        speed_logs, _, _ = asyncio.run(indexed(home / "memory", logs))
        speed_drawn, size, chars = asyncio.run(indexed(home / "memory", sources))
        found = asyncio.run(searched(home / "memory", sources, 2 if quick else 5))
        as_text(home / "plain", sources)
        name, theirs = peer(home / "plain", 1 if quick else 3)
    every = Sample.of(taken for _, taken in found)
    single = Sample.of(taken for query, taken in found if query in SINGLE)
    slowest = max(found, key=lambda one: one[1])[0]
    mega = 1 << 20
    return [
        Result(
            figure=f"first results over {printed / mega:.0f} MB of journals, {len(QUERIES)} queries",
            goal="p99 <= 300 ms",
            measured=f"{every.spread()}, longest {every.most:.0f} ms ({slowest})",
            peer=f"{name} over the same lines as files, for {', '.join(SINGLE)}: {theirs.spread(digits=0)}",
            ratio=ratio(single.p50, theirs.p50),
            met=every.p99 <= 300,
        ),
        Result(
            figure="indexing journals",
            measured=f"logs {of_logs / mega / speed_logs:.1f} MB/s, "
            f"screens drawn over and over {(printed - of_logs) / mega / speed_drawn:.1f} MB/s",
        ),
        Result(
            figure="size of the index",
            measured=f"{size / printed:.2f} MB on disk for each MB of journal, "
            f"{size / max(chars, 1):.2f} MB for each MB of text kept",
        ),
    ]


def written(home: Path, size: int) -> list[JournalSource]:
    """Journals of about ``size`` bytes: of logs, then of screens."""
    sources = []
    for number in range(2 * AGENTS):
        chance = random.Random(SEED + number)
        words = vocabulary()
        weights = list(itertools.accumulate(1 / (place + 2) for place in range(len(words))))
        now = time.time_ns() - 3600 * 10**9
        clock = itertools.count(now, LINE_NS)
        agent = f"agent{number}"
        writer = journal.Writer(
            home / agent / "journal", cols=120, lines=36, wall_ns=clock.__next__, limit=1 << 40, boot_id="bench"
        )
        try:
            said = lines(chance, words, weights, needle=number == 2)
            draw = _log if number < AGENTS else _screen
            for piece in draw(said):
                writer.append(piece)
                if writer.offset >= size:
                    break
        finally:
            writer.close()
        sources.append(JournalSource(agent, (home / agent / "journal",)))
    return sources


def lines(chance: random.Random, words: list[str], weights: list[float], *, needle: bool) -> Iterator[str]:
    """Lines of 5 to 18 words without end; one of them has a word no other has."""
    for number in itertools.count():
        said = chance.choices(words, cum_weights=weights, k=chance.randint(5, 18))
        if needle and number == 4_711:
            said[3] = "needle4711"
        yield " ".join(said)


def _log(said: Iterable[str]) -> Iterator[bytes]:
    for number, line in enumerate(said):
        level = ("\x1b[32mINFO", "\x1b[33mWARN", "\x1b[31mERROR")[number % 3]
        yield f"\x1b[2m12:{number // 60 % 60:02}:{number % 60:02}\x1b[0m {level}\x1b[0m {line}\r\n".encode()


def _screen(said: Iterable[str]) -> Iterator[bytes]:
    """A talk of which the last lines are shown, drawn whole for each new one and for each turn of a spinner."""
    yield b"\x1b[?1049h\x1b[?25l"
    shown: list[str] = []
    for number, line in enumerate(said):
        shown = [*shown, line][-30:]
        for turn in range(6):
            rows = [
                f"\x1b[{y + 2};1H\x1b[38;5;{(number + y) % 255}m│ {row[:114]:<114} │\x1b[0m"
                for y, row in enumerate(shown)
            ]
            spin = "⠋⠙⠹⠸⠼⠴"[turn]
            yield f"\x1b[?2026h\x1b[H{''.join(rows)}\x1b[34;1H{spin} Working ({number}s)\x1b[K\x1b[?2026l".encode()


async def indexed(state: Path, sources: Sequence[TextSource]) -> tuple[float, int, int]:
    """Seconds it took, bytes on disk, characters kept."""

    async def everything() -> Sequence[TextSource]:
        return sources

    began = time.perf_counter()
    async with TextIndex.open(state, SystemClock(), Redactor(), everything) as index:
        await index.settle()
        took = time.perf_counter() - began
        chars = await index.chars()
    size = sum(file.stat().st_size for file in state.glob(f"{FILE}*"))
    return took, size, chars


async def searched(state: Path, sources: Sequence[TextSource], rounds: int) -> list[tuple[str, float]]:
    """Milliseconds of each search."""

    async def everything() -> Sequence[TextSource]:
        return sources

    found = []
    async with TextIndex.open(state, SystemClock(), Redactor(), everything) as index:
        await index.settle()
        for turn in range(rounds + 1):
            for words in QUERIES:
                began = time.perf_counter()
                answer = await index.search(parse(words, Filter(), time.time_ns()), TextFilter(), limit=20)
                if turn:
                    found.append((words, (time.perf_counter() - began) * 1000))
                assert answer.hits or words != "needle4711", words
    return found


def as_text(home: Path, sources: Sequence[JournalSource]) -> None:
    """The same lines as files."""
    home.mkdir()
    for source in sources:
        reader = Readable(source.folders[0])
        with (home / f"{source.agent}.txt").open("w") as file:
            while reader.more:
                for piece in reader.read(1 << 20):
                    file.writelines(line + "\n" for line in piece.lines)
        reader.close()


def peer(home: Path, rounds: int) -> tuple[str, Sample]:
    """What searches files, and its milliseconds."""
    name = "ripgrep" if shutil.which("rg") else "grep -r"
    words = ["rg", "-iwF"] if shutil.which("rg") else ["grep", "-riwF"]
    taken = []
    for turn in range(rounds + 1):
        for word in SINGLE:
            began = time.perf_counter()
            done = subprocess.run([*words, "--", word, str(home)], stdout=subprocess.PIPE, check=False)
            assert done.stdout or word != "needle4711", f"{name} finds {word}"
            if turn:
                taken.append((time.perf_counter() - began) * 1000)
    return name, Sample.of(taken)
