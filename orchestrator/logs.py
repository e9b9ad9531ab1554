"""The orchestrator's log: one JSON object a line, rotated, readable by its owner only.

Messages are fixed texts and values go in fields, so that neither keys nor prompts nor environments get in.
"""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path

from quarterdeck.logfile import PrivateFile

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
