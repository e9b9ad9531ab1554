"""The bar above the footer, there only while somebody asks: who, what would run, and the keys that answer.

It answers from any panel: the leader, then the key. What is answered is the request that was shown when the leader
was pressed, and only if it had been there long enough to be read; the bar does not change while the leader waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual import events

from quarterdeck.text import cut_middle
from tui.asks import ANSWERS, KEYS, LINGER, Ask, Outcome
from tui.bars import Hint
from tui.canvas import Canvas
from tui.exact import one_line, runs
from tui.line import Line, Span, cells, compose
from tui.states import ASKING, look

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp

NARROW = 120
"""Columns; with fewer the keys stand on a line of their own."""
SETTLES_NS = 400_000_000
"""How long a request must have been shown before a key answers it."""
LOOK = "look"


class AskBar(Canvas):
    """Draws the request the app's :class:`Answering` has chosen."""

    def __init__(self) -> None:
        super().__init__()
        self._zones: dict[int, list[tuple[int, int, Hint]]] = {}

    def paint(self, y: int, width: int) -> Line:
        """Who and what; the keys behind it or below."""
        answering = self.deck.answering
        ask = answering.ask
        bg = "raised" if self.deck.keyboard.pending else "surface"
        self._zones[y] = []
        if ask is None:
            return self.blank(width, bg)
        two = self.outer_size.height > 1
        keys = self._keys(answering, width, bg) if not two or y == 1 else ([], [])
        if y == 1:
            self._zones[1] = self._shifted(keys[1], 0)
            return compose(width, keys[0], self._count(bg), self.palette, self.style(bg=bg))
        right: list[Span] = [] if two else [("   ", self.style(bg=bg)), *keys[0], *self._count(bg)]
        left = self._request(ask, width - cells(right), bg)
        if not two:
            self._zones[0] = self._shifted(keys[1], width - cells(right) + 3)
        return compose(width, left, right, self.palette, self.style(bg=bg))

    def _request(self, ask: Ask, room: int, bg: str) -> list[Span]:
        deck = self.deck
        agent = deck.fleet.agents.get(ask.agent)
        state = look("blocked")
        spans: list[Span] = [
            (f" {state.sign(deck.plain_glyphs)} ", self.style("warm", bg)),
            (cut_middle(agent.name if agent else ask.agent, 24), self.style("text", bg, bold=True)),
            (f" {ASKING.get(ask.kind, 'asks')}  ", self.style("warm", bg)),
        ]
        if ask.tool:
            spans.append((f" {ask.tool}  ", self.style("muted", bg)))
        if (size := ask.diff.count("\n")) and not ask.command:
            spans.append((f"{size} lines of changes in ", self.style("muted", bg)))
        text, whole = one_line(ask.subject, room - cells(spans) - 1, plain=deck.plain_glyphs)
        if not whole:
            rest = f"  {len(ask.subject):,} characters in all"
            text, _ = one_line(ask.subject, room - cells(spans) - len(rest) - 1, plain=deck.plain_glyphs)
            spans += self._exact(text, bg)
            spans.append((rest, self.style("muted", bg)))
        else:
            spans += self._exact(text, bg)
        return spans

    def _exact(self, text: str, bg: str) -> list[Span]:
        return [(part, self.style("warm" if named else "text", bg, bold=named)) for part, named in runs(text)]

    def _keys(self, answering: Answering, width: int, bg: str) -> tuple[list[Span], list[tuple[int, int, Hint]]]:
        """What the keys do, or what became of the answer."""
        outcome = answering.outcome
        if outcome is not None:
            sign = getattr(self.glyphs, outcome.sign)
            text = f"   {sign} {outcome.words}" + (f": {outcome.reason}" if outcome.reason else "")
            if cell_len(text) > width // 2:
                text = text[: width // 2] + self.glyphs.ellipsis
            return [(text, self.style(outcome.color, bg, bold=True)), ("  ", self.style(bg=bg))], []
        spans: list[Span] = [("   ", self.style(bg=bg))]
        zones = []
        if not self.deck.keyboard.pending:
            spans.append((f"{self.deck.leader_words}  ", self.style("muted", bg)))
        for hint in answering.hints():
            start = cells(spans)
            spans += [
                (hint.key, self.style("text", bg, bold=True)),
                (f" {hint.label}", self.style("muted", bg)),
            ]
            zones.append((start, cells(spans), hint))
            spans.append(("  ", self.style(bg=bg)))
        return spans, zones

    def _count(self, bg: str) -> list[Span]:
        number = len(self.deck.asks.waiting)
        return [(f" {number} ask ", self.style("muted", bg))] if number > 1 else []

    def _shifted(self, zones: list[tuple[int, int, Hint]], by: int) -> list[tuple[int, int, Hint]]:
        return [(start + by, end + by, hint) for start, end, hint in zones]

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Do what is clicked; beside the keys: look at all of it."""
        event.stop()
        for start, end, hint in self._zones.get(event.y, []):
            if start <= event.x < end:
                hint.run()
                return
        self.deck.answering.look()


class Answering:
    """Which request the bar shows, and the keys that answer it."""

    def __init__(self, app: QuarterdeckApp) -> None:
        self._app = app
        self._shown = ""
        self._digest = ""
        """What it asked when it was shown."""
        self._since = 0
        self._aimed = ("", "")
        """The request the leader key was pressed at, and its digest then; empty if that came too short before."""
        self._offered: frozenset[str] = frozenset()
        """The keys that stood in the bar when the leader was pressed."""
        self._lingers: asyncio.TimerHandle | None = None

    @property
    def ask(self) -> Ask | None:
        """The request shown."""
        return self._app.asks.find(self._shown)

    @property
    def lines(self) -> int:
        """Lines the bar takes."""
        if self.ask is None:
            return 0
        return 1 if self._app.size.width >= NARROW else 2

    @property
    def outcome(self) -> Outcome | None:
        """What became of the answer to the request shown; None while keys can answer it."""
        ask = self.ask
        if ask is None or any(self._app.asks.answerable(ask.id, answer) for answer in ANSWERS):
            return None
        return self._app.asks.outcome(ask.id)

    def stop(self) -> None:
        """The app ends."""
        if self._lingers is not None:
            self._lingers.cancel()
            self._lingers = None

    def choose(self) -> None:
        """Take the focused agent's request, else the oldest; what is being answered stays until its fate was seen."""
        if self._app.keyboard.pending:
            return
        asks = self._app.asks
        now = asks.find(self._shown)
        if now is not None and (self._lingers is not None or (now.open and self.outcome is not None)):
            return
        if now is not None and not now.open and asks.answered_here(now.id):
            self._lingers = asyncio.get_running_loop().call_later(LINGER, self._move_on)
            return
        waiting = asks.waiting
        mine = [ask.id for ask in waiting if ask.agent == self._app.focused_agent]
        others = [ask.id for ask in waiting]
        for found in (mine, others):
            if found:
                self._show(self._shown if self._shown in found else found[0])
                return
        self._show("")

    def _show(self, ident: str) -> None:
        ask = self._app.asks.find(ident)
        digest = ask.digest if ask is not None else ""
        if (ident, digest) != (self._shown, self._digest):
            self._shown, self._digest, self._since = ident, digest, self._app.clock.monotonic_ns()

    def _move_on(self) -> None:
        self._lingers = None
        self._shown = ""
        self._app.sync()

    @property
    def read(self) -> bool:
        """Whether what is shown has been there long enough to be read."""
        ask = self.ask
        return (
            ask is not None
            and ask.digest == self._digest
            and self._app.clock.monotonic_ns() - self._since >= SETTLES_NS
        )

    # keys

    def aim(self) -> None:
        """The leader was pressed: its next key means what is shown now."""
        self._aimed = (self._shown, self._digest) if self.read else ("", "")
        self._offered = frozenset("enter" if hint.label == LOOK else hint.key for hint in self.hints())

    def takes(self, word: str) -> bool:
        """Whether this key after the leader is the bar's: it stood there when the leader was pressed."""
        return word in self._offered

    def hints(self) -> list[Hint]:
        """The keys that work on what is shown."""
        ask = self.ask
        if ask is None:
            return []
        found = [
            Hint(key, ANSWERS[answer], self._clicker(ask, answer))
            for key, answer in KEYS.items()
            if self._app.asks.answerable(ask.id, answer)
        ]
        return [*found, Hint(self._app.glyphs.enter, LOOK, self.look)]

    def _clicker(self, ask: Ask, answer: str) -> Callable[[], None]:
        return lambda: self.give(ask.id if self.read else "", ask.digest, answer)

    def key(self, word: str) -> None:
        """A key after the leader that :meth:`takes` said is the bar's."""
        if word == "enter":
            self.look()
        else:
            self.give(*self._aimed, KEYS[word])

    def give(self, ident: str, digest: str, answer: str) -> None:
        """Answer; a denial may carry a reason."""
        if not ident:
            self._app.words.say("that came just now: look first; nothing was answered", seconds=6)
        elif not self._app.asks.answerable(ident, answer):
            self._app.words.say("that request is gone; nothing was answered", seconds=6)
        elif answer == "deny":
            self._app.actions.ask_why_not(ident)
        else:
            self._app.asks.answer(ident, digest, answer)

    def look(self) -> None:
        """All of what is shown, in the inbox."""
        self._app.actions.open_inbox(self._shown)
