"""Checks of the person's own files: what is wrong with the settings and the policy, read here and not asked for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cli.doctor.finding import Finding
from quarterdeck.errors import Invalid

if TYPE_CHECKING:
    from pathlib import Path


def findings() -> list[Finding]:
    """One for each of the person's own files, whether an orchestrator runs or not."""
    from quarterdeck import config
    from sessions.policy import Policies
    from sessions.policy.policies import NAME

    folder = config.user_folder()
    try:
        config.load(folder)
        settings = Finding("settings", "ok", str(folder / "config.toml"))
    except Invalid as error:
        text = f"{error.message} ({error.hint})" if error.hint else error.message
        settings = Finding("settings", "problem", text, "correct it; quarterdeck ls says what holds until then")
    policy = Finding("policy", "ok", str(folder / NAME))
    if wrong := Policies(folder / NAME).problems():
        policy = Finding("policy", "problem", wrong[0], "correct it, then: quarterdeck policy show")
    return [settings, *_keys(folder / "config.toml"), policy]


def _keys(file: Path) -> list[Finding]:
    """What of the person's own keys is left out; mistakes that the settings name already are not told twice."""
    from quarterdeck.keymap.own import own_of

    try:
        conflicts = own_of(file, os.environ).keymap.conflicts
    except Invalid:
        return []
    return [
        Finding("keys", "problem", line, f"change [keys] in {file}, then: quarterdeck bindings") for line in conflicts
    ]
