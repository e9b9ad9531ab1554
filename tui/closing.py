"""Brings back what was closed last: its place, its screen, its conversation where its profile can go on with it."""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from quarterdeck.text import safe
from tui.toasts import Offer

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp
    from tui.fleet import AgentInfo

MOST = 20
SECONDS = 6.0
"""How long the way back is offered after closing."""


class Closed(NamedTuple):
    """An agent a person closed here; ``ran`` is whether its program ran then."""

    agent: str
    name: str
    ran: bool


class Closing:
    """What this client closed, newest last; before that, whatever is in the trash.

    Its place needs no memory here: a layout keeps the places of agents that are gone.
    """

    def __init__(self, app: QuarterdeckApp) -> None:
        self._app = app
        self._closed: deque[Closed] = deque(maxlen=MOST)

    def remember(self, agent: AgentInfo) -> None:
        """An agent was closed; say how it comes back."""
        self._closed.append(Closed(agent.id, agent.name, agent.alive and not agent.adopted))
        back = Offer("bring it back", lambda: self._app.run_command("undo_close"))
        self._app.toasts.tell(f"{agent.name} is closed", "In the trash for seven days.", seconds=SECONDS, offer=back)

    def do_undo_close(self) -> None:
        """Bring back what was closed last."""
        self._app.actions.run(self._bring_back(), "bring back what was closed")

    async def _bring_back(self) -> None:
        app = self._app
        found = await self._newest()
        if found is None:
            app.words.say("nothing was closed")
            return
        made = await app.link.request("POST", f"/v1/trash/{quote(found.agent)}/restore")
        agent = app.fleet.put_agent(made)
        app.sync()
        app.focus_agent(agent.id)
        if not found.ran:
            app.words.say(f"{agent.name} is back")
            return
        report = await app.link.request("POST", f"/v1/agents/{quote(agent.id)}/restore", {"environ": dict(os.environ)})
        outcomes = [one for one in report.get("outcomes", ()) if one.get("agent") == agent.id]
        failed = next((one for one in outcomes if one.get("action") == "failed"), None)
        if failed is not None:
            app.words.say(f"{agent.name} is back, but could not be started: {safe(str(failed.get('detail')), 120)}",
                          seconds=10)  # fmt: skip
        else:
            detail = next((safe(str(one.get("detail", "")), 80) for one in outcomes), "")
            app.words.say(f"{agent.name} is back" + (f": {detail}" if detail else ""))

    async def _newest(self) -> Closed | None:
        """What to bring back: the last one closed here that is still in the trash, else the newest one there."""
        listed = await self._app.link.request("GET", "/v1/trash")
        there = {str(one["id"]): one for one in listed}
        while self._closed:
            last = self._closed.pop()
            if last.agent in there:
                return last
        here = [one for one in listed if str(one.get("session")) == self._app.session_id]
        for one in here or listed:
            return Closed(str(one["id"]), safe(str(one.get("name", "")), 64), not one.get("adopted", False))
        return None
