"""Folders that cannot be watched: not ours to read, or of a system that has no watch left."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

WATCHER = Path(__file__).parents[2] / "support" / "watcher.py"


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
