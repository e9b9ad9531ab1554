"""``run``: agents and commands from a file, or one agent with one prompt, to a truthful exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cli.runs.options import Options, run_options
from cli.runs.past import list_runs, rm, show, stop
from cli.scope import Scope
from cli.texts import text_of
from quarterdeck.errors import Invalid

if TYPE_CHECKING:
    from cli.runs.planning import Place
    from pipelines.model import RunPlan


class _Run(click.Group):
    """``run FILE`` and ``run VERB``: the first word decides. A file that is called as a verb is ``./list``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.allow_interspersed_args = not self._verb(ctx, args)
        return super().parse_args(ctx, args)

    def _verb(self, ctx: click.Context, args: list[str]) -> bool:
        ctx.meta[__name__] = bool(args) and args[0] in self.commands
        return bool(ctx.meta[__name__])

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        found = super().get_params(ctx)
        return [one for one in found if one.name == "help"] if ctx.meta.get(__name__) else found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.commands:
            raise Invalid(f"one file is a run, and {args[0]!r} is another word", hint="quarterdeck run --help")
        return super().resolve_command(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return ["[OPTIONS]", "FILE | --agent PROFILE --prompt TEXT | --resume RUN | VERB"]


@click.group(cls=_Run, invoke_without_command=True)
@click.argument("file", required=False, type=click.Path())
@click.option("--agent", default="", metavar="PROFILE", help="Without FILE: the kind of agent that gets the prompt.")
@click.option("--prompt", metavar="TEXT", help='What it is told; "-" for standard input.')
@click.option("--prompt-file", metavar="FILE", help="Take the prompt from FILE.")
@click.option("--resume", default="", metavar="RUN", help='Go on with a run that was cut off; "last" for the newest.')
@run_options
@click.pass_context
def run(
    context: click.Context,
    /,
    file: str | None = None,
    agent: str = "",
    prompt: str | None = None,
    prompt_file: str | None = None,
    resume: str = "",
    **given: Any,
) -> None:
    """Do the steps of FILE (.toml or .yaml), or give one prompt to one agent, and end with what came of it.

    Exit codes: 0 done, 2 the file makes no sense, 10 a step failed, 11 over budget, 12 an agent asked what no rule
    allows, 13 an agent is not installed, 124 timed out, 130 interrupted
    (129 by SIGHUP, 143 by SIGTERM); docs/cli.md has the others.
    """
    if context.invoked_subcommand:
        return
    from cli.runs.beginning import begin, go_on

    scope: Scope = context.obj
    options = Options(**given)
    ways = [name for name, value in (("FILE", file), ("--agent", agent), ("--resume", resume)) if value]
    if len(ways) != 1:
        said = f"{' and '.join(ways)} exclude one another" if ways else "what is to be run?"
        raise Invalid(said, hint="quarterdeck run FILE, run --agent PROFILE --prompt TEXT, or run --resume RUN")
    if not agent and (prompt is not None or prompt_file is not None):
        raise Invalid("a prompt needs an agent that gets it", hint="quarterdeck run --agent PROFILE --prompt TEXT")
    if resume:
        go_on(scope, resume, options)
        return
    if file:
        chosen = file

        def make(place: Place) -> RunPlan:
            from cli.runs.planning import from_file

            return from_file(chosen, place, options)
    else:
        text = text_of(prompt, prompt_file, "give the agent", whole=True, words=("--prompt TEXT", "--prompt-file"))

        def make(place: Place) -> RunPlan:
            from cli.runs.planning import from_prompt

            return from_prompt(agent, text, place, options)

    begin(scope, options, make)


run.add_command(list_runs)
run.add_command(show)
run.add_command(stop)
run.add_command(rm)
