"""Two agents and a person on one memory, while the orchestrator is killed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from tests.support.memory_api import Memory, repository

Fleet = Any
ROUNDS = 3
PATIENCE = 90.0
"""Seconds: each of these waits is for several processes to start."""

WRITER = """
import json, subprocess, sys
verb, record, rounds = json.loads(sys.argv[1]), sys.argv[2], int(sys.argv[3])
for number in range(rounds):
    while True:
        key = f"finding {number}"
        words = [*verb, "add", f"# {key}\\n\\nthe cause is number {number}\\n", "--kind", "insight", "--json"]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode == 0:
            with open(record, "a") as file:
                file.write(json.loads(done.stdout)["id"] + "\\n")
            break
        print(done.stderr)
print("all stored")
sys.stdin.read()
"""
READER = """
import json, os, subprocess, sys, time
verb, rounds, record = json.loads(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
found, size = set(), 0
while len(found) < rounds:
    while not os.path.exists(record) or os.path.getsize(record) == size:
        time.sleep(0.02)
    size = os.path.getsize(record)
    done = subprocess.run([*verb, "search", "cause", "kind:insight", "--json"], capture_output=True, text=True)
    if done.returncode:
        size = -1
    else:
        found |= {hit["entry"]["key"] for hit in json.loads(done.stdout)["hits"]}
print("found", len(found), "by", json.loads(done.stdout)["hits"][0]["entry"]["author"])
sys.stdin.read()
"""


def test_one_agent_stores_the_other_finds_a_person_edits_and_nothing_is_lost(
    fleet: Fleet, until: Callable[..., Any]
) -> None:
    repository(fleet.home / "repo")
    memory = Memory(fleet.client, fleet.home / "repo")
    record = fleet.home / "stored"
    verb = [sys.executable, "-P", "-m", "quarterdeck", "memory"]
    environ = {**os.environ, "QUARTERDECK_HOME": str(fleet.paths.home)}
    folder = {"workspace": str(memory.folder), "environ": environ}
    fleet.start("reader", [sys.executable, "-c", READER, json.dumps(verb), str(ROUNDS), str(record)], **folder)
    fleet.start("writer", [sys.executable, "-c", WRITER, json.dumps(verb), str(record), str(ROUNDS)], **folder)

    def stored() -> list[str]:
        return record.read_text().split() if record.exists() else []

    def edited(text: str) -> None:
        """Write a file as vim does: the old one moved away, a new one in its place."""
        (path,) = [path for path in pages() if "number 0" in path.read_text()]
        said = path.read_text()
        backup = path.with_name(path.name + "~")
        os.replace(path, backup)
        path.write_text(said.rstrip("\n") + f"\n{text}\n")
        backup.unlink()

    def pages() -> list[Any]:
        return sorted((memory.folder / ".quarterdeck" / "memory").glob("*.md"))

    until(
        lambda: stored() and any("number 0" in path.read_text() for path in pages()),
        "the first entry and its file",
        PATIENCE,
    )
    edited("seen by a person")
    until(lambda: "seen by a person" in memory.entry(stored()[0])["body"], "the person's edit", PATIENCE)
    fleet.kill_orchestrator()
    edited("while nothing ran")
    until(lambda: "while nothing ran" in memory.entry(stored()[0])["body"], "the edit made meanwhile", PATIENCE)
    until(lambda: len(stored()) >= 2, "the second entry", PATIENCE)
    fleet.kill_orchestrator()
    until(lambda: "all stored" in fleet.screen("writer"), "the writer is done", PATIENCE)
    until(lambda: f"found {ROUNDS} by agent/writer" in fleet.screen("reader"), "the reader found all of it", PATIENCE)

    bodies = {entry_id: memory.entry(entry_id) for entry_id in stored()}
    assert len(bodies) == ROUNDS
    assert {entry["author"] for entry in bodies.values()} == {"agent/writer"}
    first = bodies[stored()[0]]
    assert first["body"].split("\n", 3)[2:] == ["the cause is number 0", "seen by a person\nwhile nothing ran"]
    assert first["editor"] == "file"
    assert memory.get("stats")["conflicts"] == 0
    until(lambda: len(pages()) == len(memory.known()), "a file for each entry")
    assert memory.get("stats")["problems"] == []
