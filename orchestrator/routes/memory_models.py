"""The bodies of requests and answers about the memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field

from orchestrator.models import Answer, Body, Name, PathText, Whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memory.backend import Hit, Stats, Version
    from memory.entry import Content, Entry, Links
    from memory.replicate import Exchanged
    from memory.retention import Pruned
    from memory.texts.source import TextHit
    from quarterdeck.redaction import Finding

LISTED_BYTES = 16 << 10
"""Characters of a text in a list; one entry by itself has all of it."""
_Many = 10_000
"""Things of one answer that are listed; all of them are counted."""

Workspace = Annotated[
    PathText, Field(description="A folder in the repository whose memory is meant, absolute; empty for the shared one.")
]
Short = Annotated[Whole, Field(max_length=200)]
BodyText = Annotated[Whole, Field(description="Markdown; at most 10 MB of UTF-8.")]
Seen = Annotated[
    dict[Name, Annotated[int, Field(ge=0, le=2**62)]],
    Field(max_length=10_000, description="What its author had read: `seen` of the entry. All there is, when left out."),
]
Strings = Annotated[list[Short], Field(max_length=256)]


# what is asked


class LinksWish(Body):
    """What an entry is about elsewhere."""

    agents: Strings = Field(default=[], description="Names or ids.")
    tasks: Strings = Field(default=[])
    commits: Strings = Field(default=[])
    files: list[Annotated[Whole, Field(max_length=4096)]] = Field(
        default=[], max_length=256, description="Paths relative to the workspace."
    )

    def links(self) -> Links:
        """As the memory knows them."""
        from memory.entry import Links

        return Links(**{name: tuple(value) for name, value in self.model_dump().items()})


class EntryWish(Body):
    """An entry to store. Without a `key` it is called by its first words."""

    workspace: Workspace = ""
    body: BodyText = ""
    key: Short = ""
    kind: Short = Field(default="note", description="observation, insight, decision, artifact, error, checkpoint, note")
    namespace: Short = Field(
        default="", description="workspace, session/NAME or agent/NAME; shared, and only that, in the shared memory."
    )
    tags: Strings = Field(default=[])
    links: LinksWish = LinksWish()
    pinned: bool = False

    def content(self, root: str) -> Content:
        """Checked. Raises :class:`Invalid` that names the field."""
        from memory.entry import SHARED, WORKSPACE, content

        return content(
            body=self.body,
            key=self.key,
            kind=self.kind,
            namespace=self.namespace or (WORKSPACE if root else SHARED),
            tags=self.tags,
            links=self.links.links(),
            pinned=self.pinned,
        )


class EntryChange(Body):
    """What to change of an entry; what is left out stays."""

    workspace: Workspace = ""
    body: BodyText | None = None
    key: Short | None = None
    kind: Short | None = None
    namespace: Short | None = None
    tags: Strings | None = None
    links: LinksWish | None = None
    pinned: bool | None = None
    seen: Seen | None = None

    def content(self, now: Content) -> Content:
        """What the entry says after it. Raises :class:`Invalid` that names the field."""
        from memory.entry import content

        def said(new: Any, old: Any) -> Any:
            return old if new is None else new

        return content(
            body=said(self.body, now.body),
            key=said(self.key, now.key),
            kind=said(self.kind, now.kind),
            namespace=said(self.namespace, now.namespace),
            tags=said(self.tags, now.tags),
            links=now.links if self.links is None else self.links.links(),
            pinned=said(self.pinned, now.pinned),
            extra=now.extra,
        )


class RestoreVersion(Body):
    """An old version to make the newest again."""

    workspace: Workspace = ""
    version: Short = Field(description="As the history names it: `WRITER:NUMBER`.")


class MissingAnswer(Body):
    """What becomes of an entry whose file is not on this branch: its file is written again, or it is deleted."""

    workspace: Workspace = ""
    answer: Literal["keep", "delete"]


_Limit = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=0, le=2**62)]


class PruneWish(Body):
    """What to let go. Without any limit here: by those in the settings."""

    workspace: Workspace = ""
    dry_run: bool = Field(default=True, description="Only say what would go.")
    namespace: Short = Field(default="", description="Of this namespace alone; `session/` and `agent/` mean all.")
    max_age_days: _Limit | None = Field(default=None, description="Since the last change.")
    max_entries: _Count | None = None
    max_bytes: _Count | None = Field(default=None, description="Of all texts together; the newest stay.")
    history_days: _Limit | None = Field(default=None, description="Remove superseded versions older than this.")


class SyncWish(Body):
    """Whom to exchange with."""

    workspace: Workspace = ""
    peer: PathText = Field(
        default="", description="A `bank.db`, or an existing folder, absolute; empty: compare with our own files now."
    )


class ExportWish(Body):
    """Where to export to."""

    workspace: Workspace = ""
    format: Literal["json", "csv", "markdown"] = "json"
    path: PathText = Field(description="Absolute; must not exist. A folder for markdown.")
    history: bool = Field(default=False, description="All versions, and what was deleted; json only.")


class ImportWish(Body):
    """What to import: exactly one of `data` and `path`."""

    workspace: Workspace = ""
    format: Literal["", "json", "csv", "markdown"] = Field(default="", description="Told by the path when empty.")
    data: Whole | None = Field(default=None, description="The export itself.")
    path: PathText = Field(default="", description="Where it is, absolute.")
    strict: bool = Field(default=False, description="Import nothing where anything in it is wrong.")


# what is answered


class LinksView(Answer):
    """What an entry is about elsewhere."""

    agents: list[str]
    tasks: list[str]
    commits: list[str]
    files: list[str]


class ContentView(Answer):
    """What somebody wrote."""

    key: str
    body: str
    cut: bool = Field(default=False, description="Whether `body` is only its beginning.")
    kind: str
    namespace: str
    tags: list[str]
    links: LinksView
    pinned: bool


class EntryView(ContentView):
    """One entry as it is now. Texts are as people and agents wrote them. Times are wall-clock nanoseconds."""

    id: str
    title: str = Field(description="The first line with words in it, else the key.")
    author: str = Field(description="Who wrote it first: person, agent/NAME, file, import.")
    editor: str = Field(description="Who wrote what stands now.")
    created_ns: int
    updated_ns: int
    seen: dict[str, int] = Field(description="Goes back with a change, so that what others wrote meanwhile is merged.")
    heads: list[str] = Field(description="The versions that stand, the shown one first; several are to be merged.")
    conflict: bool = Field(description="Whether a person has to decide between them.")
    deleted: bool
    missing: bool = Field(description="Whether its file is not on the present branch.")
    path: str = Field(description="Its file below the memory folder; empty for none.")

    @classmethod
    def of(cls, entry: Entry, *, listed: bool = False) -> Self:
        """From the model; ``listed``: among others, so that a long text is only begun."""
        return cls(**_facts(entry, listed=listed))


class FindingView(Answer):
    """Which rule found secrets, and how many."""

    rule: str
    count: int


class StoredView(EntryView):
    """An entry as it was stored. What was masked as a secret reads `[redacted: RULE]` in it."""

    redacted: list[FindingView]

    @classmethod
    def stored(cls, entry: Entry, findings: Sequence[Finding]) -> Self:
        """From the model, and what was masked."""
        return cls(**_facts(entry), redacted=[FindingView(rule=one.rule, count=one.count) for one in findings])


class EntriesView(Answer):
    """A page of entries, newest change first."""

    bank: str = Field(description="The folder whose memory it is; empty for the shared one.")
    entries: list[EntryView]
    after: str = Field(description="`after` of the next page; empty where this is the last one.")


class HitView(Answer):
    """An entry that was found."""

    entry: EntryView
    snippet: str = Field(description="Plain text; found words stand between U+0002 and U+0003.")
    score: float = Field(description="Higher is better, within one bank and one search.")
    bank: str

    @classmethod
    def of(cls, hit: Hit, root: str) -> Self:
        """From the model."""
        return cls(entry=EntryView.of(hit.entry, listed=True), snippet=hit.snippet, score=hit.score, bank=root)


class TextWhere(Answer):
    """Where a text stands."""

    kind: Literal["journal", "transcript"]
    start: int = Field(description="Of a journal: it was printed between these two offsets. Of a transcript: bytes.")
    end: int
    file: str = Field(description="The transcript; empty for a journal.")


class TextView(Answer):
    """Something an agent printed, or that its program wrote down of the conversation."""

    agent: str = Field(description="Its id; it may be in the trash.")
    agent_name: str
    at_ns: int = Field(description="When it was recorded.")
    snippet: str = Field(description="The line; found words stand between U+0002 and U+0003.")
    score: float = Field(description="Higher is better, among the texts of one search.")
    where: TextWhere

    @classmethod
    def of(cls, hit: TextHit, name: str) -> Self:
        """From the model."""
        where = TextWhere.model_validate({"kind": hit.kind, "start": hit.start, "end": hit.end, "file": hit.name})
        return cls(agent=hit.agent, agent_name=name, at_ns=hit.at_ns, snippet=hit.snippet, score=hit.score, where=where)


class FoundView(Answer):
    """What a search found, the best first."""

    bank: str
    hits: list[HitView]
    texts: list[TextView] = Field(description="With `texts`: what agents said, printed and were told.")
    behind: list[str] = Field(description="Names of agents whose texts are not all searched yet.")
    problems: list[str] = Field(description="With `everywhere`: banks that could not be searched, and why.")
    ms: float = Field(description="Milliseconds the search took.")


class VersionView(Answer):
    """One version in an entry's history."""

    version: str
    author: str
    why: str = Field(description="stored, edited, file, merged, restored, imported, deleted, pruned")
    written_ns: int
    deleted: bool
    head: bool = Field(description="Whether nothing supersedes it.")
    seen: dict[str, int] = Field(description="What its author had read of the entry, as `seen` of one.")
    content: ContentView | None = Field(description="null for a deletion.")

    @classmethod
    def of(cls, version: Version, *, head: bool, room: int) -> Self:
        """From the model; a text longer than ``room`` characters is only begun."""
        return cls(
            version=str(version.dot),
            author=version.author,
            why=version.why,
            written_ns=version.written_ns,
            deleted=version.content is None,
            head=head,
            seen=dict(version.seen),
            content=ContentView(**_said(version.content, room)) if version.content else None,
        )


