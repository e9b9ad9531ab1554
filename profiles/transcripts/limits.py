"""When a usage limit ends, from the sentence in which an agent says that one was reached.

The forms of Claude Code (1.0 to 2.1), Codex and Gemini CLI::

    Claude AI usage limit reached|1751230800
    5-hour limit reached ∙ resets 3pm
    You've hit your session limit · resets 3:30pm (Europe/Amsterdam)
    You've hit your weekly limit · resets Oct 9, 5pm (UTC)
    You've hit your weekly limit · resets Jan 3, 2027, 5pm (UTC)
    Your limit will reset at 3pm (America/Bogota).
    You’ve hit your usage limit. Upgrade to Pro (…) or try again at 2:24 PM.
    You’ve hit your usage limit. … or try again at Oct 9th, 2026 2:24 PM.
    You've hit your usage limit. Try again in 3 days 4 hours 5 minutes.
    You have exhausted your capacity on this model. Your quota will reset after 23h50m18s.

A time without a zone is this machine's; one without a date is the next such time after the sentence was said.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

UNKNOWN = 0
_LONGEST = timedelta(days=400)
_FAR = 4_000_000_000_000_000_000
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]

_REACHED = re.compile(
    r"(?:hit|reached|exceeded) (?:your|the) [\w'’ .-]{0,60}?limit\b"
    r"|\b(?:usage|session|weekly|monthly|5-hour|five-hour|opus|sonnet|fable|spend) limit"
    r" (?:has been )?(?:reached|exceeded)"
    r"|\bout of (?:extra usage|usage credits|credits)\b"
    r"|\b(?:exhausted|exceeded) your (?:current |daily )?(?:quota|capacity)\b",
    re.IGNORECASE,
)
_EPOCH = re.compile(r"limit reached\|(\d{9,13})\b")
_WHEN = re.compile(
    r"(?:resets?|try again|available again|resuming)(?: at| on)?\s+"
    r"(?:(?P<month>[a-z]{3})[a-z]{0,6}\.?\s+(?P<day>\d{1,2})(?:st|nd|rd|th)?"
    r"(?:,?\s+(?P<year>\d{4}))?(?:,|\s+at)?\s*)?"
    r"(?:(?P<hour>\d{1,2})(?::(?P<minute>\d{2}))?\s*(?P<half>[ap])\.?m\b\.?)?"
    r"(?:\s*\((?P<zone>[A-Za-z0-9_+/-]{1,64})\))?",
    re.IGNORECASE,
)
_IN = re.compile(
    r"(?:resets?|try again) (?:in|after) (?:about )?((?:\d{1,5}\s*[a-z]+[,\s]*(?:and )?){1,4})", re.IGNORECASE
)
_SPANS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


def reached(said: str) -> bool:
    """Whether this sentence of an agent's own (never of its model) says that a usage limit was reached."""
    return _REACHED.search(said[:2_000]) is not None


def ends(said: str, wall_ns: int, local: tzinfo | None = None) -> int:
    """When the limit ends (wall clock, ns) by a sentence said at ``wall_ns``; ``UNKNOWN`` where it does not tell.

    ``local`` is the zone of a time that names none; None is this machine's.
    """
    said = said[:2_000]
    then = datetime.fromtimestamp(min(max(wall_ns, 0), _FAR) / 1e9, UTC)
    if found := _EPOCH.search(said):
        return plausible(int(found[1]), wall_ns)
    if found := _IN.search(said):
        spans = re.findall(r"(\d{1,5})\s*([dhms])", found[1].lower())
        return _ns(then + timedelta(seconds=sum(int(count) * _SPANS[unit] for count, unit in spans)), then)
    for found in _WHEN.finditer(said):
        if found["hour"] or found["month"]:
            try:
                return _ns(_moment(found, then, local), then)
            except (ValueError, OverflowError):
                return UNKNOWN
    return UNKNOWN


def plausible(epoch: int, wall_ns: int) -> int:
    """Nanoseconds of an epoch in seconds or milliseconds; ``UNKNOWN`` where it is nowhere near ``wall_ns``."""
    ns = epoch * (1_000_000 if epoch > 100_000_000_000 else 1_000_000_000)
    return ns if abs(ns - wall_ns) < _LONGEST.total_seconds() * 1e9 else UNKNOWN


def _moment(found: re.Match[str], then: datetime, local: tzinfo | None) -> datetime:
    zone = _zone(found["zone"]) if found["zone"] else local
    here = then.astimezone(zone)
    hour, minute = 0, int(found["minute"] or 0)
    if found["hour"]:
        if not 1 <= int(found["hour"]) <= 12:
            raise ValueError(found["hour"])
        hour = int(found["hour"]) % 12 + (12 if found["half"].lower() == "p" else 0)
    here = here.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if not found["month"]:
        when = _again(here, zone)
        # said at 15:00:20 of what ended at 15:00, it means today's
        return when if when > then - timedelta(minutes=1) else _again(when + timedelta(days=1), zone)
    month = _MONTHS.index(found["month"].lower()) + 1
    year = int(found["year"] or here.year)
    when = _again(here.replace(year=year, month=month, day=int(found["day"])), zone)
    if not found["year"] and when < then - timedelta(days=1):
        when = _again(when.replace(year=year + 1), zone)
    return when


def _again(when: datetime, zone: tzinfo | None) -> datetime:
    """The same time on the wall, with the offset that holds on its day."""
    return when.replace(tzinfo=None).astimezone() if zone is None else when


@lru_cache(maxsize=32)
def _zone(name: str) -> tzinfo:
    if ".." in name or name.startswith("/"):
        raise ValueError(name)
    try:
        return ZoneInfo(name)
    except (OSError, LookupError) as error:
        raise ValueError(name) from error


def _ns(when: datetime, then: datetime) -> int:
    if not then - timedelta(days=1) <= when <= then + _LONGEST:
        return UNKNOWN
    return int(when.timestamp()) * 1_000_000_000
