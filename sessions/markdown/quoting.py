"""Text of agents and people inside a markdown page: it can neither hide, nor act, nor end the part it stands in.

A text of several lines becomes an indented block: every line of it begins with four spaces, so that no heading, fence,
list, link or picture comes of it, and a reader that looks for a heading at the first column finds ours only.
"""

from __future__ import annotations

import re
import unicodedata

from quarterdeck.text import ELLIPSIS, safe

_KEEP = frozenset("\u200d\ufe0f\ufe0e")
_BAD = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_LINE_END = re.compile(r"\r\n?|[\u2028\u2029\x85\v\f]")
_MARKUP = re.compile(r"([\\`*_\[\]<>|~&#])")
_BEGINS_LIST = re.compile(r"^(?:[-+=]|\d+[.)])")


def visible(text: str) -> str:
    """Several lines in which nothing is invisible: only printable characters and newlines, tabs as spaces."""
    text = _LINE_END.sub("\n", text.expandtabs(4))
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "".join(char for char in text if char == "\n" or char in _KEEP or unicodedata.category(char) not in _BAD)


def block(text: str, characters: int = 2_000, lines: int = 60) -> str:
    """``text`` as an indented block; cut, with a sign, behind so many characters or lines. "" for an empty one."""
    shown = visible(text[: characters * 4]).strip("\n").rstrip()
    cut = len(shown) > characters
    rows = shown[:characters].split("\n")
    cut = cut or len(rows) > lines or len(text) > characters * 4
    rows = [row.rstrip() for row in rows[:lines]] + ([ELLIPSIS] if cut else [])
    return "\n".join(f"    {row}" if row else "" for row in rows) if any(rows) else ""


def code(text: str, limit: int = 200) -> str:
    """``text`` in one line, as it is: a code span that nothing in it can end. "" for an empty one."""
    shown = safe(text, limit)
    if not shown:
        return ""
    fence = "`" * (max((len(run) for run in re.findall("`+", shown)), default=0) + 1)
    room = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{room}{shown}{room}{fence}"


def words(text: str, limit: int = 200) -> str:
    """``text`` in one line as plain words: what markdown would take for markup is escaped."""
    shown = _MARKUP.sub(r"\\\1", safe(text, limit))
    return "\\" + shown if _BEGINS_LIST.match(shown) and not shown[0].isdigit() else shown


def cell(text: str) -> str:
    """What :func:`code` or :func:`words` made, for a cell of a table: a bar in a code span ends the cell too."""
    return re.sub(r"(?<!\\)\|", r"\\|", text)
