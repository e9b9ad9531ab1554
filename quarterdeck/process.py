"""Who a process id really is: start time and state letter from ``/proc``, standard library only.

A pid alone proves nothing (it may be reused) and ``kill(pid, 0)`` calls a zombie alive, so identity is
``(pid, start time)`` and life is the state letter (proc(5), fields 3, 4 and 22 of ``/proc/PID/stat``).
"""

from __future__ import annotations

import os
from typing import NamedTuple


class Identity(NamedTuple):
    """A process that cannot be confused with another one of the same boot. ``started`` is in clock ticks since boot."""

    pid: int
    started: int


class Stat(NamedTuple):
    """Part of ``/proc/PID/stat``."""

    state: str
    parent: int
    group: int
    session: int
    started: int


def stat(pid: int) -> Stat | None:
    """What ``/proc`` says of ``pid``, None when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            rest = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    if len(rest) < 20:
        return None
    return Stat(rest[0].decode(), int(rest[1]), int(rest[2]), int(rest[3]), int(rest[19]))


def identity(pid: int) -> Identity | None:
    """The identity of a living process; None for none or a zombie."""
    found = stat(pid)
    return Identity(pid, found.started) if found and found.state not in "ZX" else None


def alive(who: Identity) -> bool:
    """Whether exactly this process still runs (a zombie does not)."""
    return identity(who.pid) == who


def environ(pid: int) -> dict[str, str]:
    """The environment a process was started with; empty where it is gone, not ours, or the system tells none."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            said = os.fsdecode(file.read())
    except OSError:
        return {}
    pairs = [one.partition("=") for one in said.split("\0")]
    return {name: value for name, found, value in reversed(pairs) if found}  # of two of one name the first counts


def in_foreground(pid: int) -> bool | None:
    """Whether ``pid`` belongs to the foreground process group of its terminal; None where that cannot be told."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            rest = file.read().rpartition(b")")[2].split()
        return int(rest[2]) == int(rest[5])
    except (OSError, ValueError, IndexError):
        return None


def members(session: int) -> list[int]:
    """Pids of the living processes in one process session."""
    pids = (int(name) for name in os.listdir("/proc") if name.isdigit())
    return [pid for pid in pids if (seen := stat(pid)) and seen.session == session and seen.state not in "ZX"]


def descendants(pid: int) -> list[int]:
    """Pids of the living processes that ``pid`` started, and those that they started, in whatever session."""
    seen = {int(name): found for name in os.listdir("/proc") if name.isdigit() and (found := stat(int(name)))}
    children: dict[int, list[int]] = {}
    for one, found in seen.items():
        children.setdefault(found.parent, []).append(one)
    below = dict.fromkeys(children.get(pid, ()))
    fresh = list(below)
    while fresh:  # what is read is not of one moment: nobody is looked at twice
        fresh = [one for parent in fresh for one in children.get(parent, ()) if one not in below and one != pid]
        below |= dict.fromkeys(fresh)
    return [one for one in below if seen[one].state not in "ZX"]
