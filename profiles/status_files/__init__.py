"""Files in which agents keep what they are doing, read as evidence whenever they change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from profiles.status_files import claude
from quarterdeck.clock import Clock
from quarterdeck.evidence import Evidence


class Format(NamedTuple):
    """What is known of one agent's status files."""

    folder: Callable[[Mapping[str, str]], Path | None]
    read: Callable[[Path, Iterable[int], Clock | None], list[Evidence]]


FORMATS: dict[str, Format] = {"claude": Format(claude.folder, claude.read)}
"""By the name a profile gives in ``[sources] file``."""


def folder(name: str, environ: Mapping[str, str]) -> Path | None:
    """The folder to watch for an agent with this environment; it may not exist yet. None: it has none.

    Raises KeyError for an unknown format.
    """
    return FORMATS[name].folder(environ)


def read(name: str, folder: Path, pids: Iterable[int], clock: Clock | None = None) -> list[Evidence]:
    """What an agent says whose processes are ``pids``, the outermost first: the terminal's child may be a wrapper.

    Raises KeyError for an unknown format.
    """
    return FORMATS[name].read(folder, pids, clock)


__all__ = ["FORMATS", "Format", "folder", "read"]
