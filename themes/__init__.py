"""Theme files and their loader.

A theme is one TOML file: a name, whether it is dark, ten colours by role and the sixteen palette colours programs
get. The user's own lie in ``$XDG_CONFIG_HOME/quarterdeck/themes`` and win over built-in ones of the same name.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from quarterdeck.errors import Invalid, NotFound

BUILT_IN = Path(__file__).parent
_HEX = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True, kw_only=True)
class Colors:
    """Colours by what they are for, each ``0xrrggbb``. The accent marks the focused panel and nothing else."""

    background: int
    surface: int
    raised: int
    line: int
    text: int
    muted: int
    accent: int
    on_accent: int
    warm: int
    calm: int


@dataclass(frozen=True, kw_only=True)
class Theme:
    """A loaded theme. ``palette`` holds the sixteen colours of programs, each ``0xrrggbb``."""

    name: str
    dark: bool
    colors: Colors
    palette: tuple[int, ...]


ROLES = tuple(field.name for field in fields(Colors))


def user_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where a user's own themes lie."""
    base = Path(environ.get("XDG_CONFIG_HOME", ""))
    return (base if base.is_absolute() else Path("~/.config").expanduser()) / "quarterdeck" / "themes"


def folders(environ: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """The folders searched, the first find wins."""
    return (user_folder(environ), BUILT_IN)


def available(where: Sequence[Path] | None = None) -> list[str]:
    """The names of all themes found, sorted."""
    return sorted({path.stem for folder in where or folders() for path in folder.glob("*.toml")})


def load(name: str, where: Sequence[Path] | None = None) -> Theme:
    """The theme called ``name``. Raises NotFound naming the nearest, or Invalid naming file and key."""
    places = where or folders()
    for folder in places:
        path = folder / f"{name}.toml"
        if path.is_file() and path.parent == folder:
            return parse(path.read_text(encoding="utf-8"), str(path))
    known = available(places)
    near = difflib.get_close_matches(name, known, 1)
    raise NotFound(
        f"no theme is called {name!r}",
        hint=f"did you mean {near[0]!r}?" if near else "themes: " + ", ".join(known),
        name=name,
    )


def parse(text: str, source: str) -> Theme:
    """A theme from the text of its file; ``source`` names the file in errors. Raises Invalid."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"{source}: {error}", hint="mend the file or choose another theme") from error
    _only(data, ("name", "dark", "colors", "terminal"), source, "")
    colors, terminal = data.get("colors"), data.get("terminal")
    if not isinstance(colors, dict) or not isinstance(terminal, dict):
        raise Invalid(
            f"{source}: the tables [colors] and [terminal] are needed", hint="copy a built-in theme and edit it"
        )
    _only(colors, ROLES, source, "colors.")
    _only(terminal, ("palette",), source, "terminal.")
    palette = terminal.get("palette")
    if not isinstance(palette, list) or len(palette) != 16:
        raise Invalid(f"{source}: terminal.palette needs sixteen colours", hint="black to white, then the bright eight")
    return Theme(
        name=str(data.get("name", Path(source).stem)),
        dark=bool(data.get("dark", True)),
        colors=Colors(**{role: _color(colors.get(role), source, f"colors.{role}") for role in ROLES}),
        palette=tuple(_color(value, source, f"terminal.palette[{n}]") for n, value in enumerate(palette)),
    )


def contrast(one: int, other: int) -> float:
    """The contrast of two colours, 1 to 21 (WCAG 2.2, relative luminance)."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(color: int) -> float:
    parts = [((color >> shift) & 255) / 255 for shift in (16, 8, 0)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _only(table: Mapping[str, Any], known: Sequence[str], source: str, prefix: str) -> None:
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            raise Invalid(
                f"{source}: unknown key {prefix}{key}",
                hint=f"did you mean {prefix}{near[0]}?" if near else "known: " + ", ".join(known),
                key=prefix + key,
            )


def _color(value: object, source: str, key: str) -> int:
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise Invalid(f"{source}: {key} must be a colour like #1c1f26, not {value!r}", hint="#rrggbb", key=key)
    return int(value[1:], 16)
