"""Text chosen by an agent (title, path, branch, message) made safe to show.

Everything an agent can choose is hostile: it may carry control characters, escape sequences, bidirectional
overrides or line breaks. :func:`safe` is the one function that makes it showable; what it returns holds
printable characters only, on one line, bounded. It is never parsed as markup afterwards.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

_BAD_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_KEEP = frozenset("\u200d\ufe0f\ufe0e")
ELLIPSIS = "…"

_CONTROLS = (*(code for code in range(0x20) if code not in (0x09, 0x0A)), *range(0x7F, 0xA0), 0x2028, 0x2029)
_OVERRIDES = (0x200E, 0x200F, 0x061C, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_UNSAFE: dict[int, str | None] = {**dict.fromkeys(_CONTROLS, "\ufffd"), **dict.fromkeys(_OVERRIDES)}


def safe(text: str, limit: int = 200) -> str:
    """``text`` without C0, C1, format and bidi characters, white space folded, cut to ``limit`` characters."""
    if text.isascii() and text.isprintable() and len(text) <= limit and "  " not in text and text == text.strip():
        return text
    if limit <= 0:
        return ""
    head = text[: limit * 8]
    kept = "".join(
        " " if char in "\t\n\r\v\f\u2028\u2029\u0085" else char
        for char in head
        if char in _KEEP or char in "\t\n\r\v\f\u2028\u2029\u0085" or unicodedata.category(char) not in _BAD_CATEGORIES
    )
    kept = " ".join(kept.split())
    return kept if len(kept) <= limit else kept[: limit - 1] + ELLIPSIS


def plain(text: str) -> str:
    """Several lines of text without a control character but tab and newline, and without bidi overrides."""
    return text if text.isprintable() else text.translate(_UNSAFE)


def cells(text: str) -> int:
    """How many terminal cells printable ``text`` takes."""
    if text.isascii():
        return len(text)
    width = 0
    for char in text:
        if unicodedata.combining(char) or char in "\u200d\ufe0f\ufe0e":
            continue
        width += 2 if unicodedata.east_asian_width(char) in "WF" else 1
    return width


def cut_middle(text: str, limit: int) -> str:
    """A name shortened in its middle to ``limit`` characters."""
    if len(text) <= limit:
        return text
    if limit <= 1:
        return ELLIPSIS[: max(0, limit)]
    tail = (limit - 1) // 2
    return text[: limit - 1 - tail] + ELLIPSIS + (text[-tail:] if tail else "")


def cut_left(text: str, limit: int) -> str:
    """A path shortened from its left to ``limit`` characters."""
    if len(text) <= limit:
        return text
    return ELLIPSIS + text[len(text) - limit + 1 :] if limit > 0 else ""


def cut_right(text: str, limit: int) -> str:
    """A sentence shortened at its end to ``limit`` characters."""
    return text if len(text) <= limit else text[: max(0, limit - 1)] + ELLIPSIS[: max(0, limit)]


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint that names the known word a mistyped one probably meant: ``did you mean theme?``, or ""."""
    import difflib  # slow to load, and needed for mistakes only

    close = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else ""
