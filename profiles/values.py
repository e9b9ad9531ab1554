"""Values out of lines that an agent wrote: any key may be missing or of any type; nothing here raises."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


def moment(value: object) -> int:
    """Wall-clock nanoseconds of an ISO time stamp, 0 for what is none."""
    if not isinstance(value, str) or len(value) > 40:
        return 0
    try:
        when = datetime.fromisoformat(value)
        return max(0, int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1000) * 1_000_000)
    except (ValueError, OverflowError):
        return 0


def table(value: object) -> Mapping[str, Any]:
    """``value`` where it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def tables(value: object) -> list[Mapping[str, Any]]:
    """The objects in ``value`` where it is a list, else none."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def text(value: object) -> str:
    """``value`` where it is a text, else ""."""
    return value if isinstance(value, str) else ""


def number(value: object) -> int:
    """``value`` where it is a sane count, else 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53 else 0


def amount(value: object) -> float | None:
    """``value`` where it is a sane sum of money, else None."""
    sane = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9
    return float(value) if sane else None  # type: ignore[arg-type]


def texts(content: object, *kinds: str) -> str:
    """The texts of a content that is one, or a list of blocks of these kinds, one after the other."""
    if isinstance(content, str):
        return content
    found = (block for block in tables(content) if block.get("type") in kinds)
    return "\n".join(said for block in found if (said := text(block.get("text"))))
