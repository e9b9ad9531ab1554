"""Styles made concrete for one theme: the colours a cell gets, and the bytes that say so to the outer terminal.

Rows are drawn with escape sequences of our own, since Rich knows neither curly, dotted and dashed underlines nor
their colour. Beside them stands a Rich style for whatever works on segments (pictures, dimming behind a dialog).
Programs choose colours for the background they expect: text on ours that could not be read is made lighter or darker.
Dim, inverse and hidden are resolved to colours here, so they look the same everywhere; blink is not shown. With sixteen
colours roles become what the theme says they do; without any, grounds that mean something are inverse.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from rich.color import Color, ColorSystem
from rich.style import Style as RichStyle

from quarterdeck.rows import BOLD, DEFAULT, DIM, HIDDEN, INVERSE, ITALIC, OVERLINE, RGB, STRIKE, UNDERLINE_SHIFT, Style
from themes import ROLES, Theme, contrast, mix
from themes.check import enough, palette_least
from tui.depth import Depth, cube, legible, nearest_of_16, nearest_of_256

ROLE = 1 << 25
"""Marks a colour of a style as the number of a role in :data:`NAMES`; only styles of our own have such."""
NAMES = (*ROLES, "focus")
_NUMBERS = {name: ROLE | number for number, name in enumerate(NAMES)}
_INVERSE = frozenset({"raised", "focus", "accent", "on_accent", "text", "muted", "warm", "calm"})
"""Grounds that are inverse where there are no colours; ``line`` is underlined, the others are left as they are."""
_STRONG = frozenset({"warm", "accent"})
"""Texts that are bold there."""


class Ink(NamedTuple):
    """A style ready to write: ``sgr`` opens it (always closed by a reset), ``rich`` is the same for Rich."""

    sgr: str
    rich: RichStyle


class Palette:
    """All inks of one theme on one outer terminal. ``system`` None means no colour at all (``NO_COLOR``).

    ``roles`` are the theme's colours and ``focus``, the ground of the focused panel's title.

    ``faded`` draws everything half-way to the background: the last screens while nobody answers.
    """

    def __init__(self, theme: Theme, system: Depth = ColorSystem.TRUECOLOR, *, faded: bool = False) -> None:
        self.theme = theme
        self.system = system
        self.faded = faded
        self.ink = lru_cache(maxsize=4096)(self._ink)
        self.roles = theme.roles
        self._least = palette_least(theme)
        self._lifted = lru_cache(maxsize=1024)(self._lift)

    def color(self, value: int, default: int) -> int:
        """``0xrrggbb`` of a colour as rows carry it."""
        if value == DEFAULT:
            return default
        if value & ROLE:
            return self.roles[NAMES[value & 255]]
        if value & RGB:
            return value & 0xFFFFFF
        return self.theme.palette[value] if value < 16 else cube(value & 255)

    def text(self, style: Style) -> int:
        """``0xrrggbb`` of the text: a program's own colour on a ground it did not choose is at least readable."""
        value = self.color(style.fg, self.theme.colors.text)
        own = style.bg == DEFAULT and style.fg >= 16 and not style.fg & ROLE
        return self._lifted(value) if own else value

    def _lift(self, value: int) -> int:
        ground = self.theme.colors.background
        return value if contrast(value, ground) >= self._least else enough(value, ground, self._least)

    def role(self, fg: str = "text", bg: str = "background", attrs: int = 0) -> Style:
        """A style in the theme's own colours."""
        return Style(_NUMBERS[fg], _NUMBERS[bg], attrs)

    def _ink(self, style: Style) -> Ink:
        if self.system is None:
            return self._plain(style)
        if self.system in (ColorSystem.STANDARD, ColorSystem.WINDOWS):
            return self._few(style)
        colors = self.theme.colors
        attrs = style.attrs
        fg, bg = self.text(style), self.color(style.bg, colors.background)
        if attrs & INVERSE:
            fg, bg = bg, fg
        if attrs & DIM:
            fg = mix(fg, bg, 0.62)
        if self.faded:
            fg = mix(fg, colors.background, 0.5)
            bg = mix(bg, colors.background, 0.5)
        if attrs & HIDDEN:
            fg = bg
        line = fg if style.underline_color == DEFAULT else self.color(style.underline_color, fg)
        shown, ground = rich_color(fg, self.system), rich_color(bg, self.system)
        codes = [*_marks(attrs), *shown.get_ansi_codes(True), *ground.get_ansi_codes(False)]
        colored = line != fg and self.system is ColorSystem.TRUECOLOR
        return Ink(_sgr(codes, style.underline, line if colored else -1), _rich(style, shown, ground))

    def _few(self, style: Style) -> Ink:
        """With sixteen colours, which are the outer terminal's own: what is dim is left to it."""
        fg, bg = self._sixteen(style)
        attrs = style.attrs | (DIM if self.faded else 0)
        if attrs & INVERSE:
            fg, bg = bg, fg
        if attrs & HIDDEN:
            fg = bg
        shown, ground = Color.from_ansi(fg), Color.from_ansi(bg)
        codes = [*_marks(attrs), *["2"] * bool(attrs & DIM), *shown.get_ansi_codes(True), *ground.get_ansi_codes(False)]
        return Ink(_sgr(codes, style.underline), _rich(style, shown, ground, dim=bool(attrs & DIM)))

    def _sixteen(self, style: Style) -> tuple[int, int]:
        """The numbers of both colours."""
        ansi = self.theme.ansi
        fg_role = NAMES[style.fg & 255] if style.fg != DEFAULT and style.fg & ROLE else "text"
        bg_role = NAMES[style.bg & 255] if style.bg != DEFAULT and style.bg & ROLE else "background"
        role_fg, role_bg = ansi.pair(fg_role, bg_role)
        fg, bg = (
            role if value == DEFAULT or value & ROLE else value if value < 16 else nearest_of_16(exact)
            for value, role, exact in (
                (style.fg, role_fg, self.text(style)),
                (style.bg, role_bg, self.color(style.bg, 0)),
            )
        )
        # what a program wanted to be the same is to stay so
        return (fg if style.fg == style.bg != DEFAULT or style.attrs & HIDDEN else legible(fg, bg)), bg

    def _plain(self, style: Style) -> Ink:
        """Without colours."""
        fg = NAMES[style.fg & 255] if style.fg != DEFAULT and style.fg & ROLE else ""
        bg = NAMES[style.bg & 255] if style.bg != DEFAULT and style.bg & ROLE else ""
        attrs = style.attrs ^ (INVERSE if bg in _INVERSE else 0) | (BOLD if fg in _STRONG else 0)
        attrs |= 1 << UNDERLINE_SHIFT if bg == "line" else 0
        style = Style(attrs=attrs)
        codes = [*_marks(attrs), *["2"] * bool(attrs & DIM), *["7"] * bool(attrs & INVERSE)]
        codes += ["8"] * bool(attrs & HIDDEN)
        return Ink(
            _sgr(codes, style.underline),
            _rich(style, None, None, dim=bool(attrs & DIM), reverse=bool(attrs & INVERSE)),
        )


