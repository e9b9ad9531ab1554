"""Text of an agent's shown exactly: every character is seen, nothing moves the cursor, long lines are folded.

A person decides by what is shown here, so nothing is left out or tidied: what has no picture of its own (control
characters, escapes, bidirectional overrides, invisible and look-alike blanks) stands there by its number.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from rich.cells import cell_len, split_graphemes

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})
_MARKS = frozenset({"Mn", "Mc", "Me"})
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and a pattern that look like blanks."""
_NAMED = re.compile(r"[‹<]U\+[0-9A-F]{4,6}[›>]")
RETURN = "⏎"


class Folded(NamedTuple):
    """One line as shown. ``more`` is whether it continues the line before; ``number`` counts the text's own lines."""

    text: str
    more: bool
    number: int


def _named(char: str, plain: bool) -> str:
    return f"<U+{ord(char):04X}>" if plain else f"‹U+{ord(char):04X}›"


def _unseen(char: str) -> bool:
    if char in " \n\t":
        return False
    kind = unicodedata.category(char)
    return kind in _HIDDEN or char in _BLANK or (not cell_len(char) and kind not in _MARKS)


def revealed(text: str, *, plain: bool = False) -> str:
    """``text`` with what cannot be seen written as its number; line breaks stay, a tab becomes four blanks."""
    text = text.replace("\r\n", "\n")
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text.replace("\t", "    ")
    table: dict[int, str] = {ord(char): _named(char, plain) for char in set(text) if _unseen(char)}
    table[ord("\t")] = "    "
    return text.translate(table)


@lru_cache(maxsize=64)
def folded(text: str, width: int, *, plain: bool = False) -> tuple[Folded, ...]:
    """All of ``text`` in lines of at most ``width`` cells; nothing is dropped."""
    width = max(2, width)
    found: list[Folded] = []
    for number, line in enumerate(revealed(text, plain=plain).split("\n")):
        for part, piece in enumerate(_pieces(line, width)):
            found.append(Folded(piece, part > 0, number))
    return tuple(found)


def _pieces(line: str, width: int) -> list[str]:
    if line.isascii():
        return [line[at : at + width] for at in range(0, len(line), width)] or [""]
    found, start, used = [], 0, 0
    for begin, _, cells in split_graphemes(line)[0]:
        if used + cells > width:
            found.append(line[start:begin])
            start, used = begin, 0
        used += cells
    return [*found, line[start:]]


def one_line(text: str, room: int, *, plain: bool = False) -> tuple[str, bool]:
    """``text`` in ``room`` cells on one line, and whether that is all of it. A line break shows as a sign."""
    sign = "\\n" if plain else RETURN
    head = revealed(text[: room * 4 + 16], plain=plain).replace("\n", f" {sign} ")
    whole = len(text) <= room * 4 + 16
    if whole and cell_len(head) <= room:
        return head, True
    kept = _pieces(head, max(2, room - 1))[0] if room > 1 else ""
    return kept + ("~" if plain else "…"), False


def runs(text: str) -> list[tuple[str, bool]]:
    """A shown line cut into (text, whether it stands for something invisible)."""
    found, at = [], 0
    for match in _NAMED.finditer(text):
        if match.start() > at:
            found.append((text[at : match.start()], False))
        found.append((match.group(), True))
        at = match.end()
    if at < len(text):
        found.append((text[at:], False))
    return found
