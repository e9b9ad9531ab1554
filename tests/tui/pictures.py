"""Draws every named screen: ``python tests/tui/pictures.py FOLDER [SCENE...]``; ``--docs`` renews docs/images."""

from __future__ import annotations

import asyncio
import importlib.util
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))


async def draw(folder: Path, names: list[str]) -> None:
    """One SVG for each scene and size."""
    spec = importlib.util.spec_from_file_location("tui_tests_scenes", Path(__file__).with_name("scenes.py"))
    assert spec is not None
    assert spec.loader is not None
    scenes = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(scenes)
    if names == ["--docs"]:
        picture = await scenes.picture("asking", (200, 48))
        alone = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)  # a picture in a page fetches nothing
        (folder / "quarterdeck.svg").write_text(alone, encoding="utf-8")
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
