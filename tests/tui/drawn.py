"""A screen as text: what stands in each cell and in which style. Exact, small, and readable where it differs.

One text holds one scene in several sizes and themes. Colours are named by their role in the theme where they have one,
so that a colour of a theme may be bettered without a thousand lines changing here; where text and shape are the same in
all themes, as they should be, they stand there once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any, NamedTuple

from textual.strip import Strip

Run = tuple[str, int]
"""A style in words and for how many cells."""
_MARKS = ("bold", "dim", "italic", "underline", "underline2", "reverse", "strike", "overline")
_MOST = 60
"""Lines of a difference that are told."""


class Drawn(NamedTuple):
    """The text of each line, without spaces at its end, and the runs of its cells, which say how wide it is."""

    rows: tuple[str, ...]
    styles: tuple[tuple[Run, ...], ...]

    def cells(self, y: int) -> list[str]:
        """The style of each cell of a line."""
        return [style for style, cells in self.styles[y] for _ in range(cells)]


Pictures = dict[tuple[str, str], Drawn]
"""By size ("80x24") and theme."""


def drawn(app: Any) -> Drawn:
    """What the app shows now."""
    roles = {f"#{value:06x}": name for name, value in reversed(app.wearing.theme.roles.items())}
    rows, styles = [], []
    update = app.screen._compositor.render_update(full=True, screen_stack=app._background_screens)
    for strip in map(Strip.join, update.strips):
        cells = [(_words(segment.style, roles), segment.cell_length) for segment in strip if not segment.control]
        rows.append(strip.text.rstrip())
        styles.append(_joined(cells))
    return Drawn(tuple(rows), tuple(styles))


def _joined(runs: list[Run]) -> tuple[Run, ...]:
    return tuple((words, sum(n for _, n in same)) for words, same in groupby(runs, lambda run: run[0]))


def _words(style: Any, roles: Mapping[str, str]) -> str:
    if style is None:
        return "plain"
    colors = []
    for color in (style.color, style.bgcolor):
        value = "own" if color is None or color.is_default else color.get_truecolor().hex
        colors.append(roles.get(value, value))
    marks = [mark for mark in _MARKS if getattr(style, mark)]
    return " ".join([colors[0], "on", colors[1], *marks])


def _names() -> Iterator[str]:
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    yield from letters
    yield from (one + other for one in letters for other in letters)


def written(pictures: Pictures, screens: list[str]) -> str:
    """The text of a scene; ``screens`` names the classes of the screens that lie over one another in it."""
    themes = list(dict.fromkeys(theme for _, theme in pictures))
    names, legend, parts = _names(), {}, []
    for size in dict.fromkeys(size for size, _ in pictures):
        here = {theme: pictures[size, theme] for theme in themes if (size, theme) in pictures}
        for alike in _alike(here):
            one = here[alike[0]]
            parts.append(f"--- {size} {' '.join(alike)}")
            parts += one.rows
            lines = []
            for y in range(len(one.rows)):
                cells = list(zip(*(here[theme].cells(y) for theme in alike), strict=True))
                codes = []
                for styles, run in groupby(cells):
                    known = tuple(styles[alike.index(theme)] if theme in alike else "" for theme in themes)
                    if known not in legend:
                        legend[known] = next(names)
                    codes.append(f"{legend[known]}{sum(1 for _ in run)}")
                lines.append(" ".join(codes))
            parts.append("--- styles")
            at = 0
            for line, same in groupby(lines):
                count = sum(1 for _ in same)
                parts.append(f"{at}{f'-{at + count - 1}' if count > 1 else ''}: {line}")
                at += count
    head = [f"screens {' '.join(screens)}", f"themes {' '.join(themes)}"]
    for known, name in legend.items():
        said = set(known) - {""}
        head.append(f"{name} = {said.pop() if len(said) == 1 and '' not in known else ' | '.join(known)}")
    return "\n".join([*head, *parts]) + "\n"


def _alike(here: Mapping[str, Drawn]) -> list[list[str]]:
    """The themes in which the same stands in every cell."""
    found: list[list[str]] = []
    for theme, one in here.items():
        for group in found:
            if here[group[0]].rows == one.rows:
                group.append(theme)
                break
        else:
            found.append([theme])
    return found


def read(text: str) -> Pictures:
    """The pictures in a text."""
    lines = iter(text.split("\n")[:-1])
    next(lines)
    themes = next(lines).split()[1:]
    legend: dict[str, list[str]] = {}
    found: Pictures = {}
    for line in lines:
        if not line.startswith("--- "):
            name, _, words = line.partition(" = ")
            legend[name] = words.split(" | ") if " | " in words else [words] * len(themes)
            continue
        _, size, *alike = line.split()
        count = int(size.partition("x")[2])
        rows = tuple(next(lines) for _ in range(count))
        assert next(lines) == "--- styles"
        codes: list[str] = []
        while len(codes) < count:
            span, _, code = next(lines).partition(": ")
            first, _, last = span.partition("-")
            codes += [code] * (int(last or first) - int(first) + 1)
        for theme in alike:
            at = themes.index(theme)
            styles = tuple(_joined([_run(run, legend, at) for run in code.split()]) for code in codes)
            found[size, theme] = Drawn(rows, styles)
    return found


def _run(code: str, legend: Mapping[str, list[str]], theme: int) -> Run:
    found = re.fullmatch(r"([a-zA-Z]+)(\d+)", code)
    assert found is not None, code
    return legend[found[1]][theme], int(found[2])


def difference(was: str, now: str) -> Iterator[str]:
    """What a person wants to know of two texts that differ."""
    told = 0
    if was.partition("\n")[0] != now.partition("\n")[0]:
        yield f"was {was.partition(chr(10))[0]}; is {now.partition(chr(10))[0]}"
    before, after = read(was), read(now)
    for size, theme in sorted(before.keys() ^ after.keys()):
        yield f"{size} {theme}: {'gone' if (size, theme) in before else 'new'}"
    for place in before.keys() & after.keys():
        for line in _differing(before[place], after[place]):
            told += 1
            if told > _MOST:
                yield "and more"
                return
            yield f"{place[0]} {place[1]} {line}"


def _differing(was: Drawn, now: Drawn) -> Iterator[str]:
    for y, (old, new) in enumerate(zip(was.rows, now.rows, strict=True)):
        if old != new:
            yield f"line {y:2} was |{old}"
            yield f"{'':7} is |{new}"
        changes = [(a, b) if a != b else None for a, b in zip(was.cells(y), now.cells(y), strict=True)]
        x = 0
        for change, run in groupby(changes):
            cells = sum(1 for _ in run)
            if change is not None:
                yield f"line {y:2} cells {x} to {x + cells - 1}: was {change[0]}; is {change[1]}"
            x += cells
