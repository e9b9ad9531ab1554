"""What the client knows of sessions and agents: values built from the API's answers, never the truth itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from quarterdeck.text import safe
from tui.states import ALIVE, WAITING


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """A session; every text in it is safe to show."""

    id: str
    name: str
    workspace: str
    layout: str

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> SessionInfo:
        """From the API's JSON."""
        return cls(
            str(data["id"]),
            safe(str(data.get("name", "")), 64),
            safe(str(data.get("workspace", ""))),
            str(data.get("layout", "")),
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

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> AgentInfo:
        """From the API's JSON."""
        tree = data.get("worktree") or {}
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
        )

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
        """Take one agent's present state."""
        info = self.agents[str(data["id"])] = AgentInfo.of(data)
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
        """The next agent that waits for a person, going round from ``after``."""
        ids = list(self.agents)
        start = ids.index(after) + 1 if after in ids else 0
        return next((i for i in ids[start:] + ids[:start] if self.agents[i].status in WAITING), None)
