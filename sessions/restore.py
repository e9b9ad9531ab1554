"""What a start of the orchestrator makes of each agent it knew: found running, ended meanwhile, lost or interrupted."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from sessions.model import Agent, Restore, Status

Action = Literal["adopted", "kept", "waiting", "resumed", "failed"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One agent's line in the report.

    ``action``: adopted (it ran on), kept (it had ended), waiting (a person is asked), resumed (started anew by its
    profile), failed (could not be resumed).
    """

    agent: str
    name: str
    session: str
    status: Status
    action: Action
    detail: str = ""
    missing: int = 0
    """Bytes of its output that are lost for good (gap records)."""


@dataclass(frozen=True, kw_only=True)
class RestoreReport:
    """What a start found and did."""

    wall_ns: int = 0
    rebooted: bool = False
    outcomes: tuple[Outcome, ...] = ()

    @property
    def worth_telling(self) -> bool:
        """Whether a person should see it: something did not simply run on."""
        return any(o.action not in ("adopted", "kept") or o.missing for o in self.outcomes)

    def as_json(self) -> dict[str, Any]:
        """For the API."""
        return asdict(self) | {"worth_telling": self.worth_telling}


def status_without_terminal(agent: Agent, *, exit_code: int | None, ended: bool, rebooted: bool) -> tuple[Status, str]:
    """What an agent whose terminal was not found is, and why, from the evidence on disk.

    ``ended``: an exit record was found. A terminal that was up when the machine rebooted was interrupted; one that
    vanished within this boot is lost. An agent that had already ended keeps its status.
    """
    if not agent.status.alive:
        return agent.status, agent.reason
    if ended:
        return Status.EXITED, exit_reason(exit_code)
    if rebooted:
        return Status.INTERRUPTED, "the machine was restarted while it ran"
    return Status.LOST, "its terminal was killed while the orchestrator was away"


def exit_reason(code: int | None) -> str:
    """An exit code in words."""
    if code is None:
        return "ended, its exit status is not known"
    if code < 0:
        return f"killed by signal {-code}"
    return "exit status 0" if code == 0 else f"exit status {code}"


def wants_resume(agent: Agent) -> bool:
    """Whether its policy says to start it again without asking."""
    return agent.restore is Restore.AUTO and agent.status in (Status.LOST, Status.INTERRUPTED)
