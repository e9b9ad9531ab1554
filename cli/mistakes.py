"""The mistakes of a file as compilers tell them: each in a line of its own, so that people and editors find it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from cli.output import Output
from quarterdeck.text import plain


@contextmanager
def line_by_line(out: Output, kept: str) -> Iterator[None]:
    """Tell the mistakes of a file that is read inside, then that ``kept`` ("nothing was run"), and end with its code.

    With ``--json`` the error goes its usual way.
    """
    from quarterdeck.lined.mistakes import BadFile

    try:
        yield
    except BadFile as error:
        if out.json:
            raise
        for line in error.lines:
            out.note(plain(line))
        count = len(error.lines)
        out.note(f"{count} mistake{'s' if count > 1 else ''}; {kept}")
        raise click.exceptions.Exit(error.exit_code) from None
