"""Gemini CLI's events, which its forks tell in the same form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from profiles.hooks.shapes import Event
from quarterdeck.evidence import Decision, Evidence


def read(event: Event) -> tuple[Evidence, ...]:
    """See :class:`profiles.hooks.shapes.Shape`."""
    return ()


def decide(decision: Decision, reply: Mapping[str, Any]) -> str:
    """See :class:`profiles.hooks.shapes.Shape`. Its hooks take no decision about a dialog."""
    return ""


def settings(base: Mapping[str, Any], tell: Mapping[str, str], ask: Mapping[str, str], wait_s: float) -> dict[str, Any]:
    """See :class:`profiles.hooks.shapes.Shape`."""
    return dict(base)
