"""Groups of counts; each module has ``counts() -> Iterator[Count]``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Count:
    """Something counted, and between what bounds it must lie."""

    what: str
    found: float
    most: float
    least: float = 0
    detail: str = ""

    @property
    def met(self) -> bool:
        """Whether it lies within its bounds."""
        return self.least <= self.found <= self.most

    def line(self) -> str:
        """For a person."""
        bound = f"exactly {self.most:g}" if self.least == self.most else f"at most {self.most:g}"
        if self.least not in (0, self.most):
            bound = f"{self.least:g} to {self.most:g}"
        return f"{self.what}: {self.found:g} ({bound})" + (f"; {self.detail}" if self.detail else "")
