"""What a step hands on: values in the file that ``QUARTERDECK_OUTPUT`` names, and files that must be there.

The file holds lines ``name=value``, and for a value of several lines::

    name<<END
    its lines
    END

as GitHub's runners take them. The last of two values with one name counts. Names are letters, digits, ``_`` and ``-``.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from quarterdeck.errors import Invalid
from quarterdeck.paths import read_file
from quarterdeck.redaction import Redactor
from quarterdeck.text import safe

VARIABLE = "QUARTERDECK_OUTPUT"
MESSAGE = "message"
"""The name under which an agent's last message, or the end of a command's output, is handed on."""
FILE_LIMIT = 512 << 10
VALUE_LIMIT = 64 << 10
"""Bytes: a variable of a program must hold it."""
MOST = 200
"""Values of one step."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,99}")


def read(file: Path, redactor: Redactor) -> dict[str, str]:
    """The values in a step's file, secrets masked; none where there is no file.

    Raises :class:`Invalid` that names the line for what cannot be read as one.
    """
    try:
        data = read_file(file, FILE_LIMIT)
    except FileNotFoundError:
        return {}
    except OSError as error:
        said = f"is larger than {FILE_LIMIT >> 10} kB" if error.errno == errno.EFBIG else error.strerror or str(error)
        raise Invalid(f"the outputs cannot be read: the file {VARIABLE} names {said}") from error
    try:
        return parse(data.decode("utf-8"), redactor)
    except UnicodeDecodeError as error:
        raise Invalid("the outputs are no text in UTF-8") from error


def parse(text: str, redactor: Redactor) -> dict[str, str]:
    """As :func:`read`, of the text itself."""
    found: dict[str, str] = {}
    lines = enumerate(text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n"), 1)
    for number, line in lines:
        if not line.strip():
            continue
        name, value = _whole(number, line, lines)
        if not _NAME.fullmatch(name):
            raise Invalid(
                f"the outputs, line {number}: {safe(name, 60)!r} is no name", hint="letters, digits, _ and - make one"
            )
        value = redactor.redact(value).text
        if len(value.encode("utf-8", "surrogatepass")) > VALUE_LIMIT or "\0" in value:
            said = "holds a NUL character" if "\0" in value else f"is longer than {VALUE_LIMIT >> 10} kB"
            raise Invalid(f"the outputs, line {number}: {name} {said}", hint="hand on a file: artifacts, or its path")
        found.pop(name, None)
        found[name] = value
    if len(found) > MOST:
        raise Invalid(f"the outputs are {len(found)} values; a step may hand on {MOST}")
    return found


def _whole(number: int, line: str, lines: Iterable[tuple[int, str]]) -> tuple[str, str]:
    """The name and the value that begin in a line; takes the lines that belong to it."""
    equals, heredoc = line.find("="), line.find("<<")
    if heredoc >= 0 and not 0 <= equals < heredoc:
        name, end = line[:heredoc], line[heredoc + 2 :]
        if not end:
            raise Invalid(f"the outputs, line {number}: << needs the word that ends the value")
        value: list[str] = []
        for _, one in lines:
            if one == end:
                return name, "\n".join(value)
            value.append(one)
        raise Invalid(f"the outputs, line {number}: {safe(name, 60)} is not ended by {safe(end, 60)!r}")
    if equals < 0:
        raise Invalid(
            f"the outputs, line {number}: {safe(line, 60)!r} is no output", hint="name=value, or name<<END ... END"
        )
    return line[:equals], line[equals + 1 :]


def missing(cwd: str, files: Iterable[str]) -> list[str]:
    """Those of a step's files that are not there."""
    return [one for one in files if not os.path.exists(Path(cwd, one))]


def of_step(values: Mapping[str, str], message: str) -> dict[str, str]:
    """All a step hands on: what it set itself, and its message where it set none."""
    cut = message.encode("utf-8", "surrogatepass")[-VALUE_LIMIT:].decode("utf-8", "ignore")
    return {MESSAGE: cut} | dict(values) if cut else dict(values)
