"""Qwen Code's events, which have the form of Claude Code's, and its settings.

It runs the hooks of a request for permission before it shows its dialog, so an asking hook holds the dialog up: it is
for rules that decide at once, and a person answers by keys. It suggests no rules, so a hook cannot allow for ever.
A tool's beginning is told after its permission. That a person refused or pressed Esc is told by no event but that it
waits for a prompt again.

Settings for one run are its file of system defaults, to which all others are added: lists of hooks are joined.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from profiles.hooks import claude
from profiles.hooks.shapes import Event
from quarterdeck.evidence import Decision, Evidence, Sign

ANY_SHELL = False
FILE = "settings.json"
DEFAULTS_VARIABLE, SYSTEM_VARIABLE = "QWEN_CODE_SYSTEM_DEFAULTS_PATH", "QWEN_CODE_SYSTEM_SETTINGS_PATH"
_SYSTEM = "/etc/qwen-code/settings.json"
_DEFAULTS_NAME = "system-defaults.json"

settings = claude.settings
inline = claude.inline


def read(event: Event) -> tuple[Evidence, ...]:
    """See :class:`profiles.hooks.shapes.Shape`."""
    pieces = (claude.for_rules(piece) if piece.sign is Sign.ASKED else piece for piece in claude.read(event))
    return tuple(piece for piece in pieces if piece.sign is not Sign.PROMPT or piece.data.get("prompt"))


def decide(decision: Decision, reply: Mapping[str, Any]) -> str:
    """See :class:`profiles.hooks.shapes.Shape`."""
    return "" if decision.behaviour == "always" else claude.decide(decision, reply)


def hidden(environ: Mapping[str, str]) -> str:
    """See :class:`profiles.hooks.shapes.Shape`. Its defaults stand beside its system settings, unless it is told."""
    beside = PurePath(environ.get(SYSTEM_VARIABLE) or _SYSTEM).with_name(_DEFAULTS_NAME)
    return environ.get(DEFAULTS_VARIABLE) or str(beside)
