"""One prompt to many agents, chosen by session, state, profile, tag or one by one; each gives a receipt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from quarterdeck.errors import QuarterdeckError
from quarterdeck.text import cut_middle, cut_right, safe
from tui.bars import Hint, KeyBar
from tui.chooser import Chooser
from tui.dialogs import Choice, Field, Moves
from tui.editor import Editor
from tui.faults import Rescues
from tui.fleet import AgentInfo
from tui.follower import Follows
from tui.line import Line, Span, cells, compose
from tui.outside import rewrite
from tui.port import frames
from tui.prompts import PromptInfo
from tui.states import LOOKS, look

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp

ANY = ""


class Receipt:
    """What one agent made of it, as far as is known."""

    def __init__(self, agent: str, prompt: PromptInfo | None, skipped: str = "") -> None:
        self.agent = agent
        self.prompt = prompt
        self.skipped = skipped


def receipts(answer: Any) -> list[Receipt]:
    """The answer to a broadcast: a prompt for each agent, or why it was passed over."""
    sent = answer.get("receipts") or answer.get("prompts") or ()
    found = [Receipt(str(one.get("agent", "")), PromptInfo.of(one.get("prompt") or one)) for one in sent]
    over = answer.get("skipped") or ()
    return found + [
        Receipt(str(one.get("agent", "")), None, safe(str(one.get("reason", "")), 80) or "passed over") for one in over
    ]


def skipped(agent: AgentInfo, now_ns: int) -> str:
    """Why an agent cannot get it; "" where it can."""
    if not agent.alive:
        return "has ended"
    return f"{agent.full_word(now_ns)}: skipped" if agent.status == "blocked" else ""


class Targets(Chooser[AgentInfo]):
    """All agents with a mark for each that gets it; after sending, what became of each."""

    def __init__(self) -> None:
        super().__init__(id="targets")
        self.marked: set[str] = set()
        self.receipts: dict[str, Receipt] | None = None

    def turn(self, number: int) -> None:
        """Take an agent in, or out."""
        if self.receipts is None and 0 <= number < len(self.entries):
            agent = self.entries[number]
            if agent.id in self.marked:
                self.marked.discard(agent.id)
            elif not skipped(agent, self.deck.now()):
                self.marked.add(agent.id)
            self.choose(number)
            cast("Broadcast", self.screen).recount()

    clicked = turn

    def words(self, y: int) -> str:
        """Where none fits."""
        return {1: "  no agent that runs fits", 2: "  shift+tab goes to what is asked for above"}.get(y, "")

    def entry(self, agent: AgentInfo, here: bool, bg: str, width: int) -> Line:
        """One agent: whether it gets it, who it is, how it is or what it made of it."""
        session = self.deck.fleet.sessions.get(agent.session)
        state = look(agent.status)
        right = self._outcome(agent, bg)
        left: list[Span] = [(self.glyphs.mark if here else " ", self.style("accent", bg))]
        if self.receipts is None:
            marked = agent.id in self.marked
            box = self.glyphs.marked if marked else self.glyphs.unmarked
            left.append((f"{box} ", self.style("text" if marked else "muted", bg)))
        left += [
            (f"{state.sign(self.deck.plain_glyphs)} ", self.style(state.color, bg)),
            (f"{cut_middle(agent.name, 20):<20}  ", self.style("text", bg, bold=here)),
        ]
        about = f"{cut_middle(session.name if session else '', 14):<14}  {cut_middle(agent.kind, 12)}"
        if cells(left) + len(about) + cells(right) <= width:
            left.append((about, self.style("muted", bg)))
            room = width - cells(left) - cells(right) - (gap := 31 - len(about)) - 2
            if agent.tags and room >= 8:
                left.append((" " * gap + cut_right(" ".join(agent.tags), room), self.style("muted", bg)))
        return compose(width, left, right, self.palette, self.style(bg=bg))

    def _outcome(self, agent: AgentInfo, bg: str) -> list[Span]:
        if self.receipts is None:
            why = skipped(agent, self.deck.now())
            words = why or agent.word(self.deck.now())
            color = "warm" if agent.status == "blocked" else "muted" if why else look(agent.status).color
            return [(f"{words} ", self.style(color, bg))]
        found = self.receipts.get(agent.id)
        if found is None:
            return [(f"{skipped(agent, self.deck.now()) or 'not chosen'} ", self.style("muted", bg))]
        if found.prompt is None:
            return [(f"{self.glyphs.off} {found.skipped} ", self.style("warm", bg))]
        state = found.prompt.look
        about = f"  {found.prompt.about}" if found.prompt.about else ""
        return [
            (f"{getattr(self.glyphs, state.sign)} {state.word}", self.style(state.color, bg)),
            (f"{safe(about, 40) and '  ' + safe(about, 40)} ", self.style("muted", bg)),
        ]


def matching(
    agents: Sequence[AgentInfo], *, session: str = ANY, state: str = ANY, profile: str = ANY, tag: str = ANY
) -> list[AgentInfo]:
    """The agents that fit what was chosen; :data:`ANY` fits all, ``idle`` those that are done as well."""
    return [
        agent
        for agent in agents
        if session in (ANY, agent.session)
        and (state in (ANY, agent.status) or (state, agent.status) == ("idle", "done"))
        and profile in (ANY, agent.profile)
        and tag in (ANY, *agent.tags)
    ]


class Broadcast(ModalScreen[None], Follows, Moves, Rescues, inherit_bindings=False):
    """Choose, write, send; then watch the receipts come in."""

    AUTO_FOCUS = "#editor"

    def __init__(self, draft: str, keep: Callable[[str], None]) -> None:
        super().__init__()
        self._keep = keep
        self._busy = False
        self._note = ""
        self.targets = Targets()
        self.editor = Editor(draft, self.send, self.outside, placeholder="what should they all do?")
        self.heading = Static("broadcast", id="title", markup=False)
        self.keys = KeyBar(id="keys")
        self._filters: dict[str, Choice] = {}

    @property
    def deck(self) -> QuarterdeckApp:
        """The app, typed."""
        return cast("QuarterdeckApp", self.app)

    def compose(self) -> ComposeResult:
        """Filters, agents, text, keys."""
        fleet = self.deck.fleet
        agents = list(fleet.agents.values())
        states = [name for name in LOOKS if any(agent.status == name and agent.alive for agent in agents)]
        values = {
            "session": [(one.id, one.name) for one in fleet.sessions.values()],
            "state": [(name, look(name).word) for name in states],
            "profile": [(name, name) for name in sorted({agent.profile for agent in agents})],
            "tag": [(name, name) for name in sorted({tag for agent in agents for tag in agent.tags})],
        }
        if not values["tag"]:
            del values["tag"]
        self._filters = {
            name: Choice([(ANY, f"any {name}"), *found], bare=True, id=name) for name, found in values.items()
        }
        self._filters["session"].choose(self.deck.session_id)
        with Vertical(id="sheet"):
            yield self.heading
            for name, choice in self._filters.items():
                yield Field(name, choice)
            yield self.targets
            yield self.editor
            yield self.keys

    def on_mount(self) -> None:
        """What is chosen at first."""
        self.changed()

    def changed(self) -> None:
        """Another choice: every agent that fits gets it, but those that are blocked."""
        wanted = {name: choice.value for name, choice in self._filters.items()}
        found = [agent for agent in matching(list(self.deck.fleet.agents.values()), **wanted) if agent.alive]
        # what runs without telling its state is no coding agent: a prompt would be a command there
        named = any(value != ANY for name, value in wanted.items() if name != "session")
        meant = [agent for agent in found if named or agent.status != "running"]
        self.targets.marked = {agent.id for agent in meant if not skipped(agent, self.deck.now())}
        self.targets.entries = found
        self.targets.choose(self.targets.at)
        self.recount()

    def recount(self) -> None:
        """Say how many get it, and which keys work."""
        if not self.is_attached:
            return
        targets, enter = self.targets, self.deck.glyphs.enter
        if targets.receipts is not None:
            self.heading.update(self._tally(targets.receipts))
            self.keys.put([Hint("esc", "back", self.leave)], "", self._note, bg="background")
            return
        number = len(targets.marked)
        self.heading.update(f"broadcast to {number} agent{'' if number == 1 else 's'}")
        hints = []
        if targets.has_focus:
            hints = [
                Hint("space", "take in or out", lambda: targets.turn(targets.at)),
                Hint("a", "all or none", self.all),
            ]
        elif self.editor.has_focus:
            hints = [
                Hint(enter, "send when idle", lambda: self.send(False)),
                Hint("^S", "send now", lambda: self.send(True)),
                Hint(f"alt+{enter}", "new line", lambda: self.editor.insert("\n")),
            ]
        hints += [Hint("tab", "go on", lambda: self.focus_next()), Hint("esc", "back", self.leave)]
        if self.editor.has_focus:
            hints.append(Hint("^G", "your editor", self.outside))
        self.keys.put(hints, "", self._note, bg="background")

    def _tally(self, found: Mapping[str, Receipt]) -> str:
        words: dict[str, int] = {}
        for one in found.values():
            word = one.prompt.look.word if one.prompt else "skipped"
            words[word] = words.get(word, 0) + 1
        return "broadcast: " + ", ".join(f"{number} {word}" for word, number in words.items())

    def happened(self, event: frames.Happened) -> None:
        """A receipt may have come."""
        if event.kind.startswith("prompt.") and event.agent in (self.targets.receipts or ()):
            self.run_worker(self._ask_again(event.agent))

    def listed(self) -> None:
        """Who begins to ask before it was sent does not get it."""
        now = self.deck.now()
        self.targets.entries = [self.deck.fleet.agents.get(agent.id, agent) for agent in self.targets.entries]
        if self.targets.receipts is None:
            self.targets.marked -= {agent.id for agent in self.targets.entries if skipped(agent, now)}
            self.recount()
        self.targets.touch()

    async def _ask_again(self, agent: str) -> None:
        found = self.targets.receipts or {}
        mine = found[agent].prompt
        if mine is None:
            return
        try:
            answer = await self.deck.link.request("GET", f"/v1/prompts/{mine.id}")
        except QuarterdeckError as error:
            self._say(safe(error.message, 120))
            return
        found[agent].prompt = PromptInfo.of(answer)
        self.targets.touch()
        self.recount()

    # a person acts

    def all(self) -> None:
        """Everyone that can get it, or nobody."""
        able = {agent.id for agent in self.targets.entries if not skipped(agent, self.deck.now())}
        self.targets.marked = set() if able <= self.targets.marked else able
        self.targets.touch()
        self.recount()

    def _say(self, note: str) -> None:
        self._note = note
        self.recount()

    def send(self, now: bool) -> None:
        """Hand it over, once."""
        targets = [agent.id for agent in self.targets.entries if agent.id in self.targets.marked]
        if self._busy or self.targets.receipts is not None:
            return
        if not targets:
            self._say("nobody is chosen")
            return
        self._busy = True
        self._say("handing it over")

        async def hand_over() -> None:
            body = {"text": self.editor.text, "now": now, "agents": targets}
            try:
                answer = await self.deck.link.request("POST", "/v1/broadcast", body)
            except QuarterdeckError as error:
                self._say("it was not sent")
                self.deck.toasts.complain("send it", error, lambda: self.send(now))
                return
            finally:
                self._busy = False
            found = self.targets.receipts = {one.agent: one for one in receipts(answer)}
            self.targets.entries.sort(key=lambda agent: agent.id not in found)
            self._keep("")
            self._note = ""
            self.add_class("-sent")
            self.targets.focus()
            self.targets.choose(0)
            self.recount()

        self.run_worker(hand_over())

    def outside(self) -> None:
        """Write it in the person's own editor."""
        if self._busy or self.targets.receipts is not None:
            return
        self._busy = True

        async def write() -> None:
            try:
                await rewrite(self.deck, self.editor, "broadcast", self._say)
            finally:
                self._busy = False

        self.run_worker(write(), exit_on_error=True)

    def leave(self) -> None:
        """Close; a text that was not sent is kept for next time."""
        self.rescue()
        self.dismiss(None)

    def rescue(self) -> None:
        """See :class:`tui.faults.Rescues`."""
        if self.targets.receipts is None:
            self._keep(self.editor.text)

    def on_descendant_focus(self) -> None:
        """Other keys work there."""
        self.recount()

    def moved(self, key: str) -> bool:
        """From filter to filter, to the agents, to the text."""
        match key:
            case "tab":
                self.focus_next()
            case "shift+tab":
                self.focus_previous()
            case _:
                return False
        return True

    async def on_key(self, event: events.Key) -> None:
        """What the editor did not take."""
        listing = self.targets.has_focus
        match event.key:
            case "escape":
                self.leave()
            case "up" | "k" if listing:
                self.targets.choose(self.targets.at - 1)
            case "down" | "j" if listing:
                self.targets.choose(self.targets.at + 1)
            case "space" | "enter" | "x" if listing:
                self.targets.turn(self.targets.at)
            case "a" if listing:
                self.all()
            case "up":
                self.focus_previous()
            case "down" | "enter":
                self.focus_next()
            case _:
                return
        event.stop()
        event.prevent_default()
