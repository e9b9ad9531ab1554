"""The memory banks as the orchestrator keeps them: opened where they are needed, in step with files, heard by clients.

Nothing of the memory is imported before there is any. A bank is opened by the first request for it, and where an agent
of its workspace runs as soon as there is a memory folder or a bank on disk. A bank that cannot be opened is a problem
the doctor tells; it keeps nothing else from working.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from quarterdeck.clock import SystemClock
from quarterdeck.errors import QuarterdeckError
from quarterdeck.hooks import Plugins
from quarterdeck.paths import Paths
from quarterdeck.process import environ
from quarterdeck.redaction import Redactor, secrets_in
from quarterdeck.text import safe
from quarterdeck.watching import Watch
from sessions.deck import Deck

if TYPE_CHECKING:
    from memory.bank import Bank
    from memory.banks import Banks
    from memory.entry import Entry
    from quarterdeck.config import Memory

log = logging.getLogger(__name__)

AT_ONCE = 20
"""Entries that changed together and are told one by one; of more it is told that many changed."""
REST = 0.1
"""Seconds between two rounds of telling what changed."""
RETENTION_S = 86_400.0
"""Between two times a bank that is open lets go what it need not keep; the first one follows its opening."""
SETTLE_S = 30.0
"""After its opening a bank is left alone for so long."""


class Memories:
    """See the module. Made by :meth:`open`."""

    def __init__(self, paths: Paths, deck: Deck, settings: Memory, plugins: Plugins) -> None:
        self._paths = paths
        self._deck = deck
        self._settings = settings
        self._plugins = plugins
        self._redactor = Redactor()
        self._known: dict[str, str] = {}
        self._found: dict[str, frozenset[str]] = {}
        self._banks: Banks | None = None
        self._open = True
        self._tasks: set[asyncio.Task[None]] = set()
        self._heard: set[str] = set()
        """Roots of banks whose changes are told."""
        self._begun: set[str] = set()
        """Roots that were there while an agent ran, and whose banks were opened for that."""
        self._awaited: dict[str, Watch] = {}
        self._troubles: dict[str, str] = {}
        self._told: dict[str, frozenset[str]] = {}
        self._changed: dict[str, set[str]] = {}
        self._woken = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def open(cls, paths: Paths, deck: Deck, settings: Memory, plugins: Plugins) -> AsyncIterator[Self]:
        """The banks of ``paths``, until the context is left; what is acknowledged is then on disk and in its files."""
        self = cls(paths, deck, settings, plugins)
        self._later(self._follow_sessions())
        self._later(self._tell_changes())
        try:
            yield self
        finally:
            self._open = False
            for watch in self._awaited.values():
                watch.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            if self._banks is not None:
                await self._banks.__aexit__(None, None, None)

    # -- for the routes

    @property
    def banks(self) -> Banks:
        """All banks. Raises :class:`Invalid` for settings that name no backend."""
        if self._banks is None:
            import memory.builtin
            from memory.banks import Banks, Keeper

            if not self._plugins.manager.is_registered(memory.builtin):
                self._plugins.manager.register(memory.builtin)
            keepers: Any = self._plugins.memory_backends()
            found: dict[str, Keeper] = keepers
            self._banks = Banks(
                self._paths,
                SystemClock(),
                self._settings,
                found,
                redactor=self._redactor,
                watching=self._deck.watching,
            )
        return self._banks

    @property
    def backend(self) -> str:
        """What banks are kept in."""
        return self._settings.backend

    async def bank(self, root: str) -> Bank:
        """The bank of a folder, "" for the shared one; from now on its changes are told. Raises :class:`Broken`."""
        self.learn()
        try:
            bank = await (self.banks.of(Path(root)) if root else self.banks.shared())
        except QuarterdeckError as error:
            self._troubles[root] = error.message
            raise
        self._troubles.pop(root, None)
        if bank.root not in self._heard:
            self._heard.add(bank.root)
            bank.listen(partial(self._hear, bank.root))
            self._hear(bank.root)
            self._later(self._keep_small(bank))
        return bank

    @property
    def redactor(self) -> Redactor:
        """Masks what :meth:`learn` got to know, and what looks like a secret."""
        return self._redactor

    async def protected(self) -> frozenset[str]:
        """What retention must not take: what belongs to agents and sessions there are, or is linked from them."""
        names = {f"session/{session.name}" for session in self._deck.sessions()}
        for agent in self._deck.agents():
            names |= {agent.id, f"agent/{agent.name}", f"agent/{agent.id}"}
            names |= {prompt.id for prompt in self._deck.outbox.queue(agent.id)}
        return frozenset(names)

    def learn(self) -> None:
        """Mask the secrets agents run with by now, and our own, in whatever is stored from now on."""
        found = self._deck.secrets()
        if self._known and found == self._found:
            return
        self._found = found
        every = {name: {value} for name, value in secrets_in(os.environ).items()}
        for name, values in found.items():
            every.setdefault(name, set()).update(values)
        for agent in self._deck.agents():
            if agent.pid > 0 and agent.status.alive:
                for name, value in secrets_in(environ(agent.pid)).items():
                    every.setdefault(name, set()).add(value)
        self._known = {
            name if number == 1 else f"{name}.{number}": value
            for name, values in every.items()
            for number, value in enumerate(sorted(values), 1)
        } or {"": ""}
        self._redactor.know(self._known)

    def problems(self) -> list[str]:
        """What a person should know about the memory, one line each."""
        told = [f"the memory of {root or 'all workspaces'}: {text}" for root, text in self._troubles.items()]
        for bank in self._banks.open if self._banks else ():
            told += [f"the memory of {bank.root or 'all workspaces'}: {problem}" for problem in bank.problems]
        return told

    def look_again(self, root: str) -> None:
        """Something was done to a bank after which other things may be wrong with it."""
        self._hear(root)

    # -- workspaces agents work in

    async def _follow_sessions(self) -> None:
        with self._deck.subscribe() as news:
            self._look()
            while True:
                event = await news.next()
                if news.overflowed or event.kind.startswith(("agent.", "session.")):
                    news.overflowed = False
                    self._look()

    def _look(self) -> None:
        """Open the banks of workspaces where an agent runs, and wait for those that are not there yet."""
        agents = {agent.session for agent in self._deck.agents() if agent.status.alive}
        folders = {session.workspace for session in self._deck.sessions() if session.id in agents}
        if not folders and not self._awaited:
            return
        from memory import roots

        wanted = {str(roots.root_of(Path(folder))) for folder in folders}
        for root in self._awaited.keys() - wanted:
            self._awaited.pop(root).close()
        for root in wanted - self._begun - self._awaited.keys():
            files = roots.files_of(Path(root))
            self._awaited[root] = self._deck.watching.watch(files, partial(self._appeared, root))
            self._appeared(root)

    def _appeared(self, root: str, _: object = None) -> None:
        from memory import roots

        if root in self._awaited and roots.there(self._paths, Path(root)):
            self._awaited.pop(root).close()
            self._begun.add(root)
            self._later(self._begin(root))

    async def _begin(self, root: str) -> None:
        """Open a bank nobody asked for; that it cannot be is a problem to tell, and no more."""
        try:
            bank = await self.bank(root)
            await bank.stats()  # opened before there was anything, it begins now
        except QuarterdeckError as error:
            log.warning("the memory of %s was not opened: %s", root, error.message)
            await self._tell_problem(root, error.message)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` until it ends or the banks close; what fails in it is logged and ends nothing else."""
        if not self._open:
            work.close()
            return
        task = asyncio.create_task(_logged(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _keep_small(self, bank: Bank) -> None:
        """Let go what the settings do not keep, once a day while the bank is open."""
        await asyncio.sleep(SETTLE_S)
        while True:
            try:
                await bank.prune(self.banks.policy(), protected=self.protected)
            except QuarterdeckError as error:
                log.warning("the memory of %s was not pruned: %s", bank.root, error.message)
            await asyncio.sleep(RETENTION_S)

    # -- what clients hear

    def _hear(self, root: str, entry: str = "") -> None:
        """An entry changed; "": look at what is wrong."""
        self._changed.setdefault(root, set()).add(entry)
        self._woken.set()

    async def _tell_changes(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            changed, self._changed = self._changed, {}
            for root, entries in changed.items():
                try:
                    await self._tell(root, sorted(entries - {""}))
                except QuarterdeckError as error:
                    log.warning("changes of the memory of %s were not told: %s", root, error.message)
            await asyncio.sleep(REST)

    async def _tell(self, root: str, entries: list[str]) -> None:
        bank = next((bank for bank in self.banks.open if bank.root == root), None)
        if bank is None:
            return
        if len(entries) > AT_ONCE:
            await self._deck.tell(
                "memory.changed", bank=root, entry="", key="", why="many", conflict=False, missing=False
            )
        else:
            for name in entries:
                entry = await bank.backend.entry(name)
                if entry is not None:
                    await self._deck.tell("memory.changed", bank=root, **_facts(entry))
        problems = frozenset(bank.problems)
        for text in sorted(problems - self._told.get(root, frozenset()))[:AT_ONCE]:
            await self._tell_problem(root, text)
        self._told[root] = problems

    async def _tell_problem(self, root: str, text: str) -> None:
        await self._deck.tell("memory.problem", bank=root, text=safe(text, 500))


def _facts(entry: Entry) -> dict[str, Any]:
    if entry.deleted:
        why = "pruned" if entry.editor == "retention" else "deleted"
    else:
        why = "stored" if entry.created_ns == entry.updated_ns else "edited"
        why = {"file": "file", "merge": "merged", "import": "imported"}.get(entry.editor, why)
    return {
        "entry": entry.id,
        "key": safe(entry.content.key, 200),
        "why": why,
        "conflict": entry.conflict,
        "missing": entry.missing,
    }


async def _logged(work: Coroutine[Any, Any, None]) -> None:
    """Await ``work``; what fails in it is logged, and ends nothing else."""
    try:
        await work
    except Exception:  # one bank's trouble must not end the orchestrator
        log.exception("the memory failed at something")
