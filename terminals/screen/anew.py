"""What goes into a journal before the first byte of another program in the same terminal."""

from __future__ import annotations

from quarterdeck.text import safe

_MODES = (1, 5, 9, 66, 69, 1000, 1002, 1003, 1004, 1005, 1006, 1015, 1016, 2004, 2026, 2031, 2048)

_LEAVE = (
    b"\x18"  # whatever sequence was open
    b"\x1b7\x1b[?1049l"  # the alternate screen; on the primary one the cursor stays, since it was just saved
    b"\x1b7\x1b[r\x1b8"  # the scrolling region; setting it alone would send the cursor home
    b"\x1b[!p\x1b[0m\x1b[0 q\x1b[?25h\x1b[?7h\x1b[4l\x1b[20l\x1b>\x1b(B\x0f\x1b]8;;\x1b\\"
    b"\x1b[<99u\x1b[=0u\x1b[>4;0m" + b"".join(b"\x1b[?%dl" % mode for mode in _MODES)
)


def new_life(line: str) -> bytes:
    """Leaves the alternate screen and every mode the program before set, keeps its text, and prints ``line`` below."""
    return _LEAVE + b"\r\n\x1b[J\x1b[2m" + safe(line).encode() + b"\x1b[0m\r\n"
