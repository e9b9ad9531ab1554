"""What a person or a program sees of a run while it goes on: lines of progress, a line that lives, JSON lines."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TextIO, cast

from cli.output import DIM
from cli.runs.options import Options
from pipelines.model import RunEvent, RunPlan
from pipelines.report import jsonlines, words
from pipelines.report.progress import Progress, Style
from quarterdeck.text import cells, cut_right

if TYPE_CHECKING:
    from cli.output import Output

_TICK = 1.0


def style_of(options: Options, environ: Mapping[str, str]) -> Style | None:
    """Whose log the progress goes to; None for no progress at all."""
    if options.ci == "none":
        return None
    if options.ci != "auto":
        return Style(options.ci)
    if environ.get("GITHUB_ACTIONS") == "true":
        return Style.GITHUB
    return Style.GITLAB if environ.get("GITLAB_CI") == "true" else Style.PLAIN


class Telling:
    """Takes events (it is a :data:`pipelines.ports.Tell`) and shows them on standard output, as the options say.

    A reader that goes away ends the showing, never the run; who still listens on standard error is told.
    """

    def __init__(self, out: Output, plan: RunPlan | None, options: Options, environ: Mapping[str, str]) -> None:
        self.style = style_of(options, environ)
        self._json = out.json
        self._stream = _Stream(out)
        self._progress: Progress | None = None
        if self._json or self.style is None:
            return
        if self.style is Style.PLAIN and out.tty and environ.get("TERM", "dumb") != "dumb":
            self._stream.footer = _Footer(out, plan)
        self._progress = Progress(cast(TextIO, self._stream), self.style, plan=plan, color=out.colour)

    def __call__(self, event: RunEvent) -> None:
        """Show it."""
        if self._json:
            self._stream.write(jsonlines.line(event))
            self._stream.flush()
            return
        if self._stream.footer:
            self._stream.footer.take(event)
        if self._progress:
            self._progress(event)

    def lines(self, told: list[str]) -> None:
        """Lines that are safe already, for people and whatever reads the log; none with ``--json``."""
        if told and self._progress:
            self._stream.write("".join(f"{line}\n" for line in told))
            self._stream.flush()

    @asynccontextmanager
    async def alive(self) -> AsyncIterator[None]:
        """Keep what is shown up to date; leaves a clean line behind."""
        ticking = asyncio.create_task(self._tick(), name="progress")
        try:
            yield
        finally:
            ticking.cancel()
            await asyncio.gather(ticking, return_exceptions=True)
            if self._progress:
                self._progress.close()
            self._stream.rest()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            if self._stream.footer:
                self._stream.flush()
            elif self._progress:
                self._progress.tick(time.time_ns())


class _Stream:
    """Standard output with a last line that is drawn anew. Written by one thread."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._stream = out.stream
        self.encoding = getattr(self._stream, "encoding", None) or "utf-8"
        self.footer: _Footer | None = None
        self._drawn = ""

    def write(self, text: str) -> int:
        """Write before the last line; nothing where the reader has gone."""
        self._say(("\r\x1b[K" if self._drawn else "") + text)
        self._drawn = ""
        return len(text)

    def flush(self) -> None:
        """Draw the last line, and hand over."""
        if self.footer and (line := self.footer.line()) != self._drawn:
            self._say(f"\r\x1b[K{line}")
            self._drawn = line
        self._do(self._stream.flush)

    def rest(self) -> None:
        """Take the last line away for good."""
        self.footer = None
        if self._drawn:
            self._say("\r\x1b[K")
            self._drawn = ""
        self._do(self._stream.flush)

    def _say(self, text: str) -> None:
        self._do(lambda: self._stream.write(text))

    def _do(self, work: Callable[[], object]) -> None:
        try:
            work()
        except BrokenPipeError:
            self._out.abandon()
            self._out.note("nobody reads the output any more; the run goes on")
        except OSError as error:
            self._out.abandon()
            self._out.note(f"the output cannot be written ({error.strerror}); the run goes on")


class _Footer:
    """One line that says what goes on: how much is done, which steps run and since when."""

    def __init__(self, out: Output, plan: RunPlan | None) -> None:
        self._out = out
        self._all = len(plan.steps) if plan else 0
        self._running: dict[str, float] = {}
        self._ended = 0

    def take(self, event: RunEvent) -> None:
        """Learn from an event."""
        if event.kind == "step.started":
            self._running.setdefault(event.step, time.monotonic())
        elif event.kind == "step.ended":
            self._running.pop(event.step, None)
            self._ended += 1
        elif event.kind == "run.ended":
            self._running.clear()

    def line(self) -> str:
        """The line as it is now, cut to the terminal."""
        if not self._running:
            return ""
        now = time.monotonic()
        steps = [f"{words.phrase(key, 40)} {words.clock(now - since)}" for key, since in self._running.items()]
        done = f"{self._ended}/{self._all}" if self._all else str(self._ended)
        said = f"{done}  {', '.join(steps)}"
        width = max(20, (self._out.width or 80) - 1)
        if cells(said) > width:
            said = cut_right(said, width)
        return self._out.painted(said, DIM)
