"""The built-in profiles, registered through the same hook as those of any plugin."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from profiles.catalogue import DATA
from quarterdeck.hooks import hookimpl


@hookimpl
def quarterdeck_profiles() -> Iterable[Path]:
    """See :mod:`quarterdeck.hooks`."""
    return [DATA]
