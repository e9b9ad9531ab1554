"""An agent carries out the turns of an attempt without a screen: real programs, some that print what real ones said."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.drivers.headless import HeadlessDriver
from pipelines.drivers.hearing import judge
from pipelines.drivers.program import Ended
from pipelines.drivers.questions import Questions
from pipelines.drivers.voice import Voice
from pipelines.model import Budget, Outcome
from pipelines.ports import Ask, Turn
from profiles import headless
from quarterdeck.paths import Paths
from quarterdeck.process import identity
from sessions.deck import Deck
from sessions.policy.accepted import Given
from tests.support import turns
from tests.support.runs import Rig, rig
from tests.support.turns import RUN, Told, make_ask, open_deck

PATIENCE = 30.0
SUPPORT = Path(turns.__file__).parent
STREAMS = SUPPORT.parent / "profiles" / "headless" / "streams"
STREAMED = """
name = "{name}"
argv = {argv}

[conversation]
resume = ["--resume", "{{resume_id}}"]

[headless]
argv = ["--", "{{prompt}}"]
resume = ["--resume", "{{resume_id}}", "--", "{{prompt}}"]
format = "{format}"
turns = ["--turns", "{{limit}}"]
money = ["--money={{limit}}"]
"""
HOOKS = '\n[hooks]\nshape = "claude"\n'
POLICY = """
[[allow]]
name = "new files"
tools = ["Bash"]
commands = ["touch *"]
paths = "inside"

