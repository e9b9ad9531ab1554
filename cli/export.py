"""``export``: an agent's journal as a file other tools read."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

from cli.overview import size
from cli.scope import Scope, agent_argument, agent_path, json_option
from quarterdeck.errors import Broken, NotFound, Refused
from quarterdeck.paths import sync_folder
from quarterdeck.text import plain


@click.command()
@agent_argument
@click.option("--format", "kind", type=click.Choice(["asciicast", "text"]), default="asciicast", show_default=True)
@click.option("--output", "-o", required=True, metavar="FILE", help='The file to write; "-" for standard output.')
@click.option("--force", is_flag=True, help="Replace FILE where it exists.")
@json_option
@click.pass_obj
def export(scope: Scope, agent: str, kind: str, output: str, force: bool) -> None:
    """Write an agent's journal as an asciicast (for asciinema) or as plain text.

    FILE is complete or not there at all, and is never replaced without --force.
    """
    lines = scope.client.stream("GET", agent_path(agent, "export") + f"?format={kind}")
    if output == "-":
        for line in lines:
            # an asciicast is JSON and may hold C1 characters unescaped; on a terminal they would act
            scope.out.write(
                plain(line.decode("utf-8", "replace")) if kind == "text" or scope.out.tty else line.decode()
            )
        return
    target = Path(output).absolute()
    written = save(lines, target, force=force)
    if scope.out.json:
        scope.out.data({"agent": agent, "format": kind, "file": str(target), "bytes": written})
    else:
        scope.out.note(f"wrote {target} ({size(written)})")


def save(lines: Iterator[bytes], target: Path, *, force: bool) -> int:
    """Write ``lines`` to ``target`` in one step and return the number of bytes.

    Raises :class:`Refused` where the file exists (unless ``force``), :class:`NotFound` and :class:`Broken` where it
    cannot be written; then nothing is left behind.
    """
    exists = Refused(f"{target} exists; nothing was written", hint="another --output, or --force", file=str(target))
    if not force and os.path.lexists(target):
        raise exists
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except FileNotFoundError:
        raise NotFound(f"there is no folder {target.parent}", hint="make it first") from None
    except OSError as error:
        raise Broken(f"cannot write in {target.parent}: {error.strerror}") from error
    written = 0
    try:
        with os.fdopen(handle, "wb") as file:
            for line in lines:
                written += file.write(line)
            file.flush()
            os.fsync(file.fileno())
        if force:
            os.replace(name, target)
        else:
            _place(name, target, exists)
    except OSError as error:
        raise Broken(f"cannot write {target}: {error.strerror}; nothing was kept") from error
    finally:
        if os.path.lexists(name):
            os.unlink(name)
    sync_folder(target.parent)
    return written


def _place(name: str, target: Path, exists: Refused) -> None:
    """Give the finished file its name without replacing one that appeared meanwhile."""
    try:
        os.link(name, target)
    except FileExistsError:
        raise exists from None
    except OSError:  # a file system without hard links
        if os.path.lexists(target):
            raise exists from None
        os.rename(name, target)
