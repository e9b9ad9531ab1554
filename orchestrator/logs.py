"""The orchestrator's log: one JSON object a line, rotated, readable by its owner only.

Messages are fixed texts and values go in fields, so that neither keys nor prompts nor environments get in.
"""

from __future__ import annotations

import io
import json
import logging
import logging.handlers
import os
import time
from pathlib import Path

MAX_BYTES, KEPT = 5 << 20, 3
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
OURS = ("quarterdeck", "orchestrator", "sessions", "terminals", "profiles", "memory", "pipelines")
log = logging.getLogger("orchestrator")
"""What the process says of itself; fields by ``extra``."""


class JsonLines(logging.Formatter):
    """Time, level, logger, message, the record's extra fields, and the traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, object] = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update((name, value) for name, value in vars(record).items() if name not in _STANDARD)
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class PrivateFile(logging.handlers.RotatingFileHandler):
    """A rotating file that is 0600 from its first byte, whatever the umask, and that never raises on a full disk."""

    def _open(self) -> io.TextIOWrapper:
        handle = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        # Unbuffered: what a full disk refused is dropped, and the next line is tried anew.
        return io.TextIOWrapper(os.fdopen(handle, "wb", 0), encoding="utf-8", write_through=True)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging's name
        """Drop what cannot be written: the log must not stop what it tells about."""


def set_up(path: Path, level: str = "INFO") -> None:
    """Send every logger to ``path``: ours from ``level``, libraries from warnings on."""
    handler = PrivateFile(path, maxBytes=MAX_BYTES, backupCount=KEPT, encoding="utf-8", delay=False)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in OURS:
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(True)
