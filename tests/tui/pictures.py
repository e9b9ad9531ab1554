"""Draws every named screen: ``python tests/tui/pictures.py FOLDER [SCENE...]``; ``--docs`` renews docs/images."""

from __future__ import annotations

import asyncio
import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))

SHOWN = ("ember", "fjord", "parchment", "colorblind-dark")
"""The themes in the picture of themes."""
FONTS = "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"
"""What draws a picture in a page, which fetches nothing: whichever of these the reader has."""
TOUR: dict[str, tuple[str, tuple[int, int]]] = {
    "first": ("first", (100, 26)),
    "deck": ("split", (140, 36)),
    "asking": ("asking", (140, 36)),
    "inbox": ("inbox-diff", (110, 30)),
    "prompt": ("composer", (110, 30)),
    "guide": ("guide", (110, 30)),
    "palette": ("palette", (110, 26)),
    "filter": ("filter", (140, 30)),
    "needing": ("needing", (140, 36)),
    "themes": ("themes", (110, 30)),
    "why": ("why", (110, 30)),
    "memory": ("memory-list", (120, 32)),
}
"""The pictures of docs/tour.md: the scene of each, and its size."""


def _load(name: str, path: Path) -> Any:
    known = f"tui_tests_{name}"
    if known not in sys.modules:
        spec = importlib.util.spec_from_file_location(known, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[known] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[known])
    return sys.modules[known]


scenes = _load("scenes", HERE / "scenes.py")


def every() -> dict[str, Any]:
    """All scenes, those of the memory among them."""
    memory = _load("remembered", HERE / "memory" / "remembered.py").SCENES
    named = {name if name.startswith("memory") else f"memory-{name}": scene for name, scene in memory.items()}
    return dict(scenes.SCENES) | named


def alone(picture: str) -> str:
    """A picture that fetches nothing: it stands in a page."""
    picture = picture.replace("<text ", '<text xml:space="preserve" ')  # else some lose the spaces a text begins with
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)
    return re.sub(r"font-family: (Fira Code|arial)[^;]*;", f"font-family: {FONTS};", picture)


def side_by_side(pictures: list[str]) -> str:
    """Pictures of one size as one, two in a row. Each keeps its own names of styles."""
    found = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', pictures[0])
    assert found is not None
    width, height = float(found[1]), float(found[2])
    placed = [
        picture.replace(
            "<svg ", f'<svg x="{n % 2 * width}" y="{n // 2 * height}" width="{width}" height="{height}" ', 1
        )
        for n, picture in enumerate(pictures)
    ]
    rows = (len(pictures) + 1) // 2
    whole = f'<svg viewBox="0 0 {2 * width} {rows * height}" xmlns="http://www.w3.org/2000/svg">'
    return "\n".join([whole, *placed, "</svg>"]) + "\n"


async def one(name: str, size: tuple[int, int], theme: str = "", title: str = "quarterdeck") -> str:
    """A scene as SVG, in one theme."""
    scene = every()[name]
    scene = scene._replace(themes=(theme,) if theme else scene.themes[:1])
    return str(next(iter((await scenes.picture(scene, size, title)).values())))


async def docs(folder: Path) -> None:
    """The pictures of the README and of the tour."""
    (folder / "quarterdeck.svg").write_text(alone(await one("asking", (200, 48))), encoding="utf-8")
    four = [alone(await one("asking", (100, 26), theme, theme)) for theme in SHOWN]
    (folder / "themes.svg").write_text(side_by_side(four), encoding="utf-8")
    for word, (name, size) in TOUR.items():
        (folder / f"tour-{word}.svg").write_text(alone(await one(name, size)), encoding="utf-8")


async def draw(folder: Path, names: list[str]) -> None:
    """One SVG for each scene, size and theme."""
    for name in names or every():
        scene = every()[name]
        for word in scene.sizes:
            for theme, picture in (await scenes.picture(scene, scenes.SIZES[word])).items():
                (folder / f"{name}-{word}-{theme}.svg".replace(" ", "-")).write_text(alone(picture), encoding="utf-8")


if __name__ == "__main__":
    target = Path(sys.argv[1]) if sys.argv[1:] and sys.argv[1] != "--docs" else ROOT / "docs" / "images"
    target.mkdir(parents=True, exist_ok=True)
    asyncio.run(docs(target) if sys.argv[1:2] == ["--docs"] else draw(target, sys.argv[2:]))
