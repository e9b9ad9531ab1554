"""Prompts to a real program in a real terminal."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import time
from dataclasses import replace
from typing import Any

import pytest

from quarterdeck.errors import Invalid, NotFound, Refused
from quarterdeck.evidence import Evidence, Sign, Source
from sessions.deck import Deck, NewAgent
from sessions.model import PromptState, Status
from sessions.outbox import courier, turns
from sessions.outbox.outbox import QUEUE_LIMIT, Passed
from sessions.outbox.selection import select

Stage = Any
needs_tmux = pytest.mark.skipif(not shutil.which("tmux"), reason="tmux is not installed")
READY = frozenset({Status.IDLE, Status.DONE})
HALF = "waits: a half-typed line stands in its input box"


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Receipts are waited for less long than for a real agent, which may be slow."""
    monkeypatch.setattr(courier, "SHORT_PATIENCE", 1.0)
    monkeypatch.setattr(courier, "LONG_PATIENCE", 1.5)


async def test_a_prompt_is_typed_once_and_accepted_by_the_agents_own_word(stage: Stage, deck: Deck) -> None:
    agent = await stage.new()
    with deck.subscribe() as events:
        prompt = await agent.send("fix the\nfailing test\n")
        done = await agent.accepted(prompt)
        told = []
        while "prompt.accepted" not in told:
            event = await events.next()
            told += [event.kind] if event.kind.startswith("prompt.") else []
            assert "failing" not in str(event.data)
            assert not event.kind.startswith("prompt.") or event.data["id"] == prompt.id
    assert told == ["prompt.queued", "prompt.sending", "prompt.written", "prompt.accepted"]
    assert agent.taken == ["fix the\nfailing test"]
    assert agent.typed == b"\x1b[200~fix the\nfailing test\x1b[201~\r"
    assert done.receipt in ("hook", "program")
    assert deck.outbox.queue(agent.id) == []


@pytest.mark.parametrize(
    ("kind", "options", "receipt"),
    [
        ("by-hook", {}, "hook"),
        ("by-program", {}, "program"),
        ("by-screen", {"hooks": False}, "screen"),
    ],
)
async def test_each_kind_of_receipt(stage: Stage, deck: Deck, kind: str, options: Any, receipt: str) -> None:
    agent = await stage.new(kind, **options)
    done = await agent.accepted(await agent.send("say hello"))
    assert (done.receipt, agent.taken) == (receipt, ["say hello"])


async def test_a_kind_that_confirms_nothing_ends_at_written(stage: Stage, deck: Deck) -> None:
    agent = await stage.new("mute")
    done = await agent.became(await agent.send("say hello"), PromptState.WRITTEN)
    await stage.until(lambda: agent.taken == ["say hello"], "it takes it")
    assert (done.receipt, done.open) == ("none", False)
    assert deck.outbox.count(agent.id) == 0


async def test_a_shell_gets_its_command_and_no_receipt_is_claimed(stage: Stage, deck: Deck) -> None:
    made = await deck.create(
        NewAgent(profile="custom", workspace=str(stage.home / "work"), argv=("sh",), environ=dict(os.environ))
    )
    prompt = await deck.outbox.submit(made.id, "echo to''gether")
    done = await deck.outbox.wait(prompt.id, "accepted", 10)
    assert (done.state, done.receipt, done.open) == (PromptState.WRITTEN, "none", False)

    async def shown() -> bool:
        return "together" in await deck.live(made.id).text()

    await stage.until(shown, "the command ran")


async def test_prompts_go_one_by_one_each_after_the_turn_before_it(stage: Stage, deck: Deck) -> None:
    agent = await stage.new(turn=0.3)
    prompts = [await agent.send(f"step {number}") for number in range(4)]
    working = 0
    while len(agent.taken) < 4:
        under_way = [p for p in deck.outbox.queue(agent.id) if p.state is not PromptState.QUEUED]
        assert len(under_way) <= 1
        working += agent.status is Status.WORKING
        await asyncio.sleep(0.01)
    for prompt in prompts:
        await agent.accepted(prompt)
    assert agent.taken == ["step 0", "step 1", "step 2", "step 3"]
    assert working


