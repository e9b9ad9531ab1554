"""Folders watched: that come, go and are replaced, with the folders below them, by a system that has no watch left."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from quarterdeck.watching import Watch, Watching

WATCHER = Path(__file__).parents[1] / "support" / "watcher.py"
SYSTEMS = pytest.mark.parametrize(
    "inotify",
    [pytest.param(True, marks=pytest.mark.skipif(sys.platform != "linux", reason="of Linux")), False],
    ids=["inotify", "elsewhere"],
)


class Ear:
    """What was told of one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths: set[str] = set()
        self.missed = 0
        """How often everything was to be looked at again."""

    def __call__(self, paths: frozenset[Path] | None) -> None:
        if paths is None:
            self.missed += 1
        else:
            assert paths
            self.paths |= {str(path.relative_to(self.folder)) for path in paths}

    async def hears(self, *paths: str) -> None:
        """Wait until all of these were told of, or that anything may have changed, and begin anew."""
        await happens(lambda: self.missed or self.paths.issuperset(paths))
        self.forget()

    def forget(self) -> None:
        self.paths.clear()
        self.missed = 0


async def happens(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.005)


async def ready(watching: Watching, ear: Ear, **how: bool) -> Watch:
    """Watch the ear's folder; from now on it hears."""
    watch = watching.watch(ear.folder, ear, **how)
    if not watching._inotify:
        await happens(lambda: ear.missed)
        ear.forget()
    return watch


@SYSTEMS
async def test_a_folder_is_watched_before_it_exists_and_when_it_is_made_again(tmp_path: Path, inotify: bool) -> None:
    ear = Ear(tmp_path / "not" / "yet")
    watching = Watching(inotify=inotify)
    watching.watch(ear.folder, ear)
    async with watching:
        await happens(lambda: ear.missed)
        ear.forget()
        ear.folder.mkdir(parents=True)
        (ear.folder / "one").write_text("1")
        await ear.hears("one")
        (ear.folder / "two").write_text("2")
        await ear.hears("two")
        shutil.rmtree(ear.folder)
        await happens(lambda: ear.missed)
        ear.forget()
        ear.folder.mkdir()
        await happens(lambda: ear.missed)
        (ear.folder / "three").write_text("3")
        await happens(lambda: "three" in ear.paths or ear.missed > 1)


@SYSTEMS
async def test_two_may_watch_one_folder_and_one_may_stop(tmp_path: Path, inotify: bool) -> None:
    async with Watching(inotify=inotify) as watching:
        first, second = Ear(tmp_path), Ear(tmp_path)
        watch = await ready(watching, first)
        await ready(watching, second)
        (tmp_path / "a").write_text("")
        await first.hears("a")
        await second.hears("a")
        watch.close()
        watch.close()
        (tmp_path / "b").write_text("")
        await second.hears("b")
        assert "b" not in first.paths


@SYSTEMS
async def test_a_folder_that_is_replaced_is_followed_by_its_name(tmp_path: Path, inotify: bool) -> None:
    ear = Ear(tmp_path / "notes")
    ear.folder.mkdir()
    (tmp_path / "other").mkdir()
    async with Watching(inotify=inotify) as watching:
        await ready(watching, ear, recursive=True)
        ear.folder.rename(tmp_path / "old")
        (tmp_path / "other").rename(ear.folder)
        await happens(lambda: ear.missed)
        ear.forget()
        (ear.folder / "new").touch()
        await ear.hears("new")


@SYSTEMS
async def test_folders_below_are_watched_as_they_come_and_go(tmp_path: Path, inotify: bool) -> None:
    ear = Ear(tmp_path / "top")
    (ear.folder / "a" / "b").mkdir(parents=True)
    async with Watching(inotify=inotify) as watching:
        await ready(watching, ear, recursive=True)
        (ear.folder / "a" / "b" / "deep").touch()
        await ear.hears("a/b/deep")

        made = ear.folder / "made" / "in" / "one go"
        made.mkdir(parents=True)
        (made / "file").touch()
        await ear.hears("made", "made/in", "made/in/one go", "made/in/one go/file")
        (made / "file").write_text("again")
        await ear.hears("made/in/one go/file")

        (ear.folder / "made").rename(ear.folder / "named")
        await ear.hears("made", "named")
        (ear.folder / "named" / "in" / "later").touch()
        await ear.hears("named/in/later")

        shutil.rmtree(ear.folder / "named")
        await ear.hears("named")
        (ear.folder / "named").mkdir()
        (ear.folder / "named" / "anew").touch()
        await ear.hears("named/anew")


@SYSTEMS
async def test_one_level_is_one_level(tmp_path: Path, inotify: bool) -> None:
    (tmp_path / "below").mkdir()
    async with Watching(inotify=inotify) as watching:
        ear = Ear(tmp_path)
        await ready(watching, ear)
        (tmp_path / "below" / "unheard").touch()
        (tmp_path / "heard").touch()
        await happens(lambda: "heard" in ear.paths)
        assert not any("unheard" in path for path in ear.paths)


