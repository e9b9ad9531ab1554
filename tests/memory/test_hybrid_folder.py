"""A folder the bank may not use: the database goes on, and a person is told."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from memory.backend import Filter
from tests.support.synced import happens

Opener = Callable[..., Awaitable[Any]]


async def test_a_folder_behind_a_link_is_none(opened: Opener, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.md").write_text("x")
    (tmp_path / "workspace" / ".quarterdeck").mkdir(parents=True)
    (tmp_path / "workspace" / ".quarterdeck" / "memory").symlink_to(tmp_path / "elsewhere")
    bank = await opened()
    await bank.put("one")
    assert [one.message for one in await bank.backend.sync() if "link" in one.message]
    assert len(await bank.backend.find(Filter())) == 1
    assert os.listdir(tmp_path / "elsewhere") == ["a.md"]


@pytest.fixture
def remounted(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Mounts a small file system as the memory folder; called with rw or ro."""
    folder = tmp_path / "workspace" / ".quarterdeck" / "memory"
    folder.mkdir(parents=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("mounting a small tmpfs is not permitted here")
    yield lambda how: subprocess.run(["mount", "-o", f"remount,{how}", folder], check=True)  # type: ignore[func-returns-value]
    subprocess.run(["umount", "-l", folder], check=True)


async def test_a_folder_that_cannot_be_written_is_told_and_written_later(
    remounted: Callable[[str], None], opened: Opener
) -> None:
    bank = await opened()
    (bank.folder / "by-hand.md").write_text("words")
    remounted("ro")
    other = await bank.put("two")
    await happens(lambda: any("Read-only file system" in one for one in bank.backend.problems))
    made = await bank.new({other})
    assert made.content.body == "words", "taken, though its id cannot be put in"
    await bank.backend.sync()
    assert len(await bank.backend.find(Filter())) == 2
    remounted("rw")
    await bank.backend.sync()
    assert (await bank.file_of(other)).exists()
    assert (bank.folder / "by-hand.md").read_text() == f"---\nid: {made.id}\n---\n\nwords"
    assert not bank.backend.problems
    assert len(await bank.backend.versions(made.id)) == 1