async def test_a_working_agent_is_waited_for_and_can_be_steered(stage: Stage, deck: Deck) -> None:
    agent = await stage.new(turn=60)
    await agent.accepted(await agent.send("a long task"))
    await stage.until(lambda: agent.status is Status.WORKING, "it works")
    later = await agent.send("and then this")
    await agent.waits(later, "waits: it is working")
    steering = await agent.accepted(await agent.send("rather so", now=True))
    assert steering.receipt == "hook"
    assert agent.taken == ["a long task", "rather so"]
    assert [p.id for p in deck.outbox.queue(agent.id)] == [later.id]


async def test_an_agent_that_cannot_be_steered_is_not(stage: Stage, deck: Deck) -> None:
    agent = await stage.new("unsteered", turn=60)
    await agent.accepted(await agent.send("a long task"))
    await stage.until(lambda: agent.status is Status.WORKING, "it works")
    with pytest.raises(Refused, match="takes no prompts while it works"):
        await agent.send("rather so", now=True)


async def test_nothing_is_typed_into_a_dialog(stage: Stage, deck: Deck) -> None:
    agent = await stage.new()
    await agent.ask()
    prompt = await agent.send("go on")
    await agent.waits(prompt, "waits: it asks for a permission")
    with pytest.raises(Refused, match="asks for a permission; nothing was sent"):
        await agent.send("now", now=True)
    assert agent.typed == b""
    await agent.answer()
    await agent.accepted(prompt)
    assert agent.taken == ["go on"]
    assert (agent.folder / "answered").read_bytes() == b"1"


async def test_a_dialog_that_only_the_screen_shows_holds_a_prompt_back(stage: Stage, deck: Deck) -> None:
    agent = await stage.new()
    agent.set(program=False, hooks=False)
    agent.signal(signal.SIGUSR1)

    async def shown() -> bool:
        return "Allow Bash" in await deck.live(agent.id).text()

    await stage.until(shown, "the dialog")
    prompt = await agent.send("go on")
    await agent.waits(prompt, "waits: it asks for a permission")
    assert agent.typed == b""
    await deck.outbox.cancel(prompt.id)


async def test_a_person_at_the_keys_is_not_disturbed(stage: Stage) -> None:
    async with stage.open(typing_pause=1.0) as deck:
        agent = await stage.new()
        deck.status.typed(agent.id)
        began = time.monotonic()
        prompt = await agent.send("go on")
        await agent.waits(prompt, "waits: a person typed there")
        await agent.accepted(prompt)
        assert time.monotonic() - began >= 0.9
        await deck.end_all()


async def test_nothing_is_typed_over_a_half_typed_line(stage: Stage, deck: Deck) -> None:
    agent = await stage.new()
    await deck.live(agent.id).raw(b"git sta")
    await stage.until(lambda: agent.typed == b"git sta", "it is typed")
    prompt = await agent.send("go on")
    await agent.waits(prompt, HALF)
    await deck.live(agent.id).raw(b"\x15")
    await agent.accepted(prompt)
    assert agent.taken == ["go on"]


async def test_an_enter_that_was_lost_is_pressed_once_more(stage: Stage, deck: Deck, hasty: None) -> None:
    agent = await stage.new(lose=1)
    done = await agent.accepted(await agent.send("go on"))
    assert agent.taken == ["go on"]
    assert agent.typed == b"\x1b[200~go on\x1b[201~\r\r"
    assert done.enters == 2


async def test_what_nothing_confirms_is_left_to_a_person(stage: Stage, deck: Deck, hasty: None) -> None:
    agent = await stage.new(lose=2)
    first, second = await agent.send("go on"), await agent.send("and on")
    left = await agent.became(first, PromptState.UNCONFIRMED)
    assert left.reason == "nothing confirmed it within 1 s"
    await agent.waits(second, HALF)
    assert agent.typed == b"\x1b[200~go on\x1b[201~\r\r"
    await deck.live(agent.id).raw(b"\r")
    confirmed = await agent.accepted(first)
    assert confirmed.receipt == "hook"
    await agent.accepted(second)
    assert agent.taken == ["go on", "and on"]


