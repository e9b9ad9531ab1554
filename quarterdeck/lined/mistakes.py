"""What is wrong with a file: every mistake at once, each with its line, its key and what was probably meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from quarterdeck.errors import Invalid
from quarterdeck.text import safe

Path = tuple[str | int, ...]
"""Where a value stands: ``("steps", "tests", "needs", 0)``."""


@dataclass(frozen=True, order=True)
class Mistake:
    """One thing that is wrong. ``line`` counts from 1; 0 is the whole file. All texts are safe to show."""

    line: int
    key: str
    what: str
    hint: str = ""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.key, self.what) if part) + (f" ({self.hint})" if self.hint else "")


class BadFile(Invalid):
    """A file with mistakes; nothing of it is carried out. ``mistakes`` are in the order of the file."""

    def __init__(self, file: str, mistakes: tuple[Mistake, ...]) -> None:
        self.file = file
        self.mistakes = mistakes
        known = [{"line": one.line, "key": one.key, "what": one.what, "hint": one.hint} for one in mistakes]
        super().__init__("; ".join(self.lines), file=file, mistakes=known)

    @property
    def lines(self) -> tuple[str, ...]:
        """One line for each mistake, as compilers print them: ``run.toml:12: steps.tests.neds: unknown key``."""
        return tuple(f"{self.file}:{one.line}: {one}" if one.line else f"{self.file}: {one}" for one in self.mistakes)


class Mistakes:
    """Collects the mistakes of one file. The same one is kept once."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: Mapping[Path, int] = {}
        self._found: dict[Mistake, None] = {}

    def add(self, path: Path, what: str, hint: str = "", *, line: int = 0) -> None:
        """A mistake at ``path``; its line is that of the nearest part of the path the file has."""
        at = line or next((self.lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.lines), 0)
        self._found[Mistake(at, spelled(path), safe(what, 400), safe(hint, 400))] = None

    def __len__(self) -> int:
        return len(self._found)

    def check(self) -> None:
        """Raise :class:`BadFile` with all that was found, if anything was."""
        if self._found:
            raise BadFile(safe(self.file), tuple(sorted(self._found)))


def spelled(path: Path) -> str:
    """A path as people write it: ``steps.tests.needs[0]``, cut where it is long."""
    said = ""
    for part in path:
        said += f"[{part}]" if isinstance(part, int) else ("." if said else "") + safe(part, 64)
    return said
