"""Journals as a terminal would have written them, and a deck whose agents' folders hold them."""

import pytest

from quarterdeck.clock import ManualClock
from quarterdeck.ids import new_id
from quarterdeck.paths import Paths
from quarterdeck.redaction import Redactor
from sessions.deck import Deck
from sessions.model import Agent, Status
from terminals import journal
from terminals.journal.format import UNWRITTEN
from terminals.replay import journal_folder

TOKEN = "correct-horse-battery-staple-0815"
SECOND = "Zq8/kD+w=4711 with blanks"


@pytest.fixture
def redactor():
    return Redactor({"DEPLOY_TOKEN": TOKEN, "SECOND": SECOND})


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def paths(tmp_path):
    paths = Paths(tmp_path / "state")
    paths.prepare()
    return paths


@pytest.fixture
async def deck(paths, clock):
    async with Deck.open(paths, {}, clock) as deck:
        yield deck


@pytest.fixture
def printed(paths, clock, tmp_path):
    """Makes an agent that printed these pieces, half a second apart; a number is of bytes that were not recorded."""

    def made(*pieces, name="work-1", cols=40, lines=6, **values):
        base = {"id": new_id(), "name": name, "session": "s", "profile": "claude", "adapter": "native", "argv": ("x",)}
        base |= {"cwd": str(tmp_path / "work"), "status": Status.EXITED, "reason": "exit status 0"}
        agent = Agent(**(base | values))
        folder = journal_folder(paths.agent(agent.id))
        folder.parent.mkdir(parents=True)
        writer = journal.Writer(
            folder, cols=cols, lines=lines, wall_ns=clock.wall_ns, monotonic_ns=clock.monotonic_ns, limit=1 << 30
        )
        for piece in pieces:
            clock.advance(0.5)
            if isinstance(piece, int):
                writer.skip(piece, UNWRITTEN)
            else:
                writer.append(piece if isinstance(piece, bytes) else piece.encode())
        writer.close()
        return agent

    return made


@pytest.fixture
def folder_of(paths):
    return lambda agent: journal_folder(paths.agent(agent.id))