async def test_long_texts_arrive_whole(stage: Stage, deck: Deck) -> None:
    agent = await stage.new("by-hook", glue=True)
    text = "\n".join(f"{number:06} é and more of it" for number in range(8100))
    assert len(text.encode()) > 200_000
    await agent.accepted(await agent.send(text))
    assert agent.taken == [text]
    assert agent.typed.count(b"\r") == 1
    with pytest.raises(Invalid, match="1,000 kB"):
        await agent.send("x" * 1_000_001)


async def test_no_text_breaks_out_of_its_paste(stage: Stage, deck: Deck) -> None:
    agent = await stage.new()
    prompt = await agent.send("one\x1b[201~\rtwo\x03\x04 three\x1b[200~")
    await agent.accepted(prompt)
    assert agent.taken == ["one\ntwo three"]
    assert prompt.text == "one\ntwo three"
    with pytest.raises(Invalid, match="no text"):
        await agent.send(" \x1b[m\n")
    await agent.accepted(await agent.send("/clear"))


async def test_a_queue_can_be_changed_while_it_waits(stage: Stage, deck: Deck) -> None:
    agent = await stage.new(turn=0.05)
    await agent.ask()
    outbox = deck.outbox
    first, second, third, fourth = [await agent.send(word) for word in ("one", "two", "three", "four")]
    await outbox.cancel(second.id)
    assert (await outbox.edit(third.id[:6], "drei")).text == "drei"
    await outbox.move(fourth.id, position=0)
    assert [p.text for p in outbox.queue(agent.id)] == ["four", "one", "drei"]
    await outbox.move(fourth.id, before="")
    await outbox.move(third.id, before=first.id)
    assert [p.text for p in outbox.queue(agent.id)] == ["drei", "one", "four"]
    with pytest.raises(Refused, match="is cancelled and can no longer be changed"):
        await outbox.edit(second.id, "zwei")
    with pytest.raises(Invalid):
        await outbox.edit(first.id, "")
    with pytest.raises(NotFound):
        await outbox.cancel("nobody")
    await agent.answer()
    for prompt in (third, first, fourth):
        await agent.accepted(prompt)
    assert agent.taken == ["drei", "one", "four"]
    with pytest.raises(Refused, match="is accepted"):
        await outbox.cancel(first.id)
    assert [p.text for p in await outbox.prompts(agent.id)] == ["four", "drei", "two", "one"]


async def test_a_queue_has_a_limit(stage: Stage, deck: Deck) -> None:
    agent = await stage.new()
    await agent.ask()
    for number in range(QUEUE_LIMIT):
        await agent.send(f"{number}")
    with pytest.raises(Refused, match="100 prompts wait"):
        await agent.send("one more")


async def test_a_queue_outlives_the_deck(stage: Stage) -> None:
    async with stage.open() as deck:
        agent = await stage.new()
        await agent.ask()
        prompts = [await agent.send(word) for word in ("one", "two")]
        await deck.outbox.move(prompts[1].id, position=0)
    async with stage.open() as deck:
        assert [p.text for p in deck.outbox.queue(agent.id)] == ["two", "one"]
        await agent.answer()
        for prompt in prompts:
            await agent.accepted(prompt)
        assert agent.taken == ["two", "one"]
        await deck.end_all()


async def test_what_waits_is_delivered_after_a_resume(stage: Stage, deck: Deck) -> None:
    agent = await stage.new()
    await agent.ask()
    prompt = await agent.send("go on")
    await deck.end(agent.id)
    await agent.waits(prompt, "waits: its program has ended")
    with pytest.raises(Refused, match="its program has ended"):
        await agent.send("more")
    await deck.restore([agent.id])
    await agent.accepted(prompt)
    assert agent.taken == ["go on"]


