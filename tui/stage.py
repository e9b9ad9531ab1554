"""What a person looks at: the open session and its tab, who has the focus, how the panels are arranged."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from quarterdeck import layout as layouts
from quarterdeck import splits
from quarterdeck.layout import Layout, Tab
from tui.keeping import Keeping
from tui.needing import Needing
from tui.roster import WIDE
from tui.screen import Plan, plan

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp
    from tui.fleet import SessionInfo


class Stage:
    """``members`` are the open session's agents in the order of its tabs, ``here`` those with a panel in what is open.

    The layout is the session's; what changes it goes through :meth:`arrange` and is stored once it has settled.
    """

    def __init__(self, app: QuarterdeckApp) -> None:
        self._app = app
        self.session_id = ""
        self.focus = ""
        self.layout = Layout()
        self.members: list[str] = []
        self.tabs: list[list[str]] = [[]]
        """The agents of each tab, hidden ones too."""
        self.here: list[str] = []
        self.numbered: list[str] = []
        """The agents digits lead to: panels from the top left, page after page, then the others as they are listed."""
        self.keeping = Keeping(app)
        self.needing = Needing(app)
        self.leaving: set[str] = set()
        """Agents this client is closing now."""
        self._before: list[str] = []
        self._named = ""
        """The name of who has the focus."""
        self._adrift = ("", "")
        """The name of who went while having the focus, and who stands there since."""
        self._text = ""
        """The layout's text as the orchestrator had it when it was read."""

    @property
    def tab(self) -> Tab:
        """How what is open is tiled."""
        return self.needing.tab if self.needing.open else self.layout.tab

    @property
    def adrift(self) -> str:
        """Whose place nobody took yet: the name of who had the focus and went by itself, "" while keys go somewhere.

        ``focus`` is then only where a person's next choice begins from.
        """
        gone, since = self._adrift
        return gone if since == self.focus else ""

    # in step with what is known

    def settle(self) -> None:
        """Bring everything in step with the fleet, and with what another client made of the layout."""
        app = self._app
        held, adrift, adopted = self.focus if self.focus in self._before else "", self.adrift, False
        if app.follower.listed and app.session is None:
            chosen = app.fleet.choose(app.wanted_session, app.workspace)
            if chosen is not None:
                self.enter(chosen)
        session = app.session
        if session is not None and session.layout != self._text and not self.keeping.ours(session.id):
            self._adopt(session)
            adopted = True
        agents = [agent.id for agent in app.fleet.of_session(self.session_id)]
        self.tabs = layouts.members(self.layout, agents)
        self.members = [agent for tab in self.tabs for agent in tab]
        if self.needing.open:
            self.here = self.needing.settle(self.focus)
        else:
            hidden = self.layout.hidden
            self.here = [agent for agent in self.tabs[self.layout.at] if agent not in hidden]
        if self.focus not in self.here:
            self.focus = self._heir()
        if held and self.focus != held:
            self._went(held, adrift, adopted=adopted)
        self._before = self.here
        if not self.adrift and (info := app.fleet.agents.get(self.focus)) is not None:
            self._named = info.name

    def _went(self, gone: str, adrift: str, *, adopted: bool) -> None:
        """Who had the focus is not here any more: what is typed was not meant for whoever is next."""
        app = self._app
        info = app.fleet.agents.get(gone)
        own = gone in self.leaving or (info is not None and info.session == self.session_id and not adopted)
        if adrift or not own:
            self._adrift = (adrift or self._named, self.focus) if self.focus else ("", "")
        app.keyboard.hush()

    def _adopt(self, session: SessionInfo) -> None:
        """Another client changed the layout: take it, and stay with whoever has the focus."""
        self._text = session.layout
        if session.layout == layouts.dumps(self.layout):
            return
        here = self.layout.at
        found = layouts.loads(session.layout)
        if self.focus and not self.needing.open:
            here = layouts.tab_of(found, self.focus)
        self.layout = replace(found, at=min(here, len(found.tabs) - 1))

    def _heir(self) -> str:
        """Who gets the focus when the one that had it is gone: who stood behind it, else before it."""
        before = self._before
        at = before.index(self.focus) if self.focus in before else 0
        kept = self.tab.focus if self.focus not in before else ""
        return next((agent for agent in [kept, *before[at:], *before[:at][::-1], *self.here] if agent in self.here), "")

    def number(self, shown: Plan, listed: list[str]) -> None:
        """Number what is on the screen, or would be without zoom. Going to another page gives nobody another number."""
        plan = self.plan(zoom=False) if self.tab.zoom else shown
        if plan.shown_as.pages == 1:
            seen = [agent for agent, _ in sorted(plan.tiles, key=lambda tile: (tile[1].y, tile[1].x))]
        else:
            split = splits.leaves(self.tab.split) if self.tab.tiling == "split" else ()
            pinned = () if self.needing.open else self.layout.pinned
            first = [one for one in self.here if one in pinned] if not split else [s for s in split if s in self.here]
            seen = [*first, *(one for one in self.here if one not in first)]
        self.numbered = [*seen, *(agent for agent in listed if agent not in seen)]

    # moving about

    def enter(self, session: SessionInfo) -> None:
        """Open a session as it was left."""
        if self.needing.open:
            self.needing.leave()
        self.session_id = session.id
        self._adrift = ("", "")
        self._text = session.layout
        self.layout = layouts.loads(self.keeping.text(session))
        self.focus = self.layout.tab.focus
        self._before = []

    def go(self, agent: str) -> None:
        """Give an agent the focus, in its session, on its tab, with a panel."""
        info = self._app.fleet.agents.get(agent)
        if info is None:
            return
        self._adrift = ("", "")
        if self.needing.open:
            if agent in self.needing.agents:
                self.focus = agent
                return
            self.needing.leave()
        if info.session != self.session_id and (session := self._app.fleet.sessions.get(info.session)):
            self.enter(session)
        at = layouts.tab_of(self.layout, agent)
        hidden = tuple(one for one in self.layout.hidden if one != agent)
        self.focus = agent
        self.arrange(replace(self.layout, at=at, hidden=hidden))

    def open_tab(self, at: int) -> None:
        """Show another tab as it was left."""
        self._adrift = ("", "")
        if self.needing.open:
            self.focus = self.needing.leave()
        if at != self.layout.at:
            left = self.layout.with_tab(replace(self.layout.tab, focus=self.focus))
            self.focus = left.tabs[at].focus
            self._before = []
            self.arrange(replace(left, at=at), focus=self.focus)

    def arrange(self, layout: Layout, *, focus: str | None = None) -> None:
        """Another layout for the open session, with who has the focus; stored once it has settled."""
        focus = self.focus if focus is None else focus
        self.layout = layout.with_tab(replace(layout.tab, focus=focus))
        if self.session_id:
            self.keeping.keep(self.session_id, self.layout)

    # where everything is

    def page_words(self) -> str:
        """Which part of what is open is shown, "" for all of it."""
        here, shown = self.here, list(self._app.shown)
        if not shown or len(shown) == len(here):
            return ""
        first = here.index(shown[0]) if shown[0] in here else 0
        if here[first : first + len(shown)] != shown:
            return f"{len(shown)} of {len(here)}"
        last = first + len(shown)
        return f"{first + 1} to {last} of {len(here)}" if len(shown) > 1 else f"{first + 1} of {len(here)}"

    def plan(self, *, bar: int = 0, side: int = 0, guide: int = 0, zoom: bool | None = None) -> Plan:
        """Where everything stands now; ``zoom`` says what would be if it were (not) zoomed."""
        tab = self.tab if zoom is None else replace(self.tab, zoom=zoom)
        pinned = () if self.needing.open else self.layout.pinned
        tabs = len(self.layout.tabs) > 1 and not self.needing.open
        width, height = self._app.size
        return plan(
            tab, self.here, self.focus, pinned, width, height, bar=bar, side=side, guide=guide, tabs=tabs,
            listing=WIDE if self._app.filtering.open else 0,
        )  # fmt: skip
