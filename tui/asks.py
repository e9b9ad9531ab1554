"""What agents ask a person, as the client knows it, and answers on their way. Texts are kept as they came: hostile."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from quarterdeck.errors import NotFound, QuarterdeckError
from quarterdeck.text import safe
from tui.fleet import AgentInfo

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp

LINGER = 1.5
"""Seconds what became of an answer stays in the bar."""
KEPT = 50
"""Closed requests kept, for what became of them."""
BARE = "agent:"
OPEN = ("open", "answering")
_SAME_NS = 5_000_000_000
"""A request this much older than the agent's present state is another one's."""
TEXT_LIMIT = 400_000
ANSWERS = {"allow": "allow once", "always": "always", "deny": "deny"}
KEYS = {"y": "allow", "a": "always", "n": "deny"}


@dataclass(frozen=True, slots=True)
class Ask:
    """One request. ``tool``, ``source`` and ``reason`` are safe to show; the rest is shown by :mod:`tui.exact` only."""

    id: str
    agent: str
    kind: str
    state: str
    tool: str
    command: str
    path: str
    diff: str
    text: str
    can: tuple[str, ...]
    asked_ns: int
    answer: str = ""
    reason: str = ""
    by: str = ""
    source: str = ""
    shown: str = ""
    """Its dialog as it stood on the agent's screen. Hostile."""
    digest: str = ""
    """Another one as soon as something else is asked; goes with an answer, which is refused then."""

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Ask:
        """From the API's JSON."""
        command, path, diff, text, shown = (
            str(data.get(key) or "")[:TEXT_LIMIT] for key in ("command", "path", "diff", "text", "shown")
        )
        can = data.get("can")
        return cls(
            str(data["id"]),
            str(data.get("agent", "")),
            safe(str(data.get("kind", "")), 20),
            str(data.get("state", "open")),
            safe(str(data.get("tool") or ""), 60),
            command,
            path,
            diff,
            text,
            tuple(str(one) for one in can if one in ANSWERS) if isinstance(can, list | tuple) else (),
            int(data.get("asked_ns") or 0),
            str(data.get("answer") or ""),
            safe(str(data.get("reason") or ""), 200),
            safe(str(data.get("answered_by") or ""), 60),
            safe(str(data.get("source") or ""), 20),
            shown,
            str(data.get("digest") or ""),
        )

    @property
    def open(self) -> bool:
        """Whether it waits for an answer, or one is on its way."""
        return self.state in OPEN

    @property
    def subject(self) -> str:
        """What it is about: the command, else the path, else the text. Hostile."""
        return self.command or self.path or self.text


@dataclass(frozen=True, slots=True)
class Outcome:
    """How far a request got, in words for a person. ``color`` is a role; ``sign`` names one of the glyphs."""

    sign: str
    words: str
    color: str
    reason: str = ""


def bare(agent: AgentInfo) -> Ask:
    """What is known of a blocked agent that has made no request: it can only be looked at."""
    return Ask(BARE + agent.id, agent.id, agent.asks, "open", "", "", "", "", agent.waiting_for, (), agent.since_ns)


