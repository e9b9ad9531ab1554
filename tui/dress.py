"""A theme as Textual takes it, for what Textual draws: dialogs, inputs and passing messages."""

from __future__ import annotations

from functools import lru_cache

from rich.color import Color, ColorSystem
from rich.segment import Segment
from rich.style import Style as RichStyle
from textual.color import Color as TextualColor
from textual.filter import LineFilter
from textual.theme import Theme as TextualTheme

from quarterdeck.rows import RGB, Style
from themes import ROLES, Theme
from tui.ink import Palette

_GROUNDS = ("background", "surface", "raised", "focus", "line", "accent", "text", "muted", "warm", "calm")
_TEXTS = ("text", "muted", "accent", "warm", "calm", "line", "on_accent", "background", "raised", "surface")


def textual_theme(theme: Theme, name: str = "quarterdeck") -> TextualTheme:
    """``theme`` with the variables the stylesheet uses. Textual sees a change only by another ``name``."""
    colors = {role: f"#{getattr(theme.colors, role):06x}" for role in ROLES}
    return TextualTheme(
        name=name,
        primary=colors["accent"],
        secondary=colors["accent"],
        accent=colors["accent"],
        background=colors["background"],
        surface=colors["surface"],
        panel=colors["raised"],
        boost=colors["raised"],
        foreground=colors["text"],
        warning=colors["warm"],
        error=colors["warm"],
        success=colors["calm"],
        dark=theme.dark,
        variables={
            "warm": colors["warm"],
            "calm": colors["calm"],
            "accent": colors["accent"],
            "on-accent": colors["on_accent"],
            "raised": colors["raised"],
            "line": colors["line"],
            "muted": colors["muted"],
            "text": colors["text"],
            "text-muted": colors["muted"],
            "text-disabled": colors["muted"],
            "border": colors["line"],
            "border-blurred": colors["line"],
            "input-cursor-background": colors["text"],
            "input-cursor-foreground": colors["background"],
            "input-selection-background": colors["line"],
            "input-selection-foreground": colors["text"],
            "screen-selection-background": colors["line"],
            "screen-selection-foreground": colors["text"],
            "scrollbar": colors["muted"],
            "scrollbar-hover": colors["text"],
            "scrollbar-active": colors["text"],
            "scrollbar-background": colors["background"],
            "scrollbar-background-hover": colors["background"],
            "scrollbar-background-active": colors["background"],
            "scrollbar-corner-color": colors["background"],
            "block-cursor-background": colors["text"],
            "block-cursor-foreground": colors["background"],
            "link-color": colors["accent"],
            "link-background-hover": colors["raised"],
            "link-color-hover": colors["text"],
        },
    )


class Outer(LineFilter):
    """Gives what Textual draws the colours the outer terminal has: those of the same roles in our own lines."""

    def __init__(self, palette: Palette) -> None:
        super().__init__()
        self._palette = palette
        roles = palette.roles
        self._grounds = {roles[role]: role for role in reversed(_GROUNDS)}
        self._texts = {roles[role]: role for role in reversed(_TEXTS)}
        self._shown = lru_cache(maxsize=1024)(self._show)

    def apply(self, segments: list[Segment], background: TextualColor) -> list[Segment]:
        """The segments in other colours; ``background`` is that of the whole widget."""
        if self._palette.system is ColorSystem.TRUECOLOR:
            return segments
        ground = int(background.hex6[1:], 16)
        return [
            segment
            if segment.style is None or segment.control
            else Segment(segment.text, self._shown(segment.style, ground))
            for segment in segments
        ]

    def _show(self, style: RichStyle, ground: int) -> RichStyle:
        fg, bg = _value(style.color), _value(style.bgcolor)
        marks = RichStyle(
            bold=style.bold, italic=style.italic, underline=style.underline, strike=style.strike, dim=style.dim,
            reverse=style.reverse,
        )  # fmt: skip
        text, over = self._texts.get(fg, ""), self._grounds.get(bg, "")
        if self._palette.system is None and over == "text" and self._grounds.get(ground) == "raised":
            over = "background"  # the cursor in a field that is inverse as a whole
        few = self._palette.system is ColorSystem.STANDARD
        if few and fg >= 0 and not text:
            text, over = "line", over or "background"  # behind a dialog, where colours are mixed with the ground
        known = self._palette.role(text or "text", over or "background")
        found = self._palette.ink(
            Style(
                known.fg if text or fg < 0 else RGB | fg,
                known.bg if over or bg < 0 or few else RGB | bg,
            )
        ).rich
        return found + marks


def _value(color: Color | None) -> int:
    """``0xrrggbb`` of a colour; -1 for none and for the terminal's own."""
    if color is None or color.is_default:
        return -1
    red, green, blue = color.get_truecolor()
    return red << 16 | green << 8 | blue
