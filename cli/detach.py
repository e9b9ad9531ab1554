"""The one thing ``attach`` looks for in what a person types: the key (or two keys) that end it.

Everything else passes through byte for byte. Keys are recognised as the outer terminal may send them: as a control
byte, as ``CSI code ; modifiers u`` (kitty keyboard protocol) or as ``CSI 27 ; modifiers ; code ~`` (xterm's
modifyOtherKeys). Inside a bracketed paste nothing is recognised.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from quarterdeck import keys
from quarterdeck.errors import Invalid

PASTE_BEGIN, PASTE_END = b"\x1b[200~", b"\x1b[201~"
_ENCODED = re.compile(rb"\x1b\[(?:27;(?P<m2>\d+);(?P<c2>\d+)~|(?P<c>\d+)[:\d]*(?:;(?P<m>\d+)(?::(?P<e>\d))?[;:\d]*)?u)")
_UTF8 = rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
_ONE = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1bO.|\x1b?(?:" + _UTF8 + rb"|.)", re.DOTALL)
_NOT_A_KEY = re.compile(rb"\x1b\[(?:[IO]|<[\d;]+[Mm]|M)|\x1b\[574[45]\d[;:\d]*u")
_NAMED = {"enter": 13, "tab": 9, "escape": 27, "backspace": 127, "space": 32}
_LOCKS = 64 | 128
_RELEASE = 3


class _Key(NamedTuple):
    code: int
    mods: int
    legacy: bytes

    def matches(self, token: bytes) -> bool:
        if token == self.legacy:
            return True
        found = _ENCODED.fullmatch(token)
        if not found or _event(found) == _RELEASE:
            return False
        mods = (int(found["m2"] or found["m"] or 1) - 1) & ~_LOCKS
        # kitty counts alt 2 and shift 1 as we do, ctrl 4 and super 8 too
        return int(found["c2"] or found["c"]) == self.code and mods == self.mods


def _event(found: re.Match[bytes]) -> int:
    return int(found["e"] or 1)


def _key(word: str) -> _Key:
    press = keys.parse(word)
    code = _NAMED.get(press.name) or (ord(press.name) if len(press.name) == 1 else 0)
    if not code or press.mods & keys.SUPER or (press.mods & keys.SHIFT and not press.text):
        raise Invalid(f"{word!r} cannot end an attachment", hint='use keys like "ctrl+] d", "ctrl+\\" or "alt+q"')
    legacy = (press.text or chr(code)).encode()
    if press.mods & keys.CTRL:
        if press.name == "space":
            legacy = b"\0"
        elif press.name.isascii() and (press.name.isalpha() or press.name in "@[\\]^_"):
            legacy = bytes([ord(press.name.upper()) & 0x1F])
        else:
            raise Invalid(f"{word!r} cannot end an attachment: terminals do not send it", hint='for example "ctrl+] d"')
    if press.mods & keys.ALT:
        legacy = b"\x1b" + legacy
    return _Key(code, press.mods, legacy)


class DetachKey:
    """Watches typed bytes for the detach key.

    With two keys, the first is held until the second comes: the right one detaches, the first once more types it
    once, any other passes both. :meth:`expire` gives a held key back.
    """

    def __init__(self, words: str = "ctrl+] d") -> None:
        parts = words.split()
        if not 1 <= len(parts) <= 2:
            raise Invalid(f"the detach key is one key or two, not {words!r}", hint='for example "ctrl+] d"')
        self.words = " ".join(str(keys.parse(part)) for part in parts)
        self._first, self._second = _key(parts[0]), _key(parts[1]) if len(parts) == 2 else None
        self._held = b""
        self._pasting = False
        self._tail = b""
        self._interesting = re.compile(
            b"|".join([re.escape(PASTE_BEGIN), re.escape(PASTE_END), _bare(_ENCODED), re.escape(self._first.legacy)])
        )

    @property
    def holding(self) -> bool:
        """Whether the first key was typed and the second is awaited."""
        return bool(self._held)

    def expire(self) -> bytes:
        """The held key, to be typed after all."""
        held, self._held = self._held, b""
        return held

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """What to pass on, and whether to detach (what follows the detach key is dropped)."""
        out = bytearray()
        rest = data
        while rest:
            if self._held:
                rest, detached = self._second_key(rest, out)
                if detached:
                    return bytes(out), True
                continue
            found = self._next(rest)
            if not found:
                out += rest
                break
            out += rest[: found.start()]
            rest = rest[found.end() :]
            self._held = found.group()
            if self._second is None:
                self._held = b""
                return bytes(out), True
        self._remember(data)
        return bytes(out), False

    def _next(self, data: bytes) -> re.Match[bytes] | None:
        """The next press of the first key outside a paste."""
        self._resume_paste(data)
        for found in self._interesting.finditer(data):
            if found.group() in (PASTE_BEGIN, PASTE_END):
                self._pasting = found.group() == PASTE_BEGIN
            elif not self._pasting and self._first.matches(found.group()):
                return found
        return None

    def _second_key(self, data: bytes, out: bytearray) -> tuple[bytes, bool]:
        assert self._second is not None
        found = _ONE.match(data)
        token = found.group() if found else data
        rest = data[len(token) :]
        encoded = _ENCODED.fullmatch(token)
        if encoded and _event(encoded) == _RELEASE and int(encoded["c"] or 0) == self._first.code:
            return rest, False  # the held key going up
        if _NOT_A_KEY.match(token) or (encoded and _event(encoded) == _RELEASE):
            out += token
            return rest, False
        if self._second.matches(token):
            self._held = b""
            return rest, True
        held = self.expire()
        if self._first.matches(token):
            out += held
            return rest, False
        out += held
        return data, False

    def _resume_paste(self, data: bytes) -> None:
        """Notice a paste marker that was split between two reads."""
        for size in range(1, len(PASTE_END)):
            joined = self._tail[-size:] + data[: len(PASTE_END) - size]
            if len(self._tail) >= size and joined in (PASTE_BEGIN, PASTE_END):
                self._pasting = joined == PASTE_BEGIN
        self._tail = b""

    def _remember(self, data: bytes) -> None:
        self._tail = (self._tail + data)[-(len(PASTE_END) - 1) :]


def _bare(pattern: re.Pattern[bytes]) -> bytes:
    """``pattern`` without group names, to stand inside a larger one."""
    return re.sub(rb"\?P<\w+>", rb"?:", pattern.pattern)
