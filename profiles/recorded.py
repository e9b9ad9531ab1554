"""Recorded screens: a plain text file with a head that says size, cursor and title, and what is expected of the rules.

The form is described in ``docs/profiles.md``. A file without a head is taken as the screen alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from quarterdeck.errors import Invalid
from quarterdeck.rows import Look, Mark

LIMIT = 1 << 20
"""Bytes of one file."""
COLS, LINES = 500, 300
EXPECTED = ("rule", "kind", "tool", "command", "path", "text", "draft", "gives")
_KEYS = ("size", "cursor", "title", "marked", "agent", *EXPECTED)
_ENDING = "---"


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A screen and what is known about it. ``expected`` has the keys of ``EXPECTED`` that the file names."""

    look: Look
    agent: str = ""
    expected: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def parse(data: bytes, source: str) -> Recorded:
    """The screen in a file. Raises :class:`Invalid` that names the file and the line of the head that is wrong."""
    if len(data) > LIMIT:
        raise Invalid(f"{source}: too large for a screen", file=source)
    lines = data.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    if lines and lines[-1] == "":
        lines.pop()
    if not re.fullmatch(r"size: \d+x\d+", lines[0] if lines else ""):
        cols = min(COLS, max(80, *map(len, lines), 0)) if lines else 80
        return Recorded(look=Look(tuple(line.rstrip() for line in lines), _under(lines), cols))
    if _ENDING not in lines:
        raise Invalid(f'{source}: the head does not end: a line "{_ENDING}" is missing', file=source)
    end = lines.index(_ENDING)
    head: dict[str, str] = {}
    for number, line in enumerate(lines[:end], 1):
        key, colon, value = line.partition(":")
        if not colon or key not in _KEYS or key in head:
            raise Invalid(
                f"{source}: line {number}: not a line of a head", hint="keys: " + ", ".join(_KEYS), file=source
            )
        head[key] = value.removeprefix(" ")
    cols, rows = _pair(source, "size", head["size"], "x")
    if not (0 < cols <= COLS and 0 < rows <= LINES):
        raise Invalid(f"{source}: size: at most {COLS}x{LINES}", file=source)
    body = [line.rstrip() for line in lines[end + 1 :]]
    if len(body) > rows:
        raise Invalid(f"{source}: the screen has more than {rows} rows", file=source)
    body += [""] * (rows - len(body))
    cursor = _pair(source, "cursor", head.get("cursor", "0,0"), ",")
    expected = {key: _plain(head[key]) for key in EXPECTED if key in head}
    return Recorded(
        look=Look(
            tuple(body), cursor, cols, head.get("title", ""), marked=_marks(source, head.get("marked", ""), body)
        ),
        agent=head.get("agent", ""),
        expected=MappingProxyType(expected),
    )


def _pair(source: str, key: str, value: str, between: str) -> tuple[int, int]:
    first, found, second = value.partition(between)
    if not found or not re.fullmatch("[0-9]{1,4}", first) or not re.fullmatch("[0-9]{1,4}", second):
        raise Invalid(f"{source}: {key}: must be two numbers with {between} between them", file=source)
    return int(first), int(second)


def _marks(source: str, value: str, body: list[str]) -> tuple[Mark, ...]:
    """``row,begin-end`` of each marked text, with blanks between."""
    found: list[Mark] = []
    for part in value.split():
        place = re.fullmatch("([0-9]{1,3}),([0-9]{1,3})-([0-9]{1,3})", part)
        if not place or int(place[1]) >= len(body):
            raise Invalid(f"{source}: marked: must be a row and its characters, as 21,5-17", file=source)
        found.append(Mark(*map(int, place.groups())))
    return tuple(found)


def _plain(value: str) -> str:
    r"""A value of the head: ``\n`` is a new line, ``\\`` a backslash."""
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], value)


def _under(lines: list[str]) -> tuple[int, int]:
    """Where the cursor of a screen without a head is taken to be: at the end of its last line that is not blank."""
    last = max((y for y, line in enumerate(lines) if line.strip()), default=0)
    return (len(lines[last].rstrip()) if lines else 0, last)
