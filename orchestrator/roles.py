"""Who asks: the person, or a program that runs inside an agent.

The peer's pid comes from the kernel. Walked up its parents it meets a process of a known agent, or it does not. A
program that detached itself from its agent is still found: the holder above a native agent adopts orphans, and
whatever stayed in the terminal's process session is known by that. The kernel names who called connect(), and whoever
else has that socket may go on when that process is gone: so it is looked at when the connection is accepted, and one
that is gone by then is nobody's. The same uid is no wall; this keeps an honest agent from approving itself by accident
or because a text told it to.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from quarterdeck.process import Stat, environ, identity, stat
from sessions.model import Agent, Status

_MAX_DEPTH = 64
_PF_EXITING = 0x4  # <linux/sched.h>, in the flags of proc(5)'s stat
_SOL_LOCAL, _LOCAL_PEERPID = 0, 2  # <sys/un.h> on macOS
_SO_PEERPIDFD = 77  # <asm-generic/socket.h>, Linux 6.5


class Role(StrEnum):
    """What a caller may do: a person everything, an agent only read what is its own, one that is gone nothing."""

    PERSON = "person"
    AGENT = "agent"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Caller:
    """A connection's other side. ``agent`` is the id of the agent it runs in; ``pid`` 0 where the system tells none."""

    role: Role = Role.PERSON
    agent: str = ""
    pid: int = 0

    def may_read(self, agent: str) -> bool:
        """Whether what belongs to the agent with this id (or to none: empty) is for this caller."""
        return self.role is Role.PERSON or (self.role is Role.AGENT and agent == self.agent)


class Peer:
    """One connection's other process as it is now. ``caller`` is found out once, when first asked.

    ``pid`` is 0 where the system tells none (it is outside of our pid namespace), negative where it cannot be known.
    """

    def __init__(self, pid: int, process: int | None = None) -> None:
        """``process`` is a pidfd of exactly this process, where there is one; the number alone may be reused."""
        self.pid = pid
        self.ancestors = tuple(lineage(pid))
        self.mark = _marked(pid) if pid > 0 else ""
        self.alive = self._lives(process)
        """Whether all this was read of a living process, so that nothing of it is missing."""
        self.caller: Caller | None = None

    @classmethod
    def of(cls, link: socket.socket) -> Peer:
        """The peer of a connected Unix socket."""
        process = -1
        try:
            pid = _peer_pid(link)
            if pid > 0 and hasattr(select, "poll"):
                process = _peer_process(link)
            return cls(pid, process if process >= 0 else None)
        except OSError:
            return cls(-1)
        finally:
            if process >= 0:
                os.close(process)

    def _lives(self, process: int | None) -> bool:
        if process is not None:
            ended = select.poll()
            ended.register(process, select.POLLIN)
            return bool(self.ancestors) and not ended.poll(0) and not _exiting(self.pid)
        if self.pid <= 0:
            return self.pid == 0
        now = identity(self.pid)
        same = now is not None and bool(self.ancestors) and now.started == self.ancestors[0][1].started
        return same and not _exiting(self.pid)


def _exiting(pid: int) -> bool:
    """Whether a process is on its way out: its environment is gone some time before it counts as ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return bool(int(file.read().rpartition(b")")[2].split()[6]) & _PF_EXITING)
    except FileNotFoundError:
        return os.path.isdir("/proc/self")
    except (OSError, IndexError, ValueError):
        return True


def _peer_pid(link: socket.socket) -> int:
    if hasattr(socket, "SO_PEERCRED"):
        data = link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", data)[0])
    return link.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID)


def _peer_process(link: socket.socket) -> int:
    """A pidfd of the peer, -1 from a kernel that has none. Raises OSError when the process is gone."""
    try:
        return link.getsockopt(socket.SOL_SOCKET, _SO_PEERPIDFD)
    except OSError as error:
        if error.errno == errno.ENOPROTOOPT:
            return -1
        raise


def lineage(pid: int) -> Iterator[tuple[int, Stat]]:
    """``pid`` and its ancestors, nearest first."""
    found = stat(pid) if pid > 1 else None
    for _ in range(_MAX_DEPTH):
        if found is None:
            return
        yield pid, found
        above = stat(found.parent) if found.parent > 1 else None
        if above is None and (again := stat(pid)) is not None and again.parent != found.parent:
            found = again  # its parent ended just now: it has another one
            continue
        pid, found = found.parent, above


class Roles:
    """Tells callers apart. Remembers the holder above each program: it stays when the program has ended."""

    def __init__(self) -> None:
        self._holders: dict[tuple[str, int], int] = {}

    def caller(self, peer: Peer, agents: Iterable[Agent]) -> Caller:
        """The role of ``peer`` among these agents; the nearest one above it counts.

        One that was gone already may still be known for an agent's, but never for a person's.
        """
        known = {agent.id: agent for agent in agents}
        programs = {agent.pid: agent for agent in known.values() if agent.pid > 0 and _may_run(agent)}
        holders = {self._holder(agent): agent for agent in programs.values() if agent.adapter == "native"}
        for ancestor, found in peer.ancestors:
            agent = programs.get(ancestor) or holders.get(ancestor) or programs.get(found.session)
            if agent is not None:
                return Caller(Role.AGENT, agent.id, peer.pid)
        if peer.mark in known:
            return Caller(Role.AGENT, peer.mark, peer.pid)
        return Caller(Role.PERSON if peer.alive else Role.UNKNOWN, pid=peer.pid)

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
    return environ(pid).get("QUARTERDECK_AGENT", "")


def _booted_ns() -> int:
    """The wall clock at boot: pids of an earlier boot say nothing."""
    return time.time_ns() - time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
