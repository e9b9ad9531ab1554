"""A run in this process: its signals, what is shown of it, its reports, its exit code."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.output import GREEN, RED, YELLOW
from cli.runs import reports
from cli.runs.options import Options
from cli.runs.telling import Telling
from pipelines import report
from pipelines.folder import RunFolder, evidence, new_run_id, resume_command
from pipelines.model import Outcome, RunPlan, RunResult
from pipelines.report import words
from pipelines.report.display import table
from pipelines.report.progress import Style
from pipelines.run import Brake, RunOptions, carry_out, go_on
from pipelines.runs import kept_plan
from pipelines.starting import Early
from pipelines.unfinished import unfinished
from quarterdeck.errors import Broken, NotFound, QuarterdeckError, told_of
from quarterdeck.text import safe

if TYPE_CHECKING:
    from cli.scope import Scope

_SIGNALS = {signal.SIGINT: "ctrl+c", signal.SIGTERM: "SIGTERM", signal.SIGHUP: "SIGHUP"}
_COLOURS = {Outcome.SUCCEEDED: GREEN, Outcome.SKIPPED: "", Outcome.INTERRUPTED: YELLOW}


class Stopping:
    """What signals do to a run: the first one stops it, the second ends this process at once.

    ``stop`` gets what to say and the exit code that the signal asks for. What runs when the process ends at once ends
    itself: its holders have a lease.
    """

    def __init__(self, run_id: str, telling: Telling, stop: Callable[[str, int], None]) -> None:
        self._stopping = False
        self._run_id, self._telling, self._stop = run_id, telling, stop

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Take the signals, on the running loop; one that whoever started us ignores (nohup) stays ignored."""
        loop = asyncio.get_running_loop()
        taken = [one for one in _SIGNALS if signal.getsignal(one) is not signal.SIG_IGN]
        for one in taken:
            loop.add_signal_handler(one, self._heard, one)
        try:
            yield
        finally:
            for one in taken:
                loop.remove_signal_handler(one)

    def _heard(self, number: signal.Signals) -> None:
        resume = resume_command(self._run_id)
        if self._stopping:
            self._telling.close()
            self._telling.note(f"ended at once; what still runs ends itself within a minute; go on: {resume}")
            os._exit(128 + number)
        self._stopping = True
        self._telling.note(f"stopping by {_SIGNALS[number]}: what runs is ended; once more ends at once")
        self._stop(f"stopped by {_SIGNALS[number]}", 128 + number)


def carry(scope: Scope, plan: RunPlan, options: Options, early: Early) -> None:
    """Carry out a new run; ends with its exit code (``click.exceptions.Exit``)."""
    folder = RunFolder.of(scope.paths, new_run_id(datetime.now(UTC)))
    telling = Telling(scope.out, plan, options, os.environ)

    def begin(how: RunOptions) -> Coroutine[Any, Any, RunResult]:
        return carry_out(plan, folder, telling, how)

    _perform(scope, folder, plan, options, telling, early, begin)


def carry_on(scope: Scope, folder: RunFolder, options: Options, early: Early) -> None:
    """Go on with a run of an earlier process; ends with its exit code."""
    try:
        plan = kept_plan(folder)
    except NotFound:  # its state is in a database, or there is none, which is told when it is looked for
        plan = None
    telling = Telling(scope.out, plan, options, os.environ)

    def begin(how: RunOptions) -> Coroutine[Any, Any, RunResult]:
        return go_on(folder, telling, how)

    _perform(scope, folder, plan, options, telling, early, begin)


def _perform(
    scope: Scope,
    folder: RunFolder,
    plan: RunPlan | None,
    options: Options,
    telling: Telling,
    early: Early,
    begin: Callable[[RunOptions], Coroutine[Any, Any, RunResult]],
) -> None:
    brake = Brake()
    how = RunOptions(
        environ=dict(os.environ),
        evidence=Path(options.output).absolute() if options.output else None,
        reports=tuple(Path(one).absolute() for one in (options.junit, options.summary, options.result) if one),
        database=options.database,
        trust=options.trust,
        policy=Path(options.policy).absolute() if options.policy else None,
        brake=brake,
        early=early.process,
    )
    stopping = Stopping(folder.run_id, telling, lambda why, code: brake.stop(Outcome.INTERRUPTED, why, code))

    async def whole() -> RunResult:
        with stopping.heard():
            async with telling.alive():
                return await begin(how)

    try:
        result = early.loop.run(whole())
    except (QuarterdeckError, BaseExceptionGroup) as raised:
        error = told_of(raised) if isinstance(raised, BaseExceptionGroup) else raised
        if isinstance(error, QuarterdeckError):
            _conclude_early(scope, brake, folder, plan, error, options)
        if error is raised:
            raise
        raise error from raised
    conclude(scope, result, kept_plan(folder), options, telling)


def _conclude_early(
    scope: Scope, brake: Brake, folder: RunFolder, plan: RunPlan | None, error: QuarterdeckError, options: Options
) -> None:
    """Write into the reports what is known of a run that an error has ended: they may lie where there is room."""
    with suppress(QuarterdeckError):
        plan = plan or kept_plan(folder)
    known = brake.unfinished(error)
    if plan is None or (known is None and not isinstance(error, Broken)):
        return
    for problem in reports.write(known or unfinished(plan, folder.run_id, error), plan, options, os.environ):
        scope.out.note(problem)


def conclude(scope: Scope, result: RunResult, plan: RunPlan, options: Options, telling: Telling) -> None:
    """Write the reports, say what came of it, and end with its exit code."""
    where = evidence(plan.workspace, result.run_id, options.output)
    named = safe(reports.named(where), 1000)
    problems = reports.write(result, plan, options, os.environ)
    if telling.style is Style.GITHUB:
        telling.lines(report.annotations(result, plan, root=os.environ.get("GITHUB_WORKSPACE", "")))
    telling.lines(list(_said(scope, result, named)))
    unkept = [f"not kept of {step.key}: {one}" for step in result.steps for one in step.unkept]
    for problem in [*unkept, *problems]:
        scope.out.note(problem)
    agents = {step.key: plan.agents[step.agent].profile for step in plan.steps if step.agent}
    for profile in dict.fromkeys(agents[one.key] for one in result.steps if one.outcome is Outcome.NOT_INSTALLED):
        scope.out.note(f"install the program of profile {profile}, or name another profile: quarterdeck profile list")
    if result.outcome is Outcome.INTERRUPTED:
        scope.out.note(f"go on with it: {RunFolder.of(scope.paths, result.run_id).resume}")
    raise click.exceptions.Exit(result.exit_code or (Broken.exit_code if problems else 0))


def _said(scope: Scope, result: RunResult, where: str) -> Iterator[str]:
    """What came of it, for people: a line for each step, where that says more, and one for all."""
    out = scope.out
    yield ""
    if len(result.steps) > 1 or result.exit_code:
        yield from table(result, max(40, (out.width or 120) - 1), color=out.colour)
        yield ""
    took = words.duration(words.took(result.started_ns, result.ended_ns))
    said = f"{words.phrase(result.name)}: {result.outcome.value} in {took}"
    tokens = words.tokens(result.usage)
    used = [words.counts(step.outcome for step in result.steps), words.money(result.usage)]
    used.append(f"{tokens} tokens" if tokens else "")
    yield out.painted(f"{said} ({', '.join(part for part in used if part)})", _COLOURS.get(result.outcome, RED))
    if where:
        yield f"logs and recordings: {where}"
