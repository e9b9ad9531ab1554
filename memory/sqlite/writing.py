"""What changes the tables. Each function runs inside one transaction, on the thread of the connection."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from memory.backend import Draft, Version
from memory.entry import Content
from memory.sqlite.rows import CONTENT, VERSION, VERSIONS, dumps, pack, unpack, vector, version_of
from memory.versions import Dot, Vector, context, covers, heads, joined
from quarterdeck.database import Connection
from quarterdeck.errors import NotFound

_MARKS = "?, ?, ?, ?, ?, ?, ?, ?"
_ADD_VERSION = f"INSERT INTO versions (number, entry, {', '.join(VERSION)}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, {_MARKS})"  # noqa: S608
_ENTRY = (
    *("shown", "text", "key", "kind", "namespace", "pinned", "bytes", "author", "editor", "created_ns", "updated_ns"),
    *("newest_ns", "heads", "seen", "conflict", "deleted"),
)
_ADD_ENTRY = f"INSERT INTO entries (number, id, {', '.join(_ENTRY)}) VALUES (?, ?, {', '.join('?' * len(_ENTRY))})"  # noqa: S608
_SET_ENTRY = f"UPDATE entries SET {', '.join(f'{name} = ?' for name in _ENTRY)}, behind = 1 WHERE number = ?"  # noqa: S608
_WORDS = "key, tags, links, body, marks"
_INDEX = (
    f"INSERT INTO words (rowid, {_WORDS}) "  # noqa: S608
    f"SELECT number, {_WORDS} FROM texts WHERE number = ? AND key IS NOT NULL"
)
_UNINDEX = (
    f"INSERT INTO words (words, rowid, {_WORDS}) "  # noqa: S608
    f"SELECT 'delete', number, {_WORDS} FROM texts WHERE number = ? AND key IS NOT NULL"
)
_SORTS = ("tag", "agent", "task", "commit", "file")


class _Known(NamedTuple):
    """What is known of an entry before a change."""

    number: int
    text: int
    author: str
    created_ns: int
    newest_ns: int
    heads: list[Dot]
    seen: dict[str, int]


class _Numbered(NamedTuple):
    number: int
    version: Version


def put(db: Connection, writer: str, drafts: Sequence[Draft], now_ns: int) -> list[Version]:
    """Number and store drafts. The clock may stand or go back: an entry's versions have rising times all the same.

    Raises :class:`NotFound` for the deletion of an entry that is not there.
    """
    row = db.execute("SELECT seq FROM writers WHERE writer = ?", (writer,)).fetchone()
    seq = row[0] if row else 0
    stored = []
    for draft in drafts:
        seq += 1
        known = _known(db, draft.entry)
        if known is None and draft.content is None:
            raise NotFound(f"there is no entry {draft.entry} to delete; nothing was stored")
        dot = Dot(writer, seq)
        seen = _seen(db, known, draft.seen)
        version = Version(
            entry=draft.entry,
            dot=dot,
            seen=seen,
            content=draft.content,
            author=draft.author,
            why=draft.why,
            written_ns=max(now_ns, known.newest_ns + 1) if known else now_ns,
        )
        _add(db, known, version)
        stored.append(version)
    _summarise(db, writer, seq)
    return stored


def receive(db: Connection, versions: Iterable[Version]) -> list[str]:
    """Store versions of other writers in the order of their numbers; the entries that changed."""
    summary = dict(db.execute("SELECT writer, seq FROM writers").fetchall())
    changed = dict[str, None]()
    for version in sorted(versions, key=lambda version: version.dot):
        writer, seq = version.dot
        if seq <= summary.get(writer, 0):
            continue
        known = _known(db, version.entry)
        summary[writer] = seq
        _summarise(db, writer, seq)
        _add(db, known, version)
        changed[version.entry] = None
    return list(changed)


def settle(db: Connection, entry_id: str, shown: Dot, conflict: bool) -> bool:
    """Show one of the heads. False where it is none any more, or nothing changed."""
    known = _known(db, entry_id)
    if known is None or shown not in known.heads:
        return False
    (before,) = db.execute("SELECT conflict FROM entries WHERE number = ?", (known.number,)).fetchone()
    if known.heads[0] == shown and bool(before) == conflict:
        return False
    standing = _heads(db, known.number)
    chosen = next(head for head in standing if head.version.dot == shown)
    _show(db, entry_id, known, standing, chosen, conflict)
    return True


def forget(db: Connection, entries: Sequence[str], before_ns: int) -> tuple[int, list[str]]:
    """Remove what is superseded and older; whole entries that were deleted before. How many versions, which entries."""
    gone, ended = 0, []
    for entry_id in entries:
        known = _known(db, entry_id)
        if known is None:
            continue
        (deleted, updated_ns) = db.execute(
            "SELECT deleted, updated_ns FROM entries WHERE number = ?", (known.number,)
        ).fetchone()
        if deleted and updated_ns < before_ns:
            db.execute(_UNINDEX, (known.text,))
            gone += db.execute("DELETE FROM versions WHERE entry = ?", (known.number,)).rowcount
            db.execute("DELETE FROM entries WHERE number = ?", (known.number,))
            db.execute("DELETE FROM files WHERE entry = ?", (entry_id,))
            ended.append(entry_id)
            continue
        rows = db.execute(
            "SELECT number, writer, seq FROM versions WHERE entry = ? AND written_ns < ?", (known.number, before_ns)
        ).fetchall()
        old = [(number,) for number, *dot in rows if Dot(*dot) not in known.heads and number != known.text]
        db.executemany("DELETE FROM versions WHERE number = ?", old)
        gone += len(old)
    return gone, ended


def catch_up(db: Connection, entries: Iterable[str]) -> None:
    """Note again for these entries whether their files are behind."""
    db.executemany(
        "UPDATE entries SET behind = CASE WHEN deleted THEN EXISTS (SELECT 1 FROM files f WHERE f.entry = entries.id "
        "AND NOT EXISTS (SELECT 1 FROM versions v WHERE v.writer = f.writer AND v.seq = f.seq "
        "AND v.number = entries.shown)) "
        "ELSE NOT EXISTS (SELECT 1 FROM files f JOIN versions v ON v.writer = f.writer AND v.seq = f.seq "
        "WHERE f.entry = entries.id AND v.number = entries.shown AND NOT f.owed) END WHERE id = ?",
        [(entry,) for entry in entries],
    )


def _known(db: Connection, entry_id: str) -> _Known | None:
    row = db.execute(
        "SELECT number, text, author, created_ns, newest_ns, heads, seen FROM entries WHERE id = ?", (entry_id,)
    ).fetchone()
    if row is None:
        return None
    number, text, author, created_ns, newest_ns, now, seen = row
    standing = [Dot(*dot) for dot in json.loads(now)]
    return _Known(number, text, author, created_ns, newest_ns, standing, json.loads(seen))


def _seen(db: Connection, known: _Known | None, said: Vector | None) -> dict[str, int]:
    """What a draft's author has seen: nothing that is not here, and with each version all that it had seen."""
    if known is None:
        return {}
    if said is None:
        return known.seen
    bounded = {
        writer: min(seq, known.seen[writer]) for writer, seq in said.items() if known.seen.get(writer, 0) and seq
    }
    if bounded == known.seen:
        return bounded
    rows = db.execute("SELECT writer, seq, seen FROM versions WHERE entry = ?", (known.number,)).fetchall()
    return joined(bounded, *(json.loads(seen) for writer, seq, seen in rows if covers(bounded, Dot(writer, seq))))


