"""Entries as they stand as a folder of markdown files, as a workspace has one, and ``export.json`` beside them.

The files are for people; what they do not say (when an entry changed last, by whom, which version it is) is in
``export.json``, so that what was not edited comes back exactly. A folder without it, written by hand, is taken as well.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec

from memory.backend import Backend, Filter
from memory.entry import WORKSPACE
from memory.exchange.items import Exported, Item, Problem, items
from memory.exchange.taking import source_of
from memory.markdown.format import FILE_LIMIT, derived_id, parse
from memory.markdown.format import write as page_of
from memory.markdown.names import file_name, folded, ours
from memory.records import EntryId, Seen
from memory.versions import Dot
from quarterdeck.errors import Invalid
from quarterdeck.paths import read_file, sync_folder
from quarterdeck.text import safe

NOTE = "export.json"
NOTE_LIMIT = 1 << 30
FORMAT = "quarterdeck-memory-files"
FILES_LIMIT = 1_000_000

_Text = Annotated[str, msgspec.Meta(max_length=200)]
_Time = Annotated[int, msgspec.Meta(ge=0, le=7_258_118_400_000_000_000)]


class _Known(msgspec.Struct, forbid_unknown_fields=True):
    author: _Text
    editor: _Text
    created_ns: _Time
    updated_ns: _Time
    version: tuple[str, int]
    seen: Seen
    digest: _Text


class _Note(msgspec.Struct, forbid_unknown_fields=True):
    format: str
    version: int
    entries: dict[EntryId, _Known]


async def write_pages(backend: Backend, which: Filter, place: Path, part: Path) -> Exported:
    """Write the folder as ``part``, then name it ``place``. An entry no file can hold is a problem."""
    remove(part)
    part.mkdir(mode=0o700)
    note = _Note(FORMAT, 1, {})
    taken = {folded(NOTE)}
    problems: list[Problem] = []
    size = 0
    async for item in items(backend, which):
        path = file_name(item.content.key, item.id, item.content.namespace, taken, default=WORKSPACE)
        try:
            data = page_of(item.content, entry_id=item.id, author=item.author, created_ns=item.created_ns)
        except Invalid as error:
            problems.append(Problem(where=item.id, reason=error.message))
            continue
        taken.add(folded(path))
        target = part / path
        target.parent.mkdir(mode=0o700, exist_ok=True)
        target.write_bytes(data)
        size += len(data)
        dot = item.dot or Dot("", 0)
        note.entries[item.id] = _Known(
            author=item.author,
            editor=item.editor,
            created_ns=item.created_ns,
            updated_ns=item.updated_ns,
            version=(dot.writer, dot.seq),
            seen=dict(item.seen),
            digest=item.digest,
        )
    (part / NOTE).write_bytes(msgspec.json.format(msgspec.json.encode(note)))
    os.replace(part, place)
    sync_folder(place.parent)
    return Exported(path=str(place), bytes=size, problems=tuple(problems))


def read(place: Path) -> tuple[list[Item | Problem], str]:
    """What a folder holds, file by file, and the writer that stands for it. Raises :class:`Invalid`."""
    known: dict[str, _Known] = {}
    whole = hashlib.sha256()
    if (place / NOTE).is_file():
        data = read_file(place / NOTE, NOTE_LIMIT)
        whole.update(data)
        try:
            note = msgspec.json.decode(data, type=_Note)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Invalid(
                f"{place / NOTE} cannot be read: {safe(str(error), 160)}; nothing was imported",
                hint="delete it to take the files as if they were written by hand",
            ) from None
        if note.format != FORMAT or note.version != 1:
            raise Invalid(f"{place / NOTE} is of a format this version does not know; nothing was imported")
        known = note.entries
    found: list[Item | Problem] = []
    try:
        for path in _files(place):
            where = path.relative_to(place).as_posix()
            try:
                data = read_file(path, FILE_LIMIT)
                whole.update(f"{where}\0{len(data)}\0".encode("utf-8", "surrogateescape") + data)
                found.append(_item(data, where, known))
            except OSError as error:
                found.append(Problem(where=safe(where), reason=error.strerror or str(error)))
            except Invalid as error:
                found.append(Problem(where=safe(where), reason=error.message))
    except OSError as error:
        raise Invalid(f"cannot read {place}: {error.strerror or error}; nothing was imported") from error
    return found, source_of(whole.hexdigest())


def _files(place: Path) -> Iterator[Path]:
    """The markdown files below a folder in a stable order; links are not followed."""
    count = 0
    for folder, names, files in os.walk(place, onerror=_raise):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(files):
            path = Path(folder, name)
            if ours(name) and not path.is_symlink():
                count += 1
                if count > FILES_LIMIT:
                    raise Invalid(f"{place} holds more than {FILES_LIMIT:,} files; nothing was imported")
                yield path


def _raise(error: OSError) -> None:
    raise error


def _item(data: bytes, where: str, known: dict[str, _Known]) -> Item:
    page = parse(data, where)
    name = page.id or derived_id(where, data)
    told = known.get(name)
    if told is None:
        return Item(
            content=page.content,
            where=where,
            id=name,
            author=page.author,
            created_ns=page.created_ns,
            updated_ns=page.created_ns,
        )
    return Item(
        content=page.content,
        where=where,
        id=name,
        author=safe(told.author),
        editor=safe(told.editor),
        created_ns=told.created_ns,
        updated_ns=told.updated_ns,
        dot=Dot(*told.version),
        seen=told.seen,
        digest=told.digest,
    )


def remove(part: Path) -> None:
    """Remove what an export that failed has written so far."""
    if part.is_dir() and not part.is_symlink():
        shutil.rmtree(part)
    else:
        part.unlink(missing_ok=True)
