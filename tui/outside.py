"""A text in the person's own editor: the client steps aside for it and is back when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from quarterdeck.errors import Broken, Invalid, QuarterdeckError, Refused
from tui.driver import Terminal
from tui.prompts import TEXT_LIMIT

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp
    from tui.editor import Editor

LARGEST = 10 << 20
"""Bytes of a memory entry."""


def editor(environ: Mapping[str, str] = os.environ) -> list[str]:
    """The command of ``VISUAL``, ``EDITOR``, else of vi or nano. Raises Invalid where there is none."""
    for name in ("VISUAL", "EDITOR"):
        if said := environ.get(name, "").strip():
            try:
                argv = shlex.split(said)
            except ValueError as error:
                raise Invalid(f"{name} cannot be read: {error}", hint="close the quotes") from error
            if argv and shutil.which(argv[0]):
                return argv
            raise Invalid(f"{name} names a program that is not there: {argv[0] if argv else said}")
    for program in ("vi", "nano"):
        if found := shutil.which(program):
            return [found]
    raise Invalid("no editor is there", hint="set EDITOR")


@contextlib.contextmanager
def aside(app: QuarterdeckApp) -> Iterator[None]:
    """Give the outer terminal to another program; the loop goes on, and nothing is drawn meanwhile."""
    if not isinstance(app._driver, Terminal):
        yield
        return
    # ctrl+c in the cooked terminal is meant for the program in front; a handler, unlike ignoring, is not inherited
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGQUIT)}
    try:
        with app.suspend():
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Draft:
    """A text being edited, in a file of its own that stays until :meth:`done`: what was written is never lost."""

    def __init__(self, folder: Path, path: Path, text: str) -> None:
        self._folder = folder
        self.path = path
        self.text = text
        """What the editor left, with a line feed at its end unless it is empty."""

    def done(self) -> None:
        """It is stored, or nothing is to be stored: remove the file."""
        shutil.rmtree(self._folder, ignore_errors=True)


async def rewrite(app: QuarterdeckApp, editor: Editor, name: str, say: Callable[[str], None]) -> None:
    """Let the person write what stands in ``editor`` with their own; it stays where that brings back nothing to use.

    Nothing is sent. ``say`` tells what became of it, an error is a message over the screen.
    """
    say("written in your editor")
    try:
        draft = await edited(app, editor.text, name, largest=TEXT_LIMIT, of="a prompt")
    except QuarterdeckError as error:
        say("the draft is as it was")
        app.toasts.complain("take what was written", error)
        return
    if draft is None:
        say("nothing was changed")
    elif not draft.text.strip():
        draft.done()
        say("the file came back empty; the draft is as it was")
    else:
        editor.put(draft.text.rstrip("\n"))
        draft.done()
        say("")


async def edited(
    app: QuarterdeckApp, text: str, name: str, *, largest: int = LARGEST, of: str = "an entry"
) -> Draft | None:
    """Let the person change ``text``, at most ``largest`` bytes ``of`` something; None where nothing was changed.

    Raises Invalid without an editor, Refused where the editor failed, Broken where its file cannot be read; what was
    written stays then in the file the error names.
    """
    argv = editor()
    folder = Path(tempfile.mkdtemp(prefix="quarterdeck-"))
    path = folder / f"{_file_name(name)}.md"
    await asyncio.to_thread(_write, path, text.encode("utf-8", "replace"))
    try:
        with aside(app):
            status = await run([*argv, str(path)])
    except Broken:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    try:
        data = await asyncio.to_thread(_read, path, largest)
    except OSError as error:
        raise Broken(f"what was written cannot be read: {error}", hint=f"look into {folder}") from error
    draft = Draft(folder, path, "")
    if status:
        if data == text.encode("utf-8", "replace"):
            draft.done()
            raise Refused(f"{argv[0]} ended with status {status}; nothing was changed")
        raise Refused(f"{argv[0]} ended with status {status}; nothing was stored", hint=f"what was written: {path}")
    if len(data) > largest:
        raise Refused(f"the text has more than the {largest:,} bytes {of} holds", hint=f"what was written: {path}")
    try:
        draft.text = data.decode().replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise Refused("the text is not UTF-8; nothing was stored", hint=f"what was written: {path}") from None
    if draft.text.rstrip("\n") == text.rstrip("\n"):
        draft.done()
        return None
    return draft


def _file_name(name: str) -> str:
    kept = "".join(char if char.isascii() and (char.isalnum() or char in "._") else "-" for char in name)
    return kept.strip("-.")[:60] or "entry"


def _write(path: Path, data: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(data)


def _read(path: Path, largest: int) -> bytes:
    with path.open("rb") as file:
        return file.read(largest + 1)


async def run(argv: list[str]) -> int:
    """Run a program on the outer terminal and see it end; cancelled, end it."""
    output = sys.__stderr__ if sys.__stderr__ is not None else None
    try:
        process = await asyncio.create_subprocess_exec(*argv, stdout=output)
    except OSError as error:
        raise Broken(f"{argv[0]} cannot be started: {error}") from error
    try:
        return await process.wait()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        raise
