"""A cold restore: everything is killed at once, agents and holders too, and comes back with no client attached.

Twenty scripted agents print five hundred coloured lines each and then keep an input box up to date; their policy is to
be resumed. All processes get kill -9. One request starts the orchestrator. First figure: until of each of the twenty
the screen and the history could be read, with the lines of the earlier life in it. Second figure: until each of
the twenty runs again under a new pid and has drawn its box. Peer: tmux starting twenty windows of the same program
until each has drawn; what they showed before is gone with its server.
"""

from __future__ import annotations

import time
from typing import Any

from benchmarks.peers import tmux
from benchmarks.report import Result, ratio
from benchmarks.rig import Rig, program, rig
from benchmarks.sample import Sample
from quarterdeck.errors import Refused

AGENTS, LINES = 20, 500


def measure(quick: bool) -> list[Result]:
    """See the module."""
    times = [cold() for _ in range(1 if quick else 3)]
    readable, up, theirs = (Sample.of(values) for values in zip(*times, strict=True))
    return [
        Result(
            figure=f"cold restore of {AGENTS} agents: screens and history readable",
            goal="<= 1 s",
            measured=readable.spread("s", 2),
            peer="tmux: gone",
            met=readable.p50 <= 1,
        ),
        Result(
            figure=f"cold restore of {AGENTS} agents: all running again and drawn",
            goal="<= 10 s",
            measured=up.spread("s", 2),
            peer=f"tmux, {AGENTS} new windows of the same program: {theirs.spread('s', 2)}",
            ratio=ratio(up.p50, theirs.p50),
            met=up.p50 <= 10,
        ),
    ]


def cold() -> tuple[float, float, float]:
    """Seconds until all could be read, until all ran again, and until twenty new tmux windows had drawn."""
    argv = program("scripted", LINES)
    with rig() as ours, tmux() as peer:
        agents = {name: ours.agent(name, argv, restore="auto") for name in (f"a{n}" for n in range(AGENTS))}
        ours.ready(*agents, word="waits")
        ours.outers.pump(1.5)
        ours.kill_everything()
        began = time.monotonic()
        ours.request("GET", "/v1/health")
        for name, agent in agents.items():
            ours.outers.until(lambda name=name, agent=agent: earlier(ours, name, agent), f"{name} can be read")  # type: ignore[misc]
        readable = time.monotonic() - began
        waiting = set(agents)
        while waiting:
            assert time.monotonic() < began + 60, f"{waiting} did not come back"
            for agent in ours.request("GET", "/v1/agents"):
                back = agent["alive"] and agent["pid"] != agents[agent["name"]]["pid"]
                if agent["name"] in waiting and back and f"life {agent['pid']} waits" in ours.text(agent["id"]):
                    waiting.discard(agent["name"])
        up = time.monotonic() - began
        began = time.monotonic()
        panes = [peer.window(argv) for _ in agents]
        for pane in panes:
            ours.outers.until(lambda pane=pane: "waits" in peer.text(pane), "the pane has drawn")  # type: ignore[misc]
        return readable, up, time.monotonic() - began


def earlier(ours: Rig, name: str, agent: Any) -> bool:
    """Whether screen and history of an agent can be read, with what it printed before everything was killed."""
    try:
        text = ours.text(name, history=True)
    except Refused:  # between two terminals
        return False
    return all(f"life {agent['pid']} line {number:04}" in text for number in (1, LINES // 2, LINES))