def _add(db: Connection, known: _Known | None, version: Version) -> None:
    """Store a version and renew its entry."""
    number = db.execute("SELECT coalesce(max(number), 0) + 1 FROM versions").fetchone()[0]
    own = _Numbered(number, version)
    seen = context([version])
    if known is None:
        entry = db.execute("SELECT coalesce(max(number), 0) + 1 FROM entries").fetchone()[0]
        after = _Known(entry, 0, version.author, version.written_ns, version.written_ns, [], seen)
    else:
        first = min((known.created_ns, known.author), (version.written_ns, version.author))
        after = known._replace(
            created_ns=first[0],
            author=first[1],
            newest_ns=max(known.newest_ns, version.written_ns),
            seen=joined(known.seen, seen),
        )
    written = (*version.dot, vector(version.seen), version.author, version.why, version.written_ns)
    db.execute(_ADD_VERSION, (number, after.number, *written, *pack(version.content)))
    if all(covers(version.seen, head) for head in after.heads) and (
        known is None or not covers(known.seen, version.dot)
    ):
        standing = [own]
    else:
        standing = _heads(db, after.number)
    live = [head for head in standing if head.version.content is not None]
    shown = max(live or standing, key=lambda head: (head.version.written_ns, head.version.dot))
    conflict = len({pack(head.version.content) for head in live}) > 1
    _show(db, version.entry, after, standing, shown, conflict)


