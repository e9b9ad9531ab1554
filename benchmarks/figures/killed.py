"""kill -9 of the orchestrator and the TUI while fifty agents print, then a restart.

Within the limits: fifty agents print coloured numbered lines, twenty a second each, and keep a record of every byte.
Orchestrator and TUI are killed; a second later the TUI is started again, which starts the orchestrator. The clock
runs from the fork of the TUI until a second client has been sent, of each of the fifty agents, a screen that stands
at or past what the journal held at that fork, and the TUI has painted live lines. The agents print all the while.
When they have finished, every journal must equal its agent's record byte for byte, and every screen the same bytes
through a fresh emulator.

Beyond the limit: four agents print 40 MB each while no orchestrator runs, with a journal limit of 16 MB. After the
restart each screen must end as the record does, the gap must be told as an event, and what the journal still holds
must be the record's bytes at those offsets. There is no peer: a tmux server that is killed takes its programs along.
"""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

from benchmarks.following import Following
from benchmarks.report import Result
from benchmarks.rig import Rig, program, rig
from orchestrator.client import Client
from quarterdeck.process import identity
from terminals.journal import Bytes, Gap, Reader, end
from terminals.screen import Screen

AGENTS, PER_SECOND = 50, 20
BEYOND, LINES_BEYOND, LIMIT = 4, 900_000, 16 << 20
NO_PEER = "tmux: its programs die with the server"


