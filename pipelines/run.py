"""A run put together: its folder, its deck, what it has done, its evidence; carried out, or gone on with.

What stays of a run in its folder: ``plan.json``, ``steps.db``, ``result.json`` and ``events.jsonl``, always. The deck's
folder and its worktrees, which a resumed run and the evidence need, stay until the run has succeeded with its evidence
kept: logs and recordings are in the evidence then, work is on its branches.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipelines import bundles, codec, runs, surroundings
from pipelines.carried import Carried
from pipelines.drivers import choose
from pipelines.durable import open_durable
from pipelines.folder import RunFolder
from pipelines.folder import evidence as evidence_folder
from pipelines.holding import hold
from pipelines.model import Outcome, RunEvent, RunPlan, RunResult
from pipelines.ports import Durable, Tell
from pipelines.runner import Runner
from pipelines.step import Evidence
from quarterdeck import config
from quarterdeck.clock import SystemClock
from quarterdeck.errors import Broken, QuarterdeckError, told_of
from quarterdeck.kept import Kept
from quarterdeck.paths import Paths
from quarterdeck.redaction import Redactor
from quarterdeck.text import safe
from sessions import trust
from sessions.deck import Deck
from sessions.launch import Limits
from sessions.policy import accepted
from sessions.policy.accepted import Given
from sessions.store import remembered_trust

LEASE = 60.0
"""Seconds for which programs go on when the run's process was killed."""
HISTORY_LINES = 200
"""Rows of live history of a program nobody looks at: what it printed is in its journal."""
_AGAIN = "again/"
"""Begins the keys under which each resumed process is remembered."""


class Brake:
    """Stops a run at any time, also before there is anything to stop. Made by the caller, for one run."""

    def __init__(self) -> None:
        self._runner: Runner | None = None
        self._pulled: tuple[Outcome, str, int] | None = None

    def stop(self, outcome: Outcome, reason: str, exit_code: int = 0) -> None:
        """See :meth:`pipelines.runner.Runner.stop`. To be called on the run's event loop."""
        self._pulled = self._pulled or (outcome, reason, exit_code)
        if self._runner is not None:
            self._runner.stop(outcome, reason, exit_code)

    def unfinished(self, error: QuarterdeckError) -> RunResult | None:
        """What is known of a run that ``error`` has ended; None where it had not begun."""
        return self._runner.unfinished(error) if self._runner is not None else None

    def hold(self, runner: Runner) -> None:
        """This is what it stops from now on."""
        self._runner = runner
        if self._pulled:
            runner.stop(*self._pulled)


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How a run is carried out, whatever its plan says."""

    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    """The caller's variables."""
    evidence: Path | None = None
    """Where the evidence goes; None for the usual folder in the workspace."""
    keep_evidence: bool = True
    reports: tuple[Path, ...] = ()
    """Files that the caller writes at the end: no work of the steps."""
    database: str = ""
    """A ``postgresql://`` URL; "" for a file in the run's folder."""
    trust: bool = False
    """Whether profiles and settings that the workspace brings are used, as they are where the person trusts them
    anyway, and an agent's own question whether to trust its folder is answered with yes."""
    policy: Path | None = None
    """Rules for this run beside the person's own; of a run that goes on None means those it was begun with."""
    patience: float = 0.0
    """Seconds a question that no rule decides waits for a person."""
    deck: Deck | None = None
    """An open deck in which the run's agents are seen; None opens one of its own."""
    brake: Brake = field(default_factory=Brake)
    early: Process | None = None
    """The engine's process where it was started before, on this event loop: :class:`pipelines.starting.Early`."""


async def carry_out(plan: RunPlan, folder: RunFolder, tell: Tell, options: RunOptions) -> RunResult:
    """Carry out a new run to its end, and keep the result. Raises :class:`Refused` where it goes on elsewhere.

    Otherwise raises as :meth:`Runner.run`, and :class:`Broken` where its folder or what was done cannot be kept.
    """
    if options.policy is not None:
        await asyncio.to_thread(accepted.read, options.policy)  # one that is refused leaves nothing of the run
    with hold(folder):
        await asyncio.to_thread(runs.keep_plan, folder, plan)
        async with open_durable(folder.run_id, _where(folder, options), fresh=True, early=options.early) as opened:
            durable = _remembering(opened, folder, options)
            noting = asyncio.create_task(_note_plan(durable, plan))
            try:
                result = await perform(plan, folder, durable, tell, options)
                await noting
            finally:
                noting.cancel()
                await asyncio.gather(noting, return_exceptions=True)
        await asyncio.to_thread(_leave, folder, result, options)
        return result


