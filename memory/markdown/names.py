"""Names of files: made once, from the key and the id of an entry, and never changed by us afterwards."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container

_LENGTH = 60
_SHORT = 5
_RESERVED = frozenset(
    {"con", "prn", "aux", "nul", *(f"com{digit}" for digit in range(10)), *(f"lpt{digit}" for digit in range(10))}
)
SUFFIX = ".md"


def slug(text: str, limit: int = _LENGTH) -> str:
    """``text`` as lower-case ASCII letters, digits and single hyphens, never a name some system reserves."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "-", plain)[:limit].strip("-")
    return f"{name}-" if name in _RESERVED else name


def file_name(key: str, entry_id: str, namespace: str, taken: Container[str], *, default: str) -> str:
    """Where a new entry goes, relative to the memory folder: ``[session-NAME/]the-key-ab2cd.md``.

    ``taken`` holds the :func:`folded` paths that exist, so that no two ever differ by case alone.
    """
    folder = "" if namespace == default else slug(namespace.replace("/", "-", 1)) + "/"
    words = slug(key)
    for length in (*range(_SHORT, len(entry_id)), len(entry_id)):
        path = f"{folder}{words}{'-' if words and words[-1] != '-' else ''}{entry_id[:length]}{SUFFIX}"
        if folded(path) not in taken:
            return path
    number = 2
    while folded(path := f"{folder}{words or 'entry'}-{entry_id}-{number}{SUFFIX}") in taken:
        number += 1
    return path


def folded(path: str) -> str:
    """The same for all paths that a file system which ignores case or composition takes for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def ours(name: str) -> bool:
    """Whether a file of this name in a memory folder may be an entry: markdown, and neither hidden nor a backup."""
    return name.lower().endswith(SUFFIX) and not name.startswith((".", "~", "#"))
