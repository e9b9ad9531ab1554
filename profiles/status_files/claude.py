"""Claude Code's ``sessions/PID.json``: what it does at this moment, written at every change, interrupts included.

It is not documented. The file of a program that was killed stays, so it counts only while exactly that process lives:
``procStart`` is its start time, in clock ticks since boot. Before its first prompt can be typed it tells no status.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from quarterdeck.clock import Clock, SystemClock
from quarterdeck.evidence import Evidence, Sign, Source
from quarterdeck.paths import read_file
from quarterdeck.process import Identity, alive

LIMIT = 64 << 10
"""Bytes; a file is about one thousand."""
_CONVERSATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_WAITS = {"permission prompt": "permission", "sandbox request": "permission", "worker request": "permission"}
"""What it waits for, by its own words; everything else ("input needed", "dialog open") is a question."""


def folder(environ: Mapping[str, str]) -> Path | None:
    """Where a Claude Code with this environment keeps its files, whether or not it is there yet."""
    base = environ.get("CLAUDE_CONFIG_DIR") or (environ.get("HOME") and os.path.join(environ["HOME"], ".claude"))
    return Path(base, "sessions") if base and os.path.isabs(base) else None


def read(folder: Path, pids: Iterable[int], clock: Clock | None = None) -> list[Evidence]:
    """What the first of these processes says that has a file: the outermost first, as a Claude may run another one.

    Empty where none has one, where it is half-written, or where it is left over from a process that is gone.
    """
    now = (clock or SystemClock()).wall_ns()
    for pid in pids:
        told = _file(folder / f"{pid}.json")
        if told.get("pid") == pid and _is_interactive(told) and _lives(pid, told):
            return _evidence(pid, told, now)
    return []


def _file(path: Path) -> Mapping[str, Any]:
    try:
        told = json.loads(read_file(path, LIMIT))
    except (OSError, ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _is_interactive(told: Mapping[str, Any]) -> bool:
    return bool(told.get("kind", "interactive") == "interactive")


def _lives(pid: int, told: Mapping[str, Any]) -> bool:
    started = told.get("procStart")
    if not isinstance(started, str) or not re.fullmatch(r"[0-9]{1,20}", started):
        return False
    return alive(Identity(pid, int(started)))


def _evidence(pid: int, told: Mapping[str, Any], now: int) -> list[Evidence]:
    found: list[Evidence] = []

    def add(sign: Sign, when: int, said: str, **data: Any) -> None:
        found.append(Evidence(source=Source.FILE, sign=sign, wall_ns=when, text=f"{pid}.json: {said}", data=data))

    conversation = told.get("sessionId")
    if isinstance(conversation, str) and _CONVERSATION.fullmatch(conversation):
        add(Sign.CONVERSATION, now, "sessionId", id=conversation)
    since = told.get("statusUpdatedAt")
    sane = isinstance(since, int) and not isinstance(since, bool) and 0 < since < now // 1_000_000
    when = since * 1_000_000 if sane and isinstance(since, int) else now
    match told.get("status"):
        case "idle":
            add(Sign.IDLE, when, "idle")
        case "busy":
            add(Sign.WORKING, when, "busy")
        case "waiting":
            waits = told.get("waitingFor")
            waits = waits if isinstance(waits, str) and waits.isprintable() and len(waits) <= 80 else ""
            add(
                Sign.BLOCKED,
                when,
                f"waiting, {waits or 'it does not say for what'}",
                kind=_WAITS.get(waits, "question"),
            )
    return found
