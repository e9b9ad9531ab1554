"""Questions and forms over the panels. Enter does it, escape leaves everything as it was."""

from __future__ import annotations

import shlex
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Input, Static

from quarterdeck.errors import QuarterdeckError
from tui.bars import Hint, KeyBar
from tui.canvas import Canvas
from tui.line import Line, Span, compose

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp

Do = Callable[[dict[str, str]], Awaitable[object]]
TAGS_LIKE = "words to choose it by: api needs-review"


class Choice(Canvas, can_focus=True):
    """One of a few values, changed with the arrow keys, space, a click or its first letters.

    ``bare`` shows only what they mean.
    """

    def __init__(
        self,
        values: Sequence[tuple[str, str]],
        *,
        bare: bool = False,
        id: str | None = None,  # noqa: A002
    ) -> None:
        super().__init__(id=id)
        self._bare = bare
        self.values = list(values)
        self.at = 0
        self._typed = ""
        """The letters by which the value was chosen."""

    @property
    def value(self) -> str:
        """The chosen value."""
        return self.values[self.at][0] if self.values else ""

    def choose(self, value: str) -> None:
        """Choose by value; one that is not there is ignored."""
        for number, (name, _) in enumerate(self.values):
            if name == value:
                self.at = number
                self.touch()

    def turn(self, steps: int) -> None:
        """Go to another value, round and round."""
        if self.values:
            self.at = (self.at + steps) % len(self.values)
            self.touch()
            cast("Dialog", self.screen).changed()

    def paint(self, y: int, width: int) -> Line:
        """The value between arrows; what it means beside it."""
        bg = "raised" if self.has_focus else "background"
        before, after = self.glyphs.choice.split(" ")
        name, about = self.values[self.at] if self.values else ("", "")
        if self._bare:
            name, about = about, ""
        arrows = self.style("text" if self.has_focus else "muted", bg)
        left: list[Span] = [(f" {before} ", arrows), (name, self.style(bg=bg)), (f" {after}  ", arrows)]
        left.append((about, self.style("muted", bg)))
        return compose(width, left, (), self.palette, self.style(bg=bg))

    def on_focus(self) -> None:
        """Show it."""
        self.touch()

    def on_blur(self) -> None:
        """Show it; letters begin anew."""
        self._typed = ""
        self.touch()

    def on_key(self, event: events.Key) -> None:
        """Arrow keys and space, or letters."""
        steps = {"left": -1, "right": 1, "space": 1}.get(event.key)
        if steps is not None:
            event.stop()
            self._typed = ""
            self.turn(steps)
        elif event.character and event.character.isprintable() and self._jump(event.character.lower()):
            event.stop()

    def _jump(self, letter: str) -> bool:
        """Go to the value whose name or meaning begins with what was typed; one letter again goes to the next."""
        for typed in dict.fromkeys((self._typed + letter, letter)):
            start = self.at if len(typed) > 1 else self.at + 1
            for steps in range(len(self.values)):
                number = (start + steps) % len(self.values)
                if any(text.lower().startswith(typed) for text in self.values[number]):
                    self._typed = typed
                    self.turn(number - self.at)
                    return True
        return False

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Left of the middle of the arrows goes back."""
        event.stop()
        self.focus()
        self.turn(-1 if event.x < 3 else 1)


class Field(Widget):
    """A label and what is to be filled in."""

    def __init__(self, label: str, inner: Input | Choice) -> None:
        super().__init__()
        self._label = label
        self.inner = inner

    def compose(self) -> ComposeResult:
        """Label at the left, always equally wide."""
        yield Static(self._label, classes="label", markup=False)
        yield self.inner


def text_input(value: str = "", placeholder: str = "", *, id: str) -> Input:  # noqa: A002
    """A one-line input without a frame that does not blink."""
    field = Input(value=value, placeholder=placeholder, id=id, compact=True, select_on_focus=False)
    field.cursor_blink = False
    return field


class Moves:
    """A screen with several places for what is typed."""

    def moved(self, key: str) -> bool:
        """Go to another one at once if the key says so, so that what is typed right behind it lands there."""
        raise NotImplementedError


class Dialog(ModalScreen[bool], Moves, inherit_bindings=False):
    """A titled box with fields and the keys below it. ``do`` is awaited on enter; its error stays in the box."""

    AUTO_FOCUS = "Input, Choice"

    def __init__(
        self,
        title: str,
        about: str = "",
        fields: Sequence[Field] = (),
        do: Do | None = None,
        label: str = "do it",
        more: Sequence[Hint] = (),
    ) -> None:
        super().__init__()
        self._title = title
        self._about = about
        self._fields = list(fields)
        self._do = do
        self._label = label
        self._more = list(more)
        self._busy = False

    @property
    def deck(self) -> QuarterdeckApp:
        """The app, typed."""
        return cast("QuarterdeckApp", self.app)

    def compose(self) -> ComposeResult:
        """Title, explanation, fields, keys."""
        with Vertical(id="box"):
            yield Static(self._title, id="title", markup=False)
            if self._about:
                yield Static(self._about, id="about", markup=False)
            yield from self._fields
            yield from self.body()
            yield Static("", id="problem", markup=False)
            yield KeyBar(self._hints(), id="keys")

    def body(self) -> ComposeResult:
        """Anything below the fields."""
        yield from ()

    def changed(self) -> None:
        """A choice was changed."""

    def _hints(self) -> list[Hint]:
        hints = [Hint(self.deck.glyphs.enter, self._label, self.submit)] if self._do else []
        hints += self._more
        if len(self._fields) > 1:
            hints.append(Hint("tab", "next field", lambda: self.focus_next()))
        return [*hints, Hint("esc", "cancel" if self._do else "back", self.leave)]

    def values(self) -> dict[str, str]:
        """What is filled in, by the ids of the fields."""
        return {field.inner.id or "": field.inner.value for field in self._fields}

    def leave(self) -> None:
        """Close and change nothing."""
        self.dismiss(False)

    def submit(self) -> None:
        """Do it; close when it worked."""
        if self._do is None or self._busy:
            return
        self._busy = True
        self.query_one("#keys", KeyBar).put([], "asking the orchestrator")
        self.run_worker(self._carry_out(self._do), exit_on_error=True)

    async def _carry_out(self, do: Do) -> None:
        try:
            await do(self.values())
        except QuarterdeckError as error:
            problem = self.query_one("#problem", Static)
            problem.update(error.message + (f"\n{error.hint}" if error.hint else ""))
            problem.add_class("shown")
        else:
            self.dismiss(True)
        finally:
            self._busy = False
            if self.is_attached:
                self.query_one("#keys", KeyBar).put(self._hints())

    def moved(self, key: str) -> bool:
        """From field to field."""
        if not self._fields or key not in ("tab", "down", "shift+tab", "up"):
            return False
        if key in ("tab", "down"):
            self.focus_next("Input, Choice")
        else:
            self.focus_previous("Input, Choice")
        return True

    async def on_key(self, event: events.Key) -> None:
        """Enter, escape, and the dialog's own keys."""
        match event.key:
            case "escape":
                self.leave()
            case "enter":
                self.submit()
            case other:
                for hint in self._more:
                    if hint.key == other:
                        hint.run()
                        break
                else:
                    return
        event.stop()
        event.prevent_default()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter inside an input."""
        event.stop()
        self.submit()


def line_dialog(
    title: str, label: str, value: str, do: Callable[[str], Awaitable[object]], verb: str, placeholder: str = ""
) -> Dialog:
    """One line to change."""

    async def change(values: dict[str, str]) -> None:
        await do(values[label].strip())

    return Dialog(title, "", [Field(label, text_input(value, placeholder, id=label))], change, verb)


def words(text: str) -> list[str]:
    """The words of a list as a person types it, with spaces or commas between them."""
    return text.replace(",", " ").split()


class NewAgentDialog(Dialog):
    """Start an agent: profile, name, session, tags, command, terminal, worktree."""

    def __init__(
        self,
        profiles: Sequence[tuple[str, str]],
        session: str,
        do: Callable[[dict[str, Any]], Awaitable[object]],
        title: str = "new agent",
        about: str = "",
    ) -> None:
        self._start = do
        self._profile = Choice(profiles, id="profile")
        self._branch = Field("branch", text_input(placeholder="made from the agent's name", id="branch"))
        super().__init__(
            title,
            about,
            [
                Field("profile", self._profile),
                Field("name", text_input(placeholder="after the profile", id="name")),
                Field("session", text_input(session, placeholder="the workspace's", id="session")),
                Field("tags", text_input(placeholder=TAGS_LIKE, id="tags")),
                Field("command", text_input(id="command")),
                Field("terminal", Choice([("native", "a PTY of its own"), ("tmux", "a pane on a private tmux server")],
                                         id="adapter")),
                Field("worktree", Choice([("no", "work in this folder"), ("yes", "a git worktree of its own")],
                                         id="worktree")),
                self._branch,
            ],
            self._submit,
            "start",
        )  # fmt: skip

    def on_mount(self) -> None:
        """What was used last comes first."""
        self.changed()

    def changed(self) -> None:
        """What can be filled in depends on the choices."""
        command = self.query_one("#command", Input)
        needed = self._profile.value == "custom"
        command.placeholder = "the program and its arguments" if needed else "arguments after the profile's own command"
        self._branch.display = self.query_one("#worktree", Choice).value == "yes"

    async def _submit(self, values: dict[str, str]) -> None:
        from quarterdeck.errors import Invalid

        try:
            argv = shlex.split(values["command"])
        except ValueError as error:
            raise Invalid(f"the command cannot be read: {error}", hint="close the quotes") from error
        tree = values["worktree"] == "yes"
        body: dict[str, Any] = {
            "profile": values["profile"],
            "name": values["name"].strip(),
            "session": values["session"].strip(),
            "tags": words(values["tags"]),
            "argv": argv,
            "adapter": values["adapter"],
            "worktree": tree,
            "branch": values["branch"].strip() if tree else "",
        }
        await self._start(body)
