"""The key guide: what may be pressed now that the leader was, above the key bar, in columns by group.

It hides lines of the panels and changes no terminal's size, as the approval bar does, below it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from rich.cells import cell_len
from textual import events

from quarterdeck.keymap.commands import BY_ID, GROUPS, Command
from quarterdeck.text import cut_right
from tui.canvas import Canvas
from tui.line import Line, Span, cells, compose
from tui.names import words as key_words

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp

LEAST, LEAST_SMALL = 5, 2
"""Lines of panels left above the guide; of a screen with less than twenty lines."""
_GAP = 3
_TALL = 10
"""Lines a column may have before another one stands beside it."""
_SIDES = ("left", "right", "up", "down")


class Choice(NamedTuple):
    """What may be pressed next, what it does; ``run`` serves a click, None where several keys stand together."""

    key: str
    label: str
    group: str
    run: Callable[[], object] | None = None


class Cell(NamedTuple):
    """Where a choice stands, or (``choice`` None) the title of a group."""

    x: int
    y: int
    text: str
    choice: Choice | None = None
    pad: int = 0
    """Cells the key takes with what follows it."""


def folded(choices: Sequence[tuple[Command | None, Choice]]) -> list[Choice]:
    """Choices with what goes to four sides in one entry: ``ctrl+arrows``, or ``h j k l``."""
    families: dict[str, list[tuple[Command, Choice]]] = {}
    for command, choice in choices:
        stem, _, side = command.id.rpartition("_") if command else ("", "", "")
        if command and stem and side in _SIDES:
            families.setdefault(stem, []).append((command, choice))
    found: list[Choice] = []
    for command, choice in choices:
        stem = command.id.rpartition("_")[0] if command else ""
        family = families.get(stem, [])
        if not command or len(family) < len(_SIDES) or command.id.rpartition("_")[2] not in _SIDES:
            found.append(choice)
        elif family[0][0] == command:
            label = {"move": "move it", "resize": "move its border"}.get(stem, stem)
            found.append(Choice(_together([one.key for _, one in family]), label, choice.group))
    return found


def _together(keys: Sequence[str]) -> str:
    """Four keys as one word where they are the arrow keys."""
    stems = {key.removesuffix(side) for key, side in zip(keys, _SIDES, strict=True) if key.endswith(side)}
    return f"{stems.pop()}arrows" if len(stems) == 1 and all(map(str.endswith, keys, _SIDES)) else " ".join(keys)


def lay(choices: Sequence[Choice], width: int, most: int) -> tuple[int, list[Cell]]:
    """Lines taken, at most ``most``, and where everything stands in ``width`` columns.

    Columns by group where they fit, else the groups in running lines; what does not fit even so is left out from the
    end, the last group first.
    """
    groups = [(group, [one for one in choices if one.group == group]) for group in GROUPS]
    groups = [(group, found) for group, found in groups if found]
    for lines in range(min(most, _TALL), most + 1):
        found = _columns(groups, width, lines)
        if found is not None:
            return max((cell.y for cell in found), default=0) + 1, found
    for titles in (True, False):
        found = _running(groups, width, titles=titles)
        lines = max((cell.y for cell in found), default=0) + 1
        if lines <= most:
            return lines, found
    return most, [cell for cell in _running(groups, width, titles=False) if cell.y < most]


def _columns(groups: Sequence[tuple[str, list[Choice]]], width: int, lines: int) -> list[Cell] | None:
    """Groups below each other in columns of so many lines; None where that is too wide."""
    columns: list[list[tuple[str, Choice | None]]] = []
    column: list[tuple[str, Choice | None]] = []
    for group, choices in groups:
        block: list[tuple[str, Choice | None]] = [(group, None), *((one.label, one) for one in choices)]
        if column and len(column) + 1 + len(block) > lines:
            columns.append(column)
            column = []
        column += [("", None)] * bool(column)
        while len(column) + len(block) > lines:
            columns.append(block[:lines])
            block = [("", None), *block[lines:]]
        column += block
    columns.append(column)
    found: list[Cell] = []
    x = 1
    for entries in columns:
        pad = max((cell_len(one.key) for _, one in entries if one), default=0) + 2
        for y, (text, choice) in enumerate(entries):
            if text:
                found.append(Cell(x, y, text, choice, pad if choice else 0))
        x += max((cell_len(text) + (pad if one else 0) for text, one in entries), default=0) + _GAP
    return found if x - _GAP <= width - 1 else None


def _running(groups: Sequence[tuple[str, list[Choice]]], width: int, *, titles: bool) -> list[Cell]:
    """Groups in running lines, each with its title before it and beginning a line; or one after the other."""
    found: list[Cell] = []
    start = max((cell_len(group) for group, _ in groups), default=0) + 3 if titles else 1
    x, y = start, 0
    for number, (group, choices) in enumerate(groups):
        if titles:
            if number:
                x, y = start, y + 1
            found.append(Cell(1, y, group))
        for one in choices:
            size = cell_len(one.key) + 1 + cell_len(one.label)
            if x > start and x + size > width - 1:
                x, y = start, y + 1
            found.append(Cell(x, y, one.label, one, cell_len(one.key) + 1))
            x += size + _GAP - 1
    return found


class Guide:
    """What the guide shows, and when. Its ``do_...`` are commands."""

    def __init__(self, app: QuarterdeckApp) -> None:
        self._app = app

    @property
    def lines(self) -> int:
        """Lines the guide takes now."""
        return self.layout()[0] if self._app.keyboard.guided else 0

    def layout(self) -> tuple[int, list[Cell]]:
        """Where everything stands on a screen of this size, below a line of its own."""
        width, height = self._app.size
        left = LEAST if height >= 20 else LEAST_SMALL
        most = height - 2 - left - self._app.answering.lines
        taken, found = lay(self.choices(), width, max(1, most - 1))
        return taken + 1, [cell._replace(y=cell.y + 1) for cell in found]

    def choices(self) -> list[Choice]:
        """What may be pressed next: one key for each command, and what begins several."""
        app = self._app
        keyboard = app.keyboard
        path = keyboard.path
        found: list[tuple[Command | None, Choice]] = []
        begun: dict[str, Counter[str]] = {}
        for command, presses in self._reachable():
            key = presses[len(path)]
            if len(presses) > len(path) + 1:
                begun.setdefault(key, Counter()).update((command.group,))
                continue
            found.append((command, Choice(key, command.label, command.group, keyboard.presser(presses, command.id))))
        for key, groups in begun.items():
            group = groups.most_common(1)[0][0]
            label = f"{group} {app.glyphs.ellipsis}"
            found.append((None, Choice(key, label, group, keyboard.presser((*path, key)))))
        if not path:
            if len(app.stage.numbered) > 1:
                digits = f"1 to {min(9, len(app.stage.numbered))}"
                found.append((None, Choice(digits, "that agent", "agents")))
            found.append((None, Choice(app.leader_words, "that key itself", "quarterdeck")))
        return folded(found)

    def _reachable(self) -> Iterator[tuple[Command, tuple[str, ...]]]:
        """Commands that work now with their first key that nothing else has taken, in their order."""
        app = self._app
        path = app.keyboard.path
        seen: set[str] = set()
        for one in app.keymap.under(path):
            taken = not path and app.answering.takes(one.presses[0].lower())
            if one.command not in seen and not taken and app.commands.verb(one.command):
                command = BY_ID[one.command]
                if app.commands.works(command):
                    seen.add(one.command)
                    yield command, one.presses

    def do_help(self) -> None:
        """All keys."""
        from tui.helppage import HelpPage

        self._app.push_screen(HelpPage(self._app))

    def can_bindings(self) -> bool:
        """Whether the keys in force were read from a file."""
        return bool(self._app.options.files)

    def do_bindings(self) -> None:
        """The person's own keys, in their editor."""
        from tui.rebinding import rebind

        self._app.actions.run(rebind(self._app, self._app.options.files[0]), "open your keys in an editor")

    def do_which_key(self) -> None:
        """Wait for a key as after the leader, with the guide at once."""
        self._app.keyboard.ask()


