"""What is marked on a screen: where the selection of a dialog stands, told by reverse video or by a background.

Pure, and strict: where several texts of a row could be the marked one, none is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from quarterdeck.rows import DEFAULT, INVERSE, Look, Mark, Row, View

_WORD = re.compile(r"\w")
_REVERSED = -2
"""Stands for the background of text in reverse video."""


class _Segment(NamedTuple):
    """Neighbouring cells of one ground: ``left`` to ``right`` are cells, ``begin`` to ``end`` characters."""

    ground: int
    left: int
    right: int
    begin: int
    end: int


def look_of(view: View) -> Look:
    """A whole screen as text; ``view`` is full."""
    rows = tuple(row for _, row in view.rows)
    cursor = (view.cursor.x, view.cursor.y)
    return Look(tuple(row.text for row in rows), cursor, view.cols, view.title, view.offset, marks(rows, view.cols))


def marks(rows: Sequence[Row], cols: int) -> tuple[Mark, ...]:
    """What is marked in ``rows``, all of a screen of ``cols`` columns: one text of a row, or one whole row of many.

    In a row: the one text in reverse video, else the one whose background differs from that on both of its sides.
    Of the others: the row whose background differs from that above and below it.
    """
    cut = [tuple(_segments(row, cols)) for row in rows]
    found: list[Mark] = []
    bars: list[tuple[int, Mark]] = []
    for y, (row, segments) in enumerate(zip(rows, cut, strict=True)):
        if len(segments) == 1 and segments[0].ground == DEFAULT:
            above, below = cut[y - 1 : y] if y else [], cut[y + 1 : y + 2]
            if all(len(near) == 1 and near[0].ground == DEFAULT for near in above + below):
                continue
        text = row.text
        reverse = [one for one in segments if one.ground == _REVERSED]
        candidates = _written(y, text, reverse or list(_islands(segments)))
        if candidates:
            found += _only(candidates)
        else:
            widest = max(segments, key=_width)
            if _stands_out(widest, [cut[near] for near in (y - 1, y + 1) if 0 <= near < len(cut)]):
                bars += _written(y, text, [widest])
    return tuple(sorted(found + _only(bars)))


def _segments(row: Row, cols: int) -> Iterator[_Segment]:
    """The row from its first to its last column."""
    runs = [(_REVERSED if run.style.attrs & INVERSE else run.style.bg, run.cells, len(run.text)) for run in row.runs]
    runs.append((DEFAULT, max(0, cols - sum(cells for _, cells, _ in runs)), 0))
    ground, left, begin, x, at = runs[0][0], 0, 0, 0, 0
    for kind, cells, count in runs:
        if kind != ground and cells:
            if x > left:
                yield _Segment(ground, left, x, begin, at)
            ground, left, begin = kind, x, at
        x, at = x + cells, at + count
    yield _Segment(ground, left, x, begin, at)


def _islands(segments: Sequence[_Segment]) -> Iterator[_Segment]:
    """Those between two parts of the same ground, and the row's ends where these differ; not what most of it is."""
    widths: Counter[int] = Counter()
    for one in segments:
        widths[one.ground] += _width(one)
    ((most, _),) = widths.most_common(1)
    margins = segments[0].ground == segments[-1].ground
    for n, one in enumerate(segments):
        at_end = n in (0, len(segments) - 1)
        between = not at_end and segments[n - 1].ground == segments[n + 1].ground
        if one.ground != most and (between or (at_end and not margins)):
            yield one


def _width(one: _Segment) -> int:
    return one.right - one.left


def _stands_out(one: _Segment, near: Sequence[Sequence[_Segment]]) -> bool:
    grounds = {part.ground for row in near for part in row if part.left < one.right and part.right > one.left}
    return len(grounds) == 1 and one.ground not in grounds


def _written(y: int, text: str, segments: Sequence[_Segment]) -> list[tuple[int, Mark]]:
    """The places of those segments that hold words, not blanks or frames alone."""
    return [(one.ground, Mark(y, one.begin, one.end)) for one in segments if _WORD.search(text, one.begin, one.end)]


def _only(candidates: Sequence[tuple[int, Mark]]) -> list[Mark]:
    """The one that is not like the others, which are all alike."""
    counts = Counter(ground for ground, _ in candidates)
    single = [mark for ground, mark in candidates if counts[ground] == 1]
    return single if len(single) == 1 and len(counts) <= 2 else []
