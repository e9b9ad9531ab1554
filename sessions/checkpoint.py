"""Checkpoints: soon after a screen changed, all changed agents in one transaction, and never a wake-up when idle.

A screen-only snapshot costs about a tenth of a millisecond, so it is taken often. History is large, so it goes to a
file, off the loop, once per ``HISTORY_STEP`` of output: a restore then replays at most that much journal.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from quarterdeck.errors import QuarterdeckError, Unreachable
from sessions.store import Store
from sessions.supervised import Supervised
from terminals.snapshot import Snapshot

log = logging.getLogger(__name__)

INTERVAL = 1.0
"""Seconds from the first change to the checkpoint that covers it."""
HISTORY_STEP = 4 << 20
"""Bytes of output after which an agent's history is written again."""
KEEP_STEP = 8 << 20
"""Bytes of output after which a checkpoint is made durable and older journal may go."""


class Checkpointer:
    """Saves what changed. ``touch`` is called on every change and costs a set insertion."""

    def __init__(
        self, store: Store, find: Callable[[str], Supervised | None], also: Callable[[], Awaitable[None]]
    ) -> None:
        self._store = store
        self._find = find
        self._also = also
        self._dirty: set[str] = set()
        self._wake = asyncio.Event()
        self._kept: dict[str, int] = {}
        self._history: dict[str, int] = {}
        self._saving = asyncio.Lock()
        self.troubled = False
        """Whether the last attempt failed (a full disk); it is repeated with every interval until it succeeds."""

    def touch(self, agent_id: str) -> None:
        """The agent's screen or record changed."""
        self._dirty.add(agent_id)
        self._wake.set()

    def touch_all(self, agent_ids: Iterable[str]) -> None:
        """Count all of these as changed."""
        for agent_id in agent_ids:
            self.touch(agent_id)

    def forget(self, agent_id: str) -> None:
        """The agent was removed."""
        self._dirty.discard(agent_id)
        self._kept.pop(agent_id, None)
        self._history.pop(agent_id, None)

    async def run(self) -> None:
        """Save for ever; ends by cancellation."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(INTERVAL)
            self._wake.clear()
            await self.save()

    async def save(self, *, history: bool = False) -> int:
        """Checkpoint every changed agent now; the number of agents saved.

        With ``history`` the history files are brought up to date as well. A failure (a full disk) keeps the agents
        marked as changed and is reported once.
        """
        async with self._saving:
            names, self._dirty = self._dirty, set()
            snapshots: dict[str, Snapshot] = {}
            for name in names:
                agent = self._find(name)
                if agent is None or agent.live is None:
                    continue
                with suppress(Unreachable):  # put away meanwhile
                    if snapshot := await agent.live.snapshot():
                        snapshots[name] = snapshot
                await asyncio.sleep(0)  # a key must not wait for a hundred snapshots
            due = {name: s.offset for name, s in snapshots.items() if s.offset - self._kept.get(name, 0) >= KEEP_STEP}
            try:
                if snapshots:
                    await self._store.save_snapshots(snapshots, durable=bool(due))
                await self._also()
            except QuarterdeckError as error:
                self._dirty |= names
                self._wake.set()
                if not self.troubled:
                    log.error("checkpoint failed: %s", error.message)
                self.troubled = True
                return 0
            self.troubled = False
            for name, offset in due.items():
                self._kept[name] = offset
                if (agent := self._find(name)) and agent.live:
                    agent.live.keep_from(offset)
            for name, snapshot in snapshots.items():
                if history or snapshot.offset - self._history.get(name, 0) >= HISTORY_STEP:
                    await self._save_history(name)
            return len(snapshots)

    async def _save_history(self, name: str) -> None:
        agent = self._find(name)
        if agent is None or agent.live is None:
            return
        try:
            if await agent.live.save_history():
                self._history[name] = agent.live.offset
        except (QuarterdeckError, OSError) as error:
            log.warning("history of %s was not saved: %s", name, error)
