"""What drivers tell of an agent: events with texts that are redacted, bounded and safe to show."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.model import RunEvent
from pipelines.ports import Ask, Tell
from profiles import Profile
from quarterdeck.text import plain, safe
from sessions.approvals.asked import what
from sessions.model import Approval, ApprovalState

MESSAGE, LINE = 32_000, 500
"""Characters."""
A_SECOND = 40
"""Events of one turn in a second; of a flood the others are counted."""
_WORDS = {"allow": "allowed", "always": "allowed from now on", "deny": "denied"}


class Voice:
    """Tells what happens in one turn."""

    def __init__(self, ask: Ask, tell: Tell) -> None:
        self.redactor = ask.redactor
        self._ask, self._tell = ask, tell
        self._second = self._told = self._left_out = 0

    def say(self, kind: str, text: str, **data: Any) -> None:
        """One event. ``text`` and what is in ``data`` must be clean."""
        now = int(time.monotonic())
        if now != self._second:
            self.close()
            self._second, self._told = now, 0
        self._told += 1
        if self._told > A_SECOND:
            self._left_out += 1
        else:
            self._event(kind, text, data)

    def close(self) -> None:
        """Tell of what was left out until now."""
        if self._left_out:
            left, self._left_out = self._left_out, 0
            self._event("note", f"({left} more at once: they are in the log of the step)", {})

    def decided(self, agent_id: str, approval: Approval) -> None:
        """What became of a request of an agent's."""
        asked, by = self.line(what(approval)), self.line(approval.answered_by)
        word = _WORDS.get(approval.answer, approval.answer)
        done = word if approval.state in (ApprovalState.ALLOWED, ApprovalState.DENIED) else f"{word}, {approval.state}"
        self.say(
            "approval.decided",
            f"{asked}: {done} by {by}",
            agent=agent_id,
            answer=approval.answer,
            state=str(approval.state),
            tool=self.line(approval.tool),
            command=self.clean(approval.command),
            path=self.line(approval.path),
            rule=by.removeprefix("policy: ") if by.startswith("policy: ") else "",
            by=by,
            reason=self.line(approval.reason),
        )

    def clean(self, text: str) -> str:
        """Several lines, redacted before they are cut: half a secret is not recognised."""
        return plain(self.redactor.redact(text[: 2 * MESSAGE]).text[:MESSAGE])

    def line(self, text: str) -> str:
        """One line of it."""
        return safe(self.clean(text), LINE)

    def _event(self, kind: str, text: str, data: Mapping[str, Any]) -> None:
        run_id, step = self._ask.run_id, self._ask.step.key
        self._tell(RunEvent(kind=kind, at_ns=time.time_ns(), run_id=run_id, step=step, text=text, data=data))


def missing(profile: Profile, ask: Ask) -> str:
    """The command of an agent where there is none of that name, "" where it is installed."""
    command = next(iter(profile.argv or (ask.agent.args if ask.agent else ())), "")
    where = str(Path(ask.cwd, command)) if "/" in command else command
    return safe(command, 80) if command and not shutil.which(where, path=ask.environ.get("PATH")) else ""
