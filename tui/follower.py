"""Follows the orchestrator: its events say what is out of date, which is then asked for again, many changes at once."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING

from quarterdeck.errors import NotFound, QuarterdeckError
from quarterdeck.text import safe
from tui.port import LinkState, frames
from tui.toasts import SECONDS

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp

_NO_NEWS = ("agent.report", "agent.title", "agent.attention", "agent.seen")
_FEW = 2
"""With more than this many out of date, all are listed."""


class Follower:
    """Keeps the fleet and what agents ask in step with the orchestrator."""

    def __init__(self, app: QuarterdeckApp) -> None:
        self._app = app
        self.listed = False
        """Whether sessions and agents were listed once."""
        self._agents: set[str] = set()
        self._removed: set[str] = set()
        """Agents that went while they were asked for: the answer is from before."""
        self._all_agents = False
        self._asks: set[str] = set()
        self._all_asks = False
        self._wake = asyncio.Event()
        self._told = ("", "", 0.0)
        """Of which agent what trouble was told last, and when."""

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be asked for."""
        return not self._wake.is_set()

    def _list_again(self) -> None:
        self._all_agents = self._all_asks = True
        self._wake.set()

    # what is said

    def happened(self, event: frames.Happened) -> None:
        """An event."""
        app = self._app
        match event.kind.partition(".")[::2]:
            case "agent", "removed" | "purged":
                self._agents.discard(event.agent)
                self._removed.add(event.agent)
                app.forget_agent(event.agent)
            case "agent", "attention":
                app.attention.called(event)
            case "agent", _ if event.agent and event.kind not in _NO_NEWS:
                self._removed.discard(event.agent)
                self._agents.add(event.agent)
                self._wake.set()
            case "orchestrator", "problems":
                found = event.data.get("problems")
                app.words.problems([str(line) for line in found] if isinstance(found, list) else [])
            case "session", _:
                self._all_agents = True
                self._wake.set()
            case "approval", _:
                self._ask_happened(event)
            case "prompt", _:
                if event.agent:
                    self._agents.add(event.agent)
                    self._wake.set()
        for screen in app.screen_stack:
            if isinstance(screen, Follows):
                screen.happened(event)

    def _ask_happened(self, event: frames.Happened) -> None:
        ident = event.data.get("id") or event.data.get("approval")
        if isinstance(ident, str) and ident:
            self._asks.add(ident)
        else:
            self._all_asks = True
        self._wake.set()

    def trouble(self, agent: str, code: str, text: str, hint: str) -> None:
        """An input that could not be carried out, said once in a while: keys come fast."""
        app = self._app
        if code == "gone":
            self._list_again()
            return
        if code == "not_found":  # it went, as one does that could not be started: it is no more listed in a moment
            self._agents.add(agent)
            self._wake.set()
            return
        info = app.fleet.agents.get(agent)
        if agent and info is None:
            return
        before, self._told = self._told, (agent, code, app.clock.monotonic_ns() / 1e9)
        if before[:2] == self._told[:2] and self._told[2] - before[2] < SECONDS:
            self._told = before
            return
        lines = f"{safe(text, 300)}\n{safe(hint, 200)}"
        if info is None:
            app.toasts.tell("what you did was not taken", lines, severity="warning", offer=app.toasts.copying(lines))
            return
        way = (
            app.actions.offer("say why", "why", agent)
            if info.alive
            else app.actions.offer("start it again", "again", agent)
        )
        app.toasts.tell(f"{info.name} did not take it", lines, severity="warning", offer=way)

    def linked(self, state: LinkState) -> None:
        """The connection changed."""
        before, self._app.state = self._app.state, state
        if before.phase == "up":
            self._app.keyboard.broken()
        if state.phase == "up":
            self._list_again()
        if (before.phase == "up") != (state.phase == "up"):
            for panel in self._app.deck_screen.panels:
                panel.touch()
        self._app.sync()

    # what is asked for

    async def keep_listed(self) -> None:
        """List again what is out of date; many changes at once cost one listing."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._list_agents()
                await self._list_asks()
            except QuarterdeckError as error:
                self._all_agents = self._all_asks = True  # at the next news, or when somebody answers again
                if self._app.connected:
                    self._app.words.say(error.message)
                continue
            self._app.sync()
            for screen in self._app.screen_stack:
                if isinstance(screen, Follows):
                    screen.listed()

    async def _list_agents(self) -> None:
        app = self._app
        stale, self._agents = self._agents, set()
        self._removed.clear()
        everything, self._all_agents = self._all_agents or len(stale) > _FEW, False
        if everything:
            sessions = await app.link.request("GET", "/v1/sessions")
            app.fleet.replace(sessions, await app.link.request("GET", "/v1/agents"))
            for agent in self._removed:
                app.fleet.drop_agent(agent)
            app.words.problems((await app.link.request("GET", "/v1/health")).get("problems", []))
            first, self.listed = not self.listed, True
            if first:
                gc.freeze()  # what start-up made lives as long as the app: no use in walking it again and again
                app.actions.report_if_worth()
            return
        for agent in stale:
            try:
                answer = await app.link.request("GET", f"/v1/agents/{agent}")
            except NotFound:
                app.fleet.drop_agent(agent)
                continue
            if agent in self._removed:
                continue
            info = app.fleet.put_agent(answer)
            if info.session not in app.fleet.sessions:
                self._all_agents = True
                self._wake.set()

    async def _list_asks(self) -> None:
        stale, self._asks = self._asks, set()
        everything, self._all_asks = self._all_asks or len(stale) > _FEW, False
        if everything:
            await self._app.asks.fetch_all()
            stale -= self._app.asks.all.keys()
        await self._app.asks.fetch(stale)


class Follows:
    """A screen that is told of events while it is open."""

    def happened(self, event: frames.Happened) -> None:
        """An event; what it tells of may not be listed yet."""
        raise NotImplementedError

    def listed(self) -> None:
        """The fleet and what agents ask are as they are now."""
