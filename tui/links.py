"""Links an agent prints: only web links are opened, by the desktop's own opener, and never through a shell."""

from __future__ import annotations

import shutil
import subprocess

_OPENERS = ("xdg-open", "wslview", "open")
LONGEST = 2000


def showable(url: str) -> bool:
    """Whether ``url`` is a plain http or https link."""
    head, mark, rest = url.partition("://")
    fine = all(32 < ord(char) < 127 for char in url) and "\\" not in url
    return head.lower() in ("http", "https") and bool(mark) and bool(rest) and fine and len(url) <= LONGEST


def opened(url: str) -> bool:
    """Hand the link to the desktop; False where no opener is found. It runs on by itself, with no terminal."""
    if not showable(url):
        return False
    for name in _OPENERS:
        if program := shutil.which(name):
            subprocess.Popen(
                [program, url],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            return True
    return False
