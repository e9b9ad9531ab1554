"""The tmux program on this machine: found, new enough, and the environment it is run in."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping

from quarterdeck.errors import Broken

OLDEST = "3.2"
_INSTALL = "install it with your package manager (apt install tmux, brew install tmux), or use the native adapter"
_KEPT = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TMPDIR",
    "TMUX_TMPDIR",
    "XDG_RUNTIME_DIR",
    "TERMINFO",
    "TERMINFO_DIRS",
)


def find() -> str:
    """The path of a tmux that is new enough, for a thread. Raises :class:`Broken` with what to do about it."""
    # libtmux comes with the first use of tmux: it would be a tenth of every start
    from libtmux import exc
    from libtmux.common import get_version, get_version_str, has_gte_version

    path = shutil.which("tmux")
    if path is None:
        raise Broken("tmux is not installed; nothing was started", hint=_INSTALL)
    try:
        new_enough, found = has_gte_version(OLDEST, tmux_bin=path), get_version_str(tmux_bin=path)
    except (exc.LibTmuxException, OSError, IndexError, ValueError) as error:
        # libtmux takes what ``tmux -V`` says apart without looking
        raise Broken(f"{path} does not work: {error}; nothing was started", hint=_INSTALL, path=path) from error
    if not new_enough:
        # libtmux remembers versions; the next try must see a newer one
        get_version.cache_clear()
        get_version_str.cache_clear()
        raise Broken(f"tmux {found} is too old: {OLDEST} or newer is needed", hint=_INSTALL, path=path, version=found)
    return path


def numbers(version: str) -> tuple[int, int]:
    """``3.3a`` or ``next-3.8`` as (3, 3) and (3, 8); what is not a number, as ``master``, counts as newer than all."""
    found = re.search(r"(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (999, 0)


def environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What tmux and its server are run with: no secret of any agent, no ``TMUX``, UTF-8."""
    kept = {name: environ[name] for name in _KEPT if name in environ}
    return {"PATH": os.defpath, **kept, "LANG": "C.UTF-8", "LC_CTYPE": "C.UTF-8", "TERM": "dumb"}
