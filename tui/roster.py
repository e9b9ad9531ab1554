"""The list at the left: sessions and their agents in a fixed grid of glyph, name, word and time."""

from __future__ import annotations

import asyncio

from rich.cells import cell_len
from textual import events

from quarterdeck.text import cut_left, cut_middle
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
_OFFER = " / filter "
"""Opens the filter; where the list is folded its first three characters."""
_TYPED, _FOUND = 3, 10
"""Columns before what is typed into the filter, and of how many fit."""

Entry = SessionInfo | AgentInfo | None


class Roster(Wheel, Canvas):
    """Every agent, one line each; the one with the focus stays in sight."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.order: list[str] = []
        """The agents of the open session as they are listed, also those that the filter leaves out."""
        self._entries: list[Entry] = []
        self._first = 0
        self._marked = ""
        self._away = False
        """Whether a person scrolled away from who is marked."""
        self._under_pointer = False
        self._release: asyncio.TimerHandle | None = None

    def sync(self) -> None:
        """Take the fleet as it is now and draw the lines that differ."""
        before = [entry.id for entry in self._entries if isinstance(entry, AgentInfo)]
        filtering = self.deck.filtering
        held = self.deck.keyboard.pending or self._under_pointer or self._release is not None or filtering.open
        members: dict[str, list[AgentInfo]] = {}
        for agent in self.deck.fleet.agents.values():
            members.setdefault(agent.session, []).append(agent)
        groups = [
            (session, ordered(members.get(session.id, ()), before, held=held))
            for session in self.deck.fleet.sessions.values()
        ]
        here = self.deck.session_id
        self.order = [agent.id for session, agents in groups if session.id == here for agent in agents]
        entries: list[Entry] = []
        for session, agents in filtering.narrow(groups) if filtering.open else groups:
            if entries:
                entries.append(None)
            entries += (session, *agents)
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
        self.touch(0)

    def on_leave(self, _: events.Leave) -> None:
        """The pointer went elsewhere."""
        self._under_pointer = False
        self.sync()

    def retime(self) -> None:
        """Draw the lines of agents again whose time reads differently now."""
        height = self.outer_size.height
        stale = []
        for y, entry in enumerate(self._entries[self._first : self._first + height], self._head):
            line = self._lines.get(y)
            if (
                isinstance(entry, AgentInfo)
                and line is not None
                and line.text != self.paint(y, self.outer_size.width).text
            ):
                stale.append(y)
        if stale:
            self.touch(*stale)

    @property
    def marked(self) -> str:
        """The agent that is marked: who has the focus, or who would get it from the filter."""
        return self.deck.filtering.chosen if self.deck.filtering.open else self.deck.focused_agent

    @property
    def _head(self) -> int:
        """Lines above the entries: what is typed into the filter."""
        return int(self.deck.filtering.open)

    @property
    def _room(self) -> int:
        """Lines for entries."""
        return max(1, self.deck.size.height - 2 - self.deck.deck_screen.plan.bar - self._head)

    def _entry(self, y: int) -> Entry:
        """What stands in a line."""
        number = self._first + y - self._head
        return self._entries[number] if y >= self._head and number < len(self._entries) else None

    def _keep_in_sight(self) -> None:
        room, marked = self._room, self.marked
        if marked != self._marked:
            self._marked, self._away = marked, False
        if not self._away and (marked or not self.deck.stage.adrift):
            at = self._place(marked)
            if at < self._first + 1:
                self._first = max(0, at - 1)
            elif at >= self._first + room:
                self._first = at - room + 1
        self._first = min(self._first, max(0, len(self._entries) - room))

    def _place(self, agent: str) -> int:
        return next((n for n, e in enumerate(self._entries) if isinstance(e, AgentInfo) and e.id == agent), 0)

    def typing(self) -> tuple[int, int]:
        """The cell of the screen where the filter's next letter stands."""
        left, top = self.region.offset
        return left + _TYPED + cell_len(self._typed(self.outer_size.width)), top

    def _typed(self, width: int) -> str:
        return cut_left(self.deck.filtering.query, width - _TYPED - _FOUND - 3)

    def _filter(self, width: int, edge: Span) -> Line:
        filtering, bg = self.deck.filtering, "raised"
        left: list[Span] = [(" / ", self.style("accent", bg, bold=True))]
        if filtering.query:
            left.append((self._typed(width), self.style("text", bg, bold=True)))
        else:
            left.append((" name, state, tag, session", self.style("muted", bg)))
        right = f"{len(filtering.found)} of {len(self.deck.fleet.agents)}"
        spans: list[Span] = [(f"{right:>{_FOUND}} ", self.style("muted", bg))] if filtering.query else []
        return compose(width, left, [*spans, edge], self.palette, self.style(bg=bg))

    def _offer(self, line: Line, width: int, edge: Span) -> Line:
        """The list's first line while the pointer is over the list: its end opens the filter."""
        word, bg = self._opener, "surface"
        rest = compose(len(word) + 1, [(word, self.style("accent", bg))], [edge], self.palette, self.style(bg=bg))
        return line.part(0, width - rest.cell_length).beside(rest)

    @property
    def _opener(self) -> str:
        return _OFFER if self.outer_size.width >= WIDE else _OFFER[:3]

    def paint(self, y: int, width: int) -> Line:
        """One entry, and the separator."""
        edge: Span = (self.glyphs.bar, self.style("line", "surface"))
        if y < self._head:
            return self._filter(width, edge)
        line = self._listed(y, width, edge)
        return self._offer(line, width, edge) if y == 0 and self._under_pointer else line

    def _listed(self, y: int, width: int, edge: Span) -> Line:
        bg = "surface"
        entry = self._entry(y)
        inner = width - 1
        if y == self._head and not self._entries and self._head:
            words = [("   nothing fits", self.style("muted", bg))]
            return compose(width, words, [edge], self.palette, self.style(bg=bg))
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
        focused = agent.id == self.marked
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
        entry = self._entry(event.y)
        if event.y == 0 and (self._head or event.x > self.outer_size.width - 2 - len(self._opener)):
            self.deck.run_command("filter")
        elif isinstance(entry, AgentInfo):
            self.deck.filtering.close()
            self.deck.focus_agent(entry.id)
            if event.button == 3:
                self.deck.dragging.panel_menu(entry.id)
        elif isinstance(entry, SessionInfo):
            self.deck.open_session(entry.id)

    def wheel(self, notches: int) -> None:
        """See :class:`Wheel`."""
        self.hold()
        room = self._room
        first = max(0, min(self._first + notches * NOTCH, len(self._entries) - room))
        if first != self._first:
            self._first = first
            self._away = not first <= self._place(self.marked) < first + room
            self.touch()
