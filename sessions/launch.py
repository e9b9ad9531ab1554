"""From an agent's record to a running terminal, and from what runs back to a record."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

from profiles import Profile
from profiles.hooks import arm
from quarterdeck.errors import Invalid, QuarterdeckError, Unreachable
from quarterdeck.paths import Paths
from quarterdeck.redaction import secrets_in
from quarterdeck.text import safe
from sessions.model import Agent
from sessions.supervised import Supervised
from terminals import journal
from terminals.adapter import Adapter, Exit, Spawn, Terminal
from terminals.channel import exit_of
from terminals.live import Feeder, LiveTerminal
from terminals.remains import end_remains
from terminals.screen import new_life, stateless_replies
from terminals.snapshot import Snapshot

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What holds for every agent: bytes of journal kept unattended, rows of live history, a lease for headless runs."""

    journal: int = 64 << 20
    history_lines: int = 2000
    lease: float | None = None
    typing_pause: float = 10.0
    """Seconds after a person's key in a terminal in which no prompt is typed there."""


@runtime_checkable
class Adopting(Protocol):
    """An adapter that can take over a terminal somebody else made."""

    async def adopt(
        self, agent: str, folder: Path, socket: Path, *, pane: str, server: str, take_pipe: bool
    ) -> Terminal:
        """Follow ``pane`` of the tmux server at socket ``server`` ("" for the default one) from here on.

        Raises NotFound for no such pane, Refused where something reads its output already unless ``take_pipe``.
        """


class Launcher:
    """Starts, finds and opens terminals through the adapters; the one place that knows both sides."""

    def __init__(self, paths: Paths, adapters: Mapping[str, Adapter], feeder: Feeder, limits: Limits) -> None:
        self._paths = paths
        self._adapters = adapters
        self._feeder = feeder
        self.limits = limits
        self.secrets: dict[str, frozenset[str]] = {}
        """Secrets by name that agents were started with; kept in memory alone, to be masked in text."""

    def adapter(self, name: str) -> Adapter:
        """The adapter called ``name``. Raises :class:`Invalid` when there is none."""
        if adapter := self._adapters.get(name):
            return adapter
        raise Invalid(f"unknown adapter {name!r}", hint="adapters: " + ", ".join(sorted(self._adapters)))

    async def start(
        self,
        agent: Agent,
        argv: tuple[str, ...],
        environ: Mapping[str, str],
        profile: Profile,
        *,
        again: bool = False,
    ) -> Terminal:
        """Run ``argv`` for ``agent`` in a new terminal; ``again`` when its journal holds an earlier life.

        What the profile says of hooks is added for this run: the agent's record keeps the command line without it.
        Raises NotFound, Broken or Unreachable; then nothing runs.
        """
        for name, value in secrets_in(environ).items():
            self.secrets[name] = self.secrets.get(name, frozenset()) | {value}
        folder, cwd = self._paths.agent(agent.id), Path(agent.cwd)
        armed = await asyncio.to_thread(arm, profile, argv, environ, folder=folder, cwd=cwd)
        if armed.problem:
            log.warning("%s runs without hooks: %s", agent.name, safe(armed.problem))
        return await self.adapter(agent.adapter).spawn(
            Spawn(
                agent=agent.id,
                folder=folder,
                socket=self._paths.holder_socket(agent.id),
                argv=armed.argv,
                cwd=cwd,
                environ=armed.environ,
                cols=agent.cols,
                lines=agent.lines,
                replies=stateless_replies(),
                journal_limit=self.limits.journal,
                preamble=new_life("--- started again ---") if again else b"",
                lease=self.limits.lease,
            )
        )

    async def find(self, agent: Agent) -> Terminal | None:
        """The agent's terminal if it still lives, else None."""
        try:
            adapter = self.adapter(agent.adapter)
            return await adapter.find(agent.id, self._paths.agent(agent.id), self._paths.holder_socket(agent.id))
        except Unreachable:
            return None

    async def adopt(self, agent_id: str, pane: str, *, socket: str, take_pipe: bool) -> Terminal:
        """Take over a pane of the user's own tmux."""
        adapter = self.adapter("tmux")
        if not isinstance(adapter, Adopting):
            raise Invalid(f"adapter {adapter.name!r} cannot adopt")
        folder, own = self._paths.agent(agent_id), self._paths.holder_socket(agent_id)
        return await adapter.adopt(agent_id, folder, own, pane=pane, server=socket, take_pipe=take_pipe)

    def journal_end(self, agent: Agent) -> int:
        """The offset at which the agent's journal ends now."""
        return journal.end(self._paths.agent(agent.id) / "journal")

    def exit_record(self, agent: Agent) -> Exit | None:
        """How the agent's program ended, as its holder wrote it down."""
        return exit_of(self._paths.agent(agent.id))

    async def end_remains(self, agent: Agent) -> list[int]:
        """End what is left of the process session of a terminal that vanished; pids that could not be ended."""
        return [who.pid for who in await end_remains(self._paths.agent(agent.id))]

    async def open(
        self,
        supervised: Supervised,
        terminal: Terminal | None,
        snapshot: Snapshot | None,
        *,
        told_upto: int | None = None,
    ) -> LiveTerminal:
        """Draw the agent's screen from its snapshot and journal, and follow ``terminal`` if there is one.

        What the program reported of itself before the snapshot, or before now where there is none, is not told again;
        ``told_upto`` names another offset instead: where the journal of a program that was just started begins.
        """
        agent = supervised.agent
        folder = self._paths.agent(agent.id)
        if told_upto is None and snapshot is None:
            told_upto = self.journal_end(agent)
        live = await LiveTerminal.open(
            folder,
            feeder=self._feeder,
            listener=supervised,
            cols=agent.cols,
            lines=agent.lines,
            terminal=terminal,
            snapshot=snapshot,
            history_lines=self.limits.history_lines,
            reported_upto=told_upto,
        )
        supervised.live = live
        cols, lines = live.size
        pid = terminal.state.child.pid if terminal and terminal.state.child else agent.pid
        supervised.agent = replace(supervised.agent, cols=cols, lines=lines, pid=pid)
        supervised.changed()
        return live

    async def close_all(self) -> None:
        """Release every adapter; a failing one does not keep the others open."""
        results = await asyncio.gather(*(a.aclose() for a in self._adapters.values()), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, QuarterdeckError):
                raise result
