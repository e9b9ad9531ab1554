"""``aider --no-pretty --message`` as 0.86 prints it: plain text, but for a line with the tokens of each answer.

Its exit status is good whatever happened: an answer ends with that line, an error of the model with one of litellm's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from profiles.headless.heard import End, Heard, Told
from profiles.headless.plain import Plain
from profiles.tally import Counts, Tally

_TOKENS = re.compile(
    r"Tokens: (?P<sent>[\d.]{1,12}k?) sent(?:, (?P<written>[\d.]{1,12}k?) cache write)?"
    r"(?:, (?P<cached>[\d.]{1,12}k?) cache hit)?, (?P<received>[\d.]{1,12}k?) received\."
    r"(?: Cost: \$(?P<cost>[\d.]{1,12}) message,)?"
)
_ERROR = re.compile(r"litellm\.(?:\w{1,40}\.){0,4}\w{1,40}(?:Error|Exception|Timeout)\b")
_HEAD = ("Aider v", "Model: ", "Git repo: ", "Repo-map: ")
"""Lines before which nothing of an answer stands."""


class Aider(Plain):
    """See the module. Its numbers of tokens are rounded."""

    def __init__(self, heard: Heard) -> None:
        super().__init__(heard)
        self._tally = Tally()

    def noise(self, line: str, wall_ns: int) -> Iterable[Told]:
        """See :class:`profiles.headless.fold.Fold`."""
        if found := _TOKENS.match(line):
            sent, cached = _count(found["sent"]), _count(found["cached"])
            self._tally.add(Counts(max(0, sent - cached), cached, _count(found["received"])))
            self.heard.tokens = self._tally.total
            self.heard.turns = (self.heard.turns or 0) + 1
            if found["cost"]:
                self.heard.cost = (self.heard.cost or 0.0) + _number(found["cost"])
            self.finished(End.SUCCESS)
            return ()
        if _ERROR.match(line):
            told = list(self.failed(line, wall_ns))
            self.finished(End.ERROR, line)
            return told
        if line.startswith(_HEAD):
            self._last.clear()
            return ()
        return super().noise(line, wall_ns)


def _count(said: str | None) -> int:
    """``2.4k`` is 2400."""
    return round(_number((said or "0").rstrip("k")) * (1000 if said and said.endswith("k") else 1))


def _number(said: str) -> float:
    try:
        return float(said)
    except ValueError:
        return 0.0
