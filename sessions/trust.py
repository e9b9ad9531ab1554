"""What a workspace brings, and whether a person has agreed to it.

It brings ``config.toml``, ``profiles/*.toml`` and ``workflows/*.toml`` in ``.quarterdeck``. It is data from strangers:
until a person trusts exactly these bytes it may choose a theme and tighten policy, nothing else. Trust is remembered as
a hash (:meth:`sessions.store.Store.trust`); any change asks again.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import profiles
from profiles.catalogue import DATA, files
from profiles.catalogue import read as read_profiles
from quarterdeck import config
from quarterdeck.config import Config
from quarterdeck.errors import Invalid
from quarterdeck.text import safe
from sessions import worktree
from sessions.model import Restore


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What holds for one workspace now."""

    workspace: str
    config: Config
    catalogue: profiles.Catalogue
    digest: str
    """Names what the workspace brings; "" when it brings nothing."""
    trusted: bool
    """Whether a person trusted exactly this. True as well where there is nothing to trust."""
    changes: tuple[str, ...]
    """What trusting it would change (or changed), one line each."""
    problems: tuple[str, ...]
    """What is not used and why, one line each."""


def digest(workspace: Path) -> str:
    """A hash over the names and bytes of all a workspace brings; "" when it brings nothing."""
    folder = config.workspace_folder(workspace)
    brought = [item for item in files(folder) if item[0].name == "config.toml"]
    brought += files(folder / "profiles") + files(folder / "workflows")
    if not brought:
        return ""
    total = hashlib.sha256(b"quarterdeck workspace 1\n")
    for path, data in brought:
        content = data if isinstance(data, bytes) else b"unreadable: " + data.encode()
        name = str(path.relative_to(folder)).encode("utf-8", "surrogateescape")
        total.update(b"%d %s %d\n" % (len(name), name, len(content)) + content)
    return total.hexdigest()


def look(
    workspace: Path,
    trusted_digest: str | None,
    *,
    user: Path | None = None,
    built_in: Iterable[Path] = (DATA,),
    flags: Mapping[str, Any] | None = None,
    held: config.Source | None = None,
) -> Outlook:
    """The settings and profiles in force for ``workspace``, of which ``trusted_digest`` was trusted last.

    ``user`` is the folder of the user's own files, ``built_in`` are the folders of profiles of ours and of plugins.
    Raises :class:`Invalid` for what is wrong in the user's own settings (unless they are ``held``, see
    :func:`quarterdeck.config.load`), in the environment or flags.
    """
    folder = config.workspace_folder(workspace)
    built_in = tuple(built_in)
    now = digest(workspace)
    trusted = not now or now == trusted_digest
    loaded = config.load(user, folder, trusted=trusted, flags=flags, held=held)
    own = user / "profiles" if user else None
    catalogue = profiles.load(own, folder / "profiles", trusted, built_in=built_in)
    changes: tuple[str, ...] = ()
    if now:
        mine = profiles.load(own, built_in=built_in)
        changes = tuple(would_change(workspace, config.load(user, flags=flags, held=held).config, mine))
    problems = (*loaded.problems, *(problem.message for problem in catalogue.problems))
    return Outlook(
        workspace=str(workspace),
        config=loaded.config,
        catalogue=catalogue,
        digest=now,
        trusted=trusted,
        changes=changes,
        problems=problems,
    )


class Workspaces:
    """What holds in each workspace, looked at anew each time: files may have changed since.

    ``trusted`` maps workspaces to the digests that were trusted (:meth:`sessions.store.Store.trusts`); its owner keeps
    it up to date. ``held`` gives the user's settings while their file has a mistake.
    """

    def __init__(
        self,
        trusted: Mapping[str, str],
        *,
        user: Path | None = None,
        built_in: Iterable[Path] = (DATA,),
        flags: Mapping[str, Any] | None = None,
        held: config.Source | None = None,
    ) -> None:
        self.trusted = trusted
        self._user = user
        self._built_in = tuple(built_in)
        self._flags = flags
        self._held = held

    def look(self, workspace: str) -> Outlook:
        """See :func:`look`."""
        digest = self.trusted.get(workspace)
        return look(
            Path(workspace), digest, user=self._user, built_in=self._built_in, flags=self._flags, held=self._held
        )

    def find(self, profile: str, workspace: str) -> profiles.Profile:
        """The profile of that name there. Raises :class:`Invalid` that lists the known ones."""
        now = digest(Path(workspace))
        trusted = not now or now == self.trusted.get(workspace)
        own = self._user / "profiles" if self._user else None
        theirs = config.workspace_folder(Path(workspace)) / "profiles"
        return profiles.load(own, theirs, trusted, built_in=self._built_in).get(profile)

    def settings(self, workspace: str = "") -> Config:
        """The settings in force there; without a workspace the user's own. Raises :class:`Invalid`."""
        if workspace:
            return self.look(workspace).config
        return self._users().config

    def problems(self) -> tuple[str, ...]:
        """What is wrong with the user's own settings, one line each."""
        return self._users().problems

    def _users(self) -> config.Loaded:
        return config.load(self._user, flags=self._flags, held=self._held)

    def restore(self, workspace: str) -> Restore:
        """What happens by default to an agent there whose terminal is gone."""
        return Restore(self.look(workspace).config.restore)

    def worktrees(self, workspace: str) -> worktree.Settings:
        """How new worktrees are furnished there."""
        settings = self.look(workspace).config
        return worktree.Settings(include=settings.worktree_include, setup=settings.worktree_setup)


def would_change(workspace: Path, users: Config, mine: profiles.Catalogue) -> list[str]:
    """What trusting the workspace would change against the user's own settings and profiles, one line each."""
    folder = config.workspace_folder(workspace)
    try:
        lines = config.would_set(folder, users)
    except Invalid as error:
        lines = [f"its settings cannot be used: {error.message}"]
    found, problems = read_profiles(folder / "profiles")
    for name, profile in found.items():
        verb = "replaces" if name in mine.profiles else "adds"
        line = f"profile {name}: {verb} {safe(profile.title)}, runs {_command(profile)}"
        if profile.conversation.resume:
            line += f", resumes with {_words(profile.conversation.resume)}"
        if profile.environ:
            line += ", sets " + ", ".join(f"{key}={safe(value, 60)}" for key, value in profile.environ.items())
        if profile.hooks.argv:
            line += f", starts it with {_words(profile.hooks.argv)}"
        if profile.hooks.environ:
            line += " and with " + ", ".join(f"{key}={safe(value, 60)}" for key, value in profile.hooks.environ.items())
        lines.append(line)
    lines += [f"a profile cannot be used: {problem.message}" for problem in problems]
    for path, _ in files(folder / "workflows"):
        lines.append(f"workflow file {safe(path.name)}: its commands and prompts may be run by name")
    return lines


def _command(profile: profiles.Profile) -> str:
    return _words((*profile.argv, *profile.conversation.start)) or "the command you give it"


def _words(argv: Iterable[str]) -> str:
    """Everything that would be run: cut only where nobody would read on, and then visibly."""
    return safe(shlex.join(argv), 1000)
