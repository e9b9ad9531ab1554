"""What is told of a run: while it goes on, and when it is over.

Everything here is made of the values of :mod:`pipelines.model` alone: plans, events and results whose texts were
redacted where they were made. Texts are hostile all the same and are made safe for where they go.
"""

from pipelines.report.annotations import annotations
from pipelines.report.display import Display, fits, table
from pipelines.report.junit import junit
from pipelines.report.progress import Progress, Style, lines
from pipelines.report.result import result_json
from pipelines.report.summary import summary

__all__ = [
    "Display",
    "Progress",
    "Style",
    "annotations",
    "fits",
    "junit",
    "lines",
    "result_json",
    "summary",
    "table",
]
