"""Which state of the user's policy file a person accepted, and what changed since."""

from __future__ import annotations

import asyncio
import difflib
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from quarterdeck.errors import Refused
from quarterdeck.kept import Kept
from quarterdeck.paths import read_file
from sessions.policy.policies import FILE_LIMIT, NAME, Policies
from sessions.store import Store

KEY = "policy"
"""Where the store keeps the accepted text."""


async def open_policies(store: Store, user: Path | None, guarded: Sequence[Path], kept: Path) -> Policies:
    """The policies in force; ``user`` is the folder of the user's settings, ``kept`` where their last sound text lies.

    Where none lies there the text a person accepted last takes its place.
    """
    accepted = await _accepted(store)
    file = user / NAME if user else None
    sound = await asyncio.to_thread(Kept, kept / NAME)
    policies = Policies(file, accepted=_digest(accepted), guarded=guarded, kept=sound)
    if accepted and sound.text is None:
        sound.text = accepted.encode()
    await asyncio.to_thread(policies.file, file)
    return policies


async def difference(policies: Policies, store: Store) -> list[str]:
    """The lines by which the user's file differs from what was accepted, as a unified diff."""
    before, now = await _accepted(store), _now(policies)
    return list(difflib.unified_diff(before.splitlines(), now.splitlines(), "accepted", NAME, lineterm=""))


async def accept(policies: Policies, store: Store, digest: str) -> None:
    """Let the allow rules of exactly the file with this hash hold. Raises :class:`Refused` when it changed."""
    text = _now(policies)
    if _digest(text) != digest or policies.file(policies.user).digest != digest:
        raise Refused("the policy has changed since it was shown; nothing was accepted", hint="look at it again")
    await store.remember(KEY, json.dumps(text))
    policies.accepted = digest


async def _accepted(store: Store) -> str:
    kept = await store.meta(KEY)
    return str(json.loads(kept)) if kept else ""


def _now(policies: Policies) -> str:
    try:
        return read_file(policies.user, FILE_LIMIT).decode("utf-8", "replace") if policies.user else ""
    except OSError:
        return ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest() if text else ""
