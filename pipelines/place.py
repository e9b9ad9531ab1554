"""Where a step works: a folder of the workspace, or a git worktree of its own on a branch that a resumed run finds.

A worktree stays for all attempts of its step: a retry goes on with what the one before left. It begins where the step
that it needs and that has a branch ended, else at what the workspace has checked out. After each attempt
everything in it is committed, by quarterdeck where git knows no author, without the repository's hooks.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pipelines import bundles, naming
from pipelines.folder import RunFolder
from pipelines.model import AgentPlan, RunPlan, StepPlan, StepResult
from quarterdeck.errors import NotFound, QuarterdeckError, Refused
from quarterdeck.text import safe
from sessions import worktree
from sessions.git import ask, git
from sessions.model import Worktree

_AUTHOR = ("-c", "user.name=quarterdeck", "-c", "user.email=quarterdeck@localhost")
_OURS = (
    *("-c", "core.hooksPath=/dev/null", "-c", "commit.gpgSign=false", "-c", "commit.cleanup=verbatim"),
    *("-c", "gc.auto=0", "-c", "maintenance.auto=false"),
)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where one step works."""

    cwd: str
    tree: Worktree | None = None
    """Its worktree, None where it works in the workspace itself."""


class Places:
    """The places of one run's steps. Worktrees are made in ``worktrees``, bundles of their branches in ``folder``."""

    def __init__(self, plan: RunPlan, folder: RunFolder, worktrees: Path, settings: worktree.Settings) -> None:
        self._plan = plan
        self._folder = folder
        self._worktrees = worktrees
        self._settings = settings
        self._making = asyncio.Lock()

    async def of(
        self,
        step: StepPlan,
        agent: AgentPlan | None,
        results: Mapping[str, StepResult],
        environ: Mapping[str, str],
    ) -> Place:
        """The place of a step, found again or made. ``environ`` is what a set-up command of worktrees runs in.

        Raises :class:`QuarterdeckError` where there is none (a missing folder, no repository, a branch that is in use).
        """
        base = Path(self._plan.workspace, agent.workspace if agent else "")
        if agent is None or not agent.worktree:
            return Place(cwd=_folder(base / step.cwd))
        inside = Path(_folder(base))
        async with self._making:  # git itself has one lock for a repository's worktrees, and does not wait for it
            tree = await self._tree(step, inside, results, environ)
        here = await worktree.inside(tree, inside)
        return Place(cwd=_folder(here / step.cwd), tree=tree)

    async def _tree(
        self, step: StepPlan, base: Path, results: Mapping[str, StepResult], environ: Mapping[str, str]
    ) -> Worktree:
        branch = naming.branch(self._folder.run_id, step.key)
        begin = await self._begin(step, base, results)
        found = await worktree.of_branch(base, branch)
        if found is None:
            if begin and not await worktree.has_branch(base, branch):
                await git(base, "branch", "--no-track", "--", branch, begin)
            path = self._worktrees / f"{self._folder.run_id}-{naming.slug(step.key)}"
            found = await worktree.create(path, base, branch=branch, settings=self._settings, environ=environ)
        fork = begin or await ask(base, "merge-base", "HEAD", f"refs/heads/{branch}")
        return replace(found, base=fork) if fork else found

    async def _begin(self, step: StepPlan, base: Path, results: Mapping[str, StepResult]) -> str:
        """The last commit of a step with a branch that it needs: of several the one that holds all others.

        "" where there is none. Raises :class:`Refused` where each lacks what another one did.
        """
        commits = {key: results[key].commit for key in step.needs if key in results and results[key].commit}
        for commit in commits.values():
            others = set(commits.values()) - {commit}
            if all([await ask(base, "merge-base", "--is-ancestor", one, commit) is not None for one in others]):
                return commit
        if commits:
            said = ", ".join(safe(key, 60) for key in commits)
            raise Refused(f"it needs {said}, and no branch of these holds the work of all others")
        return ""

    async def commit(self, place: Place, message: str) -> tuple[str, str]:
        """Commit all that is in the step's worktree; its branch and last commit, both "" where nothing is its own.

        Raises :class:`QuarterdeckError` where git cannot; the worktree then stays as it is.
        """
        tree = place.tree
        if tree is None:
            return "", ""
        path = Path(tree.path)
        await _unlock(path, tree.branch)
        await git(path, *_OURS, "add", "--all", "--", ".")
        if await ask(path, "diff", "--cached", "--quiet", "HEAD") is None:
            author = () if await ask(path, "config", "--get", "user.email") else _AUTHOR
            await git(path, *_OURS, *author, "commit", "--quiet", "--no-verify", "-m", message)
        head = await git(path, "rev-parse", "HEAD")
        own = await git(path, "rev-list", "--count", f"{tree.base}..HEAD")
        branch = tree.branch
        # An agent may have left the branch: what it made must have a name that stays.
        if own != "0" and await ask(path, "merge-base", "--is-ancestor", head, f"refs/heads/{tree.branch}") is None:
            branch = f"{tree.branch}-{head[:8]}"
            await git(path, "branch", "--no-track", "--force", "--", branch, head)
        if own == "0":
            return "", ""
        await bundles.keep(self._folder, Path(tree.repository), branch)
        return branch, head

    async def leave(self, place: Place) -> str:
        """Remove the step's worktree if nothing is lost with it; else why it stays. Its branch stays in any case."""
        tree = place.tree
        if tree is None or not Path(tree.path).exists():
            return ""
        path = Path(tree.path)
        try:
            head = await git(path, "rev-parse", "HEAD")
            rest = await worktree.unsaved(replace(tree, base=head))
            # A repository inside was recorded as a link to a commit that is nowhere else.
            staged = await git(path, "ls-files", "--stage", "-z")
            if any(entry.startswith("160000 ") for entry in staged.split("\0")):
                rest.append("repositories inside")
            if rest:
                return f"the worktree {safe(tree.path)} is kept: it holds {', '.join(rest)}"
            await worktree.remove(tree, force=True)
        except QuarterdeckError as error:
            return f"the worktree {safe(tree.path)} is kept: {error.message}"
        return ""


async def _unlock(path: Path, branch: str) -> None:
    """Take away what a git that was killed left: nobody else works in this worktree any more."""
    for name in ("index.lock", "HEAD.lock", f"refs/heads/{branch}.lock"):
        if found := await ask(path, "rev-parse", "--git-path", name):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path / found)


def _folder(path: Path) -> str:
    if not path.is_dir():
        raise NotFound(f"the folder {safe(str(path))} does not exist", hint="the step works there", path=str(path))
    return str(path.resolve())
