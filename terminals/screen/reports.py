"""What a program tells its terminal, as values: OSC 7501 status, OSC 99 notifications, prompt marks.

Everything here was chosen by a program: bounded, never safe to show as it is.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import NamedTuple

STATES = frozenset({"idle", "working", "blocked", "done", "error", "clear"})
KINDS = frozenset({"permission", "question", "auth"})
_KEY_LIMIT, _APP_LIMIT, _MESSAGE_LIMIT, _TITLE_LIMIT = 16, 32, 2048, 192
_ID_LIMIT, _ID_LEVELS, _ID_SEGMENT = 128, 8, 32
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Report(NamedTuple):
    """Something a program told its terminal.

    ``kind``: title, bell, notify, progress, status (OSC 7501), clipboard, cwd, prompt (OSC 133).
    """

    kind: str
    data: dict[str, str | int]


def parse_status(body: str) -> Report | None:
    """The record of ``OSC 7501 ; body``; None where it breaks a rule of the protocol. Unknown keys are ignored."""
    fields: dict[str, str | int] = {}
    for part in body.split(":"):
        key, equals, value = part.partition("=")
        if not equals or not key or len(key.encode()) > _KEY_LIMIT:
            return None
        if key == "state":
            if value not in STATES:
                return None
            fields["state"] = value
        elif key == "app":
            if len(value.encode()) > _APP_LIMIT or _CONTROL.search(value):
                return None
            fields["app"] = value
        elif key == "id":
            levels = value.split("/")
            if len(value.encode()) > _ID_LIMIT or len(levels) > _ID_LEVELS or _CONTROL.search(value):
                return None
            if any(not level or len(level.encode()) > _ID_SEGMENT for level in levels):
                return None
            fields["id"] = value
        elif key == "kind":
            if value in KINDS:
                fields["kind"] = value
        elif key == "progress":
            if not value.isascii() or not value.isdigit() or len(value) > 3 or int(value) > 100:
                return None
            fields["progress"] = int(value)
        elif key in ("title", "msg"):
            text = _decoded(value, _TITLE_LIMIT if key == "title" else _MESSAGE_LIMIT)
            if text is None:
                return None
            fields[key] = text
    return Report("status", fields) if "state" in fields else None


def _decoded(value: str, limit: int) -> str | None:
    try:
        raw = base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
        text = raw.decode("utf-8")
    except (binascii.Error, ValueError):
        return None
    return None if len(raw) > limit or _CONTROL.search(text) else text
