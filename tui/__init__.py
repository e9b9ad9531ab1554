"""The Textual client: it holds no state of its own and may die at any time."""

from __future__ import annotations

import os

_AT_IMPORT = {
    "TEXTUAL_FPS": "500",
    "TEXTUAL_ANIMATIONS": "none",
    "TEXTUAL_SMOOTH_SCROLL": "0",
    "TEXTUAL_COLOR_SYSTEM": "truecolor",
}


def _configure() -> None:
    """Hand Textual the settings it reads once, at import, without leaving them in agents' environment.

    The frame rate bounds how long a change waits for its paint (2 ms); how often the screen is painted is decided
    by the orchestrator's frame rate and :mod:`tui.screen`, not by this. What the outer terminal can show of colours is
    settled by :mod:`tui.depth` for our lines and Textual's.
    """
    before = {name: os.environ.get(name) for name in _AT_IMPORT}
    os.environ.update(_AT_IMPORT)
    try:
        import textual.constants  # noqa: F401
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


_configure()
