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
_THEMES = ("theme", "theme_dark", "theme_light")
_WORKSPACE_MAY = (*_THEMES, "plain_glyphs", "reduced_motion")
_TRUE = ("1", "true", "yes", "on")


@dataclass(frozen=True, kw_only=True)
class Options:
    """``theme`` "auto" is ``theme_dark`` or ``theme_light``, whichever fits the outer terminal's background."""

    theme: str = "auto"
    theme_dark: str = "dark"
    theme_light: str = "light"
    keymap: Keymap = field(default_factory=keymap)
    key_problems: tuple[str, ...] = ()
    """What of the person's own keys could not be taken in."""
    plain_glyphs: bool = False
    """Signs from ASCII only."""
    reduced_motion: bool = False
    """Nothing on the screen moves by itself: no time counts seconds."""
    color: bool = True
    theme_folders: tuple[Path, ...] | None = None
    workspace: Path | None = None
    files: tuple[Path, ...] = ()
    """The files these settings are read from, the user's first; none where they were given."""

    @classmethod
    def of(cls, environ: Mapping[str, str] = os.environ, workspace: Path | None = None) -> Options:
        """The user's settings, the workspace's theme and glyphs over them, the environment over both.

        ``NO_COLOR`` and a locale without UTF-8 are respected. Raises Invalid for a setting of the user's that cannot
        be used; a workspace's is ignored, and of keys what can be used is.
        """
        file = user_folder(environ).parent / "config.toml"
        user = _read(file)
        theirs = workspace / ".quarterdeck" / "config.toml" if workspace else None
        there = _read(theirs, strict=False) if theirs else {}
        variables = {name: environ.get(f"QUARTERDECK_{name.upper()}") for name in _WORKSPACE_MAY}
        said = {name: value for name, value in variables.items() if value}
        usable = [name for name in _WORKSPACE_MAY if name in there]
        usable = [name for name in usable if name not in _THEMES or _exists(str(there[name]))]
        found = {**user, **{name: there[name] for name in usable}, **said}
        glyphs = str(found.get("plain_glyphs", "")).lower()
        keys = own(user, environ, file=str(file))
        return cls(
            theme=str(found.get("theme", "auto")),
            theme_dark=str(found.get("theme_dark", "dark")),
            theme_light=str(found.get("theme_light", "light")),
            workspace=workspace,
            files=(file, theirs) if theirs else (file,),
            keymap=keys.keymap,
            key_problems=keys.problems,
            plain_glyphs=glyphs in _TRUE if glyphs else _narrow(environ),
            reduced_motion=str(found.get("reduced_motion", "")).lower() in _TRUE,
            color=not environ.get("NO_COLOR"),
        )

    def told_here(self, line: str) -> bool:
        """Whether a problem the orchestrator tells is among ``key_problems``, which name every mistake in keys."""
        about = tuple(f"{self.files[0]}: {what}: " for what in ("keys", "leader")) if self.files else ()
        return bool(self.key_problems) and line.startswith(about)

    def load_theme(self, environ: Mapping[str, str] = os.environ, *, dark: bool | None = None) -> Theme:
        """The theme asked for. ``dark``: what the outer terminal told of itself, else ``COLORFGBG`` says.

        Raises NotFound or Invalid.
        """
        name = self.theme
        if name == "auto":
            if dark is None:
                dark = environ.get("COLORFGBG", "").rpartition(";")[2] not in ("7", "15")
            name = self.theme_dark if dark else self.theme_light
        return load(name, self.theme_folders)


def _narrow(environ: Mapping[str, str]) -> bool:
    """Whether the outer terminal probably shows ASCII only."""
    locale = (environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or "").lower()
    ascii_only = bool(locale) and "utf" not in locale and locale not in ("c", "posix")
    return ascii_only or environ.get("TERM") == "linux"


def _exists(theme: str) -> bool:
    try:
        return theme == "auto" or bool(load(theme))
    except QuarterdeckError:
        return False


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
