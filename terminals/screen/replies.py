"""What a terminal answers whatever its state: the table a holder uses while nobody is attached.

Each answer is what :class:`~terminals.screen.screen.Screen` itself gives; a test feeds every query to one.
"""

from __future__ import annotations

from terminals.screen.ffi import BACKGROUND, FOREGROUND, NAME

STATUS_QUERY = b"7501;?"
STATUS_ANSWER = b"\x1b]7501;?\x1b\\"
_ENDS = (b"\x07", b"\x1b\\")


def _color(number: bytes, rgb: tuple[int, int, int]) -> bytes:
    return b"\x1b]%s;rgb:%s" % (number, b"/".join(b"%02x%02x" % (part, part) for part in rgb))


def stateless_replies() -> tuple[tuple[bytes, bytes], ...]:
    """(query, answer) pairs, longest query first: attributes, version, status, colours, OSC 7501."""
    table = {
        b"\x1b[c": b"\x1b[?62;22c",
        b"\x1b[0c": b"\x1b[?62;22c",
        b"\x1b[>c": b"\x1b[>1;0;0c",
        b"\x1b[>0c": b"\x1b[>1;0;0c",
        b"\x1b[=c": b"\x1bP!|00000000\x1b\\",
        b"\x1b[>q": b"\x1bP>|%s\x1b\\" % NAME,
        b"\x1b[>0q": b"\x1bP>|%s\x1b\\" % NAME,
        b"\x1b[5n": b"\x1b[0n",
        b"\x1b[?996n": b"\x1b[?997;1n",
    }
    for end in _ENDS:
        table[b"\x1b]" + STATUS_QUERY + end] = STATUS_ANSWER
        for number, rgb in ((b"10", FOREGROUND), (b"11", BACKGROUND)):
            table[b"\x1b]%s;?" % number + end] = _color(number, rgb) + end
    return tuple(sorted(table.items(), key=lambda pair: -len(pair[0])))
