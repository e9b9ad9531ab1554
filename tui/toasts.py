"""Passing messages over the panels: what happened, what is safe, and one thing to do about it, by key or by click."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal, NamedTuple

from textual import events
from textual.errors import NoWidget
from textual.notifications import Notification
from textual.widgets._toast import Toast

from quarterdeck.errors import QuarterdeckError
from quarterdeck.keymap.settings import word
from quarterdeck.keys import KeyPress
from quarterdeck.text import safe

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp

SAFE = "The agents run on."
SECONDS = 10.0
"""How long an error stays, while nobody answers it."""
REMEMBERED = 60.0
"""Seconds for which the key still does what a toast offered; later it could only surprise."""
BEGUN: ContextVar[str] = ContextVar("BEGUN", default="")
"""The command that is being carried out, here and in all that it began: what "try again" does once more."""


class Offer(NamedTuple):
    """What can be done about a message: its words for a person, and the deed."""

    label: str
    run: Callable[[], object]


class _Open(NamedTuple):
    notification: Notification
    offer: Offer
    until: float


class Toasts:
    """Says things in passing. Only the newest offer is the key's; each toast's own is its click's."""

    def __init__(self, app: QuarterdeckApp) -> None:
        self._app = app
        self._offers: list[_Open] = []
        self._led = False
        """Whether the leader was pressed in a dialog."""

    def tell(
        self,
        title: str,
        text: str = "",
        *,
        severity: Literal["information", "warning", "error"] = "information",
        seconds: float = SECONDS,
        offer: Offer | None = None,
    ) -> None:
        """Show a message. ``title`` and ``text`` are shown as they are, never as markup; several lines are fine."""
        lines = [line for line in text.split("\n") if line]
        if offer is not None:
            lines.append(f"{self._app.commands.shortest('act')}  {offer.label}".strip())
        told = Notification("\n".join(lines) or " ", title, severity, seconds, markup=False)
        self._app.show_toast(told)
        now = self._now()
        self._offers = [one for one in self._offers if one.until > now]
        if offer is not None:
            self._offers.append(_Open(told, offer, now + max(seconds, REMEMBERED)))

    def complain(
        self,
        doing: str,
        error: QuarterdeckError,
        again: Callable[[], object] | None = None,
        way: Offer | None = None,
    ) -> None:
        """An error a person reads: what happened, that the agents run on where that is in doubt, what to do.

        ``again`` tries once more; by default that is the command in whose course it failed. ``way`` is offered where
        the orchestrator refused and trying again would change nothing, instead of copying the message.
        """
        lines = [safe(error.message, 300)]
        if error.code in ("unreachable", "broken") and "agents" not in error.message:
            lines.append(SAFE)
        if error.hint:
            lines.append(safe(error.hint, 200))
        title = f"could not {doing}"
        self.tell(title, "\n".join(lines), severity="error", offer=self._way_out(title, lines, error, again, way))

    def _way_out(
        self,
        title: str,
        lines: list[str],
        error: QuarterdeckError,
        again: Callable[[], object] | None,
        way: Offer | None,
    ) -> Offer:
        """The one thing to do that fits an error."""
        app = self._app
        reconnect = Offer("reconnect", lambda: app.run_command("reconnect"))
        if error.code == "unreachable" and app.state.phase == "stopped":
            return reconnect
        command = BEGUN.get()
        if again is None and command:
            again = lambda: app.run_command(command)  # noqa: E731
        if error.code in ("unreachable", "broken") and again is not None:
            return Offer("try again", again)
        if error.code == "unreachable":
            return reconnect
        if error.code == "broken":
            return Offer("see what doctor finds", lambda: app.run_command("doctor"))
        return way or self.copying("\n".join([title, *lines]))

    def copying(self, text: str) -> Offer:
        """Copies a message, for a person who asks somebody else about it."""

        def copy() -> None:
            self._app.copy_to_clipboard(text)
            self._app.words.say("copied, where the terminal lets programs do that")

        return Offer("copy the message", copy)

    def can_act(self) -> bool:
        """Whether a message offers something now."""
        return any(one.until > self._now() for one in self._offers)

    def do_act(self) -> None:
        """Do what the newest toast offers, and take it away."""
        now = self._now()
        while self._offers:
            newest = self._offers.pop()
            if newest.until > now:
                self._do(newest)
                return
        self._app.words.say("no message offers anything now")

    def key(self, press: KeyPress) -> bool:
        """In a dialog, whose keys are its own: the leader and the key for the newest offer, while there is one."""
        led, self._led = self._led, False
        if not self.can_act():
            return False
        if led and word(press) in self._app.keymap.keys("act"):
            self.do_act()
            return True
        self._led = press[:2] == self._app.keymap.leader[:2]
        return self._led

    def clicked(self, event: events.MouseDown) -> bool:
        """Do what the toast under the pointer offers; False where there is none."""
        try:
            widget, _ = self._app.screen.get_widget_at(event.screen_x, event.screen_y)
        except NoWidget:
            return False
        if not isinstance(widget, Toast):
            return False
        for one in self._offers:
            if one.notification is widget._notification:
                self._offers.remove(one)
                self._do(one)
                return True
        return False

    def _do(self, one: _Open) -> None:
        if one.notification in self._app._notifications:
            self._app._unnotify(one.notification)
        one.offer.run()

    def _now(self) -> float:
        return self._app.clock.monotonic_ns() / 1e9
