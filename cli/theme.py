"""``theme``: which themes there are, what one looks like, whether its colours can be read, and which one is worn."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.output import DIM, YELLOW, Cell, Column
from cli.overview import near_home
from cli.scope import Scope, json_option
from quarterdeck.text import safe

if TYPE_CHECKING:
    from themes import Theme

FAULTS = 2
"""The exit code when colours of a theme cannot be read or told apart."""
_LIST = (Column("THEME"), Column("FOR"), Column("PROMISES", drop=1), Column("FILE", cut="left", drop=2))
_ROLES = (Column("ROLE"), Column("COLOUR"), Column(""), Column("CONTRAST", right=True, drop=1))


@click.group()
def theme() -> None:
    """Themes: the colours of the screen."""


@theme.command("list")
@json_option
@click.pass_obj
def list_themes(scope: Scope) -> None:
    """List the themes there are, and say which one is asked for."""
    from quarterdeck.config import load as settings
    from quarterdeck.errors import QuarterdeckError
    from themes import available, load, user_folder

    asked = settings(user_folder().parent).config
    found: list[Theme] = []
    wrong: list[QuarterdeckError] = []
    for name in available():
        try:
            found.append(load(name))
        except QuarterdeckError as error:
            wrong.append(error)
    if scope.out.json:
        scope.out.data(
            {
                "theme": asked.theme,
                "theme_dark": asked.theme_dark,
                "theme_light": asked.theme_light,
                "folder": str(user_folder()),
                "themes": [_summary(one) for one in found],
                "problems": [problem.message for problem in wrong],
            }
        )
        return
    for problem in wrong:
        scope.out.note(safe(problem.message, 400))
    scope.out.table(
        _LIST,
        [
            (
                one.name,
                "dark rooms" if one.dark else "bright rooms",
                " ".join(_promises(one)) or Cell("-", DIM),
                "built in" if _built_in(one) else near_home(one.source),
            )
            for one in found
        ],
    )
    auto = f" ({asked.theme_dark} or {asked.theme_light}, as the terminal is)" if asked.theme == "auto" else ""
    scope.out.note(f"asked for: {safe(asked.theme)}{auto}; your own lie in {near_home(str(user_folder()))}")


@theme.command()
@click.argument("name")
@json_option
@click.pass_obj
def show(scope: Scope, name: str) -> None:
    """Print the colours of theme NAME, and the least contrast of each text."""
    from themes import contrast, load
    from themes.check import GROUNDS, TEXTS

    one = load(name)
    if scope.out.json:
        scope.out.data(_summary(one) | {"colors": _hex(one.roles), "palette": [f"#{c:06x}" for c in one.palette]})
        return
    roles = one.roles
    scope.out.table(
        _ROLES,
        [
            (
                role,
                f"#{color:06x}",
                Cell("████" if scope.out.unicode and scope.out.colour and _paint(color) else "", _paint(color)),
                f"{min(contrast(color, roles[ground]) for ground in GROUNDS):.1f}:1" if role in TEXTS else "",
            )
            for role, color in roles.items()
        ],
    )
    for row in (one.palette[:8], one.palette[8:]):
        scope.out.line(" ".join(scope.out.painted(f"#{color:06x}", _paint(color)) for color in row))


@theme.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
@click.pass_context
def check(context: click.Context, file: Path) -> None:
    """Say which colours of a theme FILE cannot be read or told apart, and what would be enough.

    Exit code 2 when there are some. FILE may also be the name of a theme.
    """
    from themes import load, read
    from themes.check import faults

    scope: Scope = context.obj
    one = read(file) if file.suffix == ".toml" or len(file.parts) > 1 else load(str(file))
    found = faults(one)
    if scope.out.json:
        scope.out.data(
            {
                "file": one.source,
                "faults": [
                    fault._asdict()
                    | {
                        "color": f"#{fault.color:06x}",
                        "enough": f"#{fault.enough:06x}" if fault.enough >= 0 else "",
                        "have": round(fault.have, 3),
                    }
                    for fault in found
                ],
            }
        )
    else:
        for fault in found:
            scope.out.line(scope.out.painted(str(fault), YELLOW))
        if not found:
            scope.out.line(f"every text has {one.contrast:g}:1 or more where it is drawn")
    if found:
        context.exit(FAULTS)


@theme.command("set")
@click.argument("name")
@click.pass_obj
def set_theme(scope: Scope, name: str) -> None:
    """Wear theme NAME from now on, or auto.

    Writes it into your config.toml, of which everything else stays as it is. Screens that are open follow at once.
    """
    from quarterdeck.setting import put
    from themes import load, user_folder

    scope.for_person()
    if name != "auto":
        load(name)
    file = user_folder().parent / "config.toml"
    put(file, "theme", name)
    scope.out.note(f"theme {name} is kept in {near_home(str(file))}")
    if over := os.environ.get("QUARTERDECK_THEME"):
        scope.out.note(f"in this shell QUARTERDECK_THEME says {safe(over, 60)}")


def _summary(one: Theme) -> dict[str, Any]:
    return {
        "name": one.name,
        "dark": one.dark,
        "contrast": one.contrast,
        "color_blind": one.color_blind,
        "file": one.source,
        "built_in": _built_in(one),
    }


def _promises(one: Theme) -> list[str]:
    from themes import AA

    return [f"{one.contrast:g}:1"] * (one.contrast > AA) + ["colour-blind"] * one.color_blind


def _built_in(one: Theme) -> bool:
    from themes import BUILT_IN

    return Path(one.source).parent == BUILT_IN


def _hex(colors: dict[str, int]) -> dict[str, str]:
    return {role: f"#{color:06x}" for role, color in colors.items()}


def _paint(color: int) -> str:
    """An SGR parameter for ``0xrrggbb`` where the terminal shows it as it is."""
    true = os.environ.get("COLORTERM", "").lower() in ("truecolor", "24bit")
    return f"38;2;{color >> 16};{color >> 8 & 255};{color & 255}" if true else ""
