"""The memory screen: a search that answers while one types, what it found, and the chosen entry beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from textual import events
from textual.app import ComposeResult
from textual.containers import Container, Horizontal
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from quarterdeck.errors import QuarterdeckError
from quarterdeck.text import cut_right, safe
from tui.again import Again
from tui.bars import Hint, KeyBar, Notice
from tui.canvas import Canvas
from tui.dialogs import Moves, text_input
from tui.follower import Follows
from tui.line import Line, compose
from tui.links import hand_over, opener, showable
from tui.lists import Finder, Item
from tui.memory.deeds import Deeds
from tui.memory.entries import KINDS, SHARED, EntryInfo, Told, Wanted, answer_of, bank_name
from tui.memory.found import Filter, Filters, Found, Heading
from tui.memory.found import Told as ToldLine
from tui.memory.markdown import Bits
from tui.memory.reader import AT_ONCE, Reader, body_rows
from tui.port import frames
from tui.screen import Behind
from tui.states import look

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp

SPLIT_FROM = 104
"""Columns from which list and entry stand side by side; with fewer one above the other."""
NOTE_SECONDS = 5.0


class Trouble(Canvas):
    """One quiet line about what is wrong with the bank."""

    def __init__(self) -> None:
        super().__init__(id="trouble")
        self.problems: tuple[str, ...] = ()

    def put(self, problems: tuple[str, ...]) -> None:
        """Tell of these."""
        self.display = bool(problems)
        if problems != self.problems:
            self.problems = problems
            self.touch()

    def paint(self, y: int, width: int) -> Line:
        """How many, the first one, how to see all."""
        sign = look("blocked").sign(self.deck.plain_glyphs)
        count = len(self.problems)
        lead = f" {sign} {count} {'problem' if count == 1 else 'problems'}  "
        more = "  p tells all "
        text = cut_right(self.problems[0] if self.problems else "", width - len(lead) - len(more))
        left = [(lead, self.style("warm", "surface")), (text, self.style("muted", "surface"))]
        right = [(more, self.style("muted", "surface"))]
        return compose(width, left, right, self.palette, self.style(bg="surface"))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Tell all."""
        event.stop()
        cast("MemoryScreen", self.screen).deeds.problems()


