"""``memory edit`` and ``resolve``: what an entry says, changed in an editor or from a file."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import click

from cli.memory.place import Place, entry_argument, in_memory, kind_option
from cli.memory.showing import told
from cli.output import Output
from cli.scope import json_option
from cli.texts import text_of
from quarterdeck.errors import Invalid, NotFound, QuarterdeckError, Refused
from quarterdeck.text import safe

_MARKS = ("<<<<<<< ", "=======", ">>>>>>> ")


@click.command("edit")
@entry_argument
@click.option("--file", metavar="FILE", help='Take the new text from FILE; "-" is standard input.')
@click.option("--key", help="What it is called.")
@kind_option(default=None, help="What sort of thing it is.")
@click.option("--namespace", metavar="NAME", help="workspace, session/NAME or agent/NAME.")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Give it a tag; may be given several times.")
@click.option("--untag", "gone", multiple=True, metavar="TAG", help="Take a tag away.")
@click.option("--pin/--unpin", "pinned", default=None, help="Whether retention leaves it alone.")
@in_memory
@json_option
def edit_verb(
    place: Place,
    ref: str,
    file: str | None,
    key: str | None,
    kind: str | None,
    namespace: str | None,
    tags: tuple[str, ...],
    gone: tuple[str, ...],
    pinned: bool | None,
) -> None:
    """Change an entry: its text in $VISUAL or $EDITOR, or from FILE; with other options only what they say.

    What others change meanwhile is merged with it. Where both changed the same lines all versions are kept, and a
    person decides, before anything else of it is changed.
    """
    out, entry = place.scope.out, place.get(ref)
    if entry["conflict"]:  # before anything is typed
        hint = f"decide first: quarterdeck memory resolve {entry['id']}"
        raise Refused(f"{entry['id']} is in conflict; nothing was changed", hint=hint)
    said: dict[str, Any] = {"key": key, "kind": kind, "namespace": namespace, "pinned": pinned}
    change = {name: value for name, value in said.items() if value is not None}
    if tags or gone:
        change["tags"] = sorted({*entry["tags"], *tags} - set(gone))
    kept = None
    if file is not None:
        change["body"] = text_of(None, file, "store", whole=True)
    elif not change:
        change["body"], kept = edited(out, entry["key"], entry["body"])
        if change["body"] == entry["body"]:
            kept.unlink(missing_ok=True)
            kept.parent.rmdir()
            out.note("nothing was changed")
            if out.json:
                out.data(entry)
            return
    done = _stored(place, entry, change, kept)
    if not done["conflict"] and "body" in change and done["body"] != change["body"] and not done["redacted"]:
        out.note(f"it was changed meanwhile by {safe(_other(place, done), 80)}: both changes were merged")
    told(out, done, "changed")


def _stored(place: Place, entry: dict[str, Any], change: dict[str, Any], kept: Path | None, verb: str = "") -> Any:
    """Store a change; what was typed in an editor stays in its file where that cannot be done."""
    try:
        done = place.change(entry["id"], verb, seen=entry["seen"], **change)
    except QuarterdeckError as error:
        if kept is not None:
            error.hint = f"your text is kept in {kept}" + (f"; {error.hint}" if error.hint else "")
        raise
    if kept is not None:
        kept.unlink(missing_ok=True)
        kept.parent.rmdir()
    return done


def _other(place: Place, done: dict[str, Any]) -> str:
    """Who wrote the version this one was merged with."""
    versions = place.scope.get(place.path(done["id"], "history", limit=3))
    own = [one for one in versions if one["why"] != "merged"]
    return str(own[-2]["author"]) if len(own) > 1 else "somebody"


def edited(out: Output, name: str, text: str) -> tuple[str, Path]:
    """What a person makes of a text in their editor, and the file it is in: it is there until the caller removes it.

    Raises :class:`Refused` where there is no terminal, or the editor failed; then nothing is stored.
    """
    import shlex
    import subprocess
    import sys
    import tempfile

    if not sys.stdin.isatty():
        raise Refused(
            "there is no terminal to edit on; nothing was changed", hint="--file FILE takes the text from a file"
        )
    words = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "entry"
    file = Path(tempfile.mkdtemp(prefix="quarterdeck-memory-")) / f"{slug}.md"
    file.write_text(text, encoding="utf-8", newline="")
    out.flush()
    try:
        code = subprocess.run([*words, str(file)], check=False).returncode
    except OSError as error:
        file.unlink()
        file.parent.rmdir()
        raise NotFound(f"cannot run the editor {words[0]}: {error.strerror}", hint="set EDITOR") from error
    if code:
        raise Refused(f"{words[0]} ended with {code}; nothing was changed", hint=f"your text is kept in {file}")
    return text_of(None, str(file), "store", whole=True), file


@click.command("resolve")
@entry_argument
@click.option("--take", metavar="VERSION", help="What this version says, as it is.")
@click.option("--file", metavar="FILE", help='Take the text from FILE; "-" is standard input.')
@in_memory
@json_option
def resolve_verb(place: Place, ref: str, take: str | None, file: str | None) -> None:
    """Decide what an entry says that was changed in several ways: in your editor, with both marked, or by a version."""
    out, entry = place.scope.out, place.get(ref)
    if not entry["conflict"]:
        raise Refused(f"{entry['id']} is in no conflict; nothing was changed", hint="quarterdeck memory edit")
    heads = [one for one in place.scope.get(place.path(entry["id"], "history")) if one["head"]]
    kept = None
    if take is not None:
        chosen = next((one for one in heads if one["version"] == take), None)
        if chosen is None:
            names = ", ".join(one["version"] for one in heads)
            raise NotFound(f"{safe(take, 60)} is no version that stands", hint=f"these do: {names}")
        if chosen["content"] is None or chosen["content"]["cut"]:
            raise Refused("that version cannot be taken whole from here", hint="quarterdeck memory restore takes it")
        change = {name: value for name, value in chosen["content"].items() if name != "cut"}
    elif file is not None:
        change = {"body": text_of(None, file, "store", whole=True)}
    else:
        if not out.json:
            _show(out, heads)
        change = {}
        change["body"], kept = edited(out, entry["key"], _both(heads))
    if any(line.startswith((_MARKS[0], _MARKS[2])) for line in str(change["body"]).splitlines()):
        hint = f"your text is kept in {kept}" if kept else ""
        raise Invalid("the text still has the marks of the conflict; nothing was changed", hint=hint)
    done = _stored(place, entry, change, kept, "resolve")
    told(out, done, "decided")


def _show(out: Output, heads: list[dict[str, Any]]) -> None:
    for one in heads:
        out.note(f"{one['version']} by {one['author']}" + (" (deleted it)" if one["deleted"] else ""))


def _both(heads: list[dict[str, Any]]) -> str:
    """The texts of all versions that stand in one, where they differ each between marks that name it."""
    import difflib

    standing = [one for one in heads if one["content"]]
    text = standing[0]["content"]["body"].splitlines()
    name = _name(standing[0])
    for other in standing[1:]:
        lines, new = [], other["content"]["body"].splitlines()
        for what, a, b, c, d in difflib.SequenceMatcher(None, text, new, autojunk=False).get_opcodes():
            if what == "equal":
                lines += text[a:b]
            else:
                lines += [_MARKS[0] + name, *text[a:b], _MARKS[1], *new[c:d], _MARKS[2] + _name(other)]
        text, name = lines, "above"
    return "\n".join(text) + "\n"


def _name(version: dict[str, Any]) -> str:
    return f"{version['version']} {safe(version['author'], 60)}"
