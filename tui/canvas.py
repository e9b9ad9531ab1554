"""The base of everything this client draws itself: widgets made of cached lines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from quarterdeck.rows import BOLD, Style
from tui.ink import Palette
from tui.line import Line, compose
from tui.states import Glyphs

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp


class Canvas(Widget, can_focus=False, can_focus_children=False):
    """Draws line by line with :meth:`paint`; a line is painted once and kept until :meth:`touch` names it."""

    ALLOW_SELECT = False
    DEFAULT_CSS = "Canvas { width: 1fr; height: 1fr; overflow: hidden; }"

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._lines: dict[int, Line] = {}
        self._drawn_for: object = None
        self._deck: QuarterdeckApp | None = None

    @property
    def deck(self) -> QuarterdeckApp:
        """The app, typed."""
        if self._deck is None:
            self._deck = cast("QuarterdeckApp", self.app)
        return self._deck

    @property
    def palette(self) -> Palette:
        """The inks to draw with."""
        return self.deck.palette

    @property
    def glyphs(self) -> Glyphs:
        """The signs to draw with."""
        return self.deck.glyphs

    def paint(self, y: int, width: int) -> Line:
        """The line at ``y``, exactly ``width`` cells."""
        raise NotImplementedError

    def touch(self, *lines: int) -> None:
        """Draw these lines anew (all when none are named)."""
        width, height = self.outer_size
        if not lines:
            self._lines.clear()
            self.refresh()
            return
        for y in lines:
            self._lines.pop(y, None)
        self.refresh(*[Region(0, y, width, 1) for y in lines if 0 <= y < height])

    def forget(self, lines: Iterable[int] | None) -> Iterable[int]:
        """Lines (None: all) are to be made anew when asked for next; returns them."""
        if lines is None:
            self._lines.clear()
            return range(self.outer_size.height)
        for y in lines:
            self._lines.pop(y, None)
        return lines

    def render_line(self, y: int) -> Strip:
        """The cached line."""
        found = self._lines.get(y)
        if found is None:
            found = self._lines[y] = self.paint(y, self.outer_size.width)
        return found

    def render_lines(self, crop: Region) -> list[Strip]:
        """Lines straight from the cache: Textual's own styling of widgets is bypassed."""
        x, top, width, height = crop
        whole = self.outer_size.width
        state = (self.palette, self.outer_size)  # what a panel shows where depends on its height too
        if self._drawn_for != state:
            self._lines.clear()
            self._drawn_for = state
        known = self._lines.get
        lines = [known(y) or self.render_line(y) for y in range(top, top + height)]
        if x == 0 and width >= whole:
            return lines
        return [line.crop(x, x + width) for line in lines]

    def style(self, fg: str = "text", bg: str = "background", *, bold: bool = False) -> Style:
        """A style in the theme's colours."""
        return self.palette.role(fg, bg, BOLD if bold else 0)

    def blank(self, width: int, bg: str = "background") -> Line:
        """An empty line."""
        return compose(width, (), (), self.palette, self.style(bg=bg))
