"""``python -m benchmarks [--quick] [NAME...]`` and ``python -m benchmarks check``.

Each figure is measured in a process of its own, so that none inherits memory, threads or leftovers of another.
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

from benchmarks import report
from benchmarks.report import Result

FIGURES = {
    "key": "a key until its answer is painted",
    "flood": "a hundred megabytes of log in a visible agent",
    "asked": "a permission an agent asks for, until it is in the inbox",
    "idle": "what silent agents cost",
    "memory": "memory of an idle agent",
    "ls": "quarterdeck ls with a hundred agents",
    "panels": "nine panels repainted at thirty frames a second",
    "handlers": "how long a key keeps the TUI busy, with two hundred agents",
    "deck": "two hundred agents in the list; palette, tabs, zoom; memory of the TUI",
    "start": "the TUI until its first live frame",
    "killed": "orchestrator and TUI killed under load",
    "restore": "everything killed, twenty agents come back",
    "checkpoint": "a checkpoint of a hundred changed agents",
    "bank": "a memory bank of a hundred thousand entries",
    "folder": "a memory folder of ten thousand files",
    "texts": "a hundred megabytes of what agents printed, indexed and searched",
    "runs": "quarterdeck run beside the bare command and make; a hundred agents at once",
}


def measure(name: str, quick: bool) -> list[Result]:
    """Measure one figure here and now."""
    found: list[Result] = importlib.import_module(f"benchmarks.figures.{name}").measure(quick)
    return found


def measure_apart(name: str, quick: bool) -> list[Result] | None:
    """Measure one figure in a new process; None, with its error on stderr, when it failed."""
    words = [sys.executable, "-m", "benchmarks", "--one", *(["--quick"] if quick else []), name]
    done = subprocess.run(words, stdout=subprocess.PIPE, check=False, cwd=Path(__file__).parent.parent)
    if done.returncode:
        return None
    return [Result(**row) for row in json.loads(done.stdout)]


def run(names: list[str], quick: bool) -> int:
    """Measure figures, print them, and keep them unless they were taken in haste."""
    failed = []
    for name in names:
        began = time.monotonic()
        print(f"{name}: {FIGURES[name]} ...", flush=True)
        results = measure_apart(name, quick)
        if results is None:
            failed.append(name)
            continue
        for row in results:
            verdict = {None: " ", True: "+", False: "!"}[row.met]
            peer = f"; {row.peer}" if row.peer else ""
            goal = f"  [goal {row.goal}]" if row.goal else ""
            print(f"  {verdict} {row.figure}: {row.measured}{peer}; ratio {row.ratio or '-'}{goal}", flush=True)
        print(f"  ({time.monotonic() - began:.0f} s)", flush=True)
        if not quick:
            report.write({name: results}, list(FIGURES))
    if failed:
        print("not measured: " + ", ".join(failed), file=sys.stderr)
    return 1 if failed else 0


def main() -> int:
    """The command line."""
    options = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    options.add_argument("names", nargs="*", metavar="NAME", help="check, or: " + ", ".join(FIGURES))
    options.add_argument("--quick", action="store_true", help="fewer repetitions; nothing is written")
    options.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    asked = options.parse_args()
    if asked.names == ["check"]:
        from benchmarks.check import run as check

        return check()
    if unknown := [name for name in asked.names if name not in FIGURES]:
        options.error(f"no figure {', '.join(unknown)}; there are: {', '.join(FIGURES)}, and check")
    if asked.one:
        print(json.dumps([asdict(row) for name in asked.names for row in measure(name, asked.quick)]))
        return 0
    return run(asked.names or list(FIGURES), asked.quick)


if __name__ == "__main__":
    sys.exit(main())
