"""The demo on the screen."""

from __future__ import annotations

from cli.demo.stage import has_tmux, stage
from cli.output import Output


def run(out: Output) -> int:
    """Open the TUI on the demo session; when it is closed everything of the demo ends."""
    with stage(out.note) as demo:
        out.note("starting the demo session …")
        if not has_tmux():
            out.note("the tmux pane is left out: tmux was not found")
        demo.start_all(lines=100, delay=0.2)
        from tui.app import run as open_screen

        code = open_screen(demo.paths, "demo", str(demo.workspace))
        out.note("ending the demo's agents …")
    return code
