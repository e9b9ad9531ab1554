"""What a screen says, by the rules of a profile. Pure: one profile, one screen, no clock.

Screens hold text that agents chose, so a rule is anchored: to a region, to the beginnings of lines, to whether the
input box is visible. An agent that quotes a dialog does so above its input box, where a rule with ``input = false``
never holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from profiles.parts import ScreenRule
from profiles.patterns import TEXT, compiled, whole
from profiles.profile import Profile
from profiles.regions import CLOSES, OPENS, Regions
from quarterdeck.evidence import Evidence, Sign, Source
from quarterdeck.rows import Look

CAPTURE = 4_000
"""Characters of one capture."""
_SIGNS = {
    "working": Sign.WORKING,
    "blocked": Sign.BLOCKED,
    "idle": Sign.IDLE,
    "limited": Sign.LIMITED,
    "starting": Sign.STARTING,
}
_BAR = re.compile(r" *[│┃▌] ?")
_PARTS = ("tool", "command", "path", "text")


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What the strongest rule that holds says. Captures are the agent's: bounded, not safe to show."""

    name: str
    """The rule's."""
    state: str
    """One of :data:`profiles.parts.STATES`. ``ignore``: the screen tells nothing now, and takes no prompt either."""
    kind: str = ""
    tool: str = ""
    command: str = ""
    path: str = ""
    text: str = ""
    can: tuple[str, ...] = ()
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """The keys of each answer it takes: the rule's, else the profile's."""
    lines: tuple[str, ...] = ()
    """The region the rule looked at."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of one rule."""

    rule: ScreenRule
    holds: bool
    speaks: bool
    """Whether it is the one :func:`read` answers with."""
    reason: str
    """Why it does not hold, or what its patterns matched."""
    lines: tuple[str, ...]
    """The region."""
    captures: Mapping[str, str]


def read(profile: Profile, look: Look) -> Found | None:
    """What the screen says by the strongest rule that holds; None where none does."""
    regions = Regions(profile, look)
    for rule in profile.screen:
        captures = _held(rule, regions)
        if not isinstance(captures, str):
            return _found(profile, rule, captures, _region(rule, regions))
    return None


def astray(profile: Profile, look: Look, name: str, answer: str) -> str:
    """Why a key that chooses what is marked does not give ``answer`` to the dialog of the rule ``name``; "": it does.

    What is quoted in it is the agent's, not safe to show.
    """
    rule = next((rule for rule in profile.screen if rule.name == name), None)
    if rule is None:
        return f"there is no rule {name}"
    regions = Regions(profile, look)
    lines = regions.marked_of(rule.region)
    if rule.begin:
        lines = lines[len(lines) - len(_region(rule, regions)) :]
    pattern = rule.marked.get(answer)
    if pattern and _search(pattern, lines) is not None:
        return ""
    found = re.findall(f"{OPENS}([^{CLOSES}]*){CLOSES}", "\n".join(lines))
    if pattern:
        return "the selection in the dialog was moved" + (f" (marked is {found[-1].strip()})" if found else "")
    if found:
        return (
            f"the dialog marks {found[-1].strip()}, and its rule {name} does not say what must be marked for {answer}"
        )
    return ""


def draft(profile: Profile, look: Look) -> str | None:
    """What is half-typed in the input box: "" where it is empty, None where none is visible or it takes no text now."""
    regions = Regions(profile, look)
    box = regions.input
    if box is None or any(
        rule.state == "ignore" and not isinstance(_held(rule, regions), str) for rule in profile.screen
    ):
        return None
    return box.text


def outcomes(profile: Profile, look: Look) -> tuple[Outcome, ...]:
    """What every rule makes of the screen, in the order in which they are asked."""
    regions = Regions(profile, look)
    told: list[Outcome] = []
    spoken = False
    for rule in profile.screen:
        captures = _held(rule, regions)
        holds = not isinstance(captures, str)
        told.append(
            Outcome(
                rule=rule,
                holds=holds,
                speaks=holds and not spoken,
                reason=captures if isinstance(captures, str) else ("" if not spoken else "a stronger rule speaks"),
                lines=_region(rule, regions),
                captures={} if isinstance(captures, str) else captures,
            )
        )
        spoken = spoken or holds
    return tuple(told)