class Asks:
    """Requests by id, the oldest first; and what this client answered."""

    def __init__(self, app: QuarterdeckApp) -> None:
        self._app = app
        self.all: dict[str, Ask] = {}
        self._sent: dict[str, str] = {}
        """Answers handed over whose fate is not known yet."""
        self._refused: dict[str, str] = {}
        """Why an answer could not be given, for as long as the request is open."""
        self._here: set[str] = set()
        """What this client answered, among what is kept."""
        self._listeners: list[Callable[[], None]] = []

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Be told of changes; returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _changed(self) -> None:
        for listener in [*self._listeners]:
            listener()

    # what is known

    @property
    def waiting(self) -> list[Ask]:
        """What waits for a person, the oldest first: requests, and agents that are blocked without having made one."""
        agents = self._app.fleet.agents
        found = [ask for ask in self.all.values() if ask.open and ask.agent in agents]
        last = {ask.agent: max(ask.asked_ns, 0 if not ask.open else 1 << 63) for ask in self.all.values()}
        blocked = (agent for agent in agents.values() if agent.status == "blocked")
        found += [bare(agent) for agent in blocked if last.get(agent.id, 0) < agent.since_ns - _SAME_NS]
        return sorted(found, key=lambda ask: (ask.asked_ns, ask.id))

    def find(self, ident: str) -> Ask | None:
        """The request with this id; of a blocked agent without one what is known."""
        if ident.startswith(BARE):
            agent = self._app.fleet.agents.get(ident.removeprefix(BARE))
            return bare(agent) if agent is not None and agent.status == "blocked" else None
        return self.all.get(ident)

    def answered_here(self, ident: str) -> bool:
        """Whether this client answered it."""
        return ident in self._here

    def answerable(self, ident: str, answer: str) -> bool:
        """Whether this answer can be given now."""
        ask = self.all.get(ident)
        return ask is not None and ask.state == "open" and ident not in self._sent and answer in ask.can

    def outcome(self, ident: str) -> Outcome | None:
        """How far it got; None while it only waits."""
        ask = self.find(ident)
        if ask is None:
            return Outcome("dot", "gone", "muted")
        if ask.state == "open" and ident not in self._sent and ident in self._here:
            return Outcome("bad", "not answered", "warm", self._refused.get(ident) or ask.reason)
        if ask.state == "answering" or (ask.state == "open" and ident in self._sent):
            answer = self._sent.get(ident) or ask.answer
            return Outcome("ellipsis", {"deny": "denying", "always": "allowing always"}.get(answer, "allowing"), "text")
        by = f"by {ask.by}" if ask.by and ask.by != "person" else ""
        match ask.state:
            case "allowed":
                words = "always allowed" if ask.answer == "always" else "allowed"
                return Outcome("good", words, "calm", by)
            case "denied":
                return Outcome("good", "denied", "text", by or ask.reason)
            case "gone":
                return Outcome("dot", "gone", "muted", ask.reason or "it was answered elsewhere")
            case "failed":
                return Outcome("bad", "not confirmed", "warm", ask.reason or "look at its panel")
        return None

    # what the orchestrator says

    def replace(self, listed: Iterable[Mapping[str, Any]]) -> set[str]:
        """Take all open ones; returns the ids of those that were open and are not listed: something became of them."""
        found = {ask.id: ask for ask in map(Ask.of, listed)}
        missing = {ident for ident, ask in self.all.items() if ask.open and ident not in found}
        self.all |= found
        self._settle()
        return missing

    def put(self, data: Mapping[str, Any]) -> None:
        """Take one."""
        ask = Ask.of(data)
        self.all[ask.id] = ask
        self._settle()

    def drop(self, ident: str) -> None:
        """It is not there any more."""
        self.all.pop(ident, None)
        self._settle()

    def _settle(self) -> None:
        for ident in [*self._sent]:
            if ident not in self.all or not self.all[ident].open:
                del self._sent[ident]
        for ident in [*self._refused]:
            if ident not in self.all or self.all[ident].state != "open":
                del self._refused[ident]
        closed = [ident for ident, ask in self.all.items() if not ask.open]
        for ident in closed[: max(0, len(closed) - KEPT)]:
            del self.all[ident]
        self._here &= self.all.keys()
        self._changed()

    async def fetch(self, idents: Iterable[str]) -> None:
        """Ask how single ones are."""
        for ident in idents:
            try:
                self.put(await self._app.link.request("GET", f"/v1/approvals/{quote(ident)}"))
            except NotFound:
                self.drop(ident)

    async def fetch_all(self) -> None:
        """Ask for all that are open."""
        answer = await self._app.link.request("GET", "/v1/approvals")
        listed = answer.get("approvals", []) if isinstance(answer, dict) else answer
        await self.fetch(self.replace(listed or []))

    # a person answers

    def answer(self, ident: str, digest: str, answer: str, reason: str = "") -> None:
        """Answer exactly this request, as it was shown with ``digest``, once; what becomes of it is shown.

        Nothing happens where that cannot be.
        """
        if not self.answerable(ident, answer):
            return
        self._sent[ident] = answer
        self._here.add(ident)
        self._refused.pop(ident, None)
        self._changed()
        body = {"answer": answer, "reason": reason, "expect": digest}
        self._app.run_worker(self._carry(ident, body), exit_on_error=True)

    async def _carry(self, ident: str, body: dict[str, str]) -> None:
        try:
            said = await self._app.link.request("POST", f"/v1/approvals/{quote(ident)}/answer", body)
        except QuarterdeckError as error:
            self._sent.pop(ident, None)
            self._refused[ident] = safe(error.message, 200) + (f"  {safe(error.hint, 120)}" if error.hint else "")
            self._app.words.say(f"not answered: {self._refused[ident]}", seconds=10)
            try:
                await self.fetch([ident])
            except QuarterdeckError:
                self._changed()
            return
        if isinstance(said, dict) and said.get("id") == ident:
            self.put(said)
