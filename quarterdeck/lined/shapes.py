"""What the values of a file may be, as data: each shape checks a value and gives the JSON Schema of what it takes.

A shape tells every mistake it finds and returns what is right of the value, None where nothing is. Standard library
only: the command line and the TUI read files with it, and neither may load pydantic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from quarterdeck.errors import Invalid
from quarterdeck.lined.mistakes import Mistakes, Path
from quarterdeck.text import nearest

Check = Callable[[str], object]
"""Raises :class:`Invalid` or ValueError for a text that will not do."""


class Shape(Protocol):
    """One kind of value."""

    def read(self, value: Any, path: Path, told: Mistakes) -> Any:
        """What is right of ``value``, None where nothing is; what is wrong is told."""

    def schema(self) -> dict[str, Any]:
        """Its JSON Schema."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text of ``least`` to ``most`` characters, on one line unless ``lines``."""

    most: int = 200
    least: int = 1
    lines: bool = False
    check: Check | None = None
    pattern: str = ""
    """For the schema alone: ``check`` decides."""

    def read(self, value: Any, path: Path, told: Mistakes) -> str | None:
        """See :class:`Shape`."""
        if not isinstance(value, str):
            told.add(path, "must be a text")
        elif not value.strip() and self.least:
            told.add(path, "must not be empty")
        elif len(value) > self.most:
            told.add(path, f"must have at most {self.most:,} characters")
        elif "\0" in value or not (self.lines or value.isprintable()):
            told.add(path, "must not hold a NUL character" if self.lines else "must be one printable line")
        else:
            return value if _passes(self.check, value, path, told) else None
        return None

    def schema(self) -> dict[str, Any]:
        """See :class:`Shape`."""
        said: dict[str, Any] = {"type": "string", "maxLength": self.most}
        if self.least:
            said["minLength"] = self.least
        if pattern := self.pattern or ("" if self.lines else r"^[^\x00-\x1f\x7f]*$"):
            said["pattern"] = pattern
        return said


@dataclass(frozen=True, slots=True)
class Word:
    """One of a few words."""

    known: tuple[str, ...]

    def read(self, value: Any, path: Path, told: Mistakes) -> str | None:
        """See :class:`Shape`."""
        if isinstance(value, str) and value in self.known:
            return value
        hint = nearest(value, self.known) if isinstance(value, str) else ""
        words = [f'"{word}"' for word in self.known]
        told.add(path, f"must be {', '.join(words[:-1])} or {words[-1]}", hint)
        return None

    def schema(self) -> dict[str, Any]:
        """See :class:`Shape`."""
        return {"enum": list(self.known)}


@dataclass(frozen=True, slots=True)
class Number:
    """A number within bounds, both allowed."""

    low: float
    high: float

    def read(self, value: Any, path: Path, told: Mistakes) -> float | None:
        """See :class:`Shape`."""
        if isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high:
            return float(value)
        told.add(path, f"must be a number from {self.low:g} to {self.high:g}")
        return None

    def schema(self) -> dict[str, Any]:
        """See :class:`Shape`."""
        return {"type": "number", "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True, slots=True)
class FlagOr:
    """True or false, or what another shape takes."""

    other: Shape

    def read(self, value: Any, path: Path, told: Mistakes) -> Any:
        """See :class:`Shape`."""
        if isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self.other.read(value, path, told)
        told.add(path, "must be true, false or a text")
        return None

    def schema(self) -> dict[str, Any]:
        """See :class:`Shape`."""
        return {"anyOf": [{"type": "boolean"}, self.other.schema()]}


@dataclass(frozen=True, slots=True)
class Items:
    """A list of values of one shape, at most ``most`` of them."""

    of: Shape
    most: int = 256
    least: int = 0

    def read(self, value: Any, path: Path, told: Mistakes) -> list[Any] | None:
        """See :class:`Shape`. Wrong items are left out."""
        if not isinstance(value, list):
            told.add(path, "must be a list")
            return None
        if not self.least <= len(value) <= self.most:
            told.add(path, f"must have {self.least} to {self.most} items")
            return None
        found = [self.of.read(item, (*path, at), told) for at, item in enumerate(value)]
        return [item for item in found if item is not None]

    def schema(self) -> dict[str, Any]:
        """See :class:`Shape`."""
        least = {"minItems": self.least} if self.least else {}
        return {"type": "array", "items": self.of.schema(), "maxItems": self.most, **least}


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a table: what its value may be, and what it is for."""

    shape: Shape
    about: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table with known keys."""

    keys: Mapping[str, Key]

    def read(self, value: Any, path: Path, told: Mistakes) -> dict[str, Any] | None:
        """See :class:`Shape`. Wrong values and unknown keys are left out."""
        if not isinstance(value, dict):
            told.add(path, "must be a table")
            return None
        found: dict[str, Any] = {}
        for name, given in value.items():
            key = self.keys.get(name)
            if key is None:
                told.add((*path, name), "unknown key", nearest(name, self.keys) or known_keys(self.keys))
            elif (right := key.shape.read(given, (*path, name), told)) is not None:
                found[name] = right
        return found

    def schema(self) -> dict[str, Any]:
        """See :class:`Shape`."""
        said = {name: {**key.shape.schema(), "description": key.about} for name, key in self.keys.items()}
        return {"type": "object", "additionalProperties": False, "properties": said}


@dataclass(frozen=True, slots=True)
class Named:
    """A table whose keys are names that people choose, with values of one shape."""

    of: Shape
    most: int
    name: Check
    pattern: str
    """For the schema: what ``name`` takes."""

    def read(self, value: Any, path: Path, told: Mistakes) -> dict[str, Any] | None:
        """See :class:`Shape`. Entries with a wrong name or value are left out."""
        if not isinstance(value, dict):
            told.add(path, "must be a table")
            return None
        if len(value) > self.most:
            told.add(path, f"has over {self.most} entries")
            return None
        found: dict[str, Any] = {}
        for name, given in value.items():
            good = _passes(self.name, name, (*path, name), told)
            right = self.of.read(given, (*path, name), told)
            if good and right is not None:
                found[name] = right
        return found

    def schema(self) -> dict[str, Any]:
        """See :class:`Shape`."""
        return {
            "type": "object",
            "propertyNames": {"pattern": self.pattern},
            "additionalProperties": self.of.schema(),
            "maxProperties": self.most,
        }


def known_keys(keys: Iterable[str]) -> str:
    """The hint for a key that is like no known one."""
    return "known keys: " + ", ".join(keys)


def _passes(check: Check | None, text: str, path: Path, told: Mistakes) -> bool:
    try:
        if check is not None:
            check(text)
    except Invalid as error:
        told.add(path, error.message, error.hint)
    except ValueError as error:
        told.add(path, str(error))
    else:
        return True
    return False
