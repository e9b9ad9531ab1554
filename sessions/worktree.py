"""A git worktree of its own for an agent, made and removed without ever losing work.

Everything goes through :mod:`sessions.git`. Submodules are not touched.
"""

from __future__ import annotations

import asyncio
import filecmp
import os
import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from quarterdeck.errors import Broken, Invalid, Refused
from quarterdeck.text import safe
from sessions.commands import run
from sessions.environment import stripped
from sessions.git import ask, git
from sessions.model import Worktree

INCLUDE_FILE = ".worktreeinclude"
"""In the root of a repository: patterns, as in ``.gitignore``, of untracked files to copy into each new worktree."""
PREFIX = "quarterdeck/"
"""Begins the branches that are named for a person; with nothing on them they go with their worktree."""
_OURS = (PREFIX, PREFIX.replace("/", "-"))
SETUP_SECONDS = 900.0
CHANGES_LISTED = 1000
_IN_PROGRESS = {
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
    "MERGE_HEAD": "a merge",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "BISECT_LOG": "a bisection",
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a person configured: further patterns to copy, and a shell command run in each new worktree."""

    include: tuple[str, ...] = ()
    setup: str = ""


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What has happened in a folder of a repository. Names are git's, hostile."""

    branch: str
    """"" where no branch is checked out."""
    files: tuple[tuple[str, str], ...]
    """Uncommitted ones: git's two letters (``.M``, ``A.``, ``??``) and the path from the root; at most a thousand."""
    more: int = 0
    """How many further files have changed."""
    commits: int = 0
    """Commits since ``base``, where one was given."""


async def create(
    path: Path,
    cwd: Path,
    *,
    branch: str = "",
    name: str = "agent",
    settings: Settings = Settings(),
    environ: Mapping[str, str] | None = None,
) -> Worktree:
    """Make a worktree at ``path`` of the repository around ``cwd``.

    ``branch`` is checked out: an existing one, else one that follows the remote's of that name, else a new one from the
    present commit; empty for a new one named after ``name``. ``environ`` is what the set-up command runs in. Raises
    :class:`Invalid` for a name no branch can have, :class:`Refused` where git refuses or the set-up fails, and then
    nothing is left of it.
    """
    repository, top = await _repository(cwd)
    if branch:
        await _check_branch(branch)
    if await ask(cwd, "rev-parse", "--verify", "--quiet", "HEAD^{commit}") is None:
        raise Refused(
            f"{safe(str(repository))} has no commit yet, so it cannot have a worktree",
            hint="make a first commit: git commit",
            repository=str(repository),
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    made = ""
    try:
        branch, made = await _add(path, cwd, branch, name)
        # A branch with a name of ours goes with its worktree where nothing is on it: all that is on it is its own.
        again = not made and branch.startswith(_OURS)
        base = await _fork_point(cwd, branch) if again else await git(path, "rev-parse", "HEAD")
        if top is not None:
            await _copy_included(top, path, settings.include)
        if settings.setup:
            await _set_up(settings.setup, path, repository, branch, environ)
    except BaseException:
        await asyncio.shield(_discard(path, repository, made))
        raise
    return Worktree(path=str(path), branch=branch, repository=str(repository), base=base)


async def inside(tree: Worktree, cwd: Path) -> Path:
    """The folder in the worktree that stands for ``cwd``, a folder of the repository; the root where it has none."""
    _, top = await _repository(cwd)
    here = Path(tree.path, cwd.resolve().relative_to(top)) if top and cwd.resolve().is_relative_to(top) else None
    return here if here and here.is_dir() else Path(tree.path)


async def unsaved(tree: Worktree) -> list[str]:
    """What would be lost or left dangling without this worktree, each as words for a person; empty for nothing.

    Uncommitted changes and untracked files (other than unchanged copies of the repository's own), commits that are on
    no other branch, tag or remote, and whatever git is in the middle of. Raises :class:`Refused` where git cannot tell.
    """
    path = Path(tree.path)
    if not path.exists():
        return []
    found: list[str] = []
    if changed := await _changed(tree):
        names = ", ".join(safe(name, 60) for name in changed[:3]) + (", …" if len(changed) > 3 else "")
        found.append(f"{_count(len(changed), 'uncommitted file')} ({names})")
    if commits := await _own_commits(tree):
        found.append(f"{_count(commits, 'commit')} on {safe(tree.branch)} not merged and not pushed")
    git_folder = path / await git(path, "rev-parse", "--git-dir")
    found += sorted({words + " in progress" for name, words in _IN_PROGRESS.items() if (git_folder / name).exists()})
    if (git_folder / "modules").is_dir():
        found.append("submodules that were set up in it")
    return found


async def changes(folder: Path, base: str = "") -> Changes | None:
    """What has changed in the repository around ``folder``, and how many commits came after ``base``.

    None where there is no repository, or git cannot tell. A folder in which nothing is tracked counts as one file.
    """
    listed = await ask(folder, "status", "--porcelain=v2", "--branch", "-z", "--no-renames")
    if listed is None:
        return None
    branch, files = "", list[tuple[str, str]]()
    for entry in listed.split("\0"):
        kind, _, rest = entry.partition(" ")
        if entry.startswith("# branch.head "):
            branch = entry.removeprefix("# branch.head ")
        elif kind == "?":
            files.append(("??", rest))
        elif kind in ("1", "u"):
            files.append((rest[:2], rest.split(" ", 7 if kind == "1" else 9)[-1]))
    count = await ask(folder, "rev-list", "--count", f"{base}..HEAD", "--") if base else None
    return Changes(
        branch="" if branch == "(detached)" else branch,
        files=tuple(files[:CHANGES_LISTED]),
        more=max(0, len(files) - CHANGES_LISTED),
        commits=int(count) if count and count.isdigit() else 0,
    )


async def of_branch(cwd: Path, branch: str) -> Worktree | None:
    """The worktree of the repository around ``cwd`` on which ``branch`` is checked out; None where it is on none.

    Worktrees whose folder is gone are forgotten first: their branch is free. Raises :class:`Invalid` for a name no
    branch can have, :class:`Refused` outside of git.
    """
    await _check_branch(branch)
    await ask(cwd, "worktree", "prune")
    listed = await git(cwd, "worktree", "list", "--porcelain", "-z")
    repository = ""
    for entry in listed.split("\0\0"):
        lines = entry.split("\0")
        path = next((line.removeprefix("worktree ") for line in lines if line.startswith("worktree ")), "")
        repository = repository or path
        if path and f"branch refs/heads/{branch}" in lines:
            base = await _fork_point(cwd, branch)
            return Worktree(path=path, branch=branch, repository=repository, base=base)
    return None


async def has_branch(cwd: Path, branch: str) -> bool:
    """Whether the repository around ``cwd`` has a branch of that name."""
    return await ask(cwd, "show-ref", "--verify", "--quiet", f"refs/heads/{branch}") is not None


async def remove(tree: Worktree, *, force: bool = False) -> None:
    """Remove the worktree, and its branch when that was named by us and holds nothing of its own.

    Raises :class:`Refused` that says what is unsaved, unless ``force``: then uncommitted changes are lost, but never a
    commit: its branch stays, and commits on no branch get one.
    """
    path, repository = Path(tree.path), Path(tree.repository)
    try:
        rest = await unsaved(tree)
    except Refused:
        if not force:
            raise
        rest = []
    if rest and not force:
        raise Refused(
            f"the worktree {safe(tree.path)} holds work that is nowhere else: {'; '.join(rest)}",
            hint="commit, and merge or push it; or --force: uncommitted changes are lost, commits stay on their branch",
            path=tree.path,
            branch=tree.branch,
            unsaved=rest,
        )
    saved = path.exists() and await _save_detached(tree)
    if repository.exists():
        if await ask(repository, "worktree", "remove", "--force", "--force", "--", str(path)) is None:
            await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)
            await ask(repository, "worktree", "prune")
        if not saved:
            await _drop_empty_branch(tree)
    if path.exists():
        await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)
    if path.exists():
        raise Broken(f"the worktree {path} could not be removed", hint="remove the folder by hand", path=str(path))


