"""The inbox: every open request of every agent, what exactly each would do, and the keys that decide."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from textual import events
from textual.app import ComposeResult
from textual.containers import Container
from textual.screen import ModalScreen

from quarterdeck.text import cut_middle
from tui.askbar import SETTLES_NS
from tui.asks import ANSWERS, KEYS, Ask
from tui.bars import Hint, KeyBar
from tui.canvas import Canvas
from tui.exact import folded, one_line, runs
from tui.line import Line, Span, cells, compose
from tui.scrolled import Scrolled, Wheel
from tui.states import ASKING, look

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp

COLUMN = 72
"""Cells of the inbox where it stands beside the panels."""
BESIDE_FROM = 200
"""Columns of the screen from which it does."""
SPLIT_FROM = 110
"""Columns from which list and request stand side by side; with fewer one above the other."""
_KINDS = {"permission": "asks permission", "question": "asks a question", "trust": "asks for trust",
          "login": "asks to log in"}  # fmt: skip
PER_ENTRY = 2


def column(width: int, height: int) -> int:
    """Cells an open inbox takes beside the panels on a screen of this size; 0: it stands over them."""
    return COLUMN if width >= BESIDE_FROM and height >= 24 else 0


def _roles(text: str, color: str) -> list[tuple[str, str]]:
    """A folded line as (text, colour role); what stands for something invisible is warm."""
    return [(part, "warm!" if named else color) for part, named in runs(text)]


class Requests(Wheel, Canvas):
    """The list, two lines each: who and since when, what."""

    def __init__(self) -> None:
        super().__init__(id="requests")
        self.first = 0

    @property
    def inbox(self) -> Inbox:
        """The screen it is on."""
        return cast("Inbox", self.screen)

    def keep_in_sight(self) -> None:
        """Show the chosen one."""
        room = max(1, self.outer_size.height // PER_ENTRY)
        at = self.inbox.at
        last = max(0, len(self.inbox.asks) - room)
        self.first = min(last, max(at - room + 1, min(self.first, at)))

    def paint(self, y: int, width: int) -> Line:
        """One line of one request."""
        asks = self.inbox.asks
        number = self.first + y // PER_ENTRY
        if number >= len(asks):
            return self.blank(width, "surface")
        ask = asks[number]
        chosen = number == self.inbox.at
        bg = "raised" if chosen else "surface"
        mark: Span = (self.glyphs.mark if chosen else " ", self.style("accent", bg))
        if y % PER_ENTRY:
            text, _ = one_line(ask.subject or ask.tool, width - 5, plain=self.deck.plain_glyphs)
            shown = [(part, self.style("warm" if named else "muted", bg)) for part, named in runs(text)]
            return compose(width, [mark, ("  ", self.style(bg=bg)), *shown], (), self.palette, self.style(bg=bg))
        right = self._right(ask, bg)
        agent = self.deck.fleet.agents.get(ask.agent)
        state = look("blocked")
        color = "warm" if ask.open else "muted"
        left: list[Span] = [
            mark,
            (f"{state.sign(self.deck.plain_glyphs) if ask.open else ' '} ", self.style(color, bg)),
            (cut_middle(agent.name if agent else ask.agent, 20), self.style("text", bg, bold=chosen)),
        ]
        if ask.tool and cells(left) + cells(right) + len(ask.tool) + 2 <= width:
            left.append((f"  {ask.tool}", self.style("muted", bg)))
        return compose(width, left, right, self.palette, self.style(bg=bg))

    def _right(self, ask: Ask, bg: str) -> list[Span]:
        outcome = self.deck.asks.outcome(ask.id)
        if outcome is not None:
            return [(f"{getattr(self.glyphs, outcome.sign)} {outcome.words} ", self.style(outcome.color, bg))]
        return [
            (f"{ASKING.get(ask.kind, 'asks'):<8} ", self.style("warm", bg)),
            (f"{self.deck.since(ask.asked_ns):>5} ", self.style("muted", bg)),
        ]

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Choose what is clicked."""
        event.stop()
        self.inbox.choose(self.first + event.y // PER_ENTRY)

    def wheel(self, notches: int) -> None:
        """See :class:`Wheel`."""
        self.inbox.choose(self.inbox.at + notches)


_NOBODY = {
    1: ("  nobody asks for anything", "text"),
    3: ("  what agents ask for comes here, and into the bar below their panels:", "muted"),
    4: ("  y allows it, n denies it, enter goes to the panel", "muted"),
}
"""What the inbox says while it is empty, by line."""


class Request(Scrolled):
    """All of one request, exactly, scrolled where it does not fit."""

    def __init__(self) -> None:
        super().__init__(id="request")
        self._rows: list[list[tuple[str, str]]] = []
        self._made_for: object = None

    @property
    def rows(self) -> list[list[tuple[str, str]]]:
        """Its lines as (text, colour role) for the present width."""
        inbox = cast("Inbox", self.screen)
        ask = inbox.ask
        made_for = (ask, inbox.deck.asks.outcome(ask.id) if ask else None, self.outer_size.width)
        if made_for != self._made_for:
            self._made_for = made_for
            self._rows = self._make(ask, max(8, self.outer_size.width - 4)) if ask else []
        return self._rows

    def _make(self, ask: Ask, width: int) -> list[list[tuple[str, str]]]:
        deck = self.deck
        agent = deck.fleet.agents.get(ask.agent)
        session = deck.fleet.sessions.get(agent.session) if agent else None
        head = [(agent.name if agent else ask.agent, "text!"), ("  ", "text")]
        head.append((_KINDS.get(ask.kind, "asks"), "warm"))
        about = "  ".join(
            part for part in (agent.kind if agent else "", f"in {session.name}" if session else "",
                              agent.branch if agent else "", f"told by {ask.source}" if ask.source else "") if part
        )  # fmt: skip
        rows: list[list[tuple[str, str]]] = [[], head, [(about, "muted")], []]
        if ask.tool:
            rows.append([(ask.tool, "text!")])
        said = any(what and what in ask.text for what in (ask.command, ask.path))
        for text in (ask.command, "" if said else ask.text):
            if text:
                rows += self._block(text, width)
        if ask.path:
            rows += [[], [("path", "muted")], *self._block(ask.path, width)]
        if ask.diff:
            rows += [[], [("changes", "muted")], *self._diff(ask.diff, width)]
        if ask.shown and not ask.command:
            rows += [[], [("on its screen", "muted")], *self._block(ask.shown, width)]
        outcome = deck.asks.outcome(ask.id)
        if outcome is not None:
            rows += [[], [(f"{getattr(self.glyphs, outcome.sign)} {outcome.words}", f"{outcome.color}!"),
                          (f"  {outcome.reason}", "muted")]]  # fmt: skip
        elif not ask.can:
            rows += [[], [("It can only be answered in its panel.", "muted")]]
        return rows

    def _block(self, text: str, width: int) -> list[list[tuple[str, str]]]:
        more = f"{self.glyphs.more} "
        return [
            [(more if line.more else "  ", "muted"), *_roles(line.text, "text")]
            for line in folded(text, width - 2, plain=self.deck.plain_glyphs)
        ]

    def _diff(self, text: str, width: int) -> list[list[tuple[str, str]]]:
        rows = []
        color = "muted"
        for line in folded(text, width - 2, plain=self.deck.plain_glyphs):
            if not line.more:
                header = line.text.startswith(("+++ ", "--- "))
                color = "muted" if header else {"+": "calm", "-": "warm"}.get(line.text[:1], "muted")
            rows.append([("  ", color), *_roles(line.text, color)])
        return rows

    def paint(self, y: int, width: int) -> Line:
        """One line."""
        number = self.first + y
        rows = self.rows
        if not rows:
            text, role = _NOBODY.get(y, ("", "muted"))
            return compose(width, [(text, self.style(role))], (), self.palette, self.style())
        row = rows[number] if number < len(rows) else []
        spans = [("  ", self.style()), *((t, self.style(role.rstrip("!"), bold=role.endswith("!"))) for t, role in row)]
        right: list[Span] = []
        if self.below and y == self.outer_size.height - 1:
            spans = []
            right = [(f" {self.below + 1:,} lines more, pgdn ", self.style("muted", "raised"))]
        return compose(width, spans, right, self.palette, self.style())


class Heading(Canvas):
    """One line that says what this is."""

    def paint(self, y: int, width: int) -> Line:
        """The name and how many are open."""
        waiting = sum(ask.open for ask in cast("Inbox", self.screen).asks)
        bg = "raised"
        left = [(" inbox", self.style("text", bg, bold=True))]
        right: list[Span] = [(f"{waiting} open ", self.style("warm" if waiting else "muted", bg))]
        return compose(width, left, right, self.palette, self.style(bg=bg))


class Inbox(ModalScreen[None], inherit_bindings=False):
    """All open requests; what was answered since it was opened stays, with what became of it."""

    AUTO_FOCUS = ""

    def __init__(self, chosen: str = "") -> None:
        super().__init__()
        self.asks: list[Ask] = []
        self._chosen = chosen
        self._shown = ("", "")
        """Which request the keys would answer, and the digest of what it asks."""
        self._since = 0
        """Since when that is shown without the person's having chosen it."""
        self._seen: dict[str, None] = {}
        self._stop: Callable[[], None] = lambda: None
        self.requests = Requests()
        self.request = Request()
        self.heading = Heading(id="heading")
        self.keys = KeyBar(id="keys")

    @property
    def deck(self) -> QuarterdeckApp:
        """The app, typed."""
        return cast("QuarterdeckApp", self.app)

    @property
    def at(self) -> int:
        """Which one is chosen."""
        return next((number for number, ask in enumerate(self.asks) if ask.id == self._chosen), 0)

    @property
    def ask(self) -> Ask | None:
        """The chosen one."""
        return self.asks[self.at] if self.asks else None

    def compose(self) -> ComposeResult:
        """List and request; the keys at the very bottom."""
        with Container(id="sheet"):
            yield self.heading
            with Container(id="both"):
                yield self.requests
                yield self.request
        yield self.keys

    def on_mount(self) -> None:
        """Follow what is asked."""
        self._stop = self.deck.asks.listen(self.sync)
        self._arrange()
        self.sync()

    def on_unmount(self) -> None:
        """Follow no more."""
        self._stop()

    def on_resize(self) -> None:
        """Beside the panels, side by side, or one above the other."""
        self._arrange()
        self.sync()

    def _arrange(self) -> None:
        size = self.app.size
        beside = column(size.width, size.height)
        self.set_class(bool(beside), "-column")
        self.set_class(self.deck.plain_glyphs, "-plain")
        self.set_class(not beside and size.width >= SPLIT_FROM, "-split")
        self.requests.styles.height = (
            "1fr" if self.has_class("-split") else max(2, min(PER_ENTRY * max(1, len(self.asks)), size.height // 3))
        )

    def sync(self) -> None:
        """Take what is asked now; the chosen one stays chosen."""
        known = self.deck.asks
        for waiting in known.waiting:
            self._seen.setdefault(waiting.id)
        found = [ask for ident in self._seen if (ask := known.find(ident)) is not None]
        self.asks = sorted(found, key=lambda ask: (ask.asked_ns, ask.id))
        ask = self.ask
        if ask is not None and (ask.id, ask.digest) != self._shown:
            self._chosen = ask.id
            self._shown, self._since = (ask.id, ask.digest), self.deck.clock.monotonic_ns()
            self.request.first = 0
        self._arrange()
        self.requests.keep_in_sight()
        self.request.first = max(0, min(self.request.first, len(self.request.rows) - 1))
        for widget in (self.heading, self.requests, self.request):
            widget.touch()
        self._put_keys()

    def _put_keys(self) -> None:
        ask = self.ask
        hints = []
        if ask is not None:
            for key, answer in KEYS.items():
                if self.deck.asks.answerable(ask.id, answer):
                    hints.append(Hint(key, ANSWERS[answer], self._giver(ask, answer)))
            hints.append(Hint(self.deck.glyphs.enter, "go to its panel", self.jump))
            hints.append(Hint(self.deck.glyphs.arrows, "choose", lambda: self.choose(self.at + 1)))
            if len(self.request.rows) > self.request.outer_size.height > 0:
                hints.append(Hint("pgup pgdn", "scroll", lambda: self.request.scroll_lines(10)))
        self.keys.put([*hints, Hint("esc", "back", self.leave)])

    def _giver(self, ask: Ask, answer: str) -> Callable[[], None]:
        return lambda: self.give(ask, answer)

    # a person acts

    def choose(self, number: int) -> None:
        """Another request."""
        if self.asks:
            ask = self.asks[max(0, min(number, len(self.asks) - 1))]
            self._chosen = ask.id
            self._shown, self._since = (ask.id, ask.digest), 0
            self.request.first = 0
            self.sync()

    def give(self, ask: Ask, answer: str) -> None:
        """Answer ``ask`` if that is what is shown, and go on to the next one."""
        deck = self.deck
        if (ask.id, ask.digest) != self._shown or not deck.asks.answerable(ask.id, answer):
            return
        if deck.clock.monotonic_ns() - self._since < SETTLES_NS:
            self.keys.put(self.keys.hints, note="that came just now: look first")
            return
        if answer == "deny":
            deck.actions.ask_why_not(ask.id, self.go_on)
        else:
            deck.asks.answer(ask.id, ask.digest, answer)
            self.go_on()

    def go_on(self) -> None:
        """Choose the next request that waits, if there is one."""
        for number in [*range(self.at + 1, len(self.asks)), *range(self.at)]:
            ident = self.asks[number].id
            if self.asks[number].open and self.deck.asks.outcome(ident) is None:
                self._chosen = ident
                break
        self.sync()

    def jump(self) -> None:
        """Go to the panel of who asks."""
        ask = self.ask
        self.dismiss(None)
        if ask is not None:
            self.app.call_later(self.deck.focus_agent, ask.agent)

    def leave(self) -> None:
        """Close."""
        self.dismiss(None)

    async def on_key(self, event: events.Key) -> None:
        """Answer, move, leave."""
        event.stop()
        event.prevent_default()
        ask = self.ask
        match event.key:
            case "y" | "a" | "n" if ask is not None:
                self.give(ask, KEYS[event.key])
            case "enter":
                self.jump()
            case "escape" | "q" | "i":
                self.leave()
            case "down" | "j" | "tab":
                self.choose(self.at + 1)
            case "up" | "k" | "shift+tab":
                self.choose(self.at - 1)
            case "pagedown" | "space":
                self.request.scroll_lines(max(1, self.request.outer_size.height - 2))
            case "pageup" | "b":
                self.request.scroll_lines(-max(1, self.request.outer_size.height - 2))
            case "home":
                self.request.scroll_lines(-len(self.request.rows))
            case "end":
                self.request.scroll_lines(len(self.request.rows))
