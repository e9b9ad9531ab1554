"""Eighty keys: what kitty and a legacy terminal send for each, and what the TUI makes of it.

``python tests/tui/keytable.py`` renews docs/keys.md from this table; a test checks that they agree and feeds every
sequence through the parser.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from quarterdeck.keymap.bindings import keymap  # noqa: E402
from quarterdeck.keymap.commands import COMMANDS, GROUPS  # noqa: E402

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

Every key goes to the focused agent, except the leader (`ctrl+]`) and the key after it; the leader twice types the
leader. While a panel looks back, `pageup`, `pagedown`, `up`, `down`, `home` and `end` move and any other key returns
to the live screen.

## After the leader

ACTIONS

What has no key is found by its name (`p`): the tags of the focused agent, the goal and the name of the open session,
an agent that begins from its checkpoint, the restore report, reconnecting. There an agent is found by its tags as well.

While an agent asks for something, the bar above the footer takes some keys after the leader; what they mean else has
another key then (`c` for `n`). A key answers the request that was shown when the leader was pressed, if
it had been there for 0.4 s; whatever comes meanwhile is not answered.

| key | with what the bar shows |
|---|---|
| `y` | allow it once |
| `a` | allow it always, where the agent can |
| `n` | deny it, with a reason if you have one |
| `enter` | look at all of it, in the inbox |

## Where the keys are not the agent's

| where | key | does |
|---|---|---|
| inbox | `y` `a` `n` | allow once, always, deny what is chosen |
| inbox | `up` `down` | choose |
| inbox | `pageup` `pagedown` `home` `end` | move in the request |
| inbox | `enter` | go to the panel of who asks |
| prompt | `enter` | send it when the agent is idle |
| prompt | `ctrl+s` | send it now, while the agent works |
| prompt | `alt+enter` `ctrl+j` `shift+enter` | a new line |
| prompt | `up` `down` at the first and last line | what was sent before |
| prompt | `tab` | the queue: `enter` edits, `x` cancels, `u` and `d` move |
| broadcast | `left` `right` | another session, state, profile, tag |
| broadcast | `space` `a` | take an agent in or out; all or none |
| memory | letters | search; `enter` or `tab` goes to the list, where letters are keys, `/` or `tab` back |
| memory | `up` `down` `pageup` `pagedown` | choose; read on |
| memory list | `enter` | the entry alone, or the list again |
| memory list | `e` `n` `t` `r` | edit in your editor, write a new one, change tags, name and kind |
| memory list | `h` `v` `o` | its history, its text as it was written, open a link of it |
| memory list | `x` `u` | delete, bring back |
| memory list | `c` `m` | decide a conflict, keep or delete what is not on this branch |
| memory list | `1` to `6` `0` | kind, tag, namespace, everywhere, conflicts, not on this branch; all |
| memory list | `p` `?` | what is wrong with the memory; everything that can be done |
| history | `v` `r` | another look at the changes, restore |
| conflict | `1` `2` `e` `b` | keep one side, merge in your editor, what each changed; `tab` another side |
| anywhere | `escape` | back, nothing changed; what was written is kept |

## What arrives

A terminal that speaks the kitty keyboard protocol tells all keys apart. Any other one sends the same bytes for some:
such a key **cannot arrive** there as itself, in this or any other program, and the table says what arrives instead.
Inside tmux the legacy column holds. With `set -s extended-keys on` in tmux (3.2 or newer) and a terminal that reports
them, `shift+enter`, `ctrl+enter`, `ctrl+tab` and `ctrl+shift` with a letter arrive too: the TUI asks for them
(`CSI > 4 ; 1 m`).

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


def actions() -> str:
    """The table of the TUI's own actions."""
    lines = ["| key | does |", "|---|---|"]
    bound = keymap()
    for group in GROUPS:
        for command in COMMANDS:
            if command.group == group and (keys := bound.keys(command.id)):
                spelled = " ".join(f"`{key}`".replace("|", "\\|") for key in keys)
                lines.append(f"| {spelled} | {command.about} |")
    lines.append("| `1` to `9` | focus that agent of the session |")
    return "\n".join([*lines, "| `ctrl+]` | the leader key itself, to the agent |"])


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
    return HEAD.replace("ACTIONS", actions()) + "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{len(KEYS)} keys\n")
