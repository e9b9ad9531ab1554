"""Names that nobody chose: of agents, sessions, entries, banks."""

from __future__ import annotations

import secrets

ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
"""Characters that cannot be confused with one another."""
LENGTH = 10


def new_id() -> str:
    """Ten characters that cannot be confused with one another; about 49 bits, never reused."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
