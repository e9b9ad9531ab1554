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
_APP_LIMIT, _MESSAGE_LIMIT, _TITLE_LIMIT = 32, 2048, 192
_ID_LIMIT, _ID_LEVELS, _ID_SEGMENT = 128, 8, 32
_TEXTS = ("title=", "msg=")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Report(NamedTuple):
    """Something a program told its terminal.

    ``kind``: title, bell, notify, progress, status (OSC 7501), clipboard, cwd, prompt (OSC 133).
    """

    kind: str
    data: dict[str, str | int]


def parse_status(body: str, *, cut: bool = False) -> Report | None:
    """The record of ``OSC 7501 ; body``; None where it tells no known state.

    A state is never lost for what stands beside it: texts are cleaned and cut to their limits, and what cannot be read
    is left out, as unknown keys are. ``cut``: the end of ``body`` is missing.
    """
    fields: dict[str, str | int] = {}
    parts = _CONTROL.sub("", body).split(":")
    named = any(part.startswith("id=") for part in parts)
    if cut and not parts[-1].startswith(_TEXTS):
        parts.pop()  # half an id or a state would be another one
    for part in parts:
        key, _, value = part.partition("=")
        if key == "state":
            if value not in STATES:
                return None
            fields["state"] = value
        elif key == "app":
            fields["app"] = _cut(value, _APP_LIMIT)
        elif key == "id":
            levels = [_cut(level, _ID_SEGMENT) for level in value.split("/") if level]
            fields["id"] = _cut("/".join(levels[:_ID_LEVELS]), _ID_LIMIT)
        elif key == "kind" and value in KINDS:
            fields["kind"] = value
        elif key == "progress" and re.fullmatch("[0-9]{1,3}", value) and int(value) <= 100:
            fields["progress"] = int(value)
        elif key in ("title", "msg"):
            fields[key] = _decoded(value, _TITLE_LIMIT if key == "title" else _MESSAGE_LIMIT)
    if "state" not in fields or (fields["state"] == "clear" and named and not fields.get("id")):
        return None  # what withdraws one record withdraws no others
    return Report("status", {key: value for key, value in fields.items() if value != ""})


def _decoded(value: str, limit: int) -> str:
    """The text in base64, on one line and of ``limit`` bytes at most; "" where it is none."""
    bare = value.rstrip("=")
    bare = bare[: len(bare) - (len(bare) % 4 == 1)]
    try:
        raw = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        return ""
    return _cut(" ".join(_CONTROL.sub(" ", raw.decode("utf-8", "replace")).split()), limit)


def _cut(text: str, limit: int) -> str:
    """The beginning of ``text``, ``limit`` bytes at most."""
    return text if len(text) * 4 <= limit else text.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")
