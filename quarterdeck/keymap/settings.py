"""A person's ``[keys]``: which preset, which leader, which keys; read leniently for use and strictly as a setting."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from quarterdeck.errors import Invalid
from quarterdeck.keymap.commands import BY_ID
from quarterdeck.keys import KeyPress, parse
from quarterdeck.text import nearest, safe

FOLDER = Path(__file__).parent
PRESETS = ("default", "tmux", "vim")
LONGEST = 4
"""Presses in a row that one binding may have."""
MANY = 16
"""Keys that one command may have."""

Word = str
"""One press as bindings spell it: the character it types (``L``, ``%``), else its name (``ctrl+left``, ``space``)."""
Presses = tuple[Word, ...]


class Fault(NamedTuple):
    """What cannot be used of a table: where (``bind.zoom``), what is wrong, what to do."""

    key: str
    message: str
    hint: str = ""


class Settings(NamedTuple):
    """``[keys]``. ``leader`` None is the preset's own; commands that are not named have the preset's keys."""

    preset: str = "default"
    leader: KeyPress | None = None
    bind: Mapping[str, tuple[Presses, ...]] = {}
    direct: Mapping[str, tuple[Presses, ...]] = {}


def word(press: KeyPress) -> Word:
    """A press as bindings spell it."""
    return press.text if press.text.strip() else str(press)


def leader(text: str) -> KeyPress:
    """The leader key a setting names. Raises Invalid for a key that types text: it could never be typed again."""
    press = parse(text)
    if press.text or press.name in ("enter", "tab", "escape", "backspace"):
        raise Invalid("agents need that key", hint="take a ctrl or function key, as ctrl+]")
    return press


def presses(text: str) -> Presses:
    """The presses a text such as ``l g`` names. Raises Invalid."""
    found = tuple(word(parse(part)) for part in text.split())
    if not 0 < len(found) <= LONGEST:
        raise Invalid(f"{text!r} is no key", hint=f'a key after the leader, or up to {LONGEST} in a row as in "l g"')
    return found


@cache
def preset(name: str) -> Settings:
    """A preset as it lies in its file."""
    table = tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    return check(table)._replace(preset=name)


def check(table: Mapping[str, Any]) -> Settings:
    """The settings of a table. Raises Invalid for the first thing in it that cannot be used."""
    settings, faults = read(table)
    for fault in faults:
        raise Invalid(f"{fault.key}: {fault.message}" if fault.key else fault.message, hint=fault.hint, key=fault.key)
    return settings


def read(table: object) -> tuple[Settings, list[Fault]]:
    """What can be used of a table, and what cannot."""
    if not isinstance(table, Mapping):
        return Settings(), [Fault("", "must be a table", '[keys], with preset = "tmux" in it, for one')]
    faults: list[Fault] = []
    found = Settings()
    for key, value in table.items():
        if key == "preset":
            if value in PRESETS:
                found = found._replace(preset=value)
            else:
                hint = nearest(str(value), PRESETS) or "presets: " + ", ".join(PRESETS)
                faults.append(Fault("preset", f"no preset is called {safe(str(value), 40)!r}", hint))
        elif key == "leader":
            try:
                found = found._replace(leader=leader(str(value)))
            except Invalid as error:
                faults.append(Fault("leader", error.message, error.hint))
        elif key in ("bind", "direct"):
            bound = dict(_bound(key, value, faults))
            found = found._replace(bind=bound) if key == "bind" else found._replace(direct=bound)
        else:
            known = ("preset", "leader", "bind", "direct")
            hint = nearest(str(key), known) or "known keys: " + ", ".join(known)
            faults.append(Fault(safe(str(key), 40), "unknown key", hint))
    return found, faults


def _bound(table: str, value: object, faults: list[Fault]) -> Iterator[tuple[str, tuple[Presses, ...]]]:
    if not isinstance(value, Mapping):
        faults.append(Fault(table, "must be a table", f'[keys.{table}], with zoom = "f11" in it, for one'))
        return
    for command, keys in value.items():
        where = f"{table}.{safe(str(command), 40)}"
        if command not in BY_ID:
            hint = nearest(str(command), BY_ID) or "quarterdeck bindings lists the commands"
            faults.append(Fault(where, "unknown command", hint))
            continue
        texts = [keys] if isinstance(keys, str) else keys
        if not isinstance(texts, list | tuple) or len(texts) > MANY or not all(isinstance(one, str) for one in texts):
            faults.append(Fault(where, "must be a key or a list of keys", 'as "z" or ["z", "f11"]; "" for none'))
            continue
        sound = []
        for text in texts:
            if not text:
                continue
            try:
                found = presses(text)
            except Invalid as error:
                faults.append(Fault(where, error.message, error.hint))
                continue
            if table == "direct" and len(found) > 1:
                faults.append(Fault(where, f"{text!r} is more than one key", "a direct key is one press, as alt+z"))
                continue
            sound.append(found)
        if sound or not any(texts):
            yield command, tuple(sound)
