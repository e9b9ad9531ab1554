"""Entries and versions as a person reads them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

from cli.output import BOLD, DIM, GREEN, RED, YELLOW, Cell, Column, Output
from cli.overview import age
from quarterdeck.text import plain, safe

_COLUMNS = (
    Column("ID"),
    Column("KEY", cut="end"),
    Column("KIND", drop=2),
    Column("NAMESPACE", cut="middle", drop=4),
    Column("TAGS", cut="end", drop=3),
    Column("BY", cut="middle", drop=1),
    Column("CHANGED", right=True),
    Column("", drop=5),
)
BEGIN, END = "\x02", "\x03"


def table(out: Output, entries: Iterable[dict[str, Any]]) -> None:
    """Entries as a table."""
    now = time.time_ns()
    out.table(
        _COLUMNS,
        [
            (
                entry["id"],
                entry["key"],
                entry["kind"],
                "" if entry["namespace"] == "workspace" else entry["namespace"],
                " ".join(entry["tags"]),
                entry["editor"],
                age(entry["updated_ns"], now),
                _state(entry),
            )
            for entry in entries
        ],
    )


def _state(entry: dict[str, Any]) -> Cell:
    words = [name for name in ("conflict", "missing", "deleted", "pinned") if entry[name]]
    return Cell(" ".join(words), YELLOW if entry["conflict"] or entry["missing"] else DIM)


def whole(out: Output, entry: dict[str, Any]) -> None:
    """One entry: what is known of it, then its text."""
    for name, value in _lines(entry):
        out.write(f"{out.painted(f'{name}:', DIM)} {safe(value, 2000)}\n")
    out.write("\n" + plain(entry["body"]) + ("" if entry["body"].endswith("\n") or not entry["body"] else "\n"))


def _lines(entry: dict[str, Any]) -> Iterable[tuple[str, str]]:
    now = time.time_ns()
    yield "id", entry["id"]
    yield "key", entry["key"]
    yield "kind", entry["kind"]
    yield "namespace", entry["namespace"]
    if entry["tags"]:
        yield "tags", " ".join(entry["tags"])
    for what, links in entry["links"].items():
        if links:
            yield what, ", ".join(links)
    by = entry["author"] if entry["author"] == entry["editor"] else f"{entry['author']}, then {entry['editor']}"
    yield "by", f"{by}, changed {age(entry['updated_ns'], now)} ago"
    if entry["path"]:
        yield "file", entry["path"]
    if words := _state(entry).text:
        yield "state", words


def hit(out: Output, found: dict[str, Any], *, everywhere: bool) -> None:
    """One entry a search found, with the found words marked on a terminal."""
    entry = found["entry"]
    about = [entry["kind"], *(f"#{tag}" for tag in entry["tags"]), f"{age(entry['updated_ns'], time.time_ns())} ago"]
    about += [found["bank"] or "shared"] if everywhere else []
    state = _state(entry)
    about += [state.text] if state.text else []
    head = f"{out.painted(safe(entry['id'], 60), YELLOW)}  {out.painted(safe(entry['key'], 200), BOLD)}"
    out.write(f"{head}  {out.painted(safe(', '.join(about), 400), DIM)}\n")
    out.write(f"    {_snippet(out, found['snippet'])}\n")


def passage(out: Output, found: dict[str, Any]) -> None:
    """Something an agent said that a search found."""
    about = f"{found['where']['kind']}, {age(found['at_ns'], time.time_ns())} ago"
    head = f"{out.painted(safe(found['agent'], 60), YELLOW)}  {out.painted(safe(found['agent_name'], 200), BOLD)}"
    out.write(f"{head}  {out.painted(about, DIM)}\n    {_snippet(out, found['snippet'])}\n")


def _snippet(out: Output, snippet: str) -> str:
    text = snippet.replace("\n", " ")
    parts = [part for piece in text.split(BEGIN) for part in piece.partition(END)]
    # before the first mark nothing is found: each further piece begins with what was
    line = safe_part(parts[0])
    for at in range(3, len(parts), 3):
        line += out.painted(safe_part(parts[at]), f"{BOLD};{GREEN}") + safe_part(parts[at + 2])
    return line


def count(number: int, one: str, many: str) -> str:
    """How many, with the word for it."""
    return f"{number} {one if number == 1 else many}"


def safe_part(text: str) -> str:
    """Part of a line, safe to show, with the blanks at its ends."""
    return plain(text).replace("\t", " ")


def marked(out: Output, lines: Iterable[str]) -> None:
    """The lines of a unified diff."""
    for line in lines:
        colour = {"+": GREEN, "-": RED, "@": DIM}.get(line[:1], "")
        out.write(out.painted(plain(line.rstrip("\n")), colour) + "\n")


def pages(said: dict[str, Any] | None) -> list[str]:
    """A version as the lines a diff compares: what it says of itself, then its text."""
    if said is None:
        return []
    head = [f"key: {said['key']}", f"kind: {said['kind']}", f"namespace: {said['namespace']}"]
    head += [f"tags: {' '.join(said['tags'])}"] if said["tags"] else []
    head += [f"{name}: {', '.join(links)}" for name, links in said["links"].items() if links]
    head += ["pinned: true"] if said["pinned"] else []
    return [*head, "", *said["body"].splitlines()]


def told(out: Output, entry: dict[str, Any], done: str) -> None:
    """What became of an entry, what was masked in it, and what a person has to do about it."""
    if out.json:
        out.data(entry)
        return
    out.line(entry["id"])
    out.note(f"{done}: {entry['key']}")
    masked(out, entry.get("redacted", ()))
    if entry["conflict"]:
        out.note("others changed the same lines: all versions are kept, none is lost")
        out.note(f"to decide: quarterdeck memory resolve {entry['id']}")


def masked(out: Output, findings: Sequence[dict[str, Any]]) -> None:
    """Which secrets were left out."""
    if findings:
        kinds = ", ".join(f"{one['count']} {one['rule']}" for one in findings)
        out.note(f"secrets were masked before it was stored: {kinds}")
