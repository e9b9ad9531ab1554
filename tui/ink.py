"""Styles made concrete for one theme: the colours a cell gets, and the bytes that say so to the outer terminal.

Rows are drawn with escape sequences of our own, since Rich knows neither curly, dotted and dashed underlines nor
their colour. Beside them stands a Rich style for whatever works on segments (pictures, dimming behind a dialog).
Dim, inverse and hidden are resolved to colours here, so they look the same everywhere; blink is not shown.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from rich.color import Color, ColorSystem
from rich.style import Style as RichStyle

from quarterdeck.rows import BOLD, DEFAULT, DIM, HIDDEN, INVERSE, ITALIC, OVERLINE, RGB, STRIKE, Style
from themes import Theme, mix

_CUBE = (0, 95, 135, 175, 215, 255)


class Ink(NamedTuple):
    """A style ready to write: ``sgr`` opens it (always closed by a reset), ``rich`` is the same for Rich."""

    sgr: str
    rich: RichStyle


def cube(index: int) -> int:
    """``0xrrggbb`` of xterm's palette entries 16 to 255."""
    if index >= 232:
        level = 8 + 10 * (index - 232)
        return level << 16 | level << 8 | level
    index -= 16
    return _CUBE[index // 36] << 16 | _CUBE[index // 6 % 6] << 8 | _CUBE[index % 6]


class Palette:
    """All inks of one theme on one outer terminal. ``system`` None means no colour at all (``NO_COLOR``).

    ``roles`` are the theme's colours and ``focus``, the ground of the focused panel's title.

    ``faded`` draws everything half-way to the background: the last screens while nobody answers.
    """

    def __init__(
        self, theme: Theme, system: ColorSystem | None = ColorSystem.TRUECOLOR, *, faded: bool = False
    ) -> None:
        self.theme = theme
        self.system = system
        self.faded = faded
        self.ink = lru_cache(maxsize=4096)(self._ink)
        self.roles = theme.roles

    def color(self, value: int, default: int) -> int:
        """``0xrrggbb`` of a colour as rows carry it."""
        if value == DEFAULT:
            return default
        if value & RGB:
            return value & 0xFFFFFF
        return self.theme.palette[value] if value < 16 else cube(value & 255)

    def role(self, fg: str = "text", bg: str = "background", attrs: int = 0) -> Style:
        """A style in the theme's own colours."""
        return Style(RGB | self.roles[fg], RGB | self.roles[bg], attrs)

    def _ink(self, style: Style) -> Ink:
        colors = self.theme.colors
        attrs = style.attrs
        fg, bg = self.color(style.fg, colors.text), self.color(style.bg, colors.background)
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
        return Ink(self._sgr(attrs, style.underline, fg, bg, line), self._rich(attrs, style.underline, fg, bg))

    def _sgr(self, attrs: int, underline: int, fg: int, bg: int, line: int) -> str:
        codes = [code for bit, code in ((BOLD, "1"), (ITALIC, "3"), (STRIKE, "9"), (OVERLINE, "53")) if attrs & bit]
        if self.system is None:
            codes += ["2"] * bool(attrs & DIM) + ["7"] * bool(attrs & INVERSE) + ["8"] * bool(attrs & HIDDEN)
        else:
            for value, foreground in ((fg, True), (bg, False)):
                codes += _rich_color(value).downgrade(self.system).get_ansi_codes(foreground)
        if underline:
            codes.append("4")
        more = f"\x1b[4:{underline}m" if underline > 1 else ""
        if underline and line != fg and self.system is ColorSystem.TRUECOLOR:
            more += f"\x1b[58:2::{line >> 16}:{line >> 8 & 255}:{line & 255}m"
        return (f"\x1b[{';'.join(codes)}m" if codes else "") + more

    def _rich(self, attrs: int, underline: int, fg: int, bg: int) -> RichStyle:
        plain = self.system is None
        return RichStyle(
            color=None if plain else _rich_color(fg),
            bgcolor=None if plain else _rich_color(bg),
            bold=bool(attrs & BOLD),
            italic=bool(attrs & ITALIC),
            strike=bool(attrs & STRIKE),
            overline=bool(attrs & OVERLINE),
            underline=underline in (1, 3, 4, 5),
            underline2=underline == 2,
            reverse=plain and bool(attrs & INVERSE),
            dim=plain and bool(attrs & DIM),
        )


def _rich_color(value: int) -> Color:
    return Color.from_rgb(value >> 16, value >> 8 & 255, value & 255)
