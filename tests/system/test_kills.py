"""kill -9 of anything, at random instants, while agents print numbered lines."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

Fleet = Any
ONE_READ = 64 << 10
needs_tmux = pytest.mark.skipif(not shutil.which("tmux"), reason="tmux is not installed")


def finished(fleet: Fleet, until: Callable[..., Any], *names: str) -> None:
    for name in names:
        until(lambda name=name: fleet.agent(name)["status"] == "exited", f"{name} exits")
        until(lambda name=name: "finished" in fleet.screen(name), f"all of {name} is drawn")


def assert_nothing_lost(fleet: Fleet, name: str) -> None:
    data, gaps = fleet.journal(name)
    assert not gaps
    assert data == fleet.record(name).read_bytes()
    assert fleet.screen(name, "ansi") == fleet.fresh_screen(name)


def assert_but_for_an_instant(data: bytes, record: bytes, kills: int) -> None:
    """All of ``record``, but for what a killed holder had just read and not yet written: one read at each kill."""
    at = 0
    while data[at:] != record[at:] and kills:
        pairs = zip(data[at:], record[at:], strict=False)
        at += next((n for n, (one, other) in enumerate(pairs) if one != other), len(data) - at)
        record = record[:at] + record[record.index(data[at : at + 200], at, at + ONE_READ + 200) :]
        kills -= 1
    assert data == record


def holder_pid(fleet: Fleet, name: str) -> int:
    pid: int = json.loads((fleet.folder(name) / "holder.json").read_text())["pid"]
    return pid


def record_grows(fleet: Fleet, until: Callable[..., Any], name: str, by: int) -> None:
    """Wait until the agent printed ``by`` more bytes, by its own account."""
    path = fleet.record(name)
    until(path.exists, f"{name} prints")
    target = path.stat().st_size + by
    until(lambda: path.stat().st_size >= target or b"finished" in path.read_bytes()[-20:], f"{name} prints on")


def test_orchestrator_killed_again_and_again(fleet: Fleet, until: Callable[..., Any]) -> None:
    names = [f"a{n}" for n in range(4)]
    pids = {name: fleet.printer(name, 3000, 0.001)["pid"] for name in names}
    for _ in range(4):
        record_grows(fleet, until, random.choice(names), random.randrange(100, 20_000))
        fleet.kill_orchestrator()
    finished(fleet, until, *names)
    for name in names:
        assert fleet.agent(name)["pid"] == pids[name]
        assert fleet.agent(name)["exit_code"] == 0
        assert_nothing_lost(fleet, name)


def test_preloaded_parent_killed(fleet: Fleet, until: Callable[..., Any]) -> None:
    fleet.printer("before", 2000, 0.001)
    parents = [pid for pid in fleet.children_of(fleet.orchestrator()) if "holder" in fleet.command_of(pid)]
    assert len(parents) == 1
    os.kill(parents[0], signal.SIGKILL)
    fleet.printer("after", 500, 0.001)
    finished(fleet, until, "before", "after")
    assert_nothing_lost(fleet, "before")
    assert_nothing_lost(fleet, "after")


def kill_with_holder(fleet: Fleet, until: Callable[..., Any], name: str) -> None:
    """End an agent's program and its holder, so that nobody writes down how it ended."""
    pid, holder = fleet.agent(name)["pid"], holder_pid(fleet, name)
    os.kill(holder, signal.SIGSTOP)
    os.kill(pid, signal.SIGKILL)
    until(lambda: pid not in fleet.left(), "the program is dead")
    os.kill(holder, signal.SIGKILL)


def test_holders_killed_again_and_again(fleet: Fleet, until: Callable[..., Any]) -> None:
    pids = {name: fleet.printer(name, 6000, 0.001)["pid"] for name in ("victim", "other")}
    for _ in range(3):
        record_grows(fleet, until, "victim", random.randrange(100, 20_000))
        holder = holder_pid(fleet, "victim")
        os.kill(holder, signal.SIGKILL)
        until(lambda holder=holder: holder_pid(fleet, "victim") != holder, "another holder takes its place")
    finished(fleet, until, *pids)
    for name, pid in pids.items():
        assert fleet.agent(name)["pid"] == pid
    assert_nothing_lost(fleet, "other")
    data, gaps = fleet.journal("victim")
    assert not gaps
    assert_but_for_an_instant(data, fleet.record("victim").read_bytes(), kills=3)
    assert fleet.screen("victim", "ansi") == fleet.fresh_screen("victim")
    assert fleet.agent("other")["exit_code"] == 0
    assert fleet.agent("victim")["exit_code"] is None, "who reaps it is not its holder"


def test_an_agent_killed_with_its_holder_is_lost(fleet: Fleet, until: Callable[..., Any]) -> None:
    fleet.printer("victim", 1_000_000, 0.001)
    fleet.printer("other", 2000, 0.001)
    record_grows(fleet, until, "victim", 5000)
    kill_with_holder(fleet, until, "victim")
    until(lambda: fleet.agent("victim")["status"] == "lost", "the agent is lost")
    finished(fleet, until, "other")
    assert_nothing_lost(fleet, "other")
    data, gaps = fleet.journal("victim")
    assert not gaps
    assert fleet.record("victim").read_bytes().startswith(data)
    assert fleet.screen("victim", "ansi") == fleet.fresh_screen("victim")


def test_a_lost_agent_whose_policy_says_so_is_resumed_once(fleet: Fleet, until: Callable[..., Any]) -> None:
    first = fleet.printer("phoenix", 1_000_000, 0.001, restore="auto")
    record_grows(fleet, until, "phoenix", 2000)
    kill_with_holder(fleet, until, "phoenix")
    until(lambda: fleet.agent("phoenix")["pid"] not in (0, first["pid"]), "a new program runs")
    until(lambda: fleet.agent("phoenix")["status"] == "running", "it is running")
    record_grows(fleet, until, "phoenix", 2000)
    assert fleet.running_with(str(fleet.record("phoenix"))) == [fleet.agent("phoenix")["pid"]]


