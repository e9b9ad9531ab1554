"""The texts of agents, searched: what each printed and wrote down, indexed when it stands still or when somebody asks.

An agent's texts are read when its status says that it waits or has ended, and for a search as far as there is time.
Those of agents in the trash stay until they are deleted for good.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from orchestrator.memories import Memories
from profiles import transcripts
from quarterdeck.clock import SystemClock
from quarterdeck.errors import Invalid, QuarterdeckError
from quarterdeck.paths import Paths
from sessions.deck import Deck
from sessions.model import Agent, Event, Status
from terminals.replay import journal_folder

if TYPE_CHECKING:
    from memory.backend import Filter
    from memory.query import Query
    from memory.texts.index import TextIndex
    from memory.texts.source import TextHit, TextSource

log = logging.getLogger(__name__)

PATIENCE = 1.0
"""Seconds a search waits for what is being indexed."""
_AT_WORK = frozenset({Status.STARTING, Status.RUNNING, Status.WORKING})


class Found(NamedTuple):
    """A passage, and the name of the agent whose it is."""

    hit: TextHit
    agent: str


class Answer(NamedTuple):
    """What was found, the best first, and the names of agents whose texts are not all searched yet."""

    found: Sequence[Found]
    behind: Sequence[str]


class Texts:
    """See the module. Made by :meth:`open`."""

    def __init__(self, paths: Paths, deck: Deck, memories: Memories, limit: int) -> None:
        self._paths = paths
        self._deck = deck
        self._memories = memories
        self._limit = limit
        self._index: TextIndex | None = None
        self._begun = asyncio.Event()
        self._ready = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def open(cls, paths: Paths, deck: Deck, memories: Memories, limit: int) -> AsyncIterator[Self]:
        """The texts of ``deck``, at most ``limit`` characters of them (0: none), until the context is left."""
        self = cls(paths, deck, memories, limit)
        if not limit:
            yield self
            return
        tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._keep())]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def problems(self) -> list[str]:
        """What a person should know, one line each."""
        if self._index is None:
            return []
        told = [f"texts are not searched: {self._index.problem}"] if self._index.problem else []
        names = {agent.id: agent.name for agent in self._deck.agents()}
        return told + [
            f"the {kind} of {names.get(agent, agent)} cannot be searched" for agent, kind, _ in self._index.given_up
        ]

    async def search(self, words: str, narrow: Filter, only: str = "", *, limit: int = 20) -> Answer:
        """Passages by words, narrowed as entries are; ``only`` the texts of the agent with this id, "" for all.

        The language is :mod:`memory.query`: words, ``agent:`` and ``by:``, ``in:session/``, ``since:``, ``until:``;
        other filters are of entries, and no text passes them. Raises :class:`Invalid` for a bad query, or where no
        texts are indexed.
        """
        from memory.query import parse
        from memory.texts.source import TextFilter

        if not self._limit:
            raise Invalid("texts are not indexed", hint='set memory.texts to a size, such as "256 MB"')
        query = parse(words, narrow, SystemClock().wall_ns())
        removed = await self._deck.trash()
        every = [*self._deck.agents(), *removed]
        meant = [agent for agent in every if only in ("", agent.id) and self._is_meant(agent, query)]
        if not query.terms or not _of_texts(query) or not meant:
            return Answer((), ())
        self._begun.set()
        await self._ready.wait()
        assert self._index is not None
        self._memories.learn()
        alive = [agent for agent in meant if not agent.removed_ns and agent.status.alive]
        self._index.want(self._sources(alive))
        which = TextFilter(
            agents=frozenset(agent.id for agent in meant) if only or len(meant) < len(every) else None,
            since_ns=query.which.since_ns,
            until_ns=query.which.until_ns,
        )
        answer = await self._index.search(query, which, limit=limit, seconds=PATIENCE)
        names = {agent.id: agent.name for agent in every}
        return Answer(
            [Found(hit, names.get(hit.agent, hit.agent)) for hit in answer.hits],
            sorted(names.get(agent, agent) for agent in answer.behind),
        )

    def _is_meant(self, agent: Agent, query: Query) -> bool:
        """Whether the filters for agents and sessions let an agent through."""
        which = query.which
        named = {agent.id, agent.name, f"agent/{agent.name}", f"agent/{agent.id}", "agent/"}
        if any(name not in named for name in which.links.agents):
            return False
        if which.authors and named.isdisjoint(which.authors):
            return False
        session = next((one.name for one in self._deck.sessions() if one.id == agent.session), "")
        return not which.namespaces or bool(
            {f"session/{session}", "session/", *(named - {agent.id, agent.name})} & set(which.namespaces)
        )

    # -- when

    async def _keep(self) -> None:
        """The index is open from when it is first needed until the end."""
        await self._begun.wait()
        from memory.texts.index import TextIndex

        self._memories.learn()
        folder = self._paths.memory
        index = TextIndex.open(folder, SystemClock(), self._memories.redactor, self._everything, self._limit)
        async with index as self._index:
            self._ready.set()
            await asyncio.Event().wait()

    async def _follow(self) -> None:
        with self._deck.subscribe() as news:
            if self._deck.agents() or (self._paths.memory / "text.db").exists():
                self._begun.set()
            while True:
                event = await news.next()
                try:
                    self._heard(event)
                    if news.overflowed and self._index is not None:
                        news.overflowed = False
                        self._index.want(await self._everything())
                except QuarterdeckError as error:
                    log.warning("an event about texts was lost: %s", error.message)

    def _heard(self, event: Event) -> None:
        if event.kind == "agent.purged" and self._index is not None:
            self._index.forget(event.agent)
        elif event.kind == "agent.status":
            still = [one for one in self._deck.agents() if one.id == event.agent and one.status not in _AT_WORK]
            if still:
                self._begun.set()
            if still and self._index is not None:  # one that begins looks at whatever there is
                self._memories.learn()
                self._index.want(self._sources(still))

    # -- what

    async def _everything(self) -> list[TextSource]:
        return [*self._sources(self._deck.agents()), *self._sources(await self._deck.trash())]

    def _sources(self, agents: Iterable[Agent]) -> list[TextSource]:
        from orchestrator.sources import JournalSource, TranscriptSource

        found: list[TextSource] = []
        for agent in agents:
            homes = (self._paths.agent(agent.id), self._paths.trash / agent.id)
            found.append(JournalSource(agent.id, tuple(journal_folder(home) for home in homes)))
            if transcript := self._transcript(agent):
                found.append(TranscriptSource(agent.id, *transcript))
        return found

    def _transcript(self, agent: Agent) -> tuple[Path, str] | None:
        """Where an agent's program writes its conversation down, and in which format."""
        name = self._deck.status.profile(agent).sources.transcript
        if name not in transcripts.FORMATS:
            return None
        told = agent.doing.transcript
        path = Path(told) if told.startswith("/") and "\0" not in told else None
        if path is None and agent.resume_id:
            environ = {key: value for key, value in agent.environ.items() if value is not None}
            path = transcripts.find(name, environ, agent.cwd, agent.resume_id)
        return (path, name) if path else None


def _of_texts(query: Query) -> bool:
    """Whether nothing is asked for that only entries have."""
    which = query.which
    links = which.links
    of_entries = (which.kinds, which.tags, links.tasks, links.commits, links.files, which.deleted)
    return not any((*of_entries, which.key)) and (which.pinned, which.conflict, which.missing) == (None, None, None)
