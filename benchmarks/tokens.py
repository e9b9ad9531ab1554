"""What the echoing program answers to its n-th key: five letters that all differ from the answer before.

A client that repaints only cells that changed must therefore paint the whole token, in one piece.
"""

from __future__ import annotations

_LETTERS = ("BCDFGHJKLM", "NPQRSTVWXZ")


def token(number: int) -> bytes:
    """The answer to key ``number`` (from 1)."""
    letters = _LETTERS[number % 2]
    return "".join(letters[(number // 10**place + 3 * place) % 10] for place in range(5)).encode()
