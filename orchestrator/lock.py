"""One orchestrator per state folder: who holds its lock, and the mark of an explicit stop."""

from __future__ import annotations

import os

from quarterdeck import lock
from quarterdeck.lock import Owner
from quarterdeck.paths import Paths, boot_id


def owner(paths: Paths) -> Owner | None:
    """The orchestrator that lives now, as it wrote itself down; None where there is none."""
    return lock.owner(paths.lock)


def stopped(paths: Paths) -> bool:
    """Whether a person stopped the orchestrator in this boot and nobody has started it since."""
    try:
        return (paths.run / "stopped").read_text(encoding="utf-8") == boot_id()
    except OSError:
        return False


def mark_stopped(paths: Paths) -> None:
    """Write down an explicit stop, so that clients which are already open do not undo it."""
    handle = os.open(paths.run / "stopped", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(boot_id())


def clear_stopped(paths: Paths) -> None:
    """Forget an explicit stop: an orchestrator serves again."""
    (paths.run / "stopped").unlink(missing_ok=True)