def _heads(db: Connection, entry: int) -> list[_Numbered]:
    """The versions that stand, of all that are stored."""
    rows = db.execute(f"SELECT v.number, {VERSIONS.removeprefix('SELECT ')} WHERE v.entry = ?", (entry,)).fetchall()
    every = {version.dot: _Numbered(number, version) for number, version in ((r[0], version_of(r[1:])) for r in rows)}
    return [every[version.dot] for version in heads(known.version for known in every.values())]


def _show(
    db: Connection, entry_id: str, known: _Known, standing: Sequence[_Numbered], shown: _Numbered, conflict: bool
) -> None:
    """Write an entry's row, its words and its marks. ``known.text`` 0: it has none yet."""
    content, text = shown.version.content, shown.number
    if content is None:
        row = db.execute(
            f"SELECT number, {', '.join(CONTENT)} FROM versions WHERE entry = ? AND key IS NOT NULL "  # noqa: S608
            "ORDER BY written_ns DESC, writer DESC, seq DESC LIMIT 1",
            (known.number,),
        ).fetchone()
        if row is not None:
            text, content = row[0], unpack(row[1:])
    first = [shown.version.dot, *(head.version.dot for head in standing if head is not shown)]
    said = content or Content(key="", body="")
    values = (
        *(shown.number, text, said.key, str(said.kind), said.namespace, int(said.pinned)),
        *(len(said.body.encode()), known.author, shown.version.author, known.created_ns, shown.version.written_ns),
        *(known.newest_ns, dumps(first), vector(known.seen), int(conflict), int(shown.version.content is None)),
    )
    if known.text:
        db.execute(_SET_ENTRY, (*values, known.number))
    else:
        db.execute(_ADD_ENTRY, (known.number, entry_id, *values))
    if text == known.text:
        return
    if known.text:
        db.execute(_UNINDEX, (known.text,))
        db.execute("DELETE FROM marks WHERE entry = ?", (known.number,))
    db.execute(_INDEX, (text,))
    links = said.links
    marks = zip(_SORTS, (said.tags, links.agents, links.tasks, links.commits, links.files), strict=True)
    rows = [(sort, value, known.number) for sort, values in marks for value in dict.fromkeys(values)]
    if rows:
        db.executemany("INSERT INTO marks (sort, value, entry) VALUES (?, ?, ?)", rows)


def _summarise(db: Connection, writer: str, seq: int) -> None:
    db.execute(
        "INSERT INTO writers (writer, seq) VALUES (?, ?) ON CONFLICT (writer) DO UPDATE SET seq = excluded.seq",
        (writer, seq),
    )
