"""Eighty keys: what kitty and a legacy terminal send for each, and what the TUI makes of it.

``python tests/tui/keytable.py`` renews docs/keys.md from this table; a test checks that they agree and feeds every
sequence through the parser.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from quarterdeck.keymap.bindings import keymap  # noqa: E402
from quarterdeck.keymap.commands import COMMANDS, GROUPS  # noqa: E402
from quarterdeck.keymap.fixed import FIXED  # noqa: E402
from quarterdeck.keymap.settings import PRESETS, Settings  # noqa: E402

PAGE = ROOT / "docs" / "keys.md"


class Key(NamedTuple):
    """One row. ``legacy`` None: the terminal sends what another key sends, which ``same`` names.

    ``tmux`` is how ``tmux send-keys`` names it, "" where tmux cannot send it.
    """

    name: str
    kitty: bytes
    legacy: bytes | None
    same: str = ""
    tmux: str = ""


def _letter(char: str) -> bytes:
    return str(ord(char)).encode()


def _plain() -> list[Key]:
    return [
        Key("a", b"a", b"a", tmux="a"),
        Key("A", b"A", b"A", tmux="A"),
        Key("5", b"5", b"5", tmux="5"),
        Key("?", b"?", b"?", tmux="?"),
        Key("é", "é".encode(), "é".encode(), tmux="é"),
        Key("ж", "ж".encode(), "ж".encode(), tmux="ж"),
        Key("日", "日".encode(), "日".encode(), tmux="日"),
        Key("space", b" ", b" ", tmux="Space"),
        Key("enter", b"\r", b"\r", tmux="Enter"),
        Key("tab", b"\t", b"\t", tmux="Tab"),
        Key("escape", b"\x1b[27u", b"\x1b", tmux="Escape"),
        Key("backspace", b"\x7f", b"\x7f", tmux="BSpace"),
    ]


def _control() -> list[Key]:
    rows = [
        Key(f"ctrl+{c}", b"\x1b[" + _letter(c) + b";5u", bytes([ord(c) & 31]), tmux=f"C-{c}") for c in "abcdghlpqrwxz"
    ]
    return [
        *rows,
        Key("ctrl+i", b"\x1b[105;5u", None, "tab"),
        Key("ctrl+j", b"\x1b[106;5u", b"\n", tmux="C-j"),
        Key("ctrl+m", b"\x1b[109;5u", None, "enter"),
        Key("ctrl+[", b"\x1b[91;5u", None, "escape"),
        Key("ctrl+\\", b"\x1b[92;5u", b"\x1c", tmux="C-\\"),
        Key("ctrl+^", b"\x1b[94;5u", b"\x1e", tmux="C-^"),
        Key("ctrl+_", b"\x1b[95;5u", b"\x1f", tmux="C-_"),
        Key("ctrl+space", b"\x1b[32;5u", b"\x00", tmux="C-Space"),
        Key("ctrl+enter", b"\x1b[13;5u", None, "enter"),
        Key("ctrl+tab", b"\x1b[9;5u", None, "tab"),
        Key("ctrl+backspace", b"\x1b[127;5u", None, "ctrl+h"),
        Key("ctrl+shift+a", b"\x1b[97:65;6u", None, "ctrl+a"),
    ]


def _alt() -> list[Key]:
    return [
        Key("alt+a", b"\x1b[97;3u", b"\x1ba", tmux="M-a"),
        Key("alt+b", b"\x1b[98;3u", b"\x1bb", tmux="M-b"),
        Key("alt+f", b"\x1b[102;3u", b"\x1bf", tmux="M-f"),
        Key("alt+shift+a", b"\x1b[97:65;4u", b"\x1bA", tmux="M-A"),
        Key("alt+1", b"\x1b[49;3u", b"\x1b1", tmux="M-1"),
        Key("alt+.", b"\x1b[46;3u", b"\x1b.", tmux="M-."),
        Key("alt+é", b"\x1b[233;3u", b"\x1b" + "é".encode(), tmux="M-é"),
        Key("alt+enter", b"\x1b[13;3u", b"\x1b\r", tmux="M-Enter"),
        Key("alt+tab", b"\x1b[9;3u", b"\x1b\t", tmux="M-Tab"),
        Key("alt+space", b"\x1b[32;3u", b"\x1b ", tmux="M-Space"),
        Key("alt+backspace", b"\x1b[127;3u", b"\x1b\x7f", tmux="M-BSpace"),
        Key("alt+escape", b"\x1b[27;3u", None, "escape, twice"),
        Key("ctrl+alt+a", b"\x1b[97;7u", b"\x1b\x01", tmux="C-M-a"),
        Key("ctrl+alt+h", b"\x1b[104;7u", b"\x1b\x08", tmux="C-M-h"),
        Key("ctrl+alt+space", b"\x1b[32;7u", b"\x1b\x00", tmux="C-M-Space"),
    ]


def _shift() -> list[Key]:
    return [
        Key("shift+enter", b"\x1b[13;2u", None, "enter"),
        Key("shift+tab", b"\x1b[9;2u", b"\x1b[Z", tmux="BTab"),
        Key("shift+space", b"\x1b[32;2u", None, "space"),
        Key("shift+backspace", b"\x1b[127;2u", None, "backspace"),
        Key("shift+escape", b"\x1b[27;2u", None, "escape"),
    ]


def _moving() -> list[Key]:
    names = {"up": "A", "down": "B", "right": "C", "left": "D", "home": "H", "end": "F"}
    tmux = {"up": "Up", "down": "Down", "right": "Right", "left": "Left", "home": "Home", "end": "End"}
    rows = [Key(name, f"\x1b[{c}".encode(), f"\x1bO{c}".encode(), tmux=tmux[name]) for name, c in names.items()]
    modified = {
        "shift": (2, "S-"),
        "alt": (3, "M-"),
        "ctrl": (5, "C-"),
        "ctrl+shift": (6, "C-S-"),
        "ctrl+alt": (7, "C-M-"),
    }
    together = ("shift+up", "alt+left", "ctrl+right", "ctrl+shift+left", "ctrl+alt+down", "ctrl+home", "shift+end")
    for word in together:
        words, _, name = word.rpartition("+")
        number, prefix = modified[words]
        data = f"\x1b[1;{number}{names[name]}".encode()
        rows.append(Key(word, data, data, tmux=prefix + tmux[name]))
    edit = {"pageup": (5, "PPage"), "pagedown": (6, "NPage"), "insert": (2, "IC"), "delete": (3, "DC")}
    for name, (number, tmux_name) in edit.items():
        data = f"\x1b[{number}~".encode()
        rows.append(Key(name, data, data, tmux=tmux_name))
    for word in ("ctrl+pageup", "alt+delete", "ctrl+delete"):
        words, _, name = word.rpartition("+")
        data = f"\x1b[{edit[name][0]};{modified[words][0]}~".encode()
        rows.append(Key(word, data, data, tmux=modified[words][1] + edit[name][1]))
    return rows


def _function() -> list[Key]:
    return [
        Key("f1", b"\x1bOP", b"\x1bOP", tmux="F1"),
        Key("f3", b"\x1b[13~", b"\x1bOR", tmux="F3"),
        Key("f4", b"\x1bOS", b"\x1bOS", tmux="F4"),
        Key("f5", b"\x1b[15~", b"\x1b[15~", tmux="F5"),
        Key("f10", b"\x1b[21~", b"\x1b[21~", tmux="F10"),
        Key("f12", b"\x1b[24~", b"\x1b[24~", tmux="F12"),
        Key("shift+f5", b"\x1b[15;2~", b"\x1b[15;2~", tmux="S-F5"),
        Key("ctrl+f1", b"\x1b[1;5P", b"\x1b[1;5P", tmux="C-F1"),
        Key("alt+f4", b"\x1b[1;3S", b"\x1b[1;3S", tmux="M-F4"),
    ]


KEYS = [*_plain(), *_control(), *_alt(), *_shift(), *_moving(), *_function()]

HEAD = """# Keys

