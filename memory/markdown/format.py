"""One entry as one file: YAML front matter between two lines of ``---``, then the text. See docs/memory.md.

Reading takes what people write by hand. Writing changes as little as it can: what a person wrote, and how, stays. All
functions are pure.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime

import yaml

from memory.entry import BODY_LIMIT, KEY_LIMIT, WORKSPACE, Content, Links, content, title
from memory.markdown import front
from quarterdeck.errors import Invalid
from quarterdeck.ids import ALPHABET, LENGTH
from quarterdeck.text import nearest, safe

FRONT_LIMIT = 64 << 10
"""Characters of front matter."""
FILE_LIMIT = BODY_LIMIT + FRONT_LIMIT
"""Bytes of a file; a longer one is not taken."""
OURS = ("id", "key", "kind", "namespace", "tags", "links", "author", "created", "pinned")
"""The keys that mean something, in the order they are written in; all others are a person's."""
_ID = re.compile(r"[0-9a-z][0-9a-z_-]{3,39}")
_BOM = "\ufeff"
_FENCE = "---"
_BLAMED = {"no kind": "kind", "no namespace": "namespace", "a tag": "tags", "at most": "tags"}
_LINKS = tuple(field.name for field in fields(Links))


class Unreadable(Invalid):
    """A file that cannot be taken as it is. Nothing of it was changed; the entry keeps its last good version."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """What a file says."""

    content: Content
    id: str = ""
    """"" where the file has none yet."""
    author: str = ""
    created_ns: int = 0
    """Wall clock; 0 where the file does not tell."""


@dataclass(frozen=True)
class _Layout:
    """Where the parts of a file are, in characters of its text."""

    text: str
    """All of it, without the byte order mark."""
    bom: bool
    eol: str
    front: tuple[int, int] | None
    """From after the first fence's line to the start of the second's; None without front matter."""
    body: int
    """Where the text of the entry begins; the blank line after the front matter is not of it."""
    end: int
    """Where it ends: the last line end is not of it."""


def parse(data: bytes, path: str, *, namespace: str = WORKSPACE) -> Page:
    """What the file ``path`` with these bytes says. Raises :class:`Unreadable` that names line, key and reason.

    ``namespace`` is meant where the front matter names none.
    """
    layout = _layout(data, path)
    values, text = _pairs(layout, path), layout.text
    body = text[layout.body : layout.end].replace("\r\n", "\n").replace("\r", "\n")
    key = ""
    try:
        found: dict[str, object] = {"namespace": namespace}
        page: dict[str, object] = {}
        extra = []
        for key, (_, node) in values.items():
            if key in ("id", "author", "created"):
                page.update(_identity(key, node))
            elif key == "tags":
                found[key] = tuple(tag.lstrip("#") for tag in front.words(node))
            elif key == "links":
                found[key] = _links(node)
            elif key == "pinned":
                found[key] = front.truth(node)
            elif key in ("key", "kind", "namespace"):
                if value := front.word(node).strip():
                    found[key] = value.lower() if key == "kind" else value
            else:
                extra.append((key, _json(front.plain(node))))
        key = ""
        stem = path.rpartition("/")[2].removesuffix(".md")
        found["key"] = safe(str(found.get("key", "")), KEY_LIMIT) or title(body) or stem
        said = content(body=body, extra=tuple(extra), **found)  # type: ignore[arg-type]
    except front.Unfit as error:
        start = layout.front[0] if layout.front else 0
        raise _unreadable(path, error.reason, layout, start + error.at, key) from None
    except Invalid as error:
        key = next((key for word, key in _BLAMED.items() if word in error.message and key in values), "")
        at = values[key][0] if key else 0
        reason = f"{error.message}; {error.hint}" if error.hint else error.message
        raise _unreadable(path, reason, layout, at, key) from None
    return Page(content=said, **page)  # type: ignore[arg-type]


def write(said: Content, *, entry_id: str, author: str = "", created_ns: int = 0, namespace: str = WORKSPACE) -> bytes:
    """The file of an entry that has none yet; :func:`parse` gives the same content back.

    ``namespace`` is the one that need not be named. Raises :class:`Unreadable` for a text no file can hold.
    """
    lines = [f"id: {entry_id}"]
    rendered = _rendered(said)
    if author:
        rendered["author"] = [f"author: {front.line(author)}"]
    if created_ns:
        rendered["created"] = [f"created: {datetime.fromtimestamp(created_ns // 10**9, UTC):%Y-%m-%dT%H:%M:%SZ}"]
    if said.namespace == namespace:
        del rendered["namespace"]
    for key in (*OURS, *(key for key, _ in said.extra)):
        lines += rendered.pop(key, [])
    return _encoded(f"{_FENCE}\n" + "\n".join(lines) + f"\n{_FENCE}\n" + (f"\n{said.body}\n" if said.body else ""))


def with_id(data: bytes, path: str, entry_id: str, page: Page | None = None) -> bytes:
    """The file with this id, put in or in place of its own; no other byte is changed. Raises :class:`Unreadable`.

    ``page`` is what the file says, where that is known.
    """
    page = page or parse(data, path)
    layout = _layout(data, path)
    values = _pairs(layout, path)
    if layout.front is None:
        made = _put(layout, [(0, 0, f"{_FENCE}\nid: {entry_id}\n{_FENCE}\n\n")])
    elif "id" in values:
        node = values["id"][1]
        start = layout.front[0]
        made = _put(layout, [(start + node.start_mark.index, start + node.end_mark.index, entry_id)])
    else:
        made = _put(layout, [_first(layout, values, f"id: {entry_id}")])
    try:
        namespace = page.content.namespace  # named or not, the same one is meant in both
        as_meant = replace(page, id=entry_id) == parse(made, path, namespace=namespace)
    except Unreadable:
        as_meant = False
    if not as_meant:
        raise _unreadable(path, "an id cannot be put into front matter that is laid out like this", layout, 0, "id")
    return made


def changed(data: bytes, path: str, old: Content, new: Content, *, entry_id: str, namespace: str = WORKSPACE) -> bytes:
    """The file after the entry changed from ``old`` to ``new``: what did not change keeps its bytes.

    What the file says need not be ``old`` (a secret is masked in the entry, never in a person's file); where entry and
    file differ and the entry did not change, the file's own stays. Raises :class:`Unreadable` for a file, or a text,
    that cannot be.
    """
    page = parse(data, path, namespace=namespace)
    moved = {
        field.name: getattr(new, field.name)
        for field in fields(Content)
        if getattr(old, field.name) != getattr(new, field.name)
    }
    wanted = replace(page.content, **moved)
    if wanted == page.content and page.id == entry_id:
        return data
    parts = {
        field.name for field in fields(Content) if getattr(wanted, field.name) != getattr(page.content, field.name)
    }
    for names in (parts, parts | {"key"}):
        made = _edited(data, path, wanted, names, entry_id)
        try:
            again = parse(made, path, namespace=namespace)
        except Unreadable:
            break
        if (again.id, again.content) == (entry_id, wanted):
            return made
    return write(wanted, entry_id=entry_id, author=page.author, created_ns=page.created_ns, namespace=namespace)


def derived_id(path: str, data: bytes) -> str:
    """The id of a file that has none: whoever sees this file at this path chooses the same."""
    number = int.from_bytes(hashlib.sha256(path.encode("utf-8", "surrogateescape") + b"\0" + data).digest(), "big")
    chars = []
    for _ in range(LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        chars.append(ALPHABET[digit])
    return "".join(chars)


def torn(data: bytes) -> bool:
    """Whether git left the marks of a conflict in it."""
    return all(re.search(mark, data, re.MULTILINE) for mark in (rb"^<{7} ", rb"^={7}\r?$", rb"^>{7} "))


# -- reading


def _layout(data: bytes, path: str) -> _Layout:
    if len(data) > FILE_LIMIT:
        raise Unreadable(
            f"{safe(path)}: the file has {len(data):,} bytes, an entry at most {BODY_LIMIT:,}; it was not taken",
            hint="keep the text elsewhere and link it",
            path=path,
        )
    if b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise Unreadable(
            f"{safe(path)}, line {line}: a NUL byte; this is no text; it was not taken", path=path, line=line
        )
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Unreadable(
            f"{safe(path)}, line {line}: byte {error.start} is no UTF-8; it was not taken",
            hint="save it as UTF-8",
            path=path,
            line=line,
        ) from None
    bom = text.startswith(_BOM)
    text = text[1:] if bom else text
    first = text.find("\n")
    eol = "\r\n" if first > 0 and text[first - 1] == "\r" else "\n"
    span, body = None, 0
    if text[: first if first >= 0 else None].rstrip() == _FENCE:
        layout = _Layout(text, bom, eol, None, 0, len(text))
        fence = re.compile(rf"^{_FENCE}[ \t\r]*$", re.MULTILINE).search(text, first + 1) if first >= 0 else None
        if fence is None:
            raise _unreadable(path, "the front matter that begins here never ends", layout, 0, "")
        if fence.start() - first > FRONT_LIMIT:
            raise _unreadable(path, f"front matter of more than {FRONT_LIMIT:,} characters", layout, 0, "")
        span = (first + 1, fence.start())
        body = min(fence.end() + 1, len(text))
        body = re.compile(r"\r?\n|").match(text, body).end()  # type: ignore[union-attr]
    end = len(text)
    if end > body and text.endswith("\n"):
        end -= 2 if text.endswith("\r\n") and end > body + 1 else 1
    return _Layout(text, bom, eol, span, body, end)


def _pairs(layout: _Layout, path: str) -> Mapping[str, tuple[int, yaml.Node]]:
    """For each key where it begins in the text, and its value, whose marks count from the start of the front matter."""
    if layout.front is None:
        return {}
    start, end = layout.front
    try:
        return {
            str(key.value): (start + key.start_mark.index, node) for key, node in front.compose(layout.text[start:end])
        }
    except front.Unfit as error:
        raise _unreadable(path, error.reason, layout, start + error.at, "") from None


def _identity(key: str, node: yaml.Node) -> dict[str, object]:
    value = front.word(node).strip()
    if not value:
        return {}
    if key == "id":
        if not _ID.fullmatch(value):
            raise front.Unfit(
                "an id is 4 to 40 of a-z, 0-9, - and _; leave it out and one is put in", node.start_mark.index
            )
        return {"id": value}
    if key == "author":
        return {"author": safe(value, 80)}
    try:
        when = datetime.fromisoformat(value)
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        return {"created_ns": max(0, int(when.timestamp() * 10**6) * 1000)}
    except (ValueError, OverflowError, OSError):
        raise front.Unfit("no time such as 2026-11-21T15:04:05Z", node.start_mark.index) from None


def _links(node: yaml.Node) -> Links:
    found = {}
    for key, value in front.mapping(node):
        if key.value not in _LINKS:
            known = nearest(str(key.value), _LINKS) or "there are " + ", ".join(_LINKS)
            raise front.Unfit(f"no kind of link {safe(key.value, 40)!r}; {known}", key.start_mark.index)
        found[str(key.value)] = front.words(value)
    return Links(**found)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _unreadable(path: str, reason: str, layout: _Layout, at: int, key: str) -> Unreadable:
    line = layout.text.count("\n", 0, at) + 1
    where = f"{safe(path)}, line {line}" + (f", {safe(key, 60)}" if key else "")
    return Unreadable(f"{where}: {safe(reason, 300)}; it was not taken", path=path, line=line, key=key)


# -- writing


def _rendered(said: Content) -> dict[str, list[str]]:
    """The lines of each key; none for one that need not be there, but for the namespace."""
    try:
        made = {
            "key": [f"key: {front.line(said.key)}"],
            "kind": [f"kind: {said.kind}"],
            "namespace": [f"namespace: {said.namespace}"],
            "tags": [f"tags: {front.line(said.tags)}"] if said.tags else [],
            "links": [],
            "pinned": ["pinned: true"] if said.pinned else [],
        }
        if said.links:
            some = [(name, getattr(said.links, name)) for name in _LINKS]
            made["links"] = ["links:", *(f"  {name}: {front.line(links)}" for name, links in some if links)]
        for key, value in said.extra:
            if key not in made and key not in OURS:
                made[key] = [f"{front.line(key)}: {front.line(json.loads(value))}"]
    except ValueError as error:
        raise Unreadable(f"{safe(said.key, 60)!r} cannot be written to a file: {error}") from None
    return made


def _edited(data: bytes, path: str, new: Content, parts: set[str], entry_id: str) -> bytes:
    """The file with the parts of ``new`` that changed put in place; right for ordinary layouts only."""
    layout = _layout(data, path)
    values = _pairs(layout, path)
    rendered = _rendered(new)
    keys = [key for key in OURS if key in parts]
    if "extra" in parts:
        had = {key for key in values if key not in OURS}
        keys += [*(key for key, _ in new.extra), *(key for key in had if key not in rendered)]
    edits: list[tuple[int, int, str]] = []
    added: list[str] = []
    if "id" not in values:
        added.append(f"id: {entry_id}")
    for key in keys:
        lines = rendered.get(key, [])
        if key in values:
            start, end = _lines_of(layout, values, key)
            edits.append((start, end, "".join(line + "\n" for line in lines)))
        else:
            added += lines
    if "body" in parts:
        edits.append(_whole_body(layout, new.body))
    if layout.front is None:
        edits.append((0, 0, "".join(line + "\n" for line in (_FENCE, *added, _FENCE)) + "\n"))
    elif added:
        edits.append((layout.front[1], layout.front[1], "".join(line + "\n" for line in added)))
    return _put(layout, edits)


def _whole_body(layout: _Layout, body: str) -> tuple[int, int, str]:
    """The edit that replaces the text, with a blank line before it where there is front matter."""
    text = f"{body}\n" if body else ""
    if layout.front is None:
        return 0, len(layout.text), text
    fence = layout.text.find("\n", layout.front[1]) + 1
    if fence == 0:  # the file ends with the fence, and without a line end
        return len(layout.text), len(layout.text), f"\n\n{text}"
    return fence, len(layout.text), f"\n{text}" if text else ""


def _lines_of(layout: _Layout, values: Mapping[str, tuple[int, yaml.Node]], key: str) -> tuple[int, int]:
    """The lines of one key, without the comments and blank lines that follow them."""
    assert layout.front is not None
    starts = sorted(start for start, _ in values.values())
    start, node = values[key]
    place = starts.index(start)
    end = starts[place + 1] if place + 1 < len(starts) else layout.front[1]
    if getattr(node, "style", None) not in ("|", ">"):
        lines = re.findall(r"[^\n]*\n|[^\n]+", layout.text[start:end])
        while len(lines) > 1 and (not lines[-1].strip() or lines[-1].lstrip().startswith("#")):
            end -= len(lines.pop())
    return start, end


def _first(layout: _Layout, values: Mapping[str, tuple[int, yaml.Node]], line: str) -> tuple[int, int, str]:
    """The edit that puts a line of its own before the first key, as far in as that one."""
    assert layout.front is not None
    start, end = layout.front
    if not values:
        return start, start, line + "\n"
    first = min(at for at, _ in values.values())
    opened = layout.text.rfind("{", start, first)
    if opened >= 0 and layout.text.find("\n", opened, first) < 0 and not layout.text[start:opened].strip():
        return opened + 1, opened + 1, line + ", "
    begun = layout.text.rfind("\n", 0, first) + 1
    indent = layout.text[begun:first]
    return (
        (begun, begun, (indent if not indent.strip() else "") + line + "\n") if begun <= end else (start, start, line)
    )


def _put(layout: _Layout, edits: list[tuple[int, int, str]]) -> bytes:
    text = layout.text
    for start, end, new in sorted(edits, key=lambda edit: (edit[0], edit[1]), reverse=True):
        text = text[:start] + new.replace("\n", layout.eol) + text[end:]
    return _encoded((_BOM if layout.bom else "") + text)


def _encoded(text: str) -> bytes:
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise Unreadable("half a character (a lone surrogate) in the text: no file can hold it") from None
    if b"\0" in data:
        raise Unreadable("a NUL in the text: no file can hold it")
    if len(data) > FILE_LIMIT:
        raise Unreadable(f"{len(data):,} bytes: no file of an entry is as long")
    return data
