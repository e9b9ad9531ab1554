"""Requests of a real program in a real terminal, from the first word to the key it gets."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import time
from typing import Any

import pytest

from quarterdeck import keys as key_names
from quarterdeck.errors import Invalid, NotFound, Refused
from quarterdeck.evidence import Evidence, Sign, Source
from sessions.approvals.asked import digest
from sessions.deck import Deck
from sessions.model import Approval, ApprovalState, Status
from tests.sessions.approvals.conftest import Stage, eventually, opened

TOUCH = "touch a.txt"


def seen(approval: Approval) -> Any:
    """Whether its dialog was found on the screen."""
    return approval.rule


async def closed(deck: Deck, approval: Approval) -> Approval:
    await eventually(lambda: not [a for a in deck.approvals.open() if a.id == approval.id], "it closes")
    return await deck.approvals.find(approval.id)


async def test_what_a_program_reports_and_shows_is_one_request(deck: Deck, stage: Stage) -> None:
    asker = await stage.start(deck)
    asker.ask(TOUCH)
    approval = await opened(deck, seen)
    assert len(deck.approvals.open()) == 1
    assert (approval.kind, approval.tool, approval.command) == ("permission", "Bash", TOUCH)
    assert approval.can == ("allow", "always", "deny")
    assert "Do you want to proceed?" in approval.shown
    assert deck.agent("api").status is Status.BLOCKED
    done = await deck.approvals.answer(approval.id, "allow", wait=30)
    assert (done.state, done.answer, done.answered_by) == (ApprovalState.ALLOWED, "allow", "person")
    assert asker.typed() == [("1", TOUCH)]
    assert deck.approvals.open() == []
    await eventually(lambda: deck.agent("api").status is Status.WORKING, "it works")
    rows = [row for row in await deck.store.audited() if row.action == "approval.allow"]
    assert [(row.role, row.agent, row.data["command"]) for row in rows] == [("person", approval.agent, TOUCH)]
    kinds = [event.kind for event in await deck.events(0) if event.kind.startswith("approval.")]
    assert kinds[0] == "approval.opened"
    assert kinds[-2:] == ["approval.answered", "approval.closed"]


@pytest.mark.skipif(not shutil.which("tmux"), reason="tmux is not installed")
async def test_in_a_tmux_pane(deck: Deck, stage: Stage) -> None:
    asker = await stage.start(deck, adapter="tmux")
    asker.tell(animate=0.05)
    for answer, key, state in (("allow", "1", ApprovalState.ALLOWED), ("deny", "\x1b", ApprovalState.DENIED)):
        asker.ask(f"touch {answer}", "hook", "status")
        approval = await opened(deck, lambda a, answer=answer: seen(a) and answer in a.command)
        assert (await deck.approvals.answer(approval.id, answer, wait=30)).state is state
        assert asker.typed()[-1] == (key, f"touch {answer}")
    assert len(asker.typed()) == 2


@pytest.mark.parametrize(
    ("answer", "key", "state"),
    [("always", "2", ApprovalState.ALLOWED), ("deny", "\x1b", ApprovalState.DENIED)],
)
async def test_each_answer_has_its_key(deck: Deck, stage: Stage, answer: str, key: str, state: ApprovalState) -> None:
    asker = await stage.start(deck)
    asker.ask(TOUCH)
    approval = await opened(deck, seen)
    assert (await deck.approvals.answer(approval.id, answer, wait=30)).state is state
    assert asker.typed() == [(key, TOUCH)]


async def test_an_answer_leads_through_a_second_dialog(deck: Deck, stage: Stage) -> None:
    asker = await stage.start(deck)
    asker.ask(TOUCH, confirm="touch *")
    approval = await opened(deck, seen)
    done = await deck.approvals.answer(approval.id, "always", wait=30)
    assert (done.state, done.answer) == (ApprovalState.ALLOWED, "always")
    assert asker.typed() == [("2", TOUCH), ("\r", "touch *")]
    assert len(await deck.approvals.newest(10)) == 1


async def test_the_second_dialog_is_waited_for_while_all_of_it_moves(deck: Deck, stage: Stage) -> None:
    asker = await stage.start(deck)
    asker.tell(animate=0.02)
    asker.ask(TOUCH, "hook", "status", confirm="touch *")
    approval = await opened(deck, lambda a: seen(a) and a.key)
    assert (await deck.approvals.answer(approval.id, "always", wait=30)).state is ApprovalState.ALLOWED
    assert asker.typed() == [("2", TOUCH), ("\r", "touch *")]


async def test_keys_that_lead_nowhere_are_followed_by_none(deck: Deck, stage: Stage, monkeypatch: Any) -> None:
    monkeypatch.setattr("sessions.approvals.typist.APPEARS", 0.5)
    asker = await stage.start(deck)
    asker.ask(TOUCH, confirm="touch *", astray=True)
    approval = await opened(deck, seen)
    with pytest.raises(Refused, match=r"did not lead api to its dialog 'confirm': it shows touch a\.txt; nothing more"):
        await deck.approvals.answer(approval.id, "always")
    await eventually(lambda: approval.id in [a.id for a in deck.approvals.open()], "it waits again")
    (again,) = deck.approvals.open()
    assert again.state is ApprovalState.OPEN
    assert "nothing more was typed" in again.reason
    assert asker.typed() == [("2", TOUCH)]
    assert (await deck.approvals.answer(approval.id, "allow", wait=30)).state is ApprovalState.ALLOWED
    assert asker.typed() == [("2", TOUCH), ("1", TOUCH)]


async def test_keys_that_lead_to_another_dialog_are_followed_by_none(
    deck: Deck, stage: Stage, monkeypatch: Any
) -> None:
    monkeypatch.setattr("sessions.approvals.typist.APPEARS", 0.5)
    asker = await stage.start(deck)
    asker.ask(TOUCH, confirm="touch *", astray={"tool": "Bash", "command": "rm -rf /"})
    approval = await opened(deck, seen)
    with pytest.raises(Refused, match=r"nothing more was typed"):
        await deck.approvals.answer(approval.id, "always")
    new = await opened(deck, lambda a: a.command == "rm -rf /")
    await eventually(lambda: [a.id for a in deck.approvals.open()] == [new.id], "the old one closes")
    assert asker.typed() == [("2", TOUCH)]


async def test_a_second_dialog_that_does_not_obey_leaves_it_open(deck: Deck, stage: Stage, monkeypatch: Any) -> None:
    monkeypatch.setattr("sessions.approvals.answer.PATIENCE", 0.5)
    asker = await stage.start(deck)
    asker.tell(deaf=True)
    asker.tell(animate=0.05)
    asker.ask(TOUCH, confirm="touch *")
    approval = await opened(deck, seen)
    done = await deck.approvals.answer(approval.id, "always", wait=30)
    assert (done.state, done.reason) == (ApprovalState.OPEN, "nothing shows that it was taken")
    with pytest.raises(Refused, match=r"nothing was typed"):
        await deck.approvals.answer(approval.id, "allow")
    assert asker.typed() == [("2", TOUCH), ("\r", "touch *")]


@pytest.mark.parametrize(("answer", "keys"), [("allow", ["\r"]), ("always", ["\x1b[C", "\r"]), ("deny", ["\x1b"])])
async def test_what_is_marked_is_what_is_answered(deck: Deck, stage: Stage, answer: str, keys: list[str]) -> None:
    asker = await stage.start(deck)
    asker.ask(TOUCH, choices=1)
    approval = await opened(deck, seen)
    done = await deck.approvals.answer(approval.id, answer, wait=30)
    assert (done.state.value, done.answer) == ("denied" if answer == "deny" else "allowed", answer)
    assert [key for key, _ in asker.typed()] == keys


@pytest.mark.parametrize(("moves", "marked"), [(1, "Always"), (2, "No")])
async def test_a_moved_selection_is_left_alone(deck: Deck, stage: Stage, moves: int, marked: str) -> None:
    asker = await stage.start(deck)
    asker.ask(TOUCH, choices=1)
    approval = await opened(deck, seen)
    live = deck.live(approval.agent)
    for number in range(1, moves + 1):
        await live.press(key_names.parse("right"))
        await eventually(lambda number=number: len(asker.typed()) == number, "the mark is moved")
    for _ in range(2):
        with pytest.raises(Refused, match=rf"was moved \(marked is {marked}\); nothing was typed"):
            await deck.approvals.answer(approval.id, "allow")
        await eventually(lambda: deck.approvals.open()[0].state is ApprovalState.OPEN, "it waits again")
    assert [key for key, _ in asker.typed()] == ["\x1b[C"] * moves
    for number in range(moves + 1, 2 * moves + 1):
        await live.press(key_names.parse("left"))
        await eventually(lambda number=number: len(asker.typed()) == number, "the mark is moved back")
    assert (await deck.approvals.answer(approval.id, "allow", wait=30)).state is ApprovalState.ALLOWED
    assert asker.typed()[-1] == ("\r", TOUCH)


async def test_a_mark_moved_by_the_first_key_is_not_confirmed(deck: Deck, stage: Stage, monkeypatch: Any) -> None:
    """The first of two keys leads elsewhere than the profile believes: neither this nor the next answer gives that."""
    monkeypatch.setattr("sessions.approvals.typist.APPEARS", 0.5)
    asker = await stage.start(deck)
    asker.ask(TOUCH, choices=2)
    approval = await opened(deck, seen)
    with pytest.raises(Refused, match=r"was moved \(marked is No\); nothing more was typed"):
        await deck.approvals.answer(approval.id, "always")
    await eventually(lambda: deck.approvals.open()[0].state is ApprovalState.OPEN, "it waits again")
    with pytest.raises(Refused, match=r"was moved \(marked is No\); nothing was typed"):
        await deck.approvals.answer(approval.id, "allow")
    assert asker.typed() == [("\x1b[C", TOUCH)]


async def test_a_mark_that_the_profile_does_not_speak_of_is_not_confirmed(deck: Deck, stage: Stage) -> None:
    profile = stage.user / "profiles" / "asker.toml"
    lines = [line for line in profile.read_text().split("\n") if not line.startswith("marked = { allow")]
    profile.write_text("\n".join(lines))
    asker = await stage.start(deck)
    asker.ask(TOUCH, choices=1)
    approval = await opened(deck, seen)
    with pytest.raises(Refused, match=r"marks Once, and its rule choices does not say .*; nothing was typed"):
        await deck.approvals.answer(approval.id, "allow")
    assert asker.typed() == []


async def test_it_is_answered_once(deck: Deck, stage: Stage) -> None:
    asker = await stage.start(deck)
    asker.tell(deaf=True)
    asker.ask(TOUCH)
    approval = await opened(deck, seen)
    first, *others = await asyncio.gather(
        deck.approvals.answer(approval.id, "allow"),
        deck.approvals.answer(approval.id, "deny", by="policy: never"),
        deck.approvals.answer(approval.id, "allow"),
        return_exceptions=True,
    )
    assert isinstance(first, Approval)
    assert first.state is ApprovalState.ANSWERING
    for other in others:
        assert isinstance(other, Refused)
        assert "allowed once already by person" in other.message
        assert other.fields["answered_by"] == "person"
    await eventually(asker.typed, "its key")
    asker.tell(away=1)
    asker.tell(say="working")
    assert (await closed(deck, approval)).state is ApprovalState.ALLOWED
    with pytest.raises(Refused, match="allowed once already by person"):
        await deck.approvals.answer(approval.id, "deny")
    assert asker.typed() == [("1", TOUCH)]


async def test_what_became_something_else_is_not_answered_unseen(deck: Deck, stage: Stage) -> None:
    asker, more = await stage.start(deck), f"{TOUCH}; rm -rf /"
    asker.ask(TOUCH, "status", "undrawn")
    shown = await opened(deck)
    asker.ask(more, "hook")
    approval = await opened(deck, lambda a: a.command and seen(a))
    assert (approval.id, approval.command) == (shown.id, more)
    with pytest.raises(Refused, match=r"something else than was shown: Bash: touch a\.txt; rm -rf /") as refused:
        await deck.approvals.answer(approval.id, "allow", expect=digest(shown))
    assert refused.value.fields["digest"] == digest(approval) != digest(shown)
    assert [a.state for a in deck.approvals.open()] == [ApprovalState.OPEN]
    assert asker.typed() == []
    done = await deck.approvals.answer(approval.id, "allow", expect=digest(approval), wait=30)
    assert done.state is ApprovalState.ALLOWED
    assert asker.typed() == [("1", more)]


async def test_answered_in_the_panel(deck: Deck, stage: Stage) -> None:
    asker = await stage.start(deck)
    asker.ask(TOUCH)
    approval = await opened(deck, seen)
    await deck.live("api").raw(b"1")
    gone = await closed(deck, approval)
    assert (gone.state, gone.answer) == (ApprovalState.GONE, "")
    with pytest.raises(Refused, match="gone"):
        await deck.approvals.answer(approval.id, "allow")
    assert asker.typed() == [("1", TOUCH)]


async def test_a_dialog_that_went_away_gets_no_key(deck: Deck, stage: Stage) -> None:
    asker = await stage.start(deck)
    asker.ask(TOUCH)
    approval = await opened(deck, seen)
    asker.tell(away=1)
    live = deck.live("api")
    while "proceed" in await live.text():
        await asyncio.sleep(0.01)
    with pytest.raises(Refused, match=r"nothing was typed"):
        await deck.approvals.answer(approval.id, "allow")
    asker.tell(say="working")
    assert (await closed(deck, approval)).state is ApprovalState.GONE
    assert asker.typed() == []


@pytest.mark.parametrize("other", ["touch b.txt", "touch a.txt; rm -rf /", "touch a.tx"])
async def test_another_dialog_in_its_place_gets_no_key(deck: Deck, stage: Stage, other: str) -> None:
    asker = await stage.start(deck)
    asker.ask(TOUCH)
    approval = await opened(deck, seen)
    asker.tell(swap={"tool": "Bash", "command": other})
    live = deck.live("api")
    while other not in (await live.text()).splitlines()[4]:
        await asyncio.sleep(0.005)
    with pytest.raises(Refused, match=r"another dialog|gone|went away"):
        await deck.approvals.answer(approval.id, "allow")
    assert asker.typed() == []
    new = await opened(deck, lambda a: a.command == other)
    assert new.id != approval.id
    assert (await deck.approvals.find(approval.id)).state is ApprovalState.GONE
    assert (await deck.approvals.answer(new.id, "deny", wait=30)).state is ApprovalState.DENIED
    assert asker.typed() == [("\x1b", other)]


async def test_a_hook_a_report_and_the_screen_are_one_request(deck: Deck, stage: Stage) -> None:
    asker = await stage.start(deck)
    long = "python -m pytest tests/unit tests/api --maxfail=3 --durations=10 -q --no-header --color=yes -k 'not slow'"
    asker.ask(long, "status", "hook", words="approve Bash: python -m pytest tests/un")
    approval = await opened(deck, lambda a: a.source == "hook" and a.rule)
    assert len(deck.approvals.open()) == 1
    assert (approval.command, approval.tool, bool(approval.key)) == (long, "Bash", True)
    assert (await deck.approvals.answer(approval.id, "allow", wait=30)).state is ApprovalState.ALLOWED
    assert [key for key, _ in asker.typed()] == ["1"]


@pytest.mark.parametrize(("answer", "behaviour"), [("allow", "allow"), ("deny", "deny")])
async def test_an_asking_hook_gets_the_answer_and_no_key_is_typed(
    deck: Deck, stage: Stage, answer: str, behaviour: str
) -> None:
    asker = await stage.start(deck)
    asker.ask(TOUCH, "asking", "status")
    approval = await opened(deck, lambda a: a.replies)
    done = await deck.approvals.answer(approval.id, answer, reason="not here", wait=30)
    assert done.state is (ApprovalState.ALLOWED if answer == "allow" else ApprovalState.DENIED)
    (decision,) = [note["decision"] for note in asker.notes() if "decision" in note]
    assert decision["behavior"] == behaviour
    assert answer == "allow" or decision["message"] == "not here"
    assert asker.typed() == []


async def test_a_request_behind_another_one_keeps_what_its_hook_told(deck: Deck, stage: Stage) -> None:
    """Two tools at once: the agent goes on after the first answer, then shows the second dialog, in few words."""
    asker = await stage.start(deck)
    asker.ask(TOUCH, "asking", "undrawn")
    first = await opened(deck, lambda a: a.replies)
    data = {"tool": "Bash", "command": "make all", "key": "another", "diff": "+x"}
    deck.status.tell(first.agent, Evidence(source=Source.HOOK, sign=Sign.ASKED, wall_ns=first.asked_ns + 1, data=data))
    assert len(deck.approvals.open()) == 2
    assert (await deck.approvals.answer(first.id, "allow", wait=30)).state is ApprovalState.ALLOWED
    asker.ask("make all", "status")
    second = await opened(deck, seen)
    assert (second.command, second.diff, second.key) == ("make all", "+x", "another")
    assert (await deck.approvals.answer(second.id, "allow", wait=30)).state is ApprovalState.ALLOWED
    assert asker.typed() == [("1", "make all")]


async def test_a_hook_that_waits_no_longer_leaves_it_to_the_keys(deck: Deck, stage: Stage) -> None:
    asker = await stage.start(deck)
    asker.ask(TOUCH, "hook", "status")
    approval = await opened(deck, lambda a: a.key and a.rule)
    said = Evidence(
        source=Source.HOOK,
        sign=Sign.ASKED,
        wall_ns=approval.asked_ns + 1,
        data={"tool": "Bash", "command": TOUCH, "key": approval.key, "reply": {"via": "hook", "ask": "1-2-3.ask"}},
    )
    deck.status.tell(approval.agent, said)
    approval = await opened(deck, lambda a: a.replies)
    assert (await deck.approvals.answer(approval.id, "allow", wait=30)).state is ApprovalState.ALLOWED
    assert asker.typed() == [("1", TOUCH)]


async def test_a_key_that_is_not_obeyed_leaves_it_open(deck: Deck, stage: Stage, monkeypatch: Any) -> None:
    monkeypatch.setattr("sessions.approvals.answer.PATIENCE", 0.5)
    asker = await stage.start(deck)
    asker.tell(deaf=True)
    asker.tell(animate=0.05)
    asker.ask(TOUCH)
    approval = await opened(deck, seen)
    done = await deck.approvals.answer(approval.id, "allow", wait=30)
    assert (done.state, done.reason) == (ApprovalState.OPEN, "nothing shows that it was taken")
    assert done.answer == ""
    asker.tell(deaf=False)
    assert (await deck.approvals.answer(approval.id, "deny", wait=30)).state is ApprovalState.DENIED
    assert [key for key, _ in asker.typed()] == ["1", "\x1b"]


@pytest.mark.parametrize(("answer", "state"), [("allow", ApprovalState.ALLOWED), ("deny", ApprovalState.DENIED)])
async def test_a_hook_that_took_the_answer_confirms_it(
    deck: Deck, stage: Stage, answer: str, state: ApprovalState
) -> None:
    """Its agent tells nothing while what was allowed runs."""
    asker = await stage.start(deck)
    asker.tell(deaf=True)
    asker.ask(TOUCH, "asking", "undrawn")
    approval = await opened(deck, lambda a: a.replies)
    assert (await deck.approvals.answer(approval.id, answer, wait=30)).state is state
    await eventually(lambda: deck.agent(approval.agent).status is not Status.BLOCKED, "it is not blocked any more")
    (decision,) = await eventually(lambda: [n["decision"] for n in asker.notes() if "decision" in n], "it has it")
    assert decision["behavior"] == answer


async def test_each_of_some_hooks_at_once_confirms_its_own_answer(deck: Deck, stage: Stage) -> None:
    asker = await stage.start(deck)
    asker.tell(deaf=True)
    commands = [f"touch {number}" for number in range(5)]
    for number, command in enumerate(commands, 1):
        asker.ask(command, "asking", "undrawn")
        await eventually(lambda number=number: len(deck.approvals.open()) == number, "each is a request")
    waiting = {approval.command: approval.id for approval in deck.approvals.open()}
    answers = ["allow", "deny", "allow", "deny"]
    told = zip(commands, answers, strict=False)
    done = await asyncio.gather(*(deck.approvals.answer(waiting[c], answer, wait=30) for c, answer in told))
    assert [one.state.value for one in done] == ["allowed", "denied", "allowed", "denied"]
    assert deck.agent(asker.agent.id).status is Status.BLOCKED
    (last,) = deck.approvals.open()
    assert (await deck.approvals.answer(last.id, "allow", wait=30)).state is ApprovalState.ALLOWED
    await eventually(lambda: deck.agent(asker.agent.id).status is not Status.BLOCKED, "it is not blocked any more")
    await eventually(lambda: len(asker.notes()) == 6, "all are taken")
    got = {note["dialog"]: note["decision"]["behavior"] for note in asker.notes() if "decision" in note}
    assert got == dict(zip(commands, [*answers, "allow"], strict=True))


async def test_nothing_shows_what_became_of_a_reply(deck: Deck, stage: Stage, monkeypatch: Any) -> None:
    monkeypatch.setattr("sessions.approvals.answer.PATIENCE", 0.5)
    monkeypatch.setattr("sessions.approvals.answer.TAKES", 0.1)
    asker = await stage.start(deck)
    asker.tell(deaf=True)
    asker.ask(TOUCH, "asking", "undrawn")
    approval = await opened(deck, lambda a: a.replies)
    hook = int(approval.reply["ask"].removesuffix(".ask").rpartition("-")[2])
    os.kill(hook, signal.SIGSTOP)
    try:
        done = await deck.approvals.answer(approval.id, "allow", wait=30)
    finally:
        os.kill(hook, signal.SIGCONT)
    assert (done.state, done.reason) == (ApprovalState.FAILED, "nothing shows that it was taken")


async def test_an_animated_dialog_is_answered(deck: Deck, stage: Stage) -> None:
    asker = await stage.start(deck)
    asker.tell(animate=0.02)
    asker.ask(TOUCH)
    approval = await opened(deck, seen)
    assert (await deck.approvals.answer(approval.id, "allow", wait=30)).state is ApprovalState.ALLOWED
    assert asker.typed() == [("1", TOUCH)]


async def test_a_request_without_a_dialog_has_no_answer_from_here(deck: Deck, stage: Stage) -> None:
    asker = await stage.start(deck)
    asker.ask(TOUCH, "status", "undrawn")
    approval = await opened(deck)
    assert approval.can == ()
    with pytest.raises(Refused, match="from here"):
        await deck.approvals.answer(approval.id, "allow")
    assert asker.typed() == []


async def test_its_end_is_the_end_of_its_requests(deck: Deck, stage: Stage) -> None:
    asker = await stage.start(deck)
    asker.ask(TOUCH)
    approval = await opened(deck, seen)
    asker.tell(quit=0)
    gone = await closed(deck, approval)
    assert (gone.state, gone.reason) == (ApprovalState.GONE, "its program ended")


async def test_a_removed_agent_is_forgotten(deck: Deck, stage: Stage) -> None:
    asker = await stage.start(deck)
    asker.ask(TOUCH)
    approval = await opened(deck, seen)
    await deck.live("api").raw(b"x")
    await deck.remove("api", force=True)
    gone = await deck.approvals.find(approval.id)
    assert (gone.state, gone.reason) == (ApprovalState.GONE, "its program ended")
    inbox = deck.approvals
    words = inbox._words
    kept = (words._pending, words._lately, inbox._typed, words._hands, words._unasked, inbox._cases)
    assert not any(approval.agent in one for one in kept)
    assert inbox.open() == []


@pytest.mark.parametrize("how", ["forged", "typed", "answered", "refused"])
async def test_who_let_a_waiting_hook_go_is_asked(deck: Deck, stage: Stage, how: str) -> None:
    """A process of the agent may write a decision into the pipe of its own hook; that is seen, not kept from it."""
    asker = await stage.start(deck)
    asker.ask(TOUCH, "asking", "undrawn")
    approval = await opened(deck, lambda a: a.replies)
    (pipe,) = deck.paths.agent(approval.agent).glob("hooks-*/asks/*.ask")
    if how == "forged":
        said = {"hookSpecificOutput": {"decision": {"behavior": "allow"}}}
        await asyncio.to_thread(pipe.write_text, json.dumps(said) + "\n")
    elif how == "answered":
        await deck.approvals.answer(approval.id, "allow", wait=30)
    else:
        deck.status.typed(approval.agent)
        await deck.live("api").raw(b"1" if how == "typed" else b"\x1b")
    await eventually(lambda: [note for note in asker.notes() if {"decision", "key"} & set(note)], "it was decided")
    done = {"key": approval.key, "allowed": how != "refused"}
    deck.status.tell(
        approval.agent, Evidence(source=Source.HOOK, sign=Sign.ANSWERED, wall_ns=time.time_ns(), data=done)
    )
    gone = await closed(deck, approval)
    await deck.approvals.save()
    unasked = deck.approvals._words._unasked
    await eventually(lambda: not unasked.get(approval.agent) or how == "refused", "it is looked at")

    async def audited() -> list[Any]:
        return [row for row in await deck.store.audited() if row.action == "approval.unexplained"]

    if how == "forged":
        async with asyncio.timeout(30):
            while not (rows := await audited()):
                await asyncio.sleep(0.01)
        assert [(row.role, row.agent, row.data["command"]) for row in rows] == [("agent", approval.agent, TOUCH)]
        assert "nothing shows by whom" in gone.reason
    else:
        assert await audited() == []
        assert "nothing shows by whom" not in gone.reason


async def test_two_agents_ask_the_oldest_first(deck: Deck, stage: Stage) -> None:
    first, second = await stage.start(deck, "one"), await stage.start(deck, "two")
    second.ask("ls two")
    await eventually(lambda: len(deck.approvals.open()) == 1, "one asks")
    first.ask("ls one")
    await eventually(lambda: len(deck.approvals.open()) == 2 and all(a.rule for a in deck.approvals.open()), "both ask")
    assert [a.command for a in deck.approvals.open()] == ["ls two", "ls one"]
    assert [a.command for a in deck.approvals.open(first.agent.id)] == ["ls one"]
    await deck.approvals.answer(deck.approvals.open()[1].id, "allow", wait=30)
    assert (first.typed(), second.typed()) == ([("1", "ls one")], [])


async def test_references(deck: Deck, stage: Stage) -> None:
    asker = await stage.start(deck)
    asker.ask(TOUCH)
    approval = await opened(deck, seen)
    assert (await deck.approvals.find(approval.id[:4])).id == approval.id
    for ref in ("", "nobody", "%", "'; --", "_" * 10):
        with pytest.raises(NotFound):
            await deck.approvals.find(ref)
    with pytest.raises(Invalid):
        await deck.approvals.answer(approval.id, "maybe")


async def test_a_reason_reaches_an_agent_that_was_refused_by_keys(deck: Deck, stage: Stage) -> None:
    asker = await stage.start(deck)
    sent: list[tuple[str, str]] = []

    async def submit(agent: str, text: str) -> None:
        sent.append((agent, text))

    deck.approvals.submit = submit
    asker.ask(TOUCH)
    approval = await opened(deck, seen)
    done = await deck.approvals.answer(approval.id, "deny", reason="use make", wait=30)
    assert (done.state, done.reason) == (ApprovalState.DENIED, "use make")
    await eventually(lambda: sent, "the reason is sent")
    assert sent == [(approval.agent, "use make")]