def rich_color(value: int, system: ColorSystem) -> Color:
    """``0xrrggbb`` as Rich takes it, or what comes nearest in 256 colours."""
    if system is ColorSystem.EIGHT_BIT:
        return Color.from_ansi(nearest_of_256(value))
    return Color.from_rgb(value >> 16, value >> 8 & 255, value & 255)


def _marks(attrs: int) -> list[str]:
    return [code for bit, code in ((BOLD, "1"), (ITALIC, "3"), (STRIKE, "9"), (OVERLINE, "53")) if attrs & bit]


def _sgr(codes: list[str], underline: int, line: int = -1) -> str:
    """The sequence; ``line`` is the underline's own colour, -1 for that of the text."""
    if underline:
        codes.append("4")
    more = f"\x1b[4:{underline}m" if underline > 1 else ""
    if underline and line >= 0:
        more += f"\x1b[58:2::{line >> 16}:{line >> 8 & 255}:{line & 255}m"
    return (f"\x1b[{';'.join(codes)}m" if codes else "") + more


def _rich(
    style: Style, color: Color | None, ground: Color | None, *, dim: bool = False, reverse: bool = False
) -> RichStyle:
    attrs, underline = style.attrs, style.underline
    return RichStyle(
        color=color,
        bgcolor=ground,
        bold=bool(attrs & BOLD),
        italic=bool(attrs & ITALIC),
        strike=bool(attrs & STRIKE),
        overline=bool(attrs & OVERLINE),
        underline=underline in (1, 3, 4, 5),
        underline2=underline == 2,
        reverse=reverse,
        dim=dim,
    )