[[deny]]
name = "no rm"
commands = ["rm **"]
"""
Asks = Callable[..., Ask]


@pytest.fixture
def runs() -> Iterator[Rig]:
    with rig() as made:
        argv = json.dumps([sys.executable, "-S", str(SUPPORT / "streamed.py")])
        for name in ("claude", "codex", "copilot", "gemini", "opencode", "qwen", ""):
            text = STREAMED.format(name=f"streamed-{name}", argv=argv, format=name)
            (made.config / "profiles" / f"streamed-{name}.toml").write_text(text)
        text = STREAMED.format(name="asking", argv=argv, format="claude")
        (made.config / "profiles" / "asking.toml").write_text(text + HOOKS)
        (made.home / "rules.toml").write_text(POLICY)
        yield made


@pytest.fixture
async def deck(runs: Rig) -> AsyncIterator[Deck]:
    given = Given(person=Paths(runs.state), file=runs.home / "rules.toml")
    async with open_deck(runs.state, runs.work, runs.config, given=given) as deck:
        yield deck
        await deck.end_all()


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def ask(runs: Rig) -> Asks:
    def made(prompt: str, **more: Any) -> Ask:
        changed = {name: more.pop(name) for name in ("resume_id", "left") if name in more}
        made = make_ask(runs.work, runs.environ, prompt, **{"profile": "scripted", **more})
        return replace(made, **changed)

    return made


@pytest.fixture
def played(deck: Deck, told: Told, ask: Asks) -> Callable[..., Any]:
    """Carries out a turn of an agent that prints this stream."""

    async def play(stream: str, **more: Any) -> Turn:
        profile = "streamed-" + stream.partition("-")[0]
        return await told.carry_out(deck, ask(stream, **{"profile": profile, **more}), "headless")

    return play


async def until(look: Callable[[], Any], what: str) -> Any:
    try:
        async with asyncio.timeout(PATIENCE):
            while not (found := look()):
                await asyncio.sleep(0.01)
            return found
    except TimeoutError:
        raise AssertionError(f"never happened: {what}") from None


# -- what real agents printed


async def test_a_turn_that_ends_well(played: Any, told: Told, deck: Deck, runs: Rig) -> None:
    rest = runs.home / "rest"
    async with asyncio.TaskGroup() as group:
        going = group.create_task(played(f"claude-tool after=3 waits={rest}"))
        await until(lambda: told.used, "it tells what it uses while it goes on")
        rest.touch()
    turn = await going
    assert (turn.outcome, turn.reason, turn.exit_code) == (Outcome.SUCCEEDED, "", 0)
    assert turn.message == "FAKE-FINAL: tool said: (Bash completed with no output)"
    assert turn.resume_id == "4915740b-94cd-4f96-bafb-81976e5784d3"
    assert (turn.usage.tokens_in, turn.usage.tokens_out, turn.usage.turns) == (25435, 13, 2)
    assert turn.usage.cost == pytest.approx(0.102)
    assert 0 < turn.usage.seconds < PATIENCE
    assert told.texts("agent.message") == ["I will run a command.", turn.message]
    assert told.texts("agent.tool") == ["Bash: touch a.txt"]
    assert told.used[0].cost is None, "which it tells at its end"
    assert replace(told.used[-1], seconds=0) == replace(turn.usage, seconds=0)
    (agent,) = deck.agents()
    assert (agent.name, agent.id, agent.tags) == ("write.1", turn.agent_id, ("run", "write"))
    assert 0 < turn.started_ns < turn.ended_ns


@pytest.mark.parametrize(
    ("stream", "outcome", "reason", "question"),
    [
        ("codex-tool", Outcome.SUCCEEDED, "", ""),
        ("gemini-tool", Outcome.SUCCEEDED, "", ""),
        ("opencode-tool", Outcome.SUCCEEDED, "", ""),
        ("copilot-tool", Outcome.SUCCEEDED, "", ""),
        ("qwen-tool", Outcome.SUCCEEDED, "", ""),
        ("claude-hookdeny", Outcome.SUCCEEDED, "", ""),
        ("claude-denied", Outcome.BLOCKED, "only a person could have allowed", "Bash: touch b.txt"),
        ("codex-denied", Outcome.BLOCKED, "only a person could", "shell: a command outside its sandbox"),
        ("gemini-ask", Outcome.BLOCKED, "only a person could have allowed", "run_shell_command: touch h.txt"),
        ("opencode-denied", Outcome.BLOCKED, "only a person could have allowed", "bash: touch b.txt"),
        ("copilot-denied", Outcome.BLOCKED, "only a person could have allowed", "bash: touch h.txt"),
        ("claude-badreq exit=1", Outcome.FAILED, "API Error: 400 scripted 400", ""),
        ("codex-badreq exit=1", Outcome.FAILED, "scripted 400", ""),
        ("gemini-badreq exit=144", Outcome.FAILED, "scripted 400", ""),
        ("opencode-badreq exit=1", Outcome.FAILED, "scripted 400", ""),
        ("copilot-badreq exit=1", Outcome.FAILED, "400 scripted 400", ""),
        ("qwen-badreq exit=1", Outcome.FAILED, "API Error: 400 scripted 400", ""),
        ("claude-used exit=1", Outcome.FAILED, "exit status 1: Error: Session ID", ""),
        ("codex-unknown exit=1", Outcome.FAILED, "no rollout found for thread id", ""),
        ("opencode-unknown exit=1", Outcome.FAILED, "exit status 1: Error: Session not found", ""),
        ("claude-turns exit=1", Outcome.OVER_BUDGET, "it stopped itself: Reached maximum number of turns (1)", ""),
        ("claude-budget exit=1", Outcome.OVER_BUDGET, "it stopped itself: Reached maximum budget ($0.01)", ""),
        ("claude-ok lines=2", Outcome.FAILED, "it ended without saying that it had finished", ""),
        ("claude-ok lines=0 exit=3", Outcome.FAILED, "exit status 3", ""),
        ("claude-ok exit=3", Outcome.FAILED, "exit status 3", ""),
    ],
)
def test_how_a_turn_ends(stream: str, outcome: Outcome, reason: str, question: str) -> None:
    name, *words = stream.split()
    said = dict(word.split("=") for word in words)
    reader = headless.reader(name.partition("-")[0])
    lines = (STREAMS / f"{name}.stream").read_bytes().splitlines(keepends=True)
    for line in lines[: int(said.get("lines", len(lines)))]:
        reader.feed(line)
    reader.close()
    code = int(said.get("exit", 0))
    ending = judge(reader.heard, Ended(code=code, reason=f"exit status {code}", end=0), says_so=True)
    assert ending.outcome is outcome, ending
    assert reason in ending.reason
    assert bool(ending.reason) == (outcome is not Outcome.SUCCEEDED)
    assert (ending.question, ending.exit_code) == (question, code)


@pytest.mark.parametrize(
    ("stream", "outcome", "reason", "question"),
    [
        ("opencode-denied", Outcome.BLOCKED, "only a person could have allowed", "bash: touch b.txt"),
        ("claude-badreq exit=1", Outcome.FAILED, "API Error: 400 scripted 400", ""),
        ("claude-turns exit=1", Outcome.OVER_BUDGET, "it stopped itself: Reached maximum number of turns (1)", ""),
    ],
)
async def test_a_turn_that_does_not_end_well(
    played: Any, stream: str, outcome: Outcome, reason: str, question: str
) -> None:
    turn = await played(stream)
    assert (turn.outcome, turn.question) == (outcome, question), turn
    assert reason in turn.reason


async def test_a_usage_limit_is_a_failure_with_its_end(runs: Rig, deck: Deck, told: Told, ask: Asks) -> None:
    said = "You've hit your weekly limit · resets Jan 3, 2027, 5pm (UTC)"
    runs.script({"match": "do it", "moves": [{"error": 429, "text": f"usage limit: {said}"}]})
    turn = await told.carry_out(deck, ask("do it"), "headless")
    assert turn.outcome is Outcome.FAILED
    assert turn.reason.startswith("its usage limit is reached; it ends 2027-01-03 17:00 UTC: "), turn.reason


async def test_the_tokens_of_a_turn_are_not_those_of_the_conversation(played: Any) -> None:
    first = await played("codex-ok")
    again = await played("codex-again", turn=1, resume_id=first.resume_id)
    assert first.resume_id == again.resume_id
    assert (first.usage.tokens_in, again.usage.tokens_in, again.usage.tokens_out) == (100, 100, 10)


async def test_an_agent_gets_the_limits_that_it_knows_of_itself(played: Any, deck: Deck) -> None:
    await played("claude-ok", left=Budget(turns=7, money=1.25, tokens=10))
    (agent,) = deck.agents()
    assert agent.argv[-5:-2] == ("--turns", "7", "--money=1.25")
    await played("claude-ok", attempt=2, left=Budget(turns=7, money=1.25), args=("--turns", "3"))
    assert deck.agents()[-1].argv[-5:-2] == ("--turns", "3", "--money=1.25")


async def test_plain_text_is_told_line_by_line(runs: Rig, played: Any, told: Told) -> None:
    turn = await played("opencode-unknown", profile="streamed-")
    assert (turn.outcome, turn.message) == (Outcome.SUCCEEDED, "Error: Session not found")
    assert told.texts("step.output") == ["Error: Session not found"]
    assert (turn.usage.turns, turn.usage.tokens_in, turn.usage.cost) == (None, None, None)
    assert (await played("opencode-unknown exit=4", profile="streamed-", attempt=2)).reason.startswith("exit status 4")


async def test_one_that_is_not_installed(runs: Rig, played: Any, deck: Deck) -> None:
    text = STREAMED.format(name="absent", argv='["nobody-has-this"]', format="claude")
    (runs.config / "profiles" / "absent.toml").write_text(text)
    turn = await played("claude-ok", profile="absent")
    assert turn.outcome is Outcome.NOT_INSTALLED
    assert turn.reason == "absent is not installed: there is no command nobody-has-this"
    assert deck.agents() == []


async def test_a_prompt_that_no_command_line_takes(played: Any, deck: Deck) -> None:
    turn = await played("claude-ok " + "x" * (128 << 10))
    assert (turn.outcome, turn.reason) == (
        Outcome.FAILED,
        "its prompt is longer than a command line takes (128 KiB)",
    )
    assert deck.agents() == []


async def test_a_flood_is_counted_not_told(played: Any, told: Told) -> None:
    turn = await played("claude-ok flood=20000000", profile="streamed-")
    assert turn.outcome is Outcome.SUCCEEDED
    assert any("in the log of the step" in text for text in told.texts("step.output") + told.texts("note"))


@pytest.mark.parametrize("words", ["hold", "hold deaf", "reads lines=0", "lines=1 hold deaf"])
async def test_one_that_never_ends_is_ended(deck: Deck, told: Told, ask: Asks, words: str) -> None:
    asked = ask(f"claude-tool {words}", profile="streamed-claude")
    going = asyncio.create_task(told.carry_out(deck, asked, "headless"))
    agent = await until(lambda: next((one for one in deck.agents() if one.pid), None), "it runs")
    program = await until(lambda: identity(agent.pid), "it runs")
    if "lines" not in words:
        await until(lambda: told.texts("agent.tool"), "it works")
    going.cancel()
    with pytest.raises(asyncio.CancelledError):
        await going
    assert identity(program.pid) != program
    (left,) = deck.agents()
    assert (left.name, left.status.alive) == ("write.1@1", False)


async def test_secrets_are_masked_in_what_is_told(runs: Rig, deck: Deck, told: Told, ask: Asks) -> None:
    key = runs.environ["ANTHROPIC_API_KEY"]
    runs.script({"match": "do it", "moves": [{"tool": "Ask", "input": {"question": f"is {key} good?"}}]})
    turn = await told.carry_out(deck, ask("do it"), "headless")
    assert turn.outcome is Outcome.BLOCKED
    assert key not in str(turn) + str(told.events)
    assert "[redacted: ANTHROPIC_API_KEY]" in turn.question


# -- what it asks through its hooks


async def test_a_rule_allows_and_the_agent_goes_on(played: Any, told: Told) -> None:
    turn = await played("claude-tool asks=touch+a.txt", profile="asking")
    assert turn.outcome is Outcome.SUCCEEDED, turn
    (event,) = [event for event in told.events if event.kind == "approval.decided"]
    assert (event.data["answer"], event.data["command"]) == ("allow", "touch a.txt")
    assert "new files" in event.data["rule"]


async def test_a_rule_denies_and_the_agent_goes_on_without(played: Any, told: Told) -> None:
    turn = await played("claude-tool asks=rm+-rf+build", profile="asking")
    assert (turn.outcome, turn.message) == (Outcome.SUCCEEDED, "FAKE-FINAL: tool said: no by policy"), turn
    assert told.texts("agent.status") == ["refused: Bash: touch b.txt"]
    (event,) = [event for event in told.events if event.kind == "approval.decided"]
    assert (event.data["answer"], event.data["rule"].split(" (")[0]) == ("deny", "deny no rm")


async def test_what_no_rule_decides_ends_the_turn_with_the_question(played: Any, deck: Deck) -> None:
    turn = await played("claude-tool asks=make+all", profile="asking")
    assert turn.outcome is Outcome.BLOCKED, turn
    assert turn.reason.startswith("it asks for what no rule allows: no rule allows it (new files: no pattern fits")
    assert turn.question == "Bash: make all"
    (agent,) = deck.agents()
    assert (agent.name, agent.status.alive, agent.id) == ("write.1@1", False, turn.agent_id)


async def test_what_was_decided_is_told_also_after_its_program_ended(deck: Deck, told: Told, ask: Asks) -> None:
    asked = ask("claude-tool asks=touch+a.txt", profile="asking")
    going = asyncio.create_task(told.carry_out(deck, asked, "headless"))
    agent = await until(lambda: next(iter(deck.agents()), None), "it begins")
    late = Told()
    with Questions(deck, agent.id, Voice(asked, late.events.append), 0.0) as questions:
        assert (await going).outcome is Outcome.SUCCEEDED
        await questions.last_words()
        await questions.last_words()
    assert len(late.texts("approval.decided")) == 1


async def test_that_rules_leave_a_request_is_an_event(deck: Deck, told: Told, ask: Asks) -> None:
    going = asyncio.create_task(told.carry_out(deck, ask("claude-tool asks=make+all", profile="asking"), "headless"))
    with deck.subscribe() as events:
        async with asyncio.timeout(PATIENCE):
            while (event := await events.next()).kind != "approval.left":
                pass
    assert event.data["what"] == "Bash: make all"
    assert (await going).outcome is Outcome.BLOCKED


async def test_a_person_has_time_to_answer(deck: Deck, told: Told, ask: Asks) -> None:
    asked = ask("claude-tool asks=make+all", profile="asking")
    going = asyncio.create_task(told.carry_out(deck, asked, "headless", patience=PATIENCE))
    approval = await until(lambda: next(iter(deck.approvals.open()), None), "it asks")
    await until(lambda: deck.approvals.left(approval.id), "rules leave it")
    await deck.approvals.answer(approval.id, "allow")
    turn = await going
    assert turn.outcome is Outcome.SUCCEEDED, turn
    (event,) = [event for event in told.events if event.kind == "approval.decided"]
    assert (event.data["answer"], event.data["by"], event.data["command"]) == ("allow", "person", "make all")


# -- conversations


async def test_turns_of_one_conversation(runs: Rig, deck: Deck, told: Told, ask: Asks) -> None:
    runs.script({"match": "^say (.*)", "moves": [{"text": "I say {1}.", "usage": [50, 7]}]})
    first = await told.carry_out(deck, ask("say hello"), "headless")
    assert (first.outcome, first.message) == (Outcome.SUCCEEDED, "I say hello."), first
    second = await told.carry_out(deck, ask("say again", turn=1, resume_id=first.resume_id), "headless")
    assert (second.outcome, second.message) == (Outcome.SUCCEEDED, "I say again."), second
    assert first.resume_id == second.resume_id != ""
    assert (second.usage.tokens_in, second.usage.tokens_out, second.usage.turns) == (50, 7, 1)
    newest = [(agent.name, agent.resume_id) for agent in deck.agents()]
    assert newest == [("write.1", ""), ("write.1.1", first.resume_id)], "it has one agent, the newest"
    assert Path(second.transcript).name == f"{first.resume_id}.jsonl"
    assert len(runs.model.requests()[-1]["messages"]) == 3


async def test_asked_again_it_says_the_same_and_runs_nothing(runs: Rig, deck: Deck, told: Told, ask: Asks) -> None:
    runs.script({"match": "do it", "moves": [{"text": "Done."}]})
    first = await told.carry_out(deck, ask("do it"), "headless")
    again = await told.carry_out(deck, ask("do it"), "headless")
    assert again == first
    assert len(runs.model.requests()) == 1


async def test_what_was_cut_off_goes_on_with_its_conversation(runs: Rig, deck: Deck, told: Told, ask: Asks) -> None:
    steps = [{"text": "First", "tool": "Bash", "input": {"command": "touch first"}, "usage": [60, 6]}, {"hang": True}]
    runs.script(
        {"match": "do it", "moves": steps},
        {"match": "You were interrupted", "moves": [{"text": "Gone on.", "usage": [70, 7]}]},
    )
    going = asyncio.create_task(told.carry_out(deck, ask("do it"), "headless"))
    await until(lambda: len(runs.model.requests()) == 2, "it is half done")
    going.cancel()
    with pytest.raises(asyncio.CancelledError):
        await going
    turn = await told.carry_out(deck, ask("do it"), "headless")
    assert (turn.outcome, turn.message) == (Outcome.SUCCEEDED, "Gone on."), turn
    assert [one.name for one in deck.agents()] == ["write.1@1", "write.1"]
    messages = runs.model.requests()[-1]["messages"]
    assert "do it" in str(messages[0])
    assert "You were interrupted. Look at what is done already" in str(messages[-1])
    assert (turn.usage.tokens_in, turn.usage.tokens_out, turn.usage.turns) == (130, 13, 2), "both lives"


async def test_a_kind_without_names_for_conversations_goes_on_with_its_last(
    runs: Rig, deck: Deck, told: Told, ask: Asks
) -> None:
    text = STREAMED.format(name="nameless", argv=json.dumps([sys.executable, str(SUPPORT / "streamed.py")]), format="")
    text = text.replace('resume = ["--resume", "{resume_id}", "--"', 'resume = ["--restore", "--"')
    (runs.config / "profiles" / "nameless.toml").write_text(text)
    going = asyncio.create_task(told.carry_out(deck, ask("claude-used hold", profile="nameless"), "headless"))
    await until(lambda: told.texts("step.output"), "it works")
    going.cancel()
    with pytest.raises(asyncio.CancelledError):
        await going
    first = await told.carry_out(deck, ask("claude-used", profile="nameless"), "headless")
    assert first.outcome is Outcome.FAILED, "it is told to go on, which is no stream"
    turn = await told.carry_out(deck, ask("claude-used", profile="nameless", turn=1), "headless")
    assert turn.outcome is Outcome.SUCCEEDED
    assert [("--restore" in agent.argv, agent.argv[-1].split()[0]) for agent in deck.agents()] == [
        (False, "claude-used"),
        (True, "You"),
        (True, "claude-used"),
    ]


async def test_what_was_cut_off_before_it_began_begins_anew(runs: Rig, deck: Deck, told: Told, ask: Asks) -> None:
    going = asyncio.create_task(told.carry_out(deck, ask("hold", profile="streamed-claude"), "headless"))
    await until(lambda: next((one for one in deck.agents() if one.pid), None), "it runs")
    going.cancel()
    with pytest.raises(asyncio.CancelledError):
        await going
    turn = await told.carry_out(deck, ask("claude-ok", profile="streamed-claude"), "headless")
    assert (turn.outcome, turn.message) == (Outcome.SUCCEEDED, "FAKE-ANSWER: say hello"), turn


async def test_a_conversation_that_was_never_kept_begins_anew(runs: Rig, deck: Deck, told: Told, ask: Asks) -> None:
    runs.script({"match": "do it", "moves": [{"hang": True}]})
    going = asyncio.create_task(told.carry_out(deck, ask("do it"), "headless"))
    await until(lambda: runs.model.requests(), "it asks its model")
    going.cancel()
    with pytest.raises(asyncio.CancelledError):
        await going
    for kept in (runs.home / ".claude" / "projects").rglob("*.jsonl"):
        kept.unlink()
    runs.script({"match": "^do it$", "moves": [{"text": "Done."}]})
    turn = await told.carry_out(deck, ask("do it"), "headless")
    assert (turn.outcome, turn.message) == (Outcome.SUCCEEDED, "Done."), turn
    assert [one.name for one in deck.agents()] == ["write.1@1", "write.1@2", "write.1"]
    assert len(runs.model.requests()[-1]["messages"]) == 1


# -- kill -9 of the run


class Killed:
    """A run in a process of its own."""

    def __init__(self, runs: Rig) -> None:
        environ = runs.environ | {"RUN_WORK": str(runs.work), "RUN_CONFIG": str(runs.config), "RUN_DRIVER": "headless"}
        self._process = subprocess.Popen(
            [sys.executable, str(SUPPORT / "turns.py"), str(runs.state)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environ | {"PYTHONPATH": str(SUPPORT.parent.parent)},
        )
        runs.remember(self._process.pid)

    def ask(self, **asked: Any) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()

    def hear(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        assert self._process.stdout
        for line in self._process.stdout:
            if wanted(said := json.loads(line)):
                return said
        raise AssertionError("it ended")

    def kill(self) -> None:
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe
            pipe.close()


async def test_killed_it_is_found_alive_and_heard_from_its_first_word(runs: Rig, told: Told, ask: Asks) -> None:
    steps = [{"text": "First", "tool": "Sleep", "input": {"seconds": 1}}, {"text": "Second."}]
    runs.script({"match": "do it", "moves": steps})
    run = Killed(runs)
    run.ask(prompt="do it", profile="scripted")
    run.hear(lambda said: said.get("event", {}).get("kind") == "agent.tool")
    run.kill()
    async with open_deck(runs.state, runs.work, runs.config) as deck:
        turn = await told.carry_out(deck, ask("do it"), "headless")
        assert (turn.outcome, turn.message) == (Outcome.SUCCEEDED, "Second."), turn
        assert told.texts("agent.message") == ["First", "Second."]
        assert (turn.usage.tokens_in, turn.usage.turns) == (200, 2)
        assert [one.name for one in deck.agents()] == ["write.1"]
    assert len(runs.model.requests()) == 2


async def test_killed_what_ended_meanwhile_is_read(runs: Rig, told: Told, ask: Asks) -> None:
    runs.script({"match": "do it", "moves": [{"tool": "Bash", "input": {"command": "touch first"}}, {"text": "Done."}]})
    run = Killed(runs)
    run.ask(prompt="do it", profile="scripted")
    run.hear(lambda said: said.get("event", {}).get("kind") == "agent.tool")
    run.kill()
    folder = runs.state / "runs" / RUN / "state" / "agents"
    await until(lambda: list(folder.glob("*/exit.json")), "it ends while nobody looks")
    async with open_deck(runs.state, runs.work, runs.config) as deck:
        turn = await told.carry_out(deck, ask("do it"), "headless")
        assert (turn.outcome, turn.message, turn.exit_code) == (Outcome.SUCCEEDED, "Done.", 0), turn
    assert len(runs.model.requests()) == 2


async def test_killed_with_all_it_ran_it_goes_on_with_the_conversation(runs: Rig, told: Told, ask: Asks) -> None:
    steps = [{"text": "First", "tool": "Bash", "input": {"command": "touch first"}}, {"hang": True}]
    runs.script({"match": "do it", "moves": steps}, {"match": "interrupted", "moves": [{"text": "Gone on."}]})
    run = Killed(runs)
    run.ask(prompt="do it", profile="scripted")
    await until(lambda: len(runs.model.requests()) == 2, "it is half done")
    run.kill()
    runs.end()
    async with open_deck(runs.state, runs.work, runs.config) as deck:
        turn = await told.carry_out(deck, ask("do it"), "headless")
        assert (turn.outcome, turn.message) == (Outcome.SUCCEEDED, "Gone on."), turn
        assert (turn.usage.tokens_in, turn.usage.turns) == (200, 2), "both lives"
        await HeadlessDriver(deck, RUN, told.events.append).aclose()
    assert "do it" in str(runs.model.requests()[-1]["messages"][0])
