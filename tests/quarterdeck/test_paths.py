from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from quarterdeck import paths as module
from quarterdeck.errors import Broken
from quarterdeck.paths import (
    SOCKET_PATH_LIMIT,
    Paths,
    boot_id,
    default_home,
    file_system,
    private_folder,
    read_file,
    write_file,
)


def test_where_state_lives() -> None:
    home = Path.home()
    assert default_home({"QUARTERDECK_HOME": "/srv/deck"}) == Path("/srv/deck")
    assert default_home({"QUARTERDECK_HOME": "deck"}) == Path.cwd() / "deck"
    assert default_home({"QUARTERDECK_HOME": "~/deck"}) == home / "deck"
    assert default_home({"XDG_STATE_HOME": "/state"}) == Path("/state/quarterdeck")
    for useless in ({}, {"XDG_STATE_HOME": ""}, {"XDG_STATE_HOME": "relative"}, {"QUARTERDECK_HOME": ""}):
        assert default_home(useless) == home / ".local/state/quarterdeck"


def test_folders_are_private_whatever_the_mask(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        paths = Paths(tmp_path / "deep" / "state")
        paths.prepare()
        write_file(paths.home / "x", b"1")
    finally:
        os.umask(old)
    for folder in (paths.home, paths.agents, paths.trash, paths.worktrees, paths.backups, paths.log.parent, paths.run):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder
    assert stat.S_IMODE((paths.home / "x").stat().st_mode) == 0o600
    paths.home.chmod(0o755)
    paths.prepare()
    assert stat.S_IMODE(paths.home.stat().st_mode) == 0o700


def test_sockets_stay_short_enough_to_bind(tmp_path: Path) -> None:
    short = Paths(Path("/tmp/qd"))
    assert short.run == Path("/tmp/qd/run")
    long = Paths(tmp_path / ("x" * 90))
    assert long.run.parent == Path(f"/tmp/quarterdeck-{os.getuid()}")
    assert long.run == Paths(tmp_path / ("x" * 90)).run
    assert long.run != Paths(tmp_path / ("y" * 90)).run
    for paths in (short, long):
        assert len(os.fsencode(paths.holder_socket("a23456789b"))) <= SOCKET_PATH_LIMIT
    try:
        long.prepare()
        assert stat.S_IMODE(long.run.stat().st_mode) == stat.S_IMODE(long.run.parent.stat().st_mode) == 0o700
    finally:
        long.run.rmdir()


@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_trap_in_the_shared_temporary_folder_is_refused(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = tmp_path / f"quarterdeck-{os.getuid()}"
    if kind == "link":
        (tmp_path / "theirs").mkdir(mode=0o755)
        trap.symlink_to(tmp_path / "theirs")
    else:
        trap.write_text("")
    with pytest.raises(Broken, match="cannot use"):
        private_folder(trap / "digest")
    if kind == "link":
        assert list((tmp_path / "theirs").iterdir()) == []
        assert stat.S_IMODE((tmp_path / "theirs").stat().st_mode) == 0o755


def test_a_folder_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = os.getuid()
    monkeypatch.setattr(module.os, "getuid", lambda: mine + 1)
    with pytest.raises(Broken, match="belongs to another user"):
        private_folder(tmp_path)


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("x")
    with pytest.raises(Broken, match="nothing was changed") as caught:
        Paths(tmp_path / "state").prepare()
    assert "QUARTERDECK_HOME" in caught.value.hint


def test_a_folder_without_permission_is_named() -> None:
    code = (
        "import os; from pathlib import Path; from quarterdeck.paths import Paths, Broken\n"
        "os.getuid() or os.setuid(65534)\n"
        "try: Paths(Path('/usr/quarterdeck/state')).prepare()\n"
        "except Broken as error: print(error.message, error.hint)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "Permission denied; nothing was changed set QUARTERDECK_HOME" in done.stdout, done.stderr
    assert not Path("/usr/quarterdeck").exists()


def test_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "file_system", lambda path: "nfs4")
    with pytest.raises(Broken, match="network file system"):
        Paths(tmp_path / "state").prepare()
    assert not (tmp_path / "state").exists()


def test_the_file_system_of_a_place_that_does_not_exist_yet() -> None:
    assert file_system(Path("/proc/none/such")) == "proc"
    assert file_system(Path("/no/such/place")) == file_system(Path("/"))


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "agent.json"
    write_file(target, b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write_file(target, b"new")
    monkeypatch.undo()
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["agent.json"]
    write_file(target, b"new")
    assert target.read_bytes() == b"new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    write_file(target, b"theirs", 0o644)
    assert stat.S_IMODE(target.stat().st_mode) == 0o644


def test_reading_what_a_stranger_left(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    (tmp_path / "file").write_bytes(b"12345")
    assert read_file(tmp_path / "file", 5) == b"12345"
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "endless").symlink_to("/dev/zero")
    for name in ("pipe", "endless", "."):
        with pytest.raises(OSError, match="not a regular file"):
            read_file(tmp_path / name, 5)
    with pytest.raises(OSError, match="larger than 4 bytes"):
        read_file(tmp_path / "file", 4)
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "none", 4)
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_boot_has_a_name() -> None:
    assert len(boot_id()) == 36
    assert boot_id() == boot_id()


def test_importing_it_stays_cheap() -> None:
    code = "import sys, quarterdeck.paths, quarterdeck.text, quarterdeck.keys; print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert not loaded & {"hashlib", "tempfile", "asyncio", "pydantic", "difflib", "pluggy", "json", "subprocess"}
