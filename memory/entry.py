"""One thing remembered: what a person writes of it, and what the bank knows about it besides."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from memory.versions import Dot, Vector
from quarterdeck.errors import Invalid
from quarterdeck.text import nearest, safe

BODY_LIMIT = 10 << 20
"""Bytes of UTF-8 in one body; a longer one is refused (a file that holds it is left as it is, and reported)."""
KEY_LIMIT = 200
TAG_LIMIT = 64
TAGS_LIMIT = 64
LINKS_LIMIT = 256

WORKSPACE, SHARED = "workspace", "shared"
_NAMESPACE = re.compile(r"workspace|shared|(?:session|agent)/[\w][\w.+@-]{0,63}")
_TAG = re.compile(rf"[\w][\w.+@/-]{{0,{TAG_LIMIT - 1}}}")


class Kind(StrEnum):
    """What sort of thing is remembered."""

    OBSERVATION = "observation"
    INSIGHT = "insight"
    DECISION = "decision"
    ARTIFACT = "artifact"
    ERROR = "error"
    CHECKPOINT = "checkpoint"
    NOTE = "note"


@dataclass(frozen=True, kw_only=True)
class Links:
    """What an entry is about elsewhere: names or ids of agents and tasks, commits, paths relative to the workspace."""

    agents: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    commits: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.agents or self.tasks or self.commits or self.files)


@dataclass(frozen=True, kw_only=True)
class Content:
    """All of an entry that is written by somebody: what a version carries, a file shows and a merge merges.

    ``tags`` are sorted and unique. Made through :func:`content`, which checks; hostile all the same when shown.
    """

    key: str
    """A short name for people, one line; several entries may have the same."""
    body: str
    """Markdown; lines end with a line feed."""
    kind: Kind = Kind.NOTE
    namespace: str = WORKSPACE
    """``workspace``, ``session/NAME``, ``agent/NAME``, or ``shared`` (by all workspaces of this person)."""
    tags: tuple[str, ...] = ()
    links: Links = Links()
    pinned: bool = False
    """Retention never takes it."""
    extra: tuple[tuple[str, str], ...] = ()
    """Keys of a file's front matter that are not ours, as JSON values; kept as they are."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry as it is now. Times are wall-clock nanoseconds."""

    id: str
    content: Content
    """Of the newest version; of the last one before the deletion where ``deleted``."""
    author: str
    """Who wrote its first version: ``person``, ``agent/NAME``, ``file``, ``import``."""
    editor: str
    """Who wrote the newest."""
    created_ns: int
    updated_ns: int
    heads: tuple[Dot, ...]
    """The versions no other has superseded, the shown one first."""
    seen: Vector
    """What a writer who has read this has seen; goes back with its change."""
    conflict: bool = False
    """Whether heads say different things and a person decides."""
    deleted: bool = False
    missing: bool = False
    """Whether its file is not on the present branch: gone without anybody having deleted it."""
    path: str = ""
    """Its file, relative to the memory folder; "" while it has none."""


def content(
    *,
    body: str,
    key: str = "",
    kind: str = Kind.NOTE,
    namespace: str = WORKSPACE,
    tags: tuple[str, ...] | list[str] = (),
    links: Links = Links(),
    pinned: bool = False,
    extra: tuple[tuple[str, str], ...] = (),
) -> Content:
    """Checked content. Raises :class:`Invalid` that names the field and what it may be.

    An empty ``key`` becomes the first words of the body.
    """
    try:
        sort = Kind(kind)
    except ValueError:
        raise Invalid(
            f"{safe(kind, 60)!r} is no kind of entry",
            hint=nearest(kind, Kind) or "one of " + ", ".join(Kind),
        ) from None
    if not _NAMESPACE.fullmatch(namespace):
        raise Invalid(
            f"{safe(namespace, 90)!r} is no namespace",
            hint="workspace, shared, session/NAME or agent/NAME",
        )
    size = len(body.encode("utf-8", "surrogatepass"))
    if size > BODY_LIMIT:
        raise Invalid(
            f"the text has {size:,} bytes; an entry holds at most {BODY_LIMIT:,}; nothing was stored",
            hint="keep the text in a file and link it",
        )
    for tag in tags:
        if not _TAG.fullmatch(tag):
            raise Invalid(
                f"{safe(tag, 80)!r} cannot be a tag",
                hint=f"1 to {TAG_LIMIT} letters, digits and . _ + @ / - , beginning with a letter or digit",
            )
    name = safe(key, KEY_LIMIT) or title(body)
    if not name:
        raise Invalid("an entry needs a text or a key; nothing was stored")
    unique = tuple(sorted(set(tags)))
    linked = (*links.agents, *links.tasks, *links.commits, *links.files)
    if len(unique) > TAGS_LIMIT or len(linked) > LINKS_LIMIT:
        raise Invalid(f"an entry has at most {TAGS_LIMIT} tags and {LINKS_LIMIT} links; nothing was stored")
    text = body.replace("\r\n", "\n").replace("\r", "\n")
    return Content(
        key=name, body=text, kind=sort, namespace=namespace, tags=unique, links=links, pinned=pinned, extra=extra
    )


def title(body: str, limit: int = 80) -> str:
    """The first line with words in it, without the marks of a heading or list; "" for none."""
    for line in body.splitlines():
        words = safe(line.lstrip("#>*-+ \t"), limit)
        if words:
            return words
    return ""
