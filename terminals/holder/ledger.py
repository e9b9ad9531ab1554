"""What became of the last writes, so that asking again never types twice."""

from __future__ import annotations

from terminals.holder import wire

SIZE = 1024


class Ledger:
    """The outcome of the last 1,024 writes by id. Ids grow; one below those forgotten is ``UNKNOWN``.

    So is one up to ``forgotten``: another holder knew of it, which was killed.
    """

    def __init__(self, forgotten: int = -1) -> None:
        self._outcomes: dict[int, tuple[int, int]] = {}
        self._floor = forgotten
        self.newest = max(0, forgotten)

    def outcome(self, write_id: int) -> tuple[int, int] | None:
        """(status, offset) of an earlier write with this id; None when it is new."""
        if (known := self._outcomes.get(write_id)) is not None:
            return known
        return (wire.UNKNOWN, 0) if write_id <= self._floor else None

    def record(self, write_id: int, status: int, offset: int) -> None:
        """Remember what became of a write. ``FULL`` is not remembered: the same write may be tried again."""
        self.newest = max(self.newest, write_id)
        if status == wire.FULL:
            return
        self._outcomes[write_id] = (status, offset)
        if len(self._outcomes) > SIZE:
            oldest = next(iter(self._outcomes))
            self._floor = max(self._floor, oldest)
            del self._outcomes[oldest]
