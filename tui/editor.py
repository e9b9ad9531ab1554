"""Where a person writes a prompt: many lines, enter sends, what was sent before comes back with the arrow keys."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence

from textual import events
from textual.widgets import TextArea

_NEW_LINE = ("alt+enter", "shift+enter", "ctrl+enter", "ctrl+j")
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean(text: str) -> str:
    """``text`` without what would draw something else than itself: controls, lone surrogates, bidi overrides."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return "".join(
        char
        for char in text
        if char in "\n\t" or (unicodedata.category(char) not in ("Cc", "Cs") and char not in _BIDI)
    )


class Editor(TextArea):
    """A text area. ``send`` is called on enter (True: now) with a text that is not blank, ``outside`` on ctrl+g."""

    def __init__(
        self, text: str, send: Callable[[bool], None], outside: Callable[[], None], *, placeholder: str = ""
    ) -> None:
        super().__init__(
            clean(text), soft_wrap=True, tab_behavior="focus", compact=True, highlight_cursor_line=False,
            placeholder=placeholder, id="editor",
        )  # fmt: skip
        self.cursor_blink = False
        self._send = send
        self._outside = outside
        self._history: Sequence[str] = ()
        self._at = -1
        self._draft = ""

    def on_mount(self) -> None:
        """Behind what is there."""
        self.move_cursor(self.document.end)

    def recall(self, texts: Sequence[str]) -> None:
        """What the arrow keys bring back, the newest first."""
        self._history = texts
        if self._at >= len(texts):
            self._at = -1

    def put(self, text: str) -> None:
        """Another text, the cursor behind it."""
        self.load_text(clean(text))
        self.move_cursor(self.document.end)

    def _step(self, steps: int) -> bool:
        """Another text sent before; -1 is the draft."""
        to = max(-1, min(self._at + steps, len(self._history) - 1))
        if to == self._at:
            return False
        if self._at < 0:
            self._draft = self.text
        self._at = to
        self.put(self._draft if to < 0 else self._history[to])
        return True

    async def _on_key(self, event: events.Key) -> None:
        match event.key:
            case "enter" | "ctrl+s":
                if self.text.strip():
                    self._send(event.key == "ctrl+s")
            case "ctrl+g":
                self._outside()
            case key if key in _NEW_LINE:
                self.insert("\n")
            case "up" if self.cursor_at_first_line and self._step(1):
                pass
            case "down" if self.cursor_at_last_line and self._at >= 0 and self._step(-1):
                pass
            case _:
                await super()._on_key(event)
                return
        event.stop()
        event.prevent_default()

    async def _on_paste(self, event: events.Paste) -> None:
        await super()._on_paste(events.Paste(clean(event.text)))
        event.stop()
        event.prevent_default()
