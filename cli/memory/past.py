"""``memory history``, ``restore``, ``missing``: what an entry said before, and files that are not on this branch."""

from __future__ import annotations

import time
from typing import Any

import click

from cli.memory.place import Place, complete_entries, entry_argument, in_memory
from cli.memory.showing import marked, pages, table, told
from cli.output import GREEN, Cell, Column
from cli.overview import age
from cli.scope import json_option
from quarterdeck.errors import Invalid, NotFound, Refused
from quarterdeck.text import plain, safe

_COLUMNS = (
    Column("VERSION"),
    Column("WHY"),
    Column("BY", cut="middle"),
    Column("WHEN", right=True),
    Column("SAYS", cut="end", drop=1),
    Column("", drop=2),
)


@click.command("history")
@entry_argument
@click.option("--diff", "-p", is_flag=True, help="Show what each version changed.")
@click.option("--version", metavar="VERSION", help="Show the text of this version.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=200, show_default=True, help="How many, the newest.")
@in_memory
@json_option
def history_verb(place: Place, ref: str, diff: bool, version: str | None, limit: int) -> None:
    """List the versions of an entry, oldest first."""
    out = place.scope.out
    versions: list[dict[str, Any]] = place.scope.get(place.path(ref, "history", limit=limit))
    if version is not None:
        one = next((one for one in versions if one["version"] == version), None)
        if one is None:
            raise NotFound(f"{safe(version, 60)} is no version of it that is kept", hint="quarterdeck memory history")
        if out.json:
            out.data(one)
        else:
            out.write(plain(one["content"]["body"]) if one["content"] else "")
    elif out.json:
        out.data(versions)
    elif diff:
        _differences(place, versions)
    else:
        now = time.time_ns()
        out.table(
            _COLUMNS,
            [
                (
                    one["version"],
                    one["why"],
                    one["author"],
                    age(one["written_ns"], now),
                    " ".join(one["content"]["body"][:200].split()) if one["content"] else "",
                    Cell("stands" if one["head"] else "", GREEN),
                )
                for one in versions
            ],
        )


def _differences(place: Place, versions: list[dict[str, Any]]) -> None:
    import difflib

    out, now = place.scope.out, time.time_ns()
    before: dict[str, Any] | None = None
    for one in versions:
        stands = ", stands" if one["head"] else ""
        out.line(f"{one['version']}  {one['why']} by {one['author']}, {age(one['written_ns'], now)} ago{stands}")
        lines = list(difflib.unified_diff(pages(before), pages(one["content"]), n=2, lineterm=""))[2:]
        marked(out, lines)
        out.line()
        before = one["content"]


@click.command("restore")
@entry_argument
@click.argument("version", required=False)
@in_memory
@json_option
def restore_verb(place: Place, ref: str, version: str | None) -> None:
    """Make an old VERSION of an entry the newest again; without one the last thing it said before it was deleted."""
    entry = place.get(ref)
    if version is None:
        if not entry["deleted"]:
            raise Invalid("name the version to restore", hint=f"quarterdeck memory history {entry['id']}")
        versions = place.scope.get(place.path(entry["id"], "history"))
        kept = [one for one in versions if not one["deleted"]]
        if not kept:
            raise NotFound("nothing of what it said is kept")
        version = str(kept[-1]["version"])
    told(place.scope.out, place.change(entry["id"], "restore", version=version), "restored")


@click.command("missing")
@click.argument("refs", metavar="[ENTRY...]", nargs=-1, shell_complete=complete_entries)
@click.option("--keep", is_flag=True, help="Write its file on this branch.")
@click.option("--delete", is_flag=True, help="Delete it.")
@in_memory
@json_option
def missing_verb(place: Place, refs: tuple[str, ...], keep: bool, delete: bool) -> None:
    """List entries whose files are not on this branch, or decide about some of them.

    A file that comes back by itself, with its branch or stash, needs no answer.
    """
    out = place.scope.out
    if keep and delete:
        raise Invalid("--keep and --delete are two answers", hint="give one of them")
    if not refs:
        if keep or delete:
            raise Invalid("name the entries", hint="quarterdeck memory missing lists them")
        entries = place.scope.get(place.path(missing=True, limit=500))["entries"]
        if out.json:
            out.data(entries)
        elif entries:
            table(out, entries)
            out.note("quarterdeck memory missing ENTRY --keep writes its file here, --delete deletes it")
        else:
            out.note("the files of all entries are here")
        return
    if not (keep or delete):
        raise Refused("nothing was done", hint="--keep writes the file here, --delete deletes the entry")
    done = [place.change(ref, "missing", answer="keep" if keep else "delete") for ref in refs]
    if out.json:
        out.data(done)
    else:
        for entry in done:
            out.line(entry["id"])
            out.note(f"{'its file is here again' if keep else 'deleted'}: {entry['key']}")
