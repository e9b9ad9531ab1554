"""The client's whole life in the outer terminal: however it ends, the terminal is given back and the way back told."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from quarterdeck.paths import Paths
from tui.driver import Terminal
from tui.faults import log, logged

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp

ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
"""Signals that end the client in good order; in the raw terminal no key sends any of them."""
TYPED = (signal.SIGINT, signal.SIGQUIT)
"""What ctrl+c and ctrl+\\ send to all programs of a terminal that is not raw."""
GRACE = 3.0
"""Seconds from such a signal until what still hangs is cancelled."""


def attend(app: QuarterdeckApp, paths: Paths) -> int:
    """Run the client and return the process's exit status: 1 after a fault of its own, 128 + N after signal N."""
    path = paths.log.with_name("tui.log")
    app.faults.log_path = path
    before = _state(path)
    ended = _Ended()
    fault = ""
    with logged(path):
        try:
            asyncio.run(_live(app, ended))
        except asyncio.CancelledError:
            pass  # a signal came before anything could be shown, or what it asked to end hung
        except Exception as error:  # noqa: BLE001  the last place where anything can be said
            log.critical("the client ended", exc_info=error)
            fault = type(error).__name__
        finally:
            driver = app._driver
            if isinstance(driver, Terminal):
                driver.give_back()
    written = path if _state(path) != before else None
    fault = fault or (type(app.fault).__name__ if app.fault is not None else "")
    if fault:
        _say(f"quarterdeck ended by a mistake of its own ({fault}); the agents run on.", written)
        return 1
    if ended.by:
        _say(f"quarterdeck was ended by {ended.by.name}; the agents run on.", written)
        return 128 + ended.by
    return app.return_code or 0


class _Ended:
    by: signal.Signals | None = None


async def _live(app: QuarterdeckApp, ended: _Ended) -> None:
    loop = asyncio.get_running_loop()
    main = asyncio.current_task()
    assert main is not None
    loop.set_exception_handler(app.faults.unhandled)

    def asked(number: signal.Signals) -> None:
        driver = app._driver
        if number in TYPED and isinstance(driver, Terminal) and driver.away:
            return  # typed for the program in front
        if ended.by is not None:
            main.cancel()
            return
        ended.by = number
        if app.is_running:
            app.exit()
            loop.call_later(GRACE, main.cancel)
        else:
            main.cancel()

    for number in ENDING:
        loop.add_signal_handler(number, asked, number)
    await app.run_async()


def _state(path: Path) -> tuple[int, int]:
    """What is different once something was written there."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


def _say(line: str, written: Path | None) -> None:
    """Two plain lines where the shell goes on, naming the log this run wrote into; nobody may be there to read them."""
    log = "" if written is None else f"; its log: {written}"
    try:
        sys.stderr.write(f'{line}\n"quarterdeck" opens it again{log}\n')
        sys.stderr.flush()
    except (OSError, ValueError):
        pass
