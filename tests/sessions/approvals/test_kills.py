"""kill -9 of the process that holds the deck, at each step of an approval's life: exactly one key is ever typed."""

from __future__ import annotations

import asyncio
import asyncio.subprocess
import shutil
import signal
import sys
from pathlib import Path

import pytest

from sessions.model import ApprovalState
from tests.sessions.approvals.conftest import PATIENCE, Asker, Stage, eventually, opened

ANSWERER = Path(__file__).parents[2] / "support" / "answerer.py"
TOUCH = "touch a.txt"


async def killed_at(stage: Stage, asker: Asker | None, answer: str, step: str, *told: str, **dialog: str) -> None:
    """Let another process answer the request of ``asker``, or one that was on its way; it is killed at ``step``."""
    argv = [sys.executable, "-P", str(ANSWERER), str(stage.root), answer, step]
    process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
    assert process.stdout
    try:
        async with asyncio.timeout(PATIENCE):
            assert await process.stdout.readline() == b"up\n"
            if asker:
                asker.ask(TOUCH, *told, **dialog)
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
    assert process.returncode == -signal.SIGKILL


async def begun(stage: Stage, adapter: str = "native") -> Asker:
    async with stage.deck() as deck:
        return await stage.start(deck, adapter=adapter)


@pytest.mark.parametrize(
    ("adapter", "answer", "key"), [("native", "allow", "1"), ("native", "deny", "\x1b"), ("tmux", "allow", "1")]
)
@pytest.mark.parametrize("step", ["stored", "typed", "confirm"])
async def test_an_answer_that_was_stored_is_typed_once(
    stage: Stage, step: str, adapter: str, answer: str, key: str
) -> None:
    if not shutil.which(adapter) and adapter == "tmux":
        pytest.skip("tmux is not installed")
    asker = await begun(stage, adapter)
    await killed_at(stage, asker, answer, step, "status")
    async with stage.last_deck() as deck:
        (approval,) = await deck.approvals.newest(10)
        await eventually(lambda: not deck.approvals.open(), "it closes")
        done = await deck.approvals.find(approval.id)
        assert done.state is (ApprovalState.DENIED if answer == "deny" else ApprovalState.ALLOWED)
        assert (done.answer, done.answered_by) == (answer, "person")
        assert asker.typed() == [(key, TOUCH)]
        decisions = [row for row in await deck.store.audited() if row.action == f"approval.{answer}"]
        assert len(decisions) == 1


@pytest.mark.parametrize("step", ["stored", "typed", "stored:2", "typed:2", "confirm"])
async def test_an_answer_of_two_dialogs_is_typed_once(stage: Stage, step: str) -> None:
    asker = await begun(stage)
    await killed_at(stage, asker, "always", step, "status", confirm="touch *")
    async with stage.last_deck() as deck:
        (approval,) = await deck.approvals.newest(10)
        await eventually(lambda: not deck.approvals.open(), "it closes")
        done = await deck.approvals.find(approval.id)
        assert (done.state, done.answer) == (ApprovalState.ALLOWED, "always")
        assert asker.typed() == [("2", TOUCH), ("\r", "touch *")]
        assert len(await deck.approvals.newest(10)) == 1


@pytest.mark.parametrize("again", ["stored", "typed"])
async def test_an_answer_of_two_dialogs_survives_a_second_kill(stage: Stage, again: str) -> None:
    asker = await begun(stage)
    await killed_at(stage, asker, "always", "typed", "status", confirm="touch *")
    await killed_at(stage, None, "-", again)
    async with stage.last_deck() as deck:
        (approval,) = await deck.approvals.newest(10)
        await eventually(lambda: not deck.approvals.open(), "it closes")
        assert (await deck.approvals.find(approval.id)).state is ApprovalState.ALLOWED
        assert asker.typed() == [("2", TOUCH), ("\r", "touch *")]


@pytest.mark.parametrize("step", ["open", "store"])
async def test_a_request_survives_and_is_answered_once(stage: Stage, step: str) -> None:
    asker = await begun(stage)
    await killed_at(stage, asker, "allow", step, "status", "hook")
    async with stage.last_deck() as deck:
        (stored,) = await deck.approvals.newest(10)
        approval = await opened(deck, lambda a: a.rule)
        assert approval.id == stored.id
        assert (approval.state, approval.command) == (ApprovalState.OPEN, TOUCH)
        assert asker.typed() == []
        assert (await deck.approvals.answer(approval.id, "allow", wait=30)).state is ApprovalState.ALLOWED
        assert len(await deck.approvals.newest(10)) == 1
        assert asker.typed() == [("1", TOUCH)]


@pytest.mark.parametrize("step", ["reply", "replied"])
async def test_a_reply_reaches_its_hook_once(stage: Stage, step: str) -> None:
    asker = await begun(stage)
    await killed_at(stage, asker, "allow", step, "status", "asking")
    async with stage.last_deck() as deck:
        (approval,) = await deck.approvals.newest(10)
        await eventually(lambda: not deck.approvals.open(), "it closes")
        assert (await deck.approvals.find(approval.id)).state is ApprovalState.ALLOWED
        assert [note["decision"]["behavior"] for note in asker.notes() if "decision" in note] == ["allow"]
        assert asker.typed() == []


async def test_a_dialog_swapped_while_nobody_watched_gets_no_key(stage: Stage) -> None:
    asker = await begun(stage)
    await killed_at(stage, asker, "allow", "stored", "status")
    asker.tell(swap={"tool": "Bash", "command": "rm -rf /"})
    async with stage.last_deck() as deck:
        new = await opened(deck, lambda a: a.command == "rm -rf /")
        (old,) = [a for a in await deck.approvals.newest(10) if a.id != new.id]
        await eventually(lambda: [a.id for a in deck.approvals.open()] == [new.id], "the old one closes")
        assert (await deck.approvals.find(old.id)).state is ApprovalState.GONE
        assert asker.typed() == []


async def test_a_dialog_answered_while_nobody_watched_is_gone(stage: Stage) -> None:
    asker = await begun(stage)
    await killed_at(stage, asker, "allow", "open", "status")
    asker.tell(away=1)
    asker.tell(say="working")
    async with stage.last_deck() as deck:
        (approval,) = await deck.approvals.newest(10)
        await eventually(lambda: not deck.approvals.open(), "it closes")
        assert (await deck.approvals.find(approval.id)).state is ApprovalState.GONE
        assert asker.typed() == []


async def test_its_program_ended_while_nobody_watched(stage: Stage) -> None:
    asker = await begun(stage)
    await killed_at(stage, asker, "allow", "stored", "status")
    asker.tell(quit=0)
    async with stage.last_deck() as deck:
        (approval,) = await deck.approvals.newest(10)
        await eventually(lambda: not deck.approvals.open(), "it closes")
        done = await deck.approvals.find(approval.id)
        assert (done.state, done.reason) == (ApprovalState.GONE, "its program ended")
        assert asker.typed() == []
