"""What the programs of a run find around them: the caller's variables without secrets that are not theirs.

A variable that looks like a secret reaches a program only where ``secrets`` of the run, its agent or its step name it;
one that is named as a secret somewhere reaches nobody else. The file ``QUARTERDECK_OUTPUT`` is each attempt's own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from pipelines import masking
from pipelines.filling import Filled
from pipelines.model import RunPlan
from pipelines.outputs import VARIABLE
from quarterdeck.redaction import KNOWN_LENGTH, Finding, Redacted, Redactor, secret, secrets_in

UNATTENDED = {"PAGER": "cat", "GIT_PAGER": "cat", "GIT_TERMINAL_PROMPT": "0"}
"""Variables of every program where they are not set: what would wait for a key does not."""


def declared(plan: RunPlan) -> frozenset[str]:
    """The names of all secrets that the manifest names anywhere."""
    named = [plan.secrets, *(agent.secrets for agent in plan.agents.values()), *(step.secrets for step in plan.steps)]
    return frozenset(name for names in named for name in names)


def secrets_of(plan: RunPlan, environ: Mapping[str, str]) -> dict[str, str]:
    """The values of all declared secrets, as far as the caller's variables hold them."""
    return {name: environ[name] for name in sorted(declared(plan)) if environ.get(name)}


class Learning(Redactor):
    """Masks the secrets of a run that are known by now: one for all that leaves the run."""

    def __init__(self) -> None:
        super().__init__()
        self._learnt: dict[str, str] = {}

    def redact(self, text: str) -> Redacted:
        """Also of known values that are broken over lines: reports mask what the log of a step masks."""
        spans = masking.in_text(self).find(text)
        found = super().redact(masking.masked(text, spans))
        counts = Counter(one.rule for one in spans)
        counts.update({one.rule: one.count for one in found.findings})
        return Redacted(found.text, tuple(Finding(rule, count) for rule, count in sorted(counts.items())))

    def learn(self, known: Mapping[str, str]) -> None:
        """Mask these too, by name. Each line of a secret of several lines is one: texts are told line by line."""
        before = len(self._learnt)
        values = set(self._learnt.values())
        for name, value in known.items():
            lines = [value, *(line.strip() for line in value.splitlines())]
            for number, line in enumerate(dict.fromkeys(lines)):
                if line not in values and (not number or len(line) >= KNOWN_LENGTH):
                    values.add(line)
                    self._learnt[f"{name}.{number}" if number else _free(name, self._learnt)] = line
        if len(self._learnt) > before:
            self.know(self._learnt)


def _free(name: str, taken: Mapping[str, str]) -> str:
    """The name, with a number where another value has it."""
    return next(one for one in (name, *(f"{name}.v{n}" for n in range(2, len(taken) + 3))) if one not in taken)


def redactor(plan: RunPlan, environ: Mapping[str, str]) -> Learning:
    """Masks the declared secrets, and all variables that look like one: of the caller and of the manifest.

    What the manifest makes of other texts is learnt when a step begins.
    """
    made = Learning()
    made.learn(secrets_of(plan, environ) | secrets_in(environ))
    names = declared(plan)
    agents, steps = (one.environ for one in plan.agents.values()), (one.environ for one in plan.steps)
    for level in (plan.parameters, plan.environ, *agents, *steps):
        made.learn(in_use({name: value for name, value in level.items() if "${{" not in value}, names))
    return made


def in_use(environ: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Of a program's variables the secrets: those named so, and those that look like one."""
    return secrets_in(environ) | {name: environ[name] for name in names if environ.get(name)}


def theirs(plan: RunPlan, filled: Filled) -> tuple[str, ...]:
    """The names of the secrets that a step's programs get."""
    agent = filled.agent.secrets if filled.agent else ()
    return tuple(dict.fromkeys((*plan.secrets, *agent, *filled.step.secrets)))


def of_programs(
    environ: Mapping[str, str],
    secrets: Mapping[str, str],
    *,
    every: Iterable[str],
    theirs: Iterable[str],
    own: Mapping[str, str],
    output: Path,
) -> dict[str, str]:
    """The complete environment of a step's programs.

    ``environ`` is the caller's, ``every`` names all declared secrets, ``theirs`` those of the step; ``own`` are the
    variables that the manifest sets.
    """
    others = frozenset(every) - frozenset(theirs)
    kept = {
        name: value
        for name, value in environ.items()
        if name not in others and (name in secrets or not secret(name, value))
    }
    given = {name: secrets[name] for name in theirs if name in secrets}
    return {**UNATTENDED, **kept, **own, **given, VARIABLE: str(output)}