def evidence(profile: Profile, look: Look, wall_ns: int) -> Evidence | None:
    """The screen's word, to be told each time the screen changed: CLEAR where no rule holds.

    None where the screen cannot tell: a rule says ``ignore``, or the profile has no rules.
    """
    if not profile.screen:
        return None
    found = read(profile, look)
    if found is None:
        return Evidence(source=Source.SCREEN, sign=Sign.CLEAR, wall_ns=wall_ns, text="no rule", offset=look.offset)
    if found.state == "ignore":
        return None
    data: dict[str, Any] = {}
    if found.state == "blocked":
        data = {"kind": found.kind, "can": found.can, "rule": found.name}
        data |= {part: value for part in _PARTS if (value := getattr(found, part))}
    elif found.state == "limited":
        from profiles.transcripts.limits import ends

        data = {"until_ns": ends(found.text, wall_ns), "message": found.text}
    return Evidence(
        source=Source.SCREEN,
        sign=_SIGNS[found.state],
        wall_ns=wall_ns,
        text=f"rule {found.name}",
        offset=look.offset,
        data=MappingProxyType(data),
    )


def _held(rule: ScreenRule, regions: Regions) -> str | dict[str, str]:
    """What the patterns of a rule that holds captured; else why it does not, for a person."""
    if rule.input is not None and rule.input != (regions.input is not None):
        return "the input box is " + ("not visible" if rule.input else "visible")
    lines = _region(rule, regions)
    if not any(lines):
        if rule.begin and any(regions.lines_of(rule.region)):
            return f"begin: no line matches {rule.begin}"
        return f"the screen has no region {rule.region}"
    captures: dict[str, str] = {}
    for pattern in rule.all:
        found = _search(pattern, lines)
        if found is None:
            return f"all: no match for {pattern}"
        _capture(found, captures)
    if rule.any:
        for pattern in rule.any:
            found = _search(pattern, lines)
            if found is not None:
                _capture(found, captures)
                break
        else:
            return "any: no match for " + "  nor  ".join(rule.any)
    for pattern in rule.none:
        if _search(pattern, lines) is not None:
            return f"none: a match for {pattern}"
    return captures


def _region(rule: ScreenRule, regions: Regions) -> tuple[str, ...]:
    lines = regions.lines_of(rule.region)
    if rule.begin:
        begins = compiled(rule.begin).search
        lines = next((lines[y:] for y, line in enumerate(lines) if begins(line)), ())
    return lines


def _search(pattern: str, lines: tuple[str, ...]) -> re.Match[str] | None:
    expression = compiled(pattern)
    if whole(expression):
        return expression.search("\n".join(lines)[-TEXT:])
    search = expression.search
    for line in lines:
        found = search(line)
        if found is not None:
            return found
    return None


def _capture(found: re.Match[str], captures: dict[str, str]) -> None:
    for name, value in found.groupdict().items():
        if value and not captures.get(name):
            captures[name] = _dedented(value)[:CAPTURE]


def _dedented(value: str) -> str:
    """A capture without what its lines share with the screen around it: bars at their sides, indentation."""
    lines = value.split("\n")
    if all(_BAR.match(line) for line in lines):
        lines = [_BAR.sub("", line, count=1).rstrip() for line in lines]
        if all(line.endswith(("│", "┃")) for line in lines):
            lines = [line[:-1].rstrip() for line in lines]
        shared = _shared(lines)
        return "\n".join(line[shared:] for line in lines).strip("\n")
    first, *rest = lines
    shared = _shared(rest)
    return "\n".join([first.strip(), *(line[shared:].rstrip() for line in rest)]).strip("\n")


def _shared(lines: Sequence[str]) -> int:
    """By how many cells all lines are indented."""
    return min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)


def _found(profile: Profile, rule: ScreenRule, captures: dict[str, str], lines: tuple[str, ...]) -> Found:
    return Found(
        name=rule.name,
        state=rule.state,
        kind=rule.kind,
        can=rule.can,
        keys=MappingProxyType({word: rule.keys.get(word) or getattr(profile.keys, word) for word in rule.can}),
        lines=lines,
        **captures,
    )