async def go_on(folder: RunFolder, tell: Tell, options: RunOptions) -> RunResult:
    """Go on with a run of an earlier process, on this machine or with its database on another one.

    One that has ended is told of as it ended; nothing of it is done or written. Raises :class:`NotFound` where nothing
    is known of it, else as :func:`carry_out`.
    """
    with hold(folder):
        if (over := await asyncio.to_thread(_over, folder)) is not None:
            _tell_end(over, tell)
            return over
        if not options.database and not folder.steps.exists():
            await asyncio.to_thread(runs.kept_plan, folder)  # without it nothing is known of the run
        async with open_durable(folder.run_id, _where(folder, options), fresh=False, early=options.early) as opened:
            durable = _remembering(opened, folder, options)
            if isinstance(durable, Carried):
                await durable.unpack()
            done = await durable.finished()
            if "plan" in done:
                plan = codec.load_plan(done["plan"])
            else:
                plan = await asyncio.to_thread(runs.kept_plan, folder)
            await asyncio.to_thread(runs.keep_plan, folder, plan)
            await _note_plan(durable, plan)
            brought = await bundles.bring_back(folder, Path(plan.workspace))
            resumed = 1 + sum(1 for key in done if key.startswith(_AGAIN))
            await durable.once(f"{_AGAIN}{resumed}", _nothing)
            result = await perform(
                plan, folder, durable, tell, options, resumed=resumed, notes=tuple(brought.left.values())
            )
        await asyncio.to_thread(_leave, folder, result, options)
        return result


async def perform(
    plan: RunPlan,
    folder: RunFolder,
    durable: Durable,
    tell: Tell,
    options: RunOptions,
    *,
    resumed: int = 0,
    notes: Sequence[str] = (),
) -> RunResult:
    """Carry a run out with what ``durable`` remembers of it, in a folder that is held; the other two do the rest.

    ``resumed`` counts the earlier processes, ``notes`` are told to begin with.
    """
    environ = options.environ
    secrets = surroundings.secrets_of(plan, environ)
    redactor = surroundings.redactor(plan, environ)
    ended: list[RunResult] = []
    with _Journal(folder, tell) as journal:

        def note(text: str) -> None:
            journal.tell(RunEvent(kind="note", at_ns=time.time_ns(), run_id=folder.run_id, text=text))

        try:
            async with _deck(plan, folder, options) as deck:
                runner = Runner(
                    plan,
                    folder.run_id,
                    deck,
                    durable,
                    journal.tell,
                    environ=environ,
                    secrets=secrets,
                    drivers=choose(deck, folder.run_id, trust=options.trust, patience=options.patience),
                    home=folder.home,
                    evidence=_evidence(plan, folder, options, redactor),
                    redactor=redactor,
                    resumed=resumed,
                )
                options.brake.hold(runner)
                for text in notes:
                    note(text)
                ended.append(await runner.run())
        except ExceptionGroup as group:  # the deck's tasks are a group
            error = _first(group)
            if not ended:
                raise error from group
            note(f"the run has ended, its state could not be closed: {safe(str(error), 500)}")
    await asyncio.to_thread(runs.keep_result, folder, ended[0])
    return ended[0]


def _first(group: ExceptionGroup[Exception]) -> BaseException:
    """What tells a person most: the first error with words for one, else the first."""
    found = told_of(group)
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


def _evidence(plan: RunPlan, folder: RunFolder, options: RunOptions, redactor: Redactor) -> Evidence | None:
    if not options.keep_evidence:
        return None
    from pipelines.evidence import Evidence as Kept

    where = options.evidence or evidence_folder(plan.workspace, folder.run_id)
    return Kept(where, redactor, [*options.reports, folder.home.parent.parent])


