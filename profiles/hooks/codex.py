"""Codex's events, which have the form of Claude Code's, and its settings.

It runs the hooks of a request for permission before it shows its dialog, so an asking hook holds the dialog up: it is
for rules that decide at once, and a person answers by keys. It refuses a decision with ``updatedPermissions``.

Hooks for one run come as ``-c hooks=...``. Codex runs a hook whose hash is named in the person's own settings or
arguments and asks about every other one; the hashes of exactly our commands go along with them, so that all others are
asked about as before. It is the SHA-256 of the hook as canonical JSON (checked with Codex 0.169).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from profiles.hooks import claude
from profiles.hooks.shapes import Event
from quarterdeck.evidence import Decision, Evidence, Sign

ANY_SHELL = True
FILE = "settings.json"
_SHORT = frozenset({"SessionEnd", "Interrupt"})
"""Events for whose hooks Codex has a second only."""
_SOURCE = "/<session-flags>/config.toml"

settings = claude.settings
hidden = claude.hidden


def read(event: Event) -> tuple[Evidence, ...]:
    """See :class:`profiles.hooks.shapes.Shape`."""
    return tuple(claude.for_rules(piece) if piece.sign is Sign.ASKED else piece for piece in claude.read(event))


def decide(decision: Decision, reply: Mapping[str, Any]) -> str:
    """See :class:`profiles.hooks.shapes.Shape`."""
    return "" if decision.behaviour == "always" else claude.decide(decision, reply)


def inline(tell: Mapping[str, str], ask: Mapping[str, str], wait_s: float) -> str:
    """See :class:`profiles.hooks.shapes.Shape`."""
    events, trusted = [], []
    for name, command, seconds in (
        *((name, command, 1 if name in _SHORT else 10) for name, command in tell.items()),
        *((name, command, int(wait_s) + 5) for name, command in ask.items()),
    ):
        label = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
        events.append(f'{name}=[{{hooks=[{{type="command",command={_quoted(command)},timeout={seconds}}}]}}]')
        trusted.append(f'{_quoted(f"{_SOURCE}:{label}:0:0")}={{trusted_hash="{_hash(label, command, seconds)}"}}')
    return "{" + ",".join((*events, "state={" + ",".join(trusted) + "}")) + "}"


def _hash(label: str, command: str, seconds: int) -> str:
    hook = {"async": False, "command": command, "timeout": seconds, "type": "command"}
    said = json.dumps({"event_name": label, "hooks": [hook]}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(said.encode()).hexdigest()


def _quoted(text: str) -> str:
    """A TOML basic string."""
    return json.dumps(text)
