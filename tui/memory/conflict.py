"""Both sides of a conflict, and the ways to end it: keep one, or merge them by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

from textual import events
from textual.app import ComposeResult
from textual.containers import Container
from textual.screen import ModalScreen

from quarterdeck.errors import QuarterdeckError, Refused
from quarterdeck.rows import BOLD
from quarterdeck.text import cut_middle
from tui.again import Again
from tui.bars import Hint, KeyBar
from tui.follower import Follows
from tui.memory.compare import (
    VersionInfo,
    base_of,
    beside,
    column,
    diff_rows,
    lines_of,
    marked,
    pairs,
    still_marked,
    two_columns,
)
from tui.memory.entries import EntryInfo, author_words, place
from tui.memory.history import Title
from tui.memory.markdown import Bit, Bits, size
from tui.memory.reader import Rows
from tui.outside import Draft
from tui.port import frames
from tui.screen import Behind

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp

BESIDE_FROM = 90
"""Columns from which the sides stand side by side; with fewer one below the other."""
Edit = Callable[[str, str], Awaitable[Draft | None]]


class Sides(Rows):
    """The two texts."""

    @property
    def measure(self) -> int:
        """All there is: two texts share it."""
        return max(16, self.outer_size.width - 4)


class ConflictScreen(Behind, ModalScreen[None], Follows, inherit_bindings=False):
    """One entry that says two things. ``edit`` lets the person change a text in an editor."""

    AUTO_FOCUS = ""

    def __init__(self, entry: EntryInfo, edit: Edit) -> None:
        super().__init__()
        self._entry = entry
        self._edit = edit
        self._heads: list[VersionInfo] = []
        self._base: VersionInfo | None = None
        self._other = 1
        self._against_base = False
        self._shown: object = None
        self._busy = False
        self._again = Again(self, self._renew)
        self.heading = Title("conflict in", entry.key)
        self.sides = Sides(self.show, id="sides")
        self.keys = KeyBar(id="keys")

    @property
    def deck(self) -> QuarterdeckApp:
        """The app, typed."""
        return cast("QuarterdeckApp", self.app)

    @property
    def shown(self) -> list[VersionInfo]:
        """The two that are compared."""
        return [self._heads[0], self._heads[self._other]] if len(self._heads) > 1 else self._heads

    def compose(self) -> ComposeResult:
        """The texts, the keys."""
        with Container(id="sheet"):
            yield self.heading
            yield self.sides
        yield self.keys

    def on_mount(self) -> None:
        """Ask for both."""
        self._put_keys()
        self._again.ask()

    def on_resize(self) -> None:
        """Side by side, or one below the other."""
        self.call_after_refresh(self.show)

    def happened(self, event: frames.Happened) -> None:
        """There may be another side, or none any more."""
        if event.kind == "memory.changed" and event.data.get("entry") in (self._entry.id, ""):
            self._again.ask()

    def listed(self) -> None:
        """Agents are none of this."""

    async def _renew(self) -> None:
        entry, link = self._entry, self.deck.link
        try:
            now = EntryInfo.of(await link.request("GET", place(entry.id, entry.bank)), entry.bank)
            told = await link.request("GET", place(entry.id, entry.bank, "/history"))
        except QuarterdeckError as error:
            self.deck.toasts.complain("read both sides", error)
            return
        versions = [VersionInfo.of(one) for one in told]
        by_name = {one.version: one for one in versions}
        self._entry = now
        self._heads = [by_name[name] for name in now.heads if name in by_name and by_name[name].content is not None]
        self._base = base_of(versions, self._heads)
        self._other = min(self._other, max(1, len(self._heads) - 1))
        self.heading.tell("settled" if not now.conflict else f"{len(self._heads)} sides")
        self._shown = None
        self.show()

    def show(self) -> None:
        """Lay the texts out for the present width."""
        self._put_keys()
        key = (self.sides.outer_size, self._against_base, self._other, self._entry.heads)
        if not self._heads or key == self._shown:
            return
        self._shown = key
        self.run_worker(self._lay_out(key), group="memory sides", exclusive=True, exit_on_error=True)

    def _titled(self, number: int, one: VersionInfo, room: int) -> Bits:
        ago = self.deck.since(one.written_ns)
        who = cut_middle(author_words(one.author), max(8, room - 22))
        return [Bit(f"{number} ", "text", BOLD), Bit(who, "text", BOLD), Bit(f"  {one.why} {ago} ago", "muted")]

    async def _lay_out(self, key: object) -> None:
        deck, shown = self.deck, self.shown
        plain, bar, rule = deck.plain_glyphs, deck.glyphs.bar, deck.glyphs.rule
        total = self.sides.measure
        wide = self.app.size.width >= BESIDE_FROM and len(shown) > 1
        width = (total - 3) // 2 if wide else total
        names = [self._titled(1, shown[0], width)]
        if len(shown) > 1:
            names.append(self._titled(self._other + 1, shown[1], width))
        base = self._base if self._against_base else None

        def rows() -> list[Bits]:
            texts = [lines_of(one.content) for one in shown]
            if base is not None:
                was = lines_of(base.content)
                sides = [diff_rows(was, text, width, context=len(was), plain=plain) for text in texts]
                return beside(sides[0], sides[1], width, bar) if wide else stacked(sides)
            if wide:
                return two_columns(texts[0], texts[1], width, bar, plain=plain)
            if len(texts) < 2:
                return column(texts[0], width, same=True, plain=plain)
            runs = list(pairs(texts[0], texts[1]))
            return stacked(
                [
                    [row for lines, same in side for row in column(lines, width, same=same, plain=plain)]
                    for side in ([(p.left, p.same) for p in runs], [(p.right, p.same) for p in runs])
                ]
            )

        def stacked(sides: list[list[Bits]]) -> list[Bits]:
            found: list[Bits] = []
            for name, side in zip(names, sides, strict=True):
                found += [name, [Bit(rule * width, "line")], *side, []]
            return found

        made = await asyncio.to_thread(rows)
        if key != self._shown:
            return
        words = "what each changed of what both had read" if base else "+ stands before what only one of them says"
        head: list[Bits] = [[Bit(words, "muted")]]
        if wide:
            pad = " " * max(0, width - size(names[0]))
            line = f"{rule * (width + 1)}{'┼' if not plain else '+'}{rule * (width + 1)}"
            head += [[*names[0], Bit(pad), Bit(f" {bar} ", "line"), *names[1]], [Bit(line, "line")]]
        self.sides.head = head
        self.sides.put_rows(made, keep=True)
        self._put_keys()

    def _put_keys(self) -> None:
        if not self.is_attached:
            return
        hints = []
        if self._entry.conflict and len(self._heads) > 1:
            left, right = (author_words(one.author) for one in self.shown)
            hints = [
                Hint("1", f"keep {cut_middle(left, 14)}'s", lambda: self.keep(0)),
                Hint(str(self._other + 1), f"keep {cut_middle(right, 14)}'s", lambda: self.keep(self._other)),
                Hint("e", "merge", self.merge),
            ]
            if len(self._heads) > 2:
                hints.append(Hint("tab", "another side", self.turn))
            if self._base is not None:
                label = "texts" if self._against_base else "changes"
                hints.append(Hint("b", label, self.turn_base))
        hints.append(Hint("esc", "back", self.leave))
        if self.sides.below or self.sides.first:  # the first to go where there is no room: the text says it too
            hints.append(Hint("pgup pgdn", "scroll", lambda: self.sides.scroll_lines(self.sides.room - 2)))
        self.keys.put(hints)

    # a person acts

    def turn(self) -> None:
        """Compare with another side."""
        if len(self._heads) > 2:
            self._other = self._other % (len(self._heads) - 1) + 1
            self.show()

    def turn_base(self) -> None:
        """Whole texts, or what each changed."""
        if self._base is not None:
            self._against_base = not self._against_base
            self.sides.first = 0
            self.show()

    def keep(self, number: int) -> None:
        """Let one side stand; the others stay in the history."""
        if number < len(self._heads):
            one = self._heads[number]
            self._run(self._resolve(dict(one.content or {}), cut=one.cut), "end the conflict")

    def merge(self) -> None:
        """Let the person write what stands, from both texts with marks."""

        async def work() -> None:
            left, right = self.shown
            if left.cut or right.cut:
                raise Refused("the texts are too long to be merged here", hint="merge them in their file")
            bodies = [str((one.content or {}).get("body", "")) for one in (left, right)]
            text = marked(bodies[0], bodies[1], author_words(left.author), author_words(right.author))
            draft = await self._edit(text, self._entry.key)
            if draft is None:
                raise Refused("nothing was changed, both sides are kept")
            if still_marked(draft.text):
                raise Refused("marks of the merge are still in the text; nothing was stored",
                              hint=f"what was written: {draft.path}")  # fmt: skip
            content = dict(left.content or {})
            tags = {str(tag) for one in (left, right) for tag in (one.content or {}).get("tags") or ()}
            try:
                await self._resolve({**content, "body": draft.text, "tags": sorted(tags)})
            except QuarterdeckError as error:
                error.hint = f"what was written: {draft.path}"
                raise
            draft.done()

        if len(self._heads) > 1:
            self._run(work(), "merge them")

    async def _resolve(self, content: dict[str, Any], *, cut: bool = False) -> None:
        if cut:
            raise Refused("that text is too long to be handed over from here", hint="restore it from the history")
        entry = self._entry
        said = {name: content[name] for name in ("body", "key", "kind", "namespace", "tags", "links", "pinned")}
        body = {"workspace": entry.bank, "seen": dict(entry.seen), **said}
        await self.deck.link.request("POST", place(entry.id, entry.bank, "/resolve"), body)
        self.dismiss(None)

    def _run(self, work: Awaitable[None], doing: str) -> None:
        async def carry_out() -> None:
            self._busy = True
            try:
                await work
            except QuarterdeckError as error:
                self.deck.toasts.complain(doing, error)
            finally:
                self._busy = False

        if not self._busy:
            self.run_worker(carry_out(), exit_on_error=True)

    def leave(self) -> None:
        """Close; both sides are kept."""
        self.dismiss(None)

    async def on_key(self, event: events.Key) -> None:
        """Look, decide, leave."""
        event.stop()
        event.prevent_default()
        page = max(1, self.sides.room - 2)
        match event.key:
            case "escape" | "q":
                self.leave()
            case "down" | "j" | "up" | "k":
                self.sides.scroll_lines(1 if event.key in ("down", "j") else -1)
            case "pagedown" | "space":
                self.sides.scroll_lines(page)
            case "pageup":
                self.sides.scroll_lines(-page)
            case "home" | "end":
                self.sides.scroll_lines((1 if event.key == "end" else -1) * len(self.sides.rows))
            case "tab":
                self.turn()
            case "b":
                self.turn_base()
            case "e":
                self.merge()
            case key if key.isdigit() and int(key) in (1, self._other + 1) and self._entry.conflict:
                self.keep(int(key) - 1)
        self._put_keys()
