"""What is told of a run on its way out: in one place without secrets, and safe to show."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pipelines.attempt import Teller
from pipelines.model import RunEvent
from pipelines.ports import Tell
from quarterdeck.redaction import Redactor
from quarterdeck.text import plain, safe

_TEXT = 40_000
"""Characters of one event."""


class Telling:
    """Tells ``listener`` what happens in one run."""

    def __init__(self, run_id: str, redactor: Redactor, listener: Tell) -> None:
        self._run_id = run_id
        self._redactor = redactor
        self._listener = listener

    def say(self, kind: str, step: str = "", text: str = "", data: Mapping[str, Any] | None = None) -> None:
        """Tell an event of the run, or of the step with that key."""
        self.pass_on(
            RunEvent(kind=kind, at_ns=time.time_ns(), run_id=self._run_id, step=step, text=text, data=data or {})
        )

    def pass_on(self, event: RunEvent) -> None:
        """Tell an event that a driver made. Of all of them the secrets are masked here, the last time."""
        self._listener(replace(event, text=self._masked(event.text), data=self._masked(event.data)))

    def of(self, key: str) -> Teller:
        """What tells of the step with that key."""

        def tell(kind: str, text: str = "", **data: Any) -> None:
            self.say(kind, key, text, data)

        return tell

    def line(self, text: str) -> str:
        """One line of any text, as it may stand in a result."""
        return safe(self._redactor.redact(text).text, 500)

    def _masked(self, value: Any) -> Any:
        if isinstance(value, str):
            return plain(self._redactor.redact(value).text[:_TEXT]) if value else ""
        if isinstance(value, Mapping):
            return {name: self._masked(one) for name, one in value.items()}
        if isinstance(value, list | tuple):
            return [self._masked(one) for one in value]
        return value
