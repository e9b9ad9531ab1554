"""Waiting for what other processes do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")
PATIENCE = 30.0
GAP = 0.002


def until(look: Callable[[], _T], what: str, seconds: float = PATIENCE) -> _T:
    """What ``look`` gives once that is true; fails after so many ``seconds``."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(GAP)
    return found
