"""The result as Markdown, for people who look at a job's page: one sentence, a table, what shows why steps failed.

What agents and commands said is text in it, never markup: a fence is longer than any in what it holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipelines.model import Analysis, Outcome, RunPlan, RunResult, StepResult
from pipelines.report import words

MOST = 1 << 20
"""Bytes that GitHub takes as the summary of one step of a job."""
_SPARE = 4 << 10
"""Bytes kept for the sentence about what was left out."""
_SPECIAL = re.compile(r"[\\`*_{}\[\]<>()#+!|~&@$^]|://|(?i:www)(?=\.)")
_EVIDENCE_SHOWN = 20
_ALWAYS = 4
"""Columns of the table that are there in any case."""


def summary(result: RunResult, plan: RunPlan, *, folder: str = "", limit: int = MOST) -> str:
    """The Markdown, at most ``limit`` bytes of UTF-8: details of failures are left out first, then rows of the table.

    ``folder`` is where the evidence is, as it is to be named to people.
    """
    out = _Bounded(limit - _SPARE)
    out.add(f"## {_sentence(result)}\n\n")
    if result.reason:
        out.add(f"{markdown(result.reason, 1000)}\n\n")
    out.add(_facts(result, plan) + "\n\n")
    rows = 0
    for row in _table(result):
        if not out.add(row):
            break
        rows += 1
    wrong = [step for step in result.steps if words.went_wrong(step)]
    for step in result.steps:
        if step.analysis and step not in wrong:
            out.add(f"\n### {words.MARKS[step.outcome]} {markdown(step.key)}: mended\n\n{_analysis(step.analysis)}")
    told, verify = 0, {one.key: len(one.verify) for one in plan.steps}
    for step in wrong:
        if not out.add(_failure(step, verify.get(step.key, 0))):
            break
        told += 1
    if told < len(wrong) or rows < len(result.steps) + 2:
        left_out = f"\nNot all fits here: {len(wrong) - told} of {len(wrong)} failures are left out.\n"
        out.limit = limit
        out.add(left_out)
    unkept = [(step.key, one) for step in result.steps for one in step.unkept]
    if unkept:
        out.add("\nNot kept:\n\n")
        for key, one in unkept[:_EVIDENCE_SHOWN]:
            out.add(f"- {markdown(key)}: {markdown(one)}\n")
        if len(unkept) > _EVIDENCE_SHOWN:
            out.add(f"- and {len(unkept) - _EVIDENCE_SHOWN} more\n")
    out.limit = limit
    if folder:
        out.add(f"\nEvidence: {_code(folder)}\n")
    return out.text()


class _Bounded:
    """Collects text as long as it fits."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._parts: list[str] = []
        self._size = 0

    def add(self, text: str) -> bool:
        size = len(text.encode())
        if self._size + size > self.limit:
            return False
        self._parts.append(text)
        self._size += size
        return True

    def text(self) -> str:
        return "".join(self._parts)


def markdown(text: str, limit: int = 300) -> str:
    """One line of hostile text that Markdown and HTML show as it is, without links, pictures or markup."""
    return _SPECIAL.sub(lambda found: r":\//" if found[0] == "://" else _escaped(found[0]), words.phrase(text, limit))


def _escaped(sign: str) -> str:
    return f"{sign}\\" if sign.isalpha() else f"\\{sign}"


