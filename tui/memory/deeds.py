"""What a person does with entries: write, change, tag, delete and bring back, decide."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from quarterdeck.errors import QuarterdeckError
from quarterdeck.text import cut_middle, safe
from tui.bars import Hint
from tui.dialogs import Choice, Dialog, Field, line_dialog, text_input, words
from tui.lists import Finder, Item, Page
from tui.memory.entries import KINDS, SHARED, EntryInfo, place
from tui.outside import Draft, edited

if TYPE_CHECKING:
    from tui.memory.screen import MemoryScreen

TAGS_LIKE = "words to find it by: retry payments"
UNDECIDED = "it has two sides: c decides first"


class Deleted(NamedTuple):
    """What was deleted last, and the version that brings it back."""

    bank: str
    id: str
    key: str
    version: str


def outcome(stored: Mapping[str, Any], sent: str | None) -> str:
    """What became of a change, in a few words; ``sent`` is the text that was handed over."""
    if stored.get("conflict"):
        return "somebody changed it meanwhile: both are kept, c decides"
    masked = sum(int(one.get("count") or 0) for one in stored.get("redacted") or ())
    if masked:
        return f"stored; {masked} secret{'' if masked == 1 else 's'} masked in it"
    if sent is not None and stored.get("editor") == "merge" and str(stored.get("body", "")).strip() != sent.strip():
        return "stored, together with what was written meanwhile"
    return "stored"


class Deeds:
    """The screen's verbs."""

    def __init__(self, screen: MemoryScreen) -> None:
        self._screen = screen
        self._deleted: Deleted | None = None
        self._editing = False

    @property
    def _entry(self) -> EntryInfo | None:
        return self._screen.found.chosen

    @property
    def undo_words(self) -> str:
        """What undoing would bring back; "" for nothing."""
        return self._deleted.key if self._deleted else ""

    def run(self, work: Awaitable[Any], doing: str) -> None:
        """Do it beside everything else; what goes wrong is told."""

        async def carry_out() -> None:
            try:
                await work
            except QuarterdeckError as error:
                self._screen.deck.toasts.complain(doing, error)

        self._screen.run_worker(carry_out(), exit_on_error=True)

    async def _ask(self, method: str, path: str, body: Any = None) -> Any:
        return await self._screen.deck.link.request(method, path, body)

    async def _patch(self, entry: EntryInfo, change: dict[str, Any]) -> None:
        body = {"workspace": entry.bank, "seen": dict(entry.seen), **change}
        stored = await self._ask("PATCH", place(entry.id, entry.bank), body)
        self._screen.say(outcome(stored, change.get("body")))
        self._screen.find()

    def urgent(self, entry: EntryInfo) -> list[Hint]:
        """What waits for a person."""
        if entry.deleted:
            return [Hint("u", "bring it back", self.undo)] if not self._deleted else []
        if entry.conflict:
            return [Hint("c", "decide", self.decide)]
        return [Hint("m", "decide", self.missing)] if entry.missing else []

    def _all(self) -> list[tuple[str, str, str, Callable[[], object]]]:
        """Every deed: key, name, what it does."""
        screen, entry = self._screen, self._entry
        found: list[tuple[str, str, str, Callable[[], object]]] = []
        if entry is not None:
            found += [
                ("enter", "read", "give it the whole screen", screen.read),
                ("e", "edit", "change its text in your editor", self.edit),
                ("t", "tags", "change its tags", self.tags),
                ("r", "rename", "change its name, kind, or pin it", self.rename),
                ("h", "history", "its versions, what changed, bring one back", self.history),
                ("x", "delete", "it can be brought back", self.delete),
                ("v", "as written", "its text exactly as it is, or as a page", self.raw),
                ("o", "open a link", "one of those in its text", self.links),
            ]
            if entry.conflict:
                found.insert(0, ("c", "decide", "see both sides, choose one or merge them", self.decide))
            if entry.missing:
                found.insert(0, ("m", "decide", "keep or delete what is not on this branch", self.missing))
        if self._deleted or (entry is not None and entry.deleted):
            found.append(("u", "undo", "bring back what was deleted", self.undo))
        found += [
            ("n", "new", "write something down", self.new),
            ("/", "search", "look for something else", screen.to_search),
            ("1", "kind", "entries of one kind", screen.pick_kind),
            ("2", "tag", "entries with a tag", screen.pick_tag),
            ("3", "namespace", "of a session, an agent, or shared by all", screen.pick_namespace),
            ("4", "everywhere", "in the memory of all workspaces", lambda: screen.turn("everywhere")),
            ("5", "conflicts", "only what has two sides", lambda: screen.turn("conflict")),
            ("6", "not here", "only what is not on this branch", lambda: screen.turn("missing")),
            ("0", "all", "nothing left out", screen.clear),
            ("p", "problems", "what is wrong with this memory", self.problems),
            ("esc", "back", "to the list, to the agents", screen.leave),
        ]
        return found

    def key(self, key: str) -> None:
        """Do what a key stands for."""
        key = {"question_mark": "?", "delete": "x", "q": "escape"}.get(key, key)
        if key == "?":
            self.more()
            return
        if key == "escape":
            self._screen.leave()
            return
        for name, _, _, run in self._all():
            if name == key:
                run()
                return

    def more(self) -> None:
        """Everything that can be done here, by name."""
        items = [Item("", "muted", name, about, key, run) for key, name, about, run in self._all()]
        self._screen.app.push_screen(Finder(items, "what should be done?", "do it"))

    # writing

    def _changeable(self) -> EntryInfo | None:
        """The marked entry, unless a person has to decide first what it says; that is told."""
        entry = self._entry
        if entry is None or not entry.conflict:
            return entry
        self._screen.say(UNDECIDED)
        return None

    def edit(self) -> None:
        """Change the text in the person's editor."""
        entry = None if self._editing else self._changeable()
        if entry is None:
            return

        async def change() -> None:
            whole = EntryInfo.of(await self._ask("GET", place(entry.id, entry.bank)), entry.bank)
            if whole.conflict:
                self._screen.say(UNDECIDED)
                return
            draft = await self._edited(whole.body, whole.key)
            if draft is None:
                self._screen.say("nothing was changed")
                return
            text = draft.text if whole.body.endswith("\n") or not whole.body else draft.text.rstrip("\n")
            await self._keeping(draft, lambda: self._patch(whole, {"body": text}))

        self.run(change(), "edit it")

    async def _edited(self, text: str, name: str) -> Draft | None:
        self._editing = True
        try:
            return await edited(self._screen.deck, text, name)
        finally:
            self._editing = False

    async def _keeping(self, draft: Draft, store: Callable[[], Awaitable[Any]]) -> None:
        """Store what was written; where that fails it stays in its file, which is told."""
        try:
            await store()
        except QuarterdeckError as error:
            error.hint = f"what was written: {draft.path}"
            raise
        draft.done()

    def new(self) -> None:
        """Write down something new: a line at once, or more of it in the editor."""
        screen = self._screen
        session = screen.deck.session
        spaces = [("workspace", "everybody who works here")]
        if session is not None:
            spaces.append((f"session/{session.name}", "this session"))
        spaces.append((SHARED, "all workspaces of yours"))
        kind = Choice([(kind, "") for kind in (KINDS[-1], *KINDS[:-1])], id="kind")
        kind.choose(screen.wanted.kind)
        said: dict[str, Any] = {}

        async def store(values: dict[str, str]) -> None:
            shared = values["for"] == SHARED
            said.update(
                workspace="" if shared else screen.workspace,
                key=values["key"].strip(),
                kind=values["kind"],
                namespace=values["for"],
                tags=words(values["tags"]),
                body=values["text"].strip(),
            )
            if said["body"]:
                await self._add(said)

        def then(done: bool | None) -> None:
            if done and not said["body"]:
                self.run(self._write(said), "store it")

        dialog = Dialog(
            "remember something",
            "",
            [
                Field("text", text_input(placeholder="one line; empty: written in your editor", id="text")),
                Field("name", text_input(placeholder="after its first words", id="key")),
                Field("kind", kind),
                Field("tags", text_input(screen.wanted.tag, TAGS_LIKE, id="tags")),
                Field("for", Choice(spaces, id="for")),
            ],
            store,
            "store",
        )
        screen.app.push_screen(dialog, then)

    async def _write(self, said: dict[str, Any]) -> None:
        draft = await self._edited("", said["key"] or "new")
        if draft is None:
            self._screen.say("nothing was written, nothing stored")
            return
        await self._keeping(draft, lambda: self._add({**said, "body": draft.text}))

    async def _add(self, said: dict[str, Any]) -> None:
        stored = await self._ask("POST", "/v1/memory/entries", said)
        self._screen.say(outcome(stored, None))
        self._screen.find(new=True)

    def tags(self) -> None:
        """Change the tags."""
        entry = self._changeable()
        if entry is None:
            return

        async def change(text: str) -> None:
            await self._patch(entry, {"tags": words(text.replace("#", " "))})

        title = f"tags of {cut_middle(entry.key, 48)}"
        self._screen.app.push_screen(line_dialog(title, "tags", " ".join(entry.tags), change, "store", TAGS_LIKE))

    def rename(self) -> None:
        """Change the name and the kind, pin it or not."""
        entry = self._changeable()
        if entry is None:
            return
        kind = Choice([(kind, "") for kind in KINDS], id="kind")
        kind.choose(entry.kind)
        pinned = Choice([("no", "retention may take it"), ("yes", "retention never takes it")], id="pinned")
        pinned.choose("yes" if entry.pinned else "no")

        async def change(values: dict[str, str]) -> None:
            said: dict[str, Any] = {"kind": values["kind"], "pinned": values["pinned"] == "yes"}
            if values["key"].strip() and values["key"].strip() != entry.key:
                said["key"] = values["key"].strip()
            await self._patch(entry, said)

        fields = [Field("name", text_input(entry.key, id="key")), Field("kind", kind), Field("pinned", pinned)]
        self._screen.app.push_screen(Dialog("name and kind", "", fields, change, "store"))

    # deleting

    def delete(self) -> None:
        """Delete, after asking."""
        entry = self._entry
        if entry is None or entry.deleted:
            return

        async def remove(_: dict[str, str]) -> None:
            await self._delete(entry)

        about = "Its file goes as well. Its history is kept: u brings it back."
        self._screen.app.push_screen(Dialog(f"delete {cut_middle(entry.key, 48)}?", about, [], remove, "delete"))

    async def _delete(self, entry: EntryInfo) -> None:
        await self._ask("DELETE", place(entry.id, entry.bank))
        self._deleted = Deleted(entry.bank, entry.id, entry.key, entry.heads[0] if entry.heads else "")
        self._screen.say("deleted; u brings it back")
        self._screen.find()

    def undo(self) -> None:
        """Bring back what was deleted last, or the deleted entry that is marked."""
        gone, entry = self._deleted, self._entry

        async def bring_back(deleted: Deleted) -> None:
            version = deleted.version
            if not version:
                history = await self._ask("GET", place(deleted.id, deleted.bank, "/history"))
                version = next((str(one["version"]) for one in reversed(history) if not one.get("deleted")), "")
            body = {"workspace": deleted.bank, "version": version}
            await self._ask("POST", place(deleted.id, deleted.bank, "/restore"), body)
            self._deleted = None
            self._screen.say(f"{cut_middle(deleted.key, 30)} is back")
            self._screen.find()

        if gone is None and entry is not None and entry.deleted:
            gone = Deleted(entry.bank, entry.id, entry.key, "")
        if gone is not None:
            self.run(bring_back(gone), "bring it back")

    def missing(self) -> None:
        """Its file is not on this branch: keep the entry, or delete it."""
        entry = self._entry
        if entry is None or not entry.missing:
            return

        async def answer(said: str) -> None:
            path = place(entry.id, entry.bank, "/missing")
            await self._ask("POST", path, {"workspace": entry.bank, "answer": said})
            if said == "delete":
                self._deleted = Deleted(entry.bank, entry.id, entry.key, entry.heads[0] if entry.heads else "")
            self._screen.say("kept; its file is written again" if said == "keep" else "deleted; u brings it back")
            self._screen.find()

        async def keep(_: dict[str, str]) -> None:
            await answer("keep")

        def drop() -> None:
            self._screen.app.pop_screen()
            self.run(answer("delete"), "delete it")

        about = (
            "Its file went without anybody deleting the entry, as when another branch is checked out. "
            "Keeping it writes the file again; deleting it can be undone."
        )
        title = f"{cut_middle(entry.key, 40)} is not on this branch"
        self._screen.app.push_screen(Dialog(title, about, [], keep, "keep", [Hint("x", "delete", drop)]))

    # looking

    def history(self) -> None:
        """Its versions."""
        from tui.memory.history import HistoryScreen

        if (entry := self._entry) is not None:
            self._screen.app.push_screen(HistoryScreen(entry))

    def decide(self) -> None:
        """Both sides of a conflict."""
        from tui.memory.conflict import ConflictScreen

        if (entry := self._entry) is not None and entry.conflict:
            self._screen.app.push_screen(ConflictScreen(entry, self._edited))

    def raw(self) -> None:
        """The text as it was written, or as a page."""
        reader = self._screen.reader
        reader.raw, reader.first = not reader.raw, 0
        self._screen.say("exactly as written" if reader.raw else "as a page")
        self._screen.show()

    def links(self) -> None:
        """Open one of the web links in the text."""
        found = list(dict.fromkeys(bit.link for row in self._screen.reader.rows for bit in row if bit.link))
        if not found:
            self._screen.say("there is no web link in it")
            return

        def opens(url: str) -> Callable[[], None]:
            return lambda: self._screen.open_link(url)

        items = [Item("", "muted", url.partition("://")[2].partition("/")[0], url, "", opens(url)) for url in found]
        self._screen.app.push_screen(Finder(items, "which link?", "open it"))

    def problems(self) -> None:
        """Everything that is wrong with this memory."""
        found = self._screen.wrong
        if not found:
            self._screen.say("nothing is wrong with this memory")
            return
        from tui.exact import folded

        lines: list[list[tuple[str, str]]] = []
        width = min(100, self._screen.app.size.width - 12)
        for problem in found:
            lines += [[("  " if part.more else "", "muted"), (part.text, "text")] for part in folded(problem, width)]
            lines.append([])
        about = "What is stored is safe; what is named here waits until it is put right."
        page = Page(f"problems of the memory of {safe(self._screen.where, 60)}", about, lines[:-1])
        page.add_class("wide")
        self._screen.app.push_screen(page)
