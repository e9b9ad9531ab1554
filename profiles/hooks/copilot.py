"""GitHub Copilot CLI's events, by the names under which it gives them the form of Claude Code's.

Hooks for one run come as a plugin of that run: a folder with a manifest. A tool's permission is asked of hooks also
where no dialog follows, so that event is not for status: its notification is, which comes with the dialog. Nothing is
told of a refusal, nor of Esc; an error is told for each attempt. A conversation that is left is told like the end of
the program, and the next one with its first prompt.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from profiles.hooks import claude
from profiles.hooks.shapes import Event
from profiles.hooks.values import with_hooks, word
from quarterdeck.evidence import Decision, Evidence

ANY_SHELL = False
FILE = "plugin.json"
_NAMES = frozenset(
    {"SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "PostToolUseFailure", "Notification", "Stop"}
)
_HOW = {"new": "startup"}


def read(event: Event) -> tuple[Evidence, ...]:
    """See :class:`profiles.hooks.shapes.Shape`."""
    data = dict(event.data)
    if word(data, "hook_event_name") not in _NAMES:
        return ()
    if "sessionId" in data:
        data.setdefault("session_id", data["sessionId"])
    if how := _HOW.get(word(data, "source")):
        data["source"] = how
    return claude.read(replace(event, data=data))


def decide(decision: Decision, reply: Mapping[str, Any]) -> str:
    """See :class:`profiles.hooks.shapes.Shape`."""
    return ""


def settings(base: Mapping[str, Any], tell: Mapping[str, str], ask: Mapping[str, str], wait_s: float) -> dict[str, Any]:
    """See :class:`profiles.hooks.shapes.Shape`."""
    manifest = {"name": "quarterdeck", "version": "1.0.0", "description": "Tells Quarterdeck what this agent does"}
    entries = {
        name: {"type": "command", "bash": command, "timeoutSec": 10} for name, command in {**tell, **ask}.items()
    }
    return with_hooks({**manifest, **base}, entries)


def inline(tell: Mapping[str, str], ask: Mapping[str, str], wait_s: float) -> str:
    """See :class:`profiles.hooks.shapes.Shape`."""
    return json.dumps(settings({}, tell, ask, wait_s))


def hidden(environ: Mapping[str, str]) -> str:
    """See :class:`profiles.hooks.shapes.Shape`. A plugin is added to all others."""
    return ""
