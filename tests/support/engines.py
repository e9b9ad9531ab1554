"""The engines of runs that are carried out in the test's own process."""

import psutil


def engines() -> list[psutil.Process]:
    """Children of this process, among which there may be a database server of other tests."""
    children = psutil.Process().children()
    return [child for child in children if any("dbos_engine" in word for word in child.cmdline())]
