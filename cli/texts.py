"""Texts a verb is given: as an argument, on standard input, in a file."""

from __future__ import annotations

import sys
from pathlib import Path

from quarterdeck.errors import Broken, Invalid, NotFound


def text_of(text: str | None, file: str | None, purpose: str = "send", *, whole: bool = False) -> str:
    """TEXT, standard input for ``-``, or what FILE holds. Raises :class:`Invalid` for none or both.

    Bytes that are no UTF-8 are replaced; with ``whole`` they are refused.
    """
    if file is not None:
        if text is not None:
            raise Invalid("the text is given twice", hint="either TEXT or --file FILE")
        if file == "-":
            return _decoded(sys.stdin.buffer.read(), "standard input", whole)
        try:
            return _decoded(Path(file).read_bytes(), file, whole)
        except FileNotFoundError:
            raise NotFound(f"the file {file} does not exist") from None
        except OSError as error:
            raise Broken(f"cannot read {file}: {error.strerror}") from error
    if text is None:
        raise Invalid(f"there is no text to {purpose}", hint='TEXT, "-" for standard input, or --file FILE')
    return _decoded(sys.stdin.buffer.read(), "standard input", whole) if text == "-" else text


def _decoded(data: bytes, where: str, whole: bool) -> str:
    try:
        return data.decode("utf-8", "strict" if whole else "replace")
    except UnicodeDecodeError as error:
        raise Invalid(f"{where} is not UTF-8: byte {error.start + 1}") from None