@pytest.mark.skipif(sys.platform != "linux", reason="inotify")
async def test_a_folder_moved_out_or_behind_a_link_is_not_watched(tmp_path: Path) -> None:
    ear = Ear(tmp_path / "top")
    (ear.folder / "sub" / "low").mkdir(parents=True)
    (tmp_path / "linked").mkdir()
    (ear.folder / "link").symlink_to(tmp_path / "linked")
    (ear.folder / "itself").symlink_to(ear.folder)
    async with Watching() as watching:
        await ready(watching, ear, recursive=True)
        (ear.folder / "sub").rename(tmp_path / "out")
        await ear.hears("sub")
        (tmp_path / "out" / "low" / "x").touch()
        (tmp_path / "linked" / "y").touch()
        (ear.folder / "last").touch()
        await happens(lambda: "last" in ear.paths)
        assert ear.paths == {"last"}


@pytest.mark.skipif(sys.platform != "linux", reason="inotify")
async def test_an_overflow_is_told_as_everything_and_what_came_meanwhile_is_watched(tmp_path: Path) -> None:
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    ear, other = Ear(tmp_path / "top"), Ear(tmp_path / "other")
    for one in (ear, other):
        one.folder.mkdir()
    async with Watching() as watching:
        await ready(watching, ear, recursive=True)
        await ready(watching, other)
        descriptors = [os.open(ear.folder / name, os.O_WRONLY | os.O_CREAT) for name in "ab"]
        for number in range(most + 10):  # alternately, since the same event twice in a row is counted once
            os.write(descriptors[number % 2], b"x")
        (ear.folder / "unheard").mkdir()
        for one in descriptors:
            os.close(one)
        await happens(lambda: ear.missed and other.missed)
        (ear.folder / "unheard" / "of").touch()
        await happens(lambda: "unheard/of" in ear.paths)


@pytest.mark.skipif(sys.platform != "linux", reason="inotify")
async def test_nothing_wakes_anybody_while_nothing_happens_to_what_is_watched(tmp_path: Path) -> None:
    missing, here = Ear(tmp_path / "busy" / "missing" / "notes"), Ear(tmp_path / "here")
    (tmp_path / "busy").mkdir()
    here.folder.mkdir()
    async with Watching() as watching:
        await ready(watching, missing)
        await ready(watching, here)
        (here.folder / "one").mkdir()
        await here.hears("one")
        before = watching.events
        (here.folder / "one" / "below").touch()  # not asked for
        (tmp_path / "busy" / "x").touch()  # beside what is waited for
        (here.folder / "two").mkdir()
        await here.hears("two")
        assert watching.events - before == 3  # x made and closed, two made
        assert missing.missed == 0


async def test_a_listener_that_fails_keeps_nobody_from_hearing(tmp_path: Path) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda *_: failed.append(1))
    failed: list[int] = []

    def fails(paths: object) -> None:
        raise LookupError(paths)

    async with Watching() as watching:
        ear = Ear(tmp_path)
        watching.watch(tmp_path, fails)
        await ready(watching, ear)
        for name in ("one", "two"):
            (tmp_path / name).touch()
            await ear.hears(name)
    assert failed


@SYSTEMS
async def test_nothing_is_told_before_the_start_or_after_the_end(tmp_path: Path, inotify: bool) -> None:
    ear = Ear(tmp_path)
    watching = Watching(inotify=inotify)
    watching.watch(tmp_path, ear)
    (tmp_path / "before").touch()
    await asyncio.sleep(0)
    assert not ear.missed
    for _ in range(2):  # it can be begun again
        async with watching:
            await happens(lambda: ear.missed)
            (tmp_path / "between").touch()
        ear.forget()
        (tmp_path / "after").touch()
        for _ in range(3):
            await asyncio.sleep(0)
        assert not ear.missed
        assert not ear.paths


async def test_what_an_agent_names_may_be_no_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    ear = Ear(tmp_path)
    with caplog.at_level(logging.WARNING):
        async with Watching() as watching:
            for name in ("file", "file/below", "\ud800", "x" * 300):
                watching.watch(tmp_path / name, lambda paths: None, recursive=True)
            await ready(watching, ear)
            (tmp_path / "heard").touch()
            await ear.hears("heard")
    assert caplog.text.count("cannot be watched") == 2


@pytest.mark.skipif(os.getuid() != 0 or sys.platform != "linux", reason="becomes another user")
@pytest.mark.parametrize("mode", ["used-up", "closed"])
def test_what_cannot_be_watched(mode: str) -> None:
    uid = 300_000 + os.getpid()  # of nobody else, so that its inotify instances are its own
    folder = Path(tempfile.mkdtemp(prefix="qw-", dir="/tmp"))
    try:
        (folder / "closed" / "inner").mkdir(parents=True)
        (folder / "closed").chmod(0o700)
        (folder / "open").mkdir()
        (folder / "file").touch()
        for path in (folder, folder / "open"):
            os.chown(path, uid, uid)
        command = [sys.executable, "-P", WATCHER, mode, folder, str(uid)]
        environ = {**os.environ, "PYTHONPATH": str(WATCHER.parents[2])}
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environ)
        assert done.returncode == 0, done.stderr
    finally:
        shutil.rmtree(folder)