def fenced(text: str) -> str:
    """Several lines in a block that they cannot leave."""
    tame = words.tame(text)
    longest = max((len(run) for run in re.findall(r"`+", tame)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{tame}\n{fence}\n"


def _code(text: str) -> str:
    """A path or a branch as code, whatever it holds."""
    tame = words.phrase(text, 1000)
    longest = max((len(run) for run in re.findall(r"`+", tame)), default=0)
    pad = " " if tame.startswith("`") or tame.endswith("`") else ""
    return f"{'`' * (longest + 1)}{pad}{tame}{pad}{'`' * (longest + 1)}"


def _sentence(result: RunResult) -> str:
    steps = f"{len(result.steps)} {words.plural('step', len(result.steps))}"
    what = words.counts(step.outcome for step in result.steps)
    seconds = words.duration(words.took(result.started_ns, result.ended_ns))
    detail = (
        f"{steps} in {seconds}"
        if result.outcome is Outcome.SUCCEEDED and what.endswith("succeeded")
        else (f"{what} of {steps} in {seconds}")
    )
    return f"{words.MARKS[result.outcome]} {markdown(result.name)} {result.outcome.value}: {detail}"


def _facts(result: RunResult, plan: RunPlan) -> str:
    facts = [f"run {_code(result.run_id)}"]
    if plan.source:
        facts.append(f"from {_code(plan.source)}")
    usage = result.usage
    if usage.turns is not None:
        facts.append(f"{usage.turns} {words.plural('turn', usage.turns)}")
    if known := words.tokens(usage):
        facts.append(f"{known} tokens")
    if cost := words.money(usage):
        facts.append(cost.replace("<", "&lt;").replace("$", "\\$"))
    if result.resumed:
        facts.append(f"resumed {result.resumed} {words.plural('time', result.resumed)}")
    return " · ".join(facts)


def _table(result: RunResult) -> Iterator[str]:
    names = ("", "step", "outcome", "time", "attempts", "turns", "tokens", "cost", "branch")
    rows = [_row(step) for step in result.steps]
    used = [number for number in range(len(names)) if number < _ALWAYS or any(row[number] for row in rows)]
    yield f"|{'|'.join(f' {names[number]} ' if names[number] else ' ' for number in used)}|\n"
    yield f"|{'|'.join('--:' if 3 <= number <= 7 else '---' for number in used)}|\n"
    for row in rows:
        yield f"| {' | '.join(row[number] for number in used)} |\n"


def _row(step: StepResult) -> list[str]:
    return [
        words.MARKS[step.outcome],
        markdown(step.key),
        step.outcome.value,
        words.duration(words.took(step.started_ns, step.ended_ns)) if step.started_ns else "",
        str(len(step.attempts)) if len(step.attempts) > 1 else "",
        "" if step.usage.turns is None else str(step.usage.turns),
        words.tokens(step.usage),
        words.money(step.usage).replace("<", "&lt;").replace("$", "\\$"),
        _code(step.branch).replace("|", "\\|") if step.branch else "",
    ]


def _analysis(one: Analysis) -> str:
    """What was made of a failure."""
    why = f" ({markdown(one.reason, 500)})" if one.reason else ""
    parts = [f"{markdown(one.by)} on why it failed, change {one.fix.value}{why}:\n\n"]
    if one.text:
        parts.append(fenced(words.last_lines(one.text)) + "\n")
    if one.diff:
        parts.append(fenced(words.last_lines(one.diff, 200, 16_000)) + "\n")
    return "".join(parts)


def _failure(step: StepResult, verify: int) -> str:
    parts = [f"\n### {words.MARKS[step.outcome]} {markdown(step.key)}: {step.outcome.value}\n\n"]
    if step.reason:
        parts.append(f"{markdown(step.reason, 1000)}\n\n")
    if step.question:
        parts.append("It asked what no rule allows:\n\n" + fenced(words.last_lines(step.question)) + "\n")
    checks = words.failed_checks(step, verify)
    for one in checks:
        said = words.last_lines(one.output)
        parts.append(f"#### {_code(one.command)} ended with exit status {one.exit_code}\n\n")
        parts.append(fenced(said) + "\n" if said else "It printed nothing.\n\n")
    if not checks and (last := words.last_lines(words.said_last(step))):
        parts.append(fenced(last) + "\n")
    if step.analysis:
        parts.append(_analysis(step.analysis))
    kept = words.evidence(step)
    parts += [f"- {kind}: {_code(path)}\n" for kind, path in kept[:_EVIDENCE_SHOWN]]
    if len(kept) > _EVIDENCE_SHOWN:
        parts.append(f"- and {len(kept) - _EVIDENCE_SHOWN} more\n")
    return "".join(parts)
