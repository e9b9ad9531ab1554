"""Between Textual's names of keys and ours."""

from __future__ import annotations

import unicodedata

from textual.keys import KEY_TO_UNICODE_NAME, REPLACED_KEYS
from textual.keys import _character_to_key as character_to_key

from quarterdeck.keys import ALT, CTRL, NAMED, SHIFT, SUPER, KeyPress

_WORDS = ((ALT, "alt"), (CTRL, "ctrl"), (SHIFT, "shift"), (SUPER, "super"))
_BITS = {word: bit for bit, word in _WORDS} | {"meta": ALT, "hyper": 0}


def textual_name(press: KeyPress) -> tuple[str, str | None]:
    """What Textual calls a key, and the character it types (None for none); for dialogs, which Textual drives."""
    if press.text and press.name not in NAMED:
        return character_to_key(press.text), press.text
    if press.name == "space" and press.text:
        return "space", " "
    words = [word for bit, word in _WORDS if press.mods & bit]
    name = press.name if press.name in NAMED else character_to_key(press.name)
    return "+".join([*words, name]), {"enter": "\r", "tab": "\t"}.get(press.name) if not press.mods else None


def key_press(key: str, character: str | None) -> KeyPress | None:
    """Our form of a key event of Textual's; None for what no terminal types (a modifier alone, media keys)."""
    *words, name = key.split("+") if not key.endswith("++") else [*key[:-2].split("+"), "+"]
    mods = 0
    for word in words:
        mods |= _BITS.get(word, 0)
    if name == "@" and mods & CTRL:
        return KeyPress("space", mods)
    if name in NAMED:
        return KeyPress(name, mods, " " if name == "space" and not mods & ~SHIFT else "")
    if character and character.isprintable() and not mods & ~SHIFT:
        lower = character.lower()
        shifted = character.isupper() and len(lower) == 1
        return KeyPress(lower if shifted else character, mods | (SHIFT if shifted else 0), character)
    single = name if len(name) == 1 else _character(name)
    if single is None:
        return None
    if single.isupper() and len(single.lower()) == 1:
        single, mods = single.lower(), mods | SHIFT
    return KeyPress(single, mods, single if not mods & ~SHIFT else "")


def _character(name: str) -> str | None:
    """The character behind a name such as ``right_square_bracket``."""
    for candidate in (KEY_TO_UNICODE_NAME.get(name), REPLACED_KEYS.get(name), name.replace("_", " ").upper()):
        if candidate:
            try:
                return unicodedata.lookup(candidate.replace("_", " ").upper())
            except KeyError:
                continue
    return None


def words(press: KeyPress) -> str:
    """A key as people write it: ``^]``, ``alt+x``, ``shift+pgup``."""
    if press.mods == CTRL and len(press.name) == 1:
        return "^" + press.name.upper()
    return str(press)