def measure(quick: bool) -> list[Result]:
    """See the module."""
    seconds = [within() for _ in range(1 if quick else 3)]
    return [
        Result(
            figure=f"kill -9 of orchestrator and TUI, {AGENTS} agents printing: restart until every screen is right",
            goal="<= 2 s, journals byte-exact",
            measured=f"median {sorted(seconds)[len(seconds) // 2]:.2f} s (of {len(seconds)}: "
            f"{', '.join(f'{s:.2f}' for s in seconds)}); {AGENTS} of {AGENTS} journals and screens exact",
            peer=NO_PEER,
            met=sorted(seconds)[len(seconds) // 2] <= 2,
        ),
        beyond(),
    ]


def record(ours: Rig, agent: Any) -> Path:
    """Where an agent keeps its own account."""
    return ours.home / f"{agent['name']}.record"


def kill(pid: int) -> None:
    """kill -9, and wait until it is dead."""
    who = identity(pid)
    os.kill(pid, signal.SIGKILL)
    while identity(pid) == who:
        time.sleep(0.001)


def within() -> float:
    """Seconds from the restart until all is right; raises where anything is not."""
    with rig() as ours:
        agents = []
        for number in range(AGENTS):
            path = ours.home / f"a{number}.record"
            agents.append(ours.agent(f"a{number}", program("printer", path, PER_SECOND, PER_SECOND * 12)))
        tui = ours.tui()
        ours.outers.expect(tui, b"line ")
        ours.outers.pump(1.0)
        kill(ours.orchestrator())
        ours.outers.close(tui)
        ours.outers.pump(1.0)
        targets = {agent["id"]: end(ours.folder(agent) / "journal") for agent in agents}
        began = time.monotonic()
        tui = ours.tui()
        ours.outers.until(Client(ours.paths, start=False).well, "the orchestrator is back", poll=0.002)
        with Following(ours.paths, targets) as seen:
            ours.outers.until(lambda: seen.reached(targets), "every screen is there", poll=0.002)
            followed = time.monotonic() - began
        painted = ours.outers.expect(tui, b"line ") - began
        finish(ours, agents, "finished")
        for agent in agents:
            data, gaps = ours.journal(agent)
            assert not gaps, f"{agent['name']} has gaps: {gaps}"
            assert data == record(ours, agent).read_bytes(), f"the journal of {agent['name']} is not its record"
            shown = ours.request("GET", f"/v1/agents/{agent['id']}")
            screen = ours.request("GET", f"/v1/agents/{agent['id']}/screen?format=ansi")
            assert screen == ours.fresh(shown), f"the screen of {agent['name']} is not what a fresh emulator draws"
    return max(followed, painted)


def tail(path: Path) -> bytes:
    """The last bytes of a file."""
    with path.open("rb") as file:
        file.seek(-10, os.SEEK_END)
        return file.read()


def finish(ours: Rig, agents: list[Any], word: str) -> None:
    """Wait until all have printed their last line and their screens show it."""
    for agent in agents:
        ours.outers.until(lambda agent=agent: word in ours.text(agent["id"]), f"{agent['name']} finishes", 120, 0.05)  # type: ignore[misc]


def beyond() -> Result:
    """Output past the journal's limit while nobody is there to read it."""
    with rig(f"journal_limit = {LIMIT}\n") as ours:
        agents = []
        for number in range(BEYOND):
            path = ours.home / f"b{number}.record"
            agents.append(ours.agent(f"b{number}", program("printer", path, 0, LINES_BEYOND)))
        ours.ready(*(agent["name"] for agent in agents))
        pid = ours.orchestrator()
        for agent in agents:
            ours.request("POST", f"/v1/agents/{agent['id']}/input", {"keys": ["x"]})
        kill(pid)
        for agent in agents:
            path = record(ours, agent)
            ours.outers.until(lambda path=path: tail(path) == b"finished\r\n", "it prints all", 120, 0.1)  # type: ignore[misc]
            size = path.stat().st_size
            journal = ours.folder(agent) / "journal"
            ours.outers.until(lambda journal=journal, size=size: end(journal) >= size, "it is journalled", 60)  # type: ignore[misc]
        targets = {agent["id"]: end(ours.folder(agent) / "journal") for agent in agents}
        began = time.monotonic()
        ours.request("GET", "/v1/health")
        with Following(ours.paths, targets) as seen:
            ours.outers.until(lambda: seen.reached(targets), "every screen is there", poll=0.002)
        took = time.monotonic() - began
        told = {event["agent"] for event in events(ours) if event["kind"] == "agent.gap"}
        kept = [check(ours, agent) for agent in agents]
        assert told >= set(targets), "every gap is told as an event"
        size = record(ours, agents[0]).stat().st_size
    return Result(
        figure=f"the same beyond the limit: {BEYOND} agents print {size / 1e6:.0f} MB each unattended, limit 16 MB",
        goal="the gap told, the final screen right",
        measured=f"{took:.2f} s; {BEYOND} of {BEYOND} gaps told, final screens right, "
        f"the {sum(kept) / len(kept) / 1e6:.0f} MB kept of each byte-exact",
        peer=NO_PEER,
        met=True,
    )


def check(ours: Rig, agent: Any) -> int:
    """Compare what is kept with the record, and the screen with the record's end; the bytes kept."""
    written = record(ours, agent).read_bytes()
    gaps = kept = 0
    with Reader(ours.folder(agent) / "journal") as reader:
        while items := reader.read(1 << 22, merge=True):
            for item in items:
                if isinstance(item, Gap):
                    gaps += 1
                elif isinstance(item, Bytes):
                    kept += len(item.data)
                    same = written[item.offset : item.offset + len(item.data)] == item.data
                    assert same, f"{agent['name']}: other bytes than the record at {item.offset}"
    assert gaps, f"{agent['name']}: the journal says nothing of a gap"
    screen = Screen(agent["cols"], agent["lines"])
    screen.feed(written[-1_000_000:])
    assert ours.text(agent["id"]).rstrip() == screen.text().rstrip(), f"{agent['name']}: another final screen"
    return kept


def events(ours: Rig) -> list[Any]:
    """All stored events."""
    found = []
    for line in ours.client.stream("GET", "/v1/events?cursor=0"):
        if line.startswith(b"data:"):
            found.append(json.loads(line[5:]))
            if found[-1]["kind"] == "deck.started" and len([e for e in found if e["kind"] == "deck.started"]) == 2:
                break
    return found
