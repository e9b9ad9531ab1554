"""Sessions rebuilt from their pages when the database, or the whole state folder, is gone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from quarterdeck.errors import NotFound, Refused
from sessions.deck import Deck
from sessions.markdown.plan import Plan, PlannedAgent, plan
from sessions.markdown.rebuild import Rebuilt, rebuild
from sessions.markdown.record import Record, Recorded, dump
from sessions.model import Restore
from tests.sessions.markdown.conftest import Opener, happens, wish

Git = Callable[..., str]


def environ() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "HOME", "SHELL", "PS1")}


def reader(home: Path) -> None:
    """A profile whose program takes prompts and runs nothing of them."""
    (home / "user/profiles").mkdir(exist_ok=True)
    (home / "user/profiles/reader.toml").write_text('kind = "agent"\nargv = ["cat"]\n')


def lose(home: Path, *, all_of_it: bool = True) -> None:
    """The database is gone; with ``all_of_it`` the agents' folders too."""
    for path in (home / "s").glob("state.db*"):
        path.unlink()
    if all_of_it:
        shutil.rmtree(home / "s/agents")


def put(work: Path, record: Record, name: str = "") -> Path:
    path = work / ".quarterdeck/sessions" / record.session / (name or "checkpoint.md")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dump(record) + "\n# page\n")
    return path


def actions(found: Plan) -> dict[str, tuple[str, str]]:
    return {agent.name: (agent.action, agent.reason) for one in found.sessions for agent in one.agents}


async def carry_out(deck: Deck, work: Path, **more: bool) -> list[Rebuilt]:
    found = await plan(deck, [str(work)])
    _, done = await rebuild(deck, [str(work)], found.digest, environ(), **more)
    return done


async def screen(deck: Deck, agent: str) -> str:
    return await deck.live(agent).text()


async def test_everything_comes_back_when_the_state_folder_is_gone(
    home: Path, work: Path, opened: Opener, git: Git
) -> None:
    (work / "web").mkdir()
    (home / "user/profiles").mkdir()
    (home / "user/profiles/counter.toml").write_text(
        'title = "counter"\nkind = "program"\nargv = ["sh", "-c", "echo counting; exec cat"]\n'
    )
    reader(home)
    async with opened() as deck:
        api = await deck.create(wish(work, name="api", worktree=True, tags=("x", "y"), restore=Restore.AUTO))
        await deck.create(wish(work, "reader", name="web", cwd="web"))
        await deck.create(wish(work, "counter", name="count"))
        await deck.create(wish(work, "custom", name="tests", argv=("sh", "-c", "echo SECRET_ARGV; exec cat")))
        await deck.groups.set_goal("work", "ship it")
        assert api.worktree is not None
        Path(api.worktree.path, "half-done.txt").write_text("not committed")
        git(Path(api.worktree.path), "commit", "-q", "--allow-empty", "-m", "work")
        await deck.end("web")
        await deck.markdown.write(deck.session("work").id)
        await deck.end_all()
    page = work / ".quarterdeck/sessions/work/checkpoint.md"
    text = page.read_text()
    assert "SECRET_ARGV" not in text.split("\n---\n")[0]
    waiting = text.replace(
        "- name: web\n", "- name: web\n  prompts:\n  - echo first\n  - |-\n    echo second\n    echo third\n"
    )
    page.write_text(waiting)
    lose(home)

    async with opened() as deck:
        assert deck.agents() == []
        found = await plan(deck, [str(work)])
        (one,) = found.sessions
        assert (one.action, one.session, one.goal) == ("make", "work", "ship it")
        told = actions(found)
        assert told["api"][0] == "start"
        assert "goes on in the worktree" in told["api"][1]
        assert told["web"] == ("start", "")
        assert told["tests"][0] == "refused"
        assert told["tests"][1].startswith("profile custom has no command of its own, and a checkpoint holds none")
        assert told["tests"][1].endswith("quarterdeck new custom --name tests -- COMMAND")
        assert deck.sessions() == [], "looking makes nothing"

        _, done = await rebuild(deck, [str(work)], found.digest, environ())
        assert {(one.name, one.action, one.queued) for one in done} == {
            ("api", "started", 0),
            ("web", "started", 2),
            ("count", "started", 0),
            ("tests", "refused", 0),
        }
        session = deck.session("work")
        assert (session.goal, session.workspace) == ("ship it", str(work))
        again = deck.agent("api")
        assert again.worktree is not None
        assert (again.worktree.path, again.worktree.branch) == (api.worktree.path, "quarterdeck/api")
        assert again.worktree.base == git(work, "rev-parse", "main"), "its commits count as its own"
        assert Path(again.worktree.path, "half-done.txt").read_text() == "not committed"
        assert (again.tags, again.restore) == (("x", "y"), Restore.AUTO)
        assert deck.agent("web").cwd == str(work / "web")
        assert [prompt.text for prompt in await deck.outbox.prompts(deck.agent("web").id)] != []
        await happens(lambda: deck.live("count").title is not None)

        after = await plan(deck, [str(work)])
        assert not after.changes, "nothing is made twice"
        assert {agent.action for one in after.sessions for agent in one.agents if agent.name != "tests"} == {"there"}
        assert len(deck.agents()) == 3
        await deck.end_all()


