"""What happens in a run as JSON lines, for programs: one object an event, ``docs/run-events.schema.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pipelines.model import RunEvent
from pipelines.report.words import moment


def as_json(event: RunEvent) -> Mapping[str, Any]:
    """An event as the published schema describes it. ``data`` must be what the ``json`` module writes."""
    line: dict[str, Any] = {"event": event.kind, "run_id": event.run_id, "at": moment(event.at_ns)}
    if event.step:
        line["step"] = event.step
    if event.text:
        line["text"] = event.text
    if event.data:
        line["data"] = dict(event.data)
    return line


def line(event: RunEvent) -> str:
    """One line with its end, in ASCII, so that nothing in it acts on a terminal or in a log."""
    return json.dumps(as_json(event), default=str, separators=(",", ":")) + "\n"
