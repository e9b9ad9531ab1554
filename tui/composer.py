"""Writes prompts for one agent, and shows its queue with what became of each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen

from quarterdeck.errors import QuarterdeckError
from quarterdeck.text import safe
from tui.again import Again
from tui.bars import Hint, KeyBar
from tui.canvas import Canvas
from tui.chooser import Chooser
from tui.dialogs import Moves
from tui.editor import Editor
from tui.exact import one_line, runs
from tui.faults import Rescues
from tui.fleet import AgentInfo
from tui.follower import Follows
from tui.line import Line, Span, cells, compose
from tui.outside import rewrite
from tui.port import frames
from tui.prompts import PromptInfo, history, listed, moved
from tui.states import look

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp


class Queue(Chooser[PromptInfo]):
    """The prompts of an agent."""

    known = False
    """Whether they were asked for."""

    def put(self, prompts: list[PromptInfo]) -> None:
        """Show these; the marked one stays marked."""
        before = self.chosen
        self.entries, self.known = prompts, True
        self.choose(next((n for n, one in enumerate(prompts) if before and one.id == before.id), 0))

    def words(self, y: int) -> str:
        """How many wait."""
        if y:
            return ""
        if not self.known:
            return " queue  asking for its queue"
        waiting = sum(one.open for one in self.entries)
        return f" queue  {f'{waiting} waiting' if self.entries else 'no prompts yet; what is sent stands here'}"

    def entry(self, one: PromptInfo, here: bool, bg: str, width: int) -> Line:
        """One prompt: its state, its text, what confirmed it."""
        left: list[Span] = [
            (self.glyphs.mark if here else " ", self.style("accent", bg)),
            (f"{getattr(self.glyphs, one.look.sign)} ", self.style(one.look.color, bg)),
            (f"{one.look.word:<12} ", self.style(one.look.color, bg)),
        ]
        about = f"now  {one.about}".strip() if one.now and one.open else one.about
        room = width - cells(left)
        text, _ = one_line(one.text, max(10, room - min(len(about), room // 2) - 4), plain=self.deck.plain_glyphs)
        left += [(part, self.style("warm" if named else "text", bg)) for part, named in runs(text)]
        right: list[Span] = [(f"  {safe(about, room // 2)} ", self.style("muted", bg))] if about else []
        return compose(width, left, right, self.palette, self.style(bg=bg))


class Title(Canvas):
    """Who the prompt is for, and how that one is."""

    def __init__(self) -> None:
        super().__init__(id="heading")

    def paint(self, y: int, width: int) -> Line:
        """Name at the left, state at the right."""
        bg = "raised"
        composer = cast("Composer", self.screen)
        agent = composer.agent
        if agent is None:
            gone = [(" that agent is gone", self.style("text", bg, bold=True))]
            return compose(width, gone, (), self.palette, self.style(bg=bg))
        state = look(agent.status)
        left = [(" prompt to ", self.style("muted", bg)), (agent.name, self.style("text", bg, bold=True))]
        if composer.editing:
            left.append(("  changes a queued one", self.style("muted", bg)))
        right = [
            (f"{state.sign(self.deck.plain_glyphs)} ", self.style(state.color, bg)),
            (f"{agent.full_word(self.deck.now())} ", self.style(state.color, bg)),
        ]
        return compose(width, left, right, self.palette, self.style(bg=bg))


class Composer(ModalScreen[None], Follows, Moves, Rescues, inherit_bindings=False):
    """``draft`` is what the text begins with; ``keep`` is told what stands there when it closes."""

    AUTO_FOCUS = "#editor"

    def __init__(self, agent: str, draft: str, keep: Callable[[str], None]) -> None:
        super().__init__()
        self._agent = agent
        self._keep = keep
        self.editing = ""
        """The queued prompt whose text is being changed."""
        self._own_draft = ""
        self._note = ""
        self._busy = False
        self._again = Again(self, self._renew)
        self.heading = Title()
        self.editor = Editor(draft, self.send, self.outside, placeholder="what should it do?")
        self.queue = Queue(id="queue")
        self.keys = KeyBar(id="keys")

    @property
    def deck(self) -> QuarterdeckApp:
        """The app, typed."""
        return cast("QuarterdeckApp", self.app)

    @property
    def agent(self) -> AgentInfo | None:
        """Whom it is for."""
        return self.deck.fleet.agents.get(self._agent)

    def compose(self) -> ComposeResult:
        """Who, text, queue, keys."""
        with Vertical(id="sheet"):
            yield self.heading
            yield self.editor
            yield self.queue
            yield self.keys

    def on_mount(self) -> None:
        """Ask for the queue."""
        self._put_keys()
        self._again.ask()

    def happened(self, event: frames.Happened) -> None:
        """Something became of a prompt."""
        if event.agent == self._agent and event.kind.startswith("prompt."):
            self._again.ask()

    def listed(self) -> None:
        """The agent may do something else now."""
        self.heading.touch()
        self._put_keys()

    async def _renew(self) -> None:
        await self._guarded(self._fetch, "read its queue", self._again.ask)

    async def _fetch(self) -> None:
        answer = await self.deck.link.request("GET", f"/v1/agents/{quote(self._agent)}/prompts")
        prompts = [PromptInfo.of(one) for one in (answer.get("prompts", []) if isinstance(answer, dict) else answer)]
        self.queue.put(listed(prompts))
        self.editor.recall(history(prompts))
        self._put_keys()

    async def _guarded(
        self, work: Callable[[], Awaitable[Any]], doing: str, again: Callable[[], object] | None = None
    ) -> bool:
        try:
            await work()
        except QuarterdeckError as error:
            self._say(f"could not {doing}")
            self.deck.toasts.complain(doing, error, again)
            return False
        return True

    def _say(self, note: str) -> None:
        self._note = note
        self._put_keys()

    def _put_keys(self) -> None:
        if not self.is_attached:
            return
        enter = self.deck.glyphs.enter
        one = self.queue.chosen
        if self.queue.has_focus:
            hints = []
            if one is not None and one.state == "queued":
                hints = [
                    Hint(enter, "edit", self.edit),
                    Hint("x", "cancel", self.cancel),
                    Hint("u", "earlier", lambda: self.move(-1)),
                    Hint("d", "later", lambda: self.move(1)),
                ]
            elif one is not None:
                hints = [Hint(enter, "take its text", self.edit)]
            hints += [Hint("tab", "text", self.editor.focus), Hint("esc", "back", self.leave)]
        else:
            agent = self.agent
            waits = agent is not None and agent.status in ("working", "blocked", "limited", "starting")
            label = "change it" if self.editing else "send when idle" if waits else "send"
            hints = [Hint(enter, label, lambda: self.send(False))]
            if not self.editing:
                hints.append(Hint("^S", "send now", lambda: self.send(True)))
            hints += [Hint(f"alt+{enter}", "new line", lambda: self.editor.insert("\n"))]
            hints += [Hint("tab", "queue", self.queue.focus), Hint("esc", "back", self.leave)]
            hints += [Hint("^G", "your editor", self.outside)]
        self.keys.put(hints, "", self._note, bg="background")

    # a person acts

    def send(self, now: bool) -> None:
        """Hand the text over; it stays in the editor until that worked."""
        text = self.editor.text
        if self._busy or not text.strip():
            return
        self._busy = True
        self._say("handing it over")

        async def hand_over() -> None:
            if self.editing:
                await self.deck.link.request("PATCH", f"/v1/prompts/{quote(self.editing)}", {"text": text})
            else:
                body = {"text": text, "now": now}
                await self.deck.link.request("POST", f"/v1/agents/{quote(self._agent)}/prompts", body)

        async def carry_out() -> None:
            try:
                if await self._guarded(hand_over, "hand it over", lambda: self.send(now)):
                    self.editor.put(self._own_draft if self.editing else "")
                    self.editing = self._own_draft = ""
                    self._say("")
                    self.heading.touch()
                    self._again.ask()
            finally:
                self._busy = False

        self.run_worker(carry_out())

    def outside(self) -> None:
        """Write it in the person's own editor."""
        if self._busy:
            return
        self._busy = True

        async def write() -> None:
            try:
                name = self.agent.name if self.agent is not None else "prompt"
                await rewrite(self.deck, self.editor, f"prompt-{name}", self._say)
            finally:
                self._busy = False

        self.run_worker(write(), exit_on_error=True)

    def edit(self) -> None:
        """Take the marked prompt's text; a queued one is changed by sending."""
        one = self.queue.chosen
        if one is None:
            return
        if not self.editing:
            self._own_draft = self.editor.text
        self.editing = one.id if one.state == "queued" else ""
        self.editor.put(one.text)
        self.set_focus(self.editor)
        self.heading.touch()

    def cancel(self) -> None:
        """Take the marked prompt out of the queue."""
        one = self.queue.chosen
        if one is not None and one.state == "queued":
            self._change("DELETE", one.id, None, "cancel it")

    def move(self, steps: int) -> None:
        """Let the marked prompt go earlier (negative) or later."""
        one = self.queue.chosen
        before = moved(self.queue.entries, one.id, steps) if one is not None else None
        if one is not None and before is not None:
            self._change("PATCH", one.id, {"before": before}, "move it")

    def _change(self, method: str, ident: str, body: Any, doing: str) -> None:
        async def change() -> None:
            place = f"/v1/prompts/{quote(ident)}"
            await self._guarded(lambda: self.deck.link.request(method, place, body), doing)
            self._again.ask()

        self.run_worker(change())

    def leave(self) -> None:
        """Close; the text is kept for next time. While a queued prompt is changed: leave that one as it was."""
        if self.editing:
            self.editor.put(self._own_draft)
            self.editing = self._own_draft = ""
            self.heading.touch()
            self._put_keys()
            return
        self.rescue()
        self.dismiss(None)

    def rescue(self) -> None:
        """See :class:`tui.faults.Rescues`."""
        self._keep(self._own_draft if self.editing else self.editor.text)

    def on_descendant_focus(self) -> None:
        """Other keys work there."""
        self._put_keys()

    def moved(self, key: str) -> bool:
        """Between text and queue."""
        if key in ("tab", "shift+tab"):
            self.set_focus(self.editor if self.focused is self.queue else self.queue)
            return True
        return False

    async def on_key(self, event: events.Key) -> None:
        """What the editor did not take."""
        match event.key:
            case "escape":
                self.leave()
            case key if self.queue.has_focus:
                self._in_queue(key)
            case _:
                return
        event.stop()
        event.prevent_default()

    def _in_queue(self, key: str) -> None:
        match key:
            case "up" | "k":
                self.queue.choose(self.queue.at - 1)
            case "down" | "j":
                self.queue.choose(self.queue.at + 1)
            case "enter" | "e":
                self.edit()
            case "x" | "delete":
                self.cancel()
            case "u" | "shift+up":
                self.move(-1)
            case "d" | "shift+down":
                self.move(1)
        self._put_keys()
