"""The way every run begins: planned, then shown, carried out here, or handed to the orchestrator."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cli.mistakes import line_by_line
from cli.runs.options import Options
from cli.scope import Scope
from pipelines.starting import Early
from quarterdeck.errors import Invalid, Refused

if TYPE_CHECKING:
    from cli.runs.planning import Place
    from pipelines.model import RunPlan


def begin(scope: Scope, options: Options, make: Callable[[Place], RunPlan]) -> None:
    """Plan the run and do with it what the options say; ends with its exit code (``click.exceptions.Exit``)."""
    if options.dry_run or options.attach:
        _begin(scope, options, make, None)
        return
    with Early() as early:
        _begin(scope, options, make, early)


def _begin(scope: Scope, options: Options, make: Callable[[Place], RunPlan], early: Early | None) -> None:
    with _imports():
        from cli.runs.planning import look

    place = look(scope.paths, options)
    with line_by_line(scope.out, "nothing was run"):
        plan = make(place)
    _check(options)
    for problem in place.problems:
        scope.out.note(problem)
    if options.dry_run:
        from cli.runs.showing import show_plan

        show_plan(scope, plan, place)
    elif early is None:
        from cli.runs.following import hand_over

        hand_over(scope, plan, options)
    else:
        with _imports():
            from cli.runs.carrying import carry

        carry(scope, plan, options, early)


def go_on(scope: Scope, run_id: str, options: Options) -> None:
    """Go on with a run of an earlier process; ends with its exit code."""
    from cli.runs.past import find

    told = {"output", "junit", "summary", "result", "ci", "trust", "policy", "database", "attach"}
    if given := options.changed(*told):
        raise Invalid(
            f"{', '.join(given)}: a run that goes on stays as it was planned",
            hint="with --resume go reports, --output, --ci, --json, --trust, --policy, --database and --attach",
        )
    folder = find(scope.paths, run_id, elsewhere=bool(options.database))
    _check(options)
    if options.attach:
        from cli.runs.following import follow

        follow(scope, folder, options)
    elif folder.attached.exists():
        raise Refused(
            f"run {folder.run_id} belongs to your orchestrator",
            hint=folder.resume,
            run=folder.run_id,
        )
    else:
        with Early() as early:
            with _imports():
                from cli.runs.carrying import carry_on

            carry_on(scope, folder, options, early)


def _check(options: Options) -> None:
    """Raise :class:`Invalid` for options that a run could not be carried out with, before anything of it begins."""
    with _imports():
        from cli.runs import reports

    reports.check(options)
    if options.attach:
        from cli.runs.following import refuse

        refuse(options)
    if options.policy:
        from sessions.policy import accepted

        accepted.read(Path(options.policy).absolute())
    if options.database:
        from pipelines.durable import check_url

        check_url(options.database)


@contextmanager
def _imports() -> Iterator[None]:
    """Around imports of much that stays: the garbage collector looks through it neither meanwhile nor later."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
