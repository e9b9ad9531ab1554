"""Entries as they stand as a table (CSV, RFC 4180, UTF-8), for spreadsheets and scripts.

A cell that a spreadsheet would take for a formula gets an apostrophe before it, and so does one that begins with an
apostrophe before such a character; reading takes it away again, so that the way there and back is exact.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime

import msgspec

from memory.backend import Backend, Filter
from memory.entry import BODY_LIMIT
from memory.exchange.items import Item, Problem, items
from memory.records import ContentRecord, EntryId, LinksRecord, Seen, content_in
from memory.versions import Dot
from quarterdeck.errors import Invalid
from quarterdeck.text import nearest, safe

COLUMNS = (
    *("id", "key", "kind", "namespace", "pinned", "tags", "body", "agents", "tasks", "commits", "files"),
    *("author", "editor", "created", "updated", "extra", "version", "seen", "digest"),
)
_LINKS = ("agents", "tasks", "commits", "files")
_BOM = "\ufeff"
_RISKY = re.compile(r"'*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]")
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z")
_CELL = BODY_LIMIT * 2


class _Cells(msgspec.Struct):
    id: EntryId
    seen: Seen
    extra: list[tuple[str, str]]


async def written(backend: Backend, which: Filter) -> AsyncIterator[bytes]:
    """The table piece by piece, its heading first. It begins with a byte order mark: spreadsheets guess without."""
    yield _BOM.encode() + _row(COLUMNS)
    async for item in items(backend, which):
        yield _row([_guarded(cell) for cell in _cells(item)])


def _row(cells: tuple[str, ...] | list[str]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().encode("utf-8", "surrogatepass")


def _cells(item: Item) -> list[str]:
    said = item.content
    return [
        *(item.id, said.key, str(said.kind), said.namespace, "yes" if said.pinned else "", " ".join(said.tags)),
        *(said.body, *(_many(getattr(said.links, name)) for name in _LINKS)),
        *(item.author, item.editor, _time(item.created_ns), _time(item.updated_ns)),
        json.dumps([list(pair) for pair in said.extra], ensure_ascii=False) if said.extra else "",
        *(str(item.dot or ""), json.dumps(dict(item.seen)) if item.seen else "", item.digest),
    ]


def read(data: bytes) -> list[Item | Problem]:
    """What a table holds, row by row. Raises :class:`Invalid` for one without the columns we know."""
    try:
        text = data.decode("utf-8").removeprefix(_BOM)
    except UnicodeDecodeError as error:
        raise Invalid(
            f"this is no table in UTF-8 (byte {error.start:,}); nothing was imported", hint="save it as CSV UTF-8"
        ) from None
    csv.field_size_limit(_CELL)  # of the whole process, which reads no other tables
    return list(_rows(csv.reader(io.StringIO(text, newline=""), strict=True)))


def _rows(reader: Iterator[list[str]]) -> Iterator[Item | Problem]:
    at: Callable[[], int] = lambda: reader.line_num  # type: ignore[attr-defined]  # noqa: E731
    try:
        names = [name.strip().lower() for name in next(reader, [])]
    except csv.Error as error:
        raise Invalid(f"this is no table: line 1: {error}; nothing was imported") from None
    for name in names:
        if name not in COLUMNS:
            raise Invalid(
                f"the table has a column {safe(name, 40)!r}; nothing was imported",
                hint=nearest(name, COLUMNS) or "there are " + ", ".join(COLUMNS),
            )
    if len(set(names)) != len(names) or not {"key", "body"} & set(names):
        raise Invalid("a table has each column once, and one named key or body; nothing was imported")
    while True:
        line = at() + 1
        try:
            cells = next(reader)
            if not cells:
                continue
            if len(cells) != len(names):
                raise Invalid(f"{len(cells)} cells where the heading has {len(names)}")
            yield _item(dict(zip(names, map(_plain, cells), strict=True)), line)
        except StopIteration:
            return
        except csv.Error as error:  # a quote that is never closed takes all that follows with it
            yield Problem(line=line, reason=str(error))
        except Invalid as error:
            yield Problem(line=line, reason=f"{error.message}; {error.hint}" if error.hint else error.message)


def _item(cells: dict[str, str], line: int) -> Item:
    def get(name: str) -> str:
        return cells.get(name, "")

    try:
        given = msgspec.convert(
            {
                "id": get("id").strip() or "unnamed",
                "seen": json.loads(get("seen") or "{}"),
                "extra": json.loads(get("extra") or "[]"),
            },
            _Cells,
        )
        links = {name: _parts(get(name)) for name in _LINKS}
    except (ValueError, RecursionError) as error:  # msgspec's errors are of this kind too
        raise Invalid(f"a cell cannot be read: {safe(str(error), 120)}") from None
    version = get("version").strip().rpartition(":")
    if version[0] and not (version[2].isascii() and version[2].isdigit()):
        raise Invalid(f"{safe(get('version'), 40)!r} is no version")
    pinned = get("pinned").strip().lower()
    if pinned not in ("", "yes", "no", "true", "false", "1", "0"):
        raise Invalid(f"{safe(pinned, 40)!r} is not yes or no in the column pinned")
    said = content_in(
        ContentRecord(
            key=get("key"),
            kind=get("kind").strip().lower() or "note",
            namespace=get("namespace").strip() or "workspace",
            body=get("body"),
            tags=get("tags").split(),
            links=LinksRecord(**links),
            pinned=pinned in ("yes", "true", "1"),
            extra=given.extra,
        )
    )
    return Item(
        content=said,
        line=line,
        id=given.id if get("id").strip() else "",
        author=safe(get("author")),
        editor=safe(get("editor")),
        created_ns=_ns(get("created")),
        updated_ns=_ns(get("updated")),
        dot=Dot(version[0], int(version[2])) if version[0] else None,
        seen=given.seen,
        digest=get("digest").strip(),
    )


def _guarded(cell: str) -> str:
    return f"'{cell}" if _RISKY.match(cell) else cell


def _plain(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _RISKY.match(cell, 1) else cell


def _many(values: tuple[str, ...]) -> str:
    """Several texts in one cell: a line each; as JSON where a line would not do."""
    text = "\n".join(values)
    lines = all(value and value == value.strip() and len(value.splitlines()) == 1 for value in values)
    plain = lines and not text.startswith("[")
    return text if plain else json.dumps(values, ensure_ascii=False)


def _parts(cell: str) -> list[str]:
    if cell.startswith("["):
        return msgspec.convert(json.loads(cell), list[str])
    return [line.strip() for line in cell.splitlines() if line.strip()]


def _time(ns: int) -> str:
    if not ns:
        return ""
    seconds, rest = divmod(ns, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def _ns(cell: str) -> int:
    if not cell.strip():
        return 0
    found = _TIME.fullmatch(cell.strip())
    try:
        if found is None:
            raise ValueError
        seconds = int(datetime.fromisoformat(found[1] + "+00:00").timestamp())
    except ValueError:
        raise Invalid(f"{safe(cell, 40)!r} is no time", hint="write it like 2026-01-31T12:00:00Z") from None
    if not 0 <= seconds < 7_258_118_400:
        raise Invalid(f"{safe(cell, 40)!r} is not between 1970 and 2200")
    return seconds * 10**9 + int((found[2] or "0").ljust(9, "0"))
