"""How a report says a time, an amount, an outcome, and how it cuts what agents and commands said.

Everything here takes hostile text and gives text that is safe to show: no control characters but line breaks, nothing
that a CI system takes for a command of its own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

from pipelines.model import Check, Outcome, StepResult, Usage
from quarterdeck.text import ELLIPSIS, plain, safe

MARKS = {
    Outcome.SUCCEEDED: "✓",
    Outcome.SKIPPED: "-",
    Outcome.FAILED: "✗",
    Outcome.TIMED_OUT: "✗",
    Outcome.OVER_BUDGET: "✗",
    Outcome.BLOCKED: "?",
    Outcome.NOT_INSTALLED: "✗",
    Outcome.INTERRUPTED: "!",
}
"""One character each; the word stands beside it."""
_ORDERS = re.compile(r"##(?=\w{0,20}\[)")
"""``##[...]`` of GitHub, ``##vso[...]`` of Azure, ``##teamcity[...]``: these act wherever they stand in a line."""
_BEYOND_XML = {0xFFFE: "\ufffd", 0xFFFF: "\ufffd"}


def tame(text: str) -> str:
    """Several lines, safe to show and to store as UTF-8, XML and JSON; orders to a CI system are broken up."""
    text = plain(text.replace("\r\n", "\n").translate(_BEYOND_XML))
    return _ORDERS.sub("# #", text.encode("utf-8", "replace").decode())


def tame_line(text: str, limit: int = 500) -> str:
    """One line of output: as :func:`tame`, its indentation kept, cut to ``limit`` characters."""
    line = tame(text[: limit * 2].replace("\n", " ")).expandtabs(4).rstrip()
    return line if len(line) <= limit else line[: limit - 1] + ELLIPSIS


def phrase(text: str, limit: int = 300) -> str:
    """A name, a path, a reason: one line, white space folded."""
    return _ORDERS.sub("# #", safe(text, limit))


def last_lines(text: str, lines: int = 30, characters: int = 4_000) -> str:
    """The end of a text, whole lines where possible; the first line says how many were left out."""
    every = tame(text).rstrip().split("\n")
    kept: list[str] = []
    size = 0
    for line in reversed(every[-lines:]):
        room = characters - size
        if room <= 0:
            break
        kept.append(line.rstrip() if len(line) <= room else ELLIPSIS + line[len(line) - room + 1 :].rstrip())
        size += len(line) + 1
    kept.reverse()
    left_out = len(every) - len(kept)
    return "\n".join(([f"({left_out} earlier {plural('line', left_out)} left out)"] if left_out else []) + kept)


def duration(seconds: float) -> str:
    """``0.4s``, ``12s``, ``3m 05s``, ``2h 07m``."""
    if seconds < 9.95:
        return f"{max(0.0, seconds):.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02}m"


def clock(seconds: float) -> str:
    """Time since the start, of one width for the first ten hours: ``0:03:07``."""
    whole = max(0, int(seconds))
    return f"{whole // 3600}:{whole % 3600 // 60:02}:{whole % 60:02}"


def took(started_ns: int, ended_ns: int) -> float:
    """Seconds between two times; 0 where either is unknown."""
    return max(0.0, (ended_ns - started_ns) / 1e9) if started_ns and ended_ns else 0.0


def moment(wall_ns: int) -> str:
    """As ``2026-03-14T15:30:59.123Z``; "" for a time that is unknown."""
    if not wall_ns:
        return ""
    seconds, rest = divmod(wall_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1_000_000:03}Z"


def amount(number: int) -> str:
    """``950``, ``12.3k``, ``4.5M``."""
    if number < 1_000:
        return str(number)
    return f"{number / 1e3:.1f}k" if number < 999_950 else f"{number / 1e6:.1f}M"


def tokens(usage: Usage) -> str:
    """In and out together; "" where neither is known."""
    if usage.tokens_in is None and usage.tokens_out is None:
        return ""
    return amount((usage.tokens_in or 0) + (usage.tokens_out or 0))


def money(usage: Usage) -> str:
    """``$0.42``; "" where it is unknown."""
    if usage.cost is None:
        return ""
    return f"${usage.cost:.2f}" if usage.cost >= 0.005 or not usage.cost else "<$0.01"


def plural(noun: str, number: int) -> str:
    """The noun for so many."""
    return noun if number == 1 else f"{noun}s"


def counts(outcomes: Iterable[Outcome]) -> str:
    """``4 succeeded, 1 failed, 1 skipped``, in the order of :class:`Outcome`."""
    found = Counter(outcomes)
    return ", ".join(f"{found[outcome]} {outcome.value}" for outcome in Outcome if found[outcome])


def went_wrong(step: StepResult) -> bool:
    """Whether people have to look at it."""
    return step.outcome not in (Outcome.SUCCEEDED, Outcome.SKIPPED)


def why(step: StepResult) -> str:
    """Its reason in one line, the question first where one was asked."""
    return phrase(f"asked: {step.question}" if step.question else step.reason)


def failed_checks(step: StepResult, verify: int) -> list[Check]:
    """The checks that failed after the last turn of a step with so many; every turn is followed by all of them."""
    checks = step.attempts[-1].checks if step.attempts else ()
    last = (len(checks) % verify or verify) if verify else len(checks)
    return [one for one in checks[-last:] if one.exit_code]


def said_last(step: StepResult) -> str:
    """What shows best why a step went wrong: the output of the check that failed, else its last words."""
    for attempt in reversed(step.attempts):
        for check in reversed(attempt.checks):
            if check.exit_code:
                return check.output
        if attempt.checks:
            break
    return step.message


def evidence(step: StepResult) -> list[tuple[str, str]]:
    """What was kept of a step: what it is, and its path in the folder of the run's evidence."""
    named = [("log", step.log), ("recording", step.recording), ("transcript", step.transcript), ("diff", step.diff)]
    found = [(kind, phrase(path, 1000)) for kind, path in named if path]
    return found + [("artifact", phrase(path, 1000)) for path in step.artifacts]
