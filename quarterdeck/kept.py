"""The last sound text of a file that a person edits, kept beside the state for as long as the file has a mistake."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path

from quarterdeck.errors import QuarterdeckError
from quarterdeck.paths import private_folder, read_file, write_file

log = logging.getLogger(__name__)
_LIMIT = 1 << 20


class Kept:
    """One file in the state folder; its ``text`` survives restarts. May be used from several threads."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.text: bytes | None = None
        """None where none is known: there never was a sound one, or its file was removed since."""
        with contextlib.suppress(OSError):
            self.text = read_file(file, _LIMIT)

    def keep(self, text: bytes | None) -> None:
        """Remember ``text``, None to forget. A disk that takes nothing costs only the time after a restart."""
        if text == self.text:
            return
        self.text = text
        try:
            if text is None:
                self.file.unlink(missing_ok=True)
            else:
                private_folder(self.file.parent)
                write_file(self.file, text)
        except (OSError, QuarterdeckError) as error:
            log.warning("the last sound settings could not be kept", extra={"file": str(self.file), "why": str(error)})
