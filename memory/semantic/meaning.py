"""Entries by meaning: a vector of each, kept beside the bank and made again when lost, compared one by one.

A search by meaning is one by words as well: both rankings are put together by reciprocal rank, so that an entry high
in either is high in the result, and one in both is higher. What filters leave out stays out. Vectors are made off the
event loop, some entries at a time, when a search asks for them; what changed since is known from the bank's summary.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Sequence
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from memory.backend import Backend, Filter, Hit
from memory.entry import Entry
from memory.filters import matches
from memory.query import Query, parse
from memory.semantic.model import Model, model
from memory.versions import Vector
from quarterdeck import remade
from quarterdeck.clock import Clock
from quarterdeck.database import Connection, Damaged, Database
from quarterdeck.errors import Broken
from quarterdeck.text import safe

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).parent / "migrations"
APPLICATION_ID = 0x51445653  # QDVS
FILE = "vectors.db"
AT_ONCE = 64
"""Entries whose vectors are made in one go."""
PATIENCE = 2.0
"""Seconds a search waits for vectors that are being made; it then goes on with those there are."""
NEAR = 0.15
"""Cosine below which nothing is alike; of unrelated texts it is about 0.05."""
LOOKED_AT = 400
"""Nearest entries that are held against the filters."""
DEEP = 50
"""How far down either ranking counts, at least."""
RANK = 60
"""Of reciprocal rank fusion: 1 / (60 + rank), after Cormack, Clarke and Büttcher, 2009."""
SNIPPET = 200


class _Matrix(NamedTuple):
    entries: list[str]
    vectors: NDArray[np.float16]


class Meaning:
    """The vectors of one bank. Close it. Errors: :class:`Refused` where the extra is not installed, :class:`Broken`."""

    def __init__(self, state: Path, backend: Backend, clock: Clock) -> None:
        self._place = remade.place(state / FILE, MIGRATIONS, APPLICATION_ID, "the entries")
        self._backend = backend
        self._clock = clock
        self._database: Database | None = None
        self._matrix: _Matrix | None = None
        self._making: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()

    async def aclose(self) -> None:
        """Leave what is being made, and close."""
        if self._making is not None:
            self._making.cancel()
            await asyncio.gather(self._making, return_exceptions=True)
        if self._database is not None:
            await self._database.aclose()

    async def search(self, words: str, which: Filter, *, limit: int) -> list[Hit]:
        """The best entries by words and by meaning."""
        made = await asyncio.to_thread(model)
        query = parse(words, which, self._clock.wall_ns())
        by_words = await self._backend.search(words, which, limit=max(limit, DEEP))
        asked = " ".join(term.text for term in query.terms if not term.absent)
        if not asked or not self._place.path.parent.is_dir():
            return list(by_words[:limit])
        if self._making is None or self._making.done():
            self._making = asyncio.create_task(self._make(made), name="vectors made")
        done, _ = await asyncio.wait({self._making}, timeout=PATIENCE)
        if done:
            self._making.result()
        near = await self._near(made, asked, query, max(limit, DEEP))
        return _fused(by_words, near)[:limit]

    async def _near(self, made: Model, asked: str, query: Query, limit: int) -> list[Hit]:
        """Entries of which the filters let pass, the nearest first."""
        matrix = self._matrix
        if matrix is None or not matrix.entries:
            return []
        scores, order = await asyncio.to_thread(_compared, made, asked, matrix)
        found: list[Hit] = []
        without = [term.text.casefold() for term in query.terms if term.absent]
        for score, place in zip(scores, order, strict=True):
            if score < NEAR or len(found) >= limit:
                break
            entry = await self._backend.entry(matrix.entries[place])
            if entry is None or not matches(entry, query.which):
                continue
            text = f"{entry.content.key}\n{entry.content.body}"
            if not any(word in text.casefold() for word in without):
                found.append(Hit(entry=entry, snippet=safe(entry.content.body, SNIPPET), score=float(score)))
        return found

    # -- making vectors

    async def _make(self, made: Model) -> None:
        try:
            await self._follow(made, await self._open())
        except Damaged as error:
            log.warning("vectors are made again: %s", error.message)
            if self._database is not None:
                with contextlib.suppress(Broken):
                    await self._database.aclose()
            self._database = self._matrix = None
            remade.discard(self._place)
            await self._follow(made, await self._open())

    async def _follow(self, made: Model, database: Database) -> None:
        """Make the vectors of what changed since the last time."""
        summary = await self._backend.summary()
        seen, digests = await database.write(partial(_begin, name=made.name))
        if summary != seen:
            changed: dict[str, None] = {}
            async for versions in self._backend.since(seen):
                changed.update(dict.fromkeys(version.entry for version in versions))
            left = list(changed)
            while left:
                some, left = left[:AT_ONCE], left[AT_ONCE:]
                entries = [await self._backend.entry(name) for name in some]
                gone = [name for name, entry in zip(some, entries, strict=True) if entry is None]
                new = [(entry.id, *_said(entry)) for entry in entries if entry is not None]
                new = [one for one in new if digests.get(one[0]) != one[1]]
                vectors = await asyncio.to_thread(made.embed, [text for *_, text in new]) if new else None
                rows = (
                    [
                        (name, digest, vector.astype("float16").tobytes())
                        for (name, digest, _), vector in zip(new, vectors, strict=True)
                    ]
                    if vectors is not None
                    else []
                )
                if rows or gone:
                    await database.write(partial(_put, rows=rows, gone=gone))
                    self._matrix = None
            await database.write(partial(_note, seen=summary))
        if self._matrix is None:
            self._matrix = await database.read(_matrix)

    async def _open(self) -> Database:
        if self._database is None:
            self._database = await remade.opened(self._place, self._clock)
        return self._database


def _said(entry: Entry) -> tuple[bytes, str]:
    text = f"{entry.content.key}\n{' '.join(entry.content.tags)}\n{entry.content.body}"
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest(), text


def _begin(db: Connection, name: str) -> tuple[Vector, dict[str, bytes]]:
    """What of the bank is here; nothing, where the vectors are another model's."""
    notes = dict(db.execute("SELECT name, value FROM notes").fetchall())
    if notes.get("model") != name:
        db.execute("DELETE FROM vectors")
        db.execute("DELETE FROM notes")
        db.execute("INSERT INTO notes VALUES ('model', ?)", (name,))
        return {}, {}
    seen: Vector = json.loads(notes.get("seen", "{}"))
    return seen, dict(db.execute("SELECT entry, digest FROM vectors").fetchall())