@asynccontextmanager
async def _deck(plan: RunPlan, folder: RunFolder, options: RunOptions) -> AsyncIterator[Deck]:
    """The deck that was given, or one of the run's own."""
    if options.deck is not None:
        yield options.deck
        return
    import profiles.builtin
    from quarterdeck import hooks
    from quarterdeck.held import Held
    from terminals.native import NativeAdapter

    paths, person = folder.state, Paths(folder.home.parent.parent)
    user = config.user_folder(options.environ)
    plugins = hooks.load([profiles.builtin])
    settings = config.load(held=Held(user, Kept(paths.kept / "config.toml"))).config
    limits = Limits(
        journal=settings.journal_limit,
        history_lines=HISTORY_LINES,
        lease=LEASE,
        typing_pause=0.0,
    )
    paths.prepare()
    async with NativeAdapter(paths.run) as native:
        preparing = asyncio.create_task(native.parent.ready(), name="what starts programs")  # while the deck opens
        try:
            async with Deck.open(
                paths,
                {"native": native},
                SystemClock(),
                limits,
                user=user,
                profile_folders=plugins.profile_folders(),
                given=Given(person=person, file=options.policy),
            ) as deck:
                digest = (
                    trust.digest(Path(plan.workspace)) if options.trust else remembered_trust(person, plan.workspace)
                )
                if digest:
                    await deck.store.trust(plan.workspace, digest)
                    deck.workspaces.trusted = {**deck.workspaces.trusted, plan.workspace: digest}
                yield deck
        finally:
            preparing.cancel()
            await asyncio.gather(preparing, return_exceptions=True)


class _Journal:
    """Writes every event to ``events.jsonl`` before it is told. A full disk keeps nobody from hearing of it."""

    def __init__(self, folder: RunFolder, tell: Tell) -> None:
        self._path, self._tell = folder.events, tell
        self._failed = False

    def __enter__(self) -> _Journal:
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Broken(f"cannot write {self._path}: {error.strerror or error}", path=str(self._path)) from error
        self._handle = handle
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)

    def tell(self, event: RunEvent) -> None:
        from pipelines.report.jsonlines import line

        try:
            if not self._failed:
                os.write(self._handle, line(event).encode())
        except OSError as error:
            self._failed = True
            said = f"events are no longer written to {self._path}: {error.strerror or error}"
            self._tell(replace(event, kind="note", step="", text=said, data={}))
        self._tell(event)


def _over(folder: RunFolder) -> RunResult | None:
    """The result of a run that has ended for good; a damaged one is made again."""
    try:
        result = runs.kept_result(folder)
    except Broken:
        return None
    return None if result is None or result.outcome is Outcome.INTERRUPTED else result


def _tell_end(result: RunResult, tell: Tell) -> None:
    said = "this run has ended before; nothing is done again"
    tell(RunEvent(kind="note", at_ns=time.time_ns(), run_id=result.run_id, text=said))
    seconds = (result.ended_ns - result.started_ns) / 1e9
    data = {"outcome": result.outcome.value, "exit_code": result.exit_code, "seconds": seconds, "before": True}
    tell(RunEvent(kind="run.ended", at_ns=time.time_ns(), run_id=result.run_id, text=result.reason, data=data))


def _where(folder: RunFolder, options: RunOptions) -> str | Path:
    return options.database or folder.steps


def _remembering(durable: Durable, folder: RunFolder, options: RunOptions) -> Durable:
    """In a database, the commits of steps as well: the machine that goes on may have nothing else."""
    return Carried(durable, folder) if options.database else durable


async def _note_plan(durable: Durable, plan: RunPlan) -> None:
    async def work() -> object:
        return codec.dump_plan(plan)

    await durable.once("plan", work)


async def _nothing() -> bool:
    return True


def _leave(folder: RunFolder, result: RunResult, options: RunOptions) -> None:
    """Delete what nothing needs any more; see the module."""
    if result.outcome is not Outcome.SUCCEEDED or not options.keep_evidence or any(one.unkept for one in result.steps):
        return
    shutil.rmtree(folder.home / "outputs", ignore_errors=True)
    if options.deck is None and not any(folder.state.worktrees.iterdir()):
        shutil.rmtree(folder.state.run, ignore_errors=True)
        shutil.rmtree(folder.state.home, ignore_errors=True)
