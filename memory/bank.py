"""The memory of one workspace, open: what clients, file sync and replication do goes through here.

Secrets are masked before anything is stored. Changes of one entry are done one after the other; versions that did not
see each other, wherever they came from, are resolved as the person configured, by :mod:`memory.merge`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from memory.backend import Backend, Draft, Filter, Hit, Stats, Version
from memory.entry import SHARED, Content, Entry, Links, content, title
from memory.exchange import Exported, Imported, chunks, export, import_
from memory.later import LaterBackend
from memory.markdown.ledger import Take
from memory.merge import How, resolve
from memory.peers import peer_at
from memory.replicate import Exchanged, exchange
from memory.retention import Policy, Protected, Pruned, nothing_protected, prune
from memory.versions import Dot, Vector, covers
from quarterdeck.clock import Clock
from quarterdeck.errors import Gone, Invalid, NotFound, QuarterdeckError, Refused
from quarterdeck.ids import new_id
from quarterdeck.redaction import Finding, Redactor
from quarterdeck.text import nearest, safe
from quarterdeck.watching import Watching

if TYPE_CHECKING:
    from memory.semantic.meaning import Meaning

log = logging.getLogger(__name__)

ID = re.compile(r"[0-9a-z][0-9a-z_-]{3,39}")
PREFIX = 4
"""Characters of an id that are enough to name an entry, where no other begins so."""
FINDINGS_KEPT = 1_000
LONG = 100_000
"""Characters that are looked through for secrets in a thread."""


@runtime_checkable
class Synced(Protocol):
    """A backend that has files beside it."""

    async def start(self, take: Take | None = None, watching: Watching | None = None) -> None:
        """Find what changed while nobody looked, and follow both sides from now on."""
        ...

    async def sync(self) -> Sequence[object]:
        """Compare everything now; what a person should know, each as a line by ``str``."""
        ...

    async def keep(self, entry_id: str) -> None:
        """Write the file of a missing entry again."""
        ...


class Bank:
    """See the module. Made by :class:`memory.banks.Banks`, which closes it.

    Errors of all methods: :class:`NotFound` and :class:`Refused` for a name that means no entry or several,
    :class:`Invalid`, :class:`Broken` where nothing of the call was stored.
    """

    def __init__(
        self,
        root: str,
        backend: Backend,
        clock: Clock,
        *,
        state: Path,
        resolution: str = How.MERGE,
        redactor: Redactor | None = None,
        semantic: bool = True,
    ) -> None:
        self.root = root
        """The folder it is the memory of; "" for the one all workspaces share."""
        self.backend = backend
        self.state = state
        self._clock = clock
        self._how = resolution
        self._redactor = redactor or Redactor()
        self._findings: OrderedDict[str, tuple[Finding, ...]] = OrderedDict()
        self._semantic = semantic
        self._meaning: Meaning | None = None
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}
        self._dirty: dict[str, None] = {}
        self._woken = asyncio.Event()
        self._unlisten = backend.listen(self._heard)
        self._settling = asyncio.create_task(self._settle_others(), name=f"memory of {root or 'all'} settled")

    async def aclose(self) -> None:
        """Finish what is acknowledged and close."""
        self._unlisten()
        self._settling.cancel()
        await asyncio.gather(self._settling, return_exceptions=True)
        if self._meaning is not None:
            await self._meaning.aclose()
        await self.backend.aclose()

    # one entry

    async def add(self, content: Content, *, author: str, entry_id: str = "") -> Entry:
        """Store a new entry. :class:`Refused` where there is one of that id already, also a deleted one."""
        if entry_id and not ID.fullmatch(entry_id):
            raise Invalid(f"{safe(entry_id, 60)!r} cannot be an id", hint="4 to 40 of a-z, 0-9, - and _")
        name = entry_id or new_id()
        async with self._changing(name):
            if entry_id and await self.backend.entry(name):
                raise Refused(f"there is an entry {name} already; nothing was stored", hint="edit it", id=name)
            return await self._put(Draft(entry=name, content=content, author=author, seen={}))

    async def edit(
        self,
        ref: str,
        content: Content,
        *,
        author: str,
        seen: Vector | None = None,
        why: str = "edited",
        decides: bool = False,
    ) -> Entry:
        """Store a new version; ``seen`` is what its author had read, None all there is. The same again is no version.

        A deleted entry is there again after it. :class:`Refused` for an entry in conflict, which a version that has
        seen all sides would end, unless it ``decides``.
        """
        name = (await self.get(ref)).id
        async with self._changing(name):
            entry = await self._present(name)
            read = seen is None or all(covers(seen, dot) for dot in entry.heads)
            if entry.conflict and read and not decides:
                raise Refused(
                    f"{name} is in conflict, and a change would drop a side of it; nothing was changed",
                    hint=f"decide first: quarterdeck memory resolve {name}",
                    id=name,
                )
            [said] = await self._masked_apart([(name, self._fitting(content))])
            if read and said == entry.content and len(entry.heads) == 1 and not entry.deleted:
                return entry
            return await self._put(Draft(entry=name, content=content, author=author, seen=seen, why=why))

    async def delete(self, ref: str, *, author: str) -> Entry:
        """Delete an entry; its history is kept, and :meth:`restore` brings it back."""
        name = (await self.get(ref)).id
        async with self._changing(name):
            entry = await self._present(name)
            if entry.deleted:
                return entry
            return await self._put(Draft(entry=name, content=None, author=author, why="deleted"))

    async def get(self, ref: str) -> Entry:
        """The entry that is meant: by its id, its key, or the first characters of its id."""
        if ID.fullmatch(ref) and (entry := await self.backend.entry(ref)):
            return entry
        for deleted in (False, True):
            found = await self.backend.find(Filter(key=ref, deleted=deleted), limit=11) if ref else []
            if not found and len(ref) >= PREFIX and ID.fullmatch(ref):
                found = await self.backend.find(Filter(begins=ref, deleted=deleted), limit=11)
            if len(found) > 1:
                names = ", ".join(entry.id for entry in found[:10]) + (", …" if len(found) > 10 else "")
                raise Refused(f"{safe(ref, 60)} means several entries: {names}", hint="name one by its id")
            if found:
                return found[0]
        known = await self.backend.find(Filter(), limit=500)
        hint = nearest(ref[:200], [word for entry in known for word in (entry.content.key, entry.id)])
        raise NotFound(f"there is no entry {safe(ref, 60)!r}", hint=hint or "search for a word of its text")

    async def history(self, ref: str) -> Sequence[Version]:
        """All versions that are kept, oldest first."""
        return await self.backend.versions((await self.get(ref)).id)

    async def restore(self, ref: str, dot: Dot, *, author: str) -> Entry:
        """Write an old version's content as the newest one, which decides a conflict.

        Raises :class:`Gone` where that version is not kept.
        """
        entry = await self.get(ref)
        version = next((one for one in await self.backend.versions(entry.id) if one.dot == dot), None)
        if version is None:
            raise Gone(f"version {safe(str(dot), 60)} of {entry.id} is not kept", hint="its history has those that are")
        if version.content is None:
            raise Refused(f"version {dot} is the deletion of {entry.id}", hint="restore the one before it")
        return await self.edit(entry.id, version.content, author=author, why="restored", decides=True)

    async def resolve(self, ref: str, content: Content, *, author: str) -> Entry:
        """End a conflict: a version that has seen all there is."""
        name = (await self.get(ref)).id
        async with self._changing(name):
            return await self._put(Draft(entry=name, content=content, author=author, why="merged"))

    def findings(self, entry_id: str) -> tuple[Finding, ...]:
        """Which secrets were masked when this entry was stored last in this process."""
        return self._findings.get(entry_id, ())

    # many

    async def list(self, which: Filter, *, limit: int = 100, after: str = "") -> Sequence[Entry]:
        """Entries, newest change first; ``after`` is the id of the last one of the page before."""
        return await self.backend.find(which, limit=limit, after=after)

    async def search(
        self,
        words: str,
        which: Filter = Filter(),  # noqa: B008
        *,
        limit: int = 20,
        semantic: bool = False,
    ) -> Sequence[Hit]:
        """Entries by words, the best first; :mod:`memory.query` is the language.

        ``semantic``: by meaning as well. Raises :class:`Refused` where that is turned off or not installed.
        """
        if not semantic:
            return await self.backend.search(words, which, limit=limit)
        if not self._semantic:
            raise Refused("searching by meaning is turned off", hint="set memory.semantic = true")
        if self._meaning is None:
            from memory.semantic.meaning import Meaning

            self._meaning = Meaning(self.state, self.backend, self._clock)
        return await self._meaning.search(words, which, limit=limit)

    async def conflicts(self, *, limit: int = 1_000) -> Sequence[Entry]:
        """Entries of which a person has to decide what they say."""
        return await self.backend.find(Filter(conflict=True), limit=limit)

    async def stats(self) -> Stats:
        """How much there is."""
        return await self.backend.stats()

    async def prune(self, policy: Policy, *, protected: Protected = nothing_protected, dry_run: bool = False) -> Pruned:
        """Let go what the policy does not keep; see :mod:`memory.retention`."""
        return await prune(self.backend, policy, clock=self._clock, protected=protected, dry_run=dry_run)

    async def exchange(self, place: Path, *, send: bool = True) -> Exchanged:
        """Give another bank or a folder what it has not seen, and take what we have not (:mod:`memory.replicate`)."""
        async with peer_at(place, writer=self.backend.writer, state=self.state, clock=self._clock) as peer:
            told = await exchange(self.backend, peer, shared=not self.root, masked=self._masked_version, send=send)
        for name in told.entries:
            async with self._changing(name):
                await self._settle(name)
        return told

    def chunks(self, form: str, *, which: Filter | None = None, history: bool = False) -> AsyncIterator[bytes]:
        """An export that is one file, piece by piece; see :func:`memory.exchange.chunks`."""
        return chunks(self.backend, form, which=which, history=history, clock=self._clock)

    async def export(self, form: str, place: Path, *, which: Filter | None = None, history: bool = False) -> Exported:
        """Write what the bank holds to a new file or folder; see :func:`memory.exchange.export`."""
        return await export(self.backend, form, place, which=which, history=history, clock=self._clock)

    async def import_(self, place: Path, *, form: str = "", strict: bool = False) -> Imported:
        """Take what an export holds, or what somebody wrote like one; see :func:`memory.exchange.import_`."""
        return await import_(
            self.backend,
            place,
            form=form,
            shared=not self.root,
            strict=strict,
            masked=self._masked_version,
            put=self.take,
        )

    async def sync(self) -> Sequence[str]:
        """Compare with the files now; what a person should know, one line each."""
        real = await self._real()
        if isinstance(real, Synced):
            return [str(problem) for problem in await real.sync()]
        return self.problems

    async def keep(self, ref: str) -> Entry:
        """Write the file of an entry that is not on this branch again."""
        name = (await self.get(ref)).id
        real = await self._real()
        if not isinstance(real, Synced):
            raise Refused("this bank keeps no files")
        await real.keep(name)
        return await self._present(name)

    @property
    def problems(self) -> Sequence[str]:
        """What a person should know about this bank, one line each."""
        real = self.backend.real if isinstance(self.backend, LaterBackend) else self.backend
        return list(getattr(real, "problems", ()))

    def listen(self, told: Callable[[str], None]) -> Callable[[], None]:
        """Be told the id of each entry that changed, and "" where :attr:`problems` did; returns what ends it."""
        return self.backend.listen(told)

    async def take(self, drafts: Sequence[Draft]) -> Sequence[Version]:
        """Store what was read from files or from an export: masked, all or none, then resolved."""
        async with AsyncExitStack() as locked:
            for name in sorted({draft.entry for draft in drafts}):
                await locked.enter_async_context(self._changing(name))
            stored = await self.backend.put(await self._ready(*drafts))
            for name in {draft.entry for draft in drafts}:
                await self._settle(name)
        return stored

    # inside

    async def _real(self) -> Backend | None:
        return await self.backend.found() if isinstance(self.backend, LaterBackend) else self.backend

    @asynccontextmanager
    async def _changing(self, entry_id: str) -> AsyncIterator[None]:
        """Nobody else changes this entry through this bank meanwhile."""
        lock, users = self._locks.get(entry_id) or (asyncio.Lock(), 0)
        self._locks[entry_id] = lock, users + 1
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks.pop(entry_id)
            if users > 1:
                self._locks[entry_id] = lock, users - 1

    async def _put(self, draft: Draft) -> Entry:
        await self.backend.put(await self._ready(draft))
        return await self._settle(draft.entry)

    async def _present(self, entry_id: str) -> Entry:
        entry = await self.backend.entry(entry_id)
        if entry is None:
            raise NotFound(f"there is no entry {entry_id} any more")
        return entry

    async def _settle(self, entry_id: str) -> Entry:
        """Resolve an entry's versions that did not see each other; the entry as it is then."""
        entry = await self._present(entry_id)
        while len(entry.heads) > 1:
            history = await self.backend.versions(entry_id)
            heads = [version for version in history if version.dot in entry.heads]
            said = await resolve(heads, history, self._how)
            if said.merged is None:
                await self.backend.settle(entry_id, said.shown, said.conflict)
                return await self._present(entry_id)
            draft = Draft(entry=entry_id, content=said.merged, author="merge", why="merged", seen=said.seen)
            await self.backend.put(await self._ready(draft))
            entry = await self._present(entry_id)
        return entry

    def _heard(self, entry_id: str) -> None:
        """Something changed this entry; unless that was us, see whether there is something to resolve."""
        if entry_id and entry_id not in self._locks:
            self._dirty[entry_id] = None
            self._woken.set()

    async def _settle_others(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            while self._dirty:
                name = next(iter(self._dirty))
                del self._dirty[name]
                try:
                    async with self._changing(name):
                        await self._settle(name)
                except NotFound:
                    continue
                except QuarterdeckError as error:
                    log.warning("entry %s of %s was not resolved: %s", name, self.root or "all", error.message)
                except Exception:  # the other entries are settled all the same
                    log.exception("entry %s of %s was not resolved", name, self.root or "all")

    async def _ready(self, *drafts: Draft) -> Sequence[Draft]:
        """As they are stored: where they fit, without secrets."""
        said = {at: self._fitting(draft.content) for at, draft in enumerate(drafts) if draft.content is not None}
        masked = await self._masked_apart([(drafts[at].entry, content) for at, content in said.items()])
        known = dict(zip(said, masked, strict=True))
        return [replace(draft, content=known.get(at)) for at, draft in enumerate(drafts)]

    def _fitting(self, said: Content) -> Content:
        if (said.namespace == SHARED) == (not self.root):
            return said
        if self.root:
            raise Invalid("the memory of one workspace holds nothing shared", hint="store it in the shared bank")
        raise Invalid(f"the shared bank holds the namespace {SHARED} only, not {said.namespace}")

    def _masked(self, entry_id: str, said: Content) -> Content:
        return self._noted(entry_id, *self._without_secrets(said))

    async def _masked_apart(self, said: Sequence[tuple[str, Content]]) -> Sequence[Content]:
        """As :meth:`_masked`, of entries by id; much text, which takes long, in a thread."""
        contents = [content for _, content in said]
        if sum(len(content.body) for content in contents) < LONG:
            found = [self._without_secrets(content) for content in contents]
        else:
            found = await asyncio.to_thread(lambda: [self._without_secrets(content) for content in contents])
        return [self._noted(name, *done) for (name, _), done in zip(said, found, strict=True)]

    def _noted(self, entry_id: str, masked: Content, findings: tuple[Finding, ...]) -> Content:
        self._findings.pop(entry_id, None)
        if findings:
            self._findings[entry_id] = findings
            if len(self._findings) > FINDINGS_KEPT:
                self._findings.popitem(last=False)
        return masked

    def _masked_version(self, version: Version) -> Version:
        if version.content is None:
            return version
        return replace(version, content=self._masked(version.entry, version.content))

    def _without_secrets(self, said: Content) -> tuple[Content, tuple[Finding, ...]]:
        """Texts with marks in the place of secrets.

        Tags, links and names of extra keys mean something as a whole only: those that hold a secret are left out.
        """
        counts: Counter[str] = Counter()

        def redact(text: str) -> str:
            done = self._redactor.redact(text)
            counts.update({finding.rule: finding.count for finding in done.findings})
            return done.text

        def clean(words: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(word for word in words if redact(word) == word)

        body = redact(said.body)
        # A key made from the text is made again: the same secret, and cut where no rule may know it.
        key = "" if counts and said.key == title(said.body) else redact(said.key)
        tags, links = (
            clean(said.tags),
            Links(**{part.name: clean(getattr(said.links, part.name)) for part in fields(Links)}),
        )
        extra: list[tuple[str, str]] = []
        for name, value in said.extra:
            lead = f"{name}: "  # together: a name says what its value is
            line = redact(lead + value)
            if line.startswith(lead):
                extra.append((name, _json(line.removeprefix(lead))))
        if not counts:
            return said, ()
        masked = content(
            body=body,
            key=key,
            kind=said.kind,
            namespace=said.namespace,
            tags=tags,
            links=links,
            pinned=said.pinned,
            extra=tuple(extra),
        )
        return masked, tuple(Finding(rule, count) for rule, count in counts.items())


def _json(text: str) -> str:
    """A masked JSON value; as a string where a mark in the place of a number left none."""
    try:
        json.loads(text)
    except ValueError:
        return json.dumps(text, ensure_ascii=False)
    return text
