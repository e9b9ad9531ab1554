"""Names a person gives to sessions and agents, and the names chosen where none is given."""

from __future__ import annotations

import re
from collections.abc import Container

from quarterdeck.errors import Invalid
from quarterdeck.text import safe

NAME = r"[\w][\w.+@-]{0,63}"
"""What a name may be, as a pattern."""
_GOOD = re.compile(NAME, re.UNICODE)


def check_name(name: str) -> None:
    """Raise :class:`Invalid` for a name that could not be typed in a command or shown in one line."""
    if not _good(name):
        raise Invalid(
            f"{safe(name, 80)!r} cannot be a name",
            hint="1 to 64 letters, digits and . _ + @ - , beginning with a letter or digit",
        )


def _good(name: str) -> bool:
    return bool(_GOOD.fullmatch(name)) and safe(name) == name


def free_name(wanted: str, taken: Container[str]) -> str:
    """``wanted`` itself where it is good and free; else made a good name, with the lowest number that makes it free."""
    if wanted not in taken and _good(wanted):
        return wanted
    base = re.sub(r"[^\w.+@-]+", "-", safe(wanted, 48)).strip("-.+@") or "agent"
    if base not in taken:
        return base
    number = 2
    while f"{base}-{number}" in taken:
        number += 1
    return f"{base}-{number}"
