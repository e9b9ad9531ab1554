"""Work that goes on beside other work, and whose failure must not end that."""

from __future__ import annotations

import logging
from collections.abc import Coroutine
from typing import Any

from quarterdeck.errors import QuarterdeckError


async def survived(work: Coroutine[Any, Any, object], log: logging.Logger) -> None:
    """Wait for ``work`` and log what went wrong in it; only cancellation is passed on."""
    try:
        await work
    except QuarterdeckError as error:
        log.error("%s", error.message)
    except Exception:
        log.exception("an internal error was survived")
