"""The memory over HTTP, of repositories of their own in one orchestrator."""

import csv
import io
import json
import subprocess
from itertools import count

import pytest

from quarterdeck.errors import Broken, Invalid, NotFound, Refused
from tests.orchestrator.conftest import eventually
from tests.support.memory_api import Memory, repository

NUMBERS = count()


@pytest.fixture
def memory(shared):
    return Memory(shared.client, repository(shared.root / f"repo-{next(NUMBERS)}"))


def test_an_entry_is_stored_found_changed_and_deleted(memory):
    stored = memory.add(
        "# Timeouts\n\nfetch retries thrice\n",
        kind="insight",
        tags=["net", "http", "net"],
        links={"files": ["src/fetch.py"], "agents": ["api"]},
    )
    assert stored["key"] == stored["title"] == "Timeouts"
    assert (stored["kind"], stored["namespace"], stored["tags"]) == ("insight", "workspace", ["http", "net"])
    assert stored["links"] == {"agents": ["api"], "tasks": [], "commits": [], "files": ["src/fetch.py"]}
    assert (stored["author"], stored["redacted"], stored["conflict"]) == ("person", [], False)
    for ref in (stored["id"], stored["id"][:4], "Timeouts"):
        assert memory.entry(ref)["body"] == "# Timeouts\n\nfetch retries thrice\n"
    (hit,) = memory.get("search", q="retr*")["hits"]
    assert (hit["entry"]["id"], hit["bank"]) == (stored["id"], str(memory.folder))
    assert "\x02retries\x03" in hit["snippet"]
    changed = memory.patch("Timeouts", key="a/b ?", pinned=True)
    assert (changed["body"], changed["pinned"]) == (stored["body"], True)
    assert memory.entry("a/b ?")["id"] == stored["id"]
    eventually(lambda: "fetch retries" in "".join(memory.files().values()), "its file")
    assert memory.delete(stored["id"])["deleted"]
    assert memory.known() == []
    assert memory.known(deleted=True) == ["a/b ?"]
    eventually(lambda: not memory.files(), "its file is gone")
    versions = memory.get(f"entries/{stored['id']}/history")
    assert [one["why"] for one in versions] == ["stored", "edited", "deleted"]
    assert [one["head"] for one in versions] == [False, False, True]
    assert versions[2]["content"] is None
    back = memory.post(f"entries/{stored['id']}/restore", version=versions[0]["version"])
    assert (back["key"], back["deleted"]) == ("Timeouts", False)


def test_pages_and_filters(memory):
    for number in range(7):
        memory.add(f"entry {number}", kind="error" if number % 2 else "note", tags=[f"t{number}"])
    seen, after = [], ""
    while True:
        page = memory.get("entries", limit=3, after=after)
        seen += [entry["key"] for entry in page["entries"]]
        after = page["after"]
        if not after:
            break
    assert seen == [f"entry {number}" for number in range(6, -1, -1)]
    assert memory.known(kind="error") == ["entry 5", "entry 3", "entry 1"]
    assert memory.known(tag="t2", kind=["note", "error"]) == ["entry 2"]
    assert memory.known(author="agent/api") == []
    assert memory.known(pinned=True) == []
    newest = memory.entry("entry 6")["updated_ns"]
    assert memory.known(since_ns=newest) == ["entry 6"]
    assert "entry 6" not in memory.known(until_ns=newest)
    assert {hit["entry"]["key"] for hit in memory.get("search", q="entry", kind="error")["hits"]} == {
        "entry 1",
        "entry 3",
        "entry 5",
    }