# making


async def _repository(cwd: Path) -> tuple[Path, Path | None]:
    """The main worktree (or the bare repository) around ``cwd``, and the root of the worktree ``cwd`` itself is in."""
    listed = await git(cwd, "worktree", "list", "--porcelain")
    repository = Path(listed.partition("\n")[0].removeprefix("worktree "))
    top = await ask(cwd, "rev-parse", "--show-toplevel")
    return repository, Path(top) if top else None


async def _check_branch(branch: str) -> None:
    bad = branch.startswith(("-", "refs/")) or branch == "HEAD" or "\0" in branch
    if bad or await ask(Path("/"), "check-ref-format", f"refs/heads/{branch}") is None:
        raise Invalid(
            f"{safe(branch, 80)!r} cannot be the name of a branch",
            hint="letters, digits and - . _ / as in feat/login",
            branch=safe(branch),
        )


async def _fork_point(cwd: Path, branch: str) -> str:
    """Where a branch that was there before left what ``cwd`` has checked out: what came after it is its own.

    A branch that shares nothing with that is its own from its first commit on.
    """
    found = await ask(cwd, "merge-base", "HEAD", f"refs/heads/{branch}")
    if found:
        return found.partition("\n")[0]
    return (await git(cwd, "rev-list", "--max-parents=0", f"refs/heads/{branch}")).partition("\n")[0]