Every key goes to the focused agent, except the leader (`ctrl+]`) and the keys after it; the leader twice types the
leader. While a panel looks back, `pageup`, `pagedown`, `up`, `down`, `home` and `end` move and any other key returns
to the live screen.

A moment after the leader a guide above the key bar shows the keys that work now; each can be clicked as well. `escape`
and any key that means nothing closes it. Some keys are pressed one after the other (`l g`): after the first one the
guide shows what may follow, `backspace` goes one back. Keys that move a border may be pressed again for a second
without the leader. A capital letter that has no meaning of its own counts as the small one.

`?` after the leader shows all keys as they are now, narrowed down by typing; `quarterdeck bindings` prints them. What
has no key is found by its name (`p`), and there an agent is found by its tags as well.

## After the leader

The preset `default`; then what the presets `tmux` and `vim` have.

ACTIONS

While an agent asks for something, the bar above the footer takes some keys after the leader; what they mean else has
another key then (`c` for `n`, `R` for `a`). A key answers the request that was shown when the leader was pressed, if
it had been there for 0.4 s; whatever comes meanwhile is not answered.

## Keys of your own

In `~/.config/quarterdeck/config.toml`:

```toml
[keys]
preset = "tmux"              # default, tmux or vim
leader = "ctrl+a"            # else that of the preset: LEADERS

[keys.bind]                  # after the leader
zoom = ["z", "f11"]          # several keys for one command
tile_grid = "t g"            # one after the other
broadcast = ""               # none

[keys.direct]                # without the leader, before the agent gets them
zoom = "alt+z"
focus_left = "alt+left"
focus_right = "alt+right"
```

