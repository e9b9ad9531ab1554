"""What tells of one agent from outside of its terminal: its hooks, its transcript, its status file, its event stream.

Which of them there are is in its profile. They are read when the system says that something changed, off the loop, and
what they say goes to the book.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from profiles import Profile, transcripts
from profiles.hooks import Spool, answer
from quarterdeck.evidence import Decision, Evidence, Sign
from sessions.status.errands import Errands
from sessions.status.watch import Watch
from sessions.supervised import Supervised

log = logging.getLogger(__name__)

AT_ONCE = 32
"""Hook events taken in one go."""


class Teller(Protocol):
    """Where the sources' word goes."""

    def tell(self, agent_id: str, *evidence: Evidence) -> None:
        """Take evidence into account."""

    def when_stored(self, then: Callable[[], None]) -> None:
        """Call ``then`` when all that was told so far is on disk."""


class Sources:
    """The sources of one agent; started when its terminal is open, stopped when its program has ended."""

    def __init__(
        self, supervised: Supervised, profile: Profile, teller: Teller, watch: Watch, errands: Errands
    ) -> None:
        self._supervised = supervised
        self._profile = profile
        self._teller = teller
        self._watch = watch
        self._errands = errands
        self._spool: Spool | None = None
        self._transcript: transcripts.Reader | None = None
        self._unwatch: dict[str, Callable[[], None]] = {}

    @property
    def _id(self) -> str:
        return self._supervised.agent.id

    def start(self) -> None:
        """Read what there is, and follow it."""
        if self._profile.hooks.shape and (spool := Spool.find(self._supervised.folder)):
            self._spool = spool
            self._follow("hooks", spool.new, self._take_hooks)
        self._find_transcript("")

    def stop(self) -> None:
        """Follow nothing any more."""
        for what in tuple(self._unwatch):
            self._leave(what)

    def heard(self, piece: Evidence) -> None:
        """What another source said of the agent: it may tell where its transcript is."""
        if piece.sign is Sign.CONVERSATION:
            path = piece.data.get("transcript")
            self._find_transcript(path if isinstance(path, str) else "")
        elif piece.sign is Sign.PROMPT and self._transcript is None:
            self._find_transcript("")

    async def reply(self, address: Mapping[str, Any], decision: Decision) -> bool:
        """Hand a decision to whoever asked at ``address``, the ``reply`` of the request's evidence.

        True: it was handed over; that the agent took it is told by later evidence. False: keys must do.
        """
        if address.get("via") == "hook" and self._spool is not None:
            return answer(self._spool, address, decision, self._profile.hooks.shape)
        return False

    # -- following

    def _follow(self, what: str, folder: Path, read: Callable[[], Any], name: str = "") -> None:
        """Run ``read`` now and whenever the file ``name`` of ``folder`` (any, when empty) changes."""
        self._leave(what)

        def changed(file: str) -> None:
            if not name or not file or file == name:
                self._errands.ask((self._id, what), read)

        self._unwatch[what] = self._watch.add(folder, changed)
        changed("")

    def _leave(self, what: str) -> None:
        if unwatch := self._unwatch.pop(what, None):
            unwatch()
        self._errands.forget((self._id, what))

    async def _take_hooks(self) -> None:
        spool, shape = self._spool, self._profile.hooks.shape
        while spool is not None and "hooks" in self._unwatch:
            taken = await asyncio.to_thread(spool.take, shape, AT_ONCE)
            for one in taken:
                if one.problem:
                    log.warning("a hook event of %s: %s", self._supervised.agent.name, one.problem)
                self._teller.tell(self._id, *one.evidence)
            if not taken:
                return
            self._teller.when_stored(partial(spool.done, [one.id for one in taken]))

    def _find_transcript(self, path: str) -> None:
        name, agent = self._profile.sources.transcript, self._supervised.agent
        if name not in transcripts.FORMATS:
            return
        found: Path | None = Path(path) if path.startswith("/") and "\0" not in path else None
        if found is None and agent.resume_id:
            environ = {key: value for key, value in agent.environ.items() if value is not None}
            found = transcripts.find(name, environ, agent.cwd, agent.resume_id)
        if found is None or (self._transcript and self._transcript.path == found):
            return
        reader = self._transcript = transcripts.open(name, found)
        self._follow("transcript", found.parent, partial(self._read_transcript, reader), found.name)

    async def _read_transcript(self, reader: transcripts.Reader) -> None:
        more = True
        while more and self._transcript is reader and "transcript" in self._unwatch:
            told = await asyncio.to_thread(reader.read)
            more = reader.more
            self._teller.tell(self._id, *told)
