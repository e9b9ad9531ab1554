"""Paths in a paste: what a terminal makes of a dropped file, read back, and spelled as an agent wants to be given it.

Terminals paste the path of a file that is dropped on them: with backslashes, in quotes, as a ``file://`` address, as it
is; several with spaces or line ends between them. All of this is pure: whether a path exists is asked by the caller.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from urllib.parse import unquote_to_bytes, urlsplit

from profiles.parts import Pasting

LONGEST = 16 << 10
"""Characters; a longer paste is a text."""
MOST = 64
"""Paths of one paste."""
_PLAIN = re.compile(r"[\w/.,:+@%=~-]+")
"""What needs no quoting anywhere."""
_HOSTILE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""A path with one of these is never made into anything: it would end a line, a paste, or hide what it is."""
_BEGINS = ("/", "'", '"', "\\", "f", "F")
_HERE = ("", "localhost")


def readings(text: str) -> Iterator[tuple[str, ...]]:
    """What paths the whole of ``text`` may be, the likeliest first; nothing where it is no list of absolute paths."""
    said = text.strip(" \t\r\n")
    if len(said) > LONGEST or said[:1] not in _BEGINS:
        return
    found: list[tuple[str, ...]] = []
    for words in (_lines(said), _words(said)):
        paths = tuple(_path(word) for word in words)
        if paths and len(paths) <= MOST and all(paths) and paths not in found:
            found.append(paths)
            yield paths


def spelled(paths: Sequence[str], how: Pasting) -> tuple[str, ...]:
    """The pastes that give an agent these paths, one after the other; empty where it cannot be told some of them."""
    pastes: list[str] = []
    for image, group in groupby(paths, lambda path: bool(how.image) and _suffix(path) in how.types):
        words = [_spelled(path, how.image if image else how.file) for path in group]
        if not all(words):
            return ()
        if image:
            pastes += words if how.alone else [" ".join(words)]
        else:  # agents put no space behind an image, and end what names a file at the next one
            pastes.append((" " if pastes else "") + " ".join(words) + " ")
    return tuple(pastes)


def _spelled(path: str, form: str) -> str:
    """A path in the form a profile gives; "" where that cannot hold it."""
    for placeholder, write in _FORMS.items():
        if placeholder in form:
            word = write(path)
            return form.replace(placeholder, word) if word else ""
    return ""


def _double(path: str) -> str:
    if _PLAIN.fullmatch(path):
        return path
    return "" if '"' in path else f'"{path}"'


_FORMS = {
    "{path}": lambda path: path,
    "{escaped}": lambda path: re.sub(r"([^\w/.,:+@%=~-])", r"\\\1", path),
    "{quoted}": _double,
}
FORMS = tuple(_FORMS)


def _suffix(path: str) -> str:
    name = path.rpartition("/")[2]
    return name.rpartition(".")[2].lower() if "." in name[1:] else ""


def _lines(said: str) -> list[str]:
    """One path a line, as it is: file managers copy like that, and some terminals drop like that."""
    return [line.strip(" \t") for line in re.split(r"\r\n|\r|\n", said)]


def _words(said: str) -> list[str]:
    """Words as a shell reads them: backslashes, single and double quotes. Empty where a quote is not closed."""
    words: list[str] = []
    word: list[str] | None = None
    quote, at = "", 0
    while at < len(said):
        char = said[at]
        at += 1
        if quote:
            if char == quote:
                quote = ""
            elif char == "\\" and quote == '"' and said[at : at + 1] in ('"', "\\", "$", "`"):
                word = [*(word or ()), said[at]]
                at += 1
            else:
                word = word or []
                word.append(char)
        elif char in " \t\r\n":
            if word is not None:
                words.append("".join(word))
            word = None
        elif char in "'\"":
            quote, word = char, word or []
        else:
            if char == "\\" and at < len(said):
                char = said[at]
                at += 1
            word = word or []
            word.append(char)
    if quote:
        return []
    return [*words, "".join(word)] if word is not None else words


def _path(word: str) -> str:
    """The absolute path a word names; "" where it names none, or one that is hostile."""
    path = word
    if word[:7].lower() == "file://":
        try:
            address = urlsplit(word)
            path = unquote_to_bytes(address.path).decode()
        except (ValueError, UnicodeDecodeError):
            return ""
        if address.netloc.lower() not in _HERE or address.query or address.fragment:
            return ""
    return path if path.startswith("/") and path.strip("/") and not _HOSTILE.search(path) else ""
