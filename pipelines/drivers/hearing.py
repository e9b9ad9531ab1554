"""One life of a headless agent: its journal read as it grows, what it says told, how it ended judged."""

from __future__ import annotations

from collections.abc import Callable

from pipelines.drivers.command import Lines
from pipelines.drivers.program import CHUNK, Ended, Program
from pipelines.drivers.verdict import Ending, failed, limited
from pipelines.drivers.voice import Voice
from pipelines.model import Outcome
from profiles import headless
from profiles.headless import End, Heard, Kind, Told
from terminals import journal

_ASKED_WITHIN = "it was refused what only a person could have allowed: nobody is there to be asked"


class Hearing:
    """Reads one life. ``changed`` is called after what it says may have changed what is known."""

    def __init__(self, format: str, voice: Voice, agent_id: str, changed: Callable[[], None]) -> None:  # noqa: A002
        self.format = format
        self._reader = headless.reader(format)
        self._voice = voice
        self._agent = agent_id
        self._changed = changed
        self._lines = None if self._reader.of_entries else Lines(voice.redactor, self._printed)

    @property
    def heard(self) -> Heard:
        """What is known by now."""
        return self._reader.heard

    def take(self, data: bytes) -> None:
        """More of its journal."""
        if self._lines is not None:
            self._lines.take(data)
        told = self._reader.feed(data)
        for news in told:
            self._tell(news)
        if told or self.heard.ended:
            self._changed()

    def close(self) -> None:
        """No more comes."""
        if self._lines is not None:
            self._lines.close()
        for news in self._reader.close():
            self._tell(news)
        self._changed()

    def _printed(self, text: str) -> None:
        self._voice.say("step.output", text, agent=self._agent)

    def _tell(self, news: Told) -> None:
        voice = self._voice
        text = voice.line(news.text)
        match news.kind:
            case Kind.MESSAGE:
                voice.say("agent.message", voice.clean(news.text), agent=self._agent)
            case Kind.TOOL:
                name = voice.line(news.name)
                voice.say("agent.tool", f"{name}: {text}" if text else name, agent=self._agent, tool=name, input=text)
            case Kind.REFUSED:
                name = voice.line(news.name)
                voice.say("agent.status", f"refused: {name}: {text}", agent=self._agent, status="refused", reason=text)
            case Kind.ERROR | Kind.LIMITED | Kind.WAITING as kind:
                voice.say("agent.status", f"{kind}: {text}", agent=self._agent, status=str(kind), reason=text)


def again(program: Program, format: str) -> Heard:  # noqa: A002
    """What is known of a life that is over, from its journal; nothing is told."""
    reader = headless.reader(format)
    with journal.Reader(program.journal) as read:
        while items := read.read(CHUNK, merge=True):
            for item in items:
                if isinstance(item, journal.Bytes):
                    reader.feed(item.data)
    reader.close()
    return reader.heard


def judge(heard: Heard, ended: Ended, *, says_so: bool) -> Ending:
    """How a life ended. ``says_so``: its kind says that it finished, so that a good exit status alone is not enough."""
    code = ended.code
    if refusal := heard.unanswered():
        asked = f"{refusal.tool}: {refusal.text}".removesuffix(": ")
        return Ending(outcome=Outcome.BLOCKED, reason=_ASKED_WITHIN, question=asked, exit_code=code)
    if heard.ended is End.SUCCESS and code == 0:
        return Ending(outcome=Outcome.SUCCEEDED, exit_code=code)
    if heard.limited_ns is not None:
        return limited(heard.limited_ns, heard.reason or (heard.errors[-1] if heard.errors else ""), code)
    if heard.ended in (End.TURNS, End.MONEY):
        return Ending(outcome=Outcome.OVER_BUDGET, reason=f"it stopped itself: {heard.reason}", exit_code=code)
    if heard.ended is End.ERROR:
        return failed(heard.reason or ended.reason, code)
    if code != 0:
        said = heard.errors[-1] if heard.errors else _last_noise(heard)
        return failed(f"{ended.reason}: {said}" if said else ended.reason, code)
    if says_so:
        said = heard.errors[-1] if heard.errors else _last_noise(heard)
        return failed("it ended without saying that it had finished" + (f": {said}" if said else ""), code)
    return Ending(outcome=Outcome.SUCCEEDED, exit_code=code)


def _last_noise(heard: Heard) -> str:
    """The line that says why: the last that speaks of an error, else the last of one that never got to work."""
    lines = list(heard.noise)
    never = lines[-1] if lines and not (heard.message or heard.tools) else ""
    return next((line for line in reversed(lines) if "error" in line.lower()), never)
