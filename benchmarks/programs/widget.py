"""The smallest Textual app that shows what is typed: one widget, no other process. A peer, not a part of ours.

``widget.py FOLDER [WORD]`` shows WORD at first, then for each key the same token as ``echo.py``.
"""

import os
import sys

os.environ |= {"TEXTUAL_FPS": "500", "TEXTUAL_ANIMATIONS": "none"}  # read when textual is imported; as the TUI does
sys.path.append(sys.argv[1])

from textual import events
from textual.app import App, ComposeResult, RenderResult
from textual.widget import Widget

from benchmarks.tokens import token


class Word(Widget):
    """Shows one word."""

    can_focus = True
    word = sys.argv[2] if len(sys.argv) > 2 else "ready"
    number = 0

    def render(self) -> RenderResult:
        """The word, as it is."""
        return self.word

    def on_key(self, event: events.Key) -> None:
        """Another token."""
        event.stop()
        self.number += 1
        self.word = token(self.number).decode()
        self.refresh()


class Peer(App[None]):
    """One widget."""

    def compose(self) -> ComposeResult:
        """The widget."""
        yield Word()


Peer().run()
