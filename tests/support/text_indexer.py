"""Indexes the files of a folder until it is killed or done: ``text_indexer.py FILES STATE``."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from memory.texts.index import TextIndex
from memory.texts.source import TextSource
from quarterdeck.clock import SystemClock
from quarterdeck.redaction import Redactor
from tests.support.text_files import TextFile


async def main(files: Path, state: Path) -> None:
    async def everything() -> Sequence[TextSource]:
        os.write(1, b"up\n")
        return [TextFile(path.name, path) for path in sorted(files.iterdir())]

    async with TextIndex.open(state, SystemClock(), Redactor(), everything) as index:
        await index.settle(0.01)
        await index.settle()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
