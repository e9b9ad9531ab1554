"""How the parts of this folder are put together for a deck."""

from __future__ import annotations

import os
from collections.abc import Callable

from quarterdeck.config import Config
from quarterdeck.errors import QuarterdeckError
from quarterdeck.redaction import Redactor, secrets_in
from sessions.markdown.summary import Summaries
from sessions.markdown.writer import Asked, Prompts, Writer
from sessions.roster import Roster


def open_markdown(roster: Roster, prompts: Prompts, asked: Asked, settings: Callable[[], Config]) -> Writer:
    """The writer of a deck's pages. ``settings`` are the person's own; secrets are those of our own environment."""
    redactor = Redactor(secrets_in(os.environ))

    def wanted() -> bool:
        try:
            return settings().checkpoints
        except QuarterdeckError:  # said where settings are read for more than this
            return True

    summaries = Summaries(roster.store, roster.clock, settings)
    return Writer(
        roster,
        prompts,
        asked,
        mask=lambda text: redactor.redact(text).text,
        wanted=wanted,
        summarise=summaries.of,
    )
