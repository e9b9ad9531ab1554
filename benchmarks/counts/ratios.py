"""A few ratios to peers, quickly taken, for people to read: they depend on the machine and what else it does."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.figures.ls import timed
from benchmarks.peers import echo, has_tmux, python_pass, tmux
from benchmarks.rig import rig
from benchmarks.sample import Sample
from benchmarks.tokens import token
from benchmarks.wire import keys

ROUNDS = 7
KEYS = 100


def lines() -> Iterator[str]:
    """See the module."""
    with rig() as ours:
        agent = ours.agent("echo", echo())
        ours.ready("echo")
        ls = Sample.of(timed(ours.command("ls"), ours.environ)[0] for _ in range(ROUNDS))
        python = Sample.of(timed(python_pass(), ours.environ)[0] for _ in range(ROUNDS))
        yield f"quarterdeck ls takes {ls.p50 / python.p50:.1f} times a Python that does nothing"
        began = time.monotonic()
        mine = Sample.of(keys(ours.paths, agent, 1, KEYS))
        if not has_tmux() or time.monotonic() - began > 30:
            return
        with tmux() as peer:
            peer.window(echo())
            client = peer.attach(ours.outers)
            ours.outers.expect(client, b"ready")
            ours.outers.pump(0.5)
            theirs = Sample.of(ours.outers.key(client, b"x", token(number)) for number in range(1, KEYS + 1))
        yield f"a key through a WebSocket client takes {mine.p50 / theirs.p50:.1f} times one through an attached tmux"
