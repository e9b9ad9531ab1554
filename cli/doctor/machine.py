"""Checks of the machine: programs, packages, terminals, limits. Nothing here needs the state folder."""

from __future__ import annotations

import importlib.util
import locale
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from cli.doctor.finding import Finding
from quarterdeck import openfiles

TMUX_NEEDED = (3, 2)
_NEEDED = ("aiosqlite", "fastapi", "msgspec", "psutil", "pyghostty", "textual", "uvicorn", "websockets")
_FILES_WANTED = 1024


def findings() -> list[Finding]:
    """All checks of the machine."""
    return [_python(), _packages(), _runs(), _tmux(), _git(), _terminals(), _files(), _language(), *_lingering()]


def _python() -> Finding:
    text = f"Python {platform.python_version()} at {sys.executable}, {platform.system()} {platform.release()}"
    return Finding("python", "ok", text)


def _packages() -> Finding:
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        command = f"{sys.executable} -m pip install --force-reinstall quarterdeck"
        return Finding("packages", "problem", f"not installed: {', '.join(missing)}", command)
    return Finding("packages", "ok", "everything needed is installed")


def _runs() -> Finding:
    if importlib.util.find_spec("dbos") is None:
        command = f"{sys.executable} -m pip install 'quarterdeck[pipelines]'"
        return Finding("runs", "note", "dbos is not installed: no quarterdeck run, no sparc", command)
    return Finding("runs", "ok", "what quarterdeck run needs is installed")


def version_of(*command: str) -> str:
    """What a program prints as its version; "" where it cannot be run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip().partition("\n")[0]


def _tmux() -> Finding:
    if not shutil.which("tmux"):
        return Finding("tmux", "warning", "not installed: no tmux agents, no adopt", "apt install tmux")
    said = version_of("tmux", "-V")
    numbers = re.search(r"(\d+)\.(\d+)", said)
    if "master" not in said and (not numbers or (int(numbers[1]), int(numbers[2])) < TMUX_NEEDED):
        return Finding("tmux", "warning", f"{said or 'tmux'} is too old for tmux agents", "install tmux 3.2 or newer")
    return Finding("tmux", "ok", f"{said} at {shutil.which('tmux')}")


def _git() -> Finding:
    if not shutil.which("git"):
        return Finding("git", "warning", "not installed: no worktrees", "apt install git")
    return Finding("git", "ok", version_of("git", "--version"))


def _terminals() -> Finding:
    try:
        for handle in os.openpty():
            os.close(handle)
    except OSError as error:
        return Finding("terminals", "problem", f"no pseudo-terminal can be opened: {error.strerror}", "mount /dev/pts")
    if sys.platform == "linux" and not Path("/proc/self/stat").exists():
        return Finding("terminals", "problem", "/proc is not mounted: processes cannot be told apart", "mount /proc")
    return Finding("terminals", "ok", "pseudo-terminals can be opened")


def _files() -> Finding:
    most = openfiles.possible()
    told = "any number of" if most < 0 else str(most)
    if 0 <= most < _FILES_WANTED:
        text = f"{told} files may be open: too few for more than {most // 8} agents"
        return Finding("open files", "warning", text, f"raise the hard limit: ulimit -Hn {_FILES_WANTED}")
    return Finding("open files", "ok", f"the orchestrator may open {told} files")


def _language() -> Finding:
    encoding = locale.getpreferredencoding(False)
    if encoding.lower().replace("-", "") != "utf8":
        return Finding("language", "warning", f"the locale's encoding is {encoding}", "export LANG=C.UTF-8")
    term = os.environ.get("TERM", "")
    return Finding("language", "ok", f"UTF-8; TERM is {term or 'not set'}")


def _lingering() -> list[Finding]:
    """Whether systemd ends a user's processes at the last logout."""
    if not Path("/run/systemd/system").is_dir():
        return []
    import getpass

    user = getpass.getuser()
    if Path("/var/lib/systemd/linger", user).exists():
        return [Finding("logout", "ok", "agents run on after a logout (lingering is on)")]
    text = "lingering is off: where systemd ends sessions, a full logout may end agents"
    return [Finding("logout", "warning", text, f"loginctl enable-linger {user}")]
