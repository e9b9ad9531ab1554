"""The list at the left: sessions and their agents in a fixed grid of glyph, name, word and time."""

from __future__ import annotations

import asyncio

from textual import events

from quarterdeck.text import cut_middle
from tui.canvas import Canvas
from tui.fleet import AgentInfo, SessionInfo, ordered
from tui.line import Line, Span, compose
from tui.scrolled import NOTCH, Wheel
from tui.states import look

HELD = 2.0
"""Seconds the order stays after a person moved in the list."""
WIDE, FOLDED = 36, 18
"""Columns, the separator included."""
_WORD, _TIME = 11, 5

Entry = SessionInfo | AgentInfo | None


class Roster(Wheel, Canvas):
    """Every agent, one line each; the one with the focus stays in sight."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._entries: list[Entry] = []
        self._first = 0
        self._under_pointer = False
        self._release: asyncio.TimerHandle | None = None

    def sync(self) -> None:
        """Take the fleet as it is now and draw the lines that differ."""
        before = [entry.id for entry in self._entries if isinstance(entry, AgentInfo)]
        held = self.deck.keyboard.pending or self._under_pointer or self._release is not None
        entries: list[Entry] = []
        for session in self.deck.fleet.sessions.values():
            if entries:
                entries.append(None)
            entries.append(session)
            entries += ordered(self.deck.fleet.of_session(session.id), before, held=held)
        self._entries = entries
        self._keep_in_sight()
        self.touch()

    def hold(self) -> None:
        """A person moves in the list: the order stays for a moment."""
        self._stop_holding()
        self._release = asyncio.get_running_loop().call_later(HELD, self._let_go)

    def _stop_holding(self) -> None:
        if self._release is not None:
            self._release.cancel()
            self._release = None

    def _let_go(self) -> None:
        self._release = None
        self.sync()

    def on_unmount(self) -> None:
        """The app ends."""
        self._stop_holding()

    def on_enter(self, _: events.Enter) -> None:
        """The pointer is over it: what is about to be clicked stays where it is."""
        self._under_pointer = True

    def on_leave(self, _: events.Leave) -> None:
        """The pointer went elsewhere."""
        self._under_pointer = False
        self.sync()

    def retime(self) -> None:
        """Draw the lines of agents again whose time reads differently now."""
        height = self.outer_size.height
        stale = []
        for y, entry in enumerate(self._entries[self._first : self._first + height]):
            line = self._lines.get(y)
            if (
                isinstance(entry, AgentInfo)
                and line is not None
                and line.text != self.paint(y, self.outer_size.width).text
            ):
                stale.append(y)
        if stale:
            self.touch(*stale)

    def _keep_in_sight(self) -> None:
        height = max(1, self.deck.size.height - 2 - self.deck.deck_screen.plan.bar)
        at = next(
            (n for n, e in enumerate(self._entries) if isinstance(e, AgentInfo) and e.id == self.deck.focused_agent), 0
        )
        last = max(0, len(self._entries) - height)
        if at < self._first + 1:
            self._first = max(0, at - 1)
        elif at >= self._first + height:
            self._first = at - height + 1
        self._first = min(self._first, last)

    def paint(self, y: int, width: int) -> Line:
        """One entry, and the separator."""
        bg = "surface"
        edge: Span = (self.glyphs.bar, self.style("line", bg))
        number = self._first + y
        entry = self._entries[number] if number < len(self._entries) else None
        inner = width - 1
        if entry is None:
            return compose(width, (), [edge], self.palette, self.style(bg=bg))
        if isinstance(entry, SessionInfo):
            here = entry.id == self.deck.session_id
            name = cut_middle(entry.name, inner - 2)
            return compose(
                width, [(" " + name, self.style("text" if here else "muted", bg, bold=here))], [edge], self.palette,
                self.style(bg=bg),
            )  # fmt: skip
        return self._agent(entry, inner, width, edge)

    def _agent(self, agent: AgentInfo, inner: int, width: int, edge: Span) -> Line:
        focused = agent.id == self.deck.focused_agent
        bg = "raised" if focused else "surface"
        state = look(agent.status)
        glyph = state.sign(self.deck.plain_glyphs)
        digit = self.deck.digit(agent.id)
        left: list[Span] = [
            (self.glyphs.mark if focused else " ", self.style("accent", bg)),
            (f"{digit or glyph} ", self.style("text" if digit else state.color, bg, bold=bool(digit))),
        ]
        right: list[Span] = []
        if inner >= WIDE - 1:
            right = [
                (f"{agent.word(self.deck.now()):<{_WORD}} ", self.style(state.color, bg)),
                (f"{self.deck.since(agent.since_ns):>{_TIME}} ", self.style("muted", bg)),
            ]
        taken = 3 + (_WORD + _TIME + 3 if right else 1)
        waiting = f" +{min(agent.queue, 99)}" if agent.queue and right else ""
        layout = self.deck.stage.layout
        if agent.id in layout.hidden:
            waiting += f" {self.glyphs.hide}"
        elif agent.id in layout.pinned:
            waiting += f" {self.glyphs.pinned}"
        name = cut_middle(agent.name, inner - taken - len(waiting))
        shown = agent.id in self.deck.shown
        left.append((name, self.style("text" if shown or focused else "muted", bg, bold=focused)))
        left.append((waiting, self.style("muted", bg)))
        return compose(width, left, [*right, edge], self.palette, self.style(bg=bg))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Focus what is clicked; a session opens."""
        event.stop()
        number = self._first + event.y
        entry = self._entries[number] if number < len(self._entries) else None
        if isinstance(entry, AgentInfo):
            self.deck.focus_agent(entry.id)
            if event.button == 3:
                self.deck.dragging.panel_menu(entry.id)
        elif isinstance(entry, SessionInfo):
            self.deck.open_session(entry.id)

    def wheel(self, notches: int) -> None:
        """See :class:`Wheel`."""
        self.hold()
        first = max(0, min(self._first + notches * NOTCH, len(self._entries) - self.outer_size.height))
        if first != self._first:
            self._first = first
            self.touch()
