"""What a person or a program sees of a run while it goes on: lines of progress, a board on a terminal, JSON lines."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TextIO, cast

from cli.runs.options import Options
from pipelines.model import RunEvent, RunPlan
from pipelines.report import jsonlines
from pipelines.report.display import Display, fits
from pipelines.report.progress import Progress, Style
from quarterdeck.errors import Broken
from quarterdeck.text import safe

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
        self._stream = cast(TextIO, _Stream(out))
        self._out = out
        self._json = out.json
        self._open = True
        self._display: Display | None = None
        self._progress: Progress | None = None
        if self._json or self.style is None:
            return
        if self.style is Style.PLAIN and fits(self._stream, environ):
            self._display = Display(self._stream, plan, color=out.colour)
        target = cast(TextIO, self._display) if self._display else self._stream
        self._progress = Progress(target, self.style, plan=plan, color=out.colour)

    def __call__(self, event: RunEvent) -> None:
        """Show it."""
        if self._json:
            self._stream.write(jsonlines.line(event))
            self._stream.flush()
            return
        if self._display:
            self._display.take(event)
        if self._progress:
            self._progress(event)

    def lines(self, told: list[str]) -> None:
        """Lines that are safe already, for people and whatever reads the log; none with ``--json``."""
        if told and self._progress:
            self._stream.write("".join(f"{line}\n" for line in told))
            self._stream.flush()

    def note(self, text: str) -> None:
        """Something a person should know while it goes on; on standard error, unless a board is drawn over that."""
        if self._display and self._open:
            self._display.write(safe(text, 1000) + "\n")
            self._display.flush()
        else:
            self._out.note(text)

    @asynccontextmanager
    async def alive(self) -> AsyncIterator[None]:
        """Keep what is shown up to date; leaves no board behind."""
        ticking = asyncio.create_task(self._tick(), name="progress")
        try:
            yield
        finally:
            ticking.cancel()
            await asyncio.gather(ticking, return_exceptions=True)
            self.close()

    def close(self) -> None:
        """Write what is held back, and take the board away; the cursor is visible again."""
        if self._progress and self._open:
            self._progress.close()
        if self._display and self._open:
            self._display.close()
        self._open = False

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            if self._display:
                self._display.flush()
            elif self._progress:
                self._progress.tick(time.time_ns())


class _Stream:
    """Standard output, which may go away while the run goes on: then what is written goes nowhere."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._stream = out.stream
        self.encoding = getattr(self._stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        """See TextIO; never fails."""
        self._do(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """See TextIO; never fails."""
        self._do(self._stream.flush)

    def isatty(self) -> bool:
        """See TextIO."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """See TextIO."""
        return self._stream.fileno()

    def _do(self, work: Callable[[], object]) -> None:
        try:
            work()
        except BrokenPipeError:
            self._out.abandon()
            self._out.note("nobody reads the output any more; the run goes on")
        except OSError as error:
            self._out.abandon()
            said = f"the output cannot be written ({error.strerror}); the run goes on"
            if self._out.json:
                self._out.error(Broken(said))
            else:
                self._out.note(said)
