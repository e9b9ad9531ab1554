"""What tells of one agent from outside of its terminal: its hooks, its transcript, its status file, its event stream.

Which of them there are is in its profile. They are read when the system says that something changed, off the loop, and
what they say goes to the book. When its program ends, what that wrote is read to the end and nothing is followed any
more: files, ports and process ids may soon be another's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from profiles import Profile, status_files, streams, transcripts
from profiles.hooks import Spool, answer
from profiles.hooks.arming import port_of
from quarterdeck.clock import Clock
from quarterdeck.evidence import Decision, Evidence, Sign, Source
from quarterdeck.process import members
from quarterdeck.watching import Watch, Watching
from sessions.status.errands import Errands
from sessions.supervised import Supervised

log = logging.getLogger(__name__)

_ACTS = (Sign.PROMPT, Sign.WORKING, Sign.BLOCKED, Sign.DONE, Sign.IDLE)
"""With any of these an agent may have begun to write its conversation down."""
_ASKS = (Sign.ASKED, Sign.BLOCKED)
TICK = 0.02
"""Seconds between two looks whether a hook has read its decision."""
AT_ONCE = 32
"""Hook events taken in one go."""


class Teller(Protocol):
    """Where the sources' word goes."""

    def tell(self, agent_id: str, *evidence: Evidence) -> None:
        """Take evidence into account."""

    def when_stored(self, then: Callable[[], None]) -> None:
        """Call ``then`` when all that was told so far is on disk."""

    def keep(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None] | None:
        """Run ``work`` for as long as the book runs, or until it is cancelled; None where it does not run."""


