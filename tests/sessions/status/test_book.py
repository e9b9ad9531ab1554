"""The book on real agents: programs in PTYs, hook spools, files, screens, a store."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field

from quarterdeck.evidence import Evidence, Sign
from sessions.model import Agent, Status
from sessions.status import store
from sessions.supervised import Supervised

RULES = """
[[screen]]
name = "asks"
state = "blocked"
kind = "permission"
region = "bottom"
all = ["^Allow (?P<tool>[A-Za-z]+): (?P<command>.+)\\\\?$"]

[[screen]]
name = "box"
state = "idle"
region = "bottom"
all = ["^> $|^>$"]
"""


@dataclass
class Ears:
    """A listener that keeps what it hears."""

    pieces: list[tuple[str, Sign]] = field(default_factory=list)
    changes: list[tuple[Status, Status]] = field(default_factory=list)

    def evidence(self, supervised: Supervised, piece: Evidence) -> None:
        self.pieces.append((str(piece.source), piece.sign))

    def status_changed(self, supervised: Supervised, before: Status) -> None:
        self.changes.append((before, supervised.agent.status))


async def test_a_program_tells_its_state_by_osc_7501(rig) -> None:
    rig.profile("speaker", sources="program = true")
    async with rig.open():
        ears = Ears()
        rig.deck.status.listen(ears)
        with rig.deck.subscribe() as events:
            agent = await rig.new("speaker")
            assert rig.status(agent) is Status.STARTING
            await rig.does(agent, "say", "idle")
            assert rig.status(agent) is Status.IDLE
            await rig.does(agent, "say", "working")
            assert rig.status(agent) is Status.WORKING
            await rig.does(agent, "say", "blocked", "kind=question", "msg=which of the two?")
            found: Agent = rig.deck.agent(agent)
            assert (found.status, found.reason) == (Status.BLOCKED, "which of the two?")
            assert (found.doing.kind, found.doing.waiting_for) == ("question", "which of the two?")
            await rig.does(agent, "say", "working")
            assert rig.deck.agent(agent).doing.waiting_for == ""
            await rig.does(agent, "say", "done", "msg=three tests were mended")
            found = rig.deck.agent(agent)
            assert (found.status, found.doing.unread) == (Status.DONE, 1)
            assert found.doing.message == "three tests were mended"
            rig.deck.status.seen(agent)
            assert rig.status(agent) is Status.IDLE
            assert rig.deck.agent(agent).doing.unread == 0
            told = []
            while told[-1:] != ["idle"] or len(told) < 6:
                event = await asyncio.wait_for(events.next(), 30)
                if event.kind == "agent.status" and event.data["status"] != event.data["before"]:
                    told.append(event.data["status"])
            assert told == ["idle", "working", "blocked", "working", "done", "idle"]
        await rig.deck.status.flush()
        changes = await store.load(rig.deck.store, agent)
        assert [str(one.status) for one in reversed(changes)] == told
        assert all(one.cause and one.words for one in changes)
        assert ears.changes[-2:] == [(Status.WORKING, Status.DONE), (Status.DONE, Status.IDLE)]
        assert ("program", Sign.BLOCKED) in ears.pieces
        await rig.type(agent, "exit", 3)
        await rig.becomes(agent, Status.EXITED)
        assert rig.deck.agent(agent).exit_code == 3
        await rig.deck.end_all()


async def test_what_another_program_prints_in_the_foreground_says_nothing_of_the_agent(rig) -> None:
    rig.profile("speaker", kind="program", sources="program = true")
    trap = rig.root / "trap"
    trap.write_bytes(b"\x1b]7501;state=blocked:kind=permission:msg=cm0gLXJm\x1b\\shown\r\n")
    async with rig.open():
        agent = await rig.new("speaker")
        await rig.does(agent, "say", "working")
        await rig.type(agent, "run", f"cat {trap}; read answer")
        await rig.shows(agent, "shown")
        assert rig.status(agent) is Status.WORKING
        why = await rig.deck.status.why(agent)
        assert [one.sign for one in why.sources] == ["working"]
        await rig.deck.live(agent).write(b"go on\n")
        await rig.happens(lambda: rig.deck.live(agent).title == "done 2")
        await rig.does(agent, "say", "blocked")
        assert rig.status(agent) is Status.BLOCKED
        await rig.deck.end_all()


async def test_a_shell_tells_by_prompt_marks_and_nothing_it_shows_counts(rig) -> None:
    trap = rig.root / "trap"
    trap.write_bytes(b"\x1b]7501;state=blocked\x1b\\shown\r\n")
    async with rig.open():
        wish = {"PS1": r"\[\e]133;A\a\]$ ", "PS0": r"\e]133;C\a"}
        agent = await _shell(rig, wish)
        await rig.becomes(agent, Status.IDLE)
        await rig.deck.live(agent).write(f"cat {trap}; read answer\n".encode())
        await rig.shows(agent, "shown")
        await rig.becomes(agent, Status.WORKING)
        await rig.deck.live(agent).write(b"go on\n")
        await rig.becomes(agent, Status.IDLE)
        why = await rig.deck.status.why(agent)
        assert {str(one.source) for one in why.sources} == {"hint"}
        await rig.deck.end_all()


async def _shell(rig, environ: dict[str, str]) -> str:
    import os

    from sessions.deck import NewAgent

    everything = {"PATH": os.environ["PATH"], "HOME": str(rig.root)} | environ
    wish = NewAgent(
        profile="custom", workspace=str(rig.root / "work"), environ=everything, argv=("bash", "--norc", "-i")
    )
    agent = await rig.deck.create(wish)
    return agent.id


async def test_hooks_tell_edges_and_the_conversation(rig) -> None:
    rig.profile("hooked", hooks="claude")
    async with rig.open():
        agent = await rig.new("hooked")
        base = {"session_id": "c-1", "transcript_path": str(rig.root / "c-1.jsonl"), "cwd": str(rig.root)}
        await rig.does(agent, "hook", {**base, "hook_event_name": "SessionStart", "source": "startup"})
        await rig.becomes(agent, Status.IDLE)
        assert rig.deck.agent(agent).resume_id == "c-1"
        await rig.does(agent, "hook", {**base, "hook_event_name": "UserPromptSubmit", "prompt": "mend it"})
        await rig.becomes(agent, Status.WORKING)
        call = {"tool_name": "Bash", "tool_input": {"command": "make test"}}
        await rig.does(agent, "hook", {**base, **call, "hook_event_name": "PermissionRequest"})
        await rig.becomes(agent, Status.BLOCKED)
        assert rig.deck.agent(agent).doing.waiting_for == "Bash: make test"
        await rig.does(agent, "hook", {**base, **call, "hook_event_name": "PostToolUse", "tool_response": {}})
        await rig.becomes(agent, Status.WORKING)
        await rig.does(agent, "hook", {**base, "hook_event_name": "Stop", "last_assistant_message": "mended"})
        await rig.becomes(agent, Status.DONE)
        assert rig.deck.agent(agent).doing.message == "mended"
        await rig.does(
            agent, "hook", {**base, "session_id": "c-2", "hook_event_name": "SessionStart", "source": "clear"}
        )
        await rig.happens(lambda: rig.deck.agent(agent).resume_id == "c-2")
        await rig.deck.status.flush()
        spool = next(rig.deck.paths.agent(agent).glob("hooks-*"))
        await rig.happens(lambda: not list((spool / "new").iterdir()))
        await rig.deck.end_all()


async def test_no_agent_takes_the_conversation_of_another(rig) -> None:
    rig.profile("hooked", hooks="claude")
    async with rig.open():
        first, second = await rig.new("hooked"), await rig.new("hooked")
        start = {"session_id": "same", "hook_event_name": "SessionStart", "source": "startup"}
        await rig.does(first, "hook", start)
        await rig.happens(lambda: rig.deck.agent(first).resume_id == "same")
        await rig.does(second, "hook", start)
        await rig.becomes(second, Status.IDLE)
        await rig.does(second, "hook", {**start, "session_id": "--resume"})
        await rig.does(second, "hook", {**start, "hook_event_name": "UserPromptSubmit", "session_id": "own"})
        await rig.becomes(second, Status.WORKING)
        assert rig.deck.agent(first).resume_id == "same"
        assert rig.deck.agent(second).resume_id in ("", "own")
        await rig.deck.end_all()


async def test_a_status_file_tells_exactly_and_takes_it_back_when_it_goes(rig) -> None:
    from quarterdeck.process import identity

    rig.profile("filed", sources='file = "claude"')
    async with rig.open():
        agent = await rig.new("filed")
        who = identity(rig.deck.agent(agent).pid)
        assert who
        path = rig.root / ".claude" / "sessions" / f"{who.pid}.json"
        told = {"pid": who.pid, "procStart": str(who.started), "sessionId": "f-1", "kind": "interactive"}
        await rig.does(agent, "file", str(path), {**told, "status": "idle"})
        await rig.becomes(agent, Status.IDLE)
        assert rig.deck.agent(agent).resume_id == "f-1"
        await rig.does(agent, "file", str(path), {**told, "status": "busy"})
        await rig.becomes(agent, Status.WORKING)
        await rig.does(agent, "file", str(path), {**told, "status": "waiting", "waitingFor": "permission prompt"})
        await rig.becomes(agent, Status.BLOCKED)
        await rig.does(agent, "file", str(path), {**told, "procStart": "1", "status": "idle"})  # of a reused pid
        await rig.does(agent, "file", str(path), {**told, "status": "busy"})
        await rig.becomes(agent, Status.WORKING)
        path.unlink()
        await rig.becomes(agent, Status.UNKNOWN)
        await rig.deck.end_all()


async def test_screens_fill_the_gap_and_are_not_looked_at_while_nothing_changes(rig) -> None:
    rig.profile("drawn", more=RULES)
    async with rig.open():
        agent = await rig.new("drawn")
        await rig.does(agent, "screen", "some text", "", "> ")
        await rig.becomes(agent, Status.IDLE)
        await rig.does(agent, "screen", "some text", "", "Allow Bash: make clean?")
        await rig.becomes(agent, Status.BLOCKED)
        found = rig.deck.agent(agent)
        assert (found.doing.kind, found.doing.waiting_for) == ("permission", "Bash: make clean")
        await rig.does(agent, "screen", "some text", "", "> ")
        await rig.becomes(agent, Status.IDLE)
        await rig.happens(lambda: rig.deck.status.counts["armed"] == 0)
        quiet = rig.deck.status.counts
        for _ in range(20):
            await rig.deck.status.why(agent)
        assert rig.deck.status.counts == quiet
        await rig.deck.end_all()


async def test_a_flood_is_looked_at_seldom(rig) -> None:
    rig.profile("drawn", more=RULES)
    async with rig.open():
        agent = await rig.new("drawn")
        await rig.does(agent, "print", "> ")
        await rig.becomes(agent, Status.IDLE)
        await rig.happens(lambda: rig.deck.status.counts["armed"] == 0)
        before = rig.deck.status.counts["looks"]
        began = asyncio.get_running_loop().time()
        await rig.does(agent, "run", "i=0; while [ $i -lt 40 ]; do echo line $i; sleep 0.05; i=$((i+1)); done")
        took = asyncio.get_running_loop().time() - began
        looks = rig.deck.status.counts["looks"] - before
        assert looks <= 5 + took / 0.4, f"{looks} looks in {took:.1f} s"
        await rig.deck.end_all()


async def test_what_was_known_is_known_again_after_a_restart(rig) -> None:
    rig.profile("speaker", sources="program = true")
    async with rig.open():
        blocked, done, worked, moved = [await rig.new("speaker") for _ in range(4)]
        for one in (blocked, done, worked, moved):
            await rig.does(one, "say", "working")
        await rig.does(blocked, "say", "blocked", "kind=permission", "msg=rm -rf build")
        await rig.does(done, "say", "done", "msg=all is well")
    async with rig.open():
        assert rig.status(blocked) is Status.BLOCKED
        assert rig.deck.agent(blocked).reason == "rm -rf build"
        assert rig.status(done) is Status.DONE
        assert rig.deck.agent(done).doing.unread == 1
        assert rig.status(worked) is Status.WORKING
        why = await rig.deck.status.why(blocked)
        assert [(str(one.source), one.sign, one.believed) for one in why.sources] == [("program", "blocked", True)]
        await rig.does(worked, "say", "done")
        assert rig.status(worked) is Status.DONE
        await rig.does(blocked, "say", "working")
        assert rig.status(blocked) is Status.WORKING
        # it asks while nobody is there
        typed = json.dumps(["run", "sleep 1"]).encode() + b"\n" + json.dumps(["say", "blocked"]).encode() + b"\n"
        await rig.deck.live(moved).write(typed)
    await asyncio.to_thread(_until_journal_holds, rig, moved, b"state=blocked")
    async with rig.open():
        await rig.becomes(moved, Status.BLOCKED)
        await rig.deck.end_all()


async def test_hooks_told_while_nobody_was_there_are_read_in(rig) -> None:
    rig.profile("hooked", hooks="claude")
    base = {"session_id": "c-1", "hook_event_name": "UserPromptSubmit", "prompt": "mend it"}
    asks = {**base, "hook_event_name": "PermissionRequest", "tool_name": "Bash", "tool_input": {"command": "make"}}
    async with rig.open():
        agent = await rig.new("hooked")
        await rig.does(agent, "hook", base)
        await rig.becomes(agent, Status.WORKING)
        lines = (["run", "sleep 1"], ["hook", asks])
        await rig.deck.live(agent).write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    new = next(rig.paths.agent(agent).glob("hooks-*")) / "new"
    await rig.happens(lambda: any(b"PermissionRequest" in path.read_bytes() for path in new.iterdir()))
    async with rig.open():
        await rig.becomes(agent, Status.BLOCKED)
        assert rig.deck.agent(agent).doing.waiting_for == "Bash: make"
        await rig.happens(lambda: not list(new.iterdir()))
        await rig.deck.end_all()


def _until_journal_holds(rig, agent: str, text: bytes) -> None:
    import time

    from terminals import journal

    end = time.monotonic() + 30
    while time.monotonic() < end:
        with journal.Reader(rig.paths.agent(agent) / "journal", 0) as reader:
            data = b""
            while items := reader.read():
                data += b"".join(item.data for item in items if isinstance(item, journal.Bytes))
        if text in data:
            return
        time.sleep(0.02)
    raise AssertionError("it did not print that")


async def test_an_agent_whose_profile_is_gone_still_lives_and_ends(rig) -> None:
    rig.profile("speaker", sources="program = true")
    async with rig.open():
        agent = await rig.new("speaker")
        await rig.does(agent, "say", "blocked")
    (rig.root / "profiles" / "speaker.toml").unlink()
    async with rig.open():
        assert rig.deck.agent(agent).status.alive
        await rig.type(agent, "exit", 0)
        await rig.becomes(agent, Status.EXITED)


async def test_a_failing_listener_harms_nobody(rig) -> None:
    class Broken(Ears):
        def evidence(self, supervised: Supervised, piece: Evidence) -> None:
            raise RuntimeError("no")

    rig.profile("speaker", sources="program = true")
    async with rig.open():
        ears = Ears()
        rig.deck.status.listen(Broken())
        rig.deck.status.listen(ears)
        agent = await rig.new("speaker")
        await rig.does(agent, "say", "working")
        assert rig.status(agent) is Status.WORKING
        assert ("program", Sign.WORKING) in ears.pieces
        await rig.deck.end_all()
