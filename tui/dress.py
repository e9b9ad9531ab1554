"""A theme as Textual takes it, for what Textual draws: dialogs, inputs and passing messages."""

from __future__ import annotations

from textual.theme import Theme as TextualTheme

from themes import ROLES, Theme


def textual_theme(theme: Theme) -> TextualTheme:
    """``theme`` under a name of its own, with the variables the stylesheet uses."""
    colors = {role: f"#{getattr(theme.colors, role):06x}" for role in ROLES}
    return TextualTheme(
        name=f"quarterdeck-{theme.name}",
        primary=colors["accent"],
        background=colors["background"],
        surface=colors["surface"],
        panel=colors["raised"],
        foreground=colors["text"],
        warning=colors["warm"],
        error=colors["warm"],
        success=colors["calm"],
        dark=theme.dark,
        variables={
            "warm": colors["warm"],
            "raised": colors["raised"],
            "line": colors["line"],
            "muted": colors["muted"],
            "text": colors["text"],
            "text-muted": colors["muted"],
            "input-cursor-background": colors["text"],
            "input-cursor-foreground": colors["background"],
            "input-selection-background": colors["line"],
        },
    )
