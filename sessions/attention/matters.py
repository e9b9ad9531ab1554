"""What may need a person: pure functions over agents, settings and times. Texts are safe to show and bounded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum

from quarterdeck.config import Level
from quarterdeck.text import safe
from sessions.model import Agent, Status

TITLE_LIMIT = 80
TEXT_LIMIT = 300
_LEVELS: Sequence[Level] = ("off", "blocked", "problem", "done")


class What(StrEnum):
    """What it is about, the most urgent first."""

    BLOCKED = "blocked"
    FAILED = "failed"
    LOST = "lost"
    LIMITED = "limited"
    PROMPT = "prompt"
    """A prompt was not confirmed, or not taken."""
    RESET = "reset"
    """Its usage limit has ended, and a person was to be asked what now."""
    DONE = "done"
    SUMMARY = "summary"
    """Several at once."""


_FROM: dict[What, Level] = {What.BLOCKED: "blocked", What.DONE: "done"}
_OF: dict[Status, What] = {
    Status.BLOCKED: What.BLOCKED,
    Status.FAILED: What.FAILED,
    Status.LOST: What.LOST,
    Status.LIMITED: What.LIMITED,
    Status.DONE: What.DONE,
}
_ASKS = {
    "question": "{} asks you",
    "trust": "{} asks whether to trust",
    "login": "{} waits for a login",
}


@dataclass(frozen=True, kw_only=True)
class Matter:
    """One thing about one agent. The same ``what`` and ``about`` is the same matter, whenever it is looked at."""

    agent: str
    what: What
    about: str = ""
    title: str = ""
    text: str = ""
    since_ns: int = 0
    hold_ns: int = 0
    """How long it must hold before it is a person's matter at all."""
    worst: Level = "off"
    """Of a summary: the level of the most urgent in it."""

    @property
    def key(self) -> str:
        """Names the matter: by it a client knows one it has shown."""
        return f"{self.agent}:{self.what}:{self.about}"

    @property
    def level(self) -> Level:
        """From which level on a person is called for it."""
        return self.worst if self.what is What.SUMMARY else _FROM.get(self.what, "problem")


def matter(agent: Agent, name: str) -> Matter | None:
    """What an agent needs a person for by its status; ``name`` is what the person knows it by. None: nothing."""
    what = _OF.get(agent.status)
    if what is None:
        return None
    doing = agent.doing
    about, title, text = agent.reason, f"{name} {what}", agent.reason
    match what:
        case What.BLOCKED:
            text = doing.waiting_for or agent.reason
            about, title = f"{doing.kind}:{text}", _ASKS.get(doing.kind, "{} needs your permission").format(name)
        case What.LIMITED:
            about, title = str(doing.until_ns), f"{name} reached its usage limit"
            text = f"until {clock_time(doing.until_ns, agent.since_ns)}" if doing.until_ns else agent.reason
        case What.DONE:
            about, title = str(doing.unread), f"{name} is done"
            text = doing.message
        case What.LOST:
            title = f"{name} is lost"
    return Matter(
        agent=agent.id,
        what=what,
        about=safe(about, TEXT_LIMIT),
        title=safe(title, TITLE_LIMIT),
        text=safe(text, TEXT_LIMIT),
        since_ns=agent.since_ns,
    )


def ordered(matters: Iterable[Matter]) -> list[Matter]:
    """The most urgent first; of the same kind those that wait longest."""
    ranks = list(What)
    return sorted(matters, key=lambda one: (ranks.index(one.what), one.since_ns, one.agent))


def called(level: Level, least: Level) -> bool:
    """Whether something of ``level`` is told by what is told from ``least`` on."""
    return least != "off" and _LEVELS.index(level) <= _LEVELS.index(least)


def summed_up(matters: Sequence[Matter], now_ns: int) -> Matter:
    """One matter that tells of several, the most urgent by name."""
    first = ordered(matters)
    counted = [(what, sum(one.what is what for one in first)) for what in What]
    parts = ", ".join(f"{count} {_WORDS[what]}" for what, count in counted if count)
    named = "; ".join(one.title for one in first[:5]) + ("; …" if len(first) > 5 else "")
    return Matter(
        agent="",
        what=What.SUMMARY,
        about=str(now_ns),
        title=safe(f"agents: {parts}", TITLE_LIMIT),
        text=safe(named, TEXT_LIMIT),
        since_ns=now_ns,
        worst=min((one.level for one in first), key=_LEVELS.index, default="done"),
    )


_WORDS = {
    What.BLOCKED: "need you",
    What.FAILED: "failed",
    What.LOST: "lost",
    What.LIMITED: "at a usage limit",
    What.PROMPT: "with an unconfirmed prompt",
    What.RESET: "past a usage limit",
    What.DONE: "done",
    What.SUMMARY: "more",
}


def quiet_until(hours: str, wall_ns: int, zone: tzinfo | None = None) -> int:
    """When the quiet hours end in which ``wall_ns`` lies (wall clock, ns), 0 outside of them.

    ``hours`` is as in the settings, ``22:00-07:00``, in ``zone`` (None: this machine's); they may span midnight. Times
    are those on the wall: where the clocks change, the hours are as long as they are on that day.
    """
    found = re.fullmatch(r"\s*(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})\s*", hours)
    if not found:
        return 0
    now = datetime.fromtimestamp(wall_ns / 1e9, UTC).astimezone(zone)
    begin, end, here = (int(found[1]), int(found[2])), (int(found[3]), int(found[4])), (now.hour, now.minute)
    inside = begin <= here < end if begin < end else here >= begin or here < end
    if not inside:
        return 0
    wall = now.replace(tzinfo=None, hour=end[0], minute=end[1], second=0, microsecond=0, fold=0)
    wall += timedelta(days=int(begin > end and here >= begin))
    over = wall.astimezone() if zone is None else wall.replace(tzinfo=zone)
    # an hour that comes twice: its first end may be past
    return max(int(over.timestamp()) * 10**9, wall_ns + 60 * 10**9)


def clock_time(wall_ns: int, now_ns: int) -> str:
    """A time as a person here reads it, with its day where that is not today."""
    when, now = (datetime.fromtimestamp(ns / 1e9).astimezone() for ns in (wall_ns, now_ns))
    return f"{when:%H:%M}" if when.date() == now.date() else f"{when:%d %b %H:%M}"


def ways(level: Level, terminal: Level, bell: Level) -> list[str]:
    """By which ways the TUI calls a person: ``desktop`` (a notification of its terminal), ``bell``."""
    return [way for way, least in (("desktop", terminal), ("bell", bell)) if called(level, least)]
