"""A panel's title: who it is at the left, how it is at the right, and buttons where it has the focus and room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.text import cut_middle
from tui.fleet import AgentInfo
from tui.line import Line, Span, cells, compose
from tui.states import look

if TYPE_CHECKING:
    from tui.panel import Panel

_BUTTONS = (("split", "split_right"), ("zoom", "zoom"), ("hide", "hide"), ("bad", "close"))
_ROOM_FOR_BUTTONS = 3 * len(_BUTTONS) + 13
"""Columns a title has left where its buttons are shown: they and a stretch to take hold of."""


class Title:
    """Draws the line and knows what stands where in it. Columns are the panel's, its separator included."""

    def __init__(self, panel: Panel) -> None:
        self._panel = panel
        self._texts = (0, 0)
        """Where the left text ends, and where the right one begins."""
        self._buttons: list[tuple[int, int, str]] = []

    def button(self, x: int) -> str:
        """The command of the button at a column, "" for none."""
        return next((command for start, end, command in self._buttons if start <= x < end), "")

    def blank(self, x: int) -> bool:
        """Whether the title says nothing at a column."""
        return self._texts[0] < x < self._texts[1]

    def line(self, width: int) -> Line:
        """The title in so many columns beside the separator."""
        panel = self._panel
        info = panel.info
        bg = "focus" if panel.focused_here else "surface"
        if info is None:
            return panel.blank(width, bg)
        right = self._state(info, width, bg)
        left = self._name(info, width - cells(right), bg)
        self._buttons = []
        if panel.focused_here and not panel.deck.stage.needing.open:
            right += self._pressed(width - cells(left) - cells(right), width, bg)
        self._texts = panel.edge + cells(left), panel.edge + width - cells(right)
        gap = self._texts[1] - self._texts[0]
        if panel.lit == "up" and gap > 2:
            left.append((f" {panel.glyphs.rule * (gap - 2)}", panel.style("accent", bg)))
        return compose(width, left, right, panel.palette, panel.style(bg=bg))

    def _state(self, info: AgentInfo, width: int, bg: str) -> list[Span]:
        panel = self._panel
        state = look(info.status)
        now = panel.deck.now()
        spans: list[Span] = []
        if signs := panel.signs():
            spans.append((f" {signs}  ", panel.style("muted", bg)))
        return [
            *spans,
            (f" {state.sign(panel.deck.plain_glyphs)} ", panel.style(state.color, bg)),
            (info.full_word(now) if width >= 60 else info.word(now), panel.style(state.color, bg)),
            (f" {panel.deck.since(info.since_ns):>5} ", panel.style("muted", bg)),
        ]

    def _name(self, info: AgentInfo, room: int, bg: str) -> list[Span]:
        """Its name with what is said before it, and as many facts as there is room for."""
        panel, deck = self._panel, self._panel.deck
        focused, stage = panel.focused_here, deck.stage
        number = deck.digit(info.id)
        kept = []
        if not stage.needing.open and info.id in stage.layout.pinned:
            kept.append((panel.glyphs.pinned, "pinned"))
        if stage.tab.zoom:
            kept.append((panel.glyphs.zoomed, "zoomed"))
        spans: list[Span] = [
            (panel.glyphs.mark if focused else " ", panel.style("accent", bg)),
            (f"{number} " if number else "", panel.style("accent" if focused else "muted", bg, bold=True)),
            ("".join(f"{sign} " for sign, _ in kept), panel.style("accent", bg)),
            (cut_middle(info.name, max(8, room - 6)), panel.style("accent" if focused else "text", bg, bold=True)),
        ]
        away = deck.fleet.sessions.get(info.session) if info.session != deck.session_id else None
        facts = (
            away.name if away else "", info.kind, "tmux" if info.adapter == "tmux" else "", info.branch,
            f"{info.queue} queued" if info.queue else "", info.spent, *(word for _, word in kept),
        )  # fmt: skip
        for text in facts:
            if text and cells(spans) + len(text) + 3 < room:
                spans.append((f"  {text}", panel.style("muted", bg)))
        return spans

    def _pressed(self, room: int, width: int, bg: str) -> list[Span]:
        """The buttons, where there is room for them."""
        if room < _ROOM_FOR_BUTTONS:
            return []
        panel = self._panel
        x = panel.edge + width - 3 * len(_BUTTONS) - 1
        spans: list[Span] = []
        for name, command in _BUTTONS:
            self._buttons.append((x, x + 3, command))
            spans.append((f" {getattr(panel.glyphs, name)} ", panel.style("muted", bg)))
            x += 3
        return [*spans, (" ", panel.style(bg=bg))]
