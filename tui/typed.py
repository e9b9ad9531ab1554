"""From the outer terminal's bytes to keys, pastes and the mouse.

Textual's own parser loses what agents need (alt+enter, ctrl+alt+letter, a paste that holds escape sequences, key
events of the kitty protocol), so the bytes are read here. The parser is pure: bytes in, values out, and a wait it
asks for when bytes may be the start of a longer sequence.

Sources: ECMA-48; XTerm Control Sequences; the kitty keyboard protocol; rxvt and Linux console key tables.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from quarterdeck.keys import ALT, CTRL, NAMED, SHIFT, SUPER, KeyPress

PASTE_START, PASTE_END = b"\x1b[200~", b"\x1b[201~"
PASTE_PATIENCE = 1.0
"""Seconds without a byte after which a paste that never ended is taken as it is."""
LONGEST = 64
"""Bytes after which a sequence that does not end is dropped."""
ANSWER_PATIENCE = 1.0
"""Seconds without a byte after which an answer that never ended is dropped."""
_COLOR = b"\x1b]11;"


class Pasted(NamedTuple):
    """Text between the marks of a bracketed paste, as it came."""

    text: str


class Pointer(NamedTuple):
    """A mouse event. ``action``: press, release, move, wheel_up, wheel_down, wheel_left, wheel_right; cells from 0."""

    action: str
    x: int
    y: int
    button: int
    mods: int


class Focused(NamedTuple):
    """The outer terminal gained or lost the focus."""

    inside: bool


class Report(NamedTuple):
    """The outer terminal's answer to a mode query (DECRPM); ``setting`` 0 means it does not know the mode."""

    mode: int
    setting: int


class Background(NamedTuple):
    """The outer terminal's answer to what its background is (OSC 11), ``0xrrggbb``."""

    color: int


class Scheme(NamedTuple):
    """The outer terminal tells that its colours are dark, or light, from now on (mode 2031)."""

    dark: bool


class Attributes(NamedTuple):
    """The outer terminal's answer to what it is (DA1): what was asked before is answered by now, or never will be."""


Typed = KeyPress | Pasted | Pointer | Focused | Report | Background | Scheme | Attributes

_TILDE = {
    1: "home", 2: "insert", 3: "delete", 4: "end", 5: "pageup", 6: "pagedown", 7: "home", 8: "end",
    11: "f1", 12: "f2", 13: "f3", 14: "f4", 15: "f5", 17: "f6", 18: "f7", 19: "f8", 20: "f9", 21: "f10", 23: "f11",
    24: "f12", 25: "f13", 26: "f14", 28: "f15", 29: "f16", 31: "f17", 32: "f18", 33: "f19", 34: "f20",
}  # fmt: skip
_FINAL = {
    "A": "up", "B": "down", "C": "right", "D": "left", "F": "end", "H": "home", "P": "f1", "Q": "f2", "R": "f3",
    "S": "f4", "Z": "tab",
}  # fmt: skip
_SS3 = _FINAL | {"M": "enter", "I": "tab", "X": "="} | {chr(ord("j") + n): c for n, c in enumerate("*+,-./0123456789")}
_RXVT_ARROWS = {"a": "up", "b": "down", "c": "right", "d": "left"}
_CONSOLE = {"A": "f1", "B": "f2", "C": "f3", "D": "f4", "E": "f5"}
_CODES = {27: "escape", 13: "enter", 9: "tab", 127: "backspace", 8: "backspace", 32: "space"}
_KITTY = (
    {57376 + n: f"f{13 + n}" for n in range(12)}
    | {57399 + n: c for n, c in enumerate("0123456789./*-+")}
    | {57414: "enter", 57415: "=", 57416: ","}
    | {
        57417 + n: name
        for n, name in enumerate(
            ["left", "right", "up", "down", "pageup", "pagedown", "home", "end", "insert", "delete"]
        )
    }
)
_CSI = re.compile(rb"\x1b\[([0-?]*)([ -/]*)([@-~])")
_MOUSE_X10 = re.compile(rb"\x1b\[M(...)", re.DOTALL)
_ENDS = re.compile(rb"\x07|\x1b\\|\x1b(?=[^\\])")
_CHANNELS = re.compile(rb"rgba?:([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})(?:/[0-9a-fA-F]{1,4})?")
_RXVT_SHIFT = re.compile(rb"\x1b\[(\d+)\$(?!y)")
_RELEASE = 3