class KeyGuide(Canvas):
    """Draws what the app's :class:`Guide` says; a click presses the key."""

    def __init__(self) -> None:
        super().__init__()
        self._cells: list[Cell] = []

    def sync(self) -> None:
        """Draw anew where something else may be pressed now."""
        found = self.deck.guide.layout()[1] if self.deck.keyboard.guided else []
        if [cell[:3] for cell in found] != [cell[:3] for cell in self._cells]:
            self.touch()
        self._cells = found

    def paint(self, y: int, width: int) -> Line:
        """A rule, then the cells of one line."""
        bg = "raised"
        if y == 0:
            return self._rule(width)
        spans: list[Span] = []
        for cell in sorted((one for one in self._cells if one.y == y), key=lambda one: one.x):
            spans.append((" " * max(0, cell.x - cells(spans)), self.style(bg=bg)))
            if cell.choice is None:
                spans.append((cell.text, self.style("muted", bg, bold=True)))
                continue
            spans.append((cell.choice.key, self.style("text", bg, bold=True)))
            spans.append((" " * (cell.pad - cell_len(cell.choice.key)), self.style(bg=bg)))
            spans.append((cut_right(cell.text, max(1, width - cells(spans))), self.style("muted", bg)))
        return compose(width, spans, (), self.palette, self.style(bg=bg))

    def _rule(self, width: int) -> Line:
        deck = self.deck
        text = " ".join((key_words(deck.keymap.leader), *deck.keyboard.path))
        left = [(f" {self.glyphs.rule} {text} ", self.style("text", "raised", bold=True))]
        rest = max(0, width - cells(left))
        return compose(
            width,
            [*left, (self.glyphs.rule * rest, self.style("line", "raised"))],
            (),
            self.palette,
            self.style(bg="raised"),
        )

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Press what is clicked; beside it: close."""
        event.stop()
        for cell in self._cells:
            size = cell.pad + cell_len(cell.text)
            if cell.choice and cell.y == event.y and cell.x <= event.x < cell.x + size:
                if cell.choice.run is not None:
                    cell.choice.run()
                return
        self.deck.keyboard.cancel()
