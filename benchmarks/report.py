"""Rows of figures, and the page that keeps them."""

from __future__ import annotations

import datetime
import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

PAGE = Path(__file__).parent / "results.md"
_HEAD = ("name", "figure", "goal", "measured", "peer in the same run", "ratio", "verdict", "date")
_ABOUT = """# Figures

Written by `python -m benchmarks` (`make bench`). Every figure was measured beside its peer in the same run, in turns
where both can be asked in turns. A ratio is ours divided by the peer's: below 1 is better for times, CPU and memory,
above 1 for speeds. `benchmarks/figures/NAME.py` says exactly what each one measures.
"""


@dataclass(frozen=True, kw_only=True)
class Result:
    """One row. ``met`` is None where there is no goal."""

    figure: str
    measured: str
    goal: str = ""
    peer: str = ""
    ratio: str = ""
    met: bool | None = None

    def cells(self, name: str, date: str) -> tuple[str, ...]:
        """The row as it is written."""
        verdict = "" if self.met is None else "met" if self.met else "**missed**"
        return name, self.figure, self.goal, self.measured, self.peer, self.ratio, verdict, date


def ratio(ours: float, peer: float) -> str:
    """Ours divided by the peer's."""
    return f"{ours / peer:.2f}" if peer else ""


def machine() -> str:
    """What it was measured on; nothing that names a person or a place."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = [f"{name} {metadata.version(name)}" for name in ("textual", "pyghostty", "uvicorn", "websockets")]
    if shutil.which("tmux"):
        versions.append(subprocess.run(["tmux", "-V"], capture_output=True, text=True, check=True).stdout.strip())
    kernel = ".".join(platform.release().split("-")[0].split(".")[:2])
    return (
        f"{model}, {os.cpu_count()} cores, {memory:.0f} GB; Linux {kernel}, "
        f"Python {platform.python_version()}, {', '.join(versions)}"
    )


def table(rows: list[tuple[str, ...]]) -> str:
    """A markdown table whose columns line up."""
    everything = [_HEAD, *rows]
    widths = [max(len(row[n]) for row in everything) for n in range(len(_HEAD))]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in everything]
    lines = [f"| {' | '.join(cells)} |" for cells in padded]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def today() -> str:
    """The date rows are given."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def write(found: dict[str, list[Result]], order: list[str]) -> None:
    """Put these figures into the page; rows of others stay if they are of this very machine."""
    here = f"Machine: {machine()}."
    old = PAGE.read_text() if PAGE.exists() else ""
    rows: dict[str, list[tuple[str, ...]]] = {}
    for line in old.splitlines() if here in old else ():
        cells = tuple(cell.strip() for cell in line.strip("|").split("|"))
        if len(cells) == len(_HEAD) and cells[0] in order and cells[0] not in found:
            rows.setdefault(cells[0], []).append(cells)
    for name, results in found.items():
        rows[name] = [result.cells(name, today()) for result in results]
    listed = [row for name in order for row in rows.get(name, [])]
    PAGE.write_text(f"{_ABOUT}\n{here}\n\n{table(listed)}\n")
