"""A log file of our own processes: rotated, readable by its owner only, never in the way of what it tells about."""

from __future__ import annotations

import io
import logging
import logging.handlers
import os


class PrivateFile(logging.handlers.RotatingFileHandler):
    """A rotating file that is 0600 from its first byte, whatever the umask, and that never raises on a full disk."""

    def _open(self) -> io.TextIOWrapper:
        handle = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        # Unbuffered: what a full disk refused is dropped, and the next line is tried anew.
        return io.TextIOWrapper(os.fdopen(handle, "wb", 0), encoding="utf-8", errors="replace", write_through=True)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging's name
        """Drop what cannot be written: the log must not stop what it tells about."""
