import subprocess
import sys

import pytest

from pipelines import detecting


@pytest.fixture
def python(tmp_path, monkeypatch):
    """A PATH on which ``python`` is ours, which has pytest and, where the test wants it, coverage."""

    def install(*modules):
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        site = tmp_path / "site"
        site.mkdir(exist_ok=True)
        for name in modules:
            (site / f"{name}.py").write_text("")
        # -I takes no PYTHONPATH: a program that puts the folder first
        program = folder / "python"
        path = f"[{str(site)!r}, *(p for p in sys.path if 'site-packages' not in p)]"
        start = f"import sys; sys.path[:] = {path}; exec(sys.argv[1])"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -I -c "{start}" "$3"\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    return install


@pytest.fixture
def workspace(tmp_path):
    made = tmp_path / "work"
    made.mkdir()
    return made


def test_nothing_tells(workspace):
    assert detecting.tests(workspace) is None
    assert detecting.coverage(workspace) is None


def test_a_makefile_with_targets_comes_first(workspace, python):
    python("pytest", "coverage")
    (workspace / "pytest.ini").write_text("[pytest]\n")
    (workspace / "Makefile").write_text("test := no\n.PHONY: test\ntest: deps\n\ttrue\n")
    assert detecting.tests(workspace).command == "make -s test"
    assert "coverage run -m pytest" in detecting.coverage(workspace).command
    (workspace / "Makefile").write_text("coverage:\n\techo 83\n")
    assert detecting.coverage(workspace) == detecting.Found("make -s coverage", "the target coverage in Makefile")


@pytest.mark.parametrize(
    ("name", "text", "because"),
    [
        ("pyproject.toml", "[tool.pytest.ini_options]\n", "[tool.pytest] in pyproject.toml"),
        ("pytest.ini", "[pytest]\n", "[pytest] in pytest.ini"),
        ("setup.cfg", "[tool:pytest]\n", "[tool:pytest] in setup.cfg"),
        ("tests/test_a.py", "", "tests/test_a.py"),
    ],
)
def test_pytest(workspace, python, name, text, because):
    python("pytest")
    file = workspace / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    assert detecting.tests(workspace) == detecting.Found("python -m pytest -q", because)
    assert detecting.coverage(workspace) is None
    python("coverage")
    assert detecting.coverage(workspace).command.endswith("python -m coverage report --format=total")


def test_a_module_of_the_workspace_is_not_taken_for_the_tool(workspace, python):
    python()
    (workspace / "pytest.ini").write_text("[pytest]\n")
    (workspace / "pytest.py").write_text("")
    assert detecting.tests(workspace) is None


def test_scripts_of_npm(workspace):
    (workspace / "package.json").write_text('{"scripts": {"test": "vitest", "coverage": "node cover.js"}}')
    assert detecting.tests(workspace).command == "npm run --silent test"
    assert detecting.coverage(workspace).command == "npm run --silent coverage"
    (workspace / "package.json").write_text('{"scripts": {"test": "echo \\"Error: no test specified\\" && exit 1"}}')
    assert detecting.tests(workspace) is None
    (workspace / "package.json").write_text("[]")
    assert detecting.tests(workspace) is None


def test_what_was_found_runs(workspace):
    (workspace / "Makefile").write_text("test:\n\techo tested\n")
    found = detecting.tests(workspace)
    assert (
        subprocess.run(["sh", "-c", found.command], cwd=workspace, capture_output=True, text=True).stdout == "tested\n"
    )
