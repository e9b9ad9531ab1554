"""The settings that hold while a person's ``config.toml`` or environment has a mistake: nothing of ours stops for one.

The last sound file goes on holding, also over a restart. Where none is known, what is sound in the file holds, and for
the rest what does least: nobody is called where quiet hours may have been meant, nothing is written into workspaces.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

from quarterdeck import config
from quarterdeck.errors import Invalid
from quarterdeck.kept import Kept
from quarterdeck.paths import read_file

_LEAST: Mapping[str, Any] = {
    "notify": {"terminal": "off", "bell": "off", "desktop": "off"},
    "checkpoints": False,
}
"""What holds for settings that may have been meant to be stricter than the default."""


class Held:
    """The user's own settings as they hold now. May be used from several threads."""

    def __init__(self, user: Path | None, kept: Kept) -> None:
        """``user`` is the folder of the user's ``config.toml``; ``kept`` holds its last sound text."""
        self.file = user / "config.toml" if user else None
        self._kept = kept

    def __call__(self) -> tuple[dict[str, Any], tuple[str, ...]]:
        """The settings, and what is wrong with the file, one line each. Raises nothing."""
        if self.file is None:
            return {}, ()
        try:
            data = read_file(self.file, config.FILE_LIMIT)
        except (FileNotFoundError, NotADirectoryError):
            self._kept.keep(None)
            return {}, ()
        except OSError as error:
            return self._instead({}, [f"{self.file}: {error.strerror or error}"], unreadable=True)
        try:
            table = config.parse(data, str(self.file))
        except Invalid as error:
            return self._instead({}, [_line(error)], unreadable=True)
        sound, problems = _sound(table, str(self.file))
        if problems:
            return self._instead(sound, problems)
        self._kept.keep(data)
        return sound, ()

    def _instead(
        self, sound: dict[str, Any], problems: list[str], *, unreadable: bool = False
    ) -> tuple[dict[str, Any], tuple[str, ...]]:
        if self._kept.text is not None:
            try:
                table = config.parse(self._kept.text, str(self._kept.file))
                last = config.check(table, str(self._kept.file))
            except Invalid:  # of an earlier version, which knew other settings
                pass
            else:
                return last, tuple(f"{problem}; the last good settings hold until it is mended" for problem in problems)
        least = {key: value for key, value in _LEAST.items() if unreadable or sound.get(key) is _MEANT}
        sound = {key: value for key, value in sound.items() if value is not _MEANT} | least
        what = "; " + ("the defaults hold" if unreadable else "the rest of the file holds")
        quiet = ", nobody is called" if "notify" in least else ""
        return sound, tuple(f"{problem}{what}{quiet} until it is mended" for problem in problems)


_MEANT: Any = object()
"""In the place of a setting that somebody meant to give, where nobody knows what."""


def _sound(table: Mapping[str, Any], origin: str) -> tuple[dict[str, Any], list[str]]:
    """What is sound in a file, tables key by key, and what is not."""
    sound: dict[str, Any] = {}
    problems: list[str] = []
    for key, value in table.items():
        try:
            sound |= config.check({key: value}, origin)
            continue
        except Invalid as error:
            whole = error
        found: dict[str, Any] = {}
        wrong: list[str] = []
        for part, content in value.items() if isinstance(value, dict) else ():
            try:
                found[part] = config.check({key: {part: content}}, origin)[key][part]
            except Invalid as error:
                wrong.append(_line(error))
        problems += wrong or [_line(whole)]
        if key == "notify" and "quiet" not in found:
            sound[key] = _MEANT
        elif found:
            sound[key] = found
        else:
            for near in difflib.get_close_matches(key, _LEAST, 1):
                sound.setdefault(near, _MEANT)
    return sound, problems


def leave_out_mistakes(environ: MutableMapping[str, str]) -> tuple[str, ...]:
    """Take variables out of ``environ`` that set something wrongly; what was wrong, one line each."""
    problems = []
    for name in tuple(environ):
        try:
            config.check_variable(name, environ[name])
        except Invalid as error:
            problems.append(f"{_line(error)}; the variable is not used")
            del environ[name]
    return tuple(problems)


def _line(error: Invalid) -> str:
    return f"{error.message} ({error.hint})" if error.hint else error.message
