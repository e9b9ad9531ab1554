"""The evidence of a whole step."""

import asyncio
import json
import os
import resource
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.evidence import Evidence, keeping
from pipelines.model import Outcome, StepPlan, StepResult
from pipelines.ports import Turn
from quarterdeck.redaction import Redactor
from sessions.git import ask

TOKEN = "correct-horse-battery-staple-0815"


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "work" / ".quarterdeck" / "runs"


@pytest.fixture
def work(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    subprocess.run(["git", "init", "-q", folder], env=environ, check=True)
    return folder


STEP = StepPlan(key="work[os=linux]", name="work", artifacts=("*.log",))
DONE = StepResult(key=STEP.key, outcome=Outcome.SUCCEEDED, started_ns=1_700_000_000 * 10**9)
PLACE = "steps/work-os-linux-"


def turn(agent, **values):
    return Turn(outcome=Outcome.SUCCEEDED, agent_id=agent.id, **values)


async def test_everything_of_a_step(deck, work, runs, redactor, printed, tmp_path):
    transcript = tmp_path / "talk.jsonl"
    transcript.write_text(f'{{"say": "it is {TOKEN}"}}\nnot json\n{{"end": true}}\n')
    (work / "new.txt").write_text(f"token={TOKEN}\n")
    (work / "build.log").write_text("built\n")
    (work / "leak.log").write_text(TOKEN)
    agents = [
        printed("\x1b[1mhello\x1b[m\r\n", f"it is {TOKEN}\r\n"),
        printed("4 passed\r\n", name="work-1-0-check-1", profile="custom", reason=""),
        printed("again\r\n", name="work.2@1"),
    ]
    turns = [turn(agents[0], transcript=str(transcript)), turn(agents[2], transcript=str(transcript))]
    evidence = Evidence(runs / "r1", redactor)
    result = await evidence.keep(deck, STEP, DONE, agents, turns)
    assert result == replace(
        DONE,
        log=result.log,
        recording=result.recording,
        transcript=result.transcript,
        diff=result.diff,
        artifacts=result.artifacts,
        unkept=("artifact leak.log: it holds the secret DEPLOY_TOKEN",),
    )
    folder = runs / "r1"
    paths = [result.log, result.recording, result.transcript, result.diff, *result.artifacts]
    assert all(path.startswith(PLACE) for path in paths)
    assert (folder / result.log).read_text() == (
        "=== work-1 (claude): exit status 0 ===\nhello\nit is [redacted: DEPLOY_TOKEN]\n\n"
        "=== work-1-0-check-1 (custom) ===\n4 passed\n\n"
        "=== work.2@1 (claude): exit status 0 ===\nagain\n\n"
    )
    assert result.recording.endswith("/work.2@1.cast")
    casts = sorted((folder / result.recording).parent.glob("*.cast"))
    assert [cast.name for cast in casts] == ["work-1-0-check-1.cast", "work-1.cast", "work.2@1.cast"]
    for cast in casts:
        header, *events = map(json.loads, cast.read_text().splitlines())
        assert header["version"] == 2
        assert events
    assert (folder / result.transcript).read_text() == '{"say": "it is [redacted: DEPLOY_TOKEN]"}\n{"end": true}\n'
    diff = (folder / result.diff).read_text()
    assert "+token=[redacted: DEPLOY_TOKEN]" in diff
    assert "new.txt" in diff
    assert "runs" not in diff
    assert [Path(path).name for path in result.artifacts] == ["build.log"]
    index = json.loads((folder / result.log).with_name("index.json").read_text())
    assert [one["kind"] for one in index["files"]] == [
        *("log", "recording", "recording", "recording", "transcript", "diff", "artifact")
    ]
    assert all((folder / one["path"]).stat().st_size == one["bytes"] for one in index["files"])
    assert await ask(work, "status", "--short") == "?? build.log\n?? leak.log\n?? new.txt"
    for path in folder.rglob("*"):
        assert TOKEN.encode() not in (path.read_bytes() if path.is_file() else b"")
        assert not path.name.endswith(".part")


async def test_kept_again_it_is_the_same(deck, work, runs, redactor, printed):
    (work / "a.log").write_text("a")
    agents = [printed("x\r\n")]
    evidence = Evidence(runs / "r1", redactor)
    first = await evidence.keep(deck, STEP, DONE, agents, [turn(agents[0])])
    files = {path: path.read_bytes() for path in runs.rglob("*") if path.is_file()}
    (work / "a.log").unlink()
    (work / "b.log").write_text("b")
    second = await evidence.keep(deck, STEP, DONE, agents, [turn(agents[0])])
    assert replace(second, artifacts=(), diff="") == replace(first, artifacts=(), diff="")
    assert [Path(path).name for path in second.artifacts] == ["b.log"]
    assert {path.name for path in runs.rglob("*.log")} == {"b.log"}
    assert {path.name for path in files} - {path.name for path in runs.rglob("*")} == {"a.log"}


async def test_a_step_that_ran_nothing(deck, runs, redactor):
    result = await Evidence(runs / "r1", redactor).keep(deck, STEP, DONE, [], [])
    assert result == DONE


async def test_a_recording_that_would_show_a_secret_is_not_kept_and_told(deck, work, runs, redactor, printed):
    pieces = [f"\x1b[1;{n + 1}H{char}\x1b[6;1H{n:02}" for n, char in enumerate(TOKEN)]
    agent = printed(*pieces)
    result = await Evidence(runs / "r1", redactor).keep(deck, STEP, DONE, [agent], [turn(agent)])
    assert result.recording == ""
    assert result.unkept == ("recording of work-1: it would show a secret that cannot be taken out",)
    assert result.outcome is Outcome.SUCCEEDED
    assert not list(runs.rglob("*.cast*"))
    assert TOKEN not in (runs / "r1" / result.log).read_text()


async def test_what_is_gone_or_no_file_is_told(deck, work, runs, redactor, printed, tmp_path):
    agent = printed("x")
    os.mkfifo(tmp_path / "pipe.jsonl")
    sources = [str(tmp_path / "none.jsonl"), str(tmp_path / "pipe.jsonl"), "/x\0"]
    turns = [turn(agent, transcript=one) for one in sources]
    result = await Evidence(runs / "r1", redactor).keep(deck, STEP, DONE, [agent], turns)
    assert result.transcript == ""
    assert result.unkept == (
        "transcript: No such file or directory",
        "transcript: it is no regular file",
        "transcript: embedded null byte",
    )
    assert result.log


@pytest.mark.parametrize("link", ["runs", "runs/r1", "runs/r1/steps"])
async def test_nothing_is_written_through_a_link(deck, work, runs, redactor, printed, tmp_path, link):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    place = runs.parent / link
    place.parent.mkdir(parents=True)
    place.symlink_to(elsewhere)
    agent = printed("x")
    result = await Evidence(runs / "r1", redactor).keep(deck, STEP, DONE, [agent], [turn(agent)])
    assert len(result.unkept) == 1
    assert result.unkept[0].startswith("everything: cannot keep evidence in ")
    assert (result.log, list(elsewhere.iterdir())) == ("", [])


@pytest.fixture
def small_disk():
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", place]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("mounting a small tmpfs is not permitted here")
        yield Path(place)
        subprocess.run(["umount", place], check=True)


async def test_on_a_full_disk_files_are_whole_or_not_there(deck, work, redactor, printed, small_disk):
    long = printed("".join(f"line {n} of a long log\r\n" for n in range(20_000)), name="long")
    short = printed("short\r\n", name="short")
    (work / "a.log").write_bytes(b"\0" * 300_000)
    (work / "b.log").write_text("b")
    folder = small_disk / "r1"
    result = await Evidence(folder, redactor).keep(deck, STEP, DONE, [long, short], [turn(short)])
    assert result.outcome is Outcome.SUCCEEDED
    assert [one.partition(":")[0] for one in result.unkept] == ["log", "recording of long", "artifact a.log"]
    assert all("No space left" in one for one in result.unkept)
    assert Path(result.recording).name == "short.cast"
    assert [Path(path).name for path in result.artifacts] == ["b.log"]
    files = sorted(path.name for path in folder.rglob("[!.]*") if path.is_file())
    assert files == ["b.log", "changes.diff", "index.json", "short.cast"]


async def test_cancelled_it_ends_soon_and_leaves_no_half_file(deck, work, runs, redactor, printed):
    agent = printed(*("".join(f"\x1b[3{n % 8}mline {n}\x1b[0m of many\r\n" for n in range(4_000)) for _ in range(100)))
    task = asyncio.create_task(Evidence(runs / "r1", redactor).keep(deck, STEP, DONE, [agent], [turn(agent)]))
    deadline = time.monotonic() + 30
    while not list(runs.rglob("*.part")):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [path.name for path in runs.rglob("*") if path.is_file()] == [".gitignore"]


async def test_a_long_journal_takes_little_memory_and_the_loop_goes_on(deck, work, runs, printed):
    line = "\x1b[3{}mline {:05}\x1b[0m of a long log that says little\r\n"
    lines = "".join(line.format(n % 8, n) for n in range(4_000)).encode()
    agent = printed(*([lines] * 90), lines=24, cols=80)
    assert len(lines) * 90 > 17 << 20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.01)

    ticking = asyncio.create_task(tick())
    redactor = Redactor({"A": TOKEN})
    result = await Evidence(runs / "r1", redactor).keep(deck, STEP, DONE, [agent], [turn(agent)])
    ticking.cancel()
    await asyncio.gather(ticking, return_exceptions=True)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 14 << 10  # KB, on Linux
    assert ticks > 5
    folder = runs / "r1"
    assert (folder / result.log).read_bytes().count(b"of a long log") == 360_000
    assert (folder / result.recording).stat().st_size > 17 << 20


