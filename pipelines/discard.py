"""Deleting what a run keeps in the state folder. Branches, reports and logs in the workspace stay."""

from __future__ import annotations

import json
import shutil
import subprocess

from pipelines.folder import RunFolder


def discard(folder: RunFolder) -> None:
    """Delete the run's folder and let git forget the worktrees that were in it. Nobody may be carrying it out."""
    had_worktrees = folder.state.worktrees.is_dir() and any(folder.state.worktrees.iterdir())
    workspace = _workspace(folder)
    shutil.rmtree(folder.state.run, ignore_errors=True)  # where the path is long it lies elsewhere
    shutil.rmtree(folder.home)
    if had_worktrees and workspace:
        command = ["git", "-C", workspace, "worktree", "prune"]
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)


def _workspace(folder: RunFolder) -> str:
    try:
        return str(json.loads(folder.plan.read_text(encoding="utf-8")).get("workspace", ""))
    except (OSError, ValueError, AttributeError):
        return ""
