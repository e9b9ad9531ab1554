"""When panels are painted: the focused one at once, the others together and at most thirty times a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from tui.panel import Panel

GAP = 1 / 30
"""Seconds between two paints of what is not focused."""

Dirty = Mapping[Panel, set[int] | None]
"""Panels with the lines that look different, None for all."""


class Painter:
    """Gathers changed lines and hands them to ``paint``. What has been quiet is painted at its first change."""

    def __init__(self, paint: Callable[[Dirty], None]) -> None:
        self._paint = paint
        self._waiting: dict[Panel, set[int] | None] = {}
        self._handle: asyncio.TimerHandle | None = None
        self._last = 0.0

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be painted."""
        return not self._waiting

    def changed(self, panel: Panel, lines: set[int] | None, *, first: bool) -> None:
        """These lines (None: all) look different; ``first`` paints them now."""
        if lines is not None and not lines:
            return
        before = self._waiting.pop(panel, set())
        merged = None if lines is None or before is None else before | lines
        if first:
            self._paint({panel: merged})
            return
        self._waiting[panel] = merged
        if self._handle is None:
            loop = asyncio.get_running_loop()
            wait = self._last + GAP - loop.time()
            if wait <= 0:
                self._flush()
            else:
                self._handle = loop.call_later(wait, self._flush)

    def stop(self) -> None:
        """Paint nothing more."""
        self._waiting.clear()
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _flush(self) -> None:
        self._handle = None
        self._last = asyncio.get_running_loop().time()
        waiting, self._waiting = self._waiting, {}
        self._paint(waiting)