async def test_too_long_a_log_is_cut_and_too_long_a_recording_left_out(
    deck, work, runs, redactor, printed, monkeypatch
):
    monkeypatch.setattr(keeping, "LOG_LIMIT", 1_000)
    monkeypatch.setattr(keeping, "CAST_LIMIT", 2_000)
    agent = printed("".join(f"line {n}\r\n" for n in range(5_000)))
    result = await Evidence(runs / "r1", redactor).keep(deck, STEP, DONE, [agent], [turn(agent)])
    assert (runs / "r1" / result.log).read_text().endswith("(cut here: it is too long to be kept whole)\n")
    assert result.recording == ""
    assert result.unkept == ("recording of work-1: it is larger than 0 MB",)


async def test_output_that_was_not_recorded_is_told(deck, work, runs, redactor, printed):
    agent = printed("before\r\n", 5_000_000, "between\r\n", 1_000, "after\r\n")
    result = await Evidence(runs / "r1", redactor).keep(deck, STEP, DONE, [agent], [turn(agent)])
    said = "output of work-1: 5,001,000 bytes of it are missing: there was no room for them in the state folder"
    assert result.unkept == (said,)
    assert json.loads((runs / "r1" / result.log).with_name("index.json").read_text())["unkept"] == [said]
    assert "after" in (runs / "r1" / result.log).read_text()