class StatsView(Answer):
    """How much a bank holds. Sizes in bytes."""

    bank: str
    backend: str
    entries: int
    deleted: int
    versions: int
    conflicts: int
    missing: int
    text_bytes: int
    disk_bytes: int
    by_namespace: dict[str, int]
    by_kind: dict[str, int]
    problems: list[str]

    @classmethod
    def of(cls, stats: Stats, root: str, backend: str, problems: Sequence[str]) -> Self:
        """From the model."""
        counts: Mapping[str, Any] = asdict(stats)
        return cls(**counts, bank=root, backend=backend, problems=list(problems))


class BankView(Answer):
    """One bank there is."""

    root: str = Field(description="The folder whose memory it is; empty for the shared one.")
    name: str
    entries: int
    conflicts: int
    missing: int
    problems: list[str]
    backend: str
    open: bool = Field(description="Whether it is in use, and in step with its files.")


class LeavingView(Answer):
    """One entry that goes, and why: age, entries or bytes."""

    id: str
    key: str
    namespace: str
    updated_ns: int
    bytes: int
    reason: str


class PrunedView(Answer):
    """What went, or would go."""

    entries: list[LeavingView] = Field(description=f"At most {_Many:,}; deleted, restorable.")
    count: int
    bytes: int
    versions: int = Field(description="Versions removed from disk for good.")
    dry_run: bool

    @classmethod
    def of(cls, done: Pruned) -> Self:
        """From the model."""
        return cls(
            entries=[LeavingView(**asdict(one)) for one in done.entries[:_Many]],
            count=len(done.entries),
            bytes=sum(one.bytes for one in done.entries),
            versions=done.versions,
            dry_run=done.dry_run,
        )


