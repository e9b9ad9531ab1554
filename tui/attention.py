"""Calls for the person: a word on this screen, and the outer terminal's bell and notification.

Which notification a terminal knows is told by its name: OSC 99 (kitty), 9 (iTerm2, WezTerm, Ghostty, Windows
Terminal), 777 (foot, urxvt, VTE). Any other one only gets the bell, and so does one behind tmux, which may keep
sequences for itself, in addition to what is passed through. The text holds printable characters only.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from quarterdeck.text import safe
from tui.driver import Terminal
from tui.port import frames
from tui.toasts import Offer

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp

BELL = "\a"
_AWAY_NS = 60_000_000_000
"""Without a key for this long, a person at a terminal that does not tell its focus counts as away."""
_STALE_NS = 60_000_000_000
"""A call that comes this late, after a time without an orchestrator, is no news: the list tells how things are."""
_LONGEST = 200


def way(environ: Mapping[str, str]) -> str:
    """Which sequence the outer terminal knows, by its variables: 99, 9, 777, "" for none."""
    program = (environ.get("LC_TERMINAL") or environ.get("TERM_PROGRAM") or "").lower()
    term = environ.get("TERM", "").lower()
    if environ.get("KITTY_WINDOW_ID") or "kitty" in term:
        return "99"
    if program in ("iterm.app", "iterm2", "wezterm", "ghostty") or environ.get("WT_SESSION") or "ghostty" in term:
        return "9"
    if environ.get("VTE_VERSION") or term.startswith(("foot", "rxvt-unicode")):
        return "777"
    return ""


def sequence(kind: str, title: str, text: str, *, number: int = 1) -> str:
    """A notification for the outer terminal, "" where it knows none. Both texts are made safe here."""
    title, text = safe(title, 60).replace(";", ","), safe(text, _LONGEST).replace(";", ",")
    both = f"{title}: {text}" if text else title
    match kind:
        case "99":
            ident = f"i=quarterdeck{number}"
            body = f"\x1b]99;{ident}:d=1:p=body;{text}\x1b\\" if text else ""
            return f"\x1b]99;{ident}:d={0 if text else 1};{title}\x1b\\{body}"
        case "9":
            return f"\x1b]9;quarterdeck, {both}\x1b\\"  # a number in front would be another of its verbs
        case "777":
            return f"\x1b]777;notify;{title};{text}\x1b\\"
    return ""


def through_tmux(data: str) -> str:
    """``data`` wrapped for the terminal around tmux; tmux drops it unless ``allow-passthrough`` is on."""
    return "\x1bPtmux;" + data.replace("\x1b", "\x1b\x1b") + "\x1b\\" if data else ""


def call(environ: Mapping[str, str], title: str, text: str, *, bell: bool, notify: bool, number: int = 1) -> str:
    """All that is written to the outer terminal for one call."""
    found = sequence(way(environ), title, text, number=number) if notify else ""
    inside_tmux = bool(environ.get("TMUX"))
    ring = bell or (notify and (inside_tmux or not found))
    return (through_tmux(found) if inside_tmux else found) + (BELL if ring else "")


class Attention:
    """Carries calls out, unless the person looks at that very agent."""

    def __init__(self, app: QuarterdeckApp, environ: Mapping[str, str] = os.environ) -> None:
        self._app = app
        self._environ = environ
        self._calls = 0
        self.focus_told = False
        """Whether the outer terminal has ever told that it gained or lost the focus."""
        self.typed_ns = app.clock.monotonic_ns()

    def looked_at(self, agent: str) -> bool:
        """Whether the person looks at this agent, as far as can be known."""
        app = self._app
        here = app.app_focus if self.focus_told else app.clock.monotonic_ns() - self.typed_ns < _AWAY_NS
        return here and agent == app.focused_agent and agent in app.shown and app.screen is app.deck_screen

    def called(self, event: frames.Happened) -> None:
        """An event ``agent.attention``: its data hold title and text, and which ways are wanted."""
        info = self._app.fleet.agents.get(event.agent)
        stale = event.wall_ns and self._app.now() - event.wall_ns > _STALE_NS
        if stale or self.looked_at(event.agent):
            return
        data = event.data
        title = safe(str(data.get("title") or (info.name if info else "an agent")), 60)
        text = safe(str(data.get("text") or data.get("message") or ""), _LONGEST)
        if info is None or info.status != "blocked":  # what asks stands in the bar already
            there = Offer(f"go to {info.name}", lambda: self._app.focus_agent(event.agent)) if info else None
            self._app.toasts.tell(title, text, seconds=6, offer=there)
        ways = data.get("ways")
        wanted = {str(one) for one in ways} if isinstance(ways, list | tuple) else {"bell", "desktop"}
        self._calls += 1
        said = call(self._environ, title, text, bell="bell" in wanted, notify="desktop" in wanted, number=self._calls)
        if said and isinstance(self._app._driver, Terminal):
            self._app._driver.call(said)