def test_everything_killed_at_once(fleet: Fleet, until: Callable[..., Any]) -> None:
    for n in range(3):
        fleet.printer(f"a{n}", 1_000_000, 0.001, restore="never")
    record_grows(fleet, until, "a1", 20_000)
    fleet.orchestrator()
    fleet.remember_all()
    fleet.kill_all()
    until(lambda: not fleet.left(), "all are gone")
    for n in range(3):
        name = f"a{n}"
        assert fleet.agent(name)["status"] == "lost"
        data, gaps = fleet.journal(name)
        assert {gap.reason for gap in gaps} <= {"unseen"}, "what rested is gone with everything, and a gap says so"
        assert data
        assert fleet.record(name).read_bytes().startswith(data)
        assert fleet.screen(name, "ansi") == fleet.fresh_screen(name)
    report = fleet.request("POST", "/v1/restore", {"agents": ["a0"]})
    assert [o["action"] for o in report["outcomes"]] == ["resumed"]
    assert fleet.agent("a0")["status"] == "running"
    assert len(fleet.running_with(str(fleet.record("a0")))) == 1


def test_a_reboot_interrupts_all_and_resumes_what_its_policy_says(fleet: Fleet, until: Callable[..., Any]) -> None:
    """Everything dies and another boot begins (the remembered boot id is the only trace of the old one)."""
    for policy in ("auto", "ask", "never"):
        fleet.printer(policy, 1_000_000, 0.001, restore=policy)
    record_grows(fleet, until, "ask", 5000)
    ids = {policy: fleet.agent(policy)["id"] for policy in ("auto", "ask", "never")}
    fleet.orchestrator()
    fleet.remember_all()
    fleet.kill_all()
    until(lambda: not fleet.left(), "all are gone")
    with sqlite3.connect(fleet.paths.database) as database:
        database.execute("UPDATE meta SET value = 'another boot' WHERE key = 'boot_id'")
    database.close()
    for agent_id in ids.values():
        facts = fleet.paths.agent(agent_id) / "holder.json"
        facts.write_text(json.dumps(json.loads(facts.read_text()) | {"boot": "another boot"}))
    until(lambda: fleet.agent("auto")["status"] == "running", "it is resumed by itself")
    assert fleet.agent("ask")["status"] == "interrupted"
    assert fleet.agent("never")["status"] == "interrupted"
    report = fleet.request("GET", "/v1/restore")
    assert report["rebooted"]
    until(lambda: fleet.actions() == {"auto": "resumed", "ask": "waiting", "never": "kept"}, "the report says so")
    assert re.search(r"line \d{6}", fleet.screen("never"))
    until(lambda: b"started again" in fleet.journal("auto")[0], "its new life is marked")
    assert fleet.screen("never", "ansi") == fleet.fresh_screen("never")


@needs_tmux
def test_tmux_server_killed_loses_its_agents_only(fleet: Fleet, until: Callable[..., Any]) -> None:
    fleet.printer("native", 3000, 0.001)
    panes = [fleet.printer(f"pane{n}", 1_000_000, 0.001, adapter="tmux") for n in range(2)]
    record_grows(fleet, until, "pane1", 5000)
    os.kill(fleet.tmux_server(), signal.SIGKILL)
    for pane in panes:
        until(lambda pane=pane: fleet.agent(pane["name"])["status"] == "lost", "its pane is lost")
    finished(fleet, until, "native")
    assert_nothing_lost(fleet, "native")
    for pane in panes:
        data, gaps = fleet.journal(pane["name"])
        assert not gaps
        assert fleet.record(pane["name"]).read_bytes().startswith(data)
        assert fleet.screen(pane["name"], "ansi") == fleet.fresh_screen(pane["name"])


@needs_tmux
def test_orchestrator_killed_with_tmux_panes(fleet: Fleet, until: Callable[..., Any]) -> None:
    pane = fleet.printer("pane", 3000, 0.001, adapter="tmux")
    for _ in range(3):
        record_grows(fleet, until, "pane", 10_000)
        fleet.kill_orchestrator()
    finished(fleet, until, "pane")
    assert fleet.agent("pane")["pid"] == pane["pid"]
    assert_nothing_lost(fleet, "pane")


def test_a_stopped_orchestrator_harms_nobody(fleet: Fleet, until: Callable[..., Any]) -> None:
    """SIGSTOP under flood: the agent goes on after the holder's patience, and all of it is read later."""
    fleet.printer("flood", 200_000, 0.0)
    pid = fleet.orchestrator()
    os.kill(pid, signal.SIGSTOP)
    try:
        record = fleet.record("flood")
        until(lambda: record.exists() and record.read_bytes()[-10:] == b"finished\r\n", "the agent prints all it has")
    finally:
        os.kill(pid, signal.SIGCONT)
    finished(fleet, until, "flood")
    assert_nothing_lost(fleet, "flood")


def test_two_hundred_agents_at_once(fleet: Fleet, until: Callable[..., Any]) -> None:
    for n in range(200):
        fleet.start(f"sh{n}", ["sh", "-c", "echo ready; exec cat"])
    assert len(fleet.request("GET", "/v1/agents")) == 200
    fleet.kill_orchestrator()
    agents = fleet.request("GET", "/v1/agents")
    assert [a["status"] for a in agents] == ["running"] * 200
    assert all("ready" in fleet.screen(f"sh{n}") for n in (0, 99, 199))
