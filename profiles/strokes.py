"""The keys of an answer, dialog after dialog. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from profiles.parts import ScreenRule
from profiles.profile import Keys

LIMIT = 8
"""Keys of one answer."""
_CONFIRM = frozenset({"enter", "space", "ctrl+m", "ctrl+j"})


class Stroke(NamedTuple):
    """One key, and the rule that must speak when it is pressed."""

    key: str
    rule: str
    confirms: bool = False
    """Whether it is the last one there, and chooses what is marked."""


def strokes(rules: Sequence[ScreenRule], own: Keys, name: str, answer: str) -> tuple[Stroke, ...]:
    """What gives ``answer`` to the dialog of the rule ``name``; nothing where it takes no such answer by keys.

    ``own`` are the profile's keys, for rules that name none. Nothing too where the answer leads to a dialog that does
    not take it, or back to one that it came from.
    """
    known = {rule.name: rule for rule in rules}
    found: list[Stroke] = []
    while name:
        rule = known.pop(name, None)
        if rule is None or answer not in rule.can:
            return ()
        *before, last = rule.keys.get(answer) or getattr(own, answer)
        found += [*(Stroke(key, name) for key in before), Stroke(last, name, confirms(last))]
        name = rule.then.get(answer, "")
    return tuple(found)


def confirms(key: str) -> bool:
    """Whether this key chooses what is marked in a dialog."""
    return key in _CONFIRM
