"""What is told of a run: while it goes on, and when it is over.

Everything here is made of the values of :mod:`pipelines.model` alone: plans, events and results whose texts were
redacted where they were made. Texts are hostile all the same and are made safe for where they go.

Files that programs read are made in :mod:`pipelines.report.junit` and :mod:`pipelines.report.result`, which load
libraries that no run needs before it begins.
"""

from pipelines.report.annotations import annotations
from pipelines.report.display import Display, fits, table
from pipelines.report.progress import Progress, Style, lines
from pipelines.report.summary import summary

__all__ = [
    "Display",
    "Progress",
    "Style",
    "annotations",
    "fits",
    "lines",
    "summary",
    "table",
]
