"""Work whose failure is logged and ends nothing beside it."""

from __future__ import annotations

import asyncio
import logging

import pytest

from quarterdeck.errors import Refused
from sessions.tasks import survived

log = logging.getLogger("of.the.caller")


@pytest.mark.parametrize(
    ("error", "logged"), [(Refused("its reason"), "its reason"), (ValueError("odd"), "an internal error was survived")]
)
async def test_a_failure_is_logged_and_ends_nothing(
    error: Exception, logged: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def fails() -> None:
        raise error

    async with asyncio.TaskGroup() as group:
        group.create_task(survived(fails(), log))
    (record,) = caplog.records
    assert (record.name, record.levelname, record.getMessage()) == ("of.the.caller", "ERROR", logged)


async def test_cancellation_is_passed_on() -> None:
    began = asyncio.Event()

    async def waits() -> None:
        began.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(survived(waits(), log))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