async def test_a_terminal_that_ends_takes_a_written_prompt_along(stage: Stage, deck: Deck) -> None:
    agent = await stage.new("by-hook", lose=9)
    queued = [await agent.send(word) for word in ("one", "two")]
    await agent.became(queued[0], PromptState.WRITTEN)
    await deck.end(agent.id)
    done = await agent.became(queued[0], PromptState.UNCONFIRMED)
    assert done.reason == "its terminal ended before anything confirmed it"
    assert (await deck.outbox.prompt(queued[1].id)).state is PromptState.QUEUED


async def test_each_queued_prompt_says_why_it_waits(stage: Stage) -> None:
    async with stage.open(typing_pause=60) as deck:
        agent = await stage.new()
        await agent.ask()
        first, second, third = [await agent.send(word) for word in ("one", "two", "three")]
        await agent.waits(first, "waits: it asks for a permission")
        deck.status.tell(
            agent.id,
            Evidence(
                source=Source.PROGRAM,
                sign=Sign.BLOCKED,
                wall_ns=time.time_ns(),
                data={"kind": "permission", "text": "approve Bash: touch a.txt\x1b[31m"},
            ),
        )
        asked = await agent.waits(first, "waits: it asks for a permission: ")
        assert "touch a.txt" in asked.reason
        assert asked.reason.isprintable()
        assert [p.reason for p in deck.outbox.queue(agent.id)[1:]] == ["waits for 1 before it", "waits for 2 before it"]
        assert (await deck.outbox.prompt(third.id)).reason == "waits for 2 before it"
        await deck.outbox.cancel(second.id)
        assert (await deck.outbox.prompt(third.id)).reason == "waits for 1 before it"
        await agent.answer()
        deck.status.typed(agent.id)
        typed = await agent.waits(first, "waits: a person typed there ")
        assert re.fullmatch(r"waits: a person typed there \d+ s ago", typed.reason)
        await deck.end_all()


@pytest.mark.parametrize("kind", ["promptee", "by-hook", "by-program"])
async def test_the_end_of_its_program_confirms_a_command_to_end(stage: Stage, deck: Deck, kind: str) -> None:
    agent = await stage.new(kind)
    done = await agent.accepted(await agent.send("/exit"))
    assert (done.receipt, done.reason, agent.status) == ("process", "", Status.EXITED)
    assert agent.taken == ["/exit"]


async def test_another_end_confirms_nothing(stage: Stage, deck: Deck) -> None:
    failing = await stage.new("by-hook", exits=3)
    done = await failing.became(await failing.send("/exit"), PromptState.UNCONFIRMED)
    assert done.reason == "its terminal ended before anything confirmed it"
    killed = await stage.new("by-hook", lingers=60)
    prompt = await killed.send("/exit")
    await killed.became(prompt, PromptState.WRITTEN)
    killed.signal(signal.SIGKILL)
    await killed.became(prompt, PromptState.UNCONFIRMED)


async def test_an_end_that_nobody_watched_confirms_a_command_to_end(stage: Stage) -> None:
    async with stage.open():
        agent = await stage.new("by-hook", lingers=0.5)
        prompt = await agent.send("/exit")
        await agent.became(prompt, PromptState.WRITTEN)
        pid = stage.deck.agent(agent.id).pid
    await stage.until(lambda: not os.path.exists(f"/proc/{pid}"), "it ends")
    async with stage.open():
        assert (await stage.deck.outbox.prompt(prompt.id)).receipt == "process"


async def test_a_removed_agents_prompts_are_cancelled(stage: Stage, deck: Deck) -> None:
    agent = await stage.new()
    await agent.ask()
    prompt = await agent.send("go on")
    await deck.remove(agent.id, force=True)
    gone = await deck.outbox.prompt(prompt.id)
    assert (gone.state, gone.reason) == (PromptState.CANCELLED, "its agent was removed")
    back = await deck.untrash(agent.id)
    assert deck.outbox.count(back.id) == 0


async def test_a_program_that_does_not_read_gets_it_later_and_once(stage: Stage, deck: Deck) -> None:
    agent = await stage.new("mute", deaf=1.0)
    agent.signal(signal.SIGUSR2)

    async def busy() -> bool:
        return "something happened" in await deck.live(agent.id).text()

    await stage.until(busy, "it is busy")
    await agent.became(await agent.send("go on"), PromptState.WRITTEN)
    assert agent.taken == []
    await stage.until(lambda: agent.taken == ["go on"], "it takes it")