async def test_agents_that_were_found_again_get_what_waited_for_them(home: Path, work: Path, opened: Opener) -> None:
    reader(home)
    async with opened() as deck:
        agent = await deck.create(wish(work, "reader", name="api"))
        await deck.markdown.write(deck.session("work").id)
    page = work / ".quarterdeck/sessions/work/checkpoint.md"
    page.write_text(page.read_text().replace("- name: api\n", "- name: api\n  prompts:\n  - echo wai''ted\n"))
    lose(home, all_of_it=False)
    async with opened() as deck:
        assert [one.id for one in deck.agents()] == [agent.id], "from its own file"
        found = await plan(deck, [str(work)])
        planned = [one for session in found.sessions for one in session.agents]
        assert [(one.action, one.prompts) for one in planned if one.prompts] == [("there", ("echo wai''ted",))]
        done = await carry_out(deck, work)
        assert [(one.action, one.queued) for one in done if one.queued] == [("there", 1)]
        (prompt,) = await deck.outbox.prompts(agent.id)
        assert prompt.text == "echo wai''ted"
        assert len(deck.agents()) == 1
        assert not (await plan(deck, [str(work)])).changes, "it is not queued again"
        await deck.end_all()
    assert list(page.parent.glob("restored-*.md")), "the page it came from is not offered again"
    assert "## Notes" in page.read_text()


