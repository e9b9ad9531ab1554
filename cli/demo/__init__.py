"""``quarterdeck demo``: the main job on agents that need no key and no network, in a state folder of its own."""

from __future__ import annotations

import sys

import click

from cli.output import Output
from cli.scope import Scope


@click.command(short_help="Try it: a scripted agent, a shell and a tmux pane, in a state folder of their own.")
@click.option("--headless", is_flag=True, help="Run without a screen, as in a pipe or in CI, and check everything.")
@click.option("--lines", default=120, show_default=True, help="Numbered lines each agent prints (headless).")
@click.pass_obj
def demo(scope: Scope, headless: bool, lines: int) -> None:
    """Run the main job on a demo session.

    With a terminal: the screen opens on a scripted agent, a shell in a native PTY and a shell in a tmux pane. Without
    one (a pipe, CI): the same session runs headless, its orchestrator is killed with -9 half-way and restored, and the
    exit code is 0 only if nothing was lost. Either way your own state folder is never touched, and nothing is left.
    """
    if headless or not (sys.stdin.isatty() and sys.stdout.isatty()):
        from cli.demo.headless import run

        out: Output = scope.out
        sys.exit(run(out, lines))
    from cli.demo.interactive import run as show

    sys.exit(show(scope.out))
