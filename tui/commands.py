"""What a person can do now: the commands for which the app has a verb, and the keys that lead to them.

The commands themselves are in :mod:`quarterdeck.keymap.commands`, their keys in the presets beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from quarterdeck.keymap.commands import BY_ID, COMMANDS, Command

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp

FOCUSING = frozenset(("focus_left", "focus_right", "focus_up", "focus_down", "next", "previous"))
"""Commands that choose a panel, also while none has the focus."""


class Commands:
    """Finds verbs. ``app.verbs`` are objects whose ``do_<id>`` carries a command out; the first that has it does.

    An object may say with ``can_<id>`` whether there is anything to do now. A command without a verb is not there: no
    key leads to it and no list names it.
    """

    def __init__(self, app: QuarterdeckApp) -> None:
        self._app = app

    def verb(self, command: str) -> Callable[[], object] | None:
        """What carries a command out."""
        return self._method(f"do_{command}")

    def _method(self, name: str) -> Callable[[], object] | None:
        return next((found for one in self._app.verbs if (found := getattr(one, name, None)) is not None), None)

    def __iter__(self) -> Iterator[Command]:
        """All that have a verb."""
        return (command for command in COMMANDS if self.verb(command.id))

    def works(self, command: Command) -> bool:
        """Whether a command makes sense now."""
        able = self._method(f"can_{command.id}")
        fits = self._app.fits(command.needs) or (bool(self._app.stage.adrift) and command.id in FOCUSING)
        return fits and (able is None or bool(able()))

    def run(self, command: str) -> None:
        """Carry a command out."""
        if self._app.stage.adrift and BY_ID[command].needs == "agent" and command not in FOCUSING:
            self._app.words.unsay()
        elif (verb := self.verb(command)) is not None:
            verb()

    def key(self, command: str, taken: Callable[[str], bool] | None = None) -> str:
        """The first key after the leader that leads to a command and whose beginning nothing else has taken, or ""."""
        for keys in self._app.keymap.keys(command):
            if taken is None or not taken(keys.partition(" ")[0]):
                return keys
        return ""

    def shortest(self, command: str) -> str:
        """A command's key as a person presses it now, with the leader where it needs one; "" for none."""
        direct = self._app.keymap.keys(command, direct=True)
        if direct:
            return direct[0]
        key = self.key(command)
        return f"{self._app.leader_words} {key}" if key else ""

    def label(self, command: str) -> str:
        """A command's name."""
        return BY_ID[command].label


def matches(query: str, text: str) -> int | None:
    """How well ``query`` fits (lower is better): a word's beginning, then anywhere, then letters in order; None: not.

    Letters in order are only accepted with at most a few letters between them, so that little is found by accident.
    """
    query, text = query.lower().strip(), text.lower()
    if not query:
        return 0
    at = text.find(query)
    if at == 0:
        return 0
    if at > 0:
        return 1 if not text[at - 1].isalnum() else 2
    position, gaps = -1, 0
    for char in query.replace(" ", ""):
        found = text.find(char, position + 1)
        if found < 0:
            return None
        gaps += found - position - 1 if position >= 0 else 0
        position = found
    return 3 + gaps if gaps <= 2 * len(query) else None
