"""What a person may choose about the TUI.

The settings are those of :mod:`quarterdeck.config`, of which only the TUI's own are read here and without pydantic,
which would take as long as everything else before the first frame. The orchestrator checks the whole files.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quarterdeck.errors import Invalid, QuarterdeckError
from quarterdeck.keymap.bindings import Keymap, keymap
from quarterdeck.keymap.own import own
from themes import Theme, load, user_folder

_LARGEST = 1 << 20
_WORKSPACE_MAY = ("theme", "plain_glyphs", "reduced_motion")
_TRUE = ("1", "true", "yes", "on")


@dataclass(frozen=True, kw_only=True)
class Options:
    """``theme`` "auto" follows the outer terminal's background where it tells (``COLORFGBG``), else it is dark."""

    theme: str = "auto"
    keymap: Keymap = field(default_factory=keymap)
    key_problems: tuple[str, ...] = ()
    """What of the person's own keys could not be taken in."""
    plain_glyphs: bool = False
    """Signs from ASCII only."""
    reduced_motion: bool = False
    """Nothing on the screen moves by itself: no time counts seconds."""
    color: bool = True
    theme_folders: tuple[Path, ...] | None = None

    @classmethod
    def of(cls, environ: Mapping[str, str] = os.environ, workspace: Path | None = None) -> Options:
        """The user's settings, the workspace's theme and glyphs over them, the environment over both.

        ``NO_COLOR`` and a locale without UTF-8 are respected. Raises Invalid for a setting of the user's that cannot
        be used; a workspace's is ignored, and of keys what can be used is.
        """
        file = user_folder(environ).parent / "config.toml"
        user = _read(file)
        there = _read(workspace / ".quarterdeck" / "config.toml", strict=False) if workspace else {}
        variables = {name: environ.get(f"QUARTERDECK_{name.upper()}") for name in _WORKSPACE_MAY}
        said = {name: value for name, value in variables.items() if value}
        found = {**user, **{name: there[name] for name in _WORKSPACE_MAY if name in there}, **said}
        theme = str(found.get("theme", "auto"))
        if theme == str(there.get("theme", "")) and "theme" not in said and not _exists(theme, environ):
            theme = str(user.get("theme", "auto"))
        glyphs = str(found.get("plain_glyphs", "")).lower()
        keys = own(user, environ, file=str(file))
        return cls(
            theme=theme,
            keymap=keys.keymap,
            key_problems=keys.problems,
            plain_glyphs=glyphs in _TRUE if glyphs else _narrow(environ),
            reduced_motion=str(found.get("reduced_motion", "")).lower() in _TRUE,
            color=not environ.get("NO_COLOR"),
        )

    def load_theme(self, environ: Mapping[str, str] = os.environ) -> Theme:
        """The theme asked for. Raises NotFound or Invalid."""
        name = self.theme
        if name == "auto":
            background = environ.get("COLORFGBG", "").rpartition(";")[2]
            name = "light" if background in ("7", "15") else "dark"
        return load(name, self.theme_folders)


def _narrow(environ: Mapping[str, str]) -> bool:
    """Whether the outer terminal probably shows ASCII only."""
    locale = (environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or "").lower()
    ascii_only = bool(locale) and "utf" not in locale and locale not in ("c", "posix")
    return ascii_only or environ.get("TERM") == "linux"


def _exists(theme: str, environ: Mapping[str, str]) -> bool:
    try:
        Options(theme=theme).load_theme(environ)
    except QuarterdeckError:
        return False
    return True


def _read(path: Path, *, strict: bool = True) -> dict[str, Any]:
    """A configuration file's table, empty where there is none."""
    try:
        with path.open("rb") as file:
            return tomllib.loads(file.read(_LARGEST).decode())
    except FileNotFoundError:
        return {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        if not strict:
            return {}
        raise Invalid(f"{path}: {error}", hint="mend the file", path=str(path)) from error
