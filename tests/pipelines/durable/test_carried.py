"""Commits of a run had by a machine that has its database only."""

import subprocess
from pathlib import Path

import pytest

from pipelines import bundles, carried, naming
from pipelines.carried import Carried
from pipelines.durable import open_durable
from pipelines.folder import RunFolder
from pipelines.ports import Json
from quarterdeck.errors import Broken
from quarterdeck.paths import Paths

RUN = "20260314-153059-4f1c2b"
BRANCH = naming.branch(RUN, "tests")
WHO = ("-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgSign=false")


def git(cwd: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *WHO, *arguments], cwd=cwd, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def repository(folder: Path) -> Path:
    folder.mkdir()
    git(folder, "init", "--quiet", "-b", "main")
    return folder


class Step:
    """Commits to its branch, as a step does, and fails where it is told to."""

    def __init__(self, here: Path, folder: RunFolder, *, fails: bool = False) -> None:
        self.here, self.folder, self.fails = here, folder, fails

    async def __call__(self) -> Json:
        git(self.here, "commit", "--quiet", "--allow-empty", "-m", "work")
        git(self.here, "branch", "--force", BRANCH)
        await bundles.keep(self.folder, self.here, BRANCH)
        if self.fails:
            raise LookupError("after it was committed")
        return git(self.here, "rev-parse", BRANCH)


async def test_another_machine_has_the_last_commits(tmp_path: Path, postgres: str) -> None:
    here, there = repository(tmp_path / "here"), repository(tmp_path / "there")
    first, second = (RunFolder.of(Paths(tmp_path / name), RUN) for name in ("first", "second"))
    async with open_durable(RUN, postgres, fresh=True) as durable:
        with pytest.raises(LookupError):
            await Carried(durable, first).once("steps/0", Step(here, first, fails=True))
        assert await durable.finished() == {}, "an error is not remembered, and neither is what it left"
        remembering = Carried(durable, first)
        await remembering.once("steps/1", Step(here, first))
        last = await remembering.once("steps/2", Step(here, first))
        assert list(await remembering.finished()) == ["steps/1", "steps/2"]
        assert list(await durable.finished())[1::2] == ["steps/1", "steps/2"], "each has its bundle before it"
        await remembering.once("steps/3", _nothing)
        assert len(await durable.finished()) == 5, "what did not change is not carried again"
    async with open_durable(RUN, postgres, fresh=False) as durable:
        remembering = Carried(durable, first)
        await remembering.once("steps/again", _nothing)
        last = await remembering.once("steps/4", Step(here, first))
        assert [key for key in await durable.finished() if "bundle" in key][-1].endswith("/3")
    async with open_durable(RUN, postgres, fresh=False) as durable:
        await Carried(durable, second).unpack()
    assert (await bundles.bring_back(second, there)).branches == (BRANCH,)
    assert git(there, "rev-parse", BRANCH) == last


async def _nothing() -> Json:
    return None


async def test_what_is_too_large_is_left_to_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carried, "LIMIT", 10)
    here = repository(tmp_path / "here")
    folder = RunFolder.of(Paths(tmp_path / "home"), RUN)
    async with open_durable(RUN, tmp_path / "steps.db", fresh=True) as durable:
        await Carried(durable, folder).once("steps/1", Step(here, folder))
        assert list(await durable.finished()) == ["steps/1"]


async def test_a_damaged_bundle_is_told(tmp_path: Path) -> None:
    folder = RunFolder.of(Paths(tmp_path / "home"), RUN)
    async with open_durable(RUN, tmp_path / "steps.db", fresh=True) as durable:

        async def damaged() -> Json:
            return "no base64"

        await durable.once("bundles/tests.bundle/1", damaged)
        with pytest.raises(Broken, match=r"tests\.bundle in the run's database is damaged"):
            await Carried(durable, folder).unpack()
