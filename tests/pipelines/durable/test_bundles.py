import subprocess
from pathlib import Path

import pytest

from pipelines import bundles, naming
from pipelines.folder import RunFolder
from quarterdeck.errors import Broken, Refused
from quarterdeck.paths import Paths

RUN = "20260314-153059-4f1c2b"
BRANCH = naming.branch(RUN, "tests")
WHO = ("-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgSign=false")


def git(cwd: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *WHO, *arguments], cwd=cwd, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(cwd: Path, name: str, content: str = "x") -> str:
    (cwd / name).write_text(content)
    git(cwd, "add", "--", name)
    git(cwd, "commit", "--quiet", "-m", name)
    return git(cwd, "rev-parse", "HEAD")


def on_branch(cwd: Path, name: str, branch: str = BRANCH) -> str:
    """A commit on a branch that is not checked out afterwards."""
    there = git(cwd, "for-each-ref", f"refs/heads/{branch}")
    git(cwd, "checkout", "--quiet", *(() if there else ("-b",)), branch)
    made = commit(cwd, name)
    git(cwd, "checkout", "--quiet", "main")
    return made


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """A bare repository with three commits on main."""
    seed = tmp_path / "seed"
    subprocess.run(["git", "init", "--quiet", "-b", "main", str(seed)], check=True)
    for name in ("a", "b", "c"):
        commit(seed, name)
    subprocess.run(["git", "clone", "--quiet", "--bare", str(seed), str(tmp_path / "remote.git")], check=True)
    return tmp_path / "remote.git"


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.of(Paths(tmp_path / "home"), RUN)


def clone(remote: Path, name: str, *options: str) -> Path:
    target = remote.parent / name
    subprocess.run(["git", "clone", "--quiet", *options, f"file://{remote}", str(target)], check=True)
    return target


@pytest.mark.parametrize("options", [(), ("--depth=1",)])
async def test_a_branch_is_had_on_another_machine(remote: Path, folder: RunFolder, options: tuple[str, ...]) -> None:
    here, there = clone(remote, "here", *options), clone(remote, "there", *options)
    on_branch(here, "first")
    await bundles.keep(folder, here, BRANCH)
    last = on_branch(here, "second")
    await bundles.keep(folder, here, BRANCH)
    assert [path.name for path in folder.bundles.iterdir()] == ["tests.bundle"]
    assert (await bundles.bring_back(folder, there)).branches == (BRANCH,)
    assert git(there, "rev-parse", BRANCH) == last
    assert git(there, "ls-tree", "--name-only", BRANCH).split() == ["a", "b", "c", "first", "second"]
    assert await bundles.bring_back(folder, there) == bundles.Brought()
    assert git(there, "symbolic-ref", "HEAD") == "refs/heads/main"


async def test_what_can_be_had_elsewhere_is_not_in_it(remote: Path, folder: RunFolder) -> None:
    here = clone(remote, "here")
    (here / "large").write_bytes(b"".join(i.to_bytes(4, "big") for i in range(100_000)))
    git(here, "add", "large")
    commit(here, "pushed")
    git(here, "push", "--quiet", "origin", "main")
    on_branch(here, "small")
    await bundles.keep(folder, here, BRANCH)
    assert (folder.bundles / "tests.bundle").stat().st_size < 5_000


async def test_without_a_remote_the_bundle_needs_nothing(remote: Path, folder: RunFolder, tmp_path: Path) -> None:
    here = clone(remote, "here")
    git(here, "remote", "remove", "origin")
    last = on_branch(here, "first")
    await bundles.keep(folder, here, BRANCH)
    there = tmp_path / "empty"
    there.mkdir()
    git(there, "init", "--quiet", "-b", "main")
    await bundles.bring_back(folder, there)
    assert git(there, "rev-parse", BRANCH) == last


async def test_a_branch_with_nothing_of_its_own_has_no_bundle(remote: Path, folder: RunFolder) -> None:
    here = clone(remote, "here")
    git(here, "branch", BRANCH)
    await bundles.keep(folder, here, BRANCH)
    assert list(folder.bundles.iterdir()) == []


async def test_a_branch_behind_its_bundle_is_brought_on(remote: Path, folder: RunFolder) -> None:
    here, there = clone(remote, "here"), clone(remote, "there")
    on_branch(here, "first")
    await bundles.keep(folder, here, BRANCH)
    await bundles.bring_back(folder, there)
    last = on_branch(here, "second")
    await bundles.keep(folder, here, BRANCH)
    assert (await bundles.bring_back(folder, there)).branches == (BRANCH,)
    assert git(there, "rev-parse", BRANCH) == last


async def test_a_branch_with_other_commits_stays(remote: Path, folder: RunFolder) -> None:
    here, there = clone(remote, "here"), clone(remote, "there")
    on_branch(here, "first")
    await bundles.keep(folder, here, BRANCH)
    await bundles.bring_back(folder, there)
    ahead = on_branch(there, "ahead")
    assert await bundles.bring_back(folder, there) == bundles.Brought(), "it has all of the bundle, and more"
    on_branch(here, "second")
    await bundles.keep(folder, here, BRANCH)
    found = await bundles.bring_back(folder, there)
    assert (found.branches, list(found.left)) == ((), [BRANCH])
    assert git(there, "rev-parse", BRANCH) == ahead


async def test_missing_commits_are_told(remote: Path, folder: RunFolder) -> None:
    there = clone(remote, "there")
    here = clone(remote, "here")
    commit(here, "later")
    git(here, "push", "--quiet", "origin", "main")
    last = on_branch(here, "first")
    await bundles.keep(folder, here, BRANCH)
    with pytest.raises(Refused, match="lacks commits that the run's branches build on") as caught:
        await bundles.bring_back(folder, there)
    assert "git fetch" in caught.value.hint
    git(there, "fetch", "--quiet")
    await bundles.bring_back(folder, there)
    assert git(there, "rev-parse", BRANCH) == last


async def test_a_bundle_brings_no_other_branch(remote: Path, folder: RunFolder) -> None:
    """A folder from elsewhere may hold anything."""
    here, there = clone(remote, "here"), clone(remote, "there")
    before = git(there, "rev-parse", "main")
    commit(here, "evil")
    folder.bundles.mkdir(parents=True)
    git(here, "bundle", "create", "--quiet", str(folder.bundles / "tests.bundle"), "main")
    with pytest.raises(Broken, match="not a bundle of this run"):
        await bundles.bring_back(folder, there)
    assert git(there, "rev-parse", "main") == before


@pytest.mark.parametrize("cut", [10, 300])
async def test_a_damaged_bundle_is_told(remote: Path, folder: RunFolder, cut: int) -> None:
    here, there = clone(remote, "here"), clone(remote, "there")
    on_branch(here, "first")
    await bundles.keep(folder, here, BRANCH)
    bundle = folder.bundles / "tests.bundle"
    bundle.write_bytes(bundle.read_bytes()[:cut])
    with pytest.raises((Broken, Refused)):
        await bundles.bring_back(folder, there)
    assert git(there, "for-each-ref", f"refs/heads/{BRANCH}") == ""


async def test_another_runs_branch_is_a_mistake_of_ours(remote: Path, folder: RunFolder) -> None:
    with pytest.raises(ValueError, match="is no branch of run"):
        await bundles.keep(folder, clone(remote, "here"), "main")
