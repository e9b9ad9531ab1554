"""Which files the input of a tool names, and whether it may be about more than those."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from profiles.hooks.values import PATH_LIMIT, clean

LIMIT = 64
"""Files that are named at most."""
SHELL = frozenset({"command", "description", "timeout", "run_in_background", "is_background"})
"""What the input of a shell tool may have; anything else may change what its command does."""
_FILE = ("file_path", "notebook_path", "path")
_KNOWN: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("Edit", "edit"), frozenset({"file_path", "old_string", "new_string", "replace_all"})),
    **dict.fromkeys(("Write", "write_file"), frozenset({"file_path", "content"})),
    "MultiEdit": frozenset({"file_path", "edits"}),
    "NotebookEdit": frozenset({"notebook_path", "new_source", "cell_id", "cell_type", "edit_mode"}),
    "Read": frozenset({"file_path", "offset", "limit", "pages"}),
}
"""All members that the inputs of some tools have: what they name is all they are about."""
_HEADER = re.compile(r"\*\*\* (?:Add File|Update File|Delete File|Move to): (.+)")
_OTHER = frozenset({"*** Begin Patch", "*** End Patch", "*** End of File"})


class Named(NamedTuple):
    """``path`` is the one to show, "" for none; ``paths`` are all, each once; ``partial``: there may be more."""

    path: str
    paths: list[str]
    partial: bool


def named(tool: str, given: Mapping[str, Any], patch: str) -> Named:
    """The files of a patch, or of an input; of a tool that is not known every text may name one."""
    if patch:
        found: list[Any] = list(_of_patch(patch))
        more = len(given) > 1 or None in found
        shown = next(filter(None, found), "")
    else:
        known = SHELL if isinstance(given.get("command"), str) else _KNOWN.get(tool, frozenset())
        found = [given[key] or None for key in _FILE if key in given]
        shown = next((path for path in found if isinstance(path, str)), "")
        more = not found or None in found or not set(given) <= known
        found += _texts([value for key, value in given.items() if key not in known]) if more else []
    paths = [path for path in found if isinstance(path, str) and 0 < len(path) <= PATH_LIMIT]
    unique = list(dict.fromkeys(map(clean, paths)))
    partial = more or len(paths) < len(found) or len(unique) > LIMIT
    return Named(clean(shown[:PATH_LIMIT]), unique[:LIMIT], partial)


def _of_patch(patch: str) -> Iterator[str | None]:
    """What each header of a patch names; None for one that is not known."""
    for line in patch.split("\n"):
        header = _HEADER.fullmatch(line.lstrip())
        if header:
            yield header[1].strip()
            yield header[1]
        elif line.lstrip().startswith("***") and line.strip() not in _OTHER:
            yield None


def _texts(value: Any, depth: int = 4) -> Iterator[str]:
    """The texts of one line in a JSON value."""
    if isinstance(value, str) and value and "\n" not in value:
        yield value
    elif depth and isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one, depth - 1)
