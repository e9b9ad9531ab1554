"""What happens in a run as lines of a log: one line an event, no cursor movement.

In the log of GitHub and GitLab what steps say is folded into groups. Steps go on at the same time and groups cannot
interleave, so that what a step says is held back and written as one group when it ends; that it begins, is repeated or
ends is told at once. Nothing an agent or a command says can give such a log an order: a line of theirs never begins
one, holds no control character, and ``##[`` and its like are broken up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TextIO

from pipelines.model import Outcome, RunEvent, RunPlan
from pipelines.naming import slug
from pipelines.report import words

KEPT_LINES = 400
"""Of a step's group, its last ones."""
KEPT_CHARACTERS = 100_000
SILENCE = 60.0
"""Seconds after which what still runs is named: systems end a job that says nothing."""
_LINE = 500
_KEY_WIDTH = (12, 28)
_NAMED = 5
_GREEN, _RED, _YELLOW, _DIM = "32", "31", "33", "2"
_SIGNS: Mapping[str, str] = {
    "step.output": "| ",
    "step.retry": "again: ",
    "agent.status": "is ",
    "agent.message": "says: ",
    "agent.tool": "uses ",
    "approval.decided": "asked: ",
    "verify.started": "check: ",
    "verify.ended": "check: ",
    "budget.warning": "budget: ",
}
_AT_ONCE = frozenset({"step.started", "step.retry", "step.ended", "budget.warning"})
_COLOURS = {Outcome.SUCCEEDED: _GREEN, Outcome.SKIPPED: _DIM}


class Style(StrEnum):
    """Whose log it is."""

    PLAIN = "plain"
    GITHUB = "github"
    GITLAB = "gitlab"


def lines(event: RunEvent) -> list[str]:
    """What an event says, without its time and step. Safe to show; several lines for output of several lines."""
    sign = _SIGNS.get(event.kind, "")
    if event.kind == "step.output":
        return [sign + words.tame_line(line, _LINE) for line in words.tame(event.text).rstrip("\n").split("\n")]
    text = words.phrase(event.text, _LINE)
    if event.kind == "step.started":
        return [f"started: {text}" if text else "started"]
    if event.kind in ("run.started", "run.resumed"):
        return [_begun(event, text)]
    if event.kind in ("step.ended", "run.ended"):
        return [_ended(event, text)]
    return [sign + text if text else sign.rstrip(": |") or event.kind]


def outcome(event: RunEvent) -> Outcome | None:
    """The outcome in ``data``, where there is one."""
    try:
        return Outcome(event.data.get("outcome", ""))
    except ValueError:
        return None


def _begun(event: RunEvent, text: str) -> str:
    steps = event.data.get("steps")
    said = f"{text}: {steps} step{'' if steps == 1 else 's'}" if isinstance(steps, int) else text
    return f"{said}, resumed" if event.kind == "run.resumed" else said


def _ended(event: RunEvent, text: str) -> str:
    how = outcome(event)
    said = how.value if how else "ended"
    if isinstance(seconds := event.data.get("seconds"), (int, float)):
        said += f" in {words.duration(seconds)}"
    return f"{said}: {text}" if text and text != said else said


@dataclass
class _Open:
    """A step that goes on."""

    began_ns: int
    keeping: bool = False
    """Whether its programs have ended, and its evidence is made: no line tells so, which most need no time for."""
    held: deque[str] = field(default_factory=deque)
    size: int = 0
    left_out: int = 0

    def hold(self, line: str) -> None:
        self.held.append(line)
        self.size += len(line)
        while len(self.held) > KEPT_LINES or self.size > KEPT_CHARACTERS:
            self.size -= len(self.held.popleft())
            self.left_out += 1


