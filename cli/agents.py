"""Beginning, changing and ending agents: ``new``, ``resize``, ``rename``, ``tag``, ``kill``, ``rm``."""

from __future__ import annotations

import os
import signal as signals
from typing import Any

import click

from cli.overview import workspace
from cli.scope import Scope, agent_argument, agent_path, client_environment, complete_agents, json_option, runs
from quarterdeck.errors import Invalid, Refused

_COMMAND = "cli.agents.command"


class WithCommand(click.Command):
    """A verb whose words after ``--`` are a command to run, kept word for word."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            at = args.index("--")
            ctx.meta[_COMMAND] = tuple(args[at + 1 :])
            args = args[:at]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "[-- COMMAND ARGS...]"]


@click.command(cls=WithCommand)
@click.argument("profile", default="")
@click.option("--name", default="", help="The agent's name (default: the profile's, with a number where it is taken).")
@click.option("--session", default="", metavar="NAME", help="The session (default: the one of this workspace).")
@click.option("--cwd", type=click.Path(), default="", metavar="DIR", help="Where the program starts.")
@click.option("--adapter", type=click.Choice(["native", "tmux"]), default="native", show_default=True)
@click.option(
    "--worktree",
    is_flag=False,
    flag_value="",
    default=None,
    metavar="[BRANCH]",
    help="Give it a git worktree of its own, on BRANCH.",
)
@click.option(
    "--restore",
    type=click.Choice(["auto", "ask", "never"]),
    default=None,
    help="What to do when its terminal is gone after a crash or a reboot.",
)
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="A tag to find it by; may be given several times.")
@click.option(
    "--from-checkpoint",
    default="",
    metavar="SESSION",
    help="Its first prompt hands it the checkpoint of SESSION, which it joins unless --session is given.",
)
@click.option("--attach", is_flag=True, help="Attach to it at once.")
@json_option
@click.pass_context
def new(
    context: click.Context,
    profile: str,
    name: str,
    session: str,
    cwd: str,
    adapter: str,
    worktree: str | None,
    restore: str | None,
    tags: tuple[str, ...],
    from_checkpoint: str,
    attach: bool,
) -> None:
    """Start an agent of kind PROFILE.

    PROFILE is a kind of agent (claude, shell, custom, or one of your own); with a command after -- it may be left out.
    The program gets this shell's environment.
    """
    scope: Scope = context.obj
    command: tuple[str, ...] = context.meta.get(_COMMAND, ())
    if not profile:
        if not command:
            raise Invalid("which kind of agent?", hint="quarterdeck new shell, quarterdeck new -- COMMAND ARGS")
        profile = "custom"
    cols, lines = outer_size()
    agent = scope.post(
        "/v1/agents",
        {
            "profile": profile,
            "workspace": workspace(),
            "name": name,
            "session": session,
            "cwd": os.path.abspath(cwd or "."),
            "argv": list(command),
            "adapter": adapter,
            "cols": cols,
            "lines": lines,
            "worktree": worktree is not None,
            "branch": worktree or "",
            "environ": client_environment(),
            "restore": restore,
            "from_checkpoint": from_checkpoint,
            "tags": list(tags),
        },
    )
    if scope.out.json:
        scope.out.data(agent)
    elif not attach:
        scope.out.line(agent["name"])
        if agent.get("worktree"):
            scope.out.note(f"worktree {agent['worktree']['path']} on branch {agent['worktree']['branch']}")
    if attach:
        from cli.attach import follow

        follow(scope, agent)


def outer_size() -> tuple[int, int]:
    """Columns and lines of the terminal this runs in, the usual ones where it runs in none."""
    for handle in (1, 2, 0):
        try:
            size = os.get_terminal_size(handle)
        except OSError:
            continue
        if size.columns and size.lines:
            return size.columns, size.lines
    return 80, 24


@click.command()
@agent_argument
@click.argument("cols", type=int)
@click.argument("lines", type=int)
@json_option
@click.pass_obj
def resize(scope: Scope, agent: str, cols: int, lines: int) -> None:
    """Set a terminal's size to COLS by LINES cells (at most 500 by 300)."""
    done = scope.post(agent_path(agent, "resize"), {"cols": cols, "lines": lines})
    if scope.out.json:
        scope.out.data(done)
    else:
        scope.out.line(f"{done['name']}: {done['cols']}x{done['lines']}")