async def _add(path: Path, cwd: Path, branch: str, name: str) -> tuple[str, str]:
    """Add the worktree; the branch it is on, and the same again if that branch was made for it."""
    if branch:
        if await ask(cwd, "show-ref", "--verify", "--quiet", f"refs/heads/{branch}") is not None:
            await git(cwd, "worktree", "add", "--quiet", "--", str(path), branch)
            return branch, ""
        remotes = (await git(cwd, "for-each-ref", "--format=%(refname)", f"refs/remotes/*/{branch}")).splitlines()
        start = ["--track", "-b", branch, "--", str(path), remotes[0]] if len(remotes) == 1 else None
        await git(cwd, "worktree", "add", "--quiet", *(start or ["-b", branch, "--", str(path), "HEAD"]))
        return branch, branch
    word = re.sub(r"[^\w+@]+", "-", name, flags=re.ASCII).strip("-@") or "agent"
    # A branch called like the prefix would be a file where the prefix needs a folder.
    taken = await ask(cwd, "show-ref", "--verify", "--quiet", f"refs/heads/{PREFIX[:-1]}") is not None
    prefix = PREFIX.replace("/", "-") if taken else PREFIX
    for number in range(1, 1000):
        branch = f"{prefix}{word}" if number == 1 else f"{prefix}{word}-{number}"
        if await ask(cwd, "show-ref", "--verify", "--quiet", f"refs/heads/{branch}") is not None:
            continue
        try:
            await git(cwd, "worktree", "add", "--quiet", "-b", branch, "--", str(path), "HEAD")
        except Refused:
            if await ask(cwd, "show-ref", "--verify", "--quiet", f"refs/heads/{branch}") is None or path.exists():
                raise
            continue  # somebody made a branch of that name in the meantime
        return branch, branch
    raise Refused(f"there are too many branches named {prefix}{word}", hint="name one: --worktree BRANCH")


async def _copy_included(top: Path, path: Path, patterns: Sequence[str]) -> None:
    lists = [f"--exclude-from={top / INCLUDE_FILE}"] if (top / INCLUDE_FILE).is_file() else []
    lists += [f"--exclude={pattern}" for pattern in patterns]
    if not lists:
        return
    found = await git(top, "ls-files", "-z", "--others", "--ignored", *lists)
    names = [name for name in found.split("\0") if name and not name.endswith("/")]  # a folder is another repository
    await asyncio.to_thread(_copy, top, path, names)


def _copy(top: Path, path: Path, names: Sequence[str]) -> None:
    root = path.resolve()
    for name in names:
        source, target = top / name, path / name
        # The branch may hold a link where the source has a folder: nothing is written through it.
        if not target.parent.resolve().is_relative_to(root) or os.path.lexists(target):
            continue
        if not source.is_file() and not source.is_symlink():
            continue
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
        except OSError as error:
            raise Refused(
                f"{safe(str(source))} could not be copied into the worktree: {error.strerror or error}",
                hint=f"mend it, or take it out of {INCLUDE_FILE}",
            ) from error


