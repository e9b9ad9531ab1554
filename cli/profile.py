"""``profile``: which kinds of agents are known, what a profile says, what its screen rules make of a screen."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from cli.output import BOLD, DIM, Cell, Column
from cli.overview import near_home, workspace
from cli.scope import Scope, json_option
from quarterdeck.text import plain

if TYPE_CHECKING:
    from profiles import Catalogue, Profile
    from profiles.rules import Outcome
    from quarterdeck.rows import Look

_LIST = (
    Column("PROFILE"),
    Column("TITLE", cut="end", drop=4),
    Column("VERIFIED"),
    Column("HOOKS"),
    Column("SOURCES", cut="end", drop=2),
    Column("RECEIPTS", cut="end", drop=3),
    Column("FILE", cut="left", drop=1),
)
_RULES = (
    Column(""),
    Column("RULE"),
    Column("STATE"),
    Column("PRIORITY", right=True, drop=2),
    Column("REGION", drop=1),
    Column("RESULT", cut="end"),
)
_KINDS = (Column("PROFILE"), Column("STATE"), Column("RULE"), Column("WHAT", cut="end"))


class _Profiles(click.Group):
    """The group; the verbs about hooks have a module of their own that is imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), "hooks"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == "hooks":
            from cli.hooks import hooks

            return hooks
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Profiles)
def profile() -> None:
    """Kinds of agents: what is known about each, and trying it."""


@profile.command("list")
@json_option
@click.pass_obj
def list_profiles(scope: Scope) -> None:
    """List the profiles that may be used here, and what is wrong with others."""
    known = _catalogue(scope)
    if scope.out.json:
        scope.out.data(
            {
                "profiles": [_summary(found) for found in known.profiles.values()],
                "problems": [problem._asdict() for problem in known.problems],
            }
        )
        return
    _tell_problems(scope, known)
    scope.out.table(
        _LIST,
        [
            (
                found.name,
                found.title,
                found.verified or Cell("no" if found.kind == "agent" else "-", DIM),
                _door(found),
                " ".join(_sources(found)) or Cell("-", DIM),
                " ".join(found.prompt.receipts) or Cell("-", DIM),
                "built in" if _is_built_in(found) else near_home(found.source),
            )
            for _, found in sorted(known.profiles.items())
        ],
    )


@profile.command()
@click.argument("name")
@json_option
@click.pass_obj
def show(scope: Scope, name: str) -> None:
    """Print all that profile NAME says."""
    known = _catalogue(scope)
    found = known.get(name)
    if scope.out.json:
        scope.out.data(_values(found))
        return
    for problem in known.problems:
        if problem.file == found.source:
            scope.out.note(problem.message)
    values = _values(found)
    parts = {key: value for key, value in values.items() if isinstance(value, dict)}
    rules = values.pop("screen")
    _section(scope, "", {key: value for key, value in values.items() if key not in parts})
    for title, part in parts.items():
        _section(scope, f"[{title}]", part)
    for rule in rules:
        _section(scope, "[[screen]]", rule)


@profile.command("test")
@click.argument("screen", metavar="SCREEN_OR_CAST_OR_AGENT")
@click.option("--profile", "name", metavar="NAME", help="The profile (default: the agent's, the folder's, or all).")
@click.option("--at", type=click.FloatRange(0), metavar="SECONDS", help="Of an asciicast: the screen at this time.")
@click.option("--regions", is_flag=True, help="Also print the part of the screen that each rule looks at.")
@json_option
@click.pass_obj
def try_screen(scope: Scope, screen: str, name: str | None, at: float | None, regions: bool) -> None:
    """Print what each screen rule makes of a screen.

    SCREEN is a recorded screen or any text, an asciicast of which the end counts, or the name of a running agent.
    """
    from cli.casts import from_agent, from_file

    known = _catalogue(scope)
    if os.path.exists(screen):
        look = from_file(Path(screen), at)
        folder = Path(screen).absolute().parent.name
        name = name or (folder if folder in known.profiles else None)
    else:
        kind, look = from_agent(scope, screen)
        name = name or kind
    if not scope.out.json:
        _tell_problems(scope, known)
    if name is None:
        _test_all(scope, known, screen, look)
    else:
        _test_one(scope, known.get(name), screen, look, regions)


