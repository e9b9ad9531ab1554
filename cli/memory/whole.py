"""``memory export``, ``import``, ``stats``, ``prune``, ``sync``, ``banks``: all of a memory at once."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import click

from cli.memory.place import Place, in_memory
from cli.memory.showing import count
from cli.output import YELLOW, Cell, Column, Output
from cli.overview import age, near_home, size
from cli.scope import Scope, json_option
from quarterdeck.errors import Invalid, NotFound, Refused

_LEAVING = (
    Column("ID"),
    Column("KEY", cut="end"),
    Column("NAMESPACE", cut="middle", drop=1),
    Column("CHANGED", right=True),
    Column("SIZE", right=True),
    Column("BECAUSE OF"),
)
_BANKS = (
    Column("MEMORY OF", cut="left"),
    Column("ENTRIES", right=True),
    Column("TO DECIDE", right=True),
    Column("KEPT IN", drop=1),
    Column("PROBLEMS", cut="end"),
)
_SHOWN = 40


@click.command("export")
@click.argument("file", default="-", metavar="[FILE]")
@click.option("--format", "form", type=click.Choice(["json", "csv", "markdown"]), help="Told by FILE, else json.")
@click.option("--history", is_flag=True, help="All versions, and what was deleted (json).")
@in_memory
@json_option
def export_verb(place: Place, file: str, form: str | None, history: bool) -> None:
    """Write all entries to FILE, which must not exist, or to standard output. Markdown goes to a folder."""
    out = place.scope.out
    kind = form or ("csv" if file.lower().endswith(".csv") else "json")
    if file == "-":
        if kind == "markdown":
            raise Invalid("markdown is exported to a folder", hint="name one that does not exist")
        query = place.query(format=kind, history=history)
        for line in place.scope.client.stream("GET", f"/v1/memory/export?{query}"):
            sys.stdout.buffer.write(line)
        return
    done = place.post("export", format=kind, path=os.path.abspath(file), history=history)
    if out.json:
        out.data(done)
        return
    out.line(done["path"])
    out.note(f"{size(done['bytes'])} were written")
    _problems(out, done["problems"])


@click.command("import")
@click.argument("file", metavar="FILE")
@click.option("--format", "form", type=click.Choice(["json", "csv", "markdown"]), help="Told by FILE, else json.")
@click.option("--strict", is_flag=True, help="Take nothing where anything in it is wrong.")
@in_memory
@json_option
def import_verb(place: Place, file: str, form: str | None, strict: bool) -> None:
    """Take what an export holds: a file, a folder of markdown, or standard input for "-".

    The same a second time changes nothing. What was edited in the file is merged with what was changed here since.
    """
    out = place.scope.out
    if file == "-":
        data = sys.stdin.buffer.read()
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Invalid(f"standard input is not UTF-8: byte {error.start + 1}; nothing was imported") from None
        done = place.post("import", data=text, format=form or "", strict=strict)
    else:
        if not os.path.exists(file):
            raise NotFound(f"there is no file {file}; nothing was imported")
        done = place.post("import", path=os.path.abspath(file), format=form or "", strict=strict)
    if out.json:
        out.data(done)
        return
    out.line(f"{done['added']} new, {done['changed']} changed, {done['known']} known already")
    _problems(out, done["problems"])


def _problems(out: Output, problems: list[str]) -> None:
    for text in problems[:_SHOWN]:
        out.note(f"left out: {text}")
    if len(problems) > _SHOWN:
        out.note(f"and {len(problems) - _SHOWN} more")


@click.command("stats")
@in_memory
@json_option
def stats_verb(place: Place) -> None:
    """Say how much is remembered, and what is wrong with it."""
    out = place.scope.out
    stats = place.scope.get(f"/v1/memory/stats?{place.query()}")
    if out.json:
        out.data(stats)
        return
    out.line(f"{near_home(stats['bank']) or 'shared by all workspaces'} ({stats['backend']})")
    entries, versions = count(stats["entries"], "entry", "entries"), count(stats["versions"], "version", "versions")
    out.line(f"{entries}, {stats['deleted']} deleted, {versions}")
    out.line(f"{size(stats['text_bytes'])} of text, {size(stats['disk_bytes'])} on disk")
    for what in ("by_namespace", "by_kind"):
        if stats[what]:
            pairs = sorted(stats[what].items(), key=lambda pair: (-pair[1], pair[0]))
            out.line(f"{what.replace('_', ' ')}: " + ", ".join(f"{name} {count}" for name, count in pairs))
    if stats["conflicts"]:
        out.note(f"{stats['conflicts']} to decide about: quarterdeck memory list --conflict")
    if stats["missing"]:
        out.note(f"{stats['missing']} not on this branch: quarterdeck memory missing")
    for text in stats["problems"][:_SHOWN]:
        out.note(text)


@click.command("prune")
@click.option("--max-age-days", type=click.FloatRange(0), metavar="DAYS", help="Since the last change.")
@click.option("--max-entries", type=click.IntRange(0), metavar="N", help="The newest stay.")
@click.option("--max-bytes", type=click.IntRange(0), metavar="N", help="Of all texts together; the newest stay.")
@click.option("--namespace", default="", metavar="NAME", help="Only this one; session/ and agent/: all of them.")
@click.option(
    "--history-days", type=click.FloatRange(0), metavar="DAYS", help="Remove older superseded versions for good."
)
@click.option("--dry-run", is_flag=True, help="Only show what would go.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@in_memory
@json_option
def prune_verb(
    place: Place,
    max_age_days: float | None,
    max_entries: int | None,
    max_bytes: int | None,
    namespace: str,
    history_days: float | None,
    dry_run: bool,
    yes: bool,
) -> None:
    """Let go what the limits do not keep: those given here, else those in the settings. Shows it first, and asks.

    What goes is deleted and can be restored. Nothing pinned goes, nothing in conflict, nothing of an open session.
    """
    out = place.scope.out
    wish: dict[str, Any] = {"max_age_days": max_age_days, "max_entries": max_entries, "max_bytes": max_bytes}
    wish |= {"namespace": namespace, "history_days": history_days}
    would = place.post("prune", dry_run=True, **wish)
    if dry_run or not (would["count"] or would["versions"]):
        if out.json:
            out.data(would)
        else:
            _leaving(out, would, "would go")
        return
    if not yes:
        if not out.json:
            _leaving(out, would, "would go")
        if not out.can_ask:
            raise Refused("nothing was pruned: there is nobody to ask", hint="--dry-run shows it, --yes does it")
        if not out.ask("Let these go?"):
            raise Refused("nothing was pruned")
    done = place.post("prune", dry_run=False, **wish)
    if out.json:
        out.data(done)
    else:
        _leaving(out, done, "went", table=yes)


def _leaving(out: Output, found: dict[str, Any], what: str, *, table: bool = True) -> None:
    now = time.time_ns()
    rows = [
        (one["id"], one["key"], one["namespace"], age(one["updated_ns"], now), size(one["bytes"]), one["reason"])
        for one in found["entries"][:_SHOWN]
    ]
    if rows and table:
        out.table(_LEAVING, rows)
    more = f" (the first {_SHOWN} are shown)" if found["count"] > _SHOWN and table else ""
    entries = count(found["count"], "entry", "entries")
    versions = count(found["versions"], "old version", "old versions")
    out.note(f"{entries} of {size(found['bytes'])} and {versions} {what}{more}")


@click.command("sync")
@click.argument("peer", required=False)
@in_memory
@json_option
def sync_verb(place: Place, peer: str | None) -> None:
    """Compare with the files now and say what is wrong; with PEER, a folder or another bank.db, exchange with it."""
    out = place.scope.out
    done = place.post("sync", peer=os.path.abspath(os.path.expanduser(peer)) if peer else "")
    if out.json:
        out.data(done)
    else:
        if peer:
            out.line(f"{count(done['received'], 'version', 'versions')} taken, {done['sent']} given")
            if done["renamed"]:
                out.note(f"this memory was set back to a backup and goes on as writer {done['renamed']}")
        elif not done["problems"]:
            out.note("database and files agree")
        for text in done["problems"][:_SHOWN]:
            out.note(text)
    if done["problems"] and not peer:
        raise click.exceptions.Exit(1)


@click.command("banks")
@json_option
@click.pass_obj
def banks_verb(scope: Scope) -> None:
    """List the memories there are, of all workspaces."""
    banks: list[dict[str, Any]] = scope.get("/v1/memory/banks")
    if scope.out.json:
        scope.out.data(banks)
        return
    if not banks:
        scope.out.note("nothing is remembered yet: quarterdeck memory add TEXT")
        return
    scope.out.table(
        _BANKS,
        [
            (
                near_home(bank["root"]) or "all workspaces (shared)",
                str(bank["entries"]),
                str(bank["conflicts"] + bank["missing"]) if bank["conflicts"] + bank["missing"] else "",
                bank["backend"],
                Cell("; ".join(bank["problems"]), YELLOW),
            )
            for bank in banks
        ],
    )
