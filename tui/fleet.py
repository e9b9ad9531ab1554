"""What the client knows of sessions and agents: values built from the API's answers, never the truth itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from quarterdeck.text import safe
from tui.states import ALIVE, WAITING, dollars, full_word, tokens, word


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """A session; every text in it is safe to show."""

    id: str
    name: str
    workspace: str
    layout: str
    goal: str = ""
    """What it is for, in a person's words."""

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> SessionInfo:
        """From the API's JSON."""
        return cls(
            str(data["id"]),
            safe(str(data.get("name", "")), 64),
            safe(str(data.get("workspace", ""))),
            str(data.get("layout", "")),
            safe(str(data.get("goal", "")), 200),
        )


@dataclass(frozen=True, slots=True)
class AgentInfo:
    """An agent; every text in it is safe to show. Times are wall-clock nanoseconds."""

    id: str
    name: str
    session: str
    profile: str
    adapter: str
    command: str
    cwd: str
    status: str
    reason: str
    since_ns: int
    exit_code: int | None
    title: str
    branch: str
    adopted: bool
    asks: str = ""
    """What a blocked one waits for: permission, question, trust, login."""
    waiting_for: str = ""
    until_ns: int = 0
    model: str = ""
    tokens: int | None = None
    cost: float | None = None
    unread: int = 0
    queue: int = 0
    """Prompts that wait to be typed."""
    tags: tuple[str, ...] = ()
    created_ns: int = 0

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> AgentInfo:
        """From the API's JSON."""
        tree = data.get("worktree") or {}
        doing = data.get("doing") or {}
        spent = [doing[key] for key in ("tokens_in", "tokens_out") if isinstance(doing.get(key), int)]
        cost = doing.get("cost")
        code = data.get("exit_code")
        return cls(
            str(data["id"]),
            safe(str(data.get("name", "")), 64),
            str(data.get("session", "")),
            safe(str(data.get("profile", "")), 40),
            str(data.get("adapter", "native")),
            safe(" ".join(str(word) for word in data.get("argv", ()))),
            safe(str(data.get("cwd", ""))),
            str(data.get("status", "")),
            safe(str(data.get("reason", ""))),
            int(data.get("since_ns", 0) or data.get("created_ns", 0)),
            int(code) if code is not None else None,
            safe(str(data.get("title", "")), 120),
            safe(str(tree.get("branch", "")), 80),
            bool(data.get("adopted", False)),
            str(doing.get("kind", "")),
            safe(str(doing.get("waiting_for", "")), 300),
            int(doing.get("until_ns") or 0),
            safe(str(doing.get("model", "")), 40),
            sum(spent) if spent else None,
            float(cost) if isinstance(cost, int | float) else None,
            int(doing.get("unread") or 0),
            int(data.get("queue") or 0),
            tuple(safe(str(tag), 32) for tag in data.get("tags") or ()),
            int(data.get("created_ns") or 0),
        )

    def word(self, now_ns: int) -> str:
        """Its status in one word; with how many results nobody has seen where there are several."""
        if self.status == "done" and self.unread > 1:
            return f"done {min(self.unread, 999)}"
        return word(self.status, self.exit_code, self.asks, self.until_ns, now_ns)

    def full_word(self, now_ns: int) -> str:
        """Its status in as many words as it takes."""
        return full_word(self.status, self.exit_code, self.asks, self.until_ns, now_ns)

    @property
    def spent(self) -> str:
        """Tokens and cost of its conversation, as far as they are known."""
        parts = [f"{tokens(self.tokens)} tokens"] if self.tokens is not None else []
        return "  ".join([*parts, dollars(self.cost)] if self.cost is not None else parts)

    @property
    def waits(self) -> bool:
        """Whether it waits for a person."""
        return self.status in WAITING

    @property
    def kind(self) -> str:
        """What runs, in a word: the profile, or for any command its program."""
        program = self.command.partition(" ")[0].rpartition("/")[2]
        return program[:40] if self.profile == "custom" and program else self.profile

    @property
    def alive(self) -> bool:
        """Whether a program runs for it."""
        return self.status in ALIVE


class Fleet:
    """All sessions and agents, in the order the orchestrator lists them."""

    def __init__(self) -> None:
        self.sessions: dict[str, SessionInfo] = {}
        self.agents: dict[str, AgentInfo] = {}

    def replace(self, sessions: Iterable[Mapping[str, Any]], agents: Iterable[Mapping[str, Any]]) -> None:
        """Take a full listing."""
        self.sessions = {info.id: info for info in map(SessionInfo.of, sessions)}
        self.agents = {info.id: info for info in map(AgentInfo.of, agents)}

    def put_agent(self, data: Mapping[str, Any]) -> AgentInfo:
        """Take one agent's present state; one that was brought back stands where it stood."""
        info = AgentInfo.of(data)
        late = info.id not in self.agents and any(one.created_ns > info.created_ns for one in self.agents.values())
        self.agents[info.id] = info
        if late:
            self.agents = dict(sorted(self.agents.items(), key=lambda item: item[1].created_ns))
        return info

    def drop_agent(self, agent: str) -> None:
        """Forget an agent that was removed."""
        self.agents.pop(agent, None)

    def of_session(self, session: str) -> list[AgentInfo]:
        """The agents of one session."""
        return [agent for agent in self.agents.values() if agent.session == session]

    def session(self, ref: str) -> SessionInfo | None:
        """The session with this id or name."""
        return self.sessions.get(ref) or next((s for s in self.sessions.values() if s.name == ref), None)

    def choose(self, ref: str | None, workspace: str) -> SessionInfo | None:
        """The session to open: the one named, else the newest on this workspace, else the only one with agents."""
        if ref:
            return self.session(ref)
        here = [s for s in self.sessions.values() if s.workspace == workspace]
        return here[-1] if here else None

    def counts(self) -> dict[str, int]:
        """How many agents have each status."""
        found: dict[str, int] = {}
        for agent in self.agents.values():
            found[agent.status] = found.get(agent.status, 0) + 1
        return found

    def next_waiting(self, after: str) -> str | None:
        """The next agent that needs a person, going round from ``after``: who asks, who ended badly, who is done."""
        needing = [agent.id for agent in sorted(self.agents.values(), key=urgency) if urgency(agent)[0] < CALM]
        if after in needing:
            needing = needing[needing.index(after) + 1 :] + needing[: needing.index(after)]
        return needing[0] if needing else None


CALM = 3
"""The urgency of an agent that needs nobody."""


def urgency(agent: AgentInfo) -> tuple[int, int]:
    """Sorts agents. Working and idle ones share a place, so that a list is still while agents take turns."""
    if agent.status == "blocked":
        return 0, agent.since_ns
    return (1 if agent.waits else 2 if agent.status == "done" else CALM), 0


def ordered(agents: Sequence[AgentInfo], before: Sequence[str], *, held: bool) -> list[AgentInfo]:
    """The agents of one session as listed; ``held`` keeps the order ``before``, new ones at the end."""
    if held:
        places = {ident: number for number, ident in enumerate(before)}
        return sorted(agents, key=lambda agent: places.get(agent.id, len(places)))
    return sorted(agents, key=urgency)
