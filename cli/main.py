"""The command line's entry: which verb lives where, and what becomes of errors.

Verbs are imported when they run, so that ``quarterdeck ls`` pays for ``ls`` alone.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from pathlib import Path

import click

from cli.output import Output, StdoutClosed, complete
from cli.scope import Scope
from quarterdeck import __version__
from quarterdeck.errors import Broken, Invalid, QuarterdeckError

VERBS: dict[str, dict[str, str]] = {
    "Agents": {
        "new": "cli.agents:new",
        "ls": "cli.overview:ls",
        "why": "cli.why:why",
        "wait": "cli.why:wait",
        "watch": "cli.watch:watch",
        "show": "cli.screens:show",
        "logs": "cli.screens:logs",
        "send": "cli.prompts:send",
        "broadcast": "cli.prompts:broadcast",
        "queue": "cli.prompts:queue",
        "interrupt": "cli.interrupt:interrupt",
        "keys": "cli.keyboard:keys",
        "attach": "cli.attach:attach",
        "resize": "cli.agents:resize",
        "rename": "cli.agents:rename",
        "tag": "cli.agents:tag",
        "kill": "cli.agents:kill",
        "rm": "cli.agents:rm",
        "export": "cli.export:export",
    },
    "What agents ask": {
        "inbox": "cli.approvals:inbox",
        "approve": "cli.approvals:approve",
        "deny": "cli.approvals:deny",
    },
    "Without a screen": {
        "run": "cli.run:run",
        "sparc": "cli.sparc:sparc",
    },
    "What is remembered": {
        "memory": "cli.memory:memory",
    },
    "Panes of your own tmux": {
        "adopt": "cli.panes:adopt",
        "release": "cli.panes:release",
    },
    "Sessions and what was removed": {
        "up": "cli.up:up",
        "down": "cli.up:down",
        "session": "cli.session:session",
        "layout": "cli.layout:layout",
        "trash": "cli.trash:trash",
        "undelete": "cli.trash:undelete",
        "purge": "cli.trash:purge",
        "restore": "cli.recovery:restore",
        "trust": "cli.trust:trust",
        "policy": "cli.policy:policy",
    },
    "Quarterdeck itself": {
        "profile": "cli.profile:profile",
        "theme": "cli.theme:theme",
        "doctor": "cli.doctor:doctor",
        "bindings": "cli.bindings:bindings",
        "stop": "cli.control:stop",
        "service": "cli.service:service",
        "completion": "cli.completion:completion",
        "demo": "cli.demo:demo",
    },
}
"""Where each verb lives, in the order ``--help`` shows them."""

INTERRUPTED, STDOUT_CLOSED = 128 + signal.SIGINT, 128 + signal.SIGPIPE
"""Exit codes a shell gives for ctrl+c and for a reader that went away."""


class Verbs(click.Group):
    """A group that imports a verb's module when the verb is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for group in VERBS.values() for name in group]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for group in VERBS.values():
            if cmd_name in group:
                module, _, name = group[cmd_name].partition(":")
                command: click.Command = getattr(importlib.import_module(module), name)
                return command
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            import difflib

            near = difflib.get_close_matches(name, self.list_commands(ctx), 1)
            hint = f"did you mean: quarterdeck {near[0]}" if near else "quarterdeck --help lists the verbs"
            raise Invalid(f"there is no verb {name!r}", hint=hint, verb=name)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, group in VERBS.items():
            commands = [(name, self.get_command(ctx, name)) for name in group]
            with formatter.section(title):
                formatter.write_dl([(name, verb.get_short_help_str(80)) for name, verb in commands if verb])


def _version(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        click.echo(f"quarterdeck {__version__}")
        context.exit()


@click.command(
    cls=Verbs,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="The state folder (default: $QUARTERDECK_HOME, else ~/.local/state/quarterdeck).",
)
@click.option("--session", metavar="NAME", help="The session to open (default: the one of this workspace).")
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version."
)
@click.pass_context
def quarterdeck(context: click.Context, home: Path | None, session: str | None) -> None:
    """Supervise coding agents in real terminals, and lose none of them.

    Without a verb: open the screen on this workspace.
    """
    output = context.obj if isinstance(context.obj, Output) else Output()
    context.obj = Scope(home, output)
    if session and context.invoked_subcommand:
        raise Invalid("--session belongs after the verb", hint=f"quarterdeck {context.invoked_subcommand} --help")
    if context.invoked_subcommand is None:
        from cli.overview import front

        front(context.obj, session)


def run() -> int:
    """Run the command line on ``sys.argv`` and return the exit code. Every error ends here, on stderr."""
    complete()
    words = sys.argv[1:]
    before = words[: words.index("--")] if "--" in words else words
    out = Output(json="--json" in before)
    try:
        code = quarterdeck.main(args=words, prog_name="quarterdeck", standalone_mode=False, obj=out)
        out.flush()
        return code if isinstance(code, int) else 0
    except QuarterdeckError as error:
        out.error(error)
        return _finish(error.exit_code)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.Abort:
        return _finish(INTERRUPTED)
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "quarterdeck"
        if isinstance(error, click.exceptions.NoArgsIsHelpError):
            out.error(Invalid(f"{path} needs a verb", hint=f"{path} --help lists them"))
            return Invalid.exit_code
        out.error(Invalid(error.format_message(), hint=f"{path} --help shows how it is used"))
        return Invalid.exit_code
    except click.ClickException as error:
        out.error(QuarterdeckError(error.format_message()))
        return _finish(QuarterdeckError.exit_code)
    except KeyboardInterrupt:
        return _finish(INTERRUPTED)
    except StdoutClosed:
        return _finish(STDOUT_CLOSED)
    except OSError as error:
        out.error(Broken(f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")))
        return _finish(Broken.exit_code)


def _finish(code: int) -> int:
    """Leave nothing for the interpreter to flush into a stream whose reader is gone."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return code