The names of commands are those in the table (`quarterdeck bindings` lists them). A key you choose is taken from
whatever the preset has on it. What cannot be is left out, and a command of which nothing is left keeps the preset's
key; the rest works, and the screen, `quarterdeck bindings` and `quarterdeck doctor` say so: two commands on one key;
a key that would hide longer ones (`f5` and `f5 x`); the leader itself, `escape`, and the digits; a direct key that
agents cannot do without (what types text, `enter`, `tab`, `escape`, `backspace`, plain arrows, `ctrl+c`, `ctrl+d`).
It is only remarked when a key waits while an agent asks (`y`, `a`, `n`, `enter`), when it arrives in some terminals
only, and when a command has lost its last key.

## Where the keys are not the agent's

FIXED

## What arrives

A terminal that speaks the kitty keyboard protocol tells all keys apart. Any other one sends the same bytes for some:
such a key **cannot arrive** there as itself, in this or any other program, and the table says what arrives instead.
Inside tmux the legacy column holds. With `set -s extended-keys on` in tmux (3.2 or newer) and a terminal that reports
them, `shift+enter`, `ctrl+enter`, `ctrl+tab` and `ctrl+shift` with a letter arrive too: the TUI asks for them
(`CSI > 4 ; 1 m`).

The agent's side is the same protocol: a program that asks for it (`CSI > 1 u`) is told keys apart as it wishes,
with the text of a key where it asks for that; releases are not told. What the outer terminal cannot tell apart, it
gets as what arrived. `shift+enter` is `ESC` `0d` for a program that asked for nothing.

`ctrl+]` itself arrives everywhere (`1d`, or `CSI 93;5u`). An escape key is told from the start of a sequence by 20 ms
of silence (`ESCDELAY`, in milliseconds, changes that; kitty terminals need no wait). Keys no terminal sends to any
program: a modifier alone, `fn`, and what the desktop or the terminal keeps for itself.

This page is made by `python tests/tui/keytable.py`. A test feeds each sequence through the TUI's parser; the keys
marked ● another test also types through a real tmux into the real TUI, down to a program that tells the bytes it got.

| key | kitty | legacy | inside tmux |
|---|---|---|---|
"""


def spelled(data: bytes) -> str:
    """Bytes as people read them."""
    text = data.decode()
    if text.startswith("\x1b["):
        return f"`CSI {text[2:]}`"
    if text.startswith("\x1bO") and len(text) == 3:
        return f"`SS3 {text[2:]}`"
    if text.startswith("\x1b") and len(text) > 1:
        return "`ESC` " + spelled(data[1:])
    if text.isprintable() and text != " ":
        return f"`{text}`"
    return f"`{data.hex()}`"


def _cell(keys: Iterable[str]) -> str:
    return " ".join(f"`{key}`".replace("|", "\\|") for key in keys)


def actions() -> str:
    """The table of the TUI's own commands, with the keys of each preset; "" as in the first one."""
    lines = ["| command | does | default | tmux | vim |", "|---|---|---|---|---|"]
    maps = [keymap(Settings(preset=name)) for name in PRESETS]
    for group in GROUPS:
        lines.append(f"| **{group}** | | | | |")
        for command in COMMANDS:
            if command.group == group:
                first, *others = (found.keys(command.id) for found in maps)
                cells = [_cell(first), *("" if keys == first else _cell(keys) for keys in others)]
                lines.append(f"| `{command.id}` | {command.about} | {' | '.join(cells)} |")
    return "\n".join(lines)


def fixed() -> str:
    """The table of keys that nobody rebinds."""
    lines = ["| where | key | does |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {one.where} | {_cell(one.keys)} | {one.does} |" for one in FIXED)])


def page() -> str:
    """docs/keys.md."""
    lines = []
    for key in KEYS:
        missing = f"cannot arrive: is {key.same}"
        tmux = missing if key.legacy is None else "arrives ●" if key.tmux else "arrives"
        name = "`" + key.name.replace("|", "\\|") + "`"
        lines.append(
            f"| {name} | {spelled(key.kitty)} | {missing if key.legacy is None else spelled(key.legacy)} | {tmux} |"
        )
    leaders = ", ".join(str(keymap(Settings(preset=name)).leader) for name in PRESETS)
    head = HEAD.replace("ACTIONS", actions()).replace("FIXED", fixed()).replace("LEADERS", leaders)
    return head + "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{len(KEYS)} keys\n")
