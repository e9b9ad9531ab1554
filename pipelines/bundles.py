"""The branches of a run's steps as files in its folder, so that a machine that is given the folder has their commits.

A bundle holds what cannot be had elsewhere: the commits of its branch that no remote-tracking branch or tag holds. In
a shallow clone, which cannot tell how its history goes on, what the workspace has checked out counts as had as well.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.folder import RunFolder
from pipelines.naming import branches
from quarterdeck.errors import Broken, Refused
from quarterdeck.paths import private_folder, sync_folder
from quarterdeck.text import safe
from sessions.git import ask, git

_SUFFIX = ".bundle"
_QUIET = ("-c", "core.hooksPath=/dev/null", "-c", "protocol.file.allow=always")


@dataclass(frozen=True)
class Brought:
    """What became of the bundles of a run."""

    branches: tuple[str, ...] = ()
    """Those that were missing, or behind, and now hold what their bundle holds."""
    left: dict[str, str] = field(default_factory=dict)
    """By branch, why one that has other commits than its bundle stays as it is."""


async def keep(folder: RunFolder, repository: Path, branch: str) -> None:
    """Write the bundle of a branch of the run, in place of an earlier one; none where it has no commits of its own.

    Raises :class:`Refused` in git's words, :class:`Broken` where the folder cannot be written; the earlier one stays.
    """
    prefix = branches(folder.run_id)
    if not branch.startswith(prefix) or "/" in branch.removeprefix(prefix):
        raise ValueError(f"{branch} is no branch of run {folder.run_id}")
    private_folder(folder.bundles)
    target = folder.bundles / (branch.removeprefix(prefix) + _SUFFIX)
    had = ["--remotes", "--tags"]
    if await git(repository, "rev-parse", "--is-shallow-repository") == "true":
        had.append(await git(repository, "rev-parse", "--verify", "HEAD^{commit}"))
    tip = f"refs/heads/{branch}"
    if await git(repository, "rev-list", "--count", tip, "--not", *had) == "0":
        target.unlink(missing_ok=True)
        return
    part = target.with_name(f".{target.name}")
    try:
        await git(repository, *_QUIET, "bundle", "create", "--quiet", str(part), tip, "--not", *had)
        await asyncio.to_thread(_replace, part, target)
    except OSError as error:
        raise Broken(f"cannot write {target}: {error.strerror or error}", path=str(target)) from error
    finally:
        with suppress(OSError):
            part.unlink()


async def bring_back(folder: RunFolder, repository: Path) -> Brought:
    """Make the branches that the run's bundles hold where they are missing.

    No commit is lost by it: a branch that has others stays. Raises :class:`Refused` where the repository lacks the
    commits a bundle builds on, :class:`Broken` for a damaged bundle.
    """
    brought: list[str] = []
    left: dict[str, str] = {}
    for bundle in sorted(folder.bundles.glob(f"[!.]*{_SUFFIX}")):
        commit, tip = await _head(folder, repository, bundle)
        branch = tip.removeprefix("refs/heads/")
        if await ask(repository, "merge-base", "--is-ancestor", commit, tip) is not None:
            continue
        await _check(repository, bundle)
        here = await ask(repository, "rev-parse", "--verify", "--quiet", tip)
        fetch = (*("fetch", "--quiet", "--no-tags", "--no-auto-maintenance", "--no-recurse-submodules"), "--")
        if await ask(repository, *_QUIET, *fetch, str(bundle), f"{tip}:{tip}") is not None:
            brought.append(branch)
        elif here is not None:
            left[branch] = f"{safe(branch)} stays as it is: it has other commits than the run recorded, or is in use"
        else:
            await git(repository, *_QUIET, *fetch, str(bundle), f"{tip}:{tip}")  # raises in git's words
    return Brought(tuple(brought), left)


async def _head(folder: RunFolder, repository: Path, bundle: Path) -> tuple[str, str]:
    """The one commit and branch in a bundle. It came with the folder, from anywhere: only the run's own is taken."""
    listed = await ask(repository, "bundle", "list-heads", str(bundle))
    heads = (listed or "").splitlines()
    commit, _, tip = heads[0].partition(" ") if len(heads) == 1 else ("", "", "")
    if tip != f"refs/heads/{branches(folder.run_id)}{bundle.name.removesuffix(_SUFFIX)}":
        raise Broken(
            f"{bundle} is damaged, or not a bundle of this run; nothing was changed",
            hint="put a sound copy of it back, or take it away: its step's commits are then missing",
            path=str(bundle),
        )
    return commit, tip


async def _check(repository: Path, bundle: Path) -> None:
    try:
        await git(repository, "bundle", "verify", str(bundle))
    except Refused as error:
        if "prerequisite" not in error.message:
            raise Broken(f"{bundle} is damaged: {error.message}; nothing was changed", path=str(bundle)) from error
        raise Refused(
            f"{safe(str(repository))} lacks commits that the run's branches build on: {error.message}",
            hint="git fetch the commit at which the run began, then resume again",
            path=str(bundle),
        ) from error


def _replace(part: Path, target: Path) -> None:
    handle = os.open(part, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    os.replace(part, target)
    sync_folder(target.parent)
