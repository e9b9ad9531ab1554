"""From a preset and a person's own keys to the bindings in force, with what of them cannot be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from quarterdeck.keymap.commands import BY_ID, COMMANDS
from quarterdeck.keymap.settings import Presses, Settings, Word, preset, word
from quarterdeck.keys import ALT, CTRL, NAMED, SHIFT, SUPER, KeyPress, parse

ANSWERS = frozenset("yan") | {"enter"}
"""Keys after the leader that answer while an agent asks for something; whatever else they mean waits."""
DIGITS = frozenset("123456789")
_NEEDED = frozenset((
    "enter", "tab", "escape", "backspace", "space", "delete", "up", "down", "left", "right", "home", "end",
    "ctrl+c", "ctrl+d", "ctrl+h", "ctrl+i", "ctrl+j", "ctrl+m", "ctrl+[",
))  # fmt: skip
_LEGACY_CONTROL = frozenset("abcdefghijklmnopqrstuvwxyz[\\]^_")


class Binding(NamedTuple):
    """Presses that lead to a command: after the leader, or ``direct`` without it. ``own``: the person's own choice."""

    presses: Presses
    command: str
    direct: bool = False
    own: bool = False

    @property
    def text(self) -> str:
        """The presses as people write them."""
        return " ".join(self.presses)


@dataclass(frozen=True)
class Keymap:
    """The bindings in force. ``conflicts`` are mistakes of whoever wrote them, ``remarks`` what may surprise."""

    preset: str
    leader: KeyPress
    bindings: tuple[Binding, ...]
    conflicts: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @cached_property
    def _after(self) -> dict[Presses, str]:
        return {one.presses: one.command for one in self.bindings if not one.direct}

    @cached_property
    def _direct(self) -> dict[Word, str]:
        return {one.presses[0]: one.command for one in self.bindings if one.direct}

    @cached_property
    def _begun(self) -> frozenset[Presses]:
        return frozenset(keys[:n] for keys in self._after for n in range(1, len(keys)))

    def direct(self, press: KeyPress) -> str:
        """The command of a key without the leader, "" for none."""
        return self._direct.get(word(press), "")

    def step(self, path: Presses, press: KeyPress) -> tuple[Presses, str]:
        """The presses so far with one more, and the command they lead to, "" while more may follow.

        No presses at all: nothing begins like that. A capital letter that is not bound counts as its small one.
        """
        pressed = word(press)
        for spelled in (pressed, pressed.lower()):
            keys = (*path, spelled)
            if (command := self._after.get(keys)) is not None:
                return keys, command
            if keys in self._begun:
                return keys, ""
        return (), ""

    def under(self, path: Presses) -> Iterator[Binding]:
        """The bindings that begin with these presses, shortest first in the order of commands."""
        for one in self.bindings:
            if not one.direct and len(one.presses) > len(path) and one.presses[: len(path)] == path:
                yield one

    def keys(self, command: str, *, direct: bool = False) -> tuple[str, ...]:
        """What leads to a command, as people write it, the first one first."""
        return tuple(one.text for one in self.bindings if one.command == command and one.direct == direct)


def keymap(settings: Settings = Settings()) -> Keymap:  # noqa: B008  a value that nothing changes
    """The bindings that ``settings`` and their preset make together.

    A person's keys take keys from the preset's, a preset's from the default ones. Of two that one and the same made
    for one key the first holds. Nothing that cannot work is left in.
    """
    below = preset("default")
    layers = [below] if settings.preset == "default" else [below, preset(settings.preset)]
    head = settings.leader or layers[-1].leader or below.leader
    assert head is not None
    layers.append(settings)
    making = _Making(word(head))
    for level in range(len(layers) - 1, -1, -1):
        making.layer(layers, level)
    order = {command.id: number for number, command in enumerate(COMMANDS)}
    made = sorted(making.found, key=lambda one: order[one.command])
    reached = {one.command for one in made}
    remarks = list(making.remarks)
    for command in COMMANDS:
        lost = making.lost.get(command.id)
        if lost and command.id not in reached:
            remarks.append(f"{command.id} has no key any more: {lost}")
    return Keymap(settings.preset, head, tuple(made), tuple(making.conflicts), tuple(remarks))


