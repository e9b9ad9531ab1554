"""The bindings a person has: ``[keys]`` and ``leader`` of the user's ``config.toml``, and what is wrong with them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from quarterdeck.errors import Invalid
from quarterdeck.keymap.bindings import Keymap, keymap
from quarterdeck.keymap.settings import leader, read
from quarterdeck.paths import read_file

_LARGEST = 1 << 20
_VARIABLE = "QUARTERDECK_LEADER"


class Own(NamedTuple):
    """What holds. ``faults`` are settings that could not be read, one line each; conflicts are in the keymap."""

    keymap: Keymap
    faults: tuple[str, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """Everything to be mended, one line each."""
        return (*self.faults, *(f"keys: {line}" for line in self.keymap.conflicts))


def own(table: Mapping[str, Any], environ: Mapping[str, str], *, file: str, preset: str = "") -> Own:
    """The bindings of a settings file's whole ``table``; a variable's leader wins, then that of ``[keys]``.

    ``preset`` takes the place of the one the file names. What cannot be used is left out.
    """
    settings, found = read(table.get("keys", {}))
    faults = []
    for fault in found:
        what = f"{fault.key}: {fault.message}" if fault.key else fault.message
        faults.append(f"{file}: keys: {what}" + (f" ({fault.hint})" if fault.hint else ""))
    said = [(f"{file}: leader", table.get("leader") if settings.leader is None else None)]
    said.append((f"the environment variable {_VARIABLE}: leader", environ.get(_VARIABLE)))
    for origin, text in said:
        if text:
            try:
                settings = settings._replace(leader=leader(str(text)))
            except Invalid as error:
                faults.append(f"{origin}: {error.message} ({error.hint})")
    if preset:
        settings = settings._replace(preset=preset)
    return Own(keymap(settings), tuple(faults))


def own_of(file: Path, environ: Mapping[str, str], *, preset: str = "") -> Own:
    """The bindings of the settings in ``file``, which may be missing. Raises Invalid where it is no TOML."""
    try:
        table = tomllib.loads(read_file(file, _LARGEST).decode())
    except (FileNotFoundError, NotADirectoryError):
        table = {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"{file}: {error}", hint="mend the file", path=str(file)) from error
    return own(table, environ, file=str(file), preset=preset)
