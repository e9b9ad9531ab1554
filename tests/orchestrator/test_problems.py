"""A mistake in the person's own files stops nothing, is told everywhere, and loosens nothing."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import datetime

from orchestrator import frames
from orchestrator.link import Link, LinkState
from quarterdeck.process import stat


def write(place, name, text):
    folder = place.root / "config" / "quarterdeck"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


def run(place, *words, **more):
    line = [sys.executable, "-m", "quarterdeck", *words]
    environ = place.environ | more
    return subprocess.run(line, env=environ, cwd=place.workspace, capture_output=True, text=True, timeout=60)


def problems(place):
    return place.client.request("GET", "/v1/health")["problems"]


def checks(place, level="problem"):
    said = json.loads(run(place, "doctor", "--json").stdout)
    return {check["name"]: check["text"] for check in said["checks"] if check["level"] == level}


def test_it_starts_whatever_the_settings_say(place, until):
    file = write(place, "config.toml", '[notify]\nquiet = "25:00"\n')
    mistake = f"{file}: notify.quiet: "
    assert mistake in checks(place)["settings"], "said while no orchestrator runs"
    listed = run(place, "ls", QUARTERDECK_LEADER="enter")
    assert listed.returncode == 0, listed.stderr
    assert mistake in listed.stderr
    assert "nobody is called" in listed.stderr
    assert "QUARTERDECK_LEADER" in listed.stderr
    found = checks(place)
    assert mistake in found["settings"]
    assert "kill -9" not in run(place, "doctor").stdout
    file.write_text("theme = \n")
    assert "line 1" in until(lambda: [text for text in problems(place) if "not a TOML file" in text])[0]
    place.kill()
    assert run(place, "ls").returncode == 0
    file.write_text('theme = "nord"\n')
    until(lambda: problems(place) == [], "the mended file")
    file.write_text('theme = "nord"\nhistory_lines = "many"\n')
    until(lambda: problems(place), "the next mistake")
    for _ in range(2):
        assert "the last good settings hold" in problems(place)[0]
        place.kill()
        assert run(place, "ls").returncode == 0


def test_a_mistake_in_the_policy_is_told_and_its_rules_hold_over_a_restart(place, until):
    file = write(place, "policy.toml", '[[deny]]\nname = "no rm"\ncommands = ["rm **"]\n')
    assert run(place, "ls").returncode == 0
    file.write_text('[[deny]\nname = "no rm"\ncommands = ["rm **"]\n')
    until(lambda: problems(place), "the mistake")
    for _ in range(2):
        assert run(place, "policy", "test", "rm x").returncode == 11
        assert "line 1" in run(place, "policy", "test", "ls").stdout
        shown = run(place, "policy", "show")
        assert str(file) in shown.stderr
        assert "deny no rm" in shown.stdout
        assert str(file) in checks(place)["policy"]
        place.kill()


async def test_clients_hear_of_a_mistake_when_it_is_made(place):
    file = write(place, "config.toml", "")
    assert run(place, "ls").returncode == 0
    async with asyncio.timeout(30), Link(place.paths) as link:
        async for message in link:
            if isinstance(message, LinkState) and message.phase == "up":
                file.write_text("them = 1\n")
            if isinstance(message, frames.Happened) and message.kind == "orchestrator.problems":
                break
    assert "did you mean theme" in message.data["problems"][0]


def test_what_quiet_hours_held_is_told_when_they_are_taken_from_the_file(place, until):
    told = place.root / "told"
    call = f'[notify]\ncommand = ["/bin/sh", "-c", "cat > {told}"]\n'
    hour = datetime.now().astimezone().hour
    file = write(place, "config.toml", call + f'quiet = "{(hour + 23) % 24}:00-{(hour + 3) % 24}:00"\n')
    assert run(place, "ls").returncode == 0
    agent = place.new("sleep", "600")
    for pid in (stat(agent["pid"]).parent, agent["pid"]):
        os.kill(pid, signal.SIGKILL)
    until(lambda: place.status(agent) == "lost", "the loss")
    with closing(sqlite3.connect(place.paths.database)) as database:
        count = "SELECT count(*) FROM events WHERE kind = 'agent.attention'"
        until(lambda: database.execute(count).fetchone()[0], "the call that was held")
    assert not told.exists()
    file.write_text(call)
    until(lambda: told.exists() and told.read_text(), "the call")
    assert json.loads(told.read_text())["what"] == "lost"
