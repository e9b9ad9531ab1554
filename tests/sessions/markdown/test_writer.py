"""Pages of a real deck with real shells in real repositories."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from quarterdeck.redaction import Redactor
from sessions.markdown import folder
from sessions.markdown.record import load
from sessions.markdown.writer import Writer
from tests.sessions.markdown.conftest import Opener, happens, wish

ROOT = Path(__file__).resolve().parents[3]


def page_of(work: Path, session: str = "work") -> Path:
    return work / ".quarterdeck/sessions" / session / "checkpoint.md"


def text_of(work: Path, session: str = "work") -> str:
    path = page_of(work, session)
    return path.read_text() if path.exists() else ""


async def test_a_page_follows_what_happens(work: Path, opened: Opener, git: Callable[..., str]) -> None:
    async with opened() as deck:
        agent = await deck.create(wish(work, name="api", worktree=True, tags=("web",)))
        await happens(lambda: "| api | shell | running |" in text_of(work))
        await deck.groups.set_goal("work", "ship it")
        await happens(lambda: "> ship it" in text_of(work))
        prompt = await deck.outbox.submit(agent.id, "echo hi > new.txt")
        await deck.outbox.wait(prompt.id, "accepted", 20)
        await happens(lambda: "    echo hi > new.txt" in text_of(work))
        assert agent.worktree is not None
        await happens(Path(agent.worktree.path, "new.txt").exists)
        await deck.tag(agent.id, ["late"])
        await happens(lambda: "    ??  new.txt" in text_of(work) and "  - late" in text_of(work))
        found = load(text_of(work))
        assert [(one.name, one.branch, one.tags) for one in found.agents] == [
            ("api", "quarterdeck/api", ("late", "web"))
        ]
        assert git(work, "status", "--porcelain") == "", "the page is kept out of git"
        assert os.stat(page_of(work)).st_mode & 0o777 == 0o600
        await deck.end_all()
        await happens(lambda: "| api | shell | exited |" in text_of(work))


async def test_the_orderly_end_writes_what_is_not_written_yet(
    work: Path, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sessions.markdown.writer.INTERVAL", 3600.0)
    async with opened() as deck:
        await deck.groups.create("work", str(work))
        await happens(lambda: text_of(work))
        await deck.groups.set_goal("work", "late")
        assert "late" not in text_of(work)
    assert "> late" in text_of(work)


async def test_nothing_is_written_and_git_is_not_asked_while_nothing_changes(
    work: Path, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []
    from sessions import worktree

    real = worktree.changes

    async def counted(place: Path, base: str = "") -> worktree.Changes | None:
        asked.append(place)
        return await real(place, base)

    monkeypatch.setattr(worktree, "changes", counted)
    async with opened() as deck:
        session = await deck.groups.create("work", str(work))
        await happens(lambda: text_of(work))
        before = page_of(work).stat()
        for _ in range(20):
            await deck.groups.set_layout("work", "{}")
            deck.markdown.touch(session.id)
            await happens(lambda: not deck.markdown._dirty)
        assert asked == [work]
        assert await deck.markdown.write(session.id) == page_of(work)
        assert page_of(work).stat().st_mtime_ns == before.st_mtime_ns
        page_of(work).unlink()
        await deck.markdown.write(session.id)
        before = page_of(work).stat()
    async with opened() as deck:
        assert await deck.markdown.write(session.id) == page_of(work)
    assert page_of(work).stat().st_mtime_ns == before.st_mtime_ns, "the same after a restart"


async def test_notes_and_other_pages_outlive_every_writing(work: Path, opened: Opener) -> None:
    async with opened() as deck:
        await deck.groups.create("work", str(work))
        await happens(lambda: text_of(work))
        page_of(work).write_text(text_of(work) + "\nmine: **keep** this\r\n## Notes\n")
        await deck.groups.set_goal("work", "other")
        await happens(lambda: "> other" in text_of(work))
        assert page_of(work).read_bytes().endswith(b"\nmine: **keep** this\r\n## Notes\n")
        stranger = "# somebody wrote this\n\n## Notes\n\nand these notes\n"
        page_of(work).write_text(stranger)
        await deck.groups.set_goal("work", "third")
        await happens(lambda: "> third" in text_of(work))
        assert "and these notes" in text_of(work)
        assert page_of(work).with_name("checkpoint-unread.md").read_text() == stranger


async def test_a_page_of_a_lost_database_is_set_aside(home: Path, work: Path, opened: Opener) -> None:
    async with opened() as deck:
        await deck.groups.create("work", str(work))
        await deck.groups.set_goal("work", "the lost one")
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        (home / "s" / name).unlink(missing_ok=True)
    async with opened() as deck:
        await deck.groups.create("work", str(work))
        await happens(lambda: text_of(work) and "the lost one" not in text_of(work))
    aside = [path for path in page_of(work).parent.glob("checkpoint-*.md") if "the lost one" in path.read_text()]
    assert len(aside) == 1


async def test_many_sessions_share_a_workspace(work: Path, opened: Opener) -> None:
    async with opened() as deck:
        for name in ("one", "two", "three"):
            await deck.groups.create(name, str(work))
        await happens(lambda: all(text_of(work, name) for name in ("one", "two", "three")))
        await deck.groups.rename("two", "zwei")
        await happens(lambda: "# zwei" in text_of(work, "zwei"))
        assert not page_of(work, "two").parent.exists()
        (page_of(work, "three")).write_text(text_of(work, "three") + "\nmine\n")
        await deck.groups.remove("one")
        await deck.groups.remove("three")
        await happens(lambda: not page_of(work, "one").parent.exists())
        await happens(lambda: "was removed" in text_of(work, "three"))
        assert text_of(work, "three").endswith("\nmine\n")
        assert load(text_of(work, "three")).removed
    names = sorted(path.name for path in (work / ".quarterdeck/sessions").iterdir())
    assert names == ["three", "zwei"]


async def test_trouble_is_said_once_and_ends_by_itself(
    work: Path, opened: Opener, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere = work / "elsewhere"
    elsewhere.mkdir()
    (work / ".quarterdeck").symlink_to(elsewhere)
    async with opened() as deck:
        session = await deck.groups.create("work", str(work))
        await happens(lambda: deck.markdown.problems)
        for goal in ("a", "b", "c"):
            await deck.groups.set_goal("work", goal)
            await happens(lambda: not deck.markdown._dirty)
        assert len([one for one in caplog.records if "as markdown" in one.message]) == 1
        assert "is a link" in deck.markdown.problems[session.id]
        assert list(elsewhere.iterdir()) == []
        (work / ".quarterdeck").unlink()
        await deck.groups.set_goal("work", "d")
        await happens(lambda: "> d" in text_of(work))
        assert not deck.markdown.problems


async def test_a_workspace_that_is_gone_is_not_made_again(work: Path, opened: Opener) -> None:
    async with opened() as deck:
        session = await deck.groups.create("work", str(work))
        await happens(lambda: text_of(work))
        os.rename(work, work.with_name("moved"))
        await deck.groups.set_goal("work", "x")
        await happens(lambda: session.id in deck.markdown.problems)
    assert not work.exists()


async def test_it_can_be_switched_off(home: Path, work: Path, opened: Opener) -> None:
    (home / "user/config.toml").write_text("checkpoints = false")
    async with opened() as deck:
        await deck.create(wish(work))
        await happens(lambda: not deck.markdown._dirty)
        await deck.end_all()
    assert not (work / ".quarterdeck").exists()


async def test_secrets_are_masked(home: Path, work: Path, opened: Opener) -> None:
    async with opened() as deck:
        await deck.create(wish(work, name="api"))
        own = Writer(
            deck._roster, deck.outbox, deck.approvals, mask=lambda text: Redactor({}).redact(text).text, interval=0
        )
        key = "ghp_" + "a1B2" * 9
        prompt = await deck.outbox.submit("api", f"echo {key} > /dev/null")
        await deck.outbox.wait(prompt.id, "accepted", 20)
        await own.write(deck.session("work").id)
        assert "redacted" in text_of(work)
        await happens(lambda: "redacted" in text_of(work))
        assert key not in text_of(work)
        await deck.end_all()


def test_a_writer_that_is_killed_leaves_a_whole_page(home: Path, work: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from sessions.markdown import folder\n"
        "n = 0\n"
        "while True:\n"
        "    n += 1\n"
        "    text = '---\\nquarterdeck: 1\\nsession: work\\nid: a\\n---\\n' + str(n % 10) * 300_000 + '\\nend\\n'\n"
        "    folder.put(Path(sys.argv[1]), 'work', lambda _: True, lambda _: text, first=n == 1)\n"
        "    print(n, flush=True)\n"
    )
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", script, str(work)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            for _ in range(3):
                process.stdout.readline()
            process.send_signal(signal.SIGKILL)
        text = text_of(work)
        digits = set(text.split("---\n")[2].split("\n")[0])
        assert len(digits) == 1
        assert text.endswith("\nend\n")
        assert load(text).session == "work"
    folder.put(work, "work", lambda _: True, lambda _: text, first=True)
    assert [path.name for path in page_of(work).parent.iterdir()] == ["checkpoint.md"], "nothing is left over"


def test_pages_are_read_without_following_or_waiting_for_anything(work: Path, tmp_path: Path) -> None:
    top = work / ".quarterdeck/sessions"
    good = top / "good"
    good.mkdir(parents=True)
    (good / "checkpoint.md").write_text("---\nquarterdeck: 1\nsession: good\n---\n")
    (good / "checkpoint-20260101T000000Z.md").write_text("---\nquarterdeck: 1\nsession: old\n---\n")
    (good / "restored-1.md").write_text("---\nquarterdeck: 1\nsession: no\n---\n")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "checkpoint.md").write_text("---\nquarterdeck: 1\nsession: outside\n---\n")
    (top / "link").symlink_to(outside)
    for name in ("linked", "pipe", "huge", "folder", "binary"):
        (top / name).mkdir()
    (top / "linked/checkpoint.md").symlink_to(outside / "checkpoint.md")
    os.mkfifo(top / "pipe/checkpoint.md")
    (top / "huge/checkpoint.md").write_bytes(b"---\n" + b"x" * (10 << 20))
    (top / "folder/checkpoint.md").mkdir()
    (top / "binary/checkpoint.md").write_bytes(bytes(range(256)))
    found = {page.path.relative_to(top).as_posix(): page for page in folder.pages(work)}
    assert [name for name, page in found.items() if page.record] == [
        "good/checkpoint.md",
        "good/checkpoint-20260101T000000Z.md",
    ]
    assert {name for name, page in found.items() if page.problem} == {
        f"{name}/checkpoint.md" for name in ("linked", "pipe", "huge", "folder", "binary")
    }
    os.rename(top, work / "elsewhere")
    top.symlink_to(work / "elsewhere")
    assert list(folder.pages(work)) == []


async def test_a_killed_orchestrator_leaves_a_page_and_goes_on_with_it(home: Path, work: Path) -> None:
    """The deck in a process of its own, killed while it writes; the next one knows the page as its own."""
    script = (
        "import asyncio, sys\nfrom pathlib import Path\nfrom quarterdeck.clock import SystemClock\n"
        "from quarterdeck.paths import Paths\nfrom sessions.deck import Deck\nfrom sessions.markdown import writer\n"
        "writer.INTERVAL, writer.SETTLE = 0.0, 0.0\n"
        "async def main():\n"
        "    async with Deck.open(Paths(Path(sys.argv[1])), {}, SystemClock()) as deck:\n"
        "        if not deck.sessions():\n"
        "            await deck.groups.create('work', sys.argv[2])\n"
        "        for n in range(100000):\n"
        "            await deck.groups.set_goal('work', f'goal {n}')\n"
        "            await asyncio.sleep(0)\n"
        "            print(n, flush=True)\n"
        "asyncio.run(main())\n"
    )
    for _ in range(3):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", script, str(home / "s"), str(work)), cwd=ROOT, stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        async with asyncio.timeout(30):
            while int(await process.stdout.readline()) < 50 or "\ngoal: " not in text_of(work):
                pass
        process.kill()
        await process.communicate()
        assert load(text_of(work)).goal.startswith("goal ")
    assert [path.name for path in page_of(work).parent.glob("*.md")] == ["checkpoint.md"], "none was set aside"
