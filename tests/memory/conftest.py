"""Banks whose entries are files, in a workspace of their own."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from memory.hybrid import HybridBackend
from memory.markdown.backend import MarkdownBackend
from memory.sqlite.backend import SqliteBackend
from quarterdeck.clock import SystemClock
from quarterdeck.watching import Watching
from tests.support.synced import Synced

Opener = Callable[..., Awaitable[Synced]]


@pytest.fixture
async def watching() -> AsyncIterator[Watching]:
    async with Watching() as watching:
        yield watching


@pytest.fixture
async def opened(tmp_path: Path, watching: Watching, request: pytest.FixtureRequest) -> AsyncIterator[Opener]:
    """Opens a bank; closed at the end, or before by ``backend.aclose``. Its parameter is what is under the files."""
    markdown = getattr(request, "param", "sqlite") == "markdown"
    async with AsyncExitStack() as stack:

        async def open_(
            workspace: str = "workspace", state: str = "state", start: bool = True, **how: object
        ) -> Synced:
            root = tmp_path / workspace
            root.mkdir(exist_ok=True)
            backend: HybridBackend
            if markdown:
                backend = await MarkdownBackend.open(root, clock=SystemClock())
            else:
                backend = HybridBackend(await SqliteBackend.open(tmp_path / state, SystemClock()), root)
            stack.push_async_callback(backend.aclose)
            if start:
                await backend.start(watching=watching, **how)  # type: ignore[arg-type]
            return Synced(backend, root)

        yield open_


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs git in the workspace, which is a repository then."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    who = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false"]

    def run(*words: str, cwd: Path = tmp_path / "workspace", fails: bool = False) -> str:
        done = subprocess.run(["git", *who, *words], cwd=cwd, capture_output=True, text=True, check=False)
        assert fails or done.returncode == 0, done.stderr
        return done.stdout

    (tmp_path / "workspace").mkdir()
    run("init", "-q", "-b", "main")
    return run