def press(name: str, mods: int = 0) -> KeyPress:
    """A key by name (a named key or one character) with the text it types."""
    if name in NAMED:
        return KeyPress(name, mods, " " if name == "space" and not mods & ~SHIFT else "")
    if name.isupper() and len(name.lower()) == 1:
        name, mods = name.lower(), mods | SHIFT
    typed = name.upper() if mods & SHIFT and len(name.upper()) == 1 else name
    return KeyPress(name, mods, typed if not mods & ~SHIFT else "")


class Parser:
    """Turns bytes into typed values, in order, whatever the chunks. ``escape`` is the patience for a lone ESC.

    While ``expecting``, answers of the outer terminal are under way, so that an ESC is more likely the start of one
    than a key; the last of them ends it.
    """

    def __init__(self, escape: float = 0.02, *, expecting: bool = False) -> None:
        self._escape = escape
        self.expecting = expecting
        self._buffer = b""
        self._paste: list[bytes] | None = None

    @property
    def wait(self) -> float | None:
        """Seconds after which :meth:`settle` should be called unless bytes come first; None for no need."""
        if self._paste is not None:
            return PASTE_PATIENCE
        if not self._buffer:
            return None
        return ANSWER_PATIENCE if self.expecting or self._buffer.startswith(_COLOR) else self._escape

    def feed(self, data: bytes) -> list[Typed]:
        """What the bytes so far amount to."""
        self._buffer += data
        return self._drain(final=False)

    def settle(self) -> list[Typed]:
        """No byte came in time: what waits is all there is."""
        if self._paste is not None:
            self._paste.append(self._buffer)
            self._buffer = b""
            return [self._pasted()]
        return self._drain(final=True)

    def _drain(self, *, final: bool) -> list[Typed]:
        found: list[Typed] = []
        at = 0
        while at < len(self._buffer):
            if self._paste is not None:
                self._buffer, at = self._buffer[at:], 0
                if not self._take_paste(found):
                    break
                continue
            size, value = self._next(self._buffer[at : at + 2 * LONGEST], final)
            if not size:
                break
            at += size
            if value is not None:
                found.append(value)
                self.expecting = self.expecting and not isinstance(value, Attributes)
        self._buffer = self._buffer[at:]
        return found

    def _take_paste(self, found: list[Typed]) -> bool:
        assert self._paste is not None
        text, mark, rest = self._buffer.partition(PASTE_END)
        if mark:
            self._paste.append(text)
            self._buffer = rest
            found.append(self._pasted())
            return True
        keep = next((n for n in range(min(len(text), len(PASTE_END) - 1), 0, -1) if PASTE_END.startswith(text[-n:])), 0)
        cut = len(text) - keep
        self._paste.append(text[:cut])
        self._buffer = text[cut:]
        return False

    def _pasted(self) -> Pasted:
        data, self._paste = b"".join(self._paste or ()), None
        return Pasted(data.decode("utf-8", "replace").replace("\x00", ""))

    def _next(self, data: bytes, final: bool) -> tuple[int, Typed | None]:
        """The first value in ``data`` and how many bytes it took; 0 when more bytes are needed."""
        first = data[0]
        if first == 0x1B:
            return self._escaped(data, final)
        if first < 0x80:
            return 1, _control(first) if first < 0x20 or first == 0x7F else press(
                chr(first) if first != 32 else "space"
            )
        return _character(data, final)

    def _escaped(self, data: bytes, final: bool) -> tuple[int, Typed | None]:
        if len(data) == 1:
            return (1, press("escape")) if final else (0, None)
        second = data[1]
        if second == 0x5B:
            return self._csi(data, final)
        if second == 0x4F:
            return _ss3(data, final)
        if second == 0x5D and data.startswith(_COLOR[: len(data)]) and (not final or len(data) >= len(_COLOR)):
            return _answer(data, final)
        if second == 0x1B:
            if len(data) == 2 and not final:
                return 0, None
            if data[2:3] in (b"[", b"O"):
                size, value = self._next(data[1:], final)
                if not size:
                    return 0, None
                if isinstance(value, KeyPress) and size > 2:
                    return size + 1, press(value.name, value.mods | ALT)
            return 1, press("escape")
        if second < 0x20 or second == 0x7F:
            key = _control(second)
            return 2, press(key.name, key.mods | ALT)
        if second < 0x80:
            return 2, press(chr(second) if second != 32 else "space", ALT)
        size, value = _character(data[1:], final)
        if not size:
            return 0, None
        return size + 1, press(value.name, value.mods | ALT) if isinstance(value, KeyPress) else value

    def _csi(self, data: bytes, final: bool) -> tuple[int, Typed | None]:
        if data.startswith(PASTE_START):
            self._paste = []
            return len(PASTE_START), None
        if match := _MOUSE_X10.match(data):
            code, x, y = match[1]
            return match.end(), _pointer(code - 32, x - 33, y - 33, "m" if (code & 3) == 3 and code < 96 else "M")
        if data.startswith(b"\x1b[["):
            if len(data) == 3:
                return (3, None) if final else (0, None)
            name = _CONSOLE.get(chr(data[3]))
            return 4, press(name) if name else None
        if (match := _RXVT_SHIFT.match(data)) and (final or len(data) > match.end()):
            name = _TILDE.get(int(match[1]))
            return match.end(), press(name, SHIFT) if name else None
        match = _CSI.match(data)
        if match and match[3] == b"M" and not match[1]:
            return (3, None) if final else (0, None)
        if match:
            return match.end(), _control_sequence(match[1].decode(), match[2].decode(), match[3].decode())
        if data == b"\x1b[" and final:
            return 2, press("[", ALT)
        broken = next((n for n, byte in enumerate(data[2:], 2) if not 0x20 <= byte < 0x7F), None)
        if broken is not None:
            return broken, None
        if len(data) > LONGEST or final:
            return len(data), None
        return 0, None


