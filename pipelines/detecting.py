"""Which commands run a workspace's tests and measure its coverage, as far as its own files tell.

Nothing is run but ``python -c`` to see whether a module can be imported. A coverage command prints the percentage as
the last number.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from quarterdeck.paths import read_file

_LIMIT = 1 << 20
_PATIENCE = 20.0


@dataclass(frozen=True)
class Found:
    """A command, and what in the workspace speaks for it."""

    command: str
    because: str


def tests(workspace: Path) -> Found | None:
    """The command that runs the tests."""
    return next((found for look in _LOOKS if (found := next(look(workspace, False), None))), None)


def coverage(workspace: Path) -> Found | None:
    """The command that runs the tests and measures their coverage."""
    return next((found for look in _LOOKS if (found := next(look(workspace, True), None))), None)


def _make(workspace: Path, measured: bool) -> Iterator[Found]:
    target = "coverage" if measured else "test"
    for name in ("GNUmakefile", "makefile", "Makefile"):
        if re.search(rf"^{target}[ \t]*:(?!=)", _text(workspace / name), re.MULTILINE):
            yield Found(f"make -s {target}", f"the target {target} in {name}")


def _python(workspace: Path, measured: bool) -> Iterator[Found]:
    because = _uses_pytest(workspace)
    python = _interpreter(workspace) if because else ""
    if not python:
        return
    word = shlex.quote(python)
    if not measured and _has(workspace, python, "pytest"):
        yield Found(f"{word} -m pytest -q", because)
    elif measured and _has(workspace, python, "pytest", "coverage"):
        report = f"{word} -m coverage report --format=total"
        yield Found(f"{word} -m coverage run -m pytest -q >&2 && {report}", f"{because}, and coverage is installed")


def _uses_pytest(workspace: Path) -> str:
    try:
        project = tomllib.loads(_text(workspace / "pyproject.toml"))
    except tomllib.TOMLDecodeError:
        project = {}
    tools = project.get("tool")
    if isinstance(tools, dict) and "pytest" in tools:
        return "[tool.pytest] in pyproject.toml"
    for name, mark in (("pytest.ini", "[pytest]"), ("tox.ini", "[pytest]"), ("setup.cfg", "[tool:pytest]")):
        if mark in _text(workspace / name):
            return f"{mark} in {name}"
    for pattern in ("conftest.py", "tests/conftest.py", "tests/test_*.py", "test_*.py", "tests/**/test_*.py"):
        if file := next(workspace.glob(pattern), None):
            return str(file.relative_to(workspace))
    return ""


def _interpreter(workspace: Path) -> str:
    for name in (".venv/bin/python", "venv/bin/python"):
        if (workspace / name).is_file():
            return name
    return next((name for name in ("python", "python3") if shutil.which(name)), "")


def _has(workspace: Path, python: str, *modules: str) -> bool:
    looked = f"import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, {list(modules)!r})))"
    # relative to the workspace; -I: nothing that lies there is taken for one of the modules
    program = str(workspace / python) if "/" in python else python
    try:
        done = subprocess.run([program, "-I", "-c", looked], capture_output=True, check=False, timeout=_PATIENCE)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _go(workspace: Path, measured: bool) -> Iterator[Found]:
    if not (workspace / "go.mod").is_file() or not shutil.which("go"):
        return
    if measured:
        profile = 'f=$(mktemp) && go test -coverprofile="$f" ./... >&2 && go tool cover -func="$f" | tail -n 1; '
        yield Found(profile + 's=$?; rm -f "$f"; exit $s', "go.mod")
    else:
        yield Found("go test ./...", "go.mod")


def _cargo(workspace: Path, measured: bool) -> Iterator[Found]:
    if not (workspace / "Cargo.toml").is_file() or not shutil.which("cargo"):
        return
    if not measured:
        yield Found("cargo test --quiet", "Cargo.toml")


def _npm(workspace: Path, measured: bool) -> Iterator[Found]:
    try:
        scripts = json.loads(_text(workspace / "package.json") or "{}").get("scripts")
    except (ValueError, AttributeError):
        return
    name = "coverage" if measured else "test"
    if isinstance(scripts, dict) and isinstance(scripts.get(name), str) and "no test specified" not in scripts[name]:
        yield Found(f"npm run --silent {name}", f"the script {name} in package.json")


_LOOKS: tuple[Callable[[Path, bool], Iterator[Found]], ...] = (_make, _python, _go, _cargo, _npm)


def _text(file: Path) -> str:
    try:
        return read_file(file, _LIMIT).decode("utf-8", "replace")
    except OSError:
        return ""
