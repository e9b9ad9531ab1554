"""Markdown as lines of styled text. The text is hostile: nothing in it is fetched, opened or obeyed.

Parsed by markdown-it without HTML and without references, so tags and definitions stand there as they were written. An
image is its description and address, a link its text and address. What has no picture of its own stands there by its
number, as :mod:`tui.exact` shows it. It becomes lines, not a widget for each block: a text of many small blocks is laid
out at once, and only what is in sight is drawn.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.cells import cell_len, chop_cells

from quarterdeck.rows import BOLD, ITALIC, STRIKE, UNDERLINE_SHIFT
from tui.exact import revealed, runs
from tui.links import showable
from tui.states import Glyphs

UNDERLINE = 1 << UNDERLINE_SHIFT
LONGEST = 16_384
"""Characters of a text that are shown: more than anybody reads beside a list, few enough for the worst there is."""
DEEPEST = 100
_JOINER = "\u200d"
_BLANKS = re.compile(r"[\u00a0\u2000-\u200a\u202f\u205f\u3000]")


class _AsWritten(MarkdownIt):
    """Leaves addresses as they were written: one that needs another spelling is shown and not opened."""

    def normalizeLink(self, url: str) -> str:  # noqa: N802
        return url


def _parser(*without: str) -> MarkdownIt:
    made = _AsWritten("commonmark", {"html": False, "maxNesting": DEEPEST})
    return made.enable(["table", "strikethrough"]).disable(["reference", *without])


_PARSER = _parser()
_NO_LINKS = _parser("link", "image")
_MANY_LINKS = 500
"""Opening brackets from which links stand there as they were written: each costs a look at all text behind it."""
_STACKED = re.compile(r"^((?:[ \t]*(?:>|[-*+][ \t]|\d{1,9}[.)][ \t])){12})", re.MULTILINE)
_INDENTED = re.compile(r"^[ \t]{48,}", re.MULTILINE)
"""What would nest deeper than the parser goes, which drops it: such lines stand there as text."""
_WORDS = re.compile(r" +|[^ ]+")


class Bit(NamedTuple):
    """Text of one look. ``role`` and ``bg`` are colour roles, ``attrs`` a sum of flags of :mod:`quarterdeck.rows`."""

    text: str
    role: str = "text"
    attrs: int = 0
    bg: str = "background"
    link: str = ""


Bits = list[Bit]


def readable(text: str, *, plain: bool = False) -> str:
    """``text`` to be read: unusual blanks are blanks, joined emoji stay joined, all else unseen has its number."""
    if _JOINER not in text:
        return revealed(_BLANKS.sub(" ", text), plain=plain)
    return _JOINER.join(revealed(part, plain=plain) for part in _BLANKS.sub(" ", text).split(_JOINER))


def warmed(bits: Sequence[Bit]) -> Bits:
    """The same with what stands for something invisible in the warm colour."""
    found: Bits = []
    for bit in bits:
        found += [bit._replace(text=part, role="warm" if named else bit.role) for part, named in runs(bit.text)]
    return found


def size(bits: Sequence[Bit]) -> int:
    """The cells they take."""
    return sum(cell_len(bit.text) for bit in bits)


def wrap(bits: Sequence[Bit], width: int) -> list[Bits]:
    """Broken into lines of at most ``width`` cells between words, inside a word where it is longer than a line."""
    width = max(2, width)
    lines: list[Bits] = [[]]
    used = 0
    for bit in bits:
        look = bit[1:]
        kept = ""
        for part, text in enumerate(bit.text.split("\n")):
            if part:
                lines[-1].append(Bit(kept, *look))
                lines.append([])
                kept, used = "", 0
            for word in _WORDS.findall(text):
                cells = cell_len(word)
                blank = word[0] == " "
                if used + cells <= width and (not blank or used or len(lines) == 1):
                    kept += word
                    used += cells
                    continue
                if blank:
                    continue
                for piece in chop_cells(word, width) if cells > width else [word]:
                    if used:
                        lines[-1].append(Bit(kept, *look))
                        lines.append([])
                    kept, used = piece, cell_len(piece)
        if kept:
            lines[-1].append(Bit(kept, *look))
    return lines


@dataclass
class _Margin:
    """What stands before the lines of a block: ``first`` before its first one, ``rest`` before all others."""

    first: str
    rest: str
    used: bool = False

    def take(self) -> str:
        text = self.rest if self.used else self.first
        self.used = True
        return text


@dataclass
class _Page:
    width: int
    glyphs: Glyphs
    plain: bool
    rows: list[Bits] = field(default_factory=list)
    margins: list[_Margin] = field(default_factory=list)
    tight: bool = True

    @property
    def room(self) -> int:
        return max(8, self.width - sum(cell_len(margin.rest) for margin in self.margins))

    def put(self, line: Sequence[Bit]) -> None:
        before = "".join(margin.take() for margin in self.margins)[-(self.width - 8) :]
        self.rows.append([*([Bit(before, "muted")] if before else []), *warmed(line)])

    def gap(self) -> None:
        """An empty line between blocks."""
        if not self.tight and self.rows and any(bit.text.strip() for bit in self.rows[-1]):
            before = "".join(margin.rest if margin.used else "" for margin in self.margins).rstrip()
            before = before[: self.width - 8]
            self.rows.append([Bit(before, "muted")] if before else [])
        self.tight = False

    def flow(self, bits: Sequence[Bit]) -> None:
        for line in wrap(bits, self.room):
            self.put(line)

    def code(self, text: str) -> None:
        room = self.room
        more = self.glyphs.more
        for line in text.removesuffix("\n").split("\n"):
            for part, piece in enumerate(chop_cells(line, room - 3) or [""]):
                lead = f"{more} " if part else " "
                pad = " " * max(0, room - cell_len(lead) - cell_len(piece))
                self.put([Bit(lead, "muted", 0, "surface"), Bit(piece + pad, "text", 0, "surface")])

    def rule(self) -> None:
        self.put([Bit(self.glyphs.rule * self.room, "line")])

    def table(self, rows: Sequence[Sequence[Bits]]) -> None:
        count = max((len(row) for row in rows), default=0)
        if not count:
            return
        if count * 5 > self.room:  # no room for columns
            for row in rows:
                self.flow([bit for cell in row for bit in (*cell, Bit("  "))])
            return
        wide = [max(3, *(size(row[n]) for row in rows if n < len(row)), 3) for n in range(count)]
        room = max(4 * count, self.room - 2 * (count - 1))
        while sum(wide) > room:  # the widest columns give way first
            most = max(wide)
            following = max([w for w in wide if w < most], default=3)
            share = max(following, most - -(-(sum(wide) - room) // wide.count(most)))
            wide = [min(w, max(3, share)) for w in wide]
            if max(wide) <= 3:
                break
        for number, row in enumerate(rows):
            cells = [wrap(row[n] if n < len(row) else [], wide[n]) for n in range(count)]
            for y in range(max(len(cell) for cell in cells)):
                line: Bits = []
                for n, cell in enumerate(cells):
                    bits = cell[y] if y < len(cell) else []
                    line += bits
                    if n < count - 1:
                        line.append(Bit(" " * (wide[n] - size(bits) + 2)))
                self.put(line)
            if not number:
                self.put([Bit("  ".join(self.glyphs.rule * w for w in wide), "line")])


def _inline(tokens: Sequence[Token], base: Bit, plain: bool) -> Iterator[Bit]:
    """The text of a paragraph; the address of a link follows its text."""
    attrs, links = base.attrs, list[tuple[str, str]]()
    for token in tokens:
        match token.type:
            case "strong_open":
                attrs |= BOLD
            case "strong_close":
                attrs = attrs & ~BOLD | base.attrs
            case "em_open":
                attrs |= ITALIC
            case "em_close":
                attrs &= ~ITALIC
            case "s_open":
                attrs |= STRIKE
            case "s_close":
                attrs &= ~STRIKE
            case "link_open":
                links.append((str(token.attrGet("href") or ""), ""))
            case "link_close":
                href, said = links.pop() if links else ("", "")
                if href and href != said:
                    yield Bit(f" ({readable(href, plain=plain)})", "muted", 0, base.bg, href if showable(href) else "")
            case "softbreak":
                yield base._replace(text=" ", attrs=attrs)
            case "hardbreak":
                yield base._replace(text="\n")
            case "code_inline":
                yield base._replace(text=token.content, attrs=attrs, bg="raised")
            case "image":
                source = str(token.attrGet("src") or "")
                yield base._replace(text=f"image: {token.content}", role="muted", attrs=attrs)
                if source:
                    yield Bit(f" ({readable(source, plain=plain)})", "muted", 0, base.bg)
            case _:
                if links:
                    links[-1] = (links[-1][0], links[-1][1] + token.content)
                    href = links[-1][0] if showable(links[-1][0]) else ""
                    yield base._replace(text=token.content, attrs=attrs | UNDERLINE, link=href)
                elif token.content:
                    yield base._replace(text=token.content, attrs=attrs)


def render(text: str, width: int, glyphs: Glyphs, *, plain: bool = False) -> list[Bits]:
    """``text`` as lines of at most ``width`` cells. The caller bounds it to :data:`LONGEST`."""
    page = _Page(max(8, width), glyphs, plain)
    table: list[list[Bits]] = []
    numbers: list[int] = []
    base = Bit("")
    text = _INDENTED.sub(" " * 48, _STACKED.sub(r"\\\1", readable(text, plain=plain)))
    parser = _PARSER if text.count("[") <= _MANY_LINKS else _NO_LINKS
    for token in parser.parse(text):
        match token.type:
            case "heading_open":
                page.gap()
                base = Bit("", "text" if token.tag in ("h1", "h2") else "muted", BOLD)
            case "paragraph_open":
                if not token.hidden:
                    page.gap()
            case "heading_close":
                if token.tag == "h1":
                    page.put([Bit(glyphs.rule * min(page.room, size(page.rows[-1]) or 1), "line")])
                base = Bit("")
            case "inline":
                bits = list(_inline(token.children or [], base, plain))
                if table:
                    table[-1].append(bits)
                else:
                    page.flow(bits)
            case "bullet_list_open" | "ordered_list_open":
                if not page.margins:
                    page.gap()
                page.tight = True
                numbers.append(int(token.attrGet("start") or 1) if token.type[0] == "o" else 0)
            case "bullet_list_close" | "ordered_list_close":
                numbers.pop()
                page.tight = False
            case "list_item_open":
                mark = f"{numbers[-1]}. " if numbers[-1] else f"{glyphs.dot} "
                numbers[-1] += bool(numbers[-1])
                page.margins.append(_Margin(mark, " " * cell_len(mark)))
                page.tight = True
            case "blockquote_open":
                page.gap()
                page.tight = True
                page.margins.append(_Margin(f"{glyphs.bar} ", f"{glyphs.bar} "))
            case "list_item_close" | "blockquote_close":
                if not page.margins[-1].used and token.type[0] == "l":
                    page.put([])
                page.margins.pop()
                page.tight = False
            case "fence" | "code_block":
                page.gap()
                if token.info.strip():
                    page.flow([Bit(f" {token.info.strip()}", "muted")])
                page.code(token.content)
            case "hr":
                page.gap()
                page.rule()
            case "tr_open":
                table.append([])
            case "th_open":
                base = Bit("", "text", BOLD)
            case "th_close":
                base = Bit("")
            case "table_close":
                page.gap()
                page.table(table)
                table = []
            case _:
                pass
    return page.rows
