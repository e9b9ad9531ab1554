"""Finds the OSC sequences the emulator drops without a word: 99 (kitty notifications) and 133 (prompt marks).

A small state machine over the raw bytes whose state outlives a chunk, so that a sequence may be split anywhere.
Bytes outside OSC cost one search for ``ESC ]``.
"""

from __future__ import annotations

import base64
import binascii
import re

from terminals.screen.reports import Report

_LIMIT = 4096
_OPEN_LIMIT = 16
_TEXT_LIMIT = 2048
_WANTED = (b"99;", b"133;")
_END = re.compile(rb"[\x07\x18\x1a\x1b]")


class Scanner:
    """Feed it everything, in order; it keeps at most one unfinished sequence of 4 KB."""

    def __init__(self) -> None:
        self._body: bytearray | None = None
        """The OSC being read, None outside."""
        self._escape = False
        """Whether the last byte was ESC."""
        self._open: dict[str, dict[str, str]] = {}
        """Notifications whose last part has not come."""

    def feed(self, data: bytes) -> list[Report]:
        """The reports that end in ``data``."""
        reports: list[Report] = []
        at, size = 0, len(data)
        while at < size:
            if self._escape:
                self._escape = False
                if data[at] == 0x5D:
                    self._body = bytearray()
                    at += 1
            elif self._body is None:
                found = data.find(b"\x1b]", at)
                if found < 0:
                    self._escape = data.endswith(b"\x1b")
                    break
                self._body = bytearray()
                at = found + 2
            else:
                match = _END.search(data, at)
                end = match.start() if match else size
                room = _LIMIT - len(self._body)
                if room >= 0:
                    self._body += data[at : min(end, at + room + 1)]
                if match is None:
                    break
                at = end + 1
                if data[end] in (0x07, 0x1B):  # as for the emulator, ESC ends it whatever follows
                    reports += self._ended()
                    self._escape = data[end] == 0x1B
                else:
                    self._body = None
        return reports

    def reset(self) -> None:
        """Forget an unfinished sequence (bytes are missing here)."""
        self._body, self._escape = None, False

    def _ended(self) -> list[Report]:
        body, self._body = bytes(self._body or b""), None
        if len(body) > _LIMIT or not body.startswith(_WANTED):
            return []
        text = body.decode("utf-8", "replace")
        number, _, rest = text.partition(";")
        if number == "133":
            mark, _, detail = rest.partition(";")
            if len(mark) != 1:
                return []
            code = detail.partition(";")[0]
            data: dict[str, str | int] = {"mark": mark}
            if mark == "D" and code.isascii() and code.isdigit() and len(code) <= 3:
                data["code"] = int(code)
            return [Report("prompt", data)]
        return self._notified(rest)

    def _notified(self, rest: str) -> list[Report]:
        """One part of a kitty notification (OSC 99): ``key=value:key=value ; payload``."""
        head, _, payload = rest.partition(";")
        meta = dict(part.split("=", 1) for part in head.split(":") if "=" in part)
        kind = meta.get("p", "title")
        if kind not in ("title", "body"):
            return []
        if meta.get("e") == "1":
            try:
                payload = base64.b64decode(payload + "=" * (-len(payload) % 4)).decode("utf-8", "replace")
            except (binascii.Error, ValueError):
                return []
        name = meta.get("i", "")[:64]
        note = self._open.setdefault(name, {"title": "", "body": ""})
        note[kind] = (note[kind] + payload)[:_TEXT_LIMIT]
        if meta.get("d") == "0":
            while len(self._open) > _OPEN_LIMIT:
                self._open.pop(next(iter(self._open)))
            return []
        del self._open[name]
        return [Report("notify", {"title": note["title"], "body": note["body"]})]