def _control(byte: int) -> KeyPress:
    """The key behind one C0 byte or DEL."""
    if byte in (0x09, 0x0D, 0x1B, 0x7F):
        return press({0x09: "tab", 0x0D: "enter", 0x1B: "escape", 0x7F: "backspace"}[byte])
    if byte == 0:
        return press("space", CTRL)
    return press(chr(byte + 0x60) if byte < 0x1B else chr(byte + 0x40), CTRL)


def _character(data: bytes, final: bool) -> tuple[int, KeyPress | None]:
    """One character of more than one byte; bytes that are none are dropped."""
    size = 2 if data[0] >> 5 == 6 else 3 if data[0] >> 4 == 14 else 4 if data[0] >> 3 == 30 else 0
    if not size:
        return 1, None
    if len(data) < size and not final and all(byte >> 6 == 2 for byte in data[1:]):
        return 0, None
    try:
        text = data[:size].decode()
    except UnicodeDecodeError:
        return 1, None
    return size, KeyPress(text, 0, text)


def _answer(data: bytes, final: bool) -> tuple[int, Background | None]:
    """The answer to what the background is; one that is cut off, too long or in an unknown form is dropped."""
    end = _ENDS.search(data, len(_COLOR))
    if end is None:
        return (len(data), None) if final or len(data) > LONGEST else (0, None)
    size = end.end() if end[0] != b"\x1b" else end.start()
    channels = _CHANNELS.fullmatch(data[len(_COLOR) : end.start()])
    if channels is None:
        return size, None
    red, green, blue = (round(int(part, 16) * 255 / (16 ** len(part) - 1)) for part in channels.groups())
    return size, Background(red << 16 | green << 8 | blue)


def _ss3(data: bytes, final: bool) -> tuple[int, Typed | None]:
    if len(data) == 2:
        return (2, press("O", ALT)) if final else (0, None)
    third = chr(data[2])
    if third in _SS3:
        return 3, press(_SS3[third])
    if third in _RXVT_ARROWS:
        return 3, press(_RXVT_ARROWS[third], CTRL)
    if third.isdigit() and len(data) > 3 and (name := _FINAL.get(chr(data[3]))):
        return 4, press(name, _mods(third))
    return 2, press("O", ALT)


def _mods(field: str) -> int:
    """Modifier bits of a parameter: xterm's 1 + sum; meta counts as alt, hyper and locks are dropped."""
    bits = int(field or 1) - 1 if field.isdigit() or not field else 0
    return bits & (SHIFT | ALT | CTRL | SUPER) | (ALT if bits & 32 else 0)


