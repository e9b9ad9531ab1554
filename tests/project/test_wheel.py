"""The wheel, installed and run in a folder that has packages with our names, with PYTHONPATH pointing there."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = (
    "quarterdeck",
    "terminals",
    "profiles",
    "sessions",
    "memory",
    "pipelines",
    "orchestrator",
    "cli",
    "tui",
    "themes",
)
NEEDED = (
    "profiles/data/claude.toml",
    "pipelines/workflows/tdd.toml",
    "themes/dark.toml",
    "tui/app.tcss",
    "quarterdeck/py.typed",
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (made,) = folder.glob("*.whl")
    return made


def test_it_holds_our_folders_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == set(OURS)
    for name in NEEDED:
        assert name in names
    for folder in ("sessions/migrations/", "memory/sqlite/migrations/"):
        assert any(name.startswith(folder) and name.endswith(".sql") for name in names), folder


@pytest.fixture
def installed(wheel: Path, tmp_path: Path) -> Path:
    """The interpreter of an environment that holds the wheel, and the dependencies of this one."""
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    (site,) = environment.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(site)
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return environment / "bin" / "python"


@pytest.fixture
def home() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="qd-", dir="/tmp"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


def test_a_users_own_packages_never_shadow_ours(installed: Path, tmp_path: Path, home: Path) -> None:
    workspace = tmp_path / "workspace"
    for name in ("sessions", "cli", "tui", "memory", "terminals", "orchestrator", "profiles"):
        (workspace / name).mkdir(parents=True)
        (workspace / name / "__init__.py").write_text("raise SystemExit('a stranger was imported')\n")
    environ = {k: v for k, v in os.environ.items() if not k.startswith("QUARTERDECK")}
    environ |= {"PYTHONPATH": ".", "QUARTERDECK_HOME": str(home)}

    def run(*words: str) -> str:
        done = subprocess.run(
            [str(installed), "-m", "quarterdeck", *words],
            cwd=workspace,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    try:
        run("new", "--name", "mine", "--", "sh", "-c", "echo $PYTHONPATH; exec cat")
        assert "mine" in run("ls")
        where = subprocess.run(
            [str(installed), "-c", "import cli.main; print(cli.main.__file__)"],
            cwd="/",
            capture_output=True,
            text=True,
            check=True,
        )
        assert str(installed.parent.parent) in where.stdout
    finally:
        run("stop", "--agents")
