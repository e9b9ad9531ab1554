"""Dialogs that show a list: the command palette, the sessions, the help, the restore report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, cast

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from quarterdeck.text import cut_middle, safe
from tui.bars import Hint, KeyBar
from tui.chooser import Chooser
from tui.commands import matches
from tui.dialogs import Dialog, text_input
from tui.line import Line, Span, cells, compose
from tui.scrolled import Scrolled
from tui.states import look

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp


class Item(NamedTuple):
    """An entry of a list: a sign in a colour, its name, what it is and how that is cut, the keys that do the same."""

    sign: str
    color: str
    name: str
    about: str
    keys: str
    run: Callable[[], object]
    cut: Callable[[str, int], str] = cut_middle


class Picker(Chooser[Item], can_focus=False):
    """What a query found; the query keeps the focus."""

    HEAD = 0

    def put(self, items: list[Item]) -> None:
        """Show these, the first one marked."""
        self.entries = items
        self.choose(0)

    def words(self, y: int) -> str:
        """Where nothing was found."""
        if self.entries:
            return ""
        if not cast("Finder", self.screen).any:
            return "  there is nothing to choose from yet" if y == 0 else ""
        return {0: "  nothing is called that", 2: "  ^U  all again", 3: "  esc back"}.get(y, "")

    def entry(self, item: Item, here: bool, bg: str, width: int) -> Line:
        """One entry."""
        right: list[Span] = [(f" {item.keys}  ", self.style("muted", bg))] if item.keys else []
        left: list[Span] = [
            (f"  {item.sign or ' '} ", self.style(item.color, bg)),
            (f"{cut_middle(item.name, 24):<24}  ", self.style("text", bg, bold=here)),
        ]
        room = width - cells(left) - cells(right)
        if room > 8:
            about = item.about if cell_len(item.about) <= room else item.cut(item.about, room)
            left.append((about, self.style("muted", bg)))
        return compose(width, left, right, self.palette, self.style(bg=bg))

    def clicked(self, number: int) -> None:
        """Take it."""
        if number < len(self.entries):
            self.at = number
            cast("Finder", self.screen).take()


class Finder(ModalScreen[None], inherit_bindings=False):
    """Type a few letters, take what fits best."""

    AUTO_FOCUS = "Input"

    def __init__(self, items: Sequence[Item], placeholder: str, label: str) -> None:
        super().__init__()
        self._all = list(items)
        self._placeholder = placeholder
        self._label = label
        self._narrowed = ""
        self.picker = Picker()

    @property
    def any(self) -> bool:
        """Whether there is anything to choose from, whatever is typed."""
        return bool(self._all)

    def compose(self) -> ComposeResult:
        """Query above, list below."""
        deck = cast("QuarterdeckApp", self.app)
        with Vertical(id="box"):
            yield text_input(placeholder=self._placeholder, id="query")
            yield self.picker
            yield KeyBar(
                [
                    Hint(deck.glyphs.enter, self._label, self.take),
                    Hint(deck.glyphs.arrows, "choose", lambda: self.picker.choose(self.picker.at + 1)),
                    Hint("esc", "back", self.leave),
                ],
                bg="background",
            )

    def on_mount(self) -> None:
        """Show everything."""
        self.picker.put(self._all)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Narrow down."""
        event.stop()
        self.narrow()

    def narrow(self) -> None:
        """Show what the query finds: also before a key that was typed right behind it, which comes first."""
        query = self.query_one(Input).value
        if query == self._narrowed:
            return
        self._narrowed = query
        ranked = []
        for number, item in enumerate(self._all):
            ranks = [rank for text in (item.name, item.about) if (rank := matches(query, text)) is not None]
            if ranks:
                ranked.append((min(ranks), number, item))
        self.picker.put([item for _, _, item in sorted(ranked, key=lambda entry: entry[:2])])

    def take(self) -> None:
        """Do what is marked."""
        if item := self.picker.chosen:
            self.dismiss(None)
            self.app.call_later(item.run)

    def leave(self) -> None:
        """Close."""
        self.dismiss(None)

    async def on_key(self, event: events.Key) -> None:
        """Move, take, leave."""
        self.narrow()
        match event.key:
            case "escape":
                self.leave()
            case "enter":
                self.take()
            case "down" | "tab" | "ctrl+n":
                self.picker.choose(self.picker.at + 1)
            case "up" | "shift+tab" | "ctrl+p":
                self.picker.choose(self.picker.at - 1)
            case "pagedown":
                self.picker.choose(self.picker.at + 10)
            case "pageup":
                self.picker.choose(self.picker.at - 10)
            case _:
                return
        event.stop()
        event.prevent_default()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter inside the query."""
        event.stop()
        self.take()


class Table(Scrolled):
    """Fixed lines of spans, scrolled when there are more than fit."""

    AROUND: ClassVar[int] = 11
    """Lines of the screen left for what stands above and below."""

    def __init__(self, lines: Sequence[Sequence[tuple[str, str]]]) -> None:
        super().__init__()
        self._rows = [list(line) for line in lines]
        self.styles.height = len(self.rows)

    @property
    def rows(self) -> list[list[tuple[str, str]]]:
        """The lines as (text, colour role)."""
        return self._rows

    def on_mount(self) -> None:
        """Leave room for the title above and the keys below."""
        self.styles.max_height = max(3, self.app.size.height - self.AROUND)

    def on_resize(self) -> None:
        """As above."""
        self.on_mount()

    def put(self, lines: Sequence[Sequence[tuple[str, str]]]) -> None:
        """Show others in their place."""
        self._rows = [list(line) for line in lines]
        self.styles.height = len(self.rows)
        self.scroll_lines(0)
        self.touch()

    def paint(self, y: int, width: int) -> Line:
        """One line."""
        number = self.first + y
        row = self.rows[number] if number < len(self.rows) else []
        spans = [(text, self.style(role.rstrip("!"), "surface", bold=role.endswith("!"))) for text, role in row]
        more = number < len(self.rows) - 1 and y == self.outer_size.height - 1
        right: list[Span] = [(" more below", self.style("muted", "surface"))] if more else []
        return compose(width, spans, right, self.palette, self.style(bg="surface"))


class Page(Dialog):
    """A dialog that only tells something."""

    def __init__(
        self, title: str, about: str, lines: Sequence[Sequence[tuple[str, str]]], more: Sequence[Hint] = ()
    ) -> None:
        super().__init__(title, about, more=more)
        self.table = Table(lines)

    def body(self) -> ComposeResult:
        """The lines."""
        yield self.table

    async def on_key(self, event: events.Key) -> None:
        """Scroll, or as any dialog."""
        steps = {"down": 1, "up": -1, "pagedown": 10, "pageup": -10, "j": 1, "k": -1}.get(event.key)
        if steps is None and event.key in ("enter", "q", "question_mark"):
            event.stop()
            self.leave()
        elif steps is None:
            await super().on_key(event)
        else:
            event.stop()
            self.table.scroll_lines(steps)


_ACTIONS = {
    "adopted": ("running", "ran on"),
    "kept": ("exited", "had ended"),
    "waiting": ("interrupted", "waits for you"),
    "resumed": ("running", "started again"),
    "failed": ("failed", "could not be started"),
}


def report_page(report: Mapping[str, Any], plain: bool, more: Sequence[Hint] = ()) -> Page:
    """What the last start of the orchestrator found and did."""
    lines: list[list[tuple[str, str]]] = []
    for outcome in report.get("outcomes", ()):
        status, did = _ACTIONS.get(str(outcome.get("action")), ("", str(outcome.get("action", ""))))
        state = look(status)
        missing = int(outcome.get("missing", 0) or 0)
        detail = safe(str(outcome.get("detail", "")))
        if missing:
            detail = f"{missing:,} bytes of its output are lost  {detail}".rstrip()
        lines.append(
            [
                (f"{state.sign(plain)} ", state.color),
                (f"{cut_middle(safe(str(outcome.get('name', ''))), 18):<18}  ", "text!"),
                (f"{safe(did, 20):<20}  ", state.color),
                (detail, "muted"),
            ]
        )
    if not lines:
        lines.append([("nothing was there to restore", "muted")])
    about = "The machine was restarted." if report.get("rebooted") else "The orchestrator was started again."
    return Page("restore report", about, lines, more)
