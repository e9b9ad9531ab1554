"""What tells of an agent from outside of its terminal: found when it is there, left when its program has ended."""

from __future__ import annotations

import asyncio
import json
import sys

from quarterdeck.process import alive, identity
from sessions.model import PromptState, Status

ACTS = """
[sources.titles]
'^done 1$' = "idle"
'^done 2$' = "working"
[keys]
submit = "ctrl+j"
[prompt]
receipts = ["transcript"]
[conversation]
id = "uuid"
start = ["--session-id", "{resume_id}"]
"""
WRITES = """
import datetime, json, sys
from pathlib import Path
path, name, prompt = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]).read_text()
now = datetime.datetime.now(datetime.UTC).isoformat()
path.parent.mkdir(parents=True)
entries = [
    {"sessionId": name, "startTime": now, "kind": "main"},
    {"id": "1", "timestamp": now, "type": "user", "content": [{"text": prompt}]},
]
path.write_text("".join(json.dumps(entry) + "\\n" for entry in entries))
"""


async def test_a_transcript_that_begins_with_the_first_prompt_confirms_it(rig) -> None:
    """As Gemini's does: its file is found by a search, and there is none before."""
    rig.profile("late", sources='transcript = "gemini"', more=ACTS)
    (rig.root / "writes.py").write_text(WRITES)
    async with rig.open():
        agent = await rig.new("late")
        await rig.does(agent, "print", "hello")
        await rig.becomes(agent, Status.IDLE)
        name = rig.deck.agent(agent).resume_id
        path = rig.root / ".gemini" / "tmp" / "work" / "chats" / f"session-2026-01-01T00-00-{name[:8]}.jsonl"
        command = f"{sys.executable} {rig.root}/writes.py {path} {name} {rig.root}/prompt"
        text = json.dumps(["run", command])
        (rig.root / "prompt").write_text(text)
        prompt = await rig.deck.outbox.submit(agent, text)
        prompt = await rig.deck.outbox.wait(prompt.id, "accepted", 30)
        assert (prompt.state, prompt.receipt) == (PromptState.ACCEPTED, "transcript")
        await rig.deck.end_all()


async def test_an_ended_agent_is_read_to_its_end_and_then_left(rig) -> None:
    streams = 'door = "argv"\nargv = ["--port", "{port}"]'
    rig.profile(
        "told", sources='transcript = "claude"\nfile = "claude"\nstream = "opencode"', hooks="claude", more=streams
    )
    transcript = rig.root / "projects" / "c.jsonl"
    base = {"session_id": "c-1", "transcript_path": str(transcript)}
    async with rig.open():
        agent = await rig.new("told")
        await rig.does(agent, "hook", {**base, "hook_event_name": "SessionStart", "source": "startup"})
        await rig.happens(lambda: rig.deck.agent(agent).resume_id == "c-1")
        assert len(rig.deck.status.watching) == 3
        assert f"stream of {agent}" in _tasks()
        await rig.type(agent, "exit", 0)
        await rig.becomes(agent, Status.EXITED)
        assert len(rig.deck.status.watching) == 0
        await rig.happens(lambda: f"stream of {agent}" not in _tasks())
        await rig.deck.restore([agent])
        await rig.happens(lambda: len(rig.deck.status.watching) >= 2)
        await rig.deck.end_all()


async def test_what_an_agent_told_before_it_ended_while_nobody_was_there_counts(rig) -> None:
    rig.profile("hooked", hooks="claude")
    call = {"hook_event_name": "PermissionRequest", "tool_name": "Bash", "tool_input": {"command": "make"}}
    start = {"hook_event_name": "SessionStart", "source": "startup"}
    lines = (["run", "sleep 1"], *(["hook", {"session_id": "c-9", **event}] for event in (start, call)), ["exit", 0])
    async with rig.open():
        agent = await rig.new("hooked")
        who = identity(rig.deck.agent(agent).pid)
        await rig.deck.live(agent).write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    await rig.happens(lambda: not alive(who))
    async with rig.open():
        await rig.happens(lambda: rig.deck.agent(agent).resume_id == "c-9")
        assert rig.status(agent) is Status.EXITED
        assert rig.deck.approvals.open() == []


async def test_a_long_transcript_is_read_in_many_goes(rig) -> None:
    rig.profile("told", sources='transcript = "claude"', hooks="claude")
    transcript = rig.root / "c-1.jsonl"
    filler = json.dumps({"type": "system", "text": "x" * 1_000}) + "\n"
    usage = {"usage": {"input_tokens": 7, "output_tokens": 5}, "model": "m", "id": "1", "content": []}
    transcript.write_text(json.dumps({"type": "assistant", "message": usage}) + "\n" + filler * 6_000)
    start = {"session_id": "c-1", "transcript_path": str(transcript), "hook_event_name": "SessionStart"}
    async with rig.open():
        agent = await rig.new("told")
        before = rig.deck.status.counts["reads"]
        await rig.does(agent, "hook", {**start, "source": "startup"})
        await rig.happens(lambda: rig.deck.agent(agent).doing.tokens_in == 7)
        assert rig.deck.status.counts["reads"] - before > 6_000_000 // (256 << 10)
        await rig.deck.end_all()


def _tasks() -> set[str]:
    return {task.get_name() for task in asyncio.all_tasks()}