async def test_what_a_page_may_not_name_is_refused(home: Path, work: Path, opened: Opener, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (work / "link").symlink_to(outside)
    (work / "file").write_text("")
    agents = (
        Recorded(name="good", profile="shell"),
        Recorded(name="unknown", profile="evil"),
        Recorded(name="command", profile="custom"),
        Recorded(name="link", profile="shell", folder="link"),
        Recorded(name="nowhere", profile="shell", folder="no/such"),
        Recorded(name="file", profile="shell", folder="file"),
        Recorded(name="out", profile="shell", outside=True),
        Recorded(name="pane", profile="shell", adopted=True),
        Recorded(name="adapter", profile="shell", adapter="ssh"),
        Recorded(name="main", profile="shell", branch="main"),
        Recorded(name="option", profile="shell", branch="--force"),
        Recorded(name="one", profile="shell", branch="feat/x"),
        Recorded(name="two", profile="shell", branch="feat/x"),
    )
    put(work, Record(session="evil", agents=agents))
    profiles = work / ".quarterdeck/profiles"
    profiles.mkdir()
    (profiles / "evil.toml").write_text('argv = ["touch", "/tmp/evil"]')
    async with opened() as deck:
        told = actions(await plan(deck, [str(work)]))
        assert {name for name, (action, _) in told.items() if action == "start"} == {"good", "one"}
        assert "new one of that name begins" in told["one"][1]
        for name, word in {
            "unknown": "evil",
            "command": "no command",
            "link": "leads out",
            "nowhere": "not there",
            "file": "not there",
            "out": "outside",
            "pane": "adopt",
            "adapter": "unknown adapter",
            "main": "checked out",
            "option": "cannot be the name",
            "two": "another agent",
        }.items():
            assert word in told[name][1], (name, told[name])
        done = await carry_out(deck, work)
        assert {one.name for one in done if one.action == "started"} == {"good", "one"}
        await deck.end_all()


async def test_pages_that_are_no_pages_harm_nothing(work: Path, opened: Opener) -> None:
    top = work / ".quarterdeck/sessions"
    for name, data in {
        "huge": b"---\n" + b"a" * (10 << 20),
        "binary": bytes(range(256)),
        "bomb": b"---\na: &a [1]\nb: [*a]\n---\n",
        "names": b"---\nquarterdeck: 1\nsession: ../../../etc\n---\n",
        "gone": dump(Record(session="gone", removed="2026-01-01T00:00:00Z")).encode(),
    }.items():
        (top / name).mkdir(parents=True)
        (top / name / "checkpoint.md").write_bytes(data)
    async with opened() as deck:
        found = await plan(deck, [str(work)])
        assert [(Path(one.page).parent.name, one.action) for one in found.sessions] == [
            (name, "refused") for name in ("binary", "bomb", "gone", "huge", "names")
        ]
        assert "a person removed it" in found.sessions[2].reason
        assert not found.changes
        assert await carry_out(deck, work) == []
        assert deck.sessions() == []
        with pytest.raises(NotFound):
            await plan(deck, [str(work / "no")])


async def test_only_what_a_person_saw_is_made(work: Path, opened: Opener) -> None:
    path = put(work, Record(session="shop", agents=(Recorded(name="api", profile="shell"),)))
    async with opened() as deck:
        seen = await plan(deck, [str(work)])
        path.write_text(path.read_text().replace("profile: shell", "profile: shell\n  prompts:\n  - rm -rf /"))
        with pytest.raises(Refused, match="changed since it was shown"):
            await rebuild(deck, [str(work)], seen.digest, environ())
        assert deck.sessions() == []
        done = await carry_out(deck, work, prompts=False)
        assert [(one.action, one.queued) for one in done] == [("started", 0)]
        assert await deck.outbox.prompts(deck.agent("api").id) == []
        await deck.end_all()


async def test_names_that_are_taken_and_pages_of_the_same_session(home: Path, work: Path, opened: Opener) -> None:
    other = home / "other"
    other.mkdir()
    agents = (Recorded(name="api", profile="shell"), Recorded(name="web", profile="shell"))
    put(work, Record(session="shop", id="new", written="2026-02-02T00:00:00Z", agents=agents[:1]))
    put(work, Record(session="shop", id="old", agents=agents), "checkpoint-20260101T000000Z.md")
    async with opened() as deck:
        await deck.groups.create("shop", str(other))
        found = await plan(deck, [str(work), str(work)])
        assert [(one.session, one.action) for one in found.sessions] == [("shop-2", "make"), ("shop-2", "add")]
        assert "another workspace" in found.sessions[0].reason
        assert [(a.name, a.action) for a in found.sessions[1].agents] == [("api", "refused"), ("web", "start")]
        done = await carry_out(deck, work)
        assert [(one.session, one.name, one.action) for one in done] == [
            ("shop-2", "api", "started"),
            ("shop-2", "api", "refused"),
            ("shop-2", "web", "started"),
        ]
        await deck.end_all()


async def test_an_agent_that_cannot_be_started_does_not_keep_the_others_from_it(
    home: Path, work: Path, opened: Opener
) -> None:
    (home / "user/profiles").mkdir()
    (home / "user/profiles/broken.toml").write_text('argv = ["/no/such/program"]')
    put(
        work,
        Record(
            session="shop",
            agents=(Recorded(name="broken", profile="broken", branch="b"), Recorded(name="api", profile="shell")),
        ),
    )
    page = work / ".quarterdeck/sessions/shop"
    async with opened() as deck:
        done = await carry_out(deck, work)
        assert [(one.name, one.action) for one in done] == [("broken", "failed"), ("api", "started")]
        assert done[0].reason
        await deck.markdown.write(deck.session("shop").id)  # one of before may still name it
        assert "broken" not in (page / "checkpoint.md").read_text()
        assert len(list(page.glob("checkpoint*.md"))) == 2
        told = actions(await plan(deck, [str(work)]))
        assert told["broken"][0] == "start", "it can be tried again"
        await deck.end_all()


async def test_nothing_of_a_page_is_typed_into_what_would_run_it(home: Path, work: Path, opened: Opener) -> None:
    reader(home)
    (home / "user/profiles/program.toml").write_text('kind = "program"\nargv = ["sh"]\n')
    (home / "user/profiles/shy.toml").write_text('kind = "agent"\nargv = ["sh"]\n[prompt]\ncheckpoint = "none"\n')
    ran = tuple(f"touch {work}/ran-{number}" for number in range(2))
    recorded = (
        Recorded(name="shell", profile="shell", prompts=ran),
        Recorded(name="branch", profile="shell", branch="b", prompts=ran[:1]),
        Recorded(name="program", profile="program", prompts=ran),
        Recorded(name="shy", profile="shy", prompts=ran[:1]),
        Recorded(name="there", profile="reader", prompts=ran),
        Recorded(name="reader", profile="reader", prompts=ran),
    )
    page = put(work, Record(session="work", agents=recorded), "checkpoint-20260101T000000Z.md")
    async with opened() as deck:
        await deck.create(wish(work, name="there"))
        found = await plan(deck, [str(work)])
        told = actions(found)
        assert told["shell"] == ("start", "2 prompts are not queued: a shell would run them")
        assert told["branch"][0] == "start"
        assert told["branch"][1].endswith("; 1 prompt is not queued: a shell would run them")
        assert told["program"] == ("start", "2 prompts are not queued: a program would run them")
        assert told["shy"] == ("start", "1 prompt is not queued: its profile takes no checkpoint")
        assert told["there"] == ("there", "2 prompts are not queued: a shell would run them"), "by what runs there"
        assert told["reader"] == ("start", "")
        _, done = await rebuild(deck, [str(work)], found.digest, environ())
        assert {one.name: one.queued for one in done if one.queued} == {"reader": 2}
        assert "2 prompts are not queued" in next(one.reason for one in done if one.name == "shell")
        for name in ("shell", "branch", "program", "shy", "there"):
            assert await deck.outbox.prompts(deck.agent(name).id) == []
        assert not list(page.parent.glob("restored-*.md")), "what was not queued is still in its page"
        assert not (await plan(deck, [str(work)])).changes
        await deck.end_all()
    assert not list(work.glob("ran-*"))


def test_a_plan_names_exactly_itself() -> None:
    def digest(**values: object) -> str:
        agent: Mapping[str, object] = {"name": "a", "action": "start"} | values
        from sessions.markdown.plan import PlannedSession

        one = PlannedAgent(**agent)  # type: ignore[arg-type]
        return Plan(
            sessions=(PlannedSession(workspace="/w", page="p", session="s", action="make", agents=(one,)),)
        ).digest

    assert digest() == digest()
    assert len({digest(), digest(prompts=("x",)), digest(prompts=("y",)), digest(branch="b"), digest(name="b")}) == 5
