"""What agents write down of their conversations, read as evidence while it grows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from profiles.transcripts import claude, codex, copilot, gemini, qwen
from profiles.transcripts.reader import Fold, Reader
from quarterdeck.clock import Clock


class Format(NamedTuple):
    """What is known of one agent's transcripts."""

    fold: Callable[[Path], Fold]
    find: Callable[[Mapping[str, str], str, str], Path | None]
    searched: bool = False
    """Whether the file is looked for: what is not found was not begun."""


FORMATS: dict[str, Format] = {
    "claude": Format(claude.Fold, claude.find),
    "codex": Format(codex.Fold, codex.find, searched=True),
    "copilot": Format(copilot.Fold, copilot.find),
    "gemini": Format(gemini.Fold, gemini.find, searched=True),
    "qwen": Format(qwen.Fold, qwen.find),
}
"""By the name a profile gives in ``[sources] transcript``."""


def open(name: str, path: Path, clock: Clock | None = None) -> Reader:  # noqa: A001  the module's name says of what
    """A reader of the transcript at ``path``, which need not exist yet. Raises KeyError for an unknown format."""
    return Reader(path, FORMATS[name].fold, clock)


def find(name: str, environ: Mapping[str, str], cwd: str, conversation: str) -> Path | None:
    """Where an agent with this environment writes this conversation; None where that cannot be told (yet)."""
    return FORMATS[name].find(environ, cwd, conversation)


def unbegun(name: str, environ: Mapping[str, str], cwd: str, conversation: str) -> bool:
    """Whether an agent with this environment has not written anything of this conversation yet, as far as is known."""
    if name not in FORMATS:
        return False
    path = find(name, environ, cwd, conversation)
    return FORMATS[name].searched if path is None else not path.exists()


__all__ = ["FORMATS", "Format", "Reader", "find", "open", "unbegun"]
