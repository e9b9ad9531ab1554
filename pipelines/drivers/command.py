"""A command as a program of the run: what it prints is told line by line, its end is its exit code.

It runs on a terminal, so that it prints as it does for a person, but with nothing to read and no pager: nobody is
there. A program of a run that was cut off is begun again, because it never came to its end.
"""

from __future__ import annotations

import codecs
import re
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.drivers.program import Ended, Program, Programs
from pipelines.masking import Passing
from pipelines.model import Outcome, RunEvent, Usage
from pipelines.naming import turn_name
from pipelines.outputs import VARIABLE
from pipelines.ports import Ask, Tell, Turn
from quarterdeck.errors import Broken, QuarterdeckError, Unreachable
from quarterdeck.redaction import Redactor
from quarterdeck.text import plain, safe
from sessions.deck import Deck
from terminals import journal
from terminals.transcript import Transcript

SHELL = ("/bin/sh", "-c", 'exec /bin/sh -c "$1" </dev/null', "sh")
"""Begins the command line of every command; its text follows as one argument."""
LIVES = 3
"""Times a command is begun in one process because its terminal vanished before its end."""
LAST_LINES = 60
LAST_CHARACTERS = 8_000
_TAIL = 128 << 10
"""Bytes of its journal in which its last lines are looked for."""
LINE = 2_000
"""Characters of one line that are told."""
TOLD_AT_ONCE = 200
"""Lines told together."""
TOLD_A_SECOND = 500
"""Lines of one command told in a second; of a flood the rest is counted, and stands in its log."""
_NEAR = 200
"""Lines behind those that are told, in which a secret that begins there may go on."""
_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")


@dataclass(frozen=True, kw_only=True)
class Done:
    """A command that has ended. ``code`` is as a shell has it: 128 and the signal; None where nobody knows."""

    code: int | None
    reason: str
    output: str
    """Its last lines, redacted and bounded."""
    agent_id: str
    started_ns: int
    ended_ns: int


async def carry_out(
    programs: Programs,
    name: str,
    *,
    step: str,
    command: str,
    cwd: str,
    environ: Mapping[str, str],
    redactor: Redactor,
    told: Callable[[str], None] | None = None,
    output: Path | None = None,
) -> Done:
    """Run ``command``, or go on with the one of that name; ``told`` gets what it prints, safe to show.

    ``output`` is a file that it writes: what one that was cut off wrote there is deleted before it is run again.

    Cancelled, it ends it before it raises. Raises :class:`QuarterdeckError` where it cannot be started.
    """

    async def life() -> tuple[Program, Ended]:
        program = programs.find(name)
        if program is None:
            if output is not None:
                output.unlink(missing_ok=True)
            program = await programs.begin(name, step=step, argv=(*SHELL, command), cwd=cwd, environ=environ)
        lines = Lines(redactor, told) if told else None
        ended = await program.follow(lines.take if lines else None)
        if lines:
            lines.close()
        return program, ended

    program, ended = await life()
    for _ in range(LIVES - 1):
        if ended.lost:
            program, ended = await life()
    code = ended.code if ended.code is None or ended.code >= 0 else 128 - ended.code
    return Done(
        code=code,
        reason=ended.reason,
        output=last_lines(program, redactor, ended.end),
        agent_id=program.id,
        started_ns=program.agent.created_ns,
        ended_ns=program.ended_ns or time.time_ns(),
    )


class CommandDriver:
    """Carries out steps with ``run``; see :class:`pipelines.ports.Driver`."""

    def __init__(self, deck: Deck, session: str, tell: Tell) -> None:
        self._programs = Programs(deck, session)
        self._tell = tell

    async def turn(self, ask: Ask, used: Callable[[Usage], None]) -> Turn:
        """See :class:`pipelines.ports.Driver`. It uses nothing that a budget could count."""

        def told(text: str) -> None:
            event = RunEvent(kind="step.output", at_ns=time.time_ns(), run_id=ask.run_id, step=ask.step.key, text=text)
            self._tell(event)

        began = time.time_ns()
        try:
            done = await carry_out(
                self._programs,
                turn_name(ask.step.key, ask.attempt, ask.turn),
                step=ask.step.key,
                command=ask.prompt,
                cwd=ask.cwd,
                environ=ask.environ,
                redactor=ask.redactor,
                told=told,
                output=Path(ask.environ[VARIABLE]) if VARIABLE in ask.environ else None,
            )
        except (Broken, Unreachable):
            raise
        except QuarterdeckError as error:
            reason = safe(ask.redactor.redact(error.message).text, 500)
            return Turn(outcome=Outcome.FAILED, reason=reason, started_ns=began, ended_ns=time.time_ns())
        return Turn(
            outcome=Outcome.SUCCEEDED if done.code == 0 else Outcome.FAILED,
            reason="" if done.code == 0 else done.reason,
            message=done.output,
            exit_code=done.code,
            agent_id=done.agent_id,
            started_ns=done.started_ns,
            ended_ns=done.ended_ns,
        )

    async def aclose(self) -> None:
        """See :class:`pipelines.ports.Driver`: what a command put into the background goes on until the run ends."""


