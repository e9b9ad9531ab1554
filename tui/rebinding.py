"""The person's own keys, changed in their editor; the client takes them up when the file is saved."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from quarterdeck.errors import Broken, Refused
from tui.outside import aside, editor, run

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp

BEGINNING = """\
# Keys of the screen. "quarterdeck bindings" lists the commands, and what is wrong with what stands here.

# [keys]
# preset = "default"      # or "tmux", "vim"
# leader = "ctrl+]"

# [keys.bind]             # after the leader
# zoom = ["z", "f11"]
# tile_grid = "l g"

# [keys.direct]           # without the leader
# zoom = "alt+z"
"""


async def rebind(app: QuarterdeckApp, file: Path) -> None:
    """Open the settings in the person's editor; a missing file begins with how keys are written.

    Raises Invalid without an editor, Broken where the file cannot be made, Refused where the editor failed.
    """
    argv = editor()
    try:
        await asyncio.to_thread(_begin, file)
    except OSError as error:
        raise Broken(f"{file} cannot be made: {error.strerror or error}") from error
    with aside(app):
        status = await run([*argv, str(file)])
    if status:
        raise Refused(f"{argv[0]} ended with status {status}", hint=f"look into {file}")


def _begin(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        file.write_text(BEGINNING, encoding="utf-8")