class Sources:
    """The sources of one agent; started when its terminal is open, stopped when its program has ended."""

    def __init__(
        self,
        supervised: Supervised,
        profile: Profile,
        teller: Teller,
        watching: Watching,
        errands: Errands,
        clock: Clock,
    ) -> None:
        self._supervised = supervised
        self._profile = profile
        self._teller = teller
        self._watching = watching
        self._errands = errands
        self._clock = clock
        self._spool: Spool | None = None
        self._transcript: transcripts.Reader | None = None
        self._stream: asyncio.Task[None] | None = None
        self._file_pid = 0
        """Whose status file says what stands; 0 for none."""
        self._reads: dict[str, Callable[[], Any]] = {}
        self._watches: dict[str, Watch] = {}
        self._ended = False

    @property
    def _id(self) -> str:
        return self._supervised.agent.id

    def start(self) -> None:
        """Read what there is, and follow it."""
        self._ended, self._transcript = False, None
        self._find_written()
        self._find_file()
        self._find_stream()

    def end(self) -> None:
        """The program ended: what it wrote is read to the end, and nothing is followed any more."""
        self._ended = True
        self._leave("file")
        self._leave_stream()
        for watch in self._watches.values():
            watch.close()
        self._watches.clear()
        self._find_written()
        self._ask("transcript")

    def stop(self) -> None:
        """Read nothing any more."""
        for what in tuple(self._reads):
            self._leave(what)
        self._leave_stream()

    def heard(self, piece: Evidence) -> None:
        """What another source said of the agent: it may tell where its transcript is."""
        if piece.sign is Sign.CONVERSATION:
            path = piece.data.get("transcript")
            self._find_transcript(path if isinstance(path, str) else "")
        elif self._transcript is None and piece.sign in _ACTS:
            self._find_transcript("")

    async def reply(self, address: Mapping[str, Any], decision: Decision | None) -> bool:
        """Hand a decision to whoever asked at ``address``, the ``reply`` of the request's evidence.

        None lets a hook that waits end without one: the agent's own dialog asks.

        True: it was handed over; that the agent took it is told by later evidence. False: keys must do.
        """
        name = self._profile.sources.stream
        if address.get("via") == "hook" and self._spool is not None:
            return answer(self._spool, address, decision, self._profile.hooks.shape)
        if (
            decision
            and address.get("via") == "stream"
            and name in streams.FORMATS
            and (port := port_of(self._supervised.folder))
        ):
            return await streams.reply(name, port, address, decision)
        return False

    async def taken(self, address: Mapping[str, Any], seconds: float) -> bool:
        """Whether the hook at ``address`` takes within so many seconds the decision that it was handed."""
        if address.get("via") != "hook" or self._spool is None:
            return False
        asking = self._spool.asking
        try:
            async with asyncio.timeout(seconds):
                while not asking.taken(address):  # noqa: ASYNC110  a pipe tells nobody that it was read
                    await asyncio.sleep(TICK)
                return True
        except TimeoutError:
            return False
        finally:
            asking.let_go(address)

    # -- following

    def _follow(self, what: str, folder: Path, read: Callable[[], Any], concerns: Callable[[str], bool] = bool) -> None:
        """Run ``read`` now and whenever a file of ``folder`` changes whose name ``concerns`` us."""
        self._leave(what)
        self._reads[what] = read

        def changed(paths: frozenset[Path] | None) -> None:
            if paths is None or any(concerns(path.name) for path in paths):
                self._ask(what)

        if not self._ended:
            self._watches[what] = self._watching.watch(folder, changed)
        self._ask(what)

    def _ask(self, what: str) -> None:
        if read := self._reads.get(what):
            self._errands.ask((self._id, what), read, first=what == "hooks")

    def _leave(self, what: str) -> None:
        if watch := self._watches.pop(what, None):
            watch.close()
        self._reads.pop(what, None)
        self._errands.forget((self._id, what))

    def _leave_stream(self) -> None:
        if self._stream:
            self._stream.cancel()
            self._stream = None

    def _tell(self, evidence: Iterable[Evidence]) -> None:
        """Tell the book; a program that has ended asks nothing any more."""
        self._teller.tell(self._id, *(one for one in evidence if not (self._ended and one.sign in _ASKS)))

    def _find_written(self) -> None:
        if self._profile.hooks.shape and (spool := self._spool or Spool.find(self._supervised.folder)):
            self._spool = spool
            self._follow("hooks", spool.new, partial(self._take_hooks, spool))
        self._find_transcript("")

    async def _take_hooks(self, spool: Spool) -> None:
        taken = await asyncio.to_thread(spool.take, self._profile.hooks.shape, AT_ONCE)
        for one in taken:
            if one.problem:
                log.warning("a hook event of %s: %s", self._supervised.agent.name, one.problem)
            self._tell(one.evidence)
        if taken:
            self._teller.when_stored(partial(spool.done, [one.id for one in taken]))
            self._ask("hooks")

    def _find_transcript(self, path: str) -> None:
        name, agent = self._profile.sources.transcript, self._supervised.agent
        if name not in transcripts.FORMATS:
            return
        found: Path | None = Path(path) if path.startswith("/") and "\0" not in path else None
        if found is None and agent.resume_id:
            found = transcripts.find(name, self._environ(), agent.cwd, agent.resume_id)
        if found is None or (self._transcript and self._transcript.path == found):
            return
        reader = self._transcript = transcripts.open(name, found, self._clock)
        self._follow("transcript", found.parent, partial(self._read_transcript, reader), found.name.__eq__)

    async def _read_transcript(self, reader: transcripts.Reader) -> None:
        told = await asyncio.to_thread(reader.read)
        if self._transcript is reader and "transcript" in self._reads:
            self._tell(told)
            if reader.more:
                self._ask("transcript")

    def _find_file(self) -> None:
        name = self._profile.sources.file
        if name in status_files.FORMATS and (folder := status_files.folder(name, self._environ())):
            self._follow("file", folder, partial(self._read_file, name, folder), self._concerns)

    def _concerns(self, file: str) -> bool:
        """Whether a status file may be this agent's. Those of others are many; ours may be that of a child."""
        return self._file_pid == 0 or file == f"{self._file_pid}.json"

    async def _read_file(self, name: str, folder: Path) -> None:
        told, pid = await asyncio.to_thread(self._file_says, name, folder)
        if "file" not in self._reads:
            return
        if pid:
            self._file_pid = pid
        elif self._file_pid and not (folder / f"{self._file_pid}.json").exists():
            self._file_pid = 0
            text = "its status file is gone"
            told = [Evidence(source=Source.FILE, sign=Sign.CLEAR, wall_ns=self._clock.wall_ns(), text=text)]
        self._teller.tell(self._id, *told)

    def _file_says(self, name: str, folder: Path) -> tuple[list[Evidence], int]:
        """What the file of the agent's process says, else that of a process it started: it may be a wrapper."""
        own = self._supervised.agent.pid
        for pid in (own, *(pid for pid in sorted(members(own)) if pid != own)) if own else ():
            if (folder / f"{pid}.json").exists() and (told := status_files.read(name, folder, (pid,), self._clock)):
                return told, pid
        return [], 0

    def _find_stream(self) -> None:
        name, port = self._profile.sources.stream, port_of(self._supervised.folder)
        if self._stream is None and name in streams.FORMATS and port:
            follow = streams.follow(name, port, partial(self._teller.tell, self._id), self._clock)
            self._stream = self._teller.keep(follow, f"stream of {self._id}")

    def _environ(self) -> dict[str, str]:
        """The agent's variables, as far as they are kept."""
        return {key: value for key, value in self._supervised.agent.environ.items() if value is not None}
