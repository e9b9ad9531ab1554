"""Who asks: the person, or a program that runs inside an agent.

The peer's pid comes from the kernel. Walked up its parents it meets a process of a known agent, or it does not. A
program that detached itself from its agent is still found: the holder above a native agent adopts orphans, and
whatever stayed in the terminal's process session is known by that. The same uid is no wall; this keeps an honest agent
from approving itself by accident or because a text told it to.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from quarterdeck.process import Stat, stat
from sessions.model import Agent, Status

_MAX_DEPTH = 64
_SOL_LOCAL, _LOCAL_PEERPID = 0, 2  # <sys/un.h> on macOS


class Role(StrEnum):
    """What a caller may do: a person everything, an agent only read what is its own."""

    PERSON = "person"
    AGENT = "agent"


@dataclass(frozen=True)
class Caller:
    """A connection's other side. ``agent`` is the id of the agent it runs in; ``pid`` 0 where unknown."""

    role: Role = Role.PERSON
    agent: str = ""
    pid: int = 0


class Peer:
    """One connection's other process, by the pid the kernel noted. ``caller`` is found out once, when first asked."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.caller: Caller | None = None

    @classmethod
    def of(cls, link: socket.socket) -> Peer:
        """The peer of a connected Unix socket; pid 0 where the system does not tell."""
        try:
            if hasattr(socket, "SO_PEERCRED"):
                data = link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
                return cls(int(struct.unpack("3i", data)[0]))
            return cls(link.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID))
        except OSError:
            return cls(0)


def lineage(pid: int) -> Iterator[tuple[int, Stat]]:
    """``pid`` and its ancestors, nearest first."""
    for _ in range(_MAX_DEPTH):
        found = stat(pid) if pid > 1 else None
        if found is None:
            return
        yield pid, found
        pid = found.parent


class Roles:
    """Tells callers apart. Remembers the holder above each program: it stays when the program has ended."""

    def __init__(self) -> None:
        self._holders: dict[tuple[str, int], int] = {}

    def caller(self, pid: int, agents: Iterable[Agent]) -> Caller:
        """The role of process ``pid`` among these agents; the nearest one above it counts.

        A caller that is gone already is taken for a person's: its parents are not known any more.
        """
        ancestors = list(lineage(pid))
        if not ancestors:
            return Caller(pid=pid)
        known = {agent.id: agent for agent in agents}
        programs = {agent.pid: agent for agent in known.values() if agent.pid > 0 and _may_run(agent)}
        holders = {self._holder(agent): agent for agent in programs.values() if agent.adapter == "native"}
        for ancestor, found in ancestors:
            agent = programs.get(ancestor) or holders.get(ancestor) or programs.get(found.session)
            if agent is not None:
                return Caller(Role.AGENT, agent.id, pid)
        if (marked := _marked(pid)) in known:
            return Caller(Role.AGENT, marked, pid)
        return Caller(pid=pid)

    def _holder(self, agent: Agent) -> int:
        key = (agent.id, agent.pid)
        if key not in self._holders:
            found = stat(agent.pid)
            if found is None:
                return -1
            self._holders = {known: pid for known, pid in self._holders.items() if known[0] != agent.id}
            self._holders[key] = found.parent
        return self._holders[key]


def _may_run(agent: Agent) -> bool:
    """Whether processes may be this agent's. What outlives its program has a process session without a leader."""
    if agent.status.alive:
        return True
    ended_here = agent.status in (Status.LOST, Status.EXITED) and agent.since_ns > _booted_ns()
    return ended_here and stat(agent.pid) is None


def _marked(pid: int) -> str:
    """The agent whose environment a process still has: it left the agent's terminal and all its parents."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            variables = file.read().split(b"\0")
    except OSError:
        return ""
    marks = [one.partition(b"=")[2] for one in variables if one.startswith(b"QUARTERDECK_AGENT=")]
    return marks[0].decode(errors="replace") if marks else ""


def _booted_ns() -> int:
    """The wall clock at boot: pids of an earlier boot say nothing."""
    return time.time_ns() - time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
