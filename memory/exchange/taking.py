"""What an export holds becomes versions of a bank.

An entry that is not here yet is stored with the times and authors it had, as versions of a writer that is named after
the file and numbers its rows: every bank that takes the same file makes the same versions, so that they never meet as
strangers. An entry that is here is changed only if the file holds an edit of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from memory.backend import Backend, Draft, Version
from memory.entry import SHARED, Content
from memory.exchange.items import Imported, Item, Problem, digest
from memory.versions import Dot, Vector, context, covers, joined
from quarterdeck.errors import Invalid

AUTHOR = "import"
WHY = "imported"
SOURCE = "import-"
"""How the names of writers begin that stand for a file."""
_TOGETHER = 100

Masked = Callable[[Version], Version]
Take = Callable[[Sequence[Draft]], Awaitable[Sequence[Version]]]


def source_of(digits: str) -> str:
    """The writer that stands for a file with this digest."""
    return SOURCE + digits[:20]


@dataclass
class _Taking:
    """One import."""

    backend: Backend
    source: str
    masked: Masked
    put: Take
    """Masks by itself what it stores."""
    added: int = 0
    changed: int = 0
    known: int = 0
    versions: list[Version] = field(default_factory=list)
    drafts: list[Draft] = field(default_factory=list)

    async def one(self, index: int, item: Item) -> None:
        """Decide about one row; ``index`` is its place in the file, from 0."""
        edited = item.edited
        name = item.id or digest(item.content)
        version = self._as_exported(name, item, index, stub=False)
        said = self.masked(version).content or item.content
        entry = await self.backend.entry(name)
        if entry is None:
            self.added += 1
            if edited and not item.updated_ns:
                self.drafts.append(
                    Draft(entry=name, content=item.content, author=item.author or AUTHOR, why=WHY, seen={})
                )
            else:
                stub = 0 < item.created_ns < item.updated_ns
                if stub:
                    first = replace(version, dot=version.dot._replace(seq=version.dot.seq - 1), seen={})
                    first = replace(first, written_ns=item.created_ns, author=item.author or AUTHOR)
                    self.versions.append(replace(first, content=said))
                self.versions.append(replace(self._as_exported(name, item, index, stub=stub), content=said))
        elif draft := await self._edit(item, name, said, entry.seen, edited):
            self.changed += 1
            self.drafts.append(draft)
        else:
            self.known += 1
        if len(self.versions) + len(self.drafts) >= _TOGETHER:
            await self.flush()

    async def flush(self) -> None:
        """Store what was decided."""
        if self.versions:
            await self.backend.receive(self.versions)
            for version in self.versions:  # of this file once already, and removed for good since
                if await self.backend.entry(version.entry) is None:
                    self.drafts.append(
                        Draft(entry=version.entry, content=version.content, author=version.author, why=WHY, seen={})
                    )
        if self.drafts:
            await self.put(self.drafts)
        self.versions, self.drafts = [], []

    def _as_exported(self, name: str, item: Item, index: int, *, stub: bool) -> Version:
        dot = Dot(self.source, 2 * index + 2)
        seen = joined(item.seen, {item.dot.writer: item.dot.seq} if item.dot else {})
        return Version(
            entry=name,
            dot=dot,
            seen=joined(seen, {dot.writer: dot.seq - 1}) if stub else seen,
            content=item.content,
            author=item.editor or item.author or AUTHOR,
            why=WHY,
            written_ns=item.updated_ns,
        )

    async def _edit(self, item: Item, name: str, said: Content, seen: Vector, edited: bool) -> Draft | None:
        """The change an edit in the file makes; None where there is nothing to do."""
        if item.dot is not None and not edited and covers(seen, item.dot):
            return None
        history = await self.backend.versions(name)
        origin = None
        if item.dot is not None:
            origin = next((one for one in history if one.dot == item.dot), None) or next(
                (one for one in history if one.dot.writer.startswith(SOURCE) and covers(one.seen, item.dot)), None
            )
        for one in history:
            if one.content == said and (origin is None or one is origin or covers(one.seen, origin.dot)):
                return None
        had: Vector | None = None  # written by hand: instead of all there is
        if origin is not None:
            had = context([origin])
        elif item.dot is not None:  # from another bank: beside what there is
            had = joined(item.seen, {item.dot.writer: item.dot.seq})
        return Draft(entry=name, content=item.content, author=AUTHOR, why=WHY, seen=had)


async def take(
    found: Iterable[Item | Problem],
    backend: Backend,
    source: str,
    *,
    shared: bool,
    strict: bool,
    masked: Masked,
    put: Take,
) -> Imported:
    """Store what is not here yet. See :func:`memory.exchange.import_`."""
    rows: list[tuple[int, Item]] = []
    problems: list[Problem] = []
    lines: dict[str, Item] = {}
    for index, one in enumerate(found):
        problem = one if isinstance(one, Problem) else _unfit(one, lines, shared)
        if problem is not None:
            problems.append(problem)
        elif isinstance(one, Item):
            rows.append((index, one))
            if one.id:
                lines[one.id] = one
    refuse(problems, strict)
    taking = _Taking(backend, source, masked, put)
    for index, item in rows:
        await taking.one(index, item)
    await taking.flush()
    return Imported(added=taking.added, changed=taking.changed, known=taking.known, problems=tuple(problems))


def refuse(problems: Sequence[Problem], strict: bool) -> None:
    """Raise :class:`Invalid` where anything was wrong and all or nothing was asked for."""
    if strict and problems:
        more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise Invalid(
            "; ".join(str(problem) for problem in problems[:3]) + more + "; nothing was imported",
            hint="correct these, or import without --strict to take the rest",
            problems=[str(problem) for problem in problems],
        )


def _unfit(item: Item, lines: dict[str, Item], shared: bool) -> Problem | None:
    before = lines.get(item.id) if item.id else None
    if before is not None:
        place = before.where or f"line {before.line}"
        return Problem(line=item.line, where=item.where, reason=f"the id {item.id} is that of {place} too")
    if (item.content.namespace == SHARED) is not shared:
        return Problem(line=item.line, where=item.where, reason=misplaced(item.content.namespace, shared))
    return None


def misplaced(namespace: str, shared: bool) -> str:
    """Why an entry of this namespace is not taken."""
    which = "the shared bank" if shared else "the bank of a workspace"
    return f"an entry of the namespace {namespace} does not belong into {which}"
