"""Which state of the user's policy file a person accepted, what changed since, and the rules a run is given.

A run has a state folder of its own, in which nobody accepts anything: what a person accepted in their own holds there
too, and a file that is named where the run is started is accepted by that. Its text is stored with the run before any
agent begins, so that an agent that changes the file loosens nothing, not even for a run that is gone on with.
"""

from __future__ import annotations

import asyncio
import difflib
import hashlib
import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from quarterdeck.errors import Invalid, Refused
from quarterdeck.kept import Kept
from quarterdeck.paths import Paths, read_file
from quarterdeck.text import safe
from sessions.policy.policies import FILE_LIMIT, NAME, NOTHING, File, Policies, parse
from sessions.store import Store

KEY = "policy"
"""Where the store keeps the accepted text."""
GIVEN = "policy of the run"
"""Where it keeps the path and the text of the rules the run was given."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """Which rules hold in a run with a state folder of its own."""

    person: Paths
    """The person's own state folder: what was accepted there holds, and it is guarded as the run's own is."""
    file: Path | None = None
    """Rules for this run, accepted by being named. None: those it was started with, if any."""


async def open_policies(
    store: Store,
    user: Path | None,
    guarded: Sequence[Path],
    kept: Path,
    *,
    rooms: Sequence[Path] = (),
    given: Given | None = None,
) -> Policies:
    """The policies in force; ``user`` is the folder of the user's settings, ``kept`` where their last sound text lies.

    Where none lies there the text a person accepted last takes its place. ``rooms`` as for :class:`Policies`. Raises
    :class:`Invalid` for a file that was given and cannot be read, or has a mistake in it.
    """
    accepted = await _accepted(store) if given is None else await asyncio.to_thread(accepted_by, given.person)
    file = user / NAME if user else None
    sound = await asyncio.to_thread(Kept, kept / NAME)
    policies = Policies(
        file,
        accepted=_digest(accepted),
        guarded=guarded if given is None else (*guarded, given.person.home),
        kept=sound,
        rooms=rooms,
        given=NOTHING if given is None else await _given(store, given.file),
    )
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


def accepted_by(person: Paths) -> str:
    """The text a person accepted in their own state folder, read beside whoever has it open; "" for none."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(person.database))}?mode=ro", uri=True, timeout=2)) as db:
            row = db.execute("SELECT value FROM meta WHERE key = ?", (KEY,)).fetchone()
    except sqlite3.Error:
        return ""
    return str(json.loads(row[0])) if row else ""


def read(file: Path) -> tuple[str, File]:
    """The text and the rules of a file that a run is given. Raises :class:`Invalid`."""
    try:
        text = read_file(file, FILE_LIMIT)
    except OSError as error:
        raise Invalid(f"the policy {safe(str(file))} cannot be read: {error.strerror or error}") from error
    found = parse(file, text)
    if found.problems:
        more = f" (and {len(found.problems) - 1} more)" if len(found.problems) > 1 else ""
        raise Invalid(found.problems[0] + more, hint="correct it; nothing was begun")
    return text.decode("utf-8"), found


async def _given(store: Store, file: Path | None) -> File:
    """The rules given to a run, remembered for when it is gone on with."""
    if file is not None:
        text, found = await asyncio.to_thread(read, file)
        await store.remember(GIVEN, json.dumps([str(file), text]))
        return found
    kept = await store.meta(GIVEN)
    if not kept:
        return NOTHING
    path, told = json.loads(kept)
    return parse(Path(path), told.encode())


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