def test_what_others_wrote_meanwhile_is_merged_and_overlaps_are_a_persons_to_decide(memory):
    lines = "".join(f"line {number}\n" for number in range(9))
    read = memory.add(lines, key="plan")
    memory.patch("plan", body=lines.replace("line 0", "first"), seen=read["seen"])
    merged = memory.patch("plan", body=lines.replace("line 8", "last"), tags=["x"], seen=read["seen"])
    assert merged["body"] == lines.replace("line 0", "first").replace("line 8", "last")
    assert (merged["conflict"], merged["tags"]) == (False, ["x"])
    memory.patch("plan", body=merged["body"].replace("line 4", "one"), seen=merged["seen"])
    both = memory.patch("plan", body=merged["body"].replace("line 4", "two"), seen=merged["seen"])
    assert both["conflict"]
    assert len(both["heads"]) == 2
    assert memory.known(conflict=True) == ["plan"]
    heads = [one for one in memory.get("entries/plan/history") if one["head"]]
    assert {("one" in one["content"]["body"], "two" in one["content"]["body"]) for one in heads} == {
        (True, False),
        (False, True),
    }
    for change in ({"tags": ["y"]}, {"tags": ["y"], "seen": both["seen"]}):
        with pytest.raises(Refused, match="is in conflict"):
            memory.patch("plan", **change)
    assert memory.entry("plan")["heads"] == both["heads"], "a change of something else decides nothing"
    done = memory.post("entries/plan/resolve", body="decided\n", seen=both["seen"])
    assert (done["conflict"], done["body"], done["tags"], len(done["heads"])) == (False, "decided\n", ["x"], 1)


def test_secrets_never_reach_the_bank(memory, shared):
    token = "ghp_" + "a1B2c3D4e5" * 3
    done = memory.add(f"use {token} there", key=f"key {token}")
    assert done["redacted"] == [{"rule": "github token", "count": 2}]
    assert token not in json.dumps(done)
    everything = subprocess.run(["grep", "-rlF", token, shared.paths.memory, memory.folder], check=False)
    assert everything.returncode == 1, "nowhere on disk"
    changed = memory.patch(done["id"], body=f"and {token}")
    assert changed["body"] == "and [redacted: github token]"


def test_what_makes_no_sense_is_refused_and_says_why(memory):
    entry = memory.add("known", key="known")
    with pytest.raises(Invalid, match="no kind of entry") as wrong:
        memory.add("x", kind="insigt")
    assert "insight" in wrong.value.hint
    with pytest.raises(Invalid, match="namespace"):
        memory.add("x", namespace="elsewhere")
    with pytest.raises(Invalid, match="nothing shared"):
        memory.add("x", namespace="shared")
    with pytest.raises(Invalid, match="cannot be a tag"):
        memory.add("x", tags=["a b"])
    with pytest.raises(Invalid, match="a text or a key"):
        memory.add("")
    with pytest.raises(Invalid, match="half of a character"):
        memory.add("\ud800")
    with pytest.raises(Invalid, match="NUL"):
        memory.add("a\0b")
    with pytest.raises(Invalid, match="half of a character"):
        memory.patch("known", key="\udc80")
    with pytest.raises(NotFound, match="no entry 'knwon'") as near:
        memory.entry("knwon")
    assert "known" in near.value.hint
    with pytest.raises(Invalid, match="names no version"):
        memory.post("entries/known/restore", version="latest")
    with pytest.raises(NotFound, match="is not missing"):
        memory.post("entries/known/missing", answer="keep")
    with pytest.raises(Invalid):
        memory.get("entries", limit=501)
    with pytest.raises(NotFound, match="does not exist"):
        Memory(memory.client, memory.folder / "nowhere").known()
    with pytest.raises(Invalid, match="absolute"):
        Memory(memory.client, "here").known()
    memory.add("one", key="twice")
    memory.add("two", key="twice")
    with pytest.raises(Refused, match="means several entries"):
        memory.entry("twice")
    assert memory.entry("known")["heads"] == entry["heads"]


def test_ten_megabytes_are_stored_whole_and_listed_by_their_beginning(memory):
    text = "ü" * (5 << 20)
    stored = memory.add(text, key="large")
    assert memory.entry("large")["body"] == text
    (listed,) = memory.get("entries")["entries"]
    assert listed["cut"]
    assert text.startswith(listed["body"])
    assert len(listed["body"]) < 100_000
    with pytest.raises(Invalid, match="10,485,76"):
        memory.patch(stored["id"], body=text + "!")
    with pytest.raises(Invalid, match="64 MB"):
        memory.add("x" * (65 << 20))
    assert memory.entry("large")["heads"] == stored["heads"]


