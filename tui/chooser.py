"""The base of lists of whose entries one is marked."""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar

from textual import events

from tui.canvas import Canvas
from tui.line import Line, compose
from tui.scrolled import Wheel

T = TypeVar("T")


class Chooser(Wheel, Canvas, Generic[T], can_focus=True):
    """``entries``, one a line as a subclass draws them; ``at`` is the marked one, ``first`` the topmost in sight.

    A list that can have the focus shows its mark only while it has it.
    """

    HEAD: ClassVar[int] = 1
    """Lines above the entries."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.entries: list[T] = []
        self.at = 0
        self.first = 0

    @property
    def chosen(self) -> T | None:
        """The marked one."""
        return self.entries[self.at] if self.entries else None

    def entry(self, one: T, here: bool, bg: str, width: int) -> Line:
        """One entry on the colour role ``bg``; ``here`` where the mark is shown."""
        raise NotImplementedError

    def words(self, y: int) -> str:
        """What stands in a line without an entry, above or below them."""
        return ""

    def clicked(self, number: int) -> None:
        """What a click does; there may be no such entry."""
        self.choose(number)

    def choose(self, number: int) -> None:
        """Mark another one, stopping at the ends, and keep it in sight."""
        count = len(self.entries)
        self.at = max(0, min(number, count - 1))
        height = max(1, self.outer_size.height - self.HEAD)
        self.first = min(max(0, count - height), max(self.at - height + 1, min(self.first, self.at)))
        self.touch()

    def paint(self, y: int, width: int) -> Line:
        """An entry, or the words around them."""
        number = self.first + y - self.HEAD
        if y >= self.HEAD and number < len(self.entries):
            here = number == self.at and (self.has_focus or not self.can_focus)
            return self.entry(self.entries[number], here, "raised" if here else "surface", width)
        words = [(self.words(y), self.style("muted", "surface"))]
        return compose(width, words, (), self.palette, self.style(bg="surface"))

    def on_focus(self) -> None:
        """Show the mark."""
        self.touch()

    on_blur = on_focus

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Take the focus, and what is clicked."""
        event.stop()
        if self.can_focus:
            self.focus()
        self.clicked(self.first + event.y - self.HEAD)

    def wheel(self, notches: int) -> None:
        """See :class:`Wheel`."""
        self.choose(self.at + notches)
