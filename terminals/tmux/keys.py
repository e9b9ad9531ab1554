"""A key as tmux is told it: the bytes themselves where no mode of the pane changes them, tmux's name for it elsewhere.

``send-keys`` types the *name* of a key it cannot encode, letter by letter (``S-Enter`` in a pane that did not ask
for extended keys), so names are used only for keys tmux always encodes: cursor and function keys, which depend on
the application cursor mode. The keys that only exist in xterm's extended form (shift+enter, ctrl+shift+a) are sent
by name when the pane has asked for it, and as a plain terminal sends them when not.
"""

from __future__ import annotations

from typing import NamedTuple

from quarterdeck.errors import Invalid
from quarterdeck.keys import ALT, CTRL, SHIFT, SUPER, KeyPress

_CURSOR = {
    "up": "Up", "down": "Down", "left": "Left", "right": "Right", "home": "Home", "end": "End",
    "pageup": "PPage", "pagedown": "NPage", "insert": "IC", "delete": "DC",
    **{f"f{n}": f"F{n}" for n in range(1, 13)},
}  # fmt: skip
_EXTENDED = {"enter": "Enter", "tab": "Tab", "escape": "Escape", "backspace": "BSpace", "space": "Space"}
_LEGACY = {"enter": b"\r", "tab": b"\t", "escape": b"\x1b", "backspace": b"\x7f", "space": b" "}
_CTRL_LEGACY = {"space": b"\0", "backspace": b"\x08"}
_CTRL_PUNCTUATION = {"@": 0, "[": 0x1B, "\\": 0x1C, "]": 0x1D, "^": 0x1E, "_": 0x1F, "/": 0x1F, "?": 0x7F,
                     "2": 0, "3": 0x1B, "4": 0x1C, "5": 0x1D, "6": 0x1E, "7": 0x1F, "8": 0x7F}  # fmt: skip


class Typed(NamedTuple):
    """What to send: ``name`` is a tmux key name or "", ``data`` the bytes to type when there is none.

    With both, the name holds in a pane that asked for extended keys and the bytes in any other.
    """

    name: str = ""
    data: bytes = b""


def typed(key: KeyPress) -> Typed:
    """How to type ``key`` into a pane. Raises :class:`Invalid` for super, which tmux cannot carry."""
    name, mods = key.name, key.mods
    if mods & SUPER:
        raise Invalid(f"tmux cannot type {key}: it knows ctrl, alt and shift only", key=str(key))
    if name.startswith("f") and name[1:].isdigit() and int(name[1:]) > 12:
        # xterm and tmux know f13 to f24 as shifted f1 to f12
        name, mods = f"f{int(name[1:]) - 12}", mods | SHIFT
    if known := _CURSOR.get(name):
        return Typed(_prefix(mods) + known)
    if named := _EXTENDED.get(name):
        return _edit_key(name, named, mods)
    return _character(key.text or name, name, mods)


def _edit_key(name: str, named: str, mods: int) -> Typed:
    escape = b"\x1b" if mods & ALT else b""
    if name == "tab" and mods & SHIFT and not mods & CTRL:
        return Typed(data=escape + b"\x1b[Z")
    data = escape + (_CTRL_LEGACY.get(name, _LEGACY[name]) if mods & CTRL else _LEGACY[name])
    plain = not mods & ~ALT or (name == "space" and mods & ~ALT == CTRL)
    return Typed(data=data) if plain else Typed(_prefix(mods) + named, data)


def _character(text: str, name: str, mods: int) -> Typed:
    escape = b"\x1b" if mods & ALT else b""
    if not mods & CTRL:
        shown = name.upper() if mods & SHIFT and text == name else text
        return Typed(data=escape + shown.encode("utf-8", "surrogateescape"))
    if name.isascii() and name.isalpha():
        data = escape + bytes([ord(name.upper()) & 0x1F])
        return Typed(_prefix(mods) + name, data) if mods & SHIFT else Typed(data=data)
    control = _CTRL_PUNCTUATION.get(name)
    if control is not None and name in "@[\\]^_":
        return Typed(data=escape + bytes([control]))
    data = escape + (bytes([control]) if control is not None else name.encode("utf-8", "surrogateescape"))
    return Typed(_prefix(mods) + name, data) if name.isascii() else Typed(data=data)


def _prefix(mods: int) -> str:
    return "".join(word for word, bit in (("C-", CTRL), ("M-", ALT), ("S-", SHIFT)) if mods & bit)
