"""What differs between two texts, line by line: as a diff, and as two columns."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from quarterdeck.text import safe
from tui.memory.entries import LINKED
from tui.memory.markdown import Bit, Bits, readable, warmed, wrap

MOST_LINES = 3_000
LONGEST_LINE = 2_000
"""What is compared of a text; more is left out, which is then said."""
CONTEXT = 3


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """One version. ``content`` is as it came, None for a deletion; the rest is safe to show."""

    version: str
    author: str
    why: str
    written_ns: int
    head: bool
    content: Mapping[str, Any] | None
    seen: Mapping[str, int] | None = None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> VersionInfo:
        """From the API's JSON."""
        return cls(
            str(data["version"]),
            safe(str(data.get("author", "")), 80),
            safe(str(data.get("why", "")), 20),
            int(data.get("written_ns") or 0),
            bool(data.get("head")),
            data.get("content"),
            data.get("seen"),
        )

    @property
    def cut(self) -> bool:
        """Whether its text came without its end."""
        return bool(self.content and self.content.get("cut"))


def base_of(versions: Sequence[VersionInfo], heads: Sequence[VersionInfo]) -> VersionInfo | None:
    """The newest version all of ``heads`` were written in knowledge of; None where that is not known."""

    def known_to(head: VersionInfo, version: VersionInfo) -> bool:
        writer, _, number = version.version.rpartition(":")
        return head.seen is not None and int(head.seen.get(writer, 0)) >= int(number)

    for version in reversed(versions):
        if version.content is not None and all(
            known_to(head, version) and head.version != version.version for head in heads
        ):
            return version
    return None


def lines_of(content: Mapping[str, Any] | None) -> list[str]:
    """A version as lines: its name and what else is not its text, then its text; a deletion has none."""
    if content is None:
        return []
    found = [f"name  {content.get('key', '')}", f"kind  {content.get('kind', '')}"]
    if content.get("namespace") not in ("workspace", None):
        found.append(f"for   {content.get('namespace')}")
    if content.get("tags"):
        found.append("tags  " + " ".join(str(tag) for tag in content["tags"]))
    links = content.get("links") or {}
    found += [f"{name}  {', '.join(str(one) for one in links[name])}" for name in LINKED if links.get(name)]
    if content.get("pinned"):
        found.append("pinned")
    body = str(content.get("body", ""))[: MOST_LINES * LONGEST_LINE]
    said = body.removesuffix("\n").split("\n", MOST_LINES)
    more = len(said) > MOST_LINES
    found += ["", *(line if len(line) <= LONGEST_LINE else line[:LONGEST_LINE] + "…" for line in said[:MOST_LINES])]
    return [*found, "… and more, which is not compared here"] if more else found


def diff_rows(
    before: Sequence[str], after: Sequence[str], width: int, *, context: int = CONTEXT, plain: bool = False
) -> list[Bits]:
    """What changed, with a few lines around it: ``+`` for what came, ``-`` for what went."""
    rows: list[Bits] = []
    for line in difflib.unified_diff(before, after, lineterm="", n=context):
        if line.startswith(("---", "+++")) and not rows:
            continue
        if line.startswith("@@"):
            if rows:
                rows += [[Bit("⋯" if not plain else "...", "muted")]]
            else:
                rows.append([])
            continue
        sign, text = line[:1], line[1:]
        role = {"+": "calm", "-": "warm"}.get(sign, "muted")
        for number, part in enumerate(wrap([Bit(readable(text, plain=plain), role)], width - 2)):
            rows.append([Bit(f"{sign if not number else ' '} ", role), *warmed(part)])
    return rows[1:] if rows and not rows[0] else rows


class Pair(NamedTuple):
    """Lines that stand beside each other; ``same`` where both say the same."""

    left: list[str]
    right: list[str]
    same: bool


def pairs(left: Sequence[str], right: Sequence[str]) -> Iterator[Pair]:
    """Two texts as runs of lines that are the same and that are not."""
    for what, a, b, c, d in difflib.SequenceMatcher(None, left, right, autojunk=len(left) > 500).get_opcodes():
        yield Pair(list(left[a:b]), list(right[c:d]), what == "equal")


def column(lines: Sequence[str], width: int, *, same: bool, plain: bool = False) -> list[Bits]:
    """Lines of one side: what both say is quiet, what only this one says has a sign."""
    rows: list[Bits] = []
    for line in lines:
        role = "muted" if same else "text"
        for number, part in enumerate(wrap([Bit(readable(line, plain=plain), role)], width - 2)):
            sign = "+ " if not same and not number else "  "
            rows.append([Bit(sign, "warm"), *warmed(part)])
    return rows


def beside(left: Sequence[Bits], right: Sequence[Bits], width: int, bar: str) -> list[Bits]:
    """Two columns of ``width`` cells each with a line between them."""
    from tui.memory.markdown import size

    rows: list[Bits] = []
    for number in range(max(len(left), len(right))):
        one = left[number] if number < len(left) else []
        other = right[number] if number < len(right) else []
        rows.append([*one, Bit(" " * max(0, width - size(one))), Bit(f" {bar} ", "line"), *other])
    return rows


def two_columns(left: Sequence[str], right: Sequence[str], width: int, bar: str, *, plain: bool = False) -> list[Bits]:
    """Both texts beside each other, each line opposite the one it is the same as."""
    rows: list[Bits] = []
    for pair in pairs(left, right):
        rows += beside(
            column(pair.left, width, same=pair.same, plain=plain),
            column(pair.right, width, same=pair.same, plain=plain),
            width,
            bar,
        )
    return rows


MARKS = ("<<<<<<< ", "=======", ">>>>>>> ")


def marked(left: str, right: str, left_name: str, right_name: str) -> str:
    """Both texts in one: what both say once, the rest between the marks git uses."""
    found: list[str] = []
    for pair in pairs(left.split("\n"), right.split("\n")):
        if pair.same:
            found += pair.left
        else:
            found += [MARKS[0] + left_name, *pair.left, MARKS[1], *pair.right, MARKS[2] + right_name]
    return "\n".join(found)


def still_marked(text: str) -> bool:
    """Whether marks of :func:`marked` were left in."""
    return any(line.startswith((MARKS[0], MARKS[2])) for line in text.split("\n"))
