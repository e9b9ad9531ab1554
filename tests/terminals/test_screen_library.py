"""The declarations of libghostty-vt made ahead of time, and pyghostty's own where they do not fit."""

from __future__ import annotations

import subprocess
import sys

import pytest

from terminals.screen import library


def test_the_declarations_are_those_of_the_installed_pyghostty() -> None:
    if not library.MADE.exists():
        pytest.skip("this tree was not set up by scripts/setup.sh")
    assert library.MADE.read_text() == library.make(), "stale: python scripts/declarations.py"


def drawn(before: str) -> str:
    code = (
        f"import sys\n{before}\nfrom terminals.screen import Screen\n"
        "screen = Screen(20, 4)\nscreen.feed(b'one\\r\\n\\x1b[31mtwo\\x1b[m\\x1b[c')\n"
        "thawed = Screen.restored(screen.snapshot(0))\n"
        "print(repr(thawed.ansi()), thawed.view(0, 0), 'pyghostty' in sys.modules)"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_another_pyghostty_is_used_as_it_is() -> None:
    ahead = drawn("")
    parsed = drawn(
        "import types\nother = types.ModuleType('terminals.screen.declarations')\nother.fingerprint = 'another'\n"
        "sys.modules[other.__name__] = other"
    )
    assert ahead.strip().endswith("False")
    assert parsed.strip().endswith("True")
    assert ahead.rpartition(" ")[0] == parsed.rpartition(" ")[0]
