"""How versions and entries lie in the tables: values to rows and back."""

from __future__ import annotations

import json
from typing import Any

from memory.backend import Version
from memory.entry import Content, Entry, Kind, Links
from memory.versions import Dot, Vector

Row = tuple[Any, ...]

CONTENT = ("key", "kind", "namespace", "tags", "links", "pinned", "extra", "body")
VERSION = ("writer", "seq", "seen", "author", "why", "written_ns", *CONTENT)
VERSIONS = (
    f"SELECT e.id, {', '.join(f'v.{name}' for name in VERSION)} "  # noqa: S608  names are ours
    "FROM versions v JOIN entries e ON e.number = v.entry"
)
"""To be followed by WHERE and ORDER BY; each row makes :func:`version_of`."""
_ENTRY = (
    *("e.id", "e.author", "e.editor", "e.created_ns", "e.updated_ns", "e.heads", "e.seen", "e.conflict", "e.deleted"),
    *("coalesce(f.missing, 0)", "coalesce(f.path, '')"),
    *(f"v.{name}" for name in CONTENT),
)
ENTRIES = (
    f"SELECT {', '.join(_ENTRY)} FROM entries e "  # noqa: S608  names are ours
    "JOIN versions v ON v.number = e.text LEFT JOIN files f ON f.entry = e.id"
)
"""To be followed by WHERE and ORDER BY; each row makes :func:`entry_of`."""


def pack(content: Content | None) -> Row:
    """The columns of a content, in the order of :data:`CONTENT`."""
    if content is None:
        return (None,) * len(CONTENT)
    links = content.links
    return (
        content.key,
        str(content.kind),
        content.namespace,
        dumps(content.tags),
        dumps((links.agents, links.tasks, links.commits, links.files)),
        int(content.pinned),
        dumps(content.extra),
        content.body,
    )


def unpack(row: Row) -> Content | None:
    """The content in columns of the order of :data:`CONTENT`."""
    key, kind, namespace, tags, links, pinned, extra, body = row
    if key is None:
        return None
    agents, tasks, commits, files = json.loads(links)
    return Content(
        key=key,
        kind=Kind(kind),
        namespace=namespace,
        tags=tuple(json.loads(tags)),
        links=Links(agents=tuple(agents), tasks=tuple(tasks), commits=tuple(commits), files=tuple(files)),
        pinned=bool(pinned),
        extra=tuple((name, value) for name, value in json.loads(extra)),
        body=body,
    )


def version_of(row: Row) -> Version:
    """A version from a row of :data:`VERSIONS`."""
    entry, writer, seq, seen, author, why, written_ns, *content = row
    return Version(
        entry=entry,
        dot=Dot(writer, seq),
        seen=json.loads(seen),
        content=unpack(tuple(content)),
        author=author,
        why=why,
        written_ns=written_ns,
    )


def entry_of(row: Row) -> Entry:
    """An entry from a row of :data:`ENTRIES`."""
    name, author, editor, created_ns, updated_ns, heads, seen, conflict, deleted, missing, path, *content = row
    return Entry(
        id=name,
        content=unpack(tuple(content)) or Content(key="", body=""),  # a deletion that came before what it deletes
        author=author,
        editor=editor,
        created_ns=created_ns,
        updated_ns=updated_ns,
        heads=tuple(Dot(writer, seq) for writer, seq in json.loads(heads)),
        seen=json.loads(seen),
        conflict=bool(conflict),
        deleted=bool(deleted),
        missing=bool(missing),
        path=path,
    )


def dumps(value: object) -> str:
    """Compact JSON with its letters as they are: tags and links are searched in this form."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def vector(seen: Vector) -> str:
    """A vector as it is stored."""
    return dumps(dict(sorted(seen.items())))
