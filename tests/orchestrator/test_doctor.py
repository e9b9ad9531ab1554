"""What the doctor finds of an orchestrator in trouble."""

import subprocess
import sys

import pytest

FIRST = """
import sys
from pathlib import Path
from orchestrator.client import Client
from quarterdeck.paths import Paths
Client(Paths(Path(sys.argv[1]))).request("GET", "/v1/health")
"""
PROFILE = """
title = "Hooked"
kind = "agent"
argv = ["cat"]
[hooks]
shape = "claude"
"""
ALONE = [
    "unshare",
    "--user",
    "--map-root-user",
    "sh",
    "-c",
    'echo 0 > /proc/sys/user/max_inotify_instances; exec "$@"',
    "-",
]


def _may_be_alone():
    try:
        return subprocess.run([*ALONE, "true"], capture_output=True, timeout=20, check=False).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux" or not _may_be_alone(), reason="no user namespaces here")
def test_it_starts_without_inotify_and_says_so(place, until):
    folder = place.root / "config" / "quarterdeck" / "profiles"
    folder.mkdir(parents=True)
    (folder / "hooked.toml").write_text(PROFILE)
    client = [*ALONE, sys.executable, "-c", FIRST, str(place.paths.home)]
    subprocess.run(client, check=True, capture_output=True, timeout=60, env=place.environ)
    place.new(profile="hooked")
    until(lambda: _finding(place), "the doctor names it")


def _finding(place):
    found = place.client.request("GET", "/v1/doctor")["problems"]
    return any("no inotify left" in one["problem"] and "sysctl" in one["mend"] for one in found)
