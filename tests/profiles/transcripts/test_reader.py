from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles import transcripts
from profiles.values import moment
from quarterdeck.clock import ManualClock
from quarterdeck.evidence import Evidence, Sign, Source

HERE = Path(__file__).parent
NOW = 1_800_000_000 * 10**9
CLAUDE_ID = "11111111-1111-4111-8111-111111111111"


def recorded(name: str, talk: str, folder: Path, as_name: str = "") -> Path:
    target = folder / (as_name or f"{talk}.jsonl")
    shutil.copyfile(HERE / name / f"{talk}.jsonl", target)
    return target


def reader(name: str, path: Path, now: int = NOW) -> transcripts.Reader:
    return transcripts.open(name, path, ManualClock(now))


def everything(source: transcripts.Reader) -> list[Evidence]:
    told = source.read()
    while source.more:
        told += source.read()
    return told


def brief(told: list[Evidence]) -> list[str]:
    """``sign what``, with the words that tell pieces of one kind apart."""
    lines = []
    for piece in told:
        what = piece.data.get("prompt") or piece.data.get("message") or piece.data.get("allowed")
        lines.append(f"{piece.sign} {what}"[:30] if what is not None and what != "" else str(piece.sign))
    return lines


def only(told: list[Evidence], sign: Sign) -> Evidence:
    (piece,) = [piece for piece in told if piece.sign is sign]
    return piece


def test_a_conversation_with_claude(tmp_path: Path) -> None:
    path = recorded("claude", "turns", tmp_path, f"{CLAUDE_ID}.jsonl")
    told = everything(reader("claude", path))
    assert brief(told) == [
        "conversation",
        "prompt hello there",
        "done You said: hello there",
        "prompt run: touch a.txt",
        "message I will run a command.",
        "answered False",  # Esc at the dialog
        "refused",
        "prompt run: touch b.txt",
        "message I will run a command.",
        "answered True",
        "done The tool said: (Bash comp",
        "prompt slow 100 0.1",
        "message word001 word002 word00",
        "interrupted",  # Esc while it streamed
        "prompt badreq",
        "error API Error: 400 scripted ",
        "prompt run: touch c.txt",
        "message I will run a command.",
        "answered False",  # "No" at the dialog
        "refused",
        "prompt !echo hi",
        "done You said: <bash-stdout>hi",
        "prompt /model",
        "idle",
        "prompt overload please",
        "prompt overload pleaseratelimi",
        "usage",
    ]
    assert all(piece.source is Source.TRANSCRIPT for piece in told)
    assert told[0].data == {"id": CLAUDE_ID, "transcript": str(path)}
    assert told[1].wall_ns == 1_795_263_593_849 * 10**6
    assert told[5].data["key"] == told[6].data["key"] == "toolu_0365d46f20dc4e83aa5a"
    assert only(told, Sign.USAGE).data == {
        "input": 101_134,
        "cached": 0,
        "output": 29,
        "model": "claude-opus-5-5",
        "cost": pytest.approx(0.406156),
    }


def test_clearing_and_compacting_are_prompts_after_which_it_is_idle(tmp_path: Path) -> None:
    told = everything(reader("claude", recorded("claude", "cleared", tmp_path)))
    assert brief(told) == [
        "prompt /clear",
        "idle",
        "prompt second talk",
        "done You said: second talk",
        "prompt runs: touch d.txt ;; to",
        "message I will run a command.",
        "answered True",
        "message I will run a command.",
        "answered True",
        "done The tool said: (Bash comp",
        "prompt /compact",
        "idle",
        "prompt after compact",
        "done You said: after compact",
        "usage",
    ]


def test_a_prompt_that_waits_in_claudes_own_queue_is_told_once(tmp_path: Path) -> None:
    told = everything(reader("claude", recorded("claude", "queued", tmp_path)))
    assert brief(told)[:5] == [
        "prompt slow 60 0.1",
        "prompt steer me please",
        "done word001 word002 word003 w",
        "working",
        "done You said: steer me please",
    ]


def test_a_refusal_with_words_does_not_end_the_turn(tmp_path: Path) -> None:
    told = everything(reader("claude", recorded("claude", "queued", tmp_path)))
    assert [line.split()[0] for line in brief(told)[5:]] == ["prompt", "message", "answered", "done", "usage"]


