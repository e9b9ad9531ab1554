"""What ``quarterdeck run`` imports for its help and before its first step, and the processes of a run and its steps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.counts import Count
from benchmarks.counts.imports import HEAVY, judge, modules
from benchmarks.counts.processes import family
from tests.support import polling
from tests.support.runs import Rig, rig

HELP_MOST = 160
NOT_FIRST = ("dbos", "sqlalchemy", "psycopg", "anthropic", "textual", "rich", "fastapi", "uvicorn", "httpx")
"""None of these stands between a person and the first step of their run."""
RUN_MOST = 720
FEW, MANY = 2, 12
"""Steps at the same time."""

_HELP = """
import atexit, json, os, sys
atexit.register(lambda: os.write(2, json.dumps(sorted(sys.modules)).encode()))
sys.argv[:] = ["quarterdeck", "run", "--help"]
from quarterdeck.__main__ import main
main()
"""
_RUN = """
import atexit, json, os, sys
atexit.register(lambda: os.write(2, b"\\n" + json.dumps(sorted(sys.modules)).encode()))
sys.argv[:] = ["quarterdeck", "run", "run.toml"]
os.chdir(os.environ["BENCH_WORK"])
from quarterdeck.__main__ import main
main()
"""


def counts() -> Iterator[Count]:
    """See the module."""
    with rig() as ours:
        yield from judge("quarterdeck run --help", modules(["-c", _HELP], ours.environ), HEAVY, HELP_MOST)
        ours.manifest("[steps.a]\nrun = 'true'")
        names = modules(["-c", _RUN], ours.environ | {"BENCH_WORK": str(ours.work)})
        yield from judge("a run of one command", names, NOT_FIRST, RUN_MOST)
        few, many = processes(ours, FEW), processes(ours, MANY)
    each = (many - few) / (MANY - FEW)
    yield Count("processes of a running step", each, 2, 2, detail="one holder and the command")
    own = few - round(each * FEW)
    yield Count("processes of a run beside those of its steps", own, 3, detail="its engine, who forks holders")


def processes(ours: Rig, steps: int) -> int:
    """How many a run with so many steps at the same time has, all in all."""
    ours.manifest(
        f"concurrency = {steps}\n[steps.a]\nmatrix.n = {list(range(steps))}\nrun = 'touch up-$$; exec sleep 600'\n"
    )
    before = set(ours.processes())
    with ours.start("run", "run.toml") as process:
        polling.until(lambda: len(list(ours.work.glob("up-*"))) == steps, "all steps run")
        polling.until(lambda: engines(ours) or None, "its engine is up")
        found = len((family([process.pid]) | set(ours.processes())) - before)
        process.terminate()
        process.communicate()
    for mark in ours.work.glob("up-*"):
        mark.unlink()
    ours.gone()
    return found


def engines(ours: Rig) -> list[Path]:
    """The databases of engines that have begun to remember."""
    return [path for path in ours.state.glob("runs/*/steps.db") if path.stat().st_size]
