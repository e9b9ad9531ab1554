"""Versions as JSON, for other banks and for exports: written canonically, read with distrust.

One version is one object; docs/memory.md names its fields. What comes from elsewhere is bounded and checked before
any of it is stored: a field or a kind we do not know is refused, not skipped, because a bank that drops what it does
not understand hands on less than it was given.
"""

from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec

from memory.backend import Version
from memory.entry import KEY_LIMIT, LINKS_LIMIT, SHARED, TAGS_LIMIT, Content, Links, content
from memory.versions import Dot
from quarterdeck.errors import Invalid
from quarterdeck.text import safe

LINE_LIMIT = 64 << 20
"""Bytes of one version as JSON; a body of control characters grows sixfold."""
LATEST_NS = 7_258_118_400_000_000_000
"""The year 2200. A later time is refused: no version could be written after it."""
EXTRA_LIMIT = 64 << 10
"""Characters of what is kept of a person's front matter."""

_Writer = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z_-]{1,64}$")]
_Number = Annotated[int, msgspec.Meta(ge=1, le=1 << 53)]
_Time = Annotated[int, msgspec.Meta(ge=0, le=LATEST_NS)]
_Word = Annotated[str, msgspec.Meta(max_length=200)]
_Link = Annotated[str, msgspec.Meta(max_length=4096)]
EntryId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-z][0-9a-z_-]{3,39}$")]
Seen = Annotated[dict[_Writer, _Number], msgspec.Meta(max_length=4096)]

T = TypeVar("T")


class LinksRecord(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """:class:`memory.entry.Links`."""

    agents: Annotated[list[_Link], msgspec.Meta(max_length=LINKS_LIMIT)] = []
    tasks: Annotated[list[_Link], msgspec.Meta(max_length=LINKS_LIMIT)] = []
    commits: Annotated[list[_Link], msgspec.Meta(max_length=LINKS_LIMIT)] = []
    files: Annotated[list[_Link], msgspec.Meta(max_length=LINKS_LIMIT)] = []


class ContentRecord(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """:class:`memory.entry.Content`."""

    key: Annotated[str, msgspec.Meta(max_length=KEY_LIMIT)]
    kind: _Word
    namespace: _Word
    body: str
    tags: Annotated[list[_Word], msgspec.Meta(max_length=TAGS_LIMIT)] = []
    links: LinksRecord = msgspec.field(default_factory=LinksRecord)
    pinned: bool = False
    extra: Annotated[list[tuple[str, str]], msgspec.Meta(max_length=1000)] = []


class VersionRecord(msgspec.Struct, forbid_unknown_fields=True):
    """:class:`memory.backend.Version`; ``content`` null is a deletion."""

    entry: EntryId
    writer: _Writer
    seq: _Number
    seen: Seen
    author: _Word
    why: _Word
    written_ns: _Time
    content: ContentRecord | None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(VersionRecord)


def record(version: Version) -> VersionRecord:
    """A version as its record."""
    return VersionRecord(
        entry=version.entry,
        writer=version.dot.writer,
        seq=version.dot.seq,
        seen=dict(sorted(version.seen.items())),
        author=version.author,
        why=version.why,
        written_ns=version.written_ns,
        content=content_record(version.content) if version.content is not None else None,
    )


def content_record(said: Content) -> ContentRecord:
    """A content as its record."""
    links = said.links
    return ContentRecord(
        key=said.key,
        kind=str(said.kind),
        namespace=said.namespace,
        body=said.body,
        tags=list(said.tags),
        links=LinksRecord(list(links.agents), list(links.tasks), list(links.commits), list(links.files)),
        pinned=said.pinned,
        extra=list(said.extra),
    )


def version_in(said: VersionRecord, *, shared: bool | None = None) -> Version:
    """The version a record holds. Raises :class:`Invalid`.

    ``shared``: whether it goes into the bank all workspaces share (None: either). Only what is in the namespace
    ``shared`` belongs there, and it belongs nowhere else.
    """
    if said.seen.get(said.writer, 0) >= said.seq:
        raise Invalid(f"the version {said.writer}:{said.seq} says it had seen itself")
    return Version(
        entry=said.entry,
        dot=Dot(said.writer, said.seq),
        seen=said.seen,
        content=content_in(said.content, shared=shared) if said.content is not None else None,
        author=safe(said.author),
        why=safe(said.why),
        written_ns=said.written_ns,
    )


def content_in(said: ContentRecord, *, shared: bool | None = None) -> Content:
    """The content a record holds, checked as if somebody had just written it. Raises :class:`Invalid`."""
    if shared is not None and shared is not (said.namespace == SHARED):
        which = "the shared bank" if shared else "the bank of a workspace"
        raise Invalid(f"an entry of the namespace {safe(said.namespace, 90)!r} does not belong into {which}")
    if sum(len(key) + len(value) for key, value in said.extra) > EXTRA_LIMIT:
        raise Invalid(f"more than {EXTRA_LIMIT:,} characters of front matter")
    links = said.links
    return content(
        body=said.body,
        key=said.key,
        kind=said.kind,
        namespace=said.namespace,
        tags=said.tags,
        links=Links(
            agents=tuple(links.agents),
            tasks=tuple(links.tasks),
            commits=tuple(links.commits),
            files=tuple(links.files),
        ),
        pinned=said.pinned,
        extra=tuple(said.extra),
    )


def encode(version: Version) -> bytes:
    """One version as one line of JSON, with its line end."""
    return _encoder.encode(record(version)) + b"\n"


def decode(line: bytes, *, shared: bool | None = None) -> Version:
    """The version in a line of JSON. Raises :class:`Invalid` that names the field."""
    return version_in(parsed(line, _decoder), shared=shared)


def checked(version: Version, *, shared: bool | None = None) -> Version:
    """A version another program's database holds, as if it had been read from JSON. Raises :class:`Invalid`."""
    return decode(_encoder.encode(record(version)), shared=shared)


def parsed(data: bytes | str, decoder: msgspec.json.Decoder[T]) -> T:
    """What ``decoder`` reads. Raises :class:`Invalid` that says where it is wrong."""
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"this is no version of a memory entry: {safe(str(error), 160)}") from None