@pytest.mark.parametrize(
    ("name", "talk", "until"),
    [
        ("claude", "limit-session", 1_795_269_154),
        ("claude", "limit-weekly", 1_795_463_755),
        ("claude", "limit-opus", 1_795_463_755),
        ("codex", "limit", 1_795_271_044),
    ],
)
def test_a_usage_limit_is_told_with_its_end(tmp_path: Path, name: str, talk: str, until: int) -> None:
    limited = only(everything(reader(name, recorded(name, talk, tmp_path))), Sign.LIMITED)
    assert limited.data["until_ns"] == until * 10**9
    assert "hit your" in limited.data["message"]


def test_an_older_claude_tells_the_end_of_its_limit_in_words_only(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    entry = {
        "type": "assistant",
        "timestamp": "2026-11-21T12:22:34.457Z",
        "isApiErrorMessage": True,
        "message": {
            "model": "<synthetic>",
            "content": [{"type": "text", "text": "Claude AI usage limit reached|1795270954"}],
        },
    }
    path.write_text(json.dumps(entry) + "\n")
    assert only(everything(reader("claude", path)), Sign.LIMITED).data["until_ns"] == 1_795_270_954 * 10**9


def test_what_a_model_says_about_limits_is_no_limit(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    said = [{"type": "text", "text": "You've hit your limit · resets 3pm"}]
    entry = {"type": "assistant", "message": {"model": "claude-opus-5-5", "content": said, "stop_reason": "end_turn"}}
    path.write_text(json.dumps(entry) + "\n")
    assert [piece.sign for piece in everything(reader("claude", path))] == [Sign.DONE]


def test_what_subagents_and_the_program_say_is_no_prompt(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    base: dict[str, Any] = {"type": "user", "timestamp": "2026-11-21T12:22:34.457Z"}
    entries = [
        base | {"isSidechain": True, "message": {"content": "look at the tests"}},
        base | {"isMeta": True, "message": {"content": "Caveat: ..."}},
        base | {"isCompactSummary": True, "message": {"content": "This session is being continued"}},
        base | {"message": {"content": [{"type": "tool_result", "tool_use_id": "t", "content": "a file"}]}},
        base | {"message": {"content": "<bash-stdout>x</bash-stdout>"}},
        base | {"message": {"content": "<system-reminder>x</system-reminder>"}},
    ]
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    assert everything(reader("claude", path)) == []


def test_an_answer_written_block_by_block_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"

    def block(message: str, output: int) -> str:
        usage = {
            "input_tokens": 10,
            "cache_creation_input_tokens": 5,
            "cache_read_input_tokens": 100,
            "output_tokens": output,
        }
        return json.dumps(
            {"type": "assistant", "requestId": "r", "message": {"id": message, "model": "m", "usage": usage}}
        )

    path.write_text("\n".join([block("a", 1), block("a", 7), block("b", 2), block("a", 3), ""]))
    assert only(everything(reader("claude", path)), Sign.USAGE).data == {
        "input": 30,
        "cached": 200,
        "output": 9,
        "model": "m",
    }


def test_a_conversation_with_codex(tmp_path: Path) -> None:
    told = everything(reader("codex", recorded("codex", "turns", tmp_path)))
    assert brief(told) == [
        "conversation",
        "working",
        "prompt hello there",
        "message You said: hello there",
        "done You said: hello there",
        "working",
        "prompt run: touch a2.txt",
        "message I will run a command.",
        "interrupted",  # Esc at the dialog
        "working",
        "prompt run: touch b2.txt",
        "message I will run a command.",
        "message The tool said: Chunk I",
        "done The tool said: Chunk ID: ",
        "working",
        "prompt slow 100 0.1",
        "interrupted",
        "working",
        "prompt badreq",
        'error {"type": "error", "error',
        "usage",
    ]
    assert told[0].data["id"] == "01a1fe0f-63d8-7462-aba3-99de402370fd"
    assert only(told, Sign.USAGE).data == {"input": 400, "cached": 0, "output": 40, "model": "fake-model"}


def test_an_older_codex_that_says_everything_twice_is_heard_once(tmp_path: Path) -> None:
    path = tmp_path / "rollout.jsonl"
    item = {"type": "item_completed", "item": {"type": "UserMessage", "content": [{"type": "text", "text": "hi"}]}}
    entries = [{"type": "user_message", "message": "hi"}, item, {"type": "agent_message", "message": "ho"}]
    path.write_text("".join(json.dumps({"type": "event_msg", "payload": entry}) + "\n" for entry in entries))
    assert brief(everything(reader("codex", path))) == ["prompt hi", "message ho"]


def test_a_conversation_with_gemini(tmp_path: Path) -> None:
    told = everything(reader("gemini", recorded("gemini", "turns", tmp_path)))
    assert [line.split(" The tool")[0] for line in brief(told)] == [
        "conversation",
        "prompt hello there",
        "message You said: hello there",
        "prompt run: touch g.txt",
        "message I will run a command.",
        "answered False",
        "refused",
        "prompt run: touch h.txt",
        "message I will run a command.",
        "message",
        "prompt slow 100 0.1",
        "interrupted",
        "prompt badreq",
        'error [API Error: {"type":"err',
        "usage",
    ]
    assert only(told, Sign.USAGE).data == {"input": 40, "cached": 0, "output": 40, "model": "gemini-3.8-flash"}


def test_what_gemini_writes_again_after_a_stop_is_nothing_new(tmp_path: Path) -> None:
    path = recorded("gemini", "stopped", tmp_path)
    told = [line for line in brief(everything(reader("gemini", path))) if not line.startswith("message")]
    assert told == [
        "conversation",
        "prompt hello",
        "prompt slow 12 0.1",
        "prompt run: touch a.txt",
        "prompt run: touch b.txt",
        "answered False",  # from the inbox
        "refused",
        "prompt run: touch c.txt",
        "answered False",  # Esc at the dialog
        "refused",
        "prompt slow 200 0.1",
        "interrupted",
        "prompt badreq",
        'error [API Error: {"type":"err',
        "prompt ratelimit",
        "usage",
    ]
    lines = path.read_text().splitlines(keepends=True)
    cut = next(at for at, line in enumerate(lines) if '"<session_context>' in line and '"$set"' not in line) + 2
    prompt = {"id": "x", "timestamp": "2026-11-21T16:00:00Z", "type": "user", "content": [{"text": "after a crash"}]}
    path.write_text("".join(lines[:cut]) + json.dumps(prompt) + "\n")
    assert brief(everything(reader("gemini", path)))[-2:] == ["prompt after a crash", "usage"]


def test_a_call_of_gemini_that_was_running_when_it_was_stopped_was_refused_by_nobody(tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    call = {"id": "c", "name": "run_shell_command", "status": "cancelled"}
    entries = [
        {"id": "1", "type": "user", "content": [{"text": "sleep"}]},
        {"id": "2", "type": "info", "content": "Request cancelled."},
        {"id": "3", "type": "gemini", "content": "", "toolCalls": [call]},
    ]
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    assert brief(everything(reader("gemini", path))) == ["prompt sleep", "interrupted"]


COPILOT_ID = "965416d1-094b-4925-a32f-2761e2effe01"


def test_a_conversation_with_copilot(tmp_path: Path) -> None:
    (tmp_path / COPILOT_ID).mkdir()
    told = everything(reader("copilot", recorded("copilot", "turns", tmp_path / COPILOT_ID, "events.jsonl")))
    assert [line for line in brief(told) if not line.startswith(("message", "working"))] == [
        "conversation",
        "prompt hello",
        "done FAKE-ANSWER: hello",
        "prompt run: touch a.txt",
        "answered True",
        "done FAKE-FINAL: tool said: <s",
        "prompt run: touch b.txt",
        "answered False",  # from the inbox
        "refused",
        "prompt run: touch c.txt",
        "answered False",  # Esc at the dialog
        "refused",
        "prompt slow 200 0.1",
        "done word001 word002 word003 w",
        "prompt wait 60",
        "interrupted",
        "prompt badreq",
        "error 400 scripted 400",
        "prompt runs: sleep 5 ;; sleep ",
        "answered True",
        "refused",  # told before the end of its request
        "prompt ratelimit",
        "error Failed to get response f",
        "usage",
    ]
    assert told[0].data["id"] == COPILOT_ID
    refused = [piece.data["key"] for piece in told if piece.sign is Sign.REFUSED]
    assert len(set(refused)) == 3
    assert all(key.startswith("call_") for key in refused)
    assert only(told, Sign.USAGE).data == {"input": 80, "cached": 0, "output": 80, "model": "fake-model"}


def test_copilot_and_qwen_count_what_they_read_from_a_cache_apart(tmp_path: Path) -> None:
    told = everything(reader("copilot", recorded("copilot", "cached", tmp_path)))
    assert only(told, Sign.USAGE).data == {"input": 60, "cached": 40, "output": 10, "model": "fake-model"}
    told = everything(reader("qwen", recorded("qwen", "cached", tmp_path)))
    # once more for a side question of its own
    assert only(told, Sign.USAGE).data == {"input": 120, "cached": 80, "output": 20, "model": "fake-model"}


def of_copilot(path: Path, *events: tuple[str, dict[str, Any]], **more: Any) -> list[str]:
    lines = [{"type": kind, "data": data, "timestamp": "2026-11-21T12:00:00Z", **more} for kind, data in events]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return brief(everything(reader("copilot", path)))


def test_what_no_person_typed_to_copilot_is_no_prompt_and_its_helpers_end_no_turn(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    hidden = ("user.message", {"content": "a skill", "source": "skill-pdf"})
    pilot = ("user.message", {"content": "go on", "isAutopilotContinuation": True})
    typed = ("user.message", {"content": "mine", "delivery": "steering"})
    assert of_copilot(path, hidden, pilot, typed) == ["prompt mine"]
    turn = [("assistant.turn_start", {}), ("assistant.message", {"content": "found"}), ("assistant.turn_end", {})]
    answer = ("session.usage_record", {"usage": {"inputTokens": 5, "outputTokens": 1, "model": "small"}})
    assert of_copilot(path, *turn, ("abort", {}), answer, agentId="a1") == ["usage"]


def test_a_refusal_copilot_goes_on_after_and_what_its_rules_decide(tmp_path: Path) -> None:
    def decided(**result: Any) -> list[str]:
        asked = {"requestId": "r", "permissionRequest": {"kind": "shell", "toolCallId": "c"}}
        return of_copilot(
            tmp_path / "events.jsonl",
            ("permission.requested", asked),
            ("permission.completed", {"requestId": "r", "toolCallId": "c", **result}),
            ("abort", {"reason": "user_initiated"}),
        )

    assert decided(result={"kind": "denied-interactively-by-user"}) == ["answered False", "refused"]
    assert decided(result={"kind": "denied-by-rules"}) == ["interrupted"]
    assert decided(result={"kind": "approved"}, decisionSource="host_policy") == ["interrupted"]
    assert decided(result={"kind": "approved-for-session"}, decisionSource="human_response") == [
        "answered True",
        "interrupted",
    ]


@pytest.mark.parametrize(
    ("kind", "code", "said", "until"),
    [
        ("quota", "", "no requests left", "2026-11-28T12:00:00Z"),
        ("rate_limit", "user_weekly_rate_limited", "wait", "2026-11-28T12:00:00Z"),
        ("rate_limit", "", "You've hit your session rate limit. Try again in 2 hours.", "2026-11-21T14:00:00Z"),
        ("rate_limit", "rate_limited", "429", ""),
        ("query", "", "400", ""),
    ],
)
def test_usage_limits_of_copilot(tmp_path: Path, kind: str, code: str, said: str, until: str) -> None:
    error = {"errorType": kind, "errorCode": code, "message": said}
    quotas = {
        "chat": {"hasQuota": True, "resetDate": "2027-01-01T00:00:00Z"},
        "premium": {"hasQuota": False, "resetDate": "2026-11-28T12:00:00Z"},
    }
    path = tmp_path / "events.jsonl"
    of_copilot(path, ("session.usage_record", {"usage": {"quotaSnapshots": quotas}}), ("session.error", error))
    told = [piece for piece in everything(reader("copilot", path)) if piece.sign is not Sign.USAGE]
    if not until:
        assert [piece.sign for piece in told] == [Sign.ERROR]
        return
    limited = only(told, Sign.LIMITED)
    assert limited.data["until_ns"] == moment(until)
    assert limited.data["message"] == said


def test_a_conversation_with_qwen(tmp_path: Path) -> None:
    name = "964308fb-5ba4-473b-8c06-ab1fa7d6e396"
    told = everything(reader("qwen", recorded("qwen", "turns", tmp_path, f"{name}.jsonl")))
    assert [line for line in brief(told) if not line.startswith("message")] == [
        "conversation",
        "prompt hello",
        "done FAKE-ANSWER: hello",
        "prompt run: touch a.txt",
        "working",
        "done FAKE-FINAL: tool said: Co",
        "prompt run: touch b.txt",
        "working",
        "answered False",  # from the inbox
        "refused",
        "prompt run: touch c.txt",
        "working",
        "answered False",  # Esc at the dialog
        "refused",
        "prompt slow 200 0.1",
        "interrupted",  # Esc while it streamed
        "prompt wait 60",  # Esc before its first word
        "prompt badreq",
        "error 400 scripted 400",
        "prompt runs: sleep 5 ;; sleep ",
        "error 400 scripted 400",
        "prompt ratelimit",
        "error 400 scripted 400",
        "usage",
    ]
    assert told[0].data["id"] == name
    assert only(told, Sign.USAGE).data == {"input": 60, "cached": 0, "output": 60, "model": "fake-model"}


def of_qwen(path: Path, *records: dict[str, Any]) -> list[str]:
    lines = [{"timestamp": "2026-11-21T12:00:00Z", **record} for record in records]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return brief(everything(reader("qwen", path)))


def telemetry(name: str, **more: Any) -> dict[str, Any]:
    event = {"event.name": f"qwen-code.{name}", **more}
    return {"type": "system", "subtype": "ui_telemetry", "systemPayload": {"uiEvent": event}}


def test_what_qwen_leaves_half_said_was_stopped_by_a_person_or_by_an_error(tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    prompt = {"type": "user", "provenance": "real_user", "message": {"parts": [{"text": "hi"}]}}
    answer = {"type": "assistant", "message": {"parts": [{"text": "hm", "thought": True}, {"text": "ho"}]}}
    told = telemetry("api_response", input_token_count=3, output_token_count=2)
    assert of_qwen(path, prompt, told, answer, prompt, answer) == [
        "prompt hi", "done ho", "prompt hi", "message ho", "interrupted", "usage",
    ]  # fmt: skip
    failed = telemetry("api_error", error_message="connection lost", status_code=500)
    assert of_qwen(path, prompt, told, answer, prompt, failed, answer)[-3:] == ["prompt hi", "done ho", "usage"]
    # a version that writes no telemetry says nothing of where an answer ended
    assert of_qwen(path, prompt, answer) == ["prompt hi", "done ho"]
    running = {
        "type": "tool_result",
        "toolCallResult": {"callId": "c", "status": "cancelled", "executionStatus": "error"},
    }
    assert of_qwen(path, prompt, running) == ["prompt hi", "interrupted"]


def test_commands_of_qwen_itself_and_what_its_own_goals_ask(tmp_path: Path) -> None:
    def command(sent: bool) -> list[str]:
        said = {"phase": "invocation", "rawCommand": "/about", "sentToModel": sent}
        records = [
            {"type": "system", "subtype": "slash_command", "systemPayload": p} for p in (said, {"phase": "result"})
        ]
        return of_qwen(tmp_path / "chat.jsonl", *records)

    assert command(sent=False) == ["prompt /about", "idle"]
    assert command(sent=True) == ["prompt /about"]
    goal = {"type": "user", "provenance": "goal_runtime", "message": {"parts": [{"text": "go on"}]}}
    steered = {
        "type": "user",
        "subtype": "mid_turn_user_message",
        "message": {"parts": [{"text": "<wrapped>stop</wrapped>"}]},
        "systemPayload": {"displayText": "stop"},
    }
    assert of_qwen(tmp_path / "chat.jsonl", goal, steered) == ["prompt stop"]


def test_a_usage_limit_of_qwen_is_told_by_the_attempt_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    said = "429 You exceeded your current quota. Try again in 3 hours 5 minutes."
    records = telemetry("api_error", error_message="429 slow down"), telemetry("api_error", error_message=said)
    assert of_qwen(path, *records) == [f"limited {said}"[:30]]
    (limited,) = everything(reader("qwen", path))
    assert limited.data["until_ns"] == moment("2026-11-21T15:05:00Z")


@pytest.mark.parametrize(
    ("name", "talk"),
    [
        ("claude", "turns"),
        ("claude", "queued"),
        ("codex", "turns"),
        ("copilot", "turns"),
        ("gemini", "turns"),
        ("gemini", "stopped"),
        ("qwen", "turns"),
    ],
)
def test_read_while_it_is_written_it_says_the_same(tmp_path: Path, name: str, talk: str) -> None:
    whole = (HERE / name / f"{talk}.jsonl").read_bytes()
    at_once = everything(reader(name, recorded(name, talk, tmp_path)))
    growing = tmp_path / "growing.jsonl"
    source = reader(name, growing)
    told: list[Evidence] = []
    for begin in range(0, len(whole), 4_001):
        with growing.open("ab") as out:
            out.write(whole[begin : begin + 4_001])
        told += everything(source)
    assert source.read() == []
    summary = (Sign.USAGE, Sign.CONVERSATION)
    assert [(p.sign, p.wall_ns, p.data) for p in told if p.sign not in summary] == [
        (p.sign, p.wall_ns, p.data) for p in at_once if p.sign not in summary
    ]
    assert [p.data for p in told if p.sign is Sign.USAGE][-1] == only(at_once, Sign.USAGE).data


def test_the_first_look_at_a_long_conversation_tells_its_newest_part_and_all_of_its_totals(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    usage = {"input_tokens": 1, "output_tokens": 2}
    filler = "x" * 2_000
    with path.open("w") as out:
        for number in range(3_000):
            stamp = f"2026-11-21T12:{number // 60 % 60:02}:{number % 60:02}Z"
            user = {"type": "user", "timestamp": stamp, "message": {"content": f"prompt {number} {filler}"}}
            message = {"id": f"m{number}", "model": "m", "usage": usage}
            out.write(json.dumps(user) + "\n" + json.dumps({"type": "assistant", "message": message}) + "\n")
    source = reader("claude", path)
    told: list[Evidence] = []
    calls = 0
    while not calls or source.more:
        told += source.read()
        calls += 1
    assert calls > 10
    prompts = [piece.data["prompt"].split()[1] for piece in told if piece.sign is Sign.PROMPT]
    assert prompts == [str(number) for number in range(3_000 - len(prompts), 3_000)]
    assert len(prompts) <= 64
    assert only(told, Sign.USAGE).data == {"input": 3_000, "cached": 0, "output": 6_000, "model": "m"}


def test_a_replaced_transcript_is_counted_anew(tmp_path: Path) -> None:
    path = recorded("claude", "turns", tmp_path)
    source = reader("claude", path)
    everything(source)
    path.unlink()
    recorded("claude", "queued", tmp_path, "turns.jsonl")
    told = everything(source)
    assert told[0].data["prompt"] == "slow 60 0.1"
    assert only(told, Sign.USAGE).data["input"] == 57_357


def test_lines_that_are_no_entries_are_counted_and_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    prompt = json.dumps({"type": "user", "message": {"content": "hello"}})
    path.write_bytes(b"not json\n[1]\n" + b"[" * 200_000 + b"\n\xff\xfe\n" + prompt.encode() + b"\n" + b'{"half":')
    source = reader("claude", path)
    assert [piece.sign for piece in everything(source)] == [Sign.PROMPT]
    assert source.invalid == 4


def test_a_time_to_come_is_now(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    path.write_text(
        json.dumps({"type": "user", "timestamp": "9999-12-31T23:59:59Z", "message": {"content": "hi"}}) + "\n"
    )
    assert everything(reader("claude", path))[0].wall_ns == NOW


def test_long_texts_are_cut(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    said = {"model": "m", "stop_reason": "end_turn", "content": [{"type": "text", "text": "y" * 900_000}]}
    path.write_text(
        json.dumps({"type": "user", "message": {"content": "x" * 900_000}})
        + "\n"
        + json.dumps({"type": "assistant", "message": said})
        + "\n"
    )
    prompt, done = everything(reader("claude", path))
    assert len(prompt.data["prompt"]) == 16_000
    assert len(done.data["message"]) == 2_000


def test_where_transcripts_lie(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path)}
    claude = transcripts.find("claude", environ, "/home/ann/my shop.d", CLAUDE_ID)
    assert claude == tmp_path / f".claude/projects/-home-ann-my-shop-d/{CLAUDE_ID}.jsonl"
    assert transcripts.find("claude", {"CLAUDE_CONFIG_DIR": "/c"}, "/x", CLAUDE_ID) == Path(
        f"/c/projects/-x/{CLAUDE_ID}.jsonl"
    )
    assert transcripts.find("claude", environ, "/x", "../../etc/passwd") is None
    assert transcripts.find("claude", {}, "/x", CLAUDE_ID) is None

    thread = "01a1fe0f-63d8-7462-aba3-99de402370fd"
    assert transcripts.find("codex", environ, "/x", thread) is None
    rollout = tmp_path / f".codex/sessions/2026/11/21/rollout-2026-11-21T12-23-03-{thread}.jsonl"
    rollout.parent.mkdir(parents=True)
    rollout.touch()
    assert transcripts.find("codex", environ, "/x", thread) == rollout
    assert transcripts.find("codex", {"CODEX_HOME": str(tmp_path / ".codex")}, "/x", thread) == rollout
    assert transcripts.find("codex", environ, "/x", "ffffffff-ffff-ffff-ffff-ffffffffffff") is None

    chat = tmp_path / ".gemini/tmp/shop/chats/session-2026-11-21T12-35-e280d8f6.jsonl"
    chat.parent.mkdir(parents=True)
    recorded("gemini", "turns", chat.parent, chat.name)
    assert transcripts.find("gemini", environ, "/x", "e280d8f6-b608-425d-ab7f-a5a581d579a5") == chat
    assert transcripts.find("gemini", environ, "/x", "e280d8f6-0000-425d-ab7f-a5a581d579a5") is None

    assert transcripts.find("copilot", environ, "/x", COPILOT_ID) == tmp_path.joinpath(
        f".copilot/session-state/{COPILOT_ID}/events.jsonl"
    )
    assert transcripts.find("copilot", {"COPILOT_HOME": "/c"}, "/x", COPILOT_ID) == Path(
        f"/c/session-state/{COPILOT_ID}/events.jsonl"
    )
    assert transcripts.find("copilot", environ, "/x", "..") is None
    assert transcripts.find("copilot", {}, "/x", COPILOT_ID) is None

    qwen = transcripts.find("qwen", environ, "/home/ann/my shop.d", COPILOT_ID)
    assert qwen == tmp_path / f".qwen/projects/-home-ann-my-shop-d/chats/{COPILOT_ID}.jsonl"
    for name in ("QWEN_HOME", "QWEN_RUNTIME_DIR"):
        moved = transcripts.find("qwen", {**environ, name: "/q"}, "/x", COPILOT_ID)
        assert moved == Path(f"/q/projects/-x/chats/{COPILOT_ID}.jsonl")
    assert transcripts.find("qwen", {"QWEN_HOME": "~/q"}, "/x", COPILOT_ID) is None
    assert transcripts.find("qwen", environ, "/x", "a/../../b") is None


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def mutated(entry: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """An entry as recorded, with anything in the place of something, at any depth of two."""

    def change(keys: list[str], values: list[Any], inner: Any) -> dict[str, Any]:
        other = json.loads(json.dumps(entry))
        for key, value in zip(keys, values, strict=False):
            other[key] = value
        for name in ("message", "payload", "quotaLimits", "data", "systemPayload", "toolCallResult"):
            if isinstance(other.get(name), dict) and other[name] and inner is not None:
                other[name][sorted(other[name])[len(values) % len(other[name])]] = inner
        return other

    keys = st.lists(st.sampled_from(sorted(entry)), max_size=2)
    return st.builds(change, keys, st.lists(anything, min_size=2, max_size=2), anything)


ENTRIES = {
    name: [json.loads(line) for file in sorted((HERE / name).glob("*.jsonl")) for line in file.read_text().splitlines()]
    for name in transcripts.FORMATS
}


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "talk.jsonl"


@pytest.mark.parametrize("name", transcripts.FORMATS)
@settings(max_examples=250, deadline=None)
@given(data=st.data())
def test_no_entry_breaks_a_reader(fuzzed: Path, name: str, data: st.DataObject) -> None:
    path = fuzzed
    entries = data.draw(st.lists(st.sampled_from(ENTRIES[name]).flatmap(mutated) | anything, max_size=6))
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    for piece in everything(reader(name, path)):
        assert 0 <= piece.wall_ns <= NOW
        assert json.dumps(dict(piece.data))