async def _set_up(command: str, path: Path, repository: Path, branch: str, environ: Mapping[str, str] | None) -> None:
    variables = {
        **stripped(os.environ if environ is None else environ),
        "QUARTERDECK_WORKTREE": str(path),
        "QUARTERDECK_REPOSITORY": str(repository),
        "QUARTERDECK_BRANCH": branch,
    }
    ended = await run(["/bin/sh", "-c", command], cwd=path, environ=variables, seconds=SETUP_SECONDS, merge=True)
    if ended.code != 0:
        last = (ended.out + ended.err).decode("utf-8", "replace").strip().splitlines()[-5:]
        how = f"exit status {ended.code}" if ended.code is not None else f"ended after {SETUP_SECONDS:.0f} s"
        raise Refused(
            f"the set-up command of the worktree failed ({how}): "
            + safe(" | ".join(last) or "it printed nothing", 500),
            hint="correct worktree_setup in your config: " + shlex.join(["sh", "-c", command]),
            code=ended.code,
        )


async def _discard(path: Path, repository: Path, made: str) -> None:
    await ask(repository, "worktree", "remove", "--force", "--force", "--", str(path))
    await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)
    await ask(repository, "worktree", "prune")
    if made:
        await ask(repository, "branch", "-D", "--quiet", "--", made)


# looking and removing


async def _changed(tree: Worktree) -> list[str]:
    path = Path(tree.path)
    listed = await git(
        path, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--ignore-submodules=none"
    )
    changed: list[str] = []
    for entry in listed.split("\0"):
        state, name = entry[:2], entry[3:]
        if not name:
            continue
        if state == "??" and _same(path / name, Path(tree.repository) / name):
            continue
        changed.append(name)
    return changed


def _same(mine: Path, theirs: Path) -> bool:
    try:
        if mine.is_symlink() or theirs.is_symlink():
            return mine.is_symlink() and theirs.is_symlink() and os.readlink(mine) == os.readlink(theirs)
        return filecmp.cmp(mine, theirs, shallow=False)
    except OSError:
        return False


async def _own_commits(tree: Worktree) -> int:
    """How many commits of the worktree are on no other branch, tag or remote."""
    path = Path(tree.path)
    tips = ["HEAD"]
    mine = {tree.branch}
    if current := await ask(path, "symbolic-ref", "--quiet", "--short", "HEAD"):
        mine.add(current)
    if await ask(path, "show-ref", "--verify", "--quiet", f"refs/heads/{tree.branch}") is not None:
        tips.append(f"refs/heads/{tree.branch}")
    others = [f"--exclude={name}" for name in sorted(mine)]
    count = await git(
        path, "rev-list", "--count", *tips, "--not", tree.base, *others, "--branches", "--remotes", "--tags"
    )
    return int(count)


async def _save_detached(tree: Worktree) -> bool:
    """Give commits of a detached HEAD that nothing else holds a branch; whether there were any."""
    path = Path(tree.path)
    if await ask(path, "symbolic-ref", "--quiet", "HEAD") is not None:
        return False
    own = await ask(path, "rev-list", "--count", "HEAD", "--not", tree.base, "--branches", "--remotes", "--tags")
    if own and int(own):
        for number in range(1, 1000):
            name = f"{tree.branch}-detached" if number == 1 else f"{tree.branch}-detached-{number}"
            if await ask(path, "branch", "--no-track", "--", name, "HEAD") is not None:
                return True
    return False


async def _drop_empty_branch(tree: Worktree) -> None:
    if not tree.branch.startswith(_OURS):
        return
    own = await ask(
        Path(tree.repository),
        *("rev-list", "--count", f"refs/heads/{tree.branch}", "--not", tree.base),
        *(f"--exclude={tree.branch}", "--branches", "--remotes", "--tags"),
    )
    if own == "0":
        await ask(Path(tree.repository), "branch", "-D", "--quiet", "--", tree.branch)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
