"""Waiting for what other processes do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")
PATIENCE = 30.0
GAP = 0.002


def until(look: Callable[[], _T], what: str | Callable[[], str], seconds: float = PATIENCE) -> _T:
    """What ``look`` gives once that is true; fails after so many ``seconds``. ``what`` may tell how it stands then."""
    began = time.monotonic()
    deadline = began + seconds
    while not (found := look()):
        now = time.monotonic()
        assert now < deadline, f"never happened: {what() if callable(what) else what}"
        time.sleep(max(GAP, 3 * (now - began)))  # what is looked for needs the processor more than the look
        began = time.monotonic()
    return found
