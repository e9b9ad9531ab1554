"""Plain text: nothing is known of it but its last lines."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from profiles.headless.fold import Fold, last
from profiles.headless.heard import Heard, Told

_LINES = 60
_LINE = 2_000


class Plain(Fold):
    """See the module."""

    OF_ENTRIES = False

    def __init__(self, heard: Heard) -> None:
        super().__init__(heard)
        self._last: deque[str] = deque(maxlen=_LINES)

    def noise(self, line: str, wall_ns: int) -> Iterable[Told]:
        """A line more. What is told of them is told by who shows them."""
        self._last.append(line.rstrip()[:_LINE])
        return ()

    def over(self) -> None:
        """The last lines are its last words."""
        self.heard.message = last("\n".join(self._last).strip())
