"""The ``git`` program: asked so that neither the surroundings nor a repository's settings change what it does.

No ``GIT_*`` variable of ours or of a client can point it at another repository, and nothing waits for a person. Names
from outside reach it only after ``--`` or inside a full ref name.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from quarterdeck.errors import Broken, QuarterdeckError, Refused
from quarterdeck.text import safe
from sessions.commands import run

GIT_SECONDS = 120.0
_OPTIONS = (
    *("-c", "core.quotePath=false", "-c", "core.fsmonitor=false", "-c", "submodule.recurse=false"),
    *("-c", "advice.detachedHead=false"),
)


def surroundings(**more: str) -> dict[str, str]:
    """The variables git is run with, and ``more``."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return environ | {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"} | more


async def git(cwd: Path, *arguments: str, ceiling: Path | None = None) -> str:
    """The output of git without its last line end. Raises what went wrong in git's words.

    A repository is not looked for in the folder ``ceiling`` and above it.
    """
    code, out, err = await _run(cwd, arguments, ceiling)
    if code == 0:
        return out
    told = safe(err, 300) or "git failed"
    if "not a git repository" in err:
        raise Refused(
            f"{safe(str(cwd))} is not in a git repository, so it cannot have a worktree",
            hint="git init, or leave out --worktree",
            path=str(cwd),
        )
    raise Refused(f"git {arguments[0]} in {safe(str(cwd))}: {told}", hint="", path=str(cwd), code=code)


async def ask(cwd: Path, *arguments: str) -> str | None:
    """As :func:`git`; None where git says no."""
    try:
        code, out, _ = await _run(cwd, arguments)
    except QuarterdeckError:
        return None
    return out if code == 0 else None


async def _run(cwd: Path, arguments: Sequence[str], ceiling: Path | None = None) -> tuple[int | None, str, str]:
    environ = surroundings() if ceiling is None else surroundings(GIT_CEILING_DIRECTORIES=str(ceiling))
    try:
        ended = await run(["git", *_OPTIONS, *arguments], cwd=cwd, environ=environ, seconds=GIT_SECONDS)
    except FileNotFoundError as error:
        if not cwd.is_dir():
            raise Refused(f"{safe(str(cwd))} does not exist", hint="it was removed meanwhile", path=str(cwd)) from error
        raise Broken("git is not installed, and a worktree needs it", hint="install git") from error
    except OSError as error:
        raise Broken(f"git cannot be run in {safe(str(cwd))}: {error.strerror or error}", path=str(cwd)) from error
    out, err = os.fsdecode(ended.out).removesuffix("\n"), os.fsdecode(ended.err).strip()
    return ended.code, out, err
