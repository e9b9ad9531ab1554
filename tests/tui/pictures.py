"""Draws every named screen: ``python tests/tui/pictures.py FOLDER [SCENE...]``; ``--docs`` renews docs/images."""

from __future__ import annotations

import asyncio
import importlib.util
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))


SHOWN = ("ember", "fjord", "parchment", "colorblind-dark")
"""The themes in the picture of themes."""


def alone(picture: str) -> str:
    """A picture that fetches nothing: it stands in a page."""
    return re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)


def side_by_side(pictures: list[str]) -> str:
    """Pictures of one size as one, two in a row. Each keeps its own names of styles."""
    found = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', pictures[0])
    assert found is not None
    width, height = float(found[1]), float(found[2])
    placed = [
        picture.replace("<svg ", f'<svg x="{n % 2 * width}" y="{n // 2 * height}" width="{width}" height="{height}" ', 1)
        for n, picture in enumerate(pictures)
    ]
    rows = (len(pictures) + 1) // 2
    whole = f'<svg viewBox="0 0 {2 * width} {rows * height}" xmlns="http://www.w3.org/2000/svg">'
    return "\n".join([whole, *placed, "</svg>"]) + "\n"


async def draw(folder: Path, names: list[str]) -> None:
    """One SVG for each scene and size."""
    spec = importlib.util.spec_from_file_location("tui_tests_scenes", Path(__file__).with_name("scenes.py"))
    assert spec is not None
    assert spec.loader is not None
    scenes = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(scenes)
    if names == ["--docs"]:
        picture = await scenes.picture("asking", (200, 48))
        (folder / "quarterdeck.svg").write_text(alone(picture), encoding="utf-8")
        four = [await scenes.picture("asking", (100, 26), title=name, theme=name) for name in SHOWN]
        (folder / "themes.svg").write_text(side_by_side([alone(one) for one in four]), encoding="utf-8")
        return
    for name in names or scenes.SCENES:
        for word, size in scenes.SIZES.items():
            (folder / f"{name}-{word}.svg").write_text(await scenes.picture(name, size), encoding="utf-8")
    if not names:
        (folder / "tiny.svg").write_text(await scenes.picture("grid", scenes.TINY), encoding="utf-8")


if __name__ == "__main__":
    target = Path(sys.argv[1]) if sys.argv[1:] and sys.argv[1] != "--docs" else ROOT / "docs" / "images"
    target.mkdir(parents=True, exist_ok=True)
    asyncio.run(draw(target, sys.argv[1:] if sys.argv[1:] == ["--docs"] else sys.argv[2:]))