def last_lines(program: Program, redactor: Redactor, end: int = -1) -> str:
    """The last lines a program printed, up to ``end`` of its journal, as they looked: redacted and then cut."""
    end = journal.end(program.journal) if end < 0 else end
    begin = max(0, end - _TAIL)
    transcript = Transcript(program.journal)
    lines: deque[str] = deque(maxlen=LAST_LINES * 4)
    try:
        with journal.Reader(program.journal, begin) as reader:
            while reader.position < end and (items := reader.read(min(_TAIL, end - reader.position), merge=True)):
                for item in items:
                    lines.extend(transcript.take(item))
        lines.extend(transcript.rest())
    finally:
        transcript.close()
    if begin and len(lines) > 1:
        lines.popleft()  # its beginning is not there
    text = redactor.redact("\n".join(lines)).text
    kept = "\n".join(line.rstrip() for line in text.strip("\n").split("\n")[-LAST_LINES:])
    if len(kept) > LAST_CHARACTERS:
        kept = kept[-LAST_CHARACTERS:].partition("\n")[2] or kept[-LAST_CHARACTERS:]
    return plain(kept)


class Lines:
    """Makes lines of what a program prints, and tells them: redacted, safe to show, bounded whatever it prints.

    What stands in a line is what was printed last there: of a progress bar its last state.
    """

    def __init__(self, redactor: Redactor, tell: Callable[[str], None]) -> None:
        self._redactor, self._tell = redactor, tell
        self._passing = Passing(redactor)
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._open = ""
        self._long = False
        """Whether the line that goes on was told as far as it ever is."""
        self._second = self._told = self._left_out = 0

    def take(self, data: bytes) -> None:
        """More of it."""
        self._open += self._decode(data)
        *lines, self._open = self._open.split("\n")
        if lines and self._long:
            lines, self._long = lines[1:], False
        if len(self._open) > LINE * 4:
            if not self._long:
                lines.append(self._open)
            self._open, self._long = "", True
        self._lines(lines)

    def close(self) -> None:
        """It has ended: what stands in its last line is told, too."""
        if self._open and not self._long:
            self._lines([self._open])
            self._open = ""
        self._say(self._passing.rest())
        self._say_left_out()

    def _lines(self, lines: list[str]) -> None:
        now = int(time.monotonic())
        if now != self._second:
            self._say_left_out()
            self._second, self._told = now, 0
        room = max(0, TOLD_A_SECOND - self._told)
        self._left_out += max(0, len(lines) - room)
        self._told += min(room, len(lines))
        near = lines[: room + _NEAR]
        self._say(self._passing.take([_clean(line) for line in near], room))

    def _say(self, lines: Sequence[str]) -> None:
        for at in range(0, len(lines), TOLD_AT_ONCE):
            # Redacted before it is cut: half a secret is not recognised.
            text = self._redactor.redact("\n".join(lines[at : at + TOLD_AT_ONCE])).text
            if text.strip():
                self._tell(plain("\n".join(line[:LINE] for line in text.split("\n"))))

    def _say_left_out(self) -> None:
        if self._left_out:
            self._tell(f"({self._left_out} more lines at once: they are in the log of the step)")
            self._left_out = 0


def _clean(line: str) -> str:
    """What is left of a line when it was printed: no sequences, and of what was overwritten the last."""
    return _SEQUENCE.sub("", line[: LINE * 8]).rstrip("\r").rpartition("\r")[2]
