"""How many files this process may have open: an orchestrator needs some four per agent, its programs what they had."""

from __future__ import annotations

import resource

WANTED = 16384
"""Enough for some thousands of agents, and few enough for programs that close all they may have open one by one."""

_before: tuple[int, int] | None = None


def possible() -> int:
    """The soft limit that :func:`raise_limit` leads to; -1 for none."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return -1
    return max(soft, WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard))


def raise_limit() -> int:
    """Raise the soft limit to ``WANTED``, or as far as the hard one allows; the soft limit now (-1: none)."""
    global _before
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = possible()
    if 0 <= wanted != soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        _before = _before or (soft, hard)
    return wanted


def as_before(pid: int) -> None:
    """Give the child ``pid`` the limit this process had, so that the programs it starts have it, too."""
    if _before is not None and hasattr(resource, "prlimit"):
        try:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, _before)
        except OSError:  # it has ended, or may not be told
            return
