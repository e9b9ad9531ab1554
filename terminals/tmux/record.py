"""What is kept of a pane so that it is found again: ``pane.json`` in its folder, there before the agent runs."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quarterdeck.paths import write_file
from quarterdeck.process import Identity

NAME = "pane.json"
VERSION = 1


@dataclass(frozen=True, kw_only=True)
class PaneRecord:
    """One pane of one server of one boot. A pane id is never used twice by a server; a server is its process."""

    agent: str
    pane: str
    """tmux's own id, ``%7``."""
    server: Identity
    server_socket: str
    child: Identity
    """The pane's first process: the stub, and by exec the agent."""
    boot: str
    adopted: bool = False
    """Whether the pane belongs to the user's own tmux."""
    journal_limit: int = 64 << 20

    def save(self, folder: Path) -> None:
        """Write it into the agent's folder. Raises OSError."""
        write_file(folder / NAME, json.dumps({"version": VERSION, **dataclasses.asdict(self)}).encode())

    @classmethod
    def load(cls, folder: Path) -> PaneRecord | None:
        """What was kept; None for nothing, or what cannot be read."""
        try:
            found: dict[str, Any] = json.loads((folder / NAME).read_bytes())
            known = {field.name: found[field.name] for field in dataclasses.fields(cls) if field.name in found}
            known["server"], known["child"] = Identity(*known["server"]), Identity(*known["child"])
            return cls(**known)
        except (OSError, ValueError, TypeError, KeyError):
            return None
