"""A bank of entries to measure with: words as often as in prose, identifiers, paths, tags; the same each time."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from pathlib import Path

from memory.entry import Content, Kind, Links, content

SEED = 20260131
QUERIES = Path(__file__).parent / "queries.txt"
_COMMON = """
the of and to in is that for it as was with be on not by are or from at this which but have an had they you were one all
we can has there been if more when will would who so no out up into than them then its about
error session connection test file agent retry timeout request response cache branch commit build schema index migration
deadlock thread lock queue worker token parser config database table column query socket terminal screen journal
snapshot restore merge conflict review deploy release server client handler router template module function class
method argument value default option flag path folder process signal memory buffer stream
""".split()  # noqa: SIM905  a page of prose reads better
_PARTS = (
    "ka",
    "ri",
    "mu",
    "lo",
    "ve",
    "zan",
    "kest",
    "tor",
    "pil",
    "do",
    "sha",
    "bre",
    "nix",
    "quo",
    "ad",
    "emu",
    "ur",
)
_RARE = ("rivemu", "kestad", "zanolo")
VERBS = ("load", "parse", "retry", "merge", "read", "write")
NOUNS = ("session", "config", "queue", "cache", "index", "schema")
WORDS_LIMIT = 30_000


def vocabulary() -> list[str]:
    """Words, the most frequent first; three of the rare ones have names, so that queries can ask for them."""
    chance = random.Random(SEED)
    words = dict.fromkeys(_COMMON)
    while len(words) < WORDS_LIMIT:
        words["".join(chance.choices(_PARTS, k=chance.randint(2, 5)))] = None
    listed = [word for word in words if word not in _RARE]
    for place, word in zip((2_000, 8_000, 20_000), _RARE, strict=True):
        listed.insert(place, word)
    return listed


def queries() -> list[str]:
    """What is searched for."""
    return [line for line in QUERIES.read_text("utf-8").splitlines() if line and not line.startswith("#")]


def entries(number: int) -> Iterator[tuple[Content, str]]:
    """That many contents, each with its author; 20 to 150 words each."""
    chance = random.Random(SEED)
    words = vocabulary()
    weights = list(itertools.accumulate(1 / (place + 2) for place in range(len(words))))
    files = [f"src/{part}/{noun}.py" for part in ("api", "db", "ui", "core") for noun in NOUNS]
    kinds = list(Kind)
    for _ in range(number):
        said = chance.choices(words, cum_weights=weights, k=chance.randint(20, 150))
        for place in range(9, len(said), 23):
            name = f"{chance.choice(VERBS)}_{chance.choice(NOUNS)}"
            said[place] = chance.choice((name, f"{name}_{chance.randrange(100)}", chance.choice(files)))
        lines = [" ".join(said[start : start + 14]) for start in range(0, len(said), 14)]
        place = chance.random()
        own = f"session/s{chance.randrange(8)}" if place < 0.9 else f"agent/a{chance.randrange(4)}"
        yield (
            content(
                key=" ".join(said[:6]),
                body="\n".join(lines) + "\n",
                kind=chance.choice(kinds),
                namespace="workspace" if place < 0.7 else own,
                tags=tuple({f"t{chance.randrange(300)}" for _ in range(chance.randrange(4))}),
                links=Links(files=(chance.choice(files),)) if chance.random() < 0.2 else Links(),
                pinned=chance.random() < 0.001,
            ),
            "person" if chance.random() < 0.1 else f"agent/a{chance.randrange(4)}",
        )
