"""Arming a start: the hooks for this run only, by the door the profile names, beside whatever settings are there.

What the person gave on the command line is never lost: settings a placeholder would replace are merged into ours. Where
that cannot be done the start stays as it was, and the reason is told.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from profiles import parts
from profiles.hooks import lines, shapes
from profiles.hooks.spool import Spool
from profiles.profile import Profile
from quarterdeck.paths import PORT_NOTE, SPOOL_VARIABLE, read_file, write_file

SETTINGS_LIMIT = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Armed:
    """How to start. ``problem`` says why the agent runs without hooks of ours, "" when it has them or needs none."""

    argv: tuple[str, ...]
    environ: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""


class _Unarmed(Exception):
    """Why the hooks cannot be added."""


def arm(profile: Profile, argv: Sequence[str], environ: Mapping[str, str], *, folder: Path, cwd: Path) -> Armed:
    """The command line and the environment for a run with hooks; does nothing for a profile without any.

    Makes a new spool in ``folder``, the agent's own, and writes the run's settings into it. Never raises: an agent
    without hooks is better than none.
    """
    hooks = profile.hooks
    plain = Armed(argv=tuple(argv), environ=dict(environ))
    if not hooks.shape and hooks.door == "none":
        return plain
    try:
        spool = Spool.create(folder)
    except OSError as error:
        return Armed(argv=plain.argv, environ=plain.environ, problem=f"no spool: {error.strerror or error}")
    spooled = {**environ, SPOOL_VARIABLE: str(spool.folder)}
    try:
        filler = _Filler(profile, spool, environ, folder, cwd)
        if hooks.door == "argv":
            return Armed(argv=filler.arguments(argv), environ=spooled)
        if hooks.door == "environ":
            return Armed(argv=plain.argv, environ={**spooled, **filler.variables()})
    except _Unarmed as problem:
        return Armed(argv=plain.argv, environ=spooled, problem=str(problem))
    except (OSError, ValueError, RecursionError) as error:
        return Armed(argv=plain.argv, environ=spooled, problem=f"no settings for this run: {error}")
    return Armed(argv=plain.argv, environ=spooled)


def commands(profile: Profile) -> tuple[dict[str, str], dict[str, str]]:
    """The commands by event: those that tell, and those that ask."""
    hooks, shape = profile.hooks, shapes.shape(profile.hooks.shape)
    any_shell = shape is not None and shape.ANY_SHELL
    tell = lines.TELL_ANY_SHELL if any_shell else lines.TELL
    ask = lines.ask_any_shell(hooks.wait_s) if any_shell else lines.ask(hooks.wait_s)
    return (
        {event: tell for event in hooks.events if event not in hooks.asks},
        dict.fromkeys(hooks.asks, ask),
    )


class _Filler:
    """Fills the placeholders of one profile's door."""

    def __init__(self, profile: Profile, spool: Spool, environ: Mapping[str, str], folder: Path, cwd: Path) -> None:
        self._profile = profile
        self._spool = spool
        self._environ = environ
        self._folder = folder
        self._cwd = cwd
        self._shape = shapes.shape(profile.hooks.shape)
        self._tell, self._ask = commands(profile)
        self._port = 0
        self._noted = False

    def arguments(self, argv: Sequence[str]) -> tuple[str, ...]:
        """The command line with ours behind the command itself, and with settings of the person's taken into ours."""
        rest = list(argv)
        begins = self._profile.own(argv)
        base: Mapping[str, Any] = {}
        wanted = self._profile.hooks.argv
        for before, argument in zip(("", *wanted), wanted, strict=False):
            if argument == parts.PORT:
                self._port = self._given_port(rest, before)
            if parts.HOOKS_FILE in argument:
                base = self._taken_out(rest, before if argument == parts.HOOKS_FILE else argument.partition("=")[0])
        return (*rest[:begins], *(self._filled(argument, base) for argument in wanted), *rest[begins:])

    def variables(self) -> dict[str, str]:
        """The variables of the door."""
        base: Mapping[str, Any] = {}
        if self._shape and (hidden := self._shape.hidden(self._environ)):
            base = self._read(hidden, must=False)
        return {name: self._filled(value, base) for name, value in self._profile.hooks.environ.items()}

    def _filled(self, text: str, base: Mapping[str, Any]) -> str:
        if parts.HOOKS_FILE in text:
            text = text.replace(parts.HOOKS_FILE, str(self._settings(base)))
        if parts.HOOKS_FOLDER in text:
            text = text.replace(parts.HOOKS_FOLDER, str(self._settings(base).parent))
        if parts.HOOKS in text:
            said = self._shape.inline(self._tell, self._ask, self._profile.hooks.wait_s) if self._shape else ""
            if not said:
                raise _Unarmed(f"hooks of the shape {self._profile.hooks.shape or 'none'} have no inline form")
            text = text.replace(parts.HOOKS, said)
        if parts.PORT in text:
            text = text.replace(parts.PORT, str(self._free_port()))
        text = text.replace(parts.TELL, lines.TELL).replace(parts.ASK, lines.ask(self._profile.hooks.wait_s))
        return text.replace(parts.SPOOL, str(self._spool.folder))

    def _settings(self, base: Mapping[str, Any]) -> Path:
        """Write the run's settings; their path."""
        if self._shape is None:
            raise _Unarmed(f"hooks of the shape {self._profile.hooks.shape or 'none'} are not known")
        made = self._shape.settings(base, self._tell, self._ask, self._profile.hooks.wait_s)
        path = self._spool.folder / self._shape.FILE
        write_file(path, json.dumps(made, indent=1).encode())
        return path

    def _taken_out(self, argv: list[str], option: str) -> Mapping[str, Any]:
        """Take ``option`` with its value out of ``argv``; the settings it named. Of several the last holds."""
        found: Mapping[str, Any] = {}
        for value in _values(argv, option):
            found = self._read(value, must=True)
        return found

    def _given_port(self, argv: list[str], option: str) -> int:
        """Take ``option`` out of ``argv``: the port the person chose, 0 for none."""
        port = next(reversed(_values(argv, option)), "")
        return int(port) if port.isascii() and port.isdecimal() and 0 < int(port) < 1 << 16 else 0

    def _read(self, named: str, *, must: bool) -> Mapping[str, Any]:
        """The settings in a file or, as some agents take them, in the argument itself."""
        data: Any = {}
        where = "the settings given" if named.lstrip().startswith("{") else named
        try:
            if where is named:
                path = Path(os.path.expanduser(named)) if named.startswith("~") else self._cwd / named
                data = json.loads(read_file(path, SETTINGS_LIMIT))
            else:
                data = json.loads(named)
        except FileNotFoundError as error:
            if must:
                raise _Unarmed(f"{named} does not exist") from error
        except (OSError, ValueError, RecursionError) as error:
            raise _Unarmed(f"{where} cannot be merged with ours: {error}") from error
        hooks = data.get("hooks", {}) if isinstance(data, dict) else None
        if not isinstance(hooks, dict) or not all(isinstance(entries, list) for entries in hooks.values()):
            raise _Unarmed(f"{where} cannot be merged with ours: it does not have the form of settings")
        return dict(data)

    def _free_port(self) -> int:
        """The port the person chose, else one on 127.0.0.1 that was free a moment ago; noted in the agent's folder."""
        if not self._noted:
            if not self._port:
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", 0))
                    self._port = int(probe.getsockname()[1])
            self._noted = True
            write_file(self._folder / PORT_NOTE, str(self._port).encode())
        return self._port


def _values(argv: list[str], option: str) -> list[str]:
    """Take every ``option`` with its value out of ``argv``; the values."""
    found: list[str] = []
    at = 0
    while at < len(argv) and argv[at] != "--":
        name, equals, value = argv[at].partition("=")
        if name != option:
            at += 1
            continue
        if not equals and at + 1 >= len(argv):
            break
        found.append(value if equals else argv[at + 1])
        del argv[at : at + (1 if equals else 2)]
    return found


def port_of(folder: Path) -> int:
    """The port chosen for the present run of the agent with this folder; 0 for none."""
    with suppress(OSError, ValueError):
        port = int((folder / PORT_NOTE).read_text(encoding="ascii"))
        return port if 0 < port < 1 << 16 else 0
    return 0
