"""Counts that do not depend on the machine, each with its bound; a bound that is passed fails the check.

Ratios to a peer depend on the machine a little and are printed for people to judge; they never fail the check.
"""

from __future__ import annotations

import time

from benchmarks.counts import bank, frames, imports, processes, ratios, repaint, runs, statements


def run() -> int:
    """Count everything and print it; the exit status."""
    began = time.monotonic()
    broken = []
    for group in (imports, statements, bank, repaint, processes, frames, runs):
        for count in group.counts():
            print(f"  {'+' if count.met else '!'} {count.line()}", flush=True)
            if not count.met:
                broken.append(count)
    for line in ratios.lines():
        print(f"    {line}", flush=True)
    print(f"  ({time.monotonic() - began:.0f} s)")
    for count in broken:
        print(f"bench-check: {count.line()}")
    return 1 if broken else 0