def _put(db: Connection, rows: Sequence[tuple[str, bytes, bytes]], gone: Sequence[str]) -> None:
    db.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)
    db.executemany("DELETE FROM vectors WHERE entry = ?", [(name,) for name in gone])


def _note(db: Connection, seen: Vector) -> None:
    db.execute("INSERT OR REPLACE INTO notes VALUES ('seen', ?)", (json.dumps(dict(seen)),))


def _matrix(db: Connection) -> _Matrix:
    import numpy as np

    rows = db.execute("SELECT entry, vector FROM vectors").fetchall()
    vectors = np.frombuffer(b"".join(vector for _, vector in rows), np.float16)
    return _Matrix([name for name, _ in rows], vectors.reshape(len(rows), -1) if rows else vectors)


def _compared(made: Model, asked: str, matrix: _Matrix) -> tuple[list[float], list[int]]:
    import numpy as np

    (wanted,) = made.embed([asked])
    scores = np.empty(len(matrix.entries), np.float32)
    for at in range(0, len(scores), 8_192):  # widened piece by piece: all at once would double the memory
        scores[at : at + 8_192] = matrix.vectors[at : at + 8_192].astype(np.float32) @ wanted
    order = np.argsort(-scores, kind="stable")[:LOOKED_AT]
    return scores[order].tolist(), order.tolist()


def _fused(by_words: Sequence[Hit], near: Sequence[Hit]) -> list[Hit]:
    """Both rankings as one; of what both found the snippet is that with the words."""
    scores: dict[str, float] = {}
    hits: dict[str, Hit] = {}
    for ranking in (by_words, near):
        for rank, hit in enumerate(ranking, 1):
            scores[hit.entry.id] = scores.get(hit.entry.id, 0.0) + 1 / (RANK + rank)
            hits.setdefault(hit.entry.id, hit)
    best = sorted(hits.values(), key=lambda hit: (-scores[hit.entry.id], -hit.entry.updated_ns, hit.entry.id))
    return [Hit(entry=hit.entry, snippet=hit.snippet, score=scores[hit.entry.id]) for hit in best]
