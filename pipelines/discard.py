"""Deleting what a run keeps in the state folder. Branches, reports and logs in the workspace stay."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess

from pipelines.drivers.program import end_left
from pipelines.folder import RunFolder
from quarterdeck.paths import Paths


def discard(folder: RunFolder) -> None:
    """Delete the run's folder and its worktrees, which git then forgets. Nobody may be carrying it out.

    Programs outlive the killed process of their run for a while: what still runs of it is ended first.
    """
    asyncio.run(end_left(folder.run_id))
    person = Paths(folder.home.parent.parent)
    trees = [*folder.state.worktrees.glob("*"), *person.worktrees.glob(f"{folder.run_id}-*")]
    workspace = _workspace(folder)
    for tree in trees:
        shutil.rmtree(tree, ignore_errors=True)
    shutil.rmtree(folder.state.run, ignore_errors=True)  # where the path is long it lies elsewhere
    shutil.rmtree(folder.home)
    if trees and workspace:
        command = ["git", "-C", workspace, "worktree", "prune"]
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)


def _workspace(folder: RunFolder) -> str:
    try:
        return str(json.loads(folder.plan.read_text(encoding="utf-8")).get("workspace", ""))
    except (OSError, ValueError, AttributeError):
        return ""
