"""Times as people read them at a glance, and when what is shown changes next."""

from __future__ import annotations

from datetime import datetime

SECOND = 1_000_000_000
MINUTE = 60 * SECOND


def span(ns: int) -> str:
    """How long: ``0:12`` below a minute, then ``3 m``, ``2 h``, ``4 d``."""
    seconds = max(0, ns) // SECOND
    if seconds < 60:
        return f"0:{seconds:02d}"
    if seconds < 3600:
        return f"{seconds // 60} m"
    if seconds < 86400:
        return f"{seconds // 3600} h"
    return f"{seconds // 86400} d"


def changes_in(ns: int) -> int:
    """Nanoseconds until :func:`span` of a growing ``ns`` reads differently."""
    ns = max(0, ns)
    step = SECOND if ns < MINUTE else MINUTE if ns < 60 * MINUTE else 60 * MINUTE
    return step - ns % step


def clock(wall_ns: int) -> str:
    """The time of day of the place, ``14:02``."""
    return datetime.fromtimestamp(wall_ns / SECOND).strftime("%H:%M")  # noqa: DTZ006  the person's own clock
