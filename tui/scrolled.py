"""What the mouse wheel does, and lines of which only some are in sight."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events

from tui.canvas import Canvas

NOTCH = 3
"""Lines of a text for one notch of the wheel."""


class Wheel:
    """A widget that the wheel moves."""

    def wheel(self, notches: int) -> None:
        """Go on by so many, back where that is negative."""
        raise NotImplementedError

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """One back."""
        event.stop()
        event.prevent_default()
        self.wheel(-1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """One on."""
        event.stop()
        event.prevent_default()
        self.wheel(1)


class Scrolled(Wheel, Canvas):
    """Rows from :attr:`first` on."""

    first = 0

    @property
    def rows(self) -> Sequence[object]:
        """All of them."""
        raise NotImplementedError

    @property
    def room(self) -> int:
        """How many are in sight."""
        return self.outer_size.height

    @property
    def below(self) -> int:
        """How many are below what is shown."""
        return max(0, len(self.rows) - self.first - self.room)

    def scroll_lines(self, steps: int) -> None:
        """Look further down or (negative) up."""
        first = max(0, min(self.first + steps, len(self.rows) - self.room))
        if first != self.first:
            self.first = first
            self.touch()

    def wheel(self, notches: int) -> None:
        """See :class:`Wheel`."""
        self.scroll_lines(notches * NOTCH)