class Progress:
    """Takes events (it is a :data:`pipelines.ports.Tell`) and writes lines to ``out``, each at once.

    ``color`` is for terminals only; the caller decides. A reader that goes away ends the writing, not the run.
    """

    def __init__(
        self, out: TextIO, style: Style = Style.PLAIN, *, plan: RunPlan | None = None, color: bool = False
    ) -> None:
        self._out = out
        self._style = style
        self._color = color
        longest = max((len(step.key) for step in plan.steps), default=0) if plan else 16
        self._width = min(max(longest, _KEY_WIDTH[0]), _KEY_WIDTH[1])
        self._began_ns = self._said_ns = 0
        self._open: dict[str, _Open] = {}
        self._gone = False

    def __call__(self, event: RunEvent) -> None:
        """Write what it says, or hold it back until its step ends."""
        self._began_ns = self._began_ns or event.at_ns
        if event.kind == "step.started":
            self._open.setdefault(event.step, _Open(event.at_ns))
        step = self._open.get(event.step)
        if event.kind == "step.keeping":
            if step is not None:
                step.keeping = True
            return
        told = [self._line(event.at_ns, event.step, line, outcome(event)) for line in lines(event)]
        if self._style is Style.PLAIN or not event.step or step is None or event.kind in _AT_ONCE:
            if event.kind == "run.ended":
                self.close()
            if event.kind == "step.ended" and step is not None and step.held:
                self._group(event, step, told)
            else:
                self._write(told, event.at_ns)
        else:
            for line in told:
                step.hold(line)
        if event.kind == "step.ended":
            self._open.pop(event.step, None)

    def tick(self, now_ns: int) -> None:
        """To be called now and then: names what still runs where nothing was written for :data:`SILENCE`."""
        if self._open and self._said_ns and now_ns - self._said_ns >= SILENCE * 1e9:
            running = [
                f"{words.phrase(key, 60)} ({words.duration((now_ns - step.began_ns) / 1e9)}"
                f"{', keeping what it printed' if step.keeping else ''})"
                for key, step in list(self._open.items())[:_NAMED]
            ]
            more = len(self._open) - len(running)
            going = "still going on" if any(step.keeping for step in self._open.values()) else "still running"
            said = f"{going}: " + ", ".join(running) + (f" and {more} more" if more else "")
            self._write([self._line(now_ns, "", said)], now_ns)

    def close(self) -> None:
        """Write what is still held back of steps that did not end."""
        for key, step in self._open.items():
            if step.held:
                event = RunEvent(kind="note", at_ns=self._said_ns, run_id="", step=key, text="did not end")
                self._group(event, step, [self._line(event.at_ns, key, event.text)])
        self._open.clear()

    def _line(self, at_ns: int, step: str, text: str, how: Outcome | None = None) -> str:
        time = words.clock((at_ns - self._began_ns) / 1e9)
        key = words.phrase(step, 60).ljust(self._width)
        if not self._color:
            return f"{time}  {key}  {text}".rstrip()
        if how is not None:
            text = f"\x1b[{_COLOURS.get(how, _RED)}m{text}\x1b[0m"
        elif text.startswith(("budget: ", "again: ")):
            text = f"\x1b[{_YELLOW}m{text}\x1b[0m"
        return f"\x1b[{_DIM}m{time}\x1b[0m  {key}  {text}".rstrip()

    def _group(self, event: RunEvent, step: _Open, head: list[str]) -> None:
        """One group of all a step has said, under the line that says how it ended."""
        title, name = " ".join(head), f"{slug(event.step, 60)}_{step.began_ns // 1_000_000}"
        body = list(step.held)
        if step.left_out:
            count = f"{step.left_out} earlier {words.plural('line', step.left_out)} left out: see the step's log"
            body.insert(0, f"({count})")
        if self._style is Style.GITHUB:
            title = title.replace("%", "%25")
            group = [f"::group::{title}", *body, "::endgroup::"]
        else:
            began, ended = step.began_ns // 1_000_000_000, event.at_ns // 1_000_000_000
            folded = "[collapsed=true]" if outcome(event) in (Outcome.SUCCEEDED, Outcome.SKIPPED) else ""
            group = [
                f"\x1b[0Ksection_start:{began}:{name}{folded}\r\x1b[0K{title}",
                *body,
                f"\x1b[0Ksection_end:{ended}:{name}\r\x1b[0K",
            ]
        self._write(group, event.at_ns)

    def _write(self, told: list[str], at_ns: int) -> None:
        self._said_ns = at_ns
        if self._gone:
            return
        text = "".join(f"{line}\n" for line in told)
        encoding = getattr(self._out, "encoding", None) or "utf-8"
        try:
            self._out.write(text.encode(encoding, "replace").decode(encoding))
            self._out.flush()
        except (OSError, ValueError):  # its reader has gone, or it is closed
            self._gone = True
