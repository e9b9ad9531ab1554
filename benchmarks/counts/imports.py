"""What ``quarterdeck ls`` and a holder import: start-up time and memory of each, without a clock."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping

from benchmarks.counts import Count
from benchmarks.figures.idle import SILENT
from benchmarks.rig import ROOT, rig

HEAVY = ("pydantic", "textual", "rich", "httpx", "http.client", "asyncio", "msgspec", "fastapi", "uvicorn", "libtmux",
         "pyghostty", "sqlite3", "websockets", "email", "ssl", "subprocess")  # fmt: skip
"""None of these belongs on the way of ``ls``."""
STRANGE = (*HEAVY, "click", "pluggy", "psutil", "logging")
"""None of these belongs into a holder, whose memory every agent pays; nor anything of ours but terminals."""
LS_MOST, HOLDER_MOST = 160, 120

_LS = """
import atexit, json, os, sys
atexit.register(lambda: os.write(2, json.dumps(sorted(sys.modules)).encode()))
sys.argv[:] = ["quarterdeck", "ls"]
from quarterdeck.__main__ import main
main()
"""
_HOLDER = """
import json, os, runpy, sys
sys.argv[:] = [sys.argv[1]]
try:
    runpy.run_path(sys.argv[0], run_name="holder")
    import terminals.holder.parent
finally:
    os.write(2, json.dumps(sorted(sys.modules)).encode())
"""


def counts() -> Iterator[Count]:
    """See the module."""
    with rig() as ours:
        ours.agent("a", SILENT)
        names = modules(["-c", _LS], ours.environ)
    yield from judge("quarterdeck ls", names, HEAVY, LS_MOST)
    entry = str(ROOT / "terminals" / "holder" / "__main__.py")
    names = modules(["-P", "-E", "-c", f"import sys; sys.path.append({str(ROOT)!r})\n{_HOLDER}", entry], {})
    yield from judge("a holder", names, STRANGE, HOLDER_MOST)


def modules(words: list[str], environ: Mapping[str, str]) -> list[str]:
    """The names of everything a Python imported by its end."""
    done = subprocess.run([sys.executable, *words], env=dict(environ), capture_output=True, text=True, check=True)
    found: list[str] = json.loads(done.stderr.splitlines()[-1])
    return found


def judge(who: str, names: list[str], banned: tuple[str, ...], most: int) -> Iterator[Count]:
    """How many modules, and how many that do not belong."""
    found = [name for name in names if any(name == word or name.startswith(word + ".") for word in banned)]
    tops = sorted({name.partition(".")[0] if not name.startswith("http") else name for name in found})
    yield Count(f"modules imported by {who} that do not belong there", len(tops), 0, detail=" ".join(tops))
    yield Count(f"modules imported by {who}", len(names), most)