def _control_sequence(params: str, between: str, last: str) -> Typed | None:
    if last in "Mm" and params.startswith("<"):
        return _mouse(params[1:], last)
    if between == "$" and last == "y" and params.startswith("?"):
        mode, _, setting = params[1:].partition(";")
        return Report(int(mode), int(setting)) if mode.isdigit() and setting.isdigit() else None
    if not between and params.startswith("?") and last in "cn":
        return _told(params[1:], last)
    if between or (params and params[0] in "<=>?"):
        return None
    if last in "IO" and not params:
        return Focused(last == "I")
    if last == "M":
        return _mouse(params, "M", urxvt=True)
    fields = params.split(";")
    modifiers, _, event = fields[1].partition(":") if len(fields) > 1 else ("", "", "")
    if event == str(_RELEASE):
        return None
    return _key(fields, modifiers, last)


def _told(params: str, last: str) -> Attributes | Scheme | None:
    """What the outer terminal is, or which colours it has from now on."""
    if last == "c":
        return Attributes()
    return {"997;1": Scheme(True), "997;2": Scheme(False)}.get(params)


def _key(fields: list[str], modifiers: str, last: str) -> KeyPress | None:
    code = fields[0].partition(":")[0]
    number = int(code) if code.isdigit() else 1
    if last == "u":
        return _unicode_key(fields, modifiers)
    if last == "~" and number == 27 and len(fields) == 3:
        return _unicode_key([fields[2]], modifiers)
    if last in "~^@" and (name := _TILDE.get(number)):
        return press(name, {"~": _mods(modifiers), "^": CTRL, "@": CTRL | SHIFT}[last])
    if last in _RXVT_ARROWS and not modifiers:
        return press(_RXVT_ARROWS[last], SHIFT)
    if name := _FINAL.get(last):
        return press(name, _mods(modifiers) | (SHIFT if last == "Z" else 0))
    return None


def _unicode_key(fields: list[str], modifiers: str) -> KeyPress | None:
    """A key of the kitty protocol (``code:shifted:base ; mods:event ; text``) or xterm's modifyOtherKeys."""
    code, _, others = fields[0].partition(":")
    base = others.partition(":")[2]
    if not code.isdigit():
        return None
    number, mods = int(code), _mods(modifiers)
    text = "".join(chr(int(part)) for part in fields[2].split(":") if _scalar(part)) if len(fields) > 2 else ""
    name = _CODES.get(number) or _KITTY.get(number)
    if name is None:
        if 57344 <= number <= 63743 or not _scalar(code) or number < 32:
            if number and number < 32:
                key = _control(number)
                return press(key.name, key.mods | mods)
            return None
        latin = number > 127 and mods & (CTRL | ALT | SUPER) and _scalar(base)
        name = chr(int(base)) if latin else chr(number)
    key = press(name, mods)
    shifted = others.partition(":")[0]
    if mods & SHIFT and not mods & ~SHIFT and not text and _scalar(shifted):
        text = chr(int(shifted))
    return key._replace(text=text) if text and text.isprintable() and not mods & ~SHIFT and name not in NAMED else key


def _scalar(digits: str) -> bool:
    """Whether ``digits`` is the number of a character that may be typed."""
    return digits.isdigit() and 32 <= int(digits) <= 0x10FFFF and not 0xD800 <= int(digits) <= 0xDFFF


def _mouse(params: str, last: str, *, urxvt: bool = False) -> Pointer | None:
    try:
        code, x, y = (int(part) for part in params.split(";"))
    except ValueError:
        return None
    code -= 32 if urxvt else 0
    return _pointer(code, x - 1, y - 1, "m" if urxvt and code & 3 == 3 and code < 64 else last)


def _pointer(code: int, x: int, y: int, last: str) -> Pointer | None:
    """XTerm's button code: 4 shift, 8 alt, 16 ctrl, 32 motion, 64 wheel."""
    if x < 0 or y < 0:
        return None
    mods = (SHIFT if code & 4 else 0) | (ALT if code & 8 else 0) | (CTRL if code & 16 else 0)
    button = (code & 3) + 1 & 3
    if code & 64:
        return Pointer(("wheel_up", "wheel_down", "wheel_left", "wheel_right")[code & 3], x, y, 0, mods)
    if code & 32:
        return Pointer("move", x, y, button, mods)
    return Pointer("release" if last == "m" else "press", x, y, button, mods)
