"""Turns of an agent in its terminal, in this process or in one that can be killed.

``turns.py HOME`` reads asks as JSON lines (``{"prompt", "turn", "args", "patience", "trust"}``), has each carried out,
and prints what is told and what came of it as JSON lines. ``RUN_DRIVER`` names another driver than the terminal's,
``RUN_SETTLED`` the seconds after which a question that nobody decides counts.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipelines.drivers import following
from pipelines.drivers.headless import HeadlessDriver
from pipelines.drivers.terminal import TerminalDriver
from pipelines.model import AgentPlan, Drive, RunEvent, StepPlan, Usage
from pipelines.ports import Ask, Turn
from quarterdeck.clock import SystemClock
from quarterdeck.paths import Paths
from quarterdeck.redaction import Redactor, secrets_in
from sessions.deck import Deck
from sessions.launch import Limits
from terminals.native import NativeAdapter

HERE = Path(__file__).parent
PATIENCE = 120.0
RUN = "20260314-153059-4f1c2b"
DRIVERS: dict[str, Any] = {"terminal": TerminalDriver, "headless": HeadlessDriver}
RULES = """
[[screen]]
name = "trust"
state = "blocked"
region = "screen"
input = false
kind = "trust"
all = ['^Accessing workspace:$', '^ (?P<path>/.*)$', '^ 1\\. (?P<text>Yes, I trust this folder)$']
can = ["allow", "deny"]

[[screen]]
name = "login"
state = "blocked"
region = "screen"
input = false
kind = "login"
all = ['^(?P<text>Select login method:)$']
"""


def install(config: Path) -> None:
    """Put the profile of the scripted agent with hooks among the user's."""
    folder = config / "profiles"
    folder.mkdir(parents=True, exist_ok=True)
    argv = json.dumps([sys.executable, "-S", str(HERE / "hooked_agent.py")])
    text = (HERE / "scripted_agent.toml").read_text()
    text = text.replace('name = "scripted"', 'name = "hooked"', 1).replace("argv = []", f"argv = {argv}", 1)
    text = text.replace('receipts = ["program", "transcript"]', 'receipts = ["hook", "transcript"]')
    text = text if "[hooks]" in text else text.replace("[sources]", '[hooks]\nshape = "claude"\n\n[sources]', 1)
    (folder / "hooked.toml").write_text(text + RULES)
    flags = '[conversation.keep]\n"--asking" = 0\n"--stops" = 0\n"--deaf" = 0\n'
    text = (folder / "hooked.toml").read_text().replace("[conversation.keep]\n", flags, 1)
    (folder / "hooked.toml").write_text(text)


@asynccontextmanager
async def open_deck(home: Path, work: Path, config: Path, **more: Any) -> AsyncIterator[Deck]:
    """The deck of a run's own state folder; its agents run on afterwards."""
    paths = Paths(home / "runs" / RUN / "state")
    adapters = {"native": NativeAdapter(paths.run)}
    limits = Limits(lease=60.0, typing_pause=0.0)
    async with Deck.open(paths, adapters, SystemClock(), limits, user=config, **more) as deck:
        if not deck.sessions():
            await deck.groups.create(RUN, str(work))
        yield deck


def make_ask(
    work: Path,
    environ: Mapping[str, str],
    prompt: str,
    *,
    turn: int = 0,
    attempt: int = 1,
    profile: str = "hooked",
    args: Any = (),
) -> Ask:
    """One turn of the step ``write``."""
    agent = AgentPlan(name="writer", profile=profile, args=tuple(args), drive=Drive.TERMINAL)
    step = StepPlan(key="write", name="write", agent="writer", prompt=prompt)
    return Ask(
        run_id=RUN,
        step=step,
        agent=agent,
        attempt=attempt,
        turn=turn,
        prompt=prompt,
        cwd=str(work),
        redactor=Redactor(secrets_in(environ)),
        environ=dict(environ),
    )


class Told:
    """What a driver told: events and what was used."""

    def __init__(self) -> None:
        self.events: list[RunEvent] = []
        self.used: list[Usage] = []

    def texts(self, kind: str) -> list[str]:
        """Of the events of one kind."""
        return [event.text for event in self.events if event.kind == kind]

    async def carry_out(self, deck: Deck, ask: Ask, by: str = "terminal", **more: Any) -> Turn:
        """One turn by a driver of its own, as after a restart."""
        driver = DRIVERS[by](deck, RUN, self.events.append, **more)
        try:
            async with asyncio.timeout(PATIENCE):
                return await driver.turn(ask, self.used.append)
        except TimeoutError:
            agents = [(one.name, str(one.status), one.reason, one.doing.waiting_for) for one in deck.agents()]
            prompts = [(one.text[:30], str(one.state), one.reason) for one in await deck.outbox.prompts()]
            raise AssertionError(f"it never ended: {agents}, {prompts}, {self.events[-8:]}") from None


def _print(kind: str, value: Any) -> None:
    sys.stdout.write(json.dumps({kind: value}, default=str) + "\n")
    sys.stdout.flush()


async def main() -> None:
    home = Path(sys.argv[1])
    work, config = Path(os.environ["RUN_WORK"]), Path(os.environ["RUN_CONFIG"])
    following.SETTLED = float(os.environ.get("RUN_SETTLED", following.SETTLED))
    async with open_deck(home, work, config) as deck:
        _print("open", os.getpid())
        driver = DRIVERS[os.environ.get("RUN_DRIVER", "terminal")](
            deck, RUN, lambda event: _print("event", asdict(event))
        )
        lines = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        while line := await lines.readline():
            asked = json.loads(line)
            more = {name: asked[name] for name in ("turn", "args", "profile") if name in asked}
            ask = make_ask(work, os.environ, asked["prompt"], **more)
            _print("turn", asdict(await driver.turn(ask, lambda used: _print("used", asdict(used)))))
        await driver.aclose()
        await deck.end_all()


if __name__ == "__main__":
    asyncio.run(main())
