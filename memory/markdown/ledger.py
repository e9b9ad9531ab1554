"""What the two-way sync needs besides a backend: what it remembers of each file, and where what it read goes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from memory.backend import Draft, Version
from memory.versions import Dot, Vector

Take = Callable[[Sequence[Draft]], Awaitable[Sequence[Version]]]
"""Stores what was read from files, masked, and decides between versions that did not see each other.

Returns the version stored for each draft, in their order. The bank brings it; a backend's ``put`` does without one. A
:class:`~quarterdeck.errors.QuarterdeckError` means that none of them was stored.
"""


@dataclass(frozen=True, kw_only=True)
class Filed:
    """The file of one entry as it was when file and entry said the same last."""

    entry: str
    path: str
    """Relative to the memory folder, with ``/``."""
    digest: str
    """SHA-256 of the file's bytes, hexadecimal; "" where it is yet to be written."""
    dot: Dot
    """The version the file says. The entry has changed since where another one is shown.

    The deletion that is shown: an old file, brought back by git, which stays until somebody edits it.
    """
    seen: Vector
    """What the author of an edit of this file has seen: that version and all it had seen."""
    stamp: tuple[int, ...] = ()
    """Modified and changed (ns), size, inode: a file that still has them was not written since. () means: read it."""
    missing: bool = False
    """It is gone without anybody having deleted the entry; nothing is written until it is back or a person decides."""
    owed: bool = False
    """Something could not be written to it yet: an id, or a newer version."""


class Ledger(Protocol):
    """Keeps :class:`Filed` durably beside the versions. One row per entry, one per path."""

    async def filed(self) -> list[Filed]:
        """All rows."""
        ...

    async def note(self, rows: Sequence[Filed], gone: Sequence[str] = ()) -> None:
        """Replace the rows of these entries, and drop those of the entries ``gone``, all or none.

        From then on ``Entry.path`` and ``Entry.missing`` say what the row says.
        """
        ...

    async def behind(self) -> list[str]:
        """Entries whose file is not what it should be, by id.

        Another version is shown than the row's; deleted, with a row of another version; not deleted, without a row;
        not deleted, and owed.
        """
        ...

    async def mark(self) -> str:
        """The text :meth:`set_mark` was given last; "" for none."""
        ...

    async def set_mark(self, text: str) -> None:
        """Remember a text, durably."""
        ...
