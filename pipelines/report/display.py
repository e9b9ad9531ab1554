"""The progress of a run on a person's terminal: lines as in a log, and below them what runs now.

The board below is drawn with relative movements on the terminal's own screen, so that all lines stay in its history,
and is taken away for each line that comes. No row of it is wider than the terminal; when that was made narrower, the
rows it drew before have been wrapped by it, and as many are taken away. Leaving the context leaves nothing of the
board, and the cursor visible.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TextIO

from pipelines.model import Outcome, RunEvent, RunPlan, RunResult
from pipelines.report import words
from pipelines.report.keys import cut_end, told_apart
from pipelines.report.progress import lines, outcome
from quarterdeck.text import cells

SMALLEST = (40, 8)
"""Columns and lines of a terminal; on a smaller one there is no board."""
_HIDE, _SHOW = "\x1b[?25l", "\x1b[?25h"
_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"
_GREEN, _RED, _DIM, _BOLD = "32", "31", "2", "1"
_KEY_WIDTH = (8, 30)
_REASON_WIDTH = 24
"""Cells for which columns of the table go."""
_SHARE = 3
"""The board takes at most one of so many lines."""


def fits(out: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether there is a terminal that can show a board."""
    if not out.isatty() or environ.get("TERM", "dumb") in ("", "dumb"):
        return False
    cols, rows = _size(out)
    return cols >= SMALLEST[0] and rows >= SMALLEST[1]


def _size(out: TextIO) -> tuple[int, int]:
    try:
        found = os.get_terminal_size(out.fileno())
    except (OSError, ValueError):
        return 80, 24
    return found.columns or 80, found.lines or 24


@dataclass
class _Row:
    """A step that runs."""

    began: float
    doing: str = ""


@dataclass
class _Board:
    """What is known of the run."""

    total: int = 0
    began: float = 0.0
    running: dict[str, _Row] = field(default_factory=dict)
    ended: dict[str, Outcome] = field(default_factory=dict)
    cost: dict[str, float] = field(default_factory=dict)

    def take(self, event: RunEvent, now: float) -> None:
        self.began = self.began or now
        row = self.running.get(event.step)
        if isinstance(cost := event.data.get("cost"), (int, float)):
            self.cost[event.step] = max(cost, self.cost.get(event.step, 0.0))
        if event.kind == "step.started":
            self.running.setdefault(event.step, _Row(now))
        elif event.kind == "step.ended":
            self.running.pop(event.step, None)
            self.ended[event.step] = outcome(event) or Outcome.SUCCEEDED
        elif event.kind == "run.ended":
            self.running.clear()
        elif row is not None and event.kind != "note":
            row.doing = lines(event)[-1]


