"""A scripted orchestrator in the same process, for pictures and for what no real one does on demand.

It speaks the port the TUI declares, with the real emulator behind each agent, and keeps what was sent to it.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from typing import Any

from quarterdeck.errors import NotFound, QuarterdeckError, Refused
from quarterdeck.keys import KeyPress
from terminals.screen import Screen
from tui.port import LinkState, frames


def agent(ident: str, session: str, **over: Any) -> dict[str, Any]:
    """An agent as the API lists it."""
    return {
        "id": ident, "name": ident, "session": session, "session_name": session, "profile": "shell",
        "adapter": "native", "argv": ["bash"], "cwd": "/home/ada/src/shop", "cols": 80, "lines": 24,
        "status": "running", "reason": "", "since_ns": 0, "exit_code": None, "pid": 7, "title": "",
        "doing": {}, "queue": 0, "tags": [],
        "restore": "ask", "resume_id": "", "worktree": None, "adopted": False, "created_ns": 0, "removed_ns": 0,
    } | over  # fmt: skip


class Peer:
    """``up`` False keeps it from ever answering. ``typed`` holds what each agent was sent, encoded for its screen."""

    def __init__(self, *, up: bool = True) -> None:
        self.state = LinkState("connecting")
        self.sent: list[frames.Request] = []
        self.asked: list[tuple[str, str, Any]] = []
        self.typed: dict[str, bytes] = {}
        self.sessions: list[dict[str, Any]] = []
        self.agents: dict[str, dict[str, Any]] = {}
        self.screens: dict[str, Screen] = {}
        self.complaints: list[str] = []
        self.report: dict[str, Any] = {"wall_ns": 0, "rebooted": False, "worth_telling": False, "outcomes": []}
        self.refuse: QuarterdeckError | None = None
        self.installed: list[Any] | None = None
        """What is found on the machine; None to really look."""
        self.findings: dict[str, Any] = {"versions": {}, "places": {}, "problems": []}
        self.trash: list[dict[str, Any]] = []
        """Removed agents, newest first."""
        self.approvals: dict[str, dict[str, Any]] = {}
        self.prompts: dict[str, dict[str, Any]] = {}
        self.why: dict[str, Any] = {}
        self.stops = True
        """Whether an interrupt shows."""
        self.answers = True
        """Whether an answer is taken at once; else it stays on its way."""
        self.revived = 0
        self._up = up
        self._fixed: set[str] = set()
        self._watched: dict[str, int] = {}
        self._messages: deque[frames.Message | LinkState] = deque()
        self._ready = asyncio.Event()
        self._cursor = 0

    # building the fleet

    def session(self, name: str, workspace: str = "/home/ada/src/shop", layout: str = "") -> None:
        """One more session, its id being its name."""
        self.sessions.append(
            {
                "id": name,
                "name": name,
                "workspace": workspace,
                "layout": layout,
                "goal": "",
                "created_ns": 0,
                "agents": 0,
            }
        )

    def add(self, ident: str, session: str, output: str | bytes = b"", *, fixed: bool = False, **over: Any) -> None:
        """One more agent that has printed ``output``; ``fixed`` keeps its size whatever the client wants."""
        self.agents[ident] = agent(ident, session, **over)
        self.screens[ident] = Screen(self.agents[ident]["cols"], self.agents[ident]["lines"])
        if fixed:
            self._fixed.add(ident)
        self.feed(ident, output)

    def feed(self, ident: str, output: str | bytes) -> None:
        """The agent prints."""
        data = output.replace("\n", "\r\n").encode() if isinstance(output, str) else output
        self.screens[ident].feed(data)
        self._frame(ident)

    def change(self, ident: str, **over: Any) -> None:
        """The agent's record changes, with an event."""
        self.agents[ident].update(over)
        self.happen("agent.status", ident)

    def remove(self, ident: str) -> None:
        """The agent is removed, with an event."""
        del self.agents[ident]
        self.happen("agent.removed", ident)

    def ask(self, ident: str, agent: str, **over: Any) -> None:
        """The agent asks for something."""
        self.approvals[ident] = {
            "id": ident, "agent": agent, "kind": "permission", "state": "open", "tool": "", "command": "", "path": "",
            "diff": "", "text": "", "key": "", "can": ["allow", "deny"], "source": "hook", "asked_ns": 0, "answer": "",
            "reason": "", "answered_by": "", "answered_ns": 0, "offset": -1, "digest": f"{ident}-shown",
        } | over  # fmt: skip
        self.happen("approval.opened", agent, id=ident)

    def decide(self, ident: str, state: str, **over: Any) -> None:
        """Something becomes of a request."""
        self.approvals[ident] |= {"state": state} | over
        self.happen("approval.closed", self.approvals[ident]["agent"], id=ident)

    def prompt(self, ident: str, agent: str, text: str, state: str = "queued", **over: Any) -> dict[str, Any]:
        """A prompt of an agent."""
        made = {
            "id": ident, "agent": agent, "text": text, "state": state, "now": False,
            "position": float(len(self.prompts)), "broadcast": "", "role": "person", "reason": "", "receipt": "",
            "created_ns": len(self.prompts), "changed_ns": 0,
        } | over  # fmt: skip
        self.prompts[ident] = made
        return made

    def become(self, ident: str, state: str, **over: Any) -> None:
        """Something becomes of a prompt."""
        self.prompts[ident] |= {"state": state} | over
        self.happen(f"prompt.{state}", self.prompts[ident]["agent"], id=ident)

    # the port

    async def __aenter__(self) -> Peer:
        self._put(LinkState("connecting"))
        if self._up:
            self.phase("up")
        return self

    async def __aexit__(self, *_: object) -> None:
        for screen in self.screens.values():
            screen.close()

    def __aiter__(self) -> Peer:
        return self

    async def __anext__(self) -> frames.Message | LinkState:
        while not self._messages:
            self._ready.clear()
            await self._ready.wait()
        return self._messages.popleft()

    def send(self, request: frames.Request) -> bool:
        self.sent.append(request)
        match request:
            case frames.Watch(ident, _):
                self._watched[ident] = 0
                self._frame(ident)
            case frames.Unwatch(ident):
                self._watched.pop(ident, None)
            case frames.Size(ident, cols, lines):
                if ident not in self._fixed:
                    self.screens[ident].resize(cols, lines)
                    self._frame(ident)
            case frames.Press(ident, name, mods, text):
                self._type(ident, self.screens[ident].key(KeyPress(name, mods, text)))
            case frames.Paste(ident, text):
                self._type(ident, self.screens[ident].paste(text))
            case frames.Mouse(ident, action, x, y, button, mods):
                self._type(ident, self.screens[ident].mouse(action, x, y, button, mods))
            case frames.Fetch(ident, number, first, count):
                rows, history = self.screens[ident].history(first, count)
                self._put(frames.Fetched(ident, number, first, history, tuple(rows)))
            case _:
                pass
        return self.state.phase == "up"

    def revive(self) -> None:
        self.revived += 1

    async def request(self, method: str, path: str, body: Any = None) -> Any:
        self.asked.append((method, path, body))
        if self.refuse is not None:
            error, self.refuse = self.refuse, None
            raise error
        place = path.partition("?")[0]
        match method, place:
            case "GET", "/v1/sessions":
                return self.sessions
            case "GET", "/v1/agents":
                return list(self.agents.values())
            case "GET", "/v1/health":
                return {"problems": self.complaints}
            case "GET", "/v1/restore":
                return self.report
            case "GET", "/v1/trash":
                return self.trash
            case "GET", "/v1/doctor":
                return self.findings
            case "GET", "/v1/profiles":
                return [
                    {
                        "name": "claude",
                        "title": "Claude Code",
                        "checkpoint": "file",
                        "kind": "agent",
                        "argv": ["claude"],
                        "install": "npm install -g @anthropic-ai/claude-code",
                    },
                    {
                        "name": "shell",
                        "title": "your shell",
                        "checkpoint": "none",
                        "kind": "shell",
                        "argv": ["{shell}", "-i"],
                    },
                    {"name": "custom", "title": "any command", "checkpoint": "none"},
                    {
                        "name": "codex",
                        "title": "Codex",
                        "checkpoint": "none",
                        "kind": "agent",
                        "argv": ["codex", "--no-daemon"],
                        "install": "npm install -g @openai/codex",
                    },
                ]
            case "POST", "/v1/agents":
                if not self.sessions:
                    self.session("work", body["workspace"])
                name = body.get("name") or body["profile"]
                self.add(name, self.sessions[0]["id"], profile=body["profile"])
                return self.agents[name]
            case "POST", "/v1/restore":
                return self.report
            case "GET", "/v1/approvals":
                return [one for one in self.approvals.values() if one["state"] in ("open", "answering")]
            case "POST", "/v1/broadcast":
                return self._broadcast(body)
        if found := re.fullmatch(r"/v1/approvals/(\w+)(/answer)?", place):
            return self._approval(found[1], body)
        if found := re.fullmatch(r"/v1/prompts/(\w+)", place):
            return self._prompt(method, found[1], body)
        if found := re.fullmatch(r"/v1/trash/(\w[\w-]*)/restore", place):
            back = next(one for one in self.trash if one["id"] == found[1])
            self.trash.remove(back)
            self.agents[back["id"]] = back | {"status": "exited"}
            self.happen("agent.restored", back["id"])
            return self.agents[back["id"]]
        if found := re.fullmatch(r"/v1/agents/(\w[\w-]*)(/\w+)?", place):
            return self._agent(method, found[1], found[2] or "", body)
        if method == "PATCH" and place.startswith("/v1/sessions/"):
            session = next(s for s in self.sessions if s["id"] == place.rpartition("/")[2])
            session.update(body)
            return session
        raise NotFound(f"{method} {path}")

    def _approval(self, ident: str, body: Any) -> Any:
        if ident not in self.approvals:
            raise NotFound(f"no approval {ident}")
        if body is not None:
            if body["expect"] != self.approvals[ident]["digest"]:
                raise Refused("it asks for something else than was shown", approval=ident)
            done = "denied" if body["answer"] == "deny" else "allowed"
            self.approvals[ident] |= {"answer": body["answer"], "reason": body["reason"], "answered_by": "person"}
            self.decide(ident, done if self.answers else "answering")
        return self.approvals[ident]

    def _prompt(self, method: str, ident: str, body: Any) -> Any:
        if ident not in self.prompts:
            raise NotFound(f"no prompt {ident}")
        if method == "DELETE":
            self.become(ident, "cancelled")
        elif method == "PATCH":
            self.prompts[ident] |= {key: value for key, value in body.items() if key == "text"}
            if "before" in body:
                positions = {key: one["position"] for key, one in self.prompts.items()}
                self.prompts[ident]["position"] = (
                    positions[body["before"]] - 0.5 if body["before"] else max(positions.values()) + 1
                )
            self.happen("prompt.changed", self.prompts[ident]["agent"], id=ident)
        return self.prompts[ident]

    def _broadcast(self, body: Any) -> Any:
        made = [self.prompt(f"b{len(self.prompts)}", agent, body["text"]) for agent in body["agents"]]
        return {"broadcast": "b", "prompts": made, "skipped": []}

    def _agent(self, method: str, ident: str, verb: str, body: Any) -> Any:
        if ident not in self.agents:
            raise NotFound(f"no agent {ident}")
        if verb == "/why":
            return self.why
        if verb == "/interrupt":
            return {"pressed": ["escape"], "confirmed": self.stops, "status": "idle", "reason": ""}
        if verb == "/prompts":
            if method == "POST":
                made = self.prompt(f"new{len(self.prompts)}", ident, body["text"], now=body["now"])
                self.happen("prompt.queued", ident, id=made["id"])
                return made
            return [one for one in self.prompts.values() if one["agent"] == ident]
        if method == "PATCH":
            tags = set(self.agents[ident]["tags"]) - set(body.get("remove_tags", ())) | set(body.get("add_tags", ()))
            self.agents[ident] |= {key: value for key, value in body.items() if not key.endswith("_tags")}
            self.agents[ident]["tags"] = sorted(tags)
        elif method == "DELETE":
            found = self.agents[ident]
            self.trash.insert(0, found)
            self.remove(ident)
            return found
        elif verb == "/restore":
            self.change(ident, status="running", reason="")
            return {"outcomes": [{"agent": ident, "name": ident, "action": "resumed"}]}
        return self.agents[ident]

    # what it tells

    def phase(self, phase: Any, reason: str = "", hint: str = "") -> None:
        """The connection changes."""
        self.state = LinkState(phase, reason, hint)
        self._put(self.state)
        if phase == "up":
            for ident in self._watched:
                self._watched[ident] = 0
                self._frame(ident)

    def happen(self, kind: str, ident: str = "", **data: Any) -> None:
        """An event."""
        self._cursor += 1
        self._put(frames.Happened(self._cursor, kind, 0, "", ident, data))

    def trouble(self, ident: str, code: str, message: str, hint: str = "") -> None:
        """An input that failed."""
        self._put(frames.Trouble(ident, code, message, hint))

    def _type(self, ident: str, data: bytes) -> None:
        self.typed[ident] = self.typed.get(ident, b"") + data

    def _frame(self, ident: str) -> None:
        if ident in self._watched:
            view = self.screens[ident].view(self._watched[ident])
            self._watched[ident] = view.version
            self._put(frames.Frame(ident, view))

    def _put(self, message: frames.Message | LinkState) -> None:
        self._messages.append(message)
        self._ready.set()
