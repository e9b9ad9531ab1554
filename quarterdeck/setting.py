"""One setting written into a person's own file, which otherwise stays as that person wrote it."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from pathlib import Path

from quarterdeck.errors import Invalid
from quarterdeck.paths import write_file
from quarterdeck.text import safe

_LARGEST = 1 << 20
_MEND = "mend the file, then choose again"


def put(file: Path, key: str, value: str) -> None:
    """Set a top-level ``key`` of a TOML file; comments, order and line ends stay, a link stays one.

    The file and its folder are made where they are missing. Raises Invalid for a file that is no TOML or cannot be
    written, which then is as it was.
    """
    import tomlkit  # costly to import, and only needed here
    from tomlkit.exceptions import TOMLKitError

    real = Path(os.path.realpath(file))
    try:
        before = real.read_bytes() if real.exists() else b""
        if len(before) > _LARGEST:
            raise Invalid(f"{file} is too long", file=str(file))
        document = tomlkit.parse(_sound(file, before.decode("utf-8")))
        document[key] = value
        text = tomlkit.dumps(document)
        tomlkit.parse(text)
        real.parent.mkdir(parents=True, exist_ok=True)
        mode = stat.S_IMODE(real.stat().st_mode) if real.exists() else 0o600
        write_file(real, text.encode("utf-8"), mode)
    except (TOMLKitError, UnicodeDecodeError) as error:
        raise Invalid(f"{file}: {safe(str(error))}", hint=_MEND, file=str(file)) from error
    except OSError as error:
        raise Invalid(f"{file} cannot be written: {error.strerror or error}", file=str(file)) from error


def _sound(file: Path, text: str) -> str:
    """The text, if it is TOML. Raises Invalid with the line that is not: tomlkit tells less of it."""
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        what, _, place = str(error).rpartition(" (at ")
        line = re.match(r"line (\d+)", place)
        number = int(line[1]) if line else len(text.splitlines())
        told = safe(what or str(error))
        raise Invalid(f"{file}, line {number}: {told[:1].lower()}{told[1:]}", hint=_MEND, file=str(file)) from error
    return text
