"""Who carries out a step: a command, an agent without a screen, an agent in its terminal."""

from __future__ import annotations

from collections.abc import Callable

from pipelines.drivers.command import CommandDriver
from pipelines.model import AgentPlan, Drive
from pipelines.ports import Driver, Tell
from sessions.deck import Deck

Drivers = Callable[[AgentPlan | None, Tell], Driver]
"""The driver for one attempt: of a command where there is no agent. What it tells goes to that ``Tell``."""


def choose(deck: Deck, session: str, *, trust: bool = False, patience: float = 0.0) -> Drivers:
    """Drivers whose programs are in the session of that name.

    ``patience`` is how many seconds a question that no rule decides waits for a person; ``trust`` is for agents in
    terminals (:class:`pipelines.drivers.terminal.TerminalDriver`).
    """

    def driver(agent: AgentPlan | None, tell: Tell) -> Driver:
        if agent is None:
            return CommandDriver(deck, session, tell)
        if agent.drive is Drive.TERMINAL:
            from pipelines.drivers.terminal import TerminalDriver

            return TerminalDriver(deck, session, tell, trust=trust, patience=patience)
        from pipelines.drivers.headless import HeadlessDriver

        return HeadlessDriver(deck, session, tell, patience=patience)

    return driver
