"""The text of a prompt: what may be sent, and whether what an agent says it took is that text. Pure functions."""

from __future__ import annotations

import re

from quarterdeck.errors import Invalid

LIMIT = 1_000_000
"""Bytes one prompt may have."""
COMPARED = 100
"""Characters at least of a text that was cut short when it was told."""
JOINED = 12
"""Characters at least of a prompt that is looked for inside of what was told."""

_SEQUENCE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_](?:(?!\x1b\\|\x07).)*(?:\x1b\\|\x07)|[ -/]*[0-~])|\x9b[0-?]*[ -/]*[@-~]",
    re.DOTALL,
)
_LINE_END = re.compile(r"\r\n?|\u2028|\u2029|\x85")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_TORN = re.compile(r"[\ud800-\udfff]")
_SHORTENED = re.compile(r"\[(?:pasted|paste|image|text)\b[^\]]*\]", re.IGNORECASE)
"""What agents show instead of a long paste: ``[Pasted text #1 +20 lines]``, ``[Pasted Content 2048 chars]``."""


def clean(text: str) -> str:
    """The text as it is stored, shown and typed. Raises :class:`Invalid` for an empty or too long one.

    Terminal sequences and control characters but newline and tab are taken out, so that nothing in a prompt acts as
    a key, ends the paste it is in, or hides from a person who reads it. Line ends become newlines, and those at the
    end are dropped: Enter is pressed anyway.
    """
    text = _LINE_END.sub("\n", _TORN.sub("\ufffd", text))
    text = _CONTROL.sub("", _SEQUENCE.sub("", text)).rstrip()
    if not text.strip():
        raise Invalid("there is no text to send")
    size = len(text.encode())
    if size > LIMIT:
        raise Invalid(
            f"a prompt may have {LIMIT // 1000:,} kB; this one has {-(-size // 1000):,} kB",
            hint="put it into a file, and name the file in the prompt",
            limit=LIMIT,
            size=size,
        )
    return text


def matches(text: str, told: str) -> bool:
    """Whether ``told``, which may be cut short, is the prompt ``text``, alone or with what stood in the box before."""
    ours, theirs = _plain(text), _plain(told.rstrip("…"))
    if not ours or not theirs:
        return False
    if ours == theirs or (len(ours) >= JOINED and ours in theirs):
        return True
    return len(theirs) >= COMPARED and ours.startswith(theirs)


def stands_in(line: str, text: str) -> bool:
    """Whether ``line``, the line of an input box that holds the cursor, is the end of ``text`` or stands for it."""
    shown = _plain(line)
    return bool(shown) and (_plain(text).endswith(shown) or bool(_SHORTENED.search(line)))


def _plain(text: str) -> str:
    """Without white space: agents wrap, indent and trim what they took."""
    return "".join(text.split())