def _test_all(scope: Scope, known: Catalogue, source: str, look: Look) -> None:
    from profiles import rules

    found = {kind.name: rules.read(kind, look) for _, kind in sorted(known.profiles.items()) if kind.screen}
    if scope.out.json:
        states = {name: {"state": said.state, "rule": said.name} if said else None for name, said in found.items()}
        scope.out.data({"screen": source, "profiles": states})
        return
    scope.out.table(
        _KINDS,
        [
            (name, said.state, said.name, said.command or said.path or said.text)
            if said
            else (name, Cell("nothing", DIM), "", "")
            for name, said in found.items()
        ],
    )
    scope.out.note("--profile NAME shows every rule of one of them")


def _test_one(scope: Scope, kind: Profile, source: str, look: Look, regions: bool) -> None:
    from profiles import rules
    from profiles.strokes import confirms

    said, draft, outcomes = rules.read(kind, look), rules.draft(kind, look), rules.outcomes(kind, look)
    if scope.out.json:
        scope.out.data(
            {
                "profile": kind.name,
                "screen": source,
                "size": {"cols": look.cols, "lines": len(look.lines)},
                "cursor": {"x": look.cursor[0], "y": look.cursor[1]},
                "title": look.title,
                "found": _values(said) if said else None,
                "draft": draft,
                "rules": [_outcome(told) for told in outcomes],
            }
        )
        return
    out = scope.out
    if said is None:
        out.line(f"{kind.name}: no rule holds" if outcomes else f"{kind.name} has no screen rules")
    else:
        out.line(f"{kind.name}: {said.state}{f' ({said.kind})' if said.kind else ''} by rule {said.name}")
        for part in ("tool", "command", "path", "text"):
            _value(scope, part, getattr(said, part))
        if said.keys:
            answers = (f"{answer}: {' '.join(pressed)}" for answer, pressed in said.keys.items())
            _value(scope, "answers", ", ".join(answers))
            for answer, pressed in said.keys.items():
                if confirms(pressed[-1]) and (why := rules.astray(kind, look, said.name, answer)):
                    _value(scope, f"not {answer}", why)
    _value(scope, "input box", "not visible" if draft is None else draft or "empty")
    if outcomes:
        out.line()
        out.table(_RULES, [_told(told) for told in outcomes])
    if regions:
        for told in outcomes:
            out.line()
            out.line(f"{told.rule.name}: {_region(told)}")
            for line in told.lines:
                out.write(plain("  │ " + line).rstrip() + "\n")


def _told(told: Outcome) -> tuple[Cell, ...]:
    rule = told.rule
    # a table folds blanks, which count in a pattern
    result = "speaks" if told.speaks else re.sub(" {2,}", lambda blanks: f" {{{len(blanks[0])}}}", told.reason)
    mark = "▶" if told.speaks else "✓" if told.holds else ""
    colour = BOLD if told.speaks else "" if told.holds else DIM
    state = f"{rule.state} {rule.kind}".rstrip()
    return tuple(Cell(text, colour) for text in (mark, rule.name, state, str(rule.priority), _region(told), result))


def _region(told: Outcome) -> str:
    box = {None: "", True: " +box", False: " -box"}[told.rule.input]
    return told.rule.region + (" from" if told.rule.begin else "") + box


def _value(scope: Scope, label: str, value: str) -> None:
    """A value of perhaps several lines, aligned."""
    for number, line in enumerate(value.split("\n") if value else []):
        scope.out.write(plain(f"  {'' if number else label:9}  {line}").rstrip() + "\n")