@click.command()
@agent_argument
@click.argument("name")
@json_option
@click.pass_obj
def rename(scope: Scope, agent: str, name: str) -> None:
    """Give an agent another NAME."""
    done = scope.client.request("PATCH", agent_path(agent), {"name": name})
    if scope.out.json:
        scope.out.data(done)
    else:
        scope.out.line(f"{agent} is now {done['name']}")


@click.command()
@click.argument("agents", metavar="AGENT...", nargs=-1, required=True, shell_complete=complete_agents)
@click.option("--add", multiple=True, metavar="TAG", help="A tag they get; may be given several times.")
@click.option("--remove", multiple=True, metavar="TAG", help="A tag they lose; may be given several times.")
@json_option
@click.pass_obj
def tag(scope: Scope, agents: tuple[str, ...], add: tuple[str, ...], remove: tuple[str, ...]) -> None:
    """Add tags to agents and take others away; without options, show the tags they have.

    A tag is 1 to 32 of a-z 0-9 . _ - and begins with a letter or digit.
    """
    done = [scope.agent(ref) for ref in agents]
    if add or remove:
        change = {"add_tags": list(add), "remove_tags": list(remove)}
        done = [scope.client.request("PATCH", agent_path(agent["id"]), change) for agent in done]
    if scope.out.json:
        scope.out.data(done)
        return
    for agent in done:
        scope.out.line(f"{agent['name']}: {' '.join(agent['tags']) or 'no tags'}")


def signal_number(word: str) -> int:
    """The number of a signal by name (``INT``, ``sigint``) or number. Raises :class:`Invalid`."""
    upper = word.upper()
    found = signals.Signals.__members__.get(upper if upper.startswith("SIG") else f"SIG{upper}")
    if found is not None:
        return int(found)
    if word.isdigit() and int(word) in signals.valid_signals():
        return int(word)
    raise Invalid(f"there is no signal {word!r}", hint="a name such as INT, TERM, HUP, USR1, or a number")


@click.command()
@click.argument("agents", metavar="AGENT...", nargs=-1, required=True, shell_complete=complete_agents)
@click.option("--signal", metavar="NAME", help="Only send this signal to the program in the foreground.")
@click.option(
    "--grace", type=click.FloatRange(0, 600), default=3.0, show_default=True, help="Seconds it has before it is killed."
)
@json_option
@click.pass_obj
def kill(scope: Scope, agents: tuple[str, ...], signal: str | None, grace: float) -> None:
    """End an agent's program: hang up, then TERM, then KILL.

    The agent stays listed, with its screen and history.
    """
    number = signal_number(signal) if signal else 0
    found = [scope.agent(ref) for ref in agents]
    done: list[dict[str, Any]] = []
    for agent in found:
        path = agent_path(agent["id"], "signal" if signal else "end")
        scope.post(path, {"signal": number} if signal else {"grace": grace})
        done.append(scope.agent(agent["id"]))
        if not scope.out.json:
            said = f"sent signal {number}" if signal else f"{done[-1]['status']} ({done[-1]['reason']})"
            scope.out.line(f"{agent['name']}: {said}")
    if scope.out.json:
        scope.out.data(done)


@click.command()
@click.argument("agents", metavar="AGENT...", nargs=-1, required=True, shell_complete=complete_agents)
@click.option("--force", is_flag=True, help="End the program first where it still runs, without a question.")
@json_option
@click.pass_obj
def rm(scope: Scope, agents: tuple[str, ...], force: bool) -> None:
    """Put an agent into the trash, where it stays for 7 days.

    Its worktree is not touched.
    """
    out = scope.out
    found = [scope.agent(ref) for ref in agents]
    running = [a["name"] for a in found if runs(a["status"]) and not a["adopted"]]
    if running and not force:
        names = ", ".join(running)
        many = "are" if len(running) > 1 else "is"
        if not out.can_ask:
            raise Refused(f"{names} {many} still running; nothing was removed", hint="end it first, or say --force")
        if not out.ask(f"{names} {many} still running. End and remove?"):
            raise Refused("nothing was removed")
        force = True
    done = []
    for agent in found:
        suffix = "?force=1" if force else ""
        scope.client.request("DELETE", agent_path(agent["id"]) + suffix)
        done.append(agent)
        if not out.json:
            out.line(f"{agent['name']} is in the trash")
    if out.json:
        out.data([{"id": agent["id"], "name": agent["name"]} for agent in done])
    else:
        out.note("bring it back: quarterdeck undelete " + " ".join(agent["id"] for agent in done))