class Display:
    """A terminal with a board below its lines; a context. ``size`` gives its columns and lines, ``clock`` seconds.

    :meth:`take` learns from events, :meth:`write` puts lines above the board, :meth:`flush` draws it as it is now: to
    be called after lines and now and then. Used from one thread. Raises what the stream raises.
    """

    def __init__(
        self,
        out: TextIO,
        plan: RunPlan | None = None,
        *,
        color: bool = False,
        size: Callable[[], tuple[int, int]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._out = out
        self._color = color
        self._size = size or (lambda: _size(out))
        self._clock = clock
        self._board = _Board(len(plan.steps) if plan else 0)
        self._drawn: list[int] = []
        """Cells of each row that was drawn."""
        self._shown = ""
        self._hidden = False
        self.encoding = getattr(out, "encoding", None) or "utf-8"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def take(self, event: RunEvent) -> None:
        """Learn from an event; draws nothing."""
        self._board.take(event, self._clock())

    def write(self, text: str) -> int:
        """Whole lines, above the board."""
        self._out.write(self._away() + text)
        return len(text)

    def flush(self) -> None:
        """Draw the board where it has changed, and hand over what was written."""
        cols, rows = self._size()
        wanted = self.rows(cols - 1, rows // _SHARE) if cols >= SMALLEST[0] and rows >= SMALLEST[1] else []
        picture = "\n".join(wanted)
        if picture != self._shown or (wanted and not self._drawn) or any(width >= cols for width in self._drawn):
            away = self._away()
            self._shown = picture
            self._drawn = [cells(row) for row in wanted]
            painted = "\r\n".join(self._painted(row, number) for number, row in enumerate(wanted))
            hide = _HIDE if wanted and not self._hidden else ""
            self._hidden = self._hidden or bool(wanted)
            # the cursor goes to a begin of a row: where a terminal wraps anew, that is where it stays
            self._out.write(f"{_BEGIN}{away}{hide}{painted}\r{_END}")
        self._out.flush()

    def close(self) -> None:
        """Take the board away for good; lines may still be written."""
        self._board.running.clear()
        text = self._away() + (_SHOW if self._hidden else "")
        self._hidden = False
        if text:
            self._out.write(text)
        self._out.flush()

    def rows(self, width: int, most: int) -> list[str]:
        """The board: a row of counts and one for each running step, none wider than ``width`` cells."""
        board, now = self._board, self._clock()
        if not board.running:
            return []
        wrong = sum(one not in (Outcome.SUCCEEDED, Outcome.SKIPPED) for one in board.ended.values())
        done = f"{len(board.ended)}/{board.total}" if board.total else str(len(board.ended))
        said = [f"{done} done", f"{len(board.running)} running"]
        said += [f"{wrong} went wrong"] if wrong else []
        said.append(words.clock(now - board.began))
        if board.cost:
            said.append(f"${sum(board.cost.values()):.2f}")
        found = [cut_end(" · ".join(said), width)]
        shown = list(board.running.items())[: max(1, most - 2)]
        keys = told_apart([key for key, _ in shown], min(_KEY_WIDTH[1], width // 2))
        key_width = max([min(_KEY_WIDTH[0], width // 2), *map(cells, keys)])
        for key, (_, row) in zip(keys, shown, strict=True):
            time_said = words.duration(now - row.began).rjust(7)
            found.append(cut_end(f"  {key}{' ' * (key_width - cells(key))} {time_said}  {row.doing}".rstrip(), width))
        if (more := len(board.running) - len(shown)) > 0:
            found.append(cut_end(f"  and {more} more", width))
        return found

    def _away(self) -> str:
        """What takes the board away, however the terminal has wrapped it."""
        cols = max(1, self._size()[0])
        up = sum(max(1, -(-width // cols)) for width in self._drawn[:-1])
        text = ("\r" + (f"\x1b[{up}A" if up else "") + "\x1b[J") if self._drawn else ""
        self._drawn, self._shown = [], ""
        return text

    def _painted(self, row: str, number: int) -> str:
        encodable = row.encode(self.encoding, "replace").decode(self.encoding)
        return f"\x1b[{_BOLD if number == 0 else _DIM}m{encodable}\x1b[m" if self._color else encodable


def table(result: RunResult, width: int = 100, *, color: bool = False) -> list[str]:
    """What came of each step, for the end: aligned, none wider than ``width`` cells, the reason cut first."""
    rows: list[tuple[Outcome, list[str]]] = []
    keys = told_apart([step.key for step in result.steps], _KEY_WIDTH[1])
    for step, key in zip(result.steps, keys, strict=True):
        seconds = words.took(step.started_ns, step.ended_ns)
        row = [
            words.MARKS[step.outcome],
            key,
            step.outcome.value,
            words.duration(seconds) if step.started_ns else "",
            f"{step.usage.turns} {words.plural('turn', step.usage.turns)}" if step.usage.turns is not None else "",
            f"{tokens} tokens" if (tokens := words.tokens(step.usage)) else "",
            words.money(step.usage),
        ]
        rows.append((step.outcome, [*row, words.why(step)]))
    used = [number for number in range(8) if any(row[number] for _, row in rows)]
    wide = {number: max(cells(row[number]) for _, row in rows) for number in used}
    for number in (4, 5, 6):
        if 7 in used and number in used and sum(wide[one] + 2 for one in used if one != 7) > width - _REASON_WIDTH:
            used.remove(number)
    told = []
    for how, row in rows:
        text = "  ".join(_aligned(row[number], wide[number], right=3 <= number <= 6) for number in used)
        text = cut_end(text.rstrip(), width)
        told.append(f"\x1b[{_colour(how)}m{text}\x1b[m" if color else text)
    return told


def _aligned(text: str, width: int, *, right: bool) -> str:
    gap = " " * (width - cells(text))
    return gap + text if right else text + gap


def _colour(how: Outcome) -> str:
    return _GREEN if how is Outcome.SUCCEEDED else _DIM if how is Outcome.SKIPPED else _RED
