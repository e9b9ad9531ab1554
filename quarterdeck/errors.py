"""Errors a person reads: what happened, what was kept, what to do.

Every error that may reach a person derives from :class:`QuarterdeckError`, is named by the state it
describes, and builds its own message from its fields. The CLI maps ``exit_code`` to the process's
exit status, the HTTP API maps ``http_status``; ``docs/cli.md`` documents both.
"""

from __future__ import annotations

from typing import Any


class QuarterdeckError(Exception):
    """Base of all errors shown to a person.

    ``message`` says what happened (and what was kept), ``hint`` the one thing to do next (may be empty),
    ``fields`` the values behind the message, sent to programs as JSON.
    """

    code = "error"
    exit_code = 1
    http_status = 500

    def __init__(self, message: str, *, hint: str = "", **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.fields = fields

    def as_json(self) -> dict[str, Any]:
        """The error as the API sends it and ``--json`` prints it."""
        return {"error": self.code, "message": self.message, "hint": self.hint, "fields": self.fields}


class Invalid(QuarterdeckError):
    """What was asked makes no sense as asked (unknown profile, bad name, bad size)."""

    code = "invalid"
    exit_code = 2
    http_status = 422


class NotFound(QuarterdeckError):
    """What was named does not exist (agent, session, workspace, command)."""

    code = "not_found"
    exit_code = 3
    http_status = 404


class Refused(QuarterdeckError):
    """Asked in a state that forbids it; nothing was changed (name taken, journal moved, worktree dirty)."""

    code = "refused"
    exit_code = 4
    http_status = 409


class Unreachable(QuarterdeckError):
    """The orchestrator, a holder or tmux did not answer."""

    code = "unreachable"
    exit_code = 5
    http_status = 503


class NotPermitted(QuarterdeckError):
    """The caller's role, or a missing trust, forbids it."""

    code = "not_permitted"
    exit_code = 6
    http_status = 403


class Broken(QuarterdeckError):
    """The surroundings fail: permissions, a full disk, damaged files, a newer state folder, a missing program."""

    code = "broken"
    exit_code = 7
    http_status = 507


class Gone(QuarterdeckError):
    """It existed and is no longer kept (an event cursor that is too old)."""

    code = "gone"
    exit_code = 3
    http_status = 410


def from_json(said: Any, status: int = 0) -> QuarterdeckError:
    """The error that :meth:`QuarterdeckError.as_json` described; its class by code, else by HTTP status."""
    said = said if isinstance(said, dict) else {}
    code = str(said.get("error") or "")
    kinds = (Invalid, NotFound, Refused, Unreachable, NotPermitted, Broken, Gone)
    kind: type[QuarterdeckError] = next(
        (one for one in kinds if one.code == code),
        next((one for one in kinds if one.http_status == status), QuarterdeckError),
    )
    error = kind(str(said.get("message") or f"the orchestrator answered {status}"), hint=str(said.get("hint") or ""))
    fields = said.get("fields")
    error.fields = fields if isinstance(fields, dict) else {}
    error.code = code or kind.code
    return error


def told_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What a person is told of several errors at once: the first that is meant for them, else the group itself."""
    left: list[BaseException] = [group]
    while left:
        one = left.pop(0)
        if isinstance(one, QuarterdeckError):
            return one
        if isinstance(one, BaseExceptionGroup):
            left[:0] = one.exceptions
    return group
