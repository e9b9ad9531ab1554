"""Where a run keeps its state, and where its evidence goes.

``$QUARTERDECK_HOME/runs/<run id>/`` is all a run needs to be gone on with, also on another machine: ``plan.json``,
``steps.db`` (what was done), ``state/`` (a state folder as :class:`quarterdeck.paths.Paths` lays it out), ``bundles/``
(the branches of steps). The evidence is for people and is kept in the workspace, or wherever they say.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from quarterdeck.errors import Invalid
from quarterdeck.paths import Paths
from quarterdeck.text import safe

_RUN_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}\Z")


def new_run_id(now: datetime) -> str:
    """As ``20260314-153059-4f1c2b``: sorts by time."""
    return f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def resume_command(run_id: str, *, attach: bool = False) -> str:
    """What a person types to go on with a run; ``attach`` where it belongs to the person's orchestrator."""
    return f"quarterdeck run --resume {run_id}{' --attach' * attach}"


@dataclass(frozen=True)
class RunFolder:
    """The state of one run. Pure: nothing is made."""

    home: Path
    run_id: str

    @classmethod
    def of(cls, paths: Paths, run_id: str) -> RunFolder:
        """The folder of a run. Raises :class:`Invalid` for what no run is called."""
        if not _RUN_ID.match(run_id):
            raise Invalid(f"{safe(run_id, 60)!r} is not the id of a run", hint="quarterdeck run list shows them")
        return cls(paths.home / "runs" / run_id, run_id)

    @property
    def plan(self) -> Path:
        return self.home / "plan.json"

    @property
    def steps(self) -> Path:
        return self.home / "steps.db"

    @property
    def lock(self) -> Path:
        """Held with flock by the process that carries the run out."""
        return self.home / "lock"

    @property
    def result(self) -> Path:
        """The last result, as JSON."""
        return self.home / "result.json"

    @property
    def events(self) -> Path:
        """What was told, one JSON object a line, over all processes that carried the run out."""
        return self.home / "events.jsonl"

    @property
    def attached(self) -> Path:
        """Is there where the person's own orchestrator carries the run out: its agents are in that one's deck."""
        return self.home / "attached"

    @property
    def resume(self) -> str:
        """What a person types to go on with it, as it was begun."""
        return resume_command(self.run_id, attach=self.attached.exists())

    @property
    def bundles(self) -> Path:
        return self.home / "bundles"

    @property
    def state(self) -> Paths:
        return Paths(self.home / "state")


def evidence(workspace: str, run_id: str, output: str = "") -> Path:
    """The folder for reports, logs, recordings, diffs and artifacts."""
    return Path(output).absolute() if output else Path(workspace, ".quarterdeck", "runs", run_id)
