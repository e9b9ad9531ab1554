"""Keys by name: ``ctrl+alt+x``, ``shift+enter``, ``f5``, ``é``.

One form for every client; the emulator (native) or tmux (panes) turns it into bytes for the terminal's
present modes. Names follow Textual's, so that the TUI passes its own through unchanged.
"""

from __future__ import annotations

from typing import NamedTuple

from quarterdeck.errors import Invalid

SHIFT, ALT, CTRL, SUPER = 1, 2, 4, 8
_MODIFIERS = {"shift": SHIFT, "alt": ALT, "meta": ALT, "option": ALT, "ctrl": CTRL, "control": CTRL, "super": SUPER}
NAMED = frozenset(
    [
        *("up", "down", "left", "right", "home", "end", "pageup", "pagedown", "insert", "delete"),
        *("enter", "tab", "escape", "backspace", "space"),
        *(f"f{n}" for n in range(1, 25)),
    ]
)
_ALIASES = {
    "return": "enter", "esc": "escape", "del": "delete", "ins": "insert", "pgup": "pageup", "pgdn": "pagedown",
    "page_up": "pageup", "page_down": "pagedown", "bs": "backspace", "spc": "space",
    " ": "space", "\t": "tab", "\r": "enter", "\n": "enter", "\x1b": "escape", "\x7f": "backspace",
}  # fmt: skip


class KeyPress(NamedTuple):
    """One key: ``name`` is a member of ``NAMED`` or a single character; ``mods`` a sum of modifier bits.

    ``text`` is what the key types when no ctrl/alt/super is held (empty for named keys except space).
    """

    name: str
    mods: int = 0
    text: str = ""

    def __str__(self) -> str:
        prefix = "".join(f"{word}+" for word, bit in (("ctrl", CTRL), ("alt", ALT), ("super", SUPER), ("shift", SHIFT))
                         if self.mods & bit)  # fmt: skip
        return prefix + self.name


def parse(word: str) -> KeyPress:
    """The key a word like ``ctrl+c`` or ``x`` names. Raises :class:`Invalid` for anything else."""
    parts = word.split("+") if word != "+" and not word.endswith("++") else [*word[:-1].rstrip("+").split("+"), "+"]
    parts = [part for part in parts if part]
    mods = 0
    for part in parts[:-1]:
        bit = _MODIFIERS.get(part.lower())
        if bit is None:
            raise Invalid(f"unknown modifier {part!r} in key {word!r}", hint="modifiers: ctrl, alt, shift, super")
        mods |= bit
    last = parts[-1] if parts else ""
    name = _ALIASES.get(last.lower(), last.lower())
    if name in NAMED:
        return KeyPress(name, mods, " " if name == "space" and not mods & ~SHIFT else "")
    if len(last) != 1 or not last.isprintable():
        raise Invalid(f"unknown key {word!r}", hint="a character, or: " + " ".join(sorted(NAMED)))
    lower, upper = last.lower(), last.upper()
    cased = lower != upper and len(lower) == len(upper) == 1
    if cased and last == upper and not mods & (CTRL | SUPER):
        mods |= SHIFT
    typed = upper if cased and mods & SHIFT else last
    return KeyPress(lower if cased else last, mods, "" if mods & ~SHIFT else typed)
