"""Which entries a filter lets through, for backends that keep them in no database."""

from __future__ import annotations

from collections.abc import Iterable

from memory.backend import Filter
from memory.entry import Entry


def matches(entry: Entry, which: Filter) -> bool:
    """Whether ``which`` lets an entry through."""
    said, links = entry.content, entry.content.links
    wanted = which.links
    return (
        entry.deleted == which.deleted
        and _named(which.namespaces, (said.namespace,))
        and _named(which.kinds, (str(said.kind),))
        and _named(which.authors, (entry.author, entry.editor))
        and set(which.tags) <= set(said.tags)
        and set(wanted.agents) <= set(links.agents)
        and set(wanted.tasks) <= set(links.tasks)
        and set(wanted.commits) <= set(links.commits)
        and set(wanted.files) <= set(links.files)
        and which.since_ns <= entry.updated_ns
        and (not which.until_ns or entry.updated_ns < which.until_ns)
        and which.key in ("", said.key)
        and entry.id.startswith(which.begins)
        and which.pinned in (None, said.pinned)
        and which.conflict in (None, entry.conflict)
        and which.missing in (None, entry.missing)
    )


def _named(names: Iterable[str], said: Iterable[str]) -> bool:
    """Whether one of ``names``, or one that ends with / and means all below it, is said; no names: all are meant."""
    wanted = tuple(names)
    return not wanted or any(
        word == name or (name.endswith("/") and word.startswith(name)) for word in said for name in wanted
    )
