"""Who needs a person, and how that person is called."""

from __future__ import annotations

from sessions.attention.attention import Attention
from sessions.attention.matters import Matter, What

__all__ = ["Attention", "Matter", "What"]
