"""Mistakes of our own: what happens inside a dialog or a deed ends that alone, is logged, and is said in one line.

Only a fault of the deck itself, without which nothing can be shown any more, ends the client (:mod:`tui.crash`).
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual._context import active_message_pump
from textual.dom import DOMNode
from textual.screen import Screen
from textual.worker import WorkerFailed

from quarterdeck.errors import QuarterdeckError
from quarterdeck.logfile import PrivateFile
from quarterdeck.text import plain, safe

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp

MAX_BYTES, KEPT = 1 << 20, 3
SAME = 10.0
"""Seconds in which the same fault is said once, however often it comes; the log has them all."""
log = logging.getLogger("tui")


class Lines(logging.Formatter):
    """A line for what happened and the traceback below it, for a person to read; secrets are masked."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """The record as text, without a character that could do something to the terminal it is read in."""
        import os

        from quarterdeck.redaction import Redactor, secrets_in  # slow to load, and needed for mistakes only

        return plain(Redactor(secrets_in(os.environ)).redact(super().format(record)).text)


@contextmanager
def logged(path: Path) -> Iterator[None]:
    """Send warnings and faults of this process to ``path`` instead of over the screen, for as long as this is open."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handler = PrivateFile(path, maxBytes=MAX_BYTES, backupCount=KEPT, encoding="utf-8", delay=True)
    handler.setFormatter(Lines())
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.handlers[:], root.level = before
        handler.close()


class Faults:
    """Takes an exception nobody expected."""

    def __init__(self, app: QuarterdeckApp) -> None:
        self._app = app
        self._said: tuple[str, float] = ("", 0.0)
        self.log_path: Path | None = None
        """Where what was logged can be read, once that is known."""

    def contain(self, error: Exception) -> bool:
        """Take the error if what it broke can be given up alone; False where the client has to end.

        A screen whose messages are no longer handled is closed; what stood in it is kept where it can be.
        """
        if isinstance(error, WorkerFailed) and isinstance(error.error, Exception):
            self.note("what was asked for was given up", error.error)
            return True
        screen = self._broken_screen()
        if screen is None:
            return False
        self.note("it was closed", error)
        self._app.call_later(self._close, screen)
        return True

    def note(self, what: str, error: Exception) -> None:
        """Log an error with its traceback and say in a line that there was one; ``what`` became of it."""
        log.error("%s", what, exc_info=error)
        place = traceback.extract_tb(error.__traceback__)[-1:]
        words = f"{type(error).__name__} in {place[0].name}" if place else type(error).__name__
        now = self._app.clock.monotonic_ns() / 1e9
        if self._said[0] == words and now - self._said[1] < SAME:
            return
        self._said = (words, now)
        toasts = self._app.toasts
        title = "something went wrong here"
        lines = [f"{safe(words, 80)}: {what}; the agents run on."]
        if self.log_path is not None:
            lines.append(f"logged in {safe(self._app.home_relative(str(self.log_path)), 200)}")
        toasts.tell(title, "\n".join(lines), severity="error", offer=toasts.copying("\n".join([title, *lines])))

    @contextmanager
    def guarded(self, doing: str) -> Iterator[None]:
        """Whatever goes wrong inside is said; nothing of it is raised."""
        try:
            yield
        except QuarterdeckError as error:
            self._app.toasts.complain(doing, error)
        except Exception as error:  # noqa: BLE001  logged and said
            self.note(f"could not {doing}", error)

    def unhandled(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """The loop's: an error in a callback, or of a task nobody waits for."""
        error = context.get("exception")
        if isinstance(error, Exception):
            self.note("what was asked for was given up", error)
        else:
            log.error("the loop: %s", context.get("message"))

    def _broken_screen(self) -> Screen[Any] | None:
        """The dialog in which messages are being handled; None on the deck and in the app itself."""
        pump = active_message_pump.get(None)
        if not isinstance(pump, DOMNode) or pump is self._app:
            return None
        screen = next((node for node in pump.ancestors_with_self if isinstance(node, Screen)), None)
        return None if screen is self._app.deck_screen else screen

    def _close(self, screen: Screen[Any]) -> None:
        """Close a screen that does not work any more, and what lies over it."""
        app = self._app
        if screen not in app.screen_stack or screen is app.deck_screen:
            return
        while app.screen is not screen:
            app.pop_screen()
        if isinstance(screen, Rescues):
            with self.guarded("keep what was written"):
                screen.rescue()
        app.pop_screen()


class Rescues:
    """A screen with something a person wrote."""

    def rescue(self) -> None:
        """Keep it: this screen is about to be closed by a fault. Must not touch widgets that need a living screen."""
        raise NotImplementedError