class SyncedView(Answer):
    """What an exchange, or a look at the files, did."""

    received: int = Field(description="Versions taken.")
    sent: int = Field(description="Versions given.")
    entries: list[str] = Field(description=f"Entries that changed here, at most {_Many:,}.")
    renamed: str = Field(description="The bank's new name among writers, where it was set back to a backup.")
    problems: list[str]

    @classmethod
    def of(cls, done: Exchanged) -> Self:
        """From the model."""
        return cls(
            received=done.received,
            sent=done.sent,
            entries=list(done.entries[:_Many]),
            renamed=done.renamed,
            problems=list(done.problems),
        )


class ExportedView(Answer):
    """What an export wrote."""

    path: str
    bytes: int
    problems: list[str]


class ImportedView(Answer):
    """What an import did, in entries; of a complete export with its history in versions."""

    added: int
    changed: int
    known: int
    problems: list[str] = Field(description=f"What was left out and why, at most {_Many:,}.")


def first(lines: Sequence[object]) -> list[str]:
    """As many lines as an answer has."""
    return [str(line) for line in lines[:_Many]]


def _said(said: Content, room: int) -> dict[str, Any]:
    links = {name: list(value) for name, value in asdict(said.links).items()}
    return {
        "key": said.key,
        "body": said.body[:room],
        "cut": len(said.body) > room,
        "kind": str(said.kind),
        "namespace": said.namespace,
        "tags": list(said.tags),
        "links": LinksView(**links),
        "pinned": said.pinned,
    }


def _facts(entry: Entry, *, listed: bool = False) -> dict[str, Any]:
    from memory.entry import title

    said = entry.content
    return {
        **_said(said, LISTED_BYTES if listed else len(said.body)),
        "id": entry.id,
        "title": title(said.body[:LISTED_BYTES]) or said.key,
        "author": entry.author,
        "editor": entry.editor,
        "created_ns": entry.created_ns,
        "updated_ns": entry.updated_ns,
        "seen": dict(entry.seen),
        "heads": [str(dot) for dot in entry.heads],
        "conflict": entry.conflict,
        "deleted": entry.deleted,
        "missing": entry.missing,
        "path": entry.path,
    }
