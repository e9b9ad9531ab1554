"""The few calls to the kernel that the standard library has no name for."""

from __future__ import annotations

import ctypes
import signal
import sys

_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
# Looked up here, before any fork: a lookup would be private memory of every holder.
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def become_subreaper() -> None:
    """Adopt orphaned descendants, so that they are reaped here."""
    if _prctl is not None:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def be_called(name: str) -> None:
    """The name in process lists, of this process and those it forks."""
    if _prctl is not None:
        _prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0)


def ignore_signals() -> None:
    """Be deaf to hang-ups and polite kills, with all that is forked from here, and be woken when a child ends."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGTSTP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, lambda *_: None)
