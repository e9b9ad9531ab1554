"""``profile hooks``: our hooks in a person's own settings file, for agents that take none for one run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.output import GREEN, RED
from cli.scope import Scope, json_option
from quarterdeck.errors import Refused
from quarterdeck.text import plain

if TYPE_CHECKING:
    from profiles import Profile
    from profiles.hooks.install import Change

_DOORS = {
    "argv": "it gets hooks for each run by arguments; its settings need no change",
    "environ": "it gets hooks for each run by variables; its settings need no change",
    "none": "it takes no hooks for one run: they must be in its settings",
}


@click.group()
def hooks() -> None:
    """Hooks of Quarterdeck in the settings of an agent."""


@hooks.command()
@click.argument("name")
@json_option
@click.pass_obj
def show(scope: Scope, name: str) -> None:
    """Show how agents of profile NAME get hooks, and what installing them would change."""
    from profiles.hooks import install as installer

    profile = _profile(name)
    path = installer.settings_file(profile)
    found = installer.installed(path)
    change = installer.installing(profile, path)
    wanted = profile.hooks.door == "none" and change.needed
    if scope.out.json:
        _tell(scope, profile, change if wanted else None, path, door=profile.hooks.door, installed=found)
        return
    scope.out.line(f"{profile.title}: {_DOORS[profile.hooks.door]}")
    scope.out.line(f"{path}: {'installed' if found else 'not installed'}")
    if wanted:
        scope.out.line()
        _show(scope, change)


@hooks.command("install")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def install_hooks(scope: Scope, name: str, yes: bool) -> None:
    """Put the hooks of profile NAME into the agent's own settings.

    Shows the change and asks first. Nothing else in the file changes; outside of Quarterdeck the hooks do nothing.
    """
    from profiles.hooks import install as installer

    scope.for_person()
    profile = _profile(name)
    path = installer.settings_file(profile)
    if profile.hooks.door != "none":
        raise Refused(
            f"{profile.title} gets hooks for each run: with others in its settings it would tell everything twice",
            hint=f"quarterdeck profile hooks show {name}",
        )
    change = installer.installing(profile, path)
    if change.needed:
        _agree(scope, change, yes)
        installer.apply(change, _record(scope, name))
    _done(scope, profile, change, "installed", "installed already, nothing was changed")


@hooks.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def remove(scope: Scope, name: str, yes: bool) -> None:
    """Take the hooks of profile NAME out of the agent's own settings, and nothing else."""
    from profiles.hooks import install as installer

    scope.for_person()
    profile = _profile(name)
    change = installer.removing(installer.settings_file(profile), _record(scope, name))
    if change.needed:
        _agree(scope, change, yes)
        installer.apply(change, _record(scope, name))
    _done(scope, profile, change, "removed", "not installed, nothing was changed")


def _profile(name: str) -> Profile:
    """A profile of ours or of the user's: what a workspace brings never decides which file is changed."""
    import profiles.builtin
    from quarterdeck import hooks as doors
    from quarterdeck.config import user_folder

    folders = doors.load([profiles.builtin]).profile_folders()
    return profiles.load(user_folder() / "profiles", built_in=folders).get(name)


def _record(scope: Scope, name: str) -> Path:
    return scope.paths.installs / f"{name}.json"


def _agree(scope: Scope, change: Change, yes: bool) -> None:
    if not scope.out.json:
        _show(scope, change)
    if not yes and (scope.out.json or not scope.out.ask(f"change {change.path}?")):
        raise Refused("nothing was changed", hint="--yes does it without asking")


def _show(scope: Scope, change: Change) -> None:
    for line in _diff(change):
        colour = GREEN if line.startswith("+") else RED if line.startswith("-") else ""
        scope.out.write(scope.out.painted(line, colour) + "\n")


def _diff(change: Change) -> list[str]:
    import difflib

    before, after = ((text or "").splitlines() for text in (change.before, change.after))
    old, new = (str(change.path) if text is not None else "/dev/null" for text in (change.before, change.after))
    return [plain(line) for line in difflib.unified_diff(before, after, old, new, lineterm="")]


def _done(scope: Scope, profile: Profile, change: Change, done: str, nothing: str) -> None:
    if scope.out.json:
        _tell(scope, profile, change, change.path, changed=change.needed)
        return
    scope.out.line(f"{change.path}: {done if change.needed else nothing}")


def _tell(scope: Scope, profile: Profile, change: Change | None, path: Path, **more: Any) -> None:
    diff = _diff(change) if change else []
    scope.out.data({"profile": profile.name, "file": str(path), "diff": diff, **more})
