"""Banks as the orchestrator keeps them: opened when needed, in step with files, whole after a kill."""

import asyncio
import sqlite3
import subprocess
import sys

import psutil
import pytest

from memory.backend import Filter
from memory.entry import content
from orchestrator import memories
from quarterdeck import config, hooks
from quarterdeck.clock import SystemClock
from quarterdeck.errors import Broken, Invalid
from quarterdeck.paths import Paths
from sessions.deck import Deck
from tests.orchestrator.conftest import eventually
from tests.support.memory_api import Memory, repository

SECRET = "correct-horse-battery-staple-42"


@pytest.fixture
def memory(place):
    repository(place.root / "repo")
    return Memory(place.client, place.root / "repo")


def page(memory, name, text):
    folder = memory.folder / ".quarterdeck" / "memory"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.md").write_text(text)


def test_nothing_of_the_memory_is_loaded_before_there_is_any(place):
    loaded = (
        "import sys, orchestrator.serve, orchestrator.app\n"
        "print([name for name in sys.modules if name.startswith('memory') or '.memory' in name])"
    )
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    place.new("cat")
    assert not list(place.paths.memory.glob("*/bank.*"))
    assert not (place.workspace / ".quarterdeck" / "memory").exists()
    assert Memory(place.client, place.workspace).known() == []
    assert not list(place.paths.memory.glob("*/bank.*")), "looking makes nothing"


def test_files_are_taken_where_an_agent_runs_without_anybody_asking(place, memory):
    place.new("cat", workspace=str(memory.folder))
    database = lambda: list(place.paths.memory.glob("*/bank.db"))  # noqa: E731
    assert not database()
    page(memory, "by-hand", "# By hand\n\nwritten while an agent runs\n")
    eventually(database, "the bank, without a request")
    eventually(lambda: memory.known() == ["By hand"], "the entry")
    page(memory, "by-hand", memory.files()["by-hand.md"].replace("written", "changed"))
    eventually(lambda: "changed while" in memory.entry("By hand")["body"], "the edit")


def test_what_changed_while_it_was_down_is_found_at_the_start(place, memory):
    place.new("cat", workspace=str(memory.folder))
    entry = memory.add("# Kept\n\nfrom the database\n")
    eventually(memory.files, "its file")
    place.kill()
    (name,) = memory.files()
    path = memory.folder / ".quarterdeck" / "memory" / name
    path.write_text(path.read_text().replace("from the database", "edited by a person"))
    page(memory, "new", "# New\n\nmeanwhile\n")
    place.client.request("GET", "/v1/health")
    eventually(lambda: sorted(memory.known()) == ["Kept", "New"], "what is new")
    assert memory.entry(entry["id"])["body"] == "# Kept\n\nedited by a person\n"
    assert [one["author"] for one in memory.get("entries/Kept/history")] == ["person", "file"]


