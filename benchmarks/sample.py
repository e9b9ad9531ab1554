"""A handful of measurements and what is said about them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """Measurements of one thing, in one unit, in the order they were taken. Percentiles are nearest-rank."""

    values: Sequence[float]

    @classmethod
    def of(cls, values: Iterable[float]) -> Sample:
        """From any iterable; an empty one is a mistake of the benchmark."""
        found = tuple(values)
        assert found, "nothing was measured"
        return cls(found)

    @property
    def n(self) -> int:
        """How many there are."""
        return len(self.values)

    def percentile(self, percent: float) -> float:
        """The smallest value that ``percent`` of all do not pass."""
        ordered = sorted(self.values)
        return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]

    @property
    def p50(self) -> float:
        """The median."""
        return self.percentile(50)

    @property
    def p99(self) -> float:
        """Of fewer than a hundred: the largest."""
        return self.percentile(99)

    @property
    def mean(self) -> float:
        """The average."""
        return sum(self.values) / len(self.values)

    @property
    def least(self) -> float:
        """The smallest."""
        return min(self.values)

    @property
    def most(self) -> float:
        """The largest."""
        return max(self.values)

    def spread(self, unit: str = "ms", digits: int = 1) -> str:
        """``p50 1.9, p99 8.0 ms (n 200)``; fewer than a hundred: the median, and from least to most."""
        if self.n >= 100:
            return f"p50 {self.p50:.{digits}f}, p99 {self.p99:.{digits}f} {unit} (n {self.n})"
        return f"p50 {self.p50:.{digits}f} {unit} ({self.least:.{digits}f} to {self.most:.{digits}f}, n {self.n})"