class MemoryScreen(Behind, ModalScreen[None], Follows, Moves, inherit_bindings=False):
    """The memory of the open session's workspace, or of all."""

    AUTO_FOCUS = ""

    def __init__(self) -> None:
        super().__init__()
        self.wanted = Wanted()
        self.told: Told | None = None
        self._unsearched: tuple[str, ...] = ()
        self.bank = ""
        self.reading = False
        """Whether the entry has the whole screen."""
        self._known = False
        self._new_question = True
        self._asked = 0
        self._refused = ""
        self._note = ""
        self._note_ends: asyncio.TimerHandle | None = None
        self._shown: object = None
        self._again = Again(self, self._look)
        self._count_again = Again(self, self._count)
        self.deeds = Deeds(self)
        self.heading = Heading(id="heading")
        self.query_line = text_input(placeholder='words, "a phrase", tag:x, is:pinned', id="query")
        self.told_line = ToldLine()
        self.filters = Filters()
        self.found = Found()
        self.reader = Reader(self.show)
        self.notice = Notice(id="notice")
        self.trouble = Trouble()
        self.keys = KeyBar(id="keys")

    @property
    def deck(self) -> QuarterdeckApp:
        """The app, typed."""
        return cast("QuarterdeckApp", self.app)

    @property
    def workspace(self) -> str:
        """The folder whose memory is shown."""
        session = self.deck.session
        return session.workspace if session else self.deck.workspace

    @property
    def where(self) -> str:
        """Whose memory this is, in a word or two."""
        if self.wanted.everywhere:
            return "everywhere"
        if self.wanted.namespace == SHARED:
            return "shared by all workspaces"
        return bank_name(self.bank or self.workspace)

    @property
    def typing(self) -> bool:
        """Whether letters go to the search."""
        return self.focused is self.query_line

    def compose(self) -> ComposeResult:
        """Heading, search, filters; list and entry; keys."""
        with Container(id="sheet"):
            yield self.heading
            with Horizontal(id="asking"):
                yield Static(" find", id="label", markup=False)
                yield self.query_line
                yield self.told_line
            yield self.filters
            with Container(id="both"):
                yield self.found
                yield self.reader
                yield self.notice
            yield self.trouble
        yield self.keys

    def on_mount(self) -> None:
        """Ask for everything."""
        self.trouble.display = False
        self._arrange()
        self.set_focus(self.query_line)
        self.find(new=True)
        self._count_again.ask()

    def on_unmount(self) -> None:
        """Say nothing more."""
        if self._note_ends is not None:
            self._note_ends.cancel()

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
        self.set_class(self.reading, "-reading")
        self.set_class(self._known and not self.found.entries, "-empty")
        self.set_class(not self._known, "-asking")
        self.found.per = 2 if split else 1
        self.reader.edge = split and not self.reading
        self.reader.ruled = not split and not self.reading
        self.found.styles.width = max(50, min(80, size.width * 9 // 20)) if split else "100%"
        self.found.styles.height = "1fr" if split else max(3, (size.height - 5) * 2 // 5)

    # what is asked for

    def find(self, *, new: bool = False) -> None:
        """Ask now; whatever was asked before and is not answered yet is let go. ``new``: mark the first one found."""
        self._new_question = self._new_question or new
        self.run_worker(self._look, group="memory find", exclusive=True, exit_on_error=True)  # type: ignore[arg-type]

    async def _look(self) -> None:
        self._asked += 1
        number, wanted = self._asked, self.wanted
        try:
            answer = answer_of(await self.deck.link.request("GET", wanted.path(self.workspace)))
        except QuarterdeckError as error:
            if number == self._asked:
                self._refuse(error)
            return
        if number != self._asked:
            return
        if not wanted.everywhere:
            self.bank = answer.bank
        first, self._known, self._refused = not self._known, True, ""
        self._unsearched = answer.problems
        self.found.put(answer.entries, keep=not self._new_question)
        self._new_question = False
        count = len(answer.entries)
        some = f"{count:,}{'+' if count >= 200 else ''}"
        narrowed = wanted.words.strip() or wanted.narrowed or wanted.everywhere
        self.told_line.say(
            f"{some} found" + (f" in {answer.ms:.0f} ms" if answer.ms >= 0.5 else "") if narrowed else ""
        )
        if first and not answer.entries and self.typing and not self.query_line.value:
            self.set_focus(None)  # nothing to search in: the keys are for the first entry
        self.show()

    def _refuse(self, error: QuarterdeckError) -> None:
        """A search that cannot be understood leaves what was found before; the reason stands beside it."""
        self._refused = safe(error.message + (f"; {error.hint}" if error.hint else ""), 200)
        self.told_line.say(self._refused)
        if not self._known:
            self.show()

    async def _count(self) -> None:
        try:
            self.told = Told.of(await self.deck.link.request("GET", f"/v1/memory/stats?{self._here()}"))
        except QuarterdeckError:
            return  # the numbers are missing; the list says why
        self.show()

    def _here(self) -> str:
        from urllib.parse import urlencode

        return urlencode({"workspace": "" if self.wanted.namespace == SHARED else self.workspace})

    def happened(self, event: frames.Happened) -> None:
        """The memory changed: what is shown is asked for again."""
        if event.kind.startswith("memory."):
            if self.wanted.everywhere or str(event.data.get("bank", "")) == self.bank:
                self._again.ask()
            self._count_again.ask()

    def listed(self) -> None:
        """Sessions and agents are none of this."""

    # what is shown

    @property
    def wrong(self) -> tuple[str, ...]:
        """What is wrong with the memory, and with those that could not be searched, a line each."""
        return self._unsearched + (self.told.problems if self.told else ())

    def show(self) -> None:
        """Bring everything in step with what was found; under a dialog that waits, as Textual forgets layouts there."""
        if not self.is_current:
            return
        self._arrange()
        self.trouble.put(self.wrong)
        self.found.choose(self.found.at)
        self.heading.touch()
        self._put_filters()
        self._put_notice()
        self._put_entry()
        self.put_keys()

    def _put_entry(self) -> None:
        entry = self.found.chosen
        reader = self.reader
        reader.put_head(entry, everywhere=self.wanted.everywhere)
        plain, raw = self.deck.plain_glyphs, reader.raw
        key = (entry.bank, entry.id, entry.body, reader.measure, plain, raw) if entry else None
        if key == self._shown:
            return
        same = isinstance(self._shown, tuple) and key is not None and self._shown[:2] == key[:2]
        self._shown = key
        if entry is None:
            reader.put_rows([], keep=False)
        elif len(entry.body) <= AT_ONCE:
            reader.put_rows(body_rows(entry, reader.measure, self.deck.glyphs, plain=plain, raw=raw), keep=same)
        else:
            if not same:
                reader.put_rows([], keep=False)
            self.run_worker(self._lay_out(entry, key, same), group="memory read", exclusive=True, exit_on_error=True)

    async def _lay_out(self, entry: EntryInfo, key: object, same: bool) -> None:
        reader, deck = self.reader, self.deck
        rows: list[Bits] = await asyncio.to_thread(
            body_rows, entry, reader.measure, deck.glyphs, plain=deck.plain_glyphs, raw=reader.raw
        )
        if key == self._shown:
            reader.put_rows(rows, keep=same)
            self.put_keys()

    def _put_filters(self) -> None:
        wanted, told = self.wanted, self.told
        conflicts, missing = (told.conflicts, told.missing) if told else (0, 0)
        wide = self.app.size.width >= 100
        filters = [
            Filter("1", "kind", wanted.kind, self.pick_kind),
            Filter("2", "tag", wanted.tag, self.pick_tag),
            Filter("3", "namespace", wanted.namespace, self.pick_namespace),
            Filter("4", "everywhere", "everywhere" if wanted.everywhere else "", lambda: self.turn("everywhere")),
            Filter("5", "conflicts", "conflicts" if wanted.conflict else "", lambda: self.turn("conflict"), conflicts),
            Filter("6", "not on this branch" if wide else "not here", "not here" if wanted.missing else "",
                   lambda: self.turn("missing"), missing),
        ]  # fmt: skip
        if wanted != Wanted():
            filters.append(Filter("0", "all", "", self.clear))
        self.filters.put(filters)

    def _put_notice(self) -> None:
        wanted = self.wanted
        if not self._known:
            first = self._refused or "asking for what is remembered"
            self.notice.put([[(first, "muted")]])
            return
        if wanted.words.strip() or wanted.narrowed:
            lead = "tab " if self.typing else ""
            self.notice.put(
                [
                    [("nothing remembered fits that", "text!")],
                    [],
                    [(f"{lead}0 ", "text!"), ("everything again", "muted")],
                    [(f"{lead}4 ", "text!"), ("look in the memory of all workspaces", "muted")],
                    [(f"{lead}n ", "text!"), ("write it down", "muted")],
                ]
            )
            return
        self.notice.put(
            [
                [("nothing is remembered in ", "text"), (self.where, "text!"), (" yet", "text")],
                [],
                [("n   ", "text!"), ("write down the first thing worth keeping", "muted")],
                [("4   ", "text!"), ("look in the memory of all workspaces", "muted")],
                [("esc ", "text!"), ("back to the agents", "muted")],
            ]
        )

    def say(self, note: str) -> None:
        """A passing word at the right end of the keys."""
        self._note = note
        if self._note_ends is not None:
            self._note_ends.cancel()
        self._note_ends = asyncio.get_running_loop().call_later(NOTE_SECONDS, self._unsay)
        self.put_keys()

    def _unsay(self) -> None:
        self._note, self._note_ends = "", None
        self.put_keys()

    def put_keys(self) -> None:
        """The keys that work now."""
        if not self.is_attached:
            return
        deck, deeds = self.deck, self.deeds
        enter = deck.glyphs.enter
        entry = self.found.chosen
        hints: list[Hint] = []
        crowded = False
        if self.typing:
            if entry is not None:
                hints = [
                    Hint(f"{enter} tab", "go to the list", self.to_list),
                    Hint(deck.glyphs.arrows, "choose", lambda: self.choose(self.found.at + 1)),
                ]
                if self.reader.below:
                    hints.append(Hint("pgdn", "read on", lambda: self.scroll(1)))
            else:
                hints = [Hint("tab", "filters and keys", self.to_list)]
            self.keys.put([*hints, Hint("esc", "back", self.leave)], "", self._note)
            return
        if deeds.undo_words:
            hints.append(Hint("u", "undo", deeds.undo))
        if entry is not None:
            hints += deeds.urgent(entry)
            crowded = bool(hints) and self.app.size.width < 100
            hints.append(Hint(enter, "list" if self.reading else "read", self.read))
            hints.append(Hint("e", "edit", deeds.edit))
        hints.append(Hint("n", "new", deeds.new))
        if entry is not None:
            hints += [Hint("t", "tags", deeds.tags), Hint("h", "history", deeds.history)]
            if not crowded:
                hints.append(Hint("x", "delete", deeds.delete))
        hints += [Hint("/", "search", self.to_search), Hint("?", "more", deeds.more), Hint("esc", "back", self.leave)]
        self.keys.put(hints, "", self._note)

    # a person acts

    def on_input_changed(self, event: Input.Changed) -> None:
        """Search for what stands there now."""
        event.stop()
        if event.value != self.wanted.words:
            self.wanted = self.wanted._replace(words=event.value)
            self.find(new=True)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter is taken before it gets here."""
        event.stop()

    def choose(self, number: int) -> None:
        """Mark another entry."""
        self.found.choose(number)
        self._put_entry()
        self.put_keys()

    def clicked(self, number: int) -> None:
        """Mark an entry; the marked one is read."""
        self.set_focus(None)
        if number == self.found.at:
            self.read()
        else:
            self.choose(number)

    def read(self) -> None:
        """Give the entry the whole screen, or the list its place again."""
        if self.found.chosen is not None:
            self.reading = not self.reading
            self._arrange()
            self.call_after_refresh(self.show)

    def scroll(self, pages: int) -> None:
        """Look further down or (negative) up in the entry."""
        self.reader.scroll_lines(pages * max(1, self.reader.room - 2))
        self.put_keys()

    def to_list(self) -> None:
        """Letters are keys from now on."""
        self.set_focus(None)

    def to_search(self) -> None:
        """Letters go to the search from now on."""
        if self.reading:
            self.read()
        self.set_focus(self.query_line)

    def want(self, **change: Any) -> None:
        """Look for something else."""
        self.wanted = self.wanted._replace(**change)
        self.find(new=True)
        self._count_again.ask()
        self._put_filters()

    def turn(self, name: str) -> None:
        """A filter on or off."""
        self.want(**{name: not getattr(self.wanted, name)})

    def clear(self) -> None:
        """All entries again."""
        self.query_line.value = ""
        self.want(**Wanted()._asdict())

    def _pick(self, name: str, values: list[tuple[str, str]]) -> None:
        def setter(value: str) -> Callable[[], None]:
            return lambda: self.want(**{name: value})

        items = [Item("", "muted", f"any {name}", "", "", setter(""))]
        items += [Item("", "muted", value, about, "", setter(value)) for value, about in values]
        self.app.push_screen(Finder(items, f"which {name}?", "take it"))

    def pick_kind(self) -> None:
        """Entries of one kind only."""
        counts = self.told.by_kind if self.told else {}
        self._pick("kind", [(kind, str(counts.get(kind, ""))) for kind in KINDS])

    def pick_tag(self) -> None:
        """Entries with a tag only: one of those in the list."""
        counts: dict[str, int] = {}
        for entry in self.found.entries:
            for tag in entry.tags:
                counts[tag] = counts.get(tag, 0) + 1
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        self._pick("tag", [(tag, str(count)) for tag, count in ranked])

    def pick_namespace(self) -> None:
        """Entries of one namespace only."""
        counts = dict(self.told.by_namespace) if self.told else {}
        counts.pop(SHARED, None)
        known = [(name, str(count)) for name, count in sorted(counts.items())]
        self._pick("namespace", [*known, (SHARED, "by all workspaces")])

    def open_link(self, url: str) -> None:
        """Open a web link with the desktop's program; anything else is only named."""
        if not showable(url):
            self.say(f"not a web link: {safe(url, 60)}")
        elif program := opener():
            self.say(f"opening {safe(url, 60)}")
            self.deck.run_worker(hand_over(program, url), exit_on_error=False)
        else:
            self.say(f"no program opens links here: {safe(url, 80)}")

    def leave(self) -> None:
        """Back to the list, else to the agents."""
        if self.reading:
            self.read()
        else:
            self.dismiss(None)

    def on_descendant_focus(self) -> None:
        """Other keys work there."""
        self._put_notice()
        self.put_keys()

    on_descendant_blur = on_descendant_focus

    def moved(self, key: str) -> bool:
        """Between search and list, at once."""
        if self.typing and key in ("tab", "enter", "shift+tab"):
            self.to_list()
        elif not self.typing and key in ("tab", "slash", "shift+tab"):
            self.to_search()
        else:
            return False
        return True

    async def on_key(self, event: events.Key) -> None:
        """What the search did not take."""
        if not self._move(event.key) and not self.typing and not self._set(event.key):
            self.deeds.key(event.key)
        event.stop()
        event.prevent_default()

    def _move(self, key: str) -> bool:
        """Keys that move, wherever letters go."""
        at, page = self.found.at, self.found.room
        letters = not self.typing
        match key:
            case "escape":
                self.leave()
            case "down" | "up" if self.reading:
                self.reader.scroll_lines(1 if key == "down" else -1)
            case "down":
                self.choose(at + 1)
            case "up":
                self.choose(at - 1)
            case "j" | "k" if letters:
                self.choose(at + (1 if key == "j" else -1))
            case "pagedown":
                self.scroll(1)
            case "pageup":
                self.scroll(-1)
            case "space" | "b" if letters:
                self.scroll(1 if key == "space" else -1)
            case "ctrl+down" | "ctrl+up":
                self.choose(at + (page if key == "ctrl+down" else -page))
            case "home" if letters:
                self.choose(0)
            case "end" if letters:
                self.choose(len(self.found.entries) - 1)
            case "enter":
                self.read()
            case _:
                return False
        return True

    def _set(self, key: str) -> bool:
        """Keys of filters."""
        if key == "0":
            self.clear()
            return True
        for one in self.filters.filters:
            if one.key == key:
                one.run()
                return True
        return False
