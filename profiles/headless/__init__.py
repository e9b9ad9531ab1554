"""What agents without a screen print, read as it comes: one module for each format.

:func:`reader` makes a reader. It is fed the very bytes of the agent's terminal, in any pieces, from the first one on,
and tells what they say, each thing once::

    reader = headless.reader("claude")
    for told in reader.feed(data):      # news, for people
        ...
    reader.close()                      # no more comes: a last line may have no end
    reader.heard                        # all it knows by now
"""

from __future__ import annotations

from collections.abc import Callable

from profiles.headless import aider, claude, codex, copilot, gemini, opencode, plain
from profiles.headless.fold import Fold
from profiles.headless.heard import End, Heard, Kind, Refusal, Told
from profiles.headless.reader import Reader

FORMATS: dict[str, Callable[[Heard], Fold]] = {
    "aider": aider.Aider,
    "claude": claude.Claude,
    "codex": codex.Codex,
    "copilot": copilot.Copilot,
    "gemini": gemini.Gemini,
    "opencode": opencode.Opencode,
    "qwen": claude.Qwen,
}
"""By the name a profile gives in ``[headless] format``."""
WITH_EACH_ANSWER: dict[str, frozenset[str]] = {
    "aider": frozenset({"turns", "tokens", "money"}),
    "claude": frozenset({"turns", "tokens"}),
    "codex": frozenset({"turns"}),
    "copilot": frozenset({"turns", "tokens"}),
    "gemini": frozenset({"turns"}),
    "opencode": frozenset({"turns", "tokens", "money"}),
    "qwen": frozenset({"turns", "tokens"}),
}
"""By format, of what an agent tells while it works how much it has used; of the rest at its end, or never."""


def reader(format: str) -> Reader:  # noqa: A002  the key's name
    """A reader of this format; plain text where the name is "" or not known."""
    return Reader(FORMATS.get(format, plain.Plain))


__all__ = ["FORMATS", "WITH_EACH_ANSWER", "End", "Fold", "Heard", "Kind", "Reader", "Refusal", "Told", "reader"]