def test_all_worktrees_of_a_repository_have_one_memory_and_folders_in_it_too(memory):
    subprocess.run(["git", "-C", memory.folder, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    tree = memory.folder.with_name(memory.folder.name + "-tree")
    subprocess.run(["git", "-C", memory.folder, "worktree", "add", "-q", tree], check=True)
    below = memory.folder / "src"
    below.mkdir()
    memory.add("from the main worktree", key="main")
    Memory(memory.client, tree).add("from the other", key="other")
    Memory(memory.client, below).add("from below", key="below")
    assert sorted(memory.known()) == ["below", "main", "other"]
    assert Memory(memory.client, tree).get("entries")["bank"] == str(memory.folder)


def test_the_shared_memory_and_all_of_them(memory, shared):
    everywhere = Memory(shared.client, "")
    word = f"marker{next(NUMBERS)}"
    memory.add(f"{word} here")
    entry = everywhere.add(f"{word} for all")
    assert entry["namespace"] == "shared"
    with pytest.raises(Invalid, match="holds the namespace shared only"):
        everywhere.add("x", namespace="workspace")
    assert len(memory.get("search", q=word)["hits"]) == 1
    found = memory.get("search", q=word, everywhere=True)
    assert {hit["bank"] for hit in found["hits"]} == {"", str(memory.folder)}
    assert found["problems"] == []
    banks = {bank["root"]: bank for bank in shared.client.request("GET", "/v1/memory/banks")}
    assert (banks[""]["name"], banks[""]["open"]) == ("shared", True)
    assert banks[str(memory.folder)]["entries"] == 1


def test_export_and_import(memory, shared):
    first = memory.add("=cmd()\n\nsecond line", tags=["a"], key="formula")
    memory.add("gone")
    memory.delete("gone")
    other = Memory(shared.client, repository(shared.root / f"repo-{next(NUMBERS)}"))
    document = memory.get("export", history=True)
    assert document["complete"]
    done = other.post("import", data=json.dumps(document))
    assert (done["added"], done["problems"]) == (3, [])
    assert other.entry("formula") | {"path": ""} == memory.entry("formula") | {"path": ""}
    assert [one["why"] for one in other.get(f"entries/{first['id']}/history")] == ["stored"]
    assert other.known(deleted=True) == ["gone"]
    assert other.post("import", data=json.dumps(document))["added"] == 0
    rows = list(csv.DictReader(io.StringIO(memory.get("export", format="csv").removeprefix("\ufeff"))))
    assert [row["key"] for row in rows] == ["formula"]
    assert memory.get("export", tag="nothing")["entries"] == []
    folder = shared.root / f"pages-{next(NUMBERS)}"
    assert memory.post("export", format="markdown", path=str(folder))["path"] == str(folder)
    assert any("second line" in file.read_text() for file in folder.glob("*.md"))
    with pytest.raises(Refused, match="exists; nothing was written"):
        memory.post("export", format="markdown", path=str(folder))
    third = Memory(shared.client, repository(shared.root / f"repo-{next(NUMBERS)}"))
    assert third.post("import", path=str(folder))["added"] == 1
    with pytest.raises(Invalid, match="no export of memory"):
        third.post("import", data="{}")
    with pytest.raises(Invalid, match="exactly one of data and path"):
        third.post("import")
    with pytest.raises(Invalid, match="csv holds no history"):
        memory.get("export", format="csv", history=True)
    with pytest.raises(Broken, match="cannot write"):
        memory.post("export", path="/proc/nowhere/x")
    rows = [{"content": {"key": "good", "body": "x", "kind": "note", "namespace": "workspace"}}, {"content": 1}]
    bad = json.dumps({"format": "quarterdeck-memory", "version": 1, "entries": rows})
    with pytest.raises(Invalid, match="entry 2"):
        third.post("import", data=bad, strict=True)
    done = third.post("import", data=bad)
    assert (done["added"], len(done["problems"])) == (1, 1)


def test_pruning_shows_first_and_keeps_what_sessions_need(memory, shared):
    session = f"busy-{next(NUMBERS)}"
    shared.new("cat", session=session, workspace=str(memory.folder))
    for number in range(5):
        memory.add(f"old {number}")
    memory.add("needed", namespace=f"session/{session}")
    memory.add("kept", pinned=True)
    would = memory.post("prune", max_entries=2)
    assert (would["dry_run"], would["count"]) == (True, 3)
    assert {one["reason"] for one in would["entries"]} == {"entries"}
    assert len(memory.known()) == 7
    assert memory.post("prune", max_entries=1, namespace="session/")["count"] == 0
    done = memory.post("prune", max_entries=2, dry_run=False)
    assert [one["id"] for one in done["entries"]] == [one["id"] for one in would["entries"]]
    assert sorted(memory.known()) == ["kept", "needed", "old 3", "old 4"]
    stats = memory.get("stats")
    assert (stats["entries"], stats["deleted"], stats["backend"]) == (4, 3, "hybrid")


def test_exchange_with_a_folder(memory, shared):
    place = shared.root / f"stick-{next(NUMBERS)}"
    with pytest.raises(NotFound, match="nothing was exchanged"):
        memory.post("sync", peer=str(place))
    place.mkdir()
    memory.add("to go")
    assert memory.post("sync", peer=str(place))["sent"] == 1
    other = Memory(shared.client, repository(shared.root / f"repo-{next(NUMBERS)}"))
    assert other.post("sync", peer=str(place))["received"] == 1
    assert other.known() == ["to go"]
    with pytest.raises(Invalid, match="absolute"):
        memory.post("sync", peer="stick")


def test_a_branch_that_does_not_have_a_file_asks_a_person(memory):
    def git(*words):
        subprocess.run(["git", "-C", memory.folder, *words], check=True, capture_output=True)

    git("commit", "-q", "--allow-empty", "-m", "nothing")
    git("branch", "empty")
    entry = memory.add("of the branch", key="branchy")
    eventually(memory.files, "its file")
    git("add", "-f", ".quarterdeck/memory")
    git("commit", "-q", "-m", "with memory")
    git("checkout", "-q", "empty")
    eventually(lambda: memory.known(missing=True) == ["branchy"], "it is noticed")
    assert memory.known() == ["branchy"], "still known"
    with pytest.raises(Invalid):
        memory.post("entries/branchy/missing", answer="perhaps")
    assert not memory.post("entries/branchy/missing", answer="keep")["missing"]
    assert "of the branch" in "".join(memory.files().values())
    assert memory.entry("branchy")["heads"] == entry["heads"]


def test_changes_and_problems_are_told_as_events(memory, shared):
    start = shared.client.request("GET", "/v1/health")
    assert start["role"] == "person"
    stream = shared.client.stream("GET", "/v1/events")

    def told(kind):
        for line in stream:
            if line.startswith(b"data: "):
                event = json.loads(line[6:])
                if event["kind"] == kind and event["data"]["bank"] == str(memory.folder):
                    return event["data"]
        raise AssertionError("the stream ended")

    next(stream)
    entry = memory.add("told", key="told")
    happened = told("memory.changed")
    assert happened == {
        "bank": str(memory.folder),
        "entry": entry["id"],
        "key": "told",
        "why": "stored",
        "conflict": False,
        "missing": False,
    }
    eventually(memory.files, "the memory folder")
    (memory.folder / ".quarterdeck/memory/bad.md").write_bytes(b"\xff\xfe\xfa")
    assert "bad.md" in told("memory.problem")["text"]
    eventually(lambda: memory.get("stats")["problems"], "the problem")
    doctor = shared.client.request("GET", "/v1/doctor")["problems"]
    assert any("bad.md" in one["problem"] for one in doctor)
    (memory.folder / ".quarterdeck/memory/bad.md").unlink()
    eventually(lambda: not memory.get("stats")["problems"], "it is mended")
    memory.patch("told", body="changed")
    while (happened := told("memory.changed"))["why"] != "edited":
        pass
    memory.delete("told")
    assert told("memory.changed")["why"] == "deleted"
    many = [{"content": {"key": f"k{n}", "body": "x", "kind": "note", "namespace": "workspace"}} for n in range(300)]
    memory.post("import", data=json.dumps({"format": "quarterdeck-memory", "version": 1, "entries": many}))
    while (happened := told("memory.changed"))["why"] != "many":
        assert happened["entry"]
    assert happened["entry"] == ""
    stream.close()