@pytest.mark.parametrize("kept", ["hybrid", "sqlite", "markdown"])
def test_what_was_acknowledged_outlives_a_kill(place, memory, kept):
    config = place.root / "config" / "quarterdeck"
    config.mkdir(parents=True)
    (config / "config.toml").write_text(f'[memory]\nbackend = "{kept}"\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(place.root / "config"))
        for number in range(5):
            memory.add(f"number {number}")
        place.kill()
        assert sorted(memory.known()) == [f"number {number}" for number in range(5)]
        assert memory.get("stats")["backend"] == kept
        if kept != "sqlite":
            eventually(lambda: len(memory.files()) == 5, "all files")
        assert (memory.folder / ".quarterdeck").exists() == (kept != "sqlite")
        place.client.stop()


def test_a_bank_that_cannot_be_opened_is_a_problem_of_its_own(place, memory):
    memory.add("lost")
    place.client.stop()
    (database,) = place.paths.memory.glob("*/bank.db")
    with sqlite3.connect(database) as db:
        db.execute("PRAGMA user_version = 9999")
    db.close()
    place.new("cat", workspace=str(memory.folder))
    problems = eventually(
        lambda: [one for one in place.client.request("GET", "/v1/doctor")["problems"] if "memory of" in one["problem"]],
        "the doctor tells",
    )
    assert str(memory.folder) in problems[0]["problem"]
    with pytest.raises(Broken):
        memory.known()
    other = Memory(place.client, repository(place.root / "other"))
    assert other.add("works")["key"] == "works"
    banks = {bank["root"]: bank for bank in place.client.request("GET", "/v1/memory/banks")}
    assert banks[str(memory.folder)]["problems"]
    assert banks[str(other.folder)]["entries"] == 1
    place.client.stop()
    assert place.client.request("GET", "/v1/health")["role"] == "person", "it starts all the same"


def test_a_damaged_bank_is_made_again_from_its_files_and_the_doctor_tells(place, memory):
    memory.add("in a file too")
    place.client.stop()
    (database,) = place.paths.memory.glob("*/bank.db")
    for file in database.parent.glob("bank.db*"):
        file.unlink()
    database.write_bytes(b"this is no database" * 1000)
    assert memory.known() == ["in a file too"]
    doctor = place.client.request("GET", "/v1/doctor")["problems"]
    assert any(str(memory.folder) in one["problem"] and "damaged" in one["problem"] for one in doctor), doctor


def test_a_backend_there_is_not_keeps_nothing_else_from_working(place, memory):
    config = place.root / "config" / "quarterdeck"
    config.mkdir(parents=True)
    (config / "config.toml").write_text('[memory]\nbackend = "hybird"\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(place.root / "config"))
        page(memory, "x", "x")
        agent = place.new("cat", workspace=str(memory.folder))
        assert place.status(agent) == "running"
        with pytest.raises(Invalid, match="hybird") as wrong:
            memory.known()
        assert "hybrid" in wrong.value.hint
        place.client.stop(agents=True)


def test_what_agents_run_with_as_secrets_is_masked_by_its_value(place, memory):
    place.new("cat", workspace=str(memory.folder), environ=place.environ | {"SERVICE_PASSWORD": SECRET})
    done = memory.add(f"the door opens with {SECRET}")
    assert done["body"] == "the door opens with [redacted: SERVICE_PASSWORD]"
    place.new("cat", workspace=str(memory.folder), environ=place.environ | {"OTHER_TOKEN": SECRET[::-1]})
    assert SECRET[::-1] not in memory.add(f"and with {SECRET[::-1]}")["body"], "of agents that came later"
    place.kill()
    assert SECRET not in memory.add(f"still: {SECRET}")["body"], "of agents that ran on"
    assert not any(SECRET.encode() in file.read_bytes() for file in place.paths.memory.rglob("*") if file.is_file())


def test_a_stop_writes_all_files_first(place, memory):
    for number in range(30):
        memory.add(f"entry {number}")
    place.client.stop()
    assert len(memory.files()) == 30
    (database,) = place.paths.memory.glob("*/bank.db")
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_bank_nobody_opened_is_searched_and_let_go_again(place, memory):
    memory.add("somewhere else entirely")
    place.client.stop()
    here = Memory(place.client, place.workspace)
    (hit,) = here.get("search", q="entirely", everywhere=True)["hits"]
    assert hit["bank"] == str(memory.folder)
    banks = {bank["root"]: bank for bank in place.client.request("GET", "/v1/memory/banks")}
    assert (banks[str(memory.folder)]["open"], banks[str(memory.folder)]["entries"]) == (False, 1)
    assert not any("bank.db" in file.path for file in psutil.Process(place.pid()).open_files())


def test_what_the_settings_do_not_keep_goes_by_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(memories, "SETTLE_S", 0.0)
    repo = repository(tmp_path / "repo")
    settings = config.Memory(retention={"workspace": config.Retention(entries=2)})
    home = Paths(tmp_path / "home")

    async def opened(look):
        async with (
            Deck.open(home, {}, SystemClock()) as deck,
            memories.Memories.open(home, deck, settings, hooks.load(installed=False)) as open_memories,
        ):
            return await look(await open_memories.bank(str(repo)))

    async def store(bank):
        for number in range(5):
            await bank.add(content(body=f"entry {number}"), author="person")
        await bank.add(content(body="pinned", pinned=True), author="person")

    async def listed(bank):
        async with asyncio.timeout(20):
            while len(found := await bank.list(Filter())) > 3:
                await asyncio.sleep(0.01)
        return sorted(entry.content.key for entry in found)

    asyncio.run(opened(store))
    assert asyncio.run(opened(listed)) == ["entry 3", "entry 4", "pinned"]


def test_the_settings_say_what_prune_takes(place, memory):
    folder = place.root / "config" / "quarterdeck"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text("[memory.retention.workspace]\nentries = 1\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(place.root / "config"))
        for number in range(3):
            memory.add(f"entry {number}")
        assert memory.post("prune")["count"] == 2
        assert memory.post("prune", namespace="agent/")["count"] == 0
        assert memory.post("prune", dry_run=False, namespace="workspace")["count"] == 2
        assert memory.known() == ["entry 2"]
        place.client.stop()
