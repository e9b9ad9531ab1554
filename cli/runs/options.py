"""The options of everything that begins a run, and what they say as one value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from cli.scope import json_option
from quarterdeck.errors import Invalid

Verb = TypeVar("Verb", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class Options:
    """What was asked for on the command line, besides what is to be run. Texts as they were typed."""

    param: tuple[str, ...] = ()
    workspace: str = ""
    output: str = ""
    junit: str = ""
    summary: str = ""
    result: str = ""
    ci: str = "auto"
    trust: bool = False
    policy: str = ""
    secret: tuple[str, ...] = ()
    drive: str | None = None
    verify: tuple[str, ...] = ()
    timeout: str = ""
    retries: int | None = None
    budget: str = ""
    worktree: bool = False
    concurrency: int | None = None
    keep_going: bool = False
    only: str = ""
    database: str = ""
    attach: bool = False
    dry_run: bool = False

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters by name. Raises :class:`Invalid` for one without a sign between name and value."""
        found: dict[str, str] = {}
        for word in self.param:
            name, sign, value = word.partition("=")
            if not sign or not name:
                raise Invalid(f"--param takes NAME=VALUE, not {word!r}", hint="--param TASK='what is to be done'")
            if name in found:
                raise Invalid(f"the parameter {name} is given twice")
            found[name] = value
        return found

    def changed(self, *but: str) -> list[str]:
        """The options that were given, as ``--name``, without those named in ``but``."""
        mine = {name: value for name, value in vars(self).items() if name not in but}
        return ["--" + name.replace("_", "-") for name, value in mine.items() if value != getattr(Options, name)]


_OPTIONS = (
    click.option("--param", multiple=True, metavar="NAME=VALUE", help="A parameter; may be given several times."),
    click.option("--workspace", type=click.Path(), default="", metavar="DIR",
                 help="The folder the work is done in (default: the work tree you stand in)."),
    click.option("--output", type=click.Path(), default="", metavar="DIR",
                 help="Where logs, recordings, diffs and artifacts go (default: .quarterdeck/runs/ID)."),
    click.option("--junit", type=click.Path(), default="", metavar="FILE", help="Write a JUnit report."),
    click.option("--summary", type=click.Path(), default="", metavar="FILE",
                 help="Write a summary in Markdown (also to $GITHUB_STEP_SUMMARY when that is set)."),
    click.option("--result", type=click.Path(), default="", metavar="FILE", help="Write the result as JSON."),
    click.option("--ci", type=click.Choice(["auto", "github", "gitlab", "plain", "none"]), default="auto",
                 show_default=True, help="Whose marks the progress has; none shows none."),
    click.option("--trust", is_flag=True, help="Trust what the workspace brings in .quarterdeck, for this run."),
    click.option("--policy", type=click.Path(), default="", metavar="FILE",
                 help="Rules for what agents ask, beside your own."),
    click.option("--secret", multiple=True, metavar="NAME",
                 help="A variable of this environment that every step gets, and nobody is shown."),
    click.option("--drive", type=click.Choice(["headless", "terminal"]), default=None,
                 help="How all agents are driven."),
    click.option("--verify", multiple=True, metavar="COMMAND",
                 help="A command that must end with 0 after each agent's work; else the agent is told."),
    click.option("--timeout", default="", metavar="TIME", help='Ends the whole run, as "90s", "45m" or "1h30m".'),
    click.option("--retries", type=click.IntRange(0, 100), default=None, metavar="N",
                 help="How often each step is begun again after it failed."),
    click.option("--budget", default="", metavar="LIMITS",
                 help="What all agents may use, as money=5,turns=100,tokens=2000000,time=1h."),
    click.option("--worktree", is_flag=True, help="Give each agent's step a git worktree and branch of its own."),
    click.option("--concurrency", type=click.IntRange(1, 1000), default=None, metavar="N",
                 help="Steps at the same time."),
    click.option("--keep-going", is_flag=True, help="Begin steps that do not need a failed one all the same."),
    click.option("--only", default="", metavar="STEP", help="Only this step and those it needs."),
    click.option("--database", default="", metavar="URL",
                 help="Remember what was done in PostgreSQL, so that another machine can go on."),
    click.option("--attach", is_flag=True, help="Let your orchestrator carry it out; it goes on without this command."),
    click.option("--dry-run", is_flag=True, help="Check everything and print the plan; run nothing."),
    json_option,
)  # fmt: skip


def run_options(verb: Verb) -> Verb:
    """All options of a verb that begins a run: keywords for the verb, of which it makes :class:`Options`."""
    for option in reversed(_OPTIONS):
        verb = option(verb)
    return verb
