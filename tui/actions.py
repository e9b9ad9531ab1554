"""What a person asks for, carried out through the orchestrator's API; each ``do_...`` is a command of the table."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from quarterdeck.errors import NotFound, QuarterdeckError, Refused
from quarterdeck.text import cut_left, cut_middle, cut_right, safe
from tui.bars import Hint
from tui.dialogs import TAGS_LIKE, Dialog, Field, NewAgentDialog, line_dialog, text_input, words
from tui.exact import one_line
from tui.fleet import AgentInfo
from tui.inbox import Inbox
from tui.installed import choices
from tui.lists import Finder, Item, report_page
from tui.states import look
from tui.toasts import Offer

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp


class Actions:
    """The app's verbs."""

    def __init__(self, app: QuarterdeckApp) -> None:
        self._app = app
        self._drafts: dict[str, str] = {}
        """Prompts begun and not sent, by agent, "" for the broadcast; as long as this client lives."""

    def run(
        self,
        work: Awaitable[Any],
        doing: str,
        again: Callable[[], object] | None = None,
        way: Offer | None = None,
    ) -> None:
        """Do it beside everything else; what goes wrong is shown, with what is safe and one thing to do.

        That is ``again`` where nobody answered, ``way`` where it was refused.
        """

        async def carry_out() -> None:
            try:
                await work
            except QuarterdeckError as error:
                self._app.toasts.complain(doing, error, again, way)

        self._app.run_worker(carry_out(), exit_on_error=True)

    def offer(self, label: str, command: str, agent: str) -> Offer:
        """A command for an agent, whoever has the focus when it is taken."""

        def do() -> None:
            self._app.focus_agent(agent)
            self._app.run_command(command)

        return Offer(label, do)

    async def _ask(self, method: str, path: str, body: Any = None) -> Any:
        return await self._app.link.request(method, path, body)

    def _focused(self) -> AgentInfo | None:
        return self._app.fleet.agents.get(self._app.focused_agent)

    # who waits, and what for

    def do_waiting(self) -> None:
        """Focus the next agent that waits for a person."""
        agent = self._app.fleet.next_waiting(self._app.focused_agent)
        if agent is None:
            self._app.words.say("nobody needs you")
        else:
            self._app.focus_agent(agent)

    def do_inbox(self) -> None:
        """Everything agents ask for."""
        self.open_inbox()

    def open_inbox(self, chosen: str = "") -> None:
        """The inbox, at one request if it is known."""
        self._app.push_screen(Inbox(chosen))

    def do_memory(self) -> None:
        """What agents and people wrote down."""
        from tui.memory.screen import MemoryScreen

        self._app.push_screen(MemoryScreen())

    def do_prompt(self) -> None:
        """Write a prompt for the focused agent."""
        from tui.composer import Composer

        agent = self._app.focused_agent
        if agent in self._app.fleet.agents:
            self._app.push_screen(Composer(agent, self._drafts.pop(agent, ""), self._keeper(agent)))

    def do_edit(self) -> None:
        """Write a prompt for the focused agent in the person's own editor; it is sent from the composer."""
        from tui.composer import Composer

        self.do_prompt()
        if isinstance(composer := self._app.screen, Composer):
            composer.call_after_refresh(composer.outside)

    def do_broadcast(self) -> None:
        """One prompt to many agents."""
        from tui.broadcast import Broadcast

        self._app.push_screen(Broadcast(self._drafts.pop("", ""), self._keeper("")))

    def _keeper(self, agent: str) -> Callable[[str], None]:
        def keep(text: str) -> None:
            if text.strip():
                self._drafts[agent] = text

        return keep

    def do_why(self) -> None:
        """Why the focused agent has its status."""
        from tui.why import WhyPage

        agent = self._focused()
        if agent is None:
            return

        async def open_page() -> None:
            why = await self._ask("GET", f"/v1/agents/{quote(agent.id)}/why")
            app = self._app
            app.push_screen(WhyPage(agent, why, app.now(), app.glyphs, app.plain_glyphs))

        self.run(open_page(), f"say why {agent.name} is so")

    def ask_why_not(self, ident: str, after: Callable[[], None] = lambda: None) -> None:
        """Deny a request, with a reason if the person has one."""
        ask = self._app.asks.find(ident)
        if ask is None:
            return
        agent = self._app.fleet.agents.get(ask.agent)

        async def deny(values: dict[str, str]) -> None:
            if not self._app.asks.answerable(ident, "deny"):
                raise Refused("that request is gone; nothing was answered")
            self._app.asks.answer(ident, ask.digest, "deny", values["reason"].strip())
            after()

        subject, _ = one_line(ask.subject, 120, plain=self._app.plain_glyphs)
        field = Field(
            "reason", text_input(placeholder="told to the agent where it can be; may stay empty", id="reason")
        )
        title = f"deny {agent.name if agent else ask.agent}?"
        self._app.push_screen(Dialog(title, f"{ask.tool}  {subject}".strip(), [field], deny, "deny"))

    def do_interrupt(self) -> None:
        """Stop what the focused agent does."""
        agent = self._focused()
        if agent is None:
            return

        async def stop() -> None:
            done = await self._ask("POST", f"/v1/agents/{quote(agent.id)}/interrupt")
            if done["confirmed"]:
                self._app.words.say(f"{agent.name} was interrupted")
            else:
                pressed = " ".join(done["pressed"])
                self._app.toasts.tell(
                    f"{agent.name} may go on",
                    f"{safe(pressed)} was typed, and nothing shows that it stopped",
                    severity="warning",
                    offer=self.offer("interrupt it again", "interrupt", agent.id),
                )

        self.run(stop(), f"interrupt {agent.name}", way=self.offer("say why", "why", agent.id))

    def do_scroll(self) -> None:
        """Look a page up."""
        panel = self._app.focused_panel()
        if panel is None:
            return
        if not panel.surface.history.count:
            self._app.words.say("nothing has scrolled away")
            return
        self._app.keyboard.look_back(panel, max(1, panel.room[1] - 1))

    # agents

    def do_new(self) -> None:
        """Ask what to start."""
        self.ask_new()

    def ask_new(
        self, place: Callable[[str], object] | None = None, size: tuple[int, int] | None = None
    ) -> None:  # fmt: skip
        """Ask what to start; ``place`` gives the new agent its panel, of so many columns and lines."""

        async def create(body: dict[str, Any]) -> None:
            await self.create(body, place, size)

        async def open_dialog() -> None:
            session = self._app.session
            profiles = choices(*await self._app.welcome.machine())
            self._app.push_screen(NewAgentDialog(profiles, session.name if session else "", create))

        self.run(open_dialog(), "list the profiles")

    def do_from_checkpoint(self) -> None:
        """Ask what to start that goes on from the open session's checkpoint."""
        session = self._app.session
        if session is None:
            return

        async def create(body: dict[str, Any]) -> None:
            await self.create(body | {"from_checkpoint": session.id})

        async def open_dialog() -> None:
            listed, found = await self._app.welcome.machine()
            profiles = choices([p for p in listed if p.get("checkpoint", "none") != "none"], found)
            title, about = (
                f"new agent from the checkpoint of {session.name}",
                "Its first prompt hands it the checkpoint.",
            )
            self._app.push_screen(NewAgentDialog(profiles, session.name, create, title, about))

        self.run(open_dialog(), "list the profiles")

    async def create(
        self,
        body: dict[str, Any],
        place: Callable[[str], object] | None = None,
        size: tuple[int, int] | None = None,
    ) -> None:
        """Start what ``body`` asks for, of the size it will have, and focus it; ``place`` says where its panel goes."""
        session = self._app.session
        workspace = session.workspace if session and body["session"] in ("", session.name) else self._app.workspace
        cols, lines = size or self._size_of_next()
        made = await self._ask(
            "POST",
            "/v1/agents",
            body | {"workspace": workspace, "environ": dict(os.environ), "cols": cols, "lines": lines},
        )
        if str(made["session"]) not in self._app.fleet.sessions:
            self._app.fleet.replace(await self._ask("GET", "/v1/sessions"), await self._ask("GET", "/v1/agents"))
        agent = self._app.fleet.put_agent(made).id
        self._app.sync()
        (place or self._app.arranging.take_in)(agent)
        self._app.focus_agent(agent)

    def _size_of_next(self) -> tuple[int, int]:
        """The size of a panel as it is now, so that a program need not redraw at once."""
        plan = self._app.deck_screen.plan
        at = dict(plan.tiles).get(self._app.focused_agent)
        if at is not None:
            return plan.size(at)
        return max(20, self._app.size.width - 36), max(5, self._app.size.height - 3)

    def do_close(self) -> None:
        """Put the focused agent into the trash, after a question where its program runs."""
        agent = self._focused()
        if agent is None:
            return
        if agent.adopted and agent.alive:
            self._ask_to_give_back(agent)
        elif agent.alive:
            self._ask_to_end(agent)
        else:
            self.run(self._remove(agent), f"close {agent.name}")

    async def _remove(self, agent: AgentInfo) -> None:
        leaving = self._app.stage.leaving
        leaving.add(agent.id)
        try:
            await self._ask("DELETE", f"/v1/agents/{agent.id}?force={'true' if agent.alive else 'false'}")
            self._app.forget_agent(agent.id)
        except NotFound:
            self._app.forget_agent(agent.id)
            return
        finally:
            leaving.discard(agent.id)
        self._app.closing.remember(agent)

    def _ask_to_end(self, agent: AgentInfo) -> None:
        async def end(_: dict[str, str]) -> None:
            await self._remove(agent)

        about = f"It runs {safe(agent.command, 60) or agent.profile}. Closing ends the program.\n"
        about += "Its screen and history stay in the trash for seven days"
        about += f"; its worktree on {agent.branch} stays." if agent.branch else "."
        self._app.push_screen(Dialog(f"close {agent.name}?", about, do=end, label="end it and close"))

    def _ask_to_give_back(self, agent: AgentInfo) -> None:
        async def release(_: dict[str, str]) -> None:
            leaving = self._app.stage.leaving
            leaving.add(agent.id)
            try:
                await self._ask("POST", f"/v1/agents/{agent.id}/release")
                self._app.forget_agent(agent.id)
            finally:
                leaving.discard(agent.id)

        about = "Its pane belongs to your own tmux. The program runs on there."
        self._app.push_screen(Dialog(f"give {agent.name} back?", about, do=release, label="give it back"))

    def do_rename(self) -> None:
        """Another name for the focused agent."""
        agent = self._focused()
        if agent is not None:

            async def rename(name: str) -> None:
                self._app.fleet.put_agent(await self._ask("PATCH", f"/v1/agents/{agent.id}", {"name": name}))
                self._app.sync()

            self._app.push_screen(line_dialog(f"rename agent {agent.name}", "name", agent.name, rename, "rename"))

    def do_tags(self) -> None:
        """Other tags for the focused agent."""
        agent = self._focused()
        if agent is not None:

            async def tag(text: str) -> None:
                wanted = words(text)
                change = {
                    "add_tags": [one for one in wanted if one not in agent.tags],
                    "remove_tags": [one for one in agent.tags if one not in wanted],
                }
                self._app.fleet.put_agent(await self._ask("PATCH", f"/v1/agents/{agent.id}", change))
                self._app.sync()

            before = " ".join(agent.tags)
            self._app.push_screen(line_dialog(f"tags of {agent.name}", "tags", before, tag, "keep", TAGS_LIKE))

    def do_again(self) -> None:
        """Start the focused agent again in its place."""
        agent = self._focused()
        if agent is None:
            return
        if agent.alive:
            self._app.words.say(f"{agent.name} is running")
            return

        async def start() -> None:
            report = await self._ask("POST", f"/v1/agents/{agent.id}/restore", {"environ": dict(os.environ)})
            failed = [o for o in report.get("outcomes", ()) if o.get("action") == "failed"]
            if failed:
                self._app.toasts.tell(
                    f"could not start {agent.name} again",
                    safe(str(failed[0].get("detail", "")), 300) + "\nIts screen and history stay.",
                    severity="error",
                    offer=self.offer("try again", "again", agent.id),
                )

        self.run(start(), f"start {agent.name} again")

    # sessions

    def do_rename_session(self) -> None:
        """Another name for the open session."""
        session = self._app.session
        if session is not None:

            async def rename(name: str) -> None:
                await self._ask("PATCH", f"/v1/sessions/{session.id}", {"name": name})

            title = f"rename session {session.name}"
            self._app.push_screen(line_dialog(title, "name", session.name, rename, "rename"))

    def do_goal(self) -> None:
        """What the open session is for."""
        session = self._app.session
        if session is not None:

            async def say(goal: str) -> None:
                await self._ask("PATCH", f"/v1/sessions/{session.id}", {"goal": goal})

            title, like = f"goal of session {session.name}", "what it is for, in one line"
            self._app.push_screen(line_dialog(title, "goal", session.goal, say, "keep", like))

    def do_sessions(self) -> None:
        """Choose a session."""
        items = []
        for session in self._app.fleet.sessions.values():
            agents = self._app.fleet.of_session(session.id)
            running = sum(agent.alive for agent in agents)
            what = session.goal or cut_left(self._app.home_relative(session.workspace), 40)
            about, cut = f"{len(agents)} agents, {running} running  {what}", cut_right if session.goal else cut_middle
            here = "here" if session.id == self._app.session_id else ""
            items.append(Item("", "text", session.name, about, here, self._opener(session.id), cut))
        self._app.push_screen(Finder(items, "a session's name", "open"))

    def _opener(self, session: str) -> Callable[[], None]:
        return lambda: self._app.open_session(session)

    # everything else

    def do_palette(self) -> None:
        """Agents and actions, found by name."""
        items = []
        for agent in self._app.fleet.agents.values():
            state = look(agent.status)
            session = self._app.fleet.sessions.get(agent.session)
            about = f"{agent.word(self._app.now())}  {session.name if session else ''}  {' '.join(agent.tags)}".rstrip()
            items.append(
                Item(state.sign(self._app.plain_glyphs), state.color, agent.name, about, "", self._goer(agent.id))
            )
        items += self._app.tabbing.items()
        for command in self._app.commands:
            if command.id != "palette" and self._app.commands.works(command):
                keys = self._app.commands.shortest(command.id)
                items.append(Item("", "muted", command.label, command.about, keys, self._runner(command.id)))
        self._app.push_screen(Finder(items, "an agent or an action", "go"))

    def _goer(self, agent: str) -> Callable[[], None]:
        return lambda: self._app.focus_agent(agent)

    def _runner(self, command: str) -> Callable[[], None]:
        return lambda: self._app.run_command(command)

    def do_detach(self) -> None:
        """Leave."""
        self._app.leave()

    def do_reconnect(self) -> None:
        """Start the orchestrator again and connect."""
        self._app.link.revive()

    def do_report(self) -> None:
        """The last start's report."""
        self.run(self._report(always=True), "read the restore report")

    def report_if_worth(self) -> None:
        """Show the report by itself where a start found something that did not simply run on."""
        self.run(self._report(always=False), "read the restore report")

    async def _report(self, *, always: bool) -> None:
        try:
            report = await self._ask("GET", "/v1/restore")
        except QuarterdeckError:
            if always:
                raise
            return
        waiting = [o["agent"] for o in report.get("outcomes", ()) if o.get("action") == "waiting"]
        waiting = [a for a in waiting if (info := self._app.fleet.agents.get(a)) is not None and not info.alive]
        if not always and not (report.get("worth_telling") and (waiting or self._fresh(report))):
            return
        more = []
        if waiting:

            async def start_all() -> None:
                await self._ask("POST", "/v1/restore", {"agents": waiting, "environ": dict(os.environ)})

            def go() -> None:
                self._app.pop_screen()
                self.run(start_all(), "start them again")

            more.append(Hint("a", f"start {len(waiting)} again", go))
        self._app.push_screen(report_page(report, self._app.plain_glyphs, more))

    def _fresh(self, report: dict[str, Any]) -> bool:
        """Whether the start was a moment ago: an old report is no news to a client that opens later."""
        return self._app.now() - int(report.get("wall_ns", 0)) < 120 * 10**9
