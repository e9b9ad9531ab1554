"""The limit of open files, raised in a process of its own, and what its children have."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import resource, subprocess, sys
from quarterdeck import openfiles
def limit(*values): resource.setrlimit(resource.RLIMIT_NOFILE, values)
limit(*map(int, sys.argv[1:3]))
openfiles.as_before(0)
print(openfiles.raise_limit(), openfiles.raise_limit(), *resource.getrlimit(resource.RLIMIT_NOFILE))
child = subprocess.Popen(["sh", "-c", "read go; ulimit -n"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
openfiles.as_before(child.pid)
print(child.communicate("go")[0].strip())
openfiles.as_before(child.pid)
"""


def raised(soft: int, hard: int) -> list[int]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(soft), str(hard)], capture_output=True, text=True, check=True
    )
    return [int(word) for word in done.stdout.split()]


def test_the_soft_limit_is_raised_as_far_as_it_may_and_programs_keep_theirs() -> None:
    assert raised(64, 300) == [300, 300, 300, 300, 64]


def test_a_limit_that_is_enough_is_left_alone() -> None:
    assert raised(300, 300) == [300, 300, 300, 300, 300]
