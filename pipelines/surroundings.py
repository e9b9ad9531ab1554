"""What the programs of a run find around them: the caller's variables without secrets that are not theirs.

A variable that looks like a secret reaches a program only where ``secrets`` of the run, its agent or its step name it;
one that is named as a secret somewhere reaches nobody else. The file ``QUARTERDECK_OUTPUT`` is each attempt's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from pipelines.filling import Filled
from pipelines.model import RunPlan
from pipelines.outputs import VARIABLE
from quarterdeck.redaction import KNOWN_LENGTH, Redactor, secret, secrets_in

UNATTENDED = {"PAGER": "cat", "GIT_PAGER": "cat", "GIT_TERMINAL_PROMPT": "0"}
"""Variables of every program where they are not set: what would wait for a key does not."""


def declared(plan: RunPlan) -> frozenset[str]:
    """The names of all secrets that the manifest names anywhere."""
    named = [plan.secrets, *(agent.secrets for agent in plan.agents.values()), *(step.secrets for step in plan.steps)]
    return frozenset(name for names in named for name in names)


def secrets_of(plan: RunPlan, environ: Mapping[str, str]) -> dict[str, str]:
    """The values of all declared secrets, as far as the caller's variables hold them."""
    return {name: environ[name] for name in sorted(declared(plan)) if environ.get(name)}


def redactor(environ: Mapping[str, str], secrets: Mapping[str, str]) -> Redactor:
    """Masks the declared secrets, and all of the caller's variables that look like one.

    Each line of a secret of several lines is one too: texts are told line by line.
    """
    known = secrets_in(environ) | dict(secrets)
    for name, value in list(known.items()):
        lines = [line.strip() for line in value.splitlines()]
        if len(lines) > 1:
            known |= {f"{name}.{number}": line for number, line in enumerate(lines, 1) if len(line) >= KNOWN_LENGTH}
    return Redactor(known)


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
