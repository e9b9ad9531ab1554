"""The versions of an entry: who wrote each, when and why, what it changed, and the way back to it."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, cast

from textual import events
from textual.app import ComposeResult
from textual.containers import Container
from textual.screen import ModalScreen

from quarterdeck.errors import QuarterdeckError
from quarterdeck.text import cut_middle
from tui.again import Again
from tui.bars import Hint, KeyBar
from tui.canvas import Canvas
from tui.chooser import Chooser
from tui.dialogs import Dialog
from tui.follower import Follows
from tui.line import Line, Span, compose
from tui.memory.compare import VersionInfo, diff_rows, lines_of
from tui.memory.entries import EntryInfo, author_words, place
from tui.memory.markdown import LONGEST, Bit, Bits, render, wrap
from tui.memory.reader import Rows
from tui.port import frames
from tui.screen import Behind

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp

SPLIT_FROM = 104


class Title(Canvas):
    """One line that says what this is about."""

    def __init__(self, lead: str, name: str, about: str = "") -> None:
        super().__init__(id="heading")
        self.lead, self.name_shown, self.about = lead, name, about

    def tell(self, about: str) -> None:
        """Say this at the right end."""
        self.about = about
        self.touch()

    def paint(self, y: int, width: int) -> Line:
        """What at the left, how much at the right."""
        bg = "raised"
        left = [(f" {self.lead} ", self.style("muted", bg)), (self.name_shown, self.style("text", bg, bold=True))]
        right = [(f"{self.about} ", self.style("muted", bg))]
        return compose(width, left, right, self.palette, self.style(bg=bg))


class Versions(Chooser[VersionInfo], can_focus=False):
    """The newest first."""

    HEAD = 0

    def entry(self, one: VersionInfo, here: bool, bg: str, width: int) -> Line:
        """One version: whether it stands, who, why, how long ago."""
        stands = self.glyphs.good if one.head else self.glyphs.off if one.content is None else " "
        left: list[Span] = [
            (self.glyphs.mark if here else " ", self.style("accent", bg)),
            (f"{stands} ", self.style("calm" if one.head else "muted", bg)),
            (f"{cut_middle(author_words(one.author), 16):<16}  ", self.style("text", bg, bold=here)),
            (one.why, self.style("muted", bg)),
        ]
        right: list[Span] = [(f" {self.deck.since(one.written_ns):>5} ", self.style("muted", bg))]
        return compose(width, left, right, self.palette, self.style(bg=bg))

    def words(self, y: int) -> str:
        """While it is asked for."""
        return "" if self.entries or y else "  asking for its versions"

    def clicked(self, number: int) -> None:
        """Show what it changed."""
        if number < len(self.entries):
            cast("HistoryScreen", self.screen).choose(number)

    def wheel(self, notches: int) -> None:
        """See :class:`Wheel`."""
        cast("HistoryScreen", self.screen).choose(self.at + notches)


class HistoryScreen(Behind, ModalScreen[None], Follows, inherit_bindings=False):
    """The versions of one entry."""

    AUTO_FOCUS = ""
    VIEWS = ("what it changed", "against what stands now", "its text")

    def __init__(self, entry: EntryInfo) -> None:
        super().__init__()
        self._entry = entry
        self._view = 0
        self._note = ""
        self._shown: object = None
        self._again = Again(self, self._renew)
        self.heading = Title("history of", entry.key)
        self.versions = Versions(id="versions")
        self.changes = Rows(self.show, id="changes")
        self.keys = KeyBar(id="keys")

    @property
    def deck(self) -> QuarterdeckApp:
        """The app, typed."""
        return cast("QuarterdeckApp", self.app)

    def compose(self) -> ComposeResult:
        """Versions and what they changed."""
        with Container(id="sheet"):
            yield self.heading
            with Container(id="both"):
                yield self.versions
                yield self.changes
        yield self.keys

    def on_mount(self) -> None:
        """Ask for them."""
        self._arrange()
        self._put_keys()
        self._again.ask()

    def on_resize(self) -> None:
        """Side by side, or one above the other."""
        self._arrange()
        self.call_after_refresh(self.show)

    def on_screen_resume(self) -> None:
        """Nothing covers it any more."""
        self.show()

    def _arrange(self) -> None:
        size = self.app.size
        split = size.width >= SPLIT_FROM
        self.set_class(split, "-split")
        self.changes.edge = split
        count = max(3, len(self.versions.entries))
        self.versions.styles.height = "1fr" if split else min(count, max(3, (size.height - 3) // 3))
        self.versions.styles.width = 46 if split else "100%"

    def happened(self, event: frames.Happened) -> None:
        """There may be a new version."""
        if event.kind == "memory.changed" and event.data.get("entry") in (self._entry.id, ""):
            self._again.ask()

    def listed(self) -> None:
        """Agents are none of this."""

    async def _renew(self) -> None:
        entry = self._entry
        try:
            found = await self.deck.link.request("GET", place(entry.id, entry.bank, "/history"))
        except QuarterdeckError as error:
            self.deck.toasts.complain("read its history", error)
            return
        before = self.versions.chosen
        self.versions.entries = [VersionInfo.of(one) for one in reversed(found)]
        names = [one.version for one in self.versions.entries]
        self.versions.choose(names.index(before.version) if before and before.version in names else 0)
        count = len(names)
        self.heading.tell(f"{count:,} version{'' if count == 1 else 's'}")
        self.show()

    def show(self) -> None:
        """What the marked version is about."""
        if not self.is_current:
            return
        self._arrange()
        one = self.versions.chosen
        key = (one, self._view, self.changes.measure, len(self.versions.entries))
        if one is None or key == self._shown:
            self._put_keys()
            return
        same = isinstance(self._shown, tuple) and self._shown[:2] == key[:2]
        self._shown = key
        self.versions.choose(self.versions.at)
        when = datetime.fromtimestamp(one.written_ns / 1e9)  # noqa: DTZ006  the person's own clock
        about = f"{self.VIEWS[self._view]}, {when:%Y-%m-%d %H:%M}"
        room = self.changes.outer_size.width - 4
        line: Bits = [Bit(self.deck.glyphs.rule * room, "line")] if not self.changes.edge else []
        self.changes.head = [line, [Bit(about, "muted")], []] if line else [[Bit(about, "muted")], []]
        self.run_worker(self._lay_out(key, one, same), group="memory changes", exclusive=True, exit_on_error=True)
        self._put_keys()

    async def _lay_out(self, key: object, one: VersionInfo, same: bool) -> None:
        every, at = self.versions.entries, self.versions.at
        width, glyphs, plain = self.changes.measure, self.deck.glyphs, self.deck.plain_glyphs

        def rows() -> list[Bits]:
            if self._view == 2:
                body = str((one.content or {}).get("body", ""))
                found = render(body[:LONGEST], width, glyphs, plain=plain)
                if len(body) > LONGEST or one.cut:
                    found += [[], *wrap([Bit("This is only its beginning.", "warm")], width)]
                return found
            other = every[0] if self._view == 1 else every[at + 1] if at + 1 < len(every) else None
            before = lines_of(other.content) if other else []
            after = lines_of(one.content)
            found = diff_rows(*((after, before) if self._view == 1 else (before, after)), width, plain=plain)
            return found or [[Bit("nothing is different", "muted")]]

        made = await asyncio.to_thread(rows)
        if key == self._shown:
            self.changes.put_rows(made, keep=same)
            self._put_keys()

    def _put_keys(self) -> None:
        if not self.is_attached:
            return
        one, glyphs = self.versions.chosen, self.deck.glyphs
        hints = []
        if one is not None:
            hints.append(Hint(glyphs.arrows, "choose", lambda: self.choose(self.versions.at + 1)))
            if one.content is not None and not (one.head and self.versions.at == 0):
                hints.append(Hint("r", "restore", self.restore))
            following = self.VIEWS[(self._view + 1) % len(self.VIEWS)]
            hints.append(Hint("v", following, self.turn))
            if self.changes.below or self.changes.first:
                hints.append(Hint("pgup pgdn", "scroll", lambda: self.changes.scroll_lines(self.changes.room - 2)))
        self.keys.put([*hints, Hint("esc", "back", self.leave)], "", self._note)

    # a person acts

    def choose(self, number: int) -> None:
        """Mark another version."""
        self._note = ""
        self.versions.choose(number)
        self.show()

    def turn(self) -> None:
        """The next way to look at it."""
        self._view = (self._view + 1) % len(self.VIEWS)
        self.show()

    def restore(self) -> None:
        """Make the marked version the newest again, after asking."""
        one, entry = self.versions.chosen, self._entry
        if one is None or one.content is None:
            return

        async def bring_back(_: dict[str, str]) -> None:
            body = {"workspace": entry.bank, "version": one.version}
            await self.deck.link.request("POST", place(entry.id, entry.bank, "/restore"), body)
            self._note = "restored"
            self._again.ask()

        title = f"restore what {author_words(one.author)} wrote {self.deck.since(one.written_ns)} ago?"
        about = "It becomes the newest version. What stands now stays in the history."
        self.app.push_screen(Dialog(title, about, [], bring_back, "restore"))

    def leave(self) -> None:
        """Close."""
        self.dismiss(None)

    async def on_key(self, event: events.Key) -> None:
        """Choose, look, restore, leave."""
        event.stop()
        event.prevent_default()
        page = max(1, self.changes.room - 2)
        match event.key:
            case "escape" | "q" | "h":
                self.leave()
            case "down" | "j" | "tab":
                self.choose(self.versions.at + 1)
            case "up" | "k" | "shift+tab":
                self.choose(self.versions.at - 1)
            case "home":
                self.choose(0)
            case "end":
                self.choose(len(self.versions.entries) - 1)
            case "pagedown" | "space":
                self.changes.scroll_lines(page)
            case "pageup" | "b":
                self.changes.scroll_lines(-page)
            case "v" | "enter":
                self.turn()
            case "r":
                self.restore()
