"""The filter of the list at the left: typing narrows it, arrows choose, enter focuses, escape shows all of it again.

While it is open it has all keys but the leader's and direct ones; no agent is typed into. The list is as wide as it
can be then and lies over the panels where there is no room: no terminal changes its size.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from quarterdeck.keys import CTRL, SHIFT, KeyPress
from quarterdeck.text import safe
from tui.bars import Hint
from tui.commands import matches
from tui.fleet import AgentInfo, SessionInfo

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp

LONGEST = 80
"""Characters of what is typed."""
_ANYWHERE = 2
"""The worst rank of :func:`matches` that is no guess."""


def fit(words: Sequence[str], agent: AgentInfo, session: str, now_ns: int) -> int | None:
    """How well all ``words`` fit an agent (lower is better), None where one of them does not.

    Each may fit its name, what it is (status, tags, profile, program) or its session; letters in order are looked
    for in the name alone, so that little is found by accident.
    """
    said = (agent.status, agent.full_word(now_ns), *agent.tags, agent.profile, agent.kind, session)
    found = 0
    for word in words:
        ranks = [2 * rank for rank in (matches(word, agent.name),) if rank is not None]
        ranks += [2 * rank + 1 for text in said if (rank := matches(word, text)) is not None and rank <= _ANYWHERE]
        if not ranks:
            return None
        found += min(ranks)
    return found


class Filtering:
    """The verb of the command and what it narrows to. ``chosen`` is the agent that enter focuses, "" for none."""

    def __init__(self, app: QuarterdeckApp) -> None:
        self._app = app
        self.open = False
        self.query = ""
        self.chosen = ""
        self.found: list[str] = []
        """The agents that fit, as listed."""
        self._best = True
        """Whether what fits best is to be chosen."""

    # the command

    def can_filter(self) -> bool:
        """Whether there is anything to narrow."""
        return bool(self._app.fleet.agents) and not self._app.deck_screen.plan.tiny

    def do_filter(self) -> None:
        """Open it, or close it again."""
        self._become(not self.open)

    def close(self) -> None:
        """Show the whole list again."""
        self._become(False)

    def _become(self, opened: bool) -> None:
        if opened and not self.can_filter():
            return
        self.open, self.query, self.found = opened, "", []
        self.chosen = self._app.focused_agent if opened else ""
        self._app.sync()

    def take(self) -> None:
        """Focus what is chosen, and close."""
        chosen = self.chosen
        self.close()
        if chosen:
            self._app.focus_agent(chosen)

    # what is typed

    def key(self, press: KeyPress) -> bool:
        """A key while it is open; the leader and direct keys mean what they always do (False)."""
        if not self.open or press[:2] == self._app.keymap.leader[:2] or self._app.keymap.direct(press):
            return False
        if not self.can_filter():
            self.close()
            return False
        name, plain = press.name, not press.mods & ~SHIFT
        page = max(1, self._app.deck_screen.roster.outer_size.height - 2)
        steps = {"up": -1, "down": 1, "pageup": -page, "pagedown": page, "home": -len(self.found),
                 "end": len(self.found)}.get(name)  # fmt: skip
        if name == "tab":
            steps = -1 if press.mods & SHIFT else 1
        if steps is not None and plain:
            self.choose(steps)
        elif name == "escape":
            self.close()
        elif name == "enter":
            self.take()
        elif name == "backspace" and plain:
            self.type(self.query[:-1])
        elif press.mods == CTRL and name in ("u", "w"):
            self.type("" if name == "u" else self.query.rstrip().rpartition(" ")[0])
        elif press.text and plain:
            self.type(self.query + press.text)
        return True

    def paste(self, text: str) -> bool:
        """Its first line is typed."""
        if self.open:
            self.type(self.query + safe(text.strip().partition("\n")[0], LONGEST))
        return self.open

    def type(self, query: str) -> None:
        """Narrow to ``query``; what fits best is chosen."""
        self.query, self._best = query.lstrip()[:LONGEST], True
        self._app.deck_screen.roster.sync()
        self._app.cursor_moved()

    def choose(self, steps: int) -> None:
        """Choose another one, so many further down."""
        if self.found:
            at = self.found.index(self.chosen) + steps if self.chosen in self.found else 0
            self.chosen = self.found[max(0, min(at, len(self.found) - 1))]
            self._app.deck_screen.roster.sync()

    def hints(self) -> list[Hint]:
        """What works meanwhile, for the key bar."""
        return [
            Hint(self._app.glyphs.enter, "focus", self.take),
            Hint(self._app.glyphs.arrows, "choose", lambda: self.choose(1)),
            Hint("esc", "all again", self.close),
        ]

    # what is left

    def narrow(
        self, groups: Iterable[tuple[SessionInfo, Sequence[AgentInfo]]]
    ) -> list[tuple[SessionInfo, list[AgentInfo]]]:
        """The sessions with agents that fit, in the order given; remembers them and who is chosen of them."""
        words, now = self.query.split(), self._app.now()
        left: list[tuple[SessionInfo, list[AgentInfo]]] = []
        ranks: dict[str, int] = {}
        for session, agents in groups:
            kept = []
            for agent in agents:
                rank = fit(words, agent, session.name, now)
                if rank is not None:
                    ranks[agent.id] = rank
                    kept.append(agent)
            if kept:
                left.append((session, kept))
        self.found = list(ranks)
        if (self._best and words) or self.chosen not in ranks:
            focused = self._app.focused_agent
            alone = not words and focused in ranks
            self.chosen = focused if alone else min(ranks, key=ranks.__getitem__, default="")
        self._best = False
        return left
