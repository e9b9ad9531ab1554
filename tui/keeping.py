"""Keeps layouts with their sessions: stored once they have settled, and never lost by a quick leave."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from quarterdeck.errors import NotFound, QuarterdeckError
from quarterdeck.layout import Layout, dumps
from tui.fleet import SessionInfo

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp

SETTLES = 0.5
"""Seconds after the last change before a layout is stored."""
LAST = 2.0
"""Seconds that leaving waits for the last change to be stored."""


class Keeping:
    """Changed layouts of any session, until the orchestrator has them."""

    def __init__(self, app: QuarterdeckApp) -> None:
        self._app = app
        self._unsaved: dict[str, str] = {}
        self._sending: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None

    def text(self, session: SessionInfo) -> str:
        """A session's layout as this client knows it."""
        return self._unsaved.get(session.id, session.layout)

    def ours(self, session: str) -> bool:
        """Whether this client changed a session's layout and the orchestrator has not said yes to that."""
        return session in self._unsaved or session in self._sending

    def keep(self, session: str, layout: Layout) -> None:
        """Store a layout once nothing more is changed for a moment."""
        info, text = self._app.fleet.sessions.get(session), dumps(layout)
        if info is None or text == self.text(info):
            return
        self._unsaved[session] = text
        self._arm()

    def again(self) -> None:
        """Somebody answers again: store what could not be stored before."""
        if self._unsaved and self._timer is None and not self._sending:
            self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(SETTLES, self._fire)

    def _fire(self) -> None:
        self._timer = None
        if self._app.connected and self._app.is_running:
            self._app.actions.run(self._store(), "remember the layout")

    async def _store(self) -> None:
        """Hand over what is not stored yet. Raises what the orchestrator says; what it did not get stays unsaved."""
        for session in list(self._unsaved):
            text = self._unsaved.pop(session)
            self._sending.add(session)
            try:
                await self._app.link.request("PATCH", f"/v1/sessions/{quote(session)}", {"layout": text})
            except NotFound:
                continue
            except QuarterdeckError:
                self._unsaved.setdefault(session, text)
                raise
            finally:
                self._sending.discard(session)
            if info := self._app.fleet.sessions.get(session):
                self._app.fleet.sessions[session] = replace(info, layout=text)

    async def flush(self) -> None:
        """This client ends: store what is left, now or not at all."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._app.connected:
            with contextlib.suppress(QuarterdeckError, TimeoutError):
                await asyncio.wait_for(self._store(), LAST)
