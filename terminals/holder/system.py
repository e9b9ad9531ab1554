"""The few calls to the kernel that the standard library has no name for."""

from __future__ import annotations

import ctypes
import sys

_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def become_subreaper(name: str) -> None:
    """Adopt orphaned descendants, so that they are reaped here, and be called ``name`` in process lists."""
    if _libc is not None:
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        _libc.prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0)
