"""What git is doing to a folder, read from its own files: no program runs while refs are files.

The question is always the same: are these files gone because somebody deleted them, or because git took them away?
"""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

_LOCKS = ("index.lock", "HEAD.lock")
_UNDER_WAY = {
    "MERGE_HEAD": "a merge",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "BISECT_LOG": "a bisection",
    "sequencer": "a cherry-pick or revert",
}
_MOVED = ("HEAD", "index", "ORIG_HEAD", "logs/HEAD", "logs/refs/stash", "refs/stash", "packed-refs", "reftable")
_SMALL = 1 << 20


@dataclass(frozen=True, kw_only=True)
class State:
    """Where a repository stands. Two that are equal: git changed no file in between, or is not done yet."""

    head: str = ""
    """The branch, or the commit where there is none."""
    commit: str = ""
    stash: str = ""
    index: tuple[int, ...] = ()
    """Modified (ns), size and inode of the index."""

    def text(self) -> str:
        """As one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def of_text(cls, text: str) -> State | None:
        """What :meth:`text` made; None for anything else."""
        try:
            said = json.loads(text)
            index = tuple(int(number) for number in said["index"])
            return cls(head=str(said["head"]), commit=str(said["commit"]), stash=str(said["stash"]), index=index)
        except (ValueError, KeyError, TypeError):
            return None


class Repository:
    """The working tree a folder belongs to."""

    def __init__(self, top: Path, folder: Path, common: Path) -> None:
        self.top = top
        self._folder = folder
        self._common = common

    @classmethod
    def around(cls, folder: Path) -> Repository | None:
        """The repository ``folder`` lies in; None outside of any."""
        for top in (folder, *folder.parents):
            at = top / ".git"
            if at.is_file():
                said = _read(at)
                if not said.startswith("gitdir:"):
                    return None
                at = top / said.removeprefix("gitdir:").strip()
            if (at / "HEAD").exists():
                common = _read(at / "commondir")
                return cls(top, at, at / common if common else at)
        return None

    def state(self) -> State:
        """Where it stands now."""
        index: tuple[int, ...] = ()
        with suppress(OSError):
            told = (self._folder / "index").stat()
            index = (told.st_mtime_ns, told.st_size, told.st_ino)
        if (self._common / "reftable").exists():
            head, commit, stash = (self._asked(*words) for words in _QUESTIONS)
            return State(head=head or commit, commit=commit, stash=stash, index=index)
        head = _read(self._folder / "HEAD")
        if head.startswith("ref:"):
            head = head.removeprefix("ref:").strip()
            commit = self._resolved(head)
        else:
            commit = head
        return State(head=head, commit=commit, stash=self._resolved("refs/stash"), index=index)

    def locked(self) -> bool:
        """Whether git is at work this moment; it takes a while at most, unless it was killed."""
        return any((self._folder / name).exists() for name in _LOCKS)

    def under_way(self) -> str:
        """What was begun and waits for a person, in words; "" for nothing."""
        return next((word for name, word in _UNDER_WAY.items() if (self._folder / name).exists()), "")

    def moved_ns(self) -> int:
        """When git changed something last: the newest of its files, by the file system's clock."""
        newest = 0
        for name in _MOVED:
            for folder in {self._folder, self._common}:
                with suppress(OSError):
                    newest = max(newest, (folder / name).stat().st_mtime_ns)
        return newest

    def _resolved(self, ref: str) -> str:
        for folder in (self._folder, self._common):
            if loose := _read(folder / ref):
                return loose
        ending = f" {ref}"
        for line in _read(self._common / "packed-refs", 64 * _SMALL).splitlines():
            if line.endswith(ending):
                return line.partition(" ")[0]
        return ""

    def _asked(self, *words: str) -> str:
        environ = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        try:
            done = subprocess.run(
                ["git", "-C", os.fspath(self.top), *words], env=environ, capture_output=True, timeout=10, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else ""


_QUESTIONS = (
    ("symbolic-ref", "--quiet", "HEAD"),
    ("rev-parse", "--quiet", "--verify", "HEAD"),
    ("rev-parse", "--quiet", "--verify", "refs/stash"),
)


def _read(path: Path, limit: int = _SMALL) -> str:
    try:
        with path.open("rb") as file:
            return file.read(limit).decode("utf-8", "surrogateescape").strip()
    except OSError:
        return ""


JUST_NS = 2_000_000_000
"""What git did this shortly before a file was seen to be gone counts as the cause."""
MANY = 5


def reason(
    repository: Repository | None, *, gone: int, of: int, noticed_ns: int, before: State | None, there: bool
) -> str:
    """Why files that are gone do not count as deleted; "" where they do.

    ``gone`` of ``of`` files went, which was noticed at ``noticed_ns`` (wall clock). ``before`` is where the repository
    stood when all were there; None where we looked on all the time.
    """
    if not there:
        return "the memory folder itself is gone"
    if repository is not None:
        if repository.locked():
            return "git is at work"
        if busy := repository.under_way():
            return f"{busy} is under way"
        if before is not None and repository.state() != before:
            return "git moved to another commit, or changed its stash or index, while nobody looked"
        if repository.moved_ns() >= noticed_ns - JUST_NS:
            return "git has just changed its branch, index or stash"
    if gone > 1 and (gone > MANY or 2 * gone >= of):
        return f"{gone} of {of} files went at once"
    return ""
