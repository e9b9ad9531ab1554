"""One live panel: its title line and the screen of one agent below it."""

from __future__ import annotations

from textual import events
from textual.geometry import Offset

from quarterdeck.keys import ALT, CTRL, SHIFT, KeyPress
from quarterdeck.rows import PLAIN, UNDERLINE_SHIFT, Cursor, Row, Style, View
from tui.canvas import Canvas
from tui.fleet import AgentInfo
from tui.ink import Palette
from tui.line import Line, Piece, Span, cells, compose, draw, link_at, marked
from tui.port import frames
from tui.states import WAITING
from tui.surface import Surface, window
from tui.title import Title

WHEEL_LINES = 3
_PAINTED = 400
"""Rows whose lines are kept beyond the present ones, so that scrolling text is drawn once."""


class Panel(Canvas):
    """Shows one agent (or nothing). The app decides which, and who is focused."""

    DEFAULT_CSS = "Panel { width: auto; height: auto; }"

    def __init__(self) -> None:
        super().__init__()
        self.agent = ""
        self.edge = 0
        """Columns at the left taken by the separator."""
        self.hidden = 0
        """Lines of its terminal that the approval bar hides at present."""
        self.surface = Surface()
        self._painted: dict[Row, Line] = {}
        self._painted_for: object = None
        self._before: list[Piece] = []
        self._after: list[Piece] = []
        self._pointer = (-1, -1)
        self._noticed = False
        self.title = Title(self)
        self.lit = ""
        """The border that is pointed to: ``left``, ``up``, "" for none."""
        self._mark = ""

    # what it shows

    def show(self, agent: str, surface: Surface) -> None:
        """Show another agent, with what is already known of its screen."""
        if self.agent == agent and self.surface is surface:
            return
        self.agent, self.surface = agent, surface
        self.touch()

    @property
    def info(self) -> AgentInfo | None:
        """The agent shown."""
        return self.deck.fleet.agents.get(self.agent)

    @property
    def focused_here(self) -> bool:
        """Whether keys go to this panel."""
        return bool(self.agent) and self.deck.focused_agent == self.agent

    @property
    def palette(self) -> Palette:
        """The app's inks, faded while nobody answers."""
        return self.deck.palette if self.deck.connected else self.deck.faded

    @property
    def notice(self) -> bool:
        """Whether the last line tells that the agent is gone."""
        info = self.info
        return info is not None and not info.alive and self.outer_size.height > 3

    @property
    def room(self) -> tuple[int, int]:
        """Columns and lines there are for the screen."""
        return max(0, self.outer_size.width - self.edge), max(0, self.outer_size.height - 1)

    def take(self, view: View) -> set[int] | None:
        """Apply a frame; returns the lines to draw anew, None for all. The app says when."""
        before = self._origin()
        signs = self.signs()
        changed = self.surface.take(view)
        left, top = self._origin()
        if self.surface.up:
            self.fetch()
        if changed is None or (left, top) != before:
            return None
        last = self.outer_size.height - 1
        lines = {y - top + 1 for y in changed if 0 <= y - top < last}
        if signs != self.signs():
            lines.add(0)
        return lines

    def retitle(self) -> None:
        """Draw the title (and a notice that came or went) again where they read differently now."""
        if self.notice != self._noticed:
            self._noticed = self.notice
            self.touch()
            return
        lines = (0, self.outer_size.height - 1) if self.notice else (0,)
        stale = [y for y in lines if self._lines.get(y) != self.paint(y, self.outer_size.width)]
        if stale:
            self.touch(*stale)

    def retime(self) -> None:
        """Draw the title again where it reads differently now."""
        line = self._lines.get(0)
        if line is not None and line.text != self.paint(0, self.outer_size.width).text:
            self.touch(0)

    def fetch(self) -> None:
        """Ask for the scrollback rows that are looked at and a screen more."""
        surface = self.surface
        first = surface.history.count - surface.up
        for request, start, count in surface.history.wanted(first - surface.lines, first + surface.lines):
            self.deck.link.send(frames.Fetch(self.agent, request, start, count))

    def _origin(self) -> tuple[int, int]:
        """The column and line of the screen shown at the panel's corner."""
        cols, lines = self.room
        lines -= self.notice
        surface = self.surface
        left = window(surface.cols, cols, surface.cursor.x)
        return left, window(surface.lines, lines, surface.cursor.y)

    def cell(self, x: int, y: int) -> tuple[int, int]:
        """The cell of the screen at a place in the panel; may lie outside of the screen."""
        left, top = self._origin()
        return x - self.edge + left, y - 1 + top

    def cursor_place(self) -> tuple[Cursor, Offset] | None:
        """Where the cursor stands in this panel, None when it is not to be seen."""
        surface = self.surface
        info = self.info
        if not surface.cursor.visible or surface.up or info is None or not info.alive:
            return None
        left, top = self._origin()
        x, y = surface.cursor.x - left + self.edge, surface.cursor.y - top + 1
        if not (self.edge <= x < self.outer_size.width and 1 <= y < self.outer_size.height - self.notice):
            return None
        cursor = surface.cursor._replace(blink=False) if self.deck.options.reduced_motion else surface.cursor
        return cursor, Offset(x, y)

    # drawing

    def light(self, border: str) -> None:
        """Show that a border is pointed to."""
        if border != self.lit:
            self.lit = border
            self.touch()

    def mark(self, zone: str) -> None:
        """Show where a panel would be dropped: at one side, in its place (``swap``), "" for nowhere."""
        if zone != self._mark:
            self._mark = zone
            self.touch()

    def paint(self, y: int, width: int) -> Line:
        """One line: title, screen, or the notice below it; over it where a panel would be dropped."""
        line = self._plain(y, width)
        return self._marked(line, y, width) if self._mark else line

    def _marked(self, line: Line, y: int, width: int) -> Line:
        height = self.outer_size.height
        across, down = (width + 1) // 2, (height + 1) // 2
        first = {"right": width - across}.get(self._mark, 0)
        cells_ = across if self._mark in ("left", "right") else width
        top, bottom = {"up": (0, down), "down": (height - down, height)}.get(self._mark, (0, height))
        if not top <= y < bottom:
            return line
        text = f" {'swap' if self._mark == 'swap' else 'here'} " if y == (top + bottom - 1) // 2 else ""
        pad = max(0, (cells_ - len(text)) // 2)
        blank = compose(
            cells_, [(" " * pad, self.style(bg="focus")), (text, self.style("accent", "focus", bold=True))], (),
            self.palette, self.style(bg="focus"),
        )  # fmt: skip
        return line.part(0, first).beside(blank).beside(line.part(first + cells_, width - first - cells_))

    def _plain(self, y: int, width: int) -> Line:
        surface = self.surface
        inner = width - self.edge
        if not self.agent:
            return self.blank(width)
        if y == 0:
            return self._beside_edge(self.title.line(inner), "surface")
        if self.notice and y == self.outer_size.height - 1:
            return self._beside_edge(self._notice(inner))
        if not surface.known:
            return self._beside_edge(self._waiting(y, inner))
        left, top = self._origin()
        row_y = y - 1 + top
        if row_y >= surface.lines:
            return self._beside_edge(self.blank(inner, "surface"))
        row = surface.line(row_y)
        if row is None:
            dots = [(f" {self.glyphs.ellipsis}", self.style("muted"))]
            return self._beside_edge(compose(inner, dots, (), self.palette, self.style()))
        return self._row(row, row_y, left, inner)

    def _beside_edge(self, line: Line, bg: str = "background") -> Line:
        """A line with the separator before it."""
        if not self.edge:
            return line
        color = "accent" if self.lit == "left" else "line"
        edge = compose(1, [(self.glyphs.bar, self.style(color, bg))], (), self.palette, self.style())
        return edge.beside(line)

    def _row(self, row: Row, row_y: int, left: int, inner: int) -> Line:
        """A row of the screen; what was drawn once is kept, for text that scrolls or stays."""
        cols = min(inner, self.surface.cols)
        lit = "accent" if self.lit == "left" else "line"
        frame = (self.palette, self.edge, left, cols, inner, lit)
        if self._painted_for != frame or len(self._painted) > _PAINTED:
            self._painted.clear()
            self._painted_for = frame
            spare = inner - cols
            self._before = [Piece(self.glyphs.bar, 1, self.style(lit))] if self.edge else []
            self._after = [Piece(" " * spare, spare, self.style(bg="surface"))] if spare else []
        cursor = self._drawn_cursor(row_y)
        if cursor is not None:
            row = marked(row, self.surface.cursor.x, cursor)
            return draw(row, left, cols, self.palette, self._before, self._after)
        found = self._painted.get(row)
        if found is None:
            found = self._painted[row] = draw(row, left, cols, self.palette, self._before, self._after)
        return found

    def _drawn_cursor(self, row_y: int) -> Style | None:
        """How the cursor is drawn as a cell, None where it is not: the focused one is the outer terminal's own."""
        if row_y != self.surface.cursor.y or self.cursor_place() is None:
            return None
        if not self.focused_here:
            return self.style("text", "line")
        if self.deck.own_cursor:
            return None
        if self.surface.cursor.shape == "block":
            return self.style("background", "text")
        return Style(PLAIN.fg, PLAIN.bg, 1 << UNDERLINE_SHIFT)

    def signs(self) -> str:
        """What the title says about the part that is seen."""
        surface = self.surface
        cols, lines = self.room
        lines += self.hidden
        if surface.up:
            return f"{self.glyphs.up} {surface.up} of {surface.history.count} lines"
        wide, high = surface.cols, surface.lines
        info = self.info
        if info is not None and not info.alive:  # blank cells that stay so are no loss, nor is the notice's line
            high = max((y + 1 for y, row in enumerate(surface.rows) if row.runs), default=0)
            wide = max((sum(run.cells for run in row.runs) for row in surface.rows), default=0)
        if surface.known and (wide > cols or high > lines) and not self.deck.watching.moving:
            return f"{surface.cols}x{surface.lines} cropped"
        return ""

    def _notice(self, width: int) -> Line:
        info = self.info
        assert info is not None
        color = "warm" if info.status in WAITING else "muted"
        reason = info.reason or info.word(self.deck.now())
        left = [(f" {reason}", self.style(color, "surface")), ("  its screen stays", self.style("muted", "surface"))]
        right: list[Span] = []
        offered = {hint.key for hint in self.deck.answering.hints()}
        for command, label in (("again", "start again"), ("close", "close")):
            key = self.deck.commands.key(command, offered.__contains__)
            if key:
                right += [(f"{self.deck.leader_words} {key} ", self.style("text", "surface", bold=True))]
                right += [(f"{label}  ", self.style("muted", "surface"))]
        if cells(left) + cells(right) + 2 > width:
            left = left[:1]
        return compose(width, left, right, self.palette, self.style(bg="surface"))

    def _waiting(self, y: int, width: int) -> Line:
        info = self.info
        if info is None or y != max(1, self.outer_size.height // 2):
            return self.blank(width)
        text = f"waiting for the first screen of {info.name}"
        pad = " " * max(1, (width - len(text)) // 2)
        return compose(width, [(pad + text, self.style("muted"))], (), self.palette, self.style())

    # looking back

    def scroll(self, lines: int) -> None:
        """Look further up or (negative) down."""
        if self.surface.scroll(lines):
            self.fetch()
            self.touch()
            self.deck.scrolled()

    def live(self) -> None:
        """Look at the live screen again."""
        self.scroll(-self.surface.up)

    # the mouse

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Focus; where it is focused already and its program asked for the mouse, pass it on. The frame is ours."""
        event.stop()
        if not self.agent:
            return
        if self.deck.dragging.press(self, event):
            if self.deck.dragging.active:
                self.capture_mouse()
            return
        if event.ctrl and event.button == 1 and (link := self._link(event)):
            self.deck.words.open_link(link)
            return
        if not self.focused_here:
            self.deck.focus_agent(self.agent)
            return
        if self._passes(event):
            self.capture_mouse()
            self._pointer = self.cell(event.x, event.y)
            self._send(event, "press")
        elif event.button == 3:
            self.deck.dragging.panel_menu(self.agent)

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """The end of a click or drag."""
        event.stop()
        if self.app.mouse_captured is self:
            self.release_mouse()
            if self.deck.dragging.active:
                self.deck.dragging.release()
            else:
                self._send(event, "release")

    def on_click(self, event: events.Click) -> None:
        """Its title clicked twice: alone, or all again."""
        event.stop()
        if (
            event.chain == 2
            and event.y == 0
            and event.button == 1
            and not self.title.button(event.x)
            and self.focused_here
        ):
            self.deck.run_command("zoom")

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Tell what a link points to; pass moves on where the program asked for them."""
        event.stop()
        held = self.app.mouse_captured is self
        if held and self.deck.dragging.active:
            self.deck.dragging.move(event)
            return
        if not held:
            self.deck.dragging.hover(self, event)
        self.deck.words.hint_link(self._link(event))
        mode = self.surface.modes.mouse
        framed = not held and (event.y < 1 or event.x < self.edge)
        if self.focused_here and not framed and self._passes(event) and (mode == 1003 or (mode == 1002 and held)):
            place = self.cell(event.x, event.y)
            if place != self._pointer:
                self._pointer = place
                self._send(event, "move")

    def on_leave(self, _: events.Leave) -> None:
        """The mouse went elsewhere."""
        self.deck.words.hint_link("")
        if not self.deck.dragging.active:
            self.deck.dragging.unlight()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Look up, or let the program do it."""
        self._wheel(event, "wheel_up", WHEEL_LINES)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Look down, or let the program do it."""
        self._wheel(event, "wheel_down", -WHEEL_LINES)

    def _wheel(self, event: events.MouseEvent, action: str, lines: int) -> None:
        event.stop()
        event.prevent_default()
        modes = self.surface.modes
        if not self.agent or not self.surface.known:
            return
        if self._passes(event):
            self._send(event, action)
        elif modes.alt_screen and modes.alternate_scroll and not event.shift:
            key = KeyPress("up" if lines > 0 else "down")
            for _ in range(WHEEL_LINES):
                self.deck.keyboard.press(self.agent, key)
        else:
            self.scroll(lines)

    def _passes(self, event: events.MouseEvent) -> bool:
        """Whether a mouse event is the program's: it asked, shift is not held, and its live screen is shown."""
        info = self.info
        alive = info is not None and info.alive
        return bool(self.surface.modes.mouse) and not event.shift and not self.surface.up and alive

    def _send(self, event: events.MouseEvent, action: str) -> None:
        x, y = self.cell(event.x, event.y)
        x, y = max(0, min(x, self.surface.cols - 1)), max(0, min(y, self.surface.lines - 1))
        mods = SHIFT * event.shift | ALT * event.meta | CTRL * event.ctrl
        self.deck.link.send(frames.Mouse(self.agent, action, x, y, event.button, mods))

    def _link(self, event: events.MouseEvent) -> str:
        if event.y < 1 or not self.surface.known:
            return ""
        x, y = self.cell(event.x, event.y)
        row = self.surface.line(y) if 0 <= y < self.surface.lines else None
        return link_at(row, x) if row is not None else ""
