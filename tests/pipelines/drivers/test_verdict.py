"""How a turn in a terminal ended: every state of a prompt and its agent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipelines.drivers.verdict import Ending, View, by_itself, judge, stopped
from pipelines.model import Outcome
from sessions.model import Agent, Approval, Doing, Prompt, PromptState, Status
from sessions.outbox.delivery import HALF_TYPED
from sessions.status.reducer import AN_ERROR, ERROR_SAID, ITS_TURN_ENDED

AGENT = Agent(id="a", name="write.1", session="s", profile="claude", adapter="native", argv=(), cwd="/w")
PROMPT = Prompt(id="a-0.0", agent="a", text="do it")


def view(status: Status, state: PromptState, *, reason: str = "", why: str = "", **more: object) -> View:
    """An agent with this status (for that reason) and a prompt in this state (because of ``why``)."""
    known = View(agent=replace(AGENT, status=status, reason=reason), prompt=replace(PROMPT, state=state, reason=why))
    return replace(known, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "known",
    [
        view(Status.STARTING, PromptState.QUEUED, settled=True),
        view(Status.UNKNOWN, PromptState.QUEUED, settled=True),
        view(Status.IDLE, PromptState.QUEUED, settled=True),
        view(Status.IDLE, PromptState.QUEUED, why=HALF_TYPED),
        view(Status.IDLE, PromptState.SENDING, settled=True),
        view(Status.IDLE, PromptState.WRITTEN),
        view(Status.WORKING, PromptState.ACCEPTED, settled=True),
        view(Status.WORKING, PromptState.ACCEPTED, finished=True),
        view(Status.IDLE, PromptState.ACCEPTED, settled=True),
        view(Status.UNKNOWN, PromptState.ACCEPTED, finished=True, settled=True),
        view(Status.WORKING, PromptState.UNCONFIRMED, settled=True),
        view(Status.IDLE, PromptState.UNCONFIRMED),
        view(Status.IDLE, PromptState.FAILED),
        view(Status.BLOCKED, PromptState.ACCEPTED),
        view(Status.BLOCKED, PromptState.QUEUED),
    ],
)
def test_it_goes_on(known: View) -> None:
    assert judge(known) is None


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        (view(Status.EXITED, PromptState.QUEUED, reason="exit status 1"), "before it took its prompt: exit status 1"),
        (view(Status.EXITED, PromptState.ACCEPTED, reason="exit status 3"), "in its turn: exit status 3"),
        (view(Status.LOST, PromptState.UNCONFIRMED, reason="holder killed"), "in its turn: holder killed"),
        (view(Status.LIMITED, PromptState.ACCEPTED, reason="5-hour limit"), "its usage limit is reached: 5-hour limit"),
        (view(Status.IDLE, PromptState.REFUSED, why="its usage limit is reached"), "it did not take its prompt: its u"),
        (view(Status.IDLE, PromptState.CANCELLED, why="cancelled by a person"), "was taken back: cancelled by a pers"),
        (view(Status.IDLE, PromptState.FAILED, why="no terminal", settled=True), "could not be typed: no terminal"),
        (view(Status.IDLE, PromptState.UNCONFIRMED, why="nothing", settled=True), "its prompt was typed, and whether"),
        (view(Status.IDLE, PromptState.QUEUED, why=HALF_TYPED, settled=True), "was not typed: a half-typed line"),
        (view(Status.RUNNING, PromptState.WRITTEN, finished=True), "nothing tells when its turns are over"),
        (
            view(Status.DONE, PromptState.ACCEPTED, finished=True, reason=f"{ERROR_SAID}API Error: 400"),
            "API Error: 400",
        ),
        (view(Status.IDLE, PromptState.ACCEPTED, finished=True, reason=AN_ERROR), AN_ERROR),
    ],
)
def test_it_failed(known: View, reason: str) -> None:
    ending = judge(known)
    assert ending is not None
    assert ending.outcome is Outcome.FAILED
    assert reason in ending.reason


def test_a_limit_says_when_it_ends() -> None:
    known = view(Status.LIMITED, PromptState.QUEUED)
    until = replace(known, agent=replace(known.agent, doing=Doing(until_ns=1_773_500_400 * 10**9)))
    assert judge(until) == Ending(
        outcome=Outcome.FAILED, reason="its usage limit is reached; it ends 2026-03-14 15:00 UTC"
    )


def test_it_is_over() -> None:
    told = judge(view(Status.DONE, PromptState.ACCEPTED, finished=True, reason=ITS_TURN_ENDED))
    assert told is not None
    assert told.outcome is Outcome.SUCCEEDED
    assert by_itself(told)
    assert not stopped(told)
    by_person = judge(view(Status.IDLE, PromptState.ACCEPTED, finished=True, reason="interrupted"))
    assert by_person is not None
    assert stopped(by_person)
    assert not by_itself(by_person)


def test_a_program_that_its_prompt_ends_has_done_nothing() -> None:
    known = view(Status.EXITED, PromptState.ACCEPTED, reason="exit status 0")
    ending = judge(replace(known, prompt=replace(known.prompt, receipt="process")))
    assert ending == Ending(outcome=Outcome.FAILED, reason="its program ended without a turn: exit status 0")


@pytest.mark.parametrize(
    ("asked", "reason", "question"),
    [
        (
            Approval(id="1", agent="a", kind="permission", tool="Bash", command="rm x"),
            "it asks for a permission that no rule gives: no rule is about it",
            "Bash: rm x",
        ),
        (
            Approval(id="1", agent="a", kind="permission", tool="Edit", path="/w/a.txt"),
            "it asks for a permission that no rule gives: no rule is about it",
            "Edit: /w/a.txt",
        ),
        (
            Approval(id="1", agent="a", kind="permission", tool="Bash", command="ls", reason="its screen moves"),
            "it asks for a permission that no rule gives: its screen moves; no rule is about it",
            "Bash: ls",
        ),
        (Approval(id="1", agent="a", kind="question", text="Which one?"), "it asks a question: no rule", "Which one?"),
        (
            Approval(id="1", agent="a", kind="trust", path="/w"),
            "it asks whether to trust its folder: no rule",
            "whether it may trust the folder /w",
        ),
        (Approval(id="1", agent="a", kind="login", text="Log in"), "it wants a login: no rule is about it", "Log in"),
    ],
)
def test_nobody_answers(asked: Approval, reason: str, question: str) -> None:
    known = view(Status.BLOCKED, PromptState.ACCEPTED, settled=True, asked=(asked,), left="no rule is about it")
    ending = judge(known)
    assert ending is not None
    assert (ending.outcome, ending.question) == (Outcome.BLOCKED, question)
    assert ending.reason.startswith(reason)


def test_what_only_its_status_tells_is_a_question_too() -> None:
    known = view(Status.BLOCKED, PromptState.QUEUED, settled=True)
    known = replace(known, agent=replace(known.agent, doing=Doing(kind="login", waiting_for="sign in")))
    ending = judge(known)
    assert ending is not None
    assert (ending.outcome, ending.question) == (Outcome.BLOCKED, "sign in")
    assert "name the variable with its key among the secrets" in ending.reason


@pytest.mark.parametrize("told", ["dialog open", ""])
def test_a_dialog_whose_words_nobody_told_is_what_its_screen_shows(told: str) -> None:
    screen = "Auto mode can't check actions in this session\n❯ 1. Go on without it"
    known = replace(view(Status.BLOCKED, PromptState.QUEUED, settled=True), screen=screen)
    by_status = replace(known, agent=replace(known.agent, doing=Doing(kind="question", waiting_for=told)))
    by_request = replace(known, asked=(Approval(id="1", agent="a", kind="question", text=told),))
    for one in (by_status, by_request):
        ending = judge(one)
        assert ending is not None
        assert (ending.outcome, ending.question) == (Outcome.BLOCKED, screen)
        assert ending.reason.startswith("it shows a dialog that is not known: answer it once by hand")
        assert "say in the prompt" not in ending.reason
    told_too = Approval(id="1", agent="a", kind="question", text="Which  one?")
    ending = judge(replace(known, screen="> Which\none?", asked=(told_too,)))
    assert ending is not None
    assert ending.reason == "it asks a question: say in the prompt what it shall assume"
