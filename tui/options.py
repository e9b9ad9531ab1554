"""What a person may choose about the TUI; the command line fills it from the configuration."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from quarterdeck.keys import CTRL, KeyPress
from themes import Theme, load

LEADER = KeyPress("]", CTRL)


@dataclass(frozen=True, kw_only=True)
class Options:
    """``theme`` "auto" follows the outer terminal's background where it tells (``COLORFGBG``), else it is dark."""

    theme: str = "auto"
    leader: KeyPress = LEADER
    plain_glyphs: bool = False
    """Signs from ASCII only."""
    color: bool = True
    theme_folders: tuple[Path, ...] | None = None

    @classmethod
    def of(cls, environ: Mapping[str, str] = os.environ) -> Options:
        """The defaults for this environment: ``NO_COLOR`` and a locale without UTF-8 are respected."""
        locale = (environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or "").lower()
        narrow = bool(locale) and "utf" not in locale and locale not in ("c", "posix")
        return cls(plain_glyphs=narrow or environ.get("TERM") == "linux", color=not environ.get("NO_COLOR"))

    def load_theme(self, environ: Mapping[str, str] = os.environ) -> Theme:
        """The theme asked for. Raises NotFound or Invalid."""
        name = self.theme
        if name == "auto":
            background = environ.get("COLORFGBG", "").rpartition(";")[2]
            name = "light" if background in ("7", "15") else "dark"
        return load(name, self.theme_folders)
