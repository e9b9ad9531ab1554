"""The evidence of a run's steps, made from journals and files when a step has ended.

Work is done on a thread a piece at a time, so that a journal of any size takes little memory and nobody waits. What
cannot be kept (a full disk, a file that is gone) is told in :attr:`pipelines.model.StepResult.unkept` and changes no
outcome.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import re
import shutil
import stat
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipelines import masking
from pipelines.evidence import artifacts, changes, files, recording
from pipelines.model import StepPlan, StepResult
from pipelines.naming import slug
from pipelines.ports import Turn
from quarterdeck.errors import QuarterdeckError
from quarterdeck.redaction import Redactor
from quarterdeck.text import plain, safe
from sessions.deck import Deck
from sessions.model import Agent
from terminals import transcript
from terminals.journal import Gap
from terminals.replay import journal_folder

LOG_LIMIT = 256 << 20
CAST_LIMIT = 512 << 20
"""Bytes; a longer recording is not kept, since its beginning alone would mislead."""
TRANSCRIPT_LIMIT = 256 << 20
DIFF_LIMIT = 16 << 20
_LINE_LIMIT = 16 << 20
"""Bytes of one line of a transcript; a longer one is left out."""
_CUT = b"\n(cut here: it is too long to be kept whole)\n"
_MISSING = {
    "deleted": "it printed more than a journal keeps",
    "unwritten": "there was no room for them in the state folder",
}
"""Why output is in no file."""
_NAME = 60
_PLAIN = re.compile(r"[a-z0-9][a-z0-9.@-]{0,99}\Z")


class Stopped(Exception):
    """Nobody waits for it any more."""


@dataclass
class _Kept:
    """What was kept of a step so far; paths are relative to the folder of the run's evidence."""

    files: list[dict[str, Any]] = field(default_factory=list)
    unkept: list[str] = field(default_factory=list)

    def add(self, kind: str, path: str, size: int, of: str = "") -> str:
        self.files.append({"kind": kind, "path": path, "bytes": size} | ({"of": of} if of else {}))
        return path


class Evidence:
    """Keeps the evidence of a run's steps in ``folder``; ``redactor`` knows the secrets of the run.

    ``apart`` are files and folders of ours that are no work of the steps, wherever they lie: reports, the state.
    """

    def __init__(self, folder: Path, redactor: Redactor, apart: Sequence[Path] = ()) -> None:
        self.folder = folder
        self._redactor = redactor
        self._apart = [Path(os.path.realpath(one)) for one in apart]

    async def keep(
        self,
        deck: Deck,
        step: StepPlan,
        result: StepResult,
        agents: Sequence[Agent],
        turns: Sequence[Turn],
        *,
        base: str = "",
    ) -> StepResult:
        """Keep what there is of a step that has ended; the result with its paths, relative to :attr:`folder`.

        ``agents`` are all its programs in their order, those of checks too, ended. ``base`` is the commit it began at
        (see :func:`pipelines.evidence.changes.patch`). Done again, it replaces what was kept. Raises nothing but
        cancellation, and then only when nothing is written any more.
        """
        kept = _Kept()
        patch = b""
        cwd = Path(agents[0].cwd) if agents else None
        if cwd is not None and cwd.is_dir():
            try:
                patch = await changes.patch(cwd, result.started_ns, base, self._apart)
            except (QuarterdeckError, OSError) as error:
                kept.unkept.append(f"diff: {_why(error)}")
        stop = threading.Event()
        journals = [(agent, journal_folder(deck.paths.agent(agent.id))) for agent in agents]
        work = asyncio.get_running_loop().run_in_executor(
            None, lambda: self._keep(step, result, journals, turns, cwd, patch, kept, stop)
        )
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            stop.set()
            with suppress(Stopped):
                await work
            raise

    def _keep(
        self,
        step: StepPlan,
        result: StepResult,
        journals: Sequence[tuple[Agent, Path]],
        turns: Sequence[Turn],
        cwd: Path | None,
        patch: bytes,
        kept: _Kept,
        stop: threading.Event,
    ) -> StepResult:
        def check() -> None:
            if stop.is_set():
                raise Stopped

        try:
            if self.folder.parts[-3:-1] == (".quarterdeck", "runs"):  # the place a workspace may have prepared for us
                files.folder(self.folder.parent)
            place = files.marked(files.folder(files.folder(self.folder) / "steps") / slug(step.key))
        except (QuarterdeckError, OSError) as error:
            return replace(result, unkept=(*result.unkept, f"everything: {_why(error)}"))
        task = _Task(self._redactor, self.folder, place, kept, check, self._apart)
        main = next((turn.agent_id for turn in reversed(turns) if turn.agent_id), "")
        result = replace(
            result,
            log=task.log(journals),
            recording=task.recordings(journals, main),
            transcript=task.transcripts(
                # the turn of an agent that was stopped never ended
                [*(turn.transcript for turn in turns), *(agent.doing.transcript for agent, _ in journals)]
            ),
            diff=task.diff(patch),
            artifacts=task.artifacts(cwd, step.artifacts),
        )
        task.index(step.key)
        return replace(result, unkept=(*result.unkept, *kept.unkept))


