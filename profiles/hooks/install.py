"""Our hooks in a person's own settings file, for agents that take no hooks for one run; and out of it again.

Nothing else in the file changes. What is put in is the same line for every agent and does nothing outside of
Quarterdeck. While the file is as we left it, taking out gives back the very bytes that were there before; after other
changes, our entries alone are taken out of it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from profiles.hooks import jsontext, lines, shapes
from profiles.hooks.arming import commands
from profiles.hooks.jsontext import Node
from profiles.profile import Profile
from quarterdeck.errors import Broken, Invalid, Refused
from quarterdeck.paths import private_folder, read_file, write_file
from quarterdeck.text import safe

FILE_LIMIT = 4 << 20
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$([A-Za-z_][A-Za-z0-9_]*)")


@dataclass(frozen=True, kw_only=True)
class Change:
    """What would become of a file. ``before`` is None where there is none, ``after`` None where it is to go."""

    path: Path
    before: str | None
    after: str | None

    @property
    def needed(self) -> bool:
        """Whether anything would change."""
        return self.before != self.after


def settings_file(profile: Profile, environ: Mapping[str, str] = os.environ) -> Path:
    """The person's settings file that ``profile`` names; ``~``, ``$NAME`` and ``${NAME:-default}`` are filled in.

    Raises :class:`Refused` for a profile without one.
    """
    named = profile.hooks.file
    if not named or shapes.shape(profile.hooks.shape) is None:
        raise Refused(f"{profile.title} has no hooks that could be installed", hint="quarterdeck profile show NAME")

    def fill(found: re.Match[str]) -> str:
        value = environ.get(found[1] or found[3] or "") or found[2]
        if not value:
            raise Invalid(
                f"profile {profile.name}: hooks.file needs the variable {found[1] or found[3]}, which is not set"
            )
        return value

    filled = _VARIABLE.sub(fill, named)
    home = environ.get("HOME") or os.path.expanduser("~")
    path = Path(home + filled[1:] if filled == "~" or filled.startswith("~/") else filled)
    if not path.is_absolute():
        raise Invalid(f"profile {profile.name}: hooks.file is {safe(str(path))!r}, which is not an absolute path")
    return path


def installing(profile: Profile, path: Path) -> Change:
    """What installing would make of the file at ``path``. Raises :class:`Refused` where the file cannot be changed."""
    before = _text(path)
    text = before if before is not None and before.strip() else "{}\n"
    wanted = _entries(profile)
    text = _without(text, path, keep=wanted)
    for event, entry in wanted.items():
        root = _read(text, path)
        if (hooks := root.get("hooks")) is None:
            text = jsontext.insert(text, root, {event: [entry]}, "hooks")
        elif (found := hooks.get(event)) is None:
            text = jsontext.insert(text, hooks, [entry], event)
        elif not any(_ours(text, item) for item in found.items):
            text = jsontext.insert(text, found, entry)
    return Change(path=path, before=before, after=text)


def removing(path: Path, record: Path) -> Change:
    """What taking our hooks out would make of the file at ``path``; ``record`` is what :func:`apply` wrote."""
    before = _text(path)
    if before is None:
        return Change(path=path, before=None, after=None)
    noted = _record(record, path)
    if noted and noted.get("after") == _digest(before):
        original = noted.get("before")
        return Change(path=path, before=before, after=_decoded(original) if isinstance(original, str) else None)
    return Change(path=path, before=before, after=_without(before, path))


def installed(path: Path) -> bool:
    """Whether the file holds hooks of ours. Raises :class:`Refused` for a file that cannot be read."""
    text = _text(path)
    return text is not None and lines.MARK in text and _without(text, path) != text


def apply(change: Change, record: Path) -> None:
    """Make the change, through a link where there is one, and note how to undo it. Raises :class:`Broken`."""
    target = Path(os.path.realpath(change.path))
    try:
        if _text(change.path) != change.before:
            raise Refused(f"{change.path} was changed in this moment; nothing was done", hint="try again")
        if change.after is None:
            target.unlink(missing_ok=True)
            record.unlink(missing_ok=True)
            return
        private_folder(record.parent)
        known = _record(record, change.path) or {}
        original = change.before
        if change.before is not None and known.get("after") == _digest(change.before):
            kept = known.get("before")
            original = _decoded(kept) if isinstance(kept, str) else None
        target.parent.mkdir(parents=True, exist_ok=True)
        note = {
            "path": str(change.path),
            "before": None if original is None else base64.b64encode(original.encode()).decode(),
            "after": _digest(change.after),
        }
        if lines.MARK in change.after:
            write_file(record, json.dumps(note).encode())
        write_file(target, change.after.encode(), _mode(target))
        if lines.MARK not in change.after:
            record.unlink(missing_ok=True)
    except OSError as error:
        raise Broken(
            f"cannot change {change.path}: {error.strerror or error}; it is as it was",
            hint="correct its permissions, or free some disk space",
            path=str(change.path),
        ) from error


def _entries(profile: Profile) -> dict[str, Any]:
    """The entry for each event, as the shape writes it."""
    shape = shapes.shape(profile.hooks.shape)
    tell, ask = commands(profile)
    if shape is None:
        return {}
    made: Mapping[str, list[Any]] = shape.settings({}, tell, ask, profile.hooks.wait_s)["hooks"]
    return {event: entries[0] for event, entries in made.items()}


def _without(text: str, path: Path, keep: Mapping[str, Any] | None = None) -> str:
    """The text without our entries, but those that are as ``keep`` wants them; lists we leave empty go too."""
    while text.strip():
        root = _read(text, path)
        hooks = root.get("hooks")
        found = _first_of_ours(text, hooks, keep or {}) if hooks else None
        if hooks is None or found is None:
            return text
        event, number, entries = found
        if len(entries.items) > 1:
            text = jsontext.remove(text, entries, number)
        elif len(hooks.members) > 1:
            text = jsontext.remove(text, hooks, [name for name, _, _ in hooks.members].index(event))
        else:
            text = jsontext.remove(text, root, [name for name, _, _ in root.members].index("hooks"))
    return text


def _first_of_ours(text: str, hooks: Node, keep: Mapping[str, Any]) -> tuple[str, int, Node] | None:
    for event, _, entries in hooks.members:
        for number, item in enumerate(entries.items):
            if _ours(text, item) and not (event in keep and _same(text, item, keep[event])):
                return event, number, entries
    return None


def _ours(text: str, item: Node) -> bool:
    """Whether an entry holds a command of ours and nothing else."""
    inner = item.get("hooks")
    if inner is None or not inner.items:
        return False
    told = [hook.get("command") for hook in inner.items]
    return all(command is not None and lines.MARK in command.value for command in told)


def _same(text: str, item: Node, entry: Any) -> bool:
    try:
        return bool(json.loads(text[item.start : item.end]) == entry)
    except ValueError:
        return False


def _read(text: str, path: Path) -> Node:
    try:
        root = jsontext.read(text)
    except jsontext.Unreadable as error:
        raise Refused(f"{path} is not JSON ({error}); it was not touched", hint="correct it first") from error
    hooks = root.get("hooks")
    fits = root.kind == "object" and (
        hooks is None or (hooks.kind == "object" and all(node.kind == "list" for _, _, node in hooks.members))
    )
    if not fits:
        raise Refused(f"the hooks in {path} are not a table of lists; it was not touched", hint="correct it first")
    return root


def _text(path: Path) -> str | None:
    try:
        return read_file(Path(os.path.realpath(path)), FILE_LIMIT).decode("utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise Refused(f"{path} is not UTF-8; it was not touched", hint="correct it first") from error
    except OSError as error:
        raise Broken(f"cannot read {path}: {error.strerror or error}", path=str(path)) from error


def _mode(target: Path) -> int:
    """The mode of the person's file, which stays; ours for a new one."""
    with suppress(OSError):
        return target.stat().st_mode & 0o7777
    return 0o600


def _record(record: Path, path: Path) -> dict[str, Any] | None:
    try:
        noted = json.loads(read_file(record, 2 * FILE_LIMIT))
    except (OSError, ValueError, RecursionError):
        return None
    return noted if isinstance(noted, dict) and noted.get("path") == str(path) else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _decoded(said: str) -> str | None:
    try:
        return base64.b64decode(said, validate=True).decode()
    except ValueError:
        return None