async def test_a_broadcast_leaves_out_who_asks_and_who_has_ended(stage: Stage, deck: Deck) -> None:
    free, asking, dead = [await stage.new() for _ in range(3)]
    await asking.ask()
    await deck.end(dead.id)
    shell = await deck.create(
        NewAgent(profile="custom", workspace=str(stage.home / "work"), argv=("cat",), environ=dict(os.environ))
    )
    chosen, passed = select(deck.agents(), kind=lambda agent: deck.status.profile(agent).kind)
    assert [p.agent.id for p in passed] == [shell.id]
    done = await deck.outbox.broadcast(chosen, "all hands", passed=passed)
    assert [p.agent for p in done.prompts] == [free.id]
    assert {p.agent.id: p.reason.split(" (")[0] for p in done.passed} == {
        asking.id: "it asks for a permission",
        dead.id: "its program has ended",
        shell.id: "it is no coding agent; name it, its profile or a tag of it to send to it",
    }
    prompt = await free.accepted(done.prompts[0])
    assert prompt.broadcast == done.id
    assert [p.id for p in await deck.outbox.prompts(broadcast=done.id)] == [prompt.id]
    assert asking.typed == b""


async def test_who_is_meant(stage: Stage, deck: Deck) -> None:
    one, two = await stage.new(), await stage.new("by-hook")
    agents = deck.agents()
    shell = await deck.create(
        NewAgent(profile="custom", workspace=str(stage.home / "work"), argv=("cat",), environ=dict(os.environ))
    )

    def meant(**how: Any) -> set[str]:
        chosen, _ = select(deck.agents(), kind=lambda agent: deck.status.profile(agent).kind, **how)
        return {agent.id for agent in chosen}

    assert meant() == {one.id, two.id}
    assert meant(profile="by-hook") == {two.id}
    assert meant(profile="custom") == {shell.id}
    assert meant(named=[shell]) == {shell.id}
    assert meant(status=Status.IDLE, named=agents[:1]) == {one.id}
    assert meant(status=Status.WORKING) == set()
    assert meant(session=agents[0].session) == {one.id, two.id}
    assert meant(session="another") == set()
    done = [replace(agents[0], status=Status.DONE), agents[1]]
    for status, ids in ((Status.IDLE, [one.id, two.id]), (Status.DONE, [one.id])):
        chosen, _ = select(done, status=status, kind=lambda _: "agent")
        assert [agent.id for agent in chosen] == ids
    await deck.tag(one.id, ["api", "web"])
    await deck.tag(shell.id, ["api"])
    assert meant(tags=["api"]) == {one.id, shell.id}
    assert meant(tags=["web", "api"]) == {one.id}
    assert meant(tags=["api"], profile="custom") == {shell.id}
    assert meant(tags=["docs"]) == set()
    assert Passed(agents[0], "x").reason == "x"


async def test_a_turn_can_be_waited_for(stage: Stage, deck: Deck) -> None:
    agent = await stage.new(turn=0.4)
    prompt = await agent.send("go on")
    early = await deck.outbox.wait(prompt.id, "accepted", 10)
    assert early.state is PromptState.ACCEPTED
    done = await deck.outbox.wait(prompt.id, "idle", 10)
    assert deck.outbox.finished(done)
    assert agent.status.ready
    await agent.ask()
    held = await agent.send("wait")
    assert (await deck.outbox.wait(held.id, "decided", 10)).reason == "waits: it asks for a permission"
    assert (await deck.outbox.wait(held.id, "accepted", 0.05)).open


@needs_tmux
async def test_a_pane_gets_prompts_as_well(stage: Stage, deck: Deck) -> None:
    agent = await stage.new(adapter="tmux", hooks=True)
    first = await agent.accepted(await agent.send("fix the\nfailing test"))
    assert first.receipt in ("hook", "program")
    await agent.accepted(await agent.send("x" * 3000))
    assert agent.taken == ["fix the\nfailing test", "x" * 3000]


