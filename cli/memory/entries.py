"""``memory add``, ``get``, ``delete``, ``search``, ``list``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import click

from cli.memory.place import Place, entry_argument, filter_options, in_memory, kind_option
from cli.memory.showing import hit, passage, table, told, whole
from cli.overview import workspace
from cli.scope import json_option
from cli.texts import text_of
from quarterdeck.errors import Invalid
from quarterdeck.text import plain

_PAGE = 500


def link_options(verb: Any) -> Any:
    """The options that link an entry with what it is about."""
    for name, what in (
        ("commit", "a commit"),
        ("task", "a task"),
        ("agent", "an agent"),
        ("file", "a file of the workspace"),
    ):
        verb = click.option(f"--link-{name}", f"{name}s", multiple=True, metavar=name.upper(), help=f"Link {what}.")(
            verb
        )
    return verb


def links_of(
    place: Place, agents: Sequence[str], tasks: Sequence[str], commits: Sequence[str], files: Sequence[str]
) -> Any:
    """The links as the API takes them; files relative to the workspace."""
    return {"agents": agents, "tasks": tasks, "commits": commits, "files": [_relative(place, file) for file in files]}


def _relative(place: Place, file: str) -> str:
    root = workspace() if place.folder in ("", workspace()) else place.folder
    path = os.path.relpath(os.path.abspath(file), root)
    if path.startswith("..") and not os.path.isabs(file) and os.path.lexists(os.path.join(root, file)):
        return os.path.normpath(file)
    if path.startswith(".."):
        raise Invalid(f"{file} is outside of the workspace {root}", hint="link files of the workspace")
    return path


@click.command("add")
@click.argument("text", required=False)
@click.option("--file", metavar="FILE", help='Take the text from FILE; "-" is standard input.')
@click.option("--key", default="", help="What it is called (default: its first words).")
@kind_option(default="note", show_default=True)
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="May be given several times.")
@click.option("--namespace", default="", metavar="NAME", help="workspace (default), session/NAME or agent/NAME.")
@link_options
@click.option("--pin", "pinned", is_flag=True, help="Retention never takes it.")
@in_memory
@json_option
def add_verb(
    place: Place,
    text: str | None,
    file: str | None,
    key: str,
    kind: str,
    tags: tuple[str, ...],
    namespace: str,
    agents: tuple[str, ...],
    tasks: tuple[str, ...],
    commits: tuple[str, ...],
    files: tuple[str, ...],
    pinned: bool,
) -> None:
    """Remember TEXT, or standard input for "-". Prints the new entry's id.

    Secrets in it are masked before it is stored. It is markdown, and a file in the workspace's .quarterdeck/memory.
    """
    body = text_of(text, file, "remember", whole=True)
    if not body.strip() and not key:
        raise Invalid("there is no text to remember", hint='TEXT, "-" for standard input, or --file FILE')
    entry = place.post(
        "entries",
        body=body,
        key=key,
        kind=kind,
        namespace=namespace,
        tags=tags,
        links=links_of(place, agents, tasks, commits, files),
        pinned=pinned,
    )
    told(place.scope.out, entry, "remembered")


@click.command("get")
@entry_argument
@click.option("--body", "only", is_flag=True, help="Only its text.")
@in_memory
@json_option
def get_verb(place: Place, ref: str, only: bool) -> None:
    """Show one entry. ENTRY is its id, the first four characters of it or more, or its key."""
    out, entry = place.scope.out, place.get(ref)
    if out.json:
        out.data(entry)
    elif only:
        out.write(plain(entry["body"]))
    else:
        whole(out, entry)


@click.command("delete")
@click.argument("refs", metavar="ENTRY...", nargs=-1, required=True)
@in_memory
@json_option
def delete_verb(place: Place, refs: tuple[str, ...]) -> None:
    """Delete entries and their files. Their history is kept: "memory restore" brings them back."""
    done = []
    for ref in refs:
        done.append(place.scope.client.request("DELETE", place.path(ref)))
        if not place.scope.out.json:
            place.scope.out.line(done[-1]["id"])
            place.scope.out.note(
                f"deleted: {done[-1]['key']}; quarterdeck memory restore {done[-1]['id']} brings it back"
            )
    if place.scope.out.json:
        place.scope.out.data(done)


@click.command("search")
@click.argument("words", nargs=-1, required=True)
@filter_options
@click.option("--everywhere", is_flag=True, help="In the memory of every workspace.")
@click.option("--texts", is_flag=True, help="Also in what agents printed, and in the transcripts of their talks.")
@click.option("--semantic", is_flag=True, help="By meaning as well as by words (needs the extra of that name).")
@click.option("--limit", type=click.IntRange(1, _PAGE), default=20, show_default=True)
@in_memory
@json_option
def search_verb(
    place: Place,
    words: tuple[str, ...],
    which: dict[str, Any],
    everywhere: bool,
    texts: bool,
    semantic: bool,
    limit: int,
) -> None:
    """Find entries by words, the best first.

    All words are to be found; "a phrase", begin*, and after "--" -without. Also tag:X, kind:X, in:NAMESPACE, by:WHO,
    since:7d, until:2026-01-31, file:PATH, is:pinned.
    """
    out = place.scope.out
    query = place.query(q=" ".join(words), everywhere=everywhere, texts=texts, semantic=semantic, limit=limit, **which)
    found = place.scope.get(f"/v1/memory/search?{query}")
    if out.json:
        out.data(found)
        return
    for one in found["hits"]:
        hit(out, one, everywhere=everywhere)
    for one in found["texts"]:
        passage(out, one)
    if not found["hits"] and not found["texts"]:
        out.note("nothing was found")
    if found["behind"]:
        out.note(f"not searched to the end yet: {', '.join(found['behind'])}; ask again in a moment")
    for text in found["problems"]:
        out.note(text)


@click.command("list")
@filter_options
@click.option(
    "--limit", type=click.IntRange(1), default=50, show_default=True, help="How many, the newest change first."
)
@in_memory
@json_option
def list_verb(place: Place, which: dict[str, Any], limit: int) -> None:
    """List entries, the newest change first."""
    out = place.scope.out
    entries: list[dict[str, Any]] = []
    after = ""
    while len(entries) < limit:
        page = place.scope.get(place.path(limit=min(_PAGE, limit - len(entries)), after=after, **which))
        entries += page["entries"]
        after = page["after"]
        if not after:
            break
    if out.json:
        out.data(entries)
        return
    if not entries:
        out.note("nothing is remembered here" if not any(which.values()) else "there is no such entry")
        return
    table(out, entries)
    if after:
        out.note(f"there are more than {limit}: --limit")
