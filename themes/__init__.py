"""Theme files and their loader.

A theme is one TOML file: a name, whether it is dark, ten colours by role, the sixteen palette colours programs get, and
where it wants to, what the roles become on a terminal of sixteen colours. The user's own lie in
``$XDG_CONFIG_HOME/quarterdeck/themes`` and win over built-in ones of the same name.

What :mod:`themes.check` holds every theme to: each text role has the theme's ``contrast`` (4.5:1, WCAG AA, unless it
promises more) on each ground it is drawn on; of the palette every colour but black (0) has 3:1 on the background, and
4.5:1 where 7:1 is promised, since programs write in all of them. White and bright white are no exception: a light theme
gives greys for them.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NoReturn

from quarterdeck import paths
from quarterdeck.errors import Invalid, NotFound
from themes.ansi import NAMES, Ansi

BUILT_IN = Path(__file__).parent
_HEX = re.compile(r"#[0-9a-fA-F]{6}")
_LARGEST = 1 << 16
"""Bytes read of a theme file."""
AA, AAA = 4.5, 7.0
"""Contrasts of text by WCAG 2.2."""
FOCUS_SHARE = 0.2
"""Share of the accent in the ground of the focused panel's title."""


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
    ansi: Ansi
    """The roles on a terminal that has sixteen colours."""
    contrast: float = AA
    """What it promises of every text on every ground."""
    color_blind: bool = False
    """Whether it promises that warm, calm and accent differ for people who lack one kind of cone."""
    source: str = ""
    """The file it was read from."""

    @property
    def roles(self) -> dict[str, int]:
        """All colours by role, with ``focus``, the ground of the focused panel's title."""
        found = {role: getattr(self.colors, role) for role in ROLES}
        return found | {"focus": mix(self.colors.accent, self.colors.background, FOCUS_SHARE)}


ROLES = tuple(field.name for field in fields(Colors))
_KEYS = ("dark", "contrast", "color_blind", "colors", "terminal", "ansi")


def user_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where a user's own themes lie."""
    return paths.user_folder(environ) / "themes"