async def test_the_first_prompt_waits_until_the_agent_is_up(stage: Stage, deck: Deck) -> None:
    agent = await stage.new(late=0.5)
    prompt = await agent.send("go on")
    await agent.waits(prompt, "waits: it is starting")
    await agent.accepted(prompt)
    assert agent.taken == ["go on"]


@pytest.mark.parametrize("box", [True, False])
async def test_an_agent_that_nothing_tells_of_takes_prompts_by_its_empty_box(
    stage: Stage, deck: Deck, hasty: None, box: bool
) -> None:
    agent = await stage.new("by-screen", hooks=False, box=box)
    gone = Evidence(source=Source.PROGRAM, sign=Sign.CLEAR, wall_ns=time.time_ns())
    agent.set(hooks=False, program=False, box=box)
    deck.status.tell(agent.id, gone)
    await stage.until(lambda: agent.status is Status.UNKNOWN, "nothing tells what it is doing")
    prompt = await agent.send("first")
    if not box:
        await agent.waits(prompt, "waits: what it is doing is not known; send it with --now")
        assert agent.taken == []
        prompt = await agent.send("second", now=True)
        await agent.became(prompt, PromptState.ACCEPTED, PromptState.UNCONFIRMED)
        assert agent.taken == ["second"]
        return
    assert (await agent.accepted(prompt)).receipt == "screen"
    assert agent.taken == ["first"]


async def test_idle_is_waited_for_over_a_prompt_that_shows_late(stage: Stage, deck: Deck) -> None:
    agent = await stage.new(slow=0.6, turn=0.3)
    await agent.send("go on")
    found, reached = await deck.outbox.wait_status(agent.id, READY, 20)
    assert (reached, found.status.ready) == (True, True)
    assert agent.taken == ["go on"]
    assert deck.outbox.queue(agent.id) == []


async def test_idle_is_waited_for_over_the_gaps_of_a_queue(stage: Stage, deck: Deck) -> None:
    agent = await stage.new(turn=0.1)
    words = ["one", "two", "three"]
    for word in words:
        await agent.send(word)
    found, reached = await deck.outbox.wait_status(agent.id, READY, 30)
    assert (reached, found.status.ready, agent.taken) == (True, True, words)
    assert deck.outbox.queue(agent.id) == []
    # time is up while one more is on its way
    agent.set(slow=2.0)
    await agent.send("four")
    found, reached = await deck.outbox.wait_status(agent.id, READY, 0.3)
    assert (reached, agent.taken) == (False, words)


async def test_a_queue_that_only_a_person_can_move_keeps_nobody_waiting(
    stage: Stage, deck: Deck, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "HELD", 0.5)
    agent = await stage.new()
    await deck.live(agent.id).raw(b"half a line")
    prompt = await agent.send("go on")
    await agent.waits(prompt, HALF)
    found, reached = await deck.outbox.wait_status(agent.id, READY, 20)
    assert (reached, found.status.ready, agent.taken) == (True, True, [])


@pytest.mark.parametrize("kind", ["mute", "by-hook"])
async def test_a_prompt_that_nobody_confirms_keeps_nobody_waiting(
    stage: Stage, deck: Deck, hasty: None, kind: str
) -> None:
    agent = await stage.new(kind, hooks=False)
    await agent.send("go on")
    found, reached = await deck.outbox.wait_status(agent.id, READY, 20)
    assert (reached, found.status.ready, agent.taken) == (True, True, ["go on"])


async def test_idle_is_waited_for_over_a_prompt_of_a_kind_that_confirms_nothing(stage: Stage, deck: Deck) -> None:
    agent = await stage.new("mute", slow=0.8, turn=0.2)
    prompt = await agent.send("go on")
    await agent.became(prompt, PromptState.WRITTEN)
    found, reached = await deck.outbox.wait_status(agent.id, READY, 20)
    assert (reached, found.status.ready, agent.taken) == (True, True, ["go on"])