class _Making:
    """Takes layer after layer, the uppermost first."""

    def __init__(self, head: Word) -> None:
        self.head = head
        self.found: list[Binding] = []
        self.conflicts: list[str] = []
        self.remarks: list[str] = []
        self.lost: dict[str, str] = {}
        """Why a command of a lower layer did not get a key."""
        self._overruled: set[tuple[str, bool]] = set()
        """Commands, and whether without the leader, whose keys of lower layers do not count."""
        self._after: dict[Presses, tuple[int, str]] = {}
        self._direct: dict[Presses, tuple[int, str]] = {}

    def layer(self, layers: list[Settings], level: int) -> None:
        """Everything one layer binds that no upper one binds otherwise, in a way that can be."""
        here = layers[level]
        own = level == len(layers) - 1
        for direct, table in ((True, here.direct), (False, here.bind)):
            for command in BY_ID:
                if (command, direct) in self._overruled:
                    continue
                wanted = table.get(command, ())
                taken = [self._take(Binding(keys, command, direct, own), level) for keys in wanted]
                if command in table and (not wanted or any(taken)):
                    self._overruled.add((command, direct))

    def _take(self, one: Binding, level: int) -> bool:
        """Whether these presses lead to the command now."""
        trouble = self._forbidden(one)
        taken = self._direct if one.direct else self._after
        if not trouble and (rival := self._rival(one, taken)) is not None:
            keys, (upper, command) = rival
            if keys == one.presses and command == one.command:
                return True
            if upper > level:
                self.lost[one.command] = f"{' '.join(keys)} is {command}"
                return False
            what = f"is {command} already" if keys == one.presses else f"is hidden by {' '.join(keys)} ({command})"
            if len(keys) > len(one.presses):
                what = f"would hide {' '.join(keys)} ({command})"
            trouble = what
        if trouble:
            if one.own or level:
                self.conflicts.append(f"{one.text} for {one.command} {trouble}; it is left out")
            else:
                self.lost[one.command] = f"{one.text} {trouble}"
            return False
        taken[one.presses] = (level, one.command)
        self.found.append(one)
        if one.own:
            self._remark(one)
        return True

    def _rival(self, one: Binding, taken: Mapping[Presses, tuple[int, str]]) -> tuple[Presses, tuple[int, str]] | None:
        for keys, who in taken.items():
            short = min(len(keys), len(one.presses))
            if keys[:short] == one.presses[:short]:
                return keys, who
        return None

    def _forbidden(self, one: Binding) -> str:
        """Why these presses cannot lead to anything, "" where they can."""
        if self.head in one.presses:
            return "is the leader key itself" if len(one.presses) == 1 else f"holds the leader key {self.head}"
        if one.direct:
            press = parse(one.presses[0])
            if press.text or one.presses[0] in _NEEDED:
                return "is a key agents cannot do without"
            return ""
        if "escape" in one.presses:
            return "holds escape, which ends the waiting"
        if one.presses[0] in DIGITS:
            return "is one of the digits, which focus agents"
        return ""

    def _remark(self, one: Binding) -> None:
        for press in one.presses:
            if instead := arrives_as(press):
                self.remarks.append(
                    f"{one.text} for {one.command} arrives only in terminals with the kitty keyboard protocol"
                    f" (else {press} is {instead})"
                )
        if not one.direct and one.presses[0].lower() in ANSWERS:
            self.remarks.append(f"{one.text} for {one.command} waits while an agent asks: it answers then")


def arrives_as(text: Word) -> str:
    """What a terminal without the kitty keyboard protocol sends for a key instead, "" where the key arrives."""
    press = parse(text)
    name, mods = press.name, press.mods
    if press.text.strip():
        return ""
    if mods & SUPER:
        return "nothing"
    if name in NAMED:
        if name == "escape":
            return "escape, twice" if mods & ALT else "escape" if mods else ""
        if name == "tab" and mods == SHIFT:
            return ""
        if name in ("enter", "tab", "backspace", "space") and mods & ~ALT:
            if name == "space" and mods & CTRL and not mods & SHIFT:
                return ""
            return "ctrl+h" if name == "backspace" and mods & CTRL else name
        return ""
    if not mods & CTRL:
        return ""
    if name in "im[":
        return {"i": "tab", "m": "enter", "[": "escape"}[name]
    if mods & SHIFT:
        return f"ctrl+{name}"
    return "" if name in _LEGACY_CONTROL else "another key"
