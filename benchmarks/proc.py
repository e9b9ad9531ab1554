"""What ``/proc`` says a process costs: CPU time, wake-ups, memory, descriptors, descendants. Linux only."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from quarterdeck.process import stat


def cpu_seconds(pid: int) -> float:
    """CPU time of all threads so far, to the nanosecond: the process's own clock (clock_getcpuclockid(3))."""
    return time.clock_gettime((~pid << 3) | 2)


def _status_lines(pid: int) -> Iterator[str]:
    """The status of every thread, line by line."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            yield from (task / "status").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue  # the thread ended meanwhile


def wakeups(pid: int) -> int:
    """How often its threads went to sleep by themselves so far, which is how often they were woken."""
    return sum(int(line.split()[1]) for line in _status_lines(pid) if line.startswith("voluntary_ctxt_switches"))


def pss(pid: int) -> int:
    """Bytes of memory, shared pages divided among those that share them."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"no Pss of {pid}")


def threads(pid: int) -> int:
    """How many threads it has."""
    return len(os.listdir(f"/proc/{pid}/task"))


def descriptors(pid: int) -> int:
    """How many files, sockets and pipes it holds open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def reaped_faults(pid: int) -> int:
    """Page faults of the children it has waited for (proc(5) field 11): grows with every subprocess that ended."""
    return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[8])


def children(pid: int) -> list[int]:
    """Its living direct children."""
    pids = (int(name) for name in os.listdir("/proc") if name.isdigit())
    return [other for other in pids if (seen := stat(other)) and seen.parent == pid and seen.state not in "ZX"]


def command(pid: int) -> str:
    """Its command line, words separated by blanks; "" when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


@dataclass(frozen=True)
class Cost:
    """What some processes used over a time. ``cpu`` is per cent of one core."""

    seconds: float
    cpu: float
    wakeups: int

    @property
    def wakeups_per_second(self) -> float:
        """Wake-ups a second."""
        return self.wakeups / self.seconds


class Meter:
    """Counts what processes use between its making and :meth:`read`. All of them must live that long."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._pids = list(pids)
        self._cpu, self._wakeups, self._at = *self._sum(), time.monotonic()

    def _sum(self) -> tuple[float, int]:
        return sum(map(cpu_seconds, self._pids)), sum(map(wakeups, self._pids))

    def read(self) -> Cost:
        """What was used so far."""
        cpu, woken = self._sum()
        seconds = time.monotonic() - self._at
        return Cost(seconds, 100 * (cpu - self._cpu) / seconds, woken - self._wakeups)