class _Task:
    """One step's evidence being made, on a thread. ``check`` raises when it is to end."""

    def __init__(
        self,
        redactor: Redactor,
        folder: Path,
        place: Path,
        kept: _Kept,
        check: Callable[[], None],
        apart: Sequence[Path],
    ) -> None:
        self._redactor = redactor
        self._folder = folder
        self._place = place
        self._kept = kept
        self._check = check
        self._apart = apart

    def log(self, journals: Sequence[tuple[Agent, Path]]) -> str:
        """All that its programs printed, one after the other, as text."""
        look = masking.in_text(self._redactor)
        missing: Counter[tuple[str, str]] = Counter()

        def texts() -> Iterator[str]:
            for agent, journal in journals:
                how = f": {agent.reason}" if agent.reason else ""
                yield f"=== {safe(agent.name)} ({safe(agent.profile)}){safe(how)} ===\n"

                def gap(found: Gap, name: str = agent.name) -> None:
                    missing[name, found.reason] += found.end - found.start

                yield from masking.text(map(plain, transcript.lines(journal, gap=gap)), look)
                yield "\n"

        path = self._write("log", "log.txt", self._encoded(texts()), LOG_LIMIT) if journals else ""
        for (name, reason), count in missing.items():
            bytes_said = f"{count:,} bytes of it are missing: {_MISSING.get(reason, 'its journal is damaged')}"
            said = "what it printed while nobody recorded it is missing" if reason == "unseen" else bytes_said
            self._problem(f"output of {safe(name)}: {said}")
        return path

    def recordings(self, journals: Sequence[tuple[Agent, Path]], main: str) -> str:
        """A recording of each program; the path of the one of the agent ``main``, else of the last one."""
        paths: dict[str, str] = {}
        for agent, journal in journals:
            name = f"{agent.name if _PLAIN.match(agent.name) else slug(agent.name, _NAME)}.cast"
            title = f"{safe(agent.name)} ({safe(agent.profile)})"
            lines = (line + "\n" for line in recording.lines(journal, title, self._redactor))
            limited = _limited(self._encoded(lines), CAST_LIMIT)
            if path := self._write("recording", name, limited, CAST_LIMIT, of=agent.name):
                paths[agent.id] = path
        return paths.get(main) or next(reversed(paths.values()), "")

    def transcripts(self, sources: Iterable[str]) -> str:
        """Its conversations as the agents' own programs wrote them down; the path of the last one."""
        last = ""
        for number, source in enumerate(dict.fromkeys(one for one in sources if one), 1):
            suffix = Path(source).suffix if Path(source).suffix in (".jsonl", ".json", ".md") else ".jsonl"
            name = f"transcript{suffix}" if number == 1 else f"transcript-{number}{suffix}"
            last = self._write("transcript", name, self._transcript(source, suffix), TRANSCRIPT_LIMIT) or last
        return last

    def diff(self, patch: bytes) -> str:
        """What has changed."""
        if not patch:
            return ""
        lines = patch[:DIFF_LIMIT].decode("utf-8", "surrogateescape").removesuffix("\n").split("\n")
        texts = (
            text.encode("utf-8", "surrogateescape") for text in masking.text(lines, masking.in_text(self._redactor))
        )
        parts = [*texts, *([_CUT] if len(patch) > DIFF_LIMIT else [])]
        return self._write("diff", "changes.diff", parts, 2 * DIFF_LIMIT)

    def artifacts(self, cwd: Path | None, patterns: Sequence[str]) -> tuple[str, ...]:
        """Files that the step's patterns name."""
        target = self._place / "artifacts"
        with suppress(OSError):
            shutil.rmtree(target)
        if cwd is None or not patterns:
            return ()
        try:
            copied = artifacts.copy(cwd, patterns, target, self._redactor, self._problem, self._check, self._apart)
        except (QuarterdeckError, OSError) as error:
            self._problem(f"artifacts: {_why(error)}")
            return ()
        return tuple(
            self._kept.add("artifact", self._named(one.path), one.size, self._mask(one.name)) for one in copied
        )

    def index(self, key: str) -> None:
        """Write down what there is."""
        said = {"version": 1, "step": key, "files": self._kept.files, "unkept": self._kept.unkept}
        text = json.dumps(said, indent=2, ensure_ascii=False) + "\n"
        self._write("index", "index.json", [text.encode("utf-8", "backslashreplace")], 64 << 20)

    def _transcript(self, source: str, suffix: str) -> Iterator[bytes]:
        handle = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise OSError(errno.EINVAL, "it is no regular file")
            if suffix == ".json":
                if os.fstat(handle).st_size > _LINE_LIMIT:
                    raise OSError(errno.EFBIG, f"it is larger than {_LINE_LIMIT >> 20} MB")
                whole = masking.json_line(file.read(_LINE_LIMIT).decode("utf-8", "replace"), self._redactor)
                yield from self._encoded([whole])
            elif suffix == ".md":
                texts = (raw.decode("utf-8", "replace").rstrip("\r\n") for raw in file)
                yield from self._encoded(masking.text(map(plain, texts), masking.in_text(self._redactor)))
            else:
                while raw := file.readline(_LINE_LIMIT):
                    self._check()
                    if not raw.endswith(b"\n") and len(raw) == _LINE_LIMIT:
                        while (rest := file.readline(_LINE_LIMIT)) and not rest.endswith(b"\n"):
                            pass
                        continue
                    if line := masking.json_line(raw.decode("utf-8", "replace"), self._redactor):
                        yield line.encode("utf-8", "backslashreplace") + b"\n"

    def _write(self, kind: str, name: str, parts: Iterable[bytes], limit: int, of: str = "") -> str:
        """Write one file of the step; its path, "" where it could not be kept, which is told."""
        path = self._place / name
        try:
            size = files.write(path, parts, limit, _CUT)
        except recording.Visible:
            self._gone(path, f"{kind} of {safe(of)}: it would show a secret that cannot be taken out")
        except (QuarterdeckError, OSError, ValueError) as error:  # ValueError: a name that no file can have
            self._gone(path, f"{kind}{f' of {safe(of)}' if of else ''}: {_why(error)}")
        else:
            return self._kept.add(kind, self._named(path), size, of)
        return ""

    def _gone(self, path: Path, problem: str) -> None:
        with suppress(OSError):
            path.unlink()
        self._problem(problem)

    def _problem(self, said: str) -> None:
        self._kept.unkept.append(self._mask(said))

    def _mask(self, text: str) -> str:
        return self._redactor.redact(text).text

    def _named(self, path: Path) -> str:
        return path.relative_to(self._folder).as_posix()

    def _encoded(self, texts: Iterable[str]) -> Iterator[bytes]:
        for text in texts:
            self._check()
            yield text.encode("utf-8", "replace")


def _limited(parts: Iterable[bytes], limit: int) -> Iterator[bytes]:
    size = 0
    for part in parts:
        size += len(part)
        if size > limit:
            raise OSError(errno.EFBIG, f"it is larger than {limit >> 20} MB")
        yield part


def _why(error: QuarterdeckError | OSError | ValueError) -> str:
    if isinstance(error, QuarterdeckError):
        return error.message
    return (error.strerror if isinstance(error, OSError) else "") or str(error)