def _section(scope: Scope, title: str, values: Mapping[str, Any]) -> None:
    """The values that say something; that a rule is for screens without an input box does."""
    shown = {
        key: value
        for key, value in values.items()
        if value not in ("", [], {}, None, 0) or (key == "input" and value is False)
    }
    if not shown:
        return
    if title:
        scope.out.line()
        scope.out.write(scope.out.painted(title, BOLD) + "\n")
    wide = max(map(len, shown))
    for key, value in shown.items():
        for number, line in enumerate(_lines(value)):
            scope.out.write(plain(f"{key if not number else '':{wide}}  {line}") + "\n")


def _lines(value: Any) -> Iterator[str]:
    """A value of a profile as lines: lists of patterns one below the other, tables by key."""
    if isinstance(value, dict):
        yield from (f"{key} = {' '.join(item) if isinstance(item, list) else item}" for key, item in value.items())
    elif isinstance(value, bool):
        yield "yes" if value else "no"
    elif isinstance(value, list) and any(" " in item or "\\" in item for item in value):
        yield from value
    else:
        yield " ".join(value) if isinstance(value, list) else str(value)


def _catalogue(scope: Scope) -> Catalogue:
    """The profiles in force here. A workspace's own count where a running orchestrator says that it is trusted."""
    import profiles.builtin
    from quarterdeck import hooks
    from quarterdeck.config import user_folder, workspace_folder

    plugins = hooks.load([profiles.builtin])
    here = workspace()
    folder = workspace_folder(Path(here)) / "profiles"
    trusted = False
    if folder.is_dir():
        with scope.running() as client:
            if client is not None:
                trusted = bool(client.request("GET", f"/v1/trust?workspace={quote(here, safe='')}")["trusted"])
    for problem in plugins.problems:
        scope.out.note(problem)
    return profiles.load(user_folder() / "profiles", folder, trusted, built_in=plugins.profile_folders())


def _tell_problems(scope: Scope, known: Catalogue) -> None:
    for problem in known.problems:
        scope.out.note(problem.message if problem.file in problem.message else f"{problem.file}: {problem.message}")


def _summary(found: Profile) -> dict[str, Any]:
    return {
        "name": found.name,
        "title": found.title,
        "kind": found.kind,
        "verified": found.verified,
        "hooks": _door(found),
        "sources": _sources(found),
        "receipts": list(found.prompt.receipts),
        "file": found.source,
    }


def _door(found: Profile) -> str:
    """How hooks reach this kind: for each run, only when installed, or not at all."""
    if not found.hooks.shape:
        return "-"
    return "each run" if found.hooks.door != "none" else "when installed"


def _sources(found: Profile) -> list[str]:
    """The sources that tell of this kind, besides its process."""
    told = found.sources
    return [
        *(["program"] if told.program else []),
        *(["file"] if told.file else []),
        *(["stream"] if told.stream else []),
        *(["hook"] if found.hooks.shape else []),
        *(["transcript"] if told.transcript else []),
        *(["screen"] if found.screen else []),
        *(["hint"] if told.titles else []),
    ]


def _is_built_in(found: Profile) -> bool:
    from profiles.catalogue import DATA

    return Path(found.source).parent == DATA


def _outcome(told: Outcome) -> dict[str, Any]:
    return {
        "rule": told.rule.name,
        "state": told.rule.state,
        "kind": told.rule.kind,
        "priority": told.rule.priority,
        "region": told.rule.region,
        "holds": told.holds,
        "speaks": told.speaks,
        "reason": told.reason,
        "captures": dict(told.captures),
        "lines": list(told.lines),
    }


def _values(value: Any) -> Any:
    """A profile's values as JSON takes them."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _values(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: _values(item) for key, item in value.items()}
    return [_values(item) for item in value] if isinstance(value, tuple) else value