def folders(environ: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """The folders searched, the first find wins."""
    return (user_folder(environ), BUILT_IN)


def available(where: Sequence[Path] | None = None) -> list[str]:
    """The names of all themes found, sorted."""
    return sorted({path.stem for folder in where or folders() for path in folder.glob("*.toml")})


def load(name: str, where: Sequence[Path] | None = None) -> Theme:
    """The theme called ``name``. Raises NotFound naming the nearest, or Invalid naming file, line and key."""
    places = where or folders()
    for folder in places:
        path = folder / f"{name}.toml"
        if path.is_file() and path.parent == folder:
            return read(path)
    known = available(places)
    near = difflib.get_close_matches(name, known, 1)
    raise NotFound(
        f"no theme is called {name!r}",
        hint=f"did you mean {near[0]!r}?" if near else "themes: " + ", ".join(known),
        name=name,
    )


def read(path: Path) -> Theme:
    """The theme in a file. Raises Invalid naming file, line and key."""
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise Invalid(f"{path}: {why}", hint="mend the file or choose another theme") from error
    return parse(text, str(path))


def parse(text: str, source: str) -> Theme:
    """A theme from the text of its file; ``source`` names the file in errors. Raises Invalid."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"{source}: {error}", hint="mend the file or choose another theme") from error
    say = _Sayer(text, source)
    say.only(data, _KEYS, "")
    colors, terminal, ansi = data.get("colors"), data.get("terminal"), data.get("ansi", {})
    if not isinstance(colors, dict) or not isinstance(terminal, dict) or not isinstance(ansi, dict):
        raise Invalid(
            f"{source}: the tables [colors] and [terminal] are needed", hint="copy a built-in theme and edit it"
        )
    say.only(colors, ROLES, "colors.")
    say.only(terminal, ("palette",), "terminal.")
    say.only(ansi, Ansi._fields, "ansi.")
    palette = terminal.get("palette")
    if not isinstance(palette, list) or len(palette) != 16:
        say.wrong("terminal.palette", "needs sixteen colours", "black to white, then the bright eight")
    dark, promise, blind = data.get("dark", True), data.get("contrast", AA), data.get("color_blind", False)
    for key, value in (("dark", dark), ("color_blind", blind)):
        if not isinstance(value, bool):
            say.wrong(key, f"must be true or false, not {value!r}", "")
    if isinstance(promise, bool) or not isinstance(promise, int | float) or not 1 <= promise <= 21:
        say.wrong("contrast", f"must be a number from 1 to 21, not {promise!r}", "4.5 for WCAG AA, 7 for AAA")
    return Theme(
        name=Path(source).stem,
        dark=dark,
        colors=Colors(**{role: say.color(colors.get(role), f"colors.{role}") for role in ROLES}),
        palette=tuple(say.color(value, "terminal.palette", f"[{n}]") for n, value in enumerate(palette)),
        ansi=Ansi.usual(dark)._replace(**{role: say.name(value, f"ansi.{role}") for role, value in ansi.items()}),
        contrast=float(promise),
        color_blind=blind,
        source=source,
    )


def mix(one: int, other: int, share: float) -> int:
    """``share`` of ``one`` on ``1 - share`` of ``other``, each channel."""
    parts = (
        round(((one >> shift) & 255) * share + ((other >> shift) & 255) * (1 - share)) << shift for shift in (16, 8, 0)
    )
    return sum(parts)


def contrast(one: int, other: int) -> float:
    """The contrast of two colours, 1 to 21 (WCAG 2.2, relative luminance)."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(color: int) -> float:
    parts = [((color >> shift) & 255) / 255 for shift in (16, 8, 0)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


class _Sayer:
    """Says what is wrong with a file: where it stands and what was meant."""

    def __init__(self, text: str, source: str) -> None:
        self._text = text
        self._source = source

    def wrong(self, key: str, what: str, hint: str) -> NoReturn:
        """Raise Invalid that names the line a key of the file stands in."""
        line = self._line(tuple(int(part) if part.isdigit() else part for part in re.findall(r"[^.[\]]+", key)))
        raise Invalid(f"{self._source}{f':{line}' if line else ''}: {key} {what}", hint=hint, key=key)

    def _line(self, path: tuple[str | int, ...]) -> int:
        """Where a key stands, or the nearest table around it; 0 for nowhere."""
        from quarterdeck.lined import toml  # costly to import, and only needed here
        from quarterdeck.lined.mistakes import Mistakes

        lines = toml.read(self._text, Mistakes(self._source)).lines
        return next((lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in lines), 0)

    def only(self, table: Mapping[str, Any], known: Sequence[str], prefix: str) -> None:
        """Raise Invalid for a key that is not known."""
        for key in table:
            if key not in known:
                near = difflib.get_close_matches(key, known, 1)
                hint = f"did you mean {prefix}{near[0]}?" if near else "known: " + ", ".join(known)
                self.wrong(prefix + key, "is not a key of themes", hint)

    def color(self, value: object, key: str, which: str = "") -> int:
        """A colour as ``0xrrggbb``."""
        if value is None:
            self.wrong(key, "is missing", "a colour like #1c1f26")
        if not isinstance(value, str) or not _HEX.fullmatch(value):
            self.wrong(key + which, f"must be a colour like #1c1f26, not {value!r}", "#rrggbb")
        return int(value[1:], 16)

    def name(self, value: object, key: str) -> int:
        """The number of an ANSI colour named."""
        if not isinstance(value, str) or value not in NAMES:
            near = difflib.get_close_matches(str(value), NAMES, 1)
            hint = f"did you mean {near[0]!r}?" if near else "known: " + ", ".join(NAMES)
            self.wrong(key, f"must be the name of one of the sixteen colours, not {value!r}", hint)
        return NAMES[value]
