"""Texts a verb is given: as an argument, on standard input, in a file."""

from __future__ import annotations

import errno
import sys

from quarterdeck.errors import Broken, Invalid, NotFound
from quarterdeck.paths import NO_FILE

_MOST = 16 << 20
"""Bytes of a text."""


def text_of(
    text: str | None,
    file: str | None,
    purpose: str = "send",
    *,
    whole: bool = False,
    words: tuple[str, str] = ("TEXT", "--file"),
) -> str:
    """TEXT, standard input for ``-``, or what FILE holds. Raises :class:`Invalid` for none or both.

    Bytes that are no UTF-8 are replaced; with ``whole`` they are refused. ``words`` are what the command line calls
    the two.
    """
    if file is not None:
        if text is not None:
            raise Invalid("the text is given twice", hint=f"either {words[0]} or {words[1]} FILE")
        if file == "-":
            return _decoded(sys.stdin.buffer.read(), "standard input", whole)
        try:
            with open(file, "rb") as opened:
                data = opened.read(_MOST + 1)
        except FileNotFoundError:
            raise NotFound(f"the file {file} does not exist") from None
        except OSError as error:
            kind = Invalid if error.errno in (errno.EISDIR, *NO_FILE) else Broken
            raise kind(f"cannot read {file}: {error.strerror}") from error
        if len(data) > _MOST:
            raise Invalid(f"{file} is larger than {_MOST >> 20} MB, which no text is")
        return _decoded(data, file, whole)
    if text is None:
        raise Invalid(f"there is no text to {purpose}", hint=f'{words[0]}, "-" for standard input, or {words[1]} FILE')
    return _decoded(sys.stdin.buffer.read(), "standard input", whole) if text == "-" else text


def _decoded(data: bytes, where: str, whole: bool) -> str:
    try:
        return data.decode("utf-8", "strict" if whole else "replace")
    except UnicodeDecodeError as error:
        raise Invalid(f"{where} is not UTF-8: byte {error.start + 1}") from None
