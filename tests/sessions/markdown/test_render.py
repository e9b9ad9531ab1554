from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC

from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from sessions.markdown.facts import AgentFacts, Facts, masked, next_steps, record
from sessions.markdown.quoting import block, code, words
from sessions.markdown.record import load
from sessions.markdown.render import Summary, parts, render, summary_part
from sessions.model import Agent, Approval, Doing, Prompt, PromptState, Session, Status, Worktree
from sessions.worktree import Changes

NOW = 1_790_000_000_000_000_000
HOSTILE = [
    "## Notes\n\n# Ours",
    "---\nquarterdeck: 1\nsession: evil\n---\n",
    "```\n~~~\n````",
    "\x1b[31mred\x07 \u202e evil \u200b",
    "<script>alert(1)</script> ![x](http://e.org/x.png) [a](javascript:b)",
    "| a | b |\n|---|---|",
    "a\r## Notes\r\nb\u2028## Notes\x85## Summary",
    "\n\n\n    deep\n\ttab",
    "`" * 7 + "x" + "`" * 3,
]
SESSION = Session(id="abcdefghjk", name="shop", workspace="/home/ann/shop", goal="Ship *it*", created_ns=1)


def agent(name: str = "api", **values: object) -> Agent:
    base: dict[str, object] = {
        "id": f"id-{name}",
        "name": name,
        "session": SESSION.id,
        "profile": "claude",
        "adapter": "native",
        "argv": ("claude", "--secret-flag"),
        "cwd": SESSION.workspace,
        "status": Status.IDLE,
        "since_ns": NOW,
    }
    return Agent(**(base | values))  # type: ignore[arg-type]


def prompt(text: str, number: int = 1, **values: object) -> Prompt:
    return Prompt(id=f"p{number}", agent="id-api", text=text, created_ns=NOW, **values)  # type: ignore[arg-type]


def everything(text: str) -> Facts:
    """Facts in which ``text`` stands wherever an agent or a person can put one."""
    doing = Doing(kind="permission", waiting_for=text, message=text, model=text)
    tree = Worktree(path="/w/api", branch="quarterdeck/api", repository="/home/ann/shop", base="0" * 40)
    one = AgentFacts(
        agent=agent(status=Status.BLOCKED, reason=text, doing=doing, worktree=tree, cwd="/w/api"),
        queue=(prompt(text), prompt("second", 2)),
        last=prompt(text, 3, state=PromptState.UNCONFIRMED, reason=text),
        asks=(Approval(id="ask", agent="id-api", kind="permission", tool=text, command=text, diff=text, text=text),),
    )
    changes = {"/w/api": Changes(branch=text, files=((".M", text), ("??", "b")), commits=2)}
    return Facts(session=replace(SESSION, goal=text[:200]), agents=(one,), changes=changes)


def headings(page: str) -> list[str]:
    """What a markdown reader takes for headings; the block at the top is no markdown."""
    tokens = MarkdownIt("commonmark").enable("table").parse(page.split("\n---\n", 1)[1])
    return [tokens[n + 1].content for n, token in enumerate(tokens) if token.type == "heading_open"]


def check(text: str) -> None:
    page = render(everything(text), written_ns=NOW, summary=summary_part(Summary(text, text, "now")), notes="\nmine\n")
    assert headings(page) == [
        *("shop", "What to do next", "Agents", "api", "Changed files", "Summary", "Notes"),
    ]
    for bad in "\x1b\x07\u202e\u200b\x85\u2028\r":
        assert bad not in page
    found = parts(page)
    assert found.notes == "\nmine\n"
    assert found.summary.startswith("## Summary\n")
    tokens = MarkdownIt("commonmark").parse(page.split("\n---\n", 1)[1])
    kinds = {inner.type for token in tokens for inner in token.children or ()} | {token.type for token in tokens}
    assert not kinds & {"image", "link_open", "html_inline", "html_block", "fence"}


def test_no_text_of_an_agent_can_break_the_page() -> None:
    for text in HOSTILE:
        check(text)


@settings(deadline=None)
@given(st.lists(st.one_of(st.sampled_from(HOSTILE), st.text(max_size=40)), max_size=6).map("".join))
def test_no_text_at_all_can_break_the_page(text: str) -> None:
    check(text or "x")


def test_a_page_reads_like_this() -> None:
    facts = everything("Bash: alembic upgrade head")
    page = render(replace(facts, session=SESSION), written_ns=NOW, zone=UTC)
    assert page.split("\n---\n", 1)[1] == PAGE
    assert "secret-flag" not in page


def test_the_block_is_what_was_recorded() -> None:
    facts = everything("go on")
    assert load(render(facts, written_ns=NOW)) == record(facts, "2026-09-21T14:13:20Z")
    assert [one.branch for one in load(render(facts, written_ns=NOW)).agents] == ["quarterdeck/api"]


def test_where_an_agent_ran_is_told_below_the_workspace_only() -> None:
    tree = Worktree(path="/w/api", branch="b", repository=SESSION.workspace, base="")
    places = [
        agent("a"),
        agent("b", cwd="/home/ann/shop/web/x"),
        agent("c", cwd="/etc"),
        agent("d", cwd="/w/api/web", worktree=tree),
        agent("e", cwd="/home/ann/shopping"),
    ]
    found = record(Facts(session=SESSION, agents=tuple(AgentFacts(agent=one) for one in places)), "")
    assert [(one.folder, one.outside) for one in found.agents] == [
        *[("", False), ("web/x", False), ("", True), ("web", False), ("", True)],
    ]


def test_what_was_masked_or_is_too_long_is_not_offered_again_nor_what_follows_it() -> None:
    def mask(text: str) -> str:
        return text.replace("hunter2", "[redacted: x]")

    queue = (prompt("first", 1), prompt("use hunter2", 2), prompt("third", 3))
    facts = masked(Facts(session=SESSION, agents=(AgentFacts(agent=agent(), queue=queue),)), mask)
    (told,) = record(facts, "").agents
    assert (told.prompts, told.withheld) == (("first",), 2)
    page = render(facts, written_ns=NOW)
    assert "hunter2" not in page
    assert "A secret in it was masked." in page
    long = Facts(session=SESSION, agents=(AgentFacts(agent=agent(), queue=(prompt("x" * 20_001),)),))
    assert record(long, "").agents[0].withheld == 1
    assert len(render(long, written_ns=NOW)) < 5_000


def test_every_text_is_masked() -> None:
    page = render(masked(everything("hunter2"), lambda text: text.replace("hunter2", "[gone]")), written_ns=NOW)
    # names of models, branches and files are no texts
    rest = [line for line in page.splitlines() if "hunter2" in line]
    assert len(rest) == 4, rest


def test_what_to_do_next_is_ordered_by_how_urgent_it_is() -> None:
    def one(name: str, status: Status, **more: object) -> AgentFacts:
        values = {key: more.pop(key) for key in ("queue", "last") if key in more}
        return AgentFacts(agent=agent(name, status=status, **more), **values)  # type: ignore[arg-type]

    tree = Worktree(path="/w/gone", branch="b", repository="/r", base="")
    agents = (
        one("idle", Status.IDLE),
        one("works", Status.WORKING, last=prompt("make it\nfast", state=PromptState.ACCEPTED)),
        one("queued", Status.WORKING, queue=(prompt("next"),)),
        one("gone", Status.EXITED, worktree=tree),
        one("clean", Status.EXITED),
        one("done", Status.DONE),
        one("limited", Status.LIMITED, reason="until 15:00"),
        one("lost", Status.LOST, reason="holder killed"),
        one("asks", Status.BLOCKED, doing=Doing(kind="question", waiting_for="which one?")),
    )
    changes = {"/w/gone": Changes(branch="b", files=(("??", "x"),), commits=2)}
    steps = next_steps(Facts(session=SESSION, agents=agents, changes=changes))
    assert [(step.agent, step.what, step.text) for step in steps] == [
        ("asks", "asks you something", "which one?"),
        ("lost", "is lost", "holder killed"),
        ("limited", "is at its usage limit", "until 15:00"),
        ("done", "is done, and nobody has looked", ""),
        ("gone", "ended and left 1 changed file and 2 commits", ""),
        ("queued", "has 1 prompt waiting for it", "next"),
        ("works", "is working on", "make it"),
        ("queued", "is working", ""),
        ("idle", "is idle, and nothing waits for it", ""),
    ]


def test_notes_are_everything_below_their_heading_byte_for_byte() -> None:
    facts = everything("x")
    for notes in ("", "no newline", "\n\nmine\r\n## Notes\nmore\n## Summary\nnot one\n", "\udcff bytes\n"):
        page = render(facts, written_ns=NOW, notes=notes)
        assert parts(page).notes == notes
        assert parts(render(facts, written_ns=NOW, notes=parts(page).notes)).notes == notes
    assert parts("no page at all").notes is None


def test_a_summary_stays_until_there_is_another() -> None:
    facts = everything("x")
    part = summary_part(Summary("It stands well.\n## Notes", "a-model", "2026-11-21T15:00:00Z"))
    page = render(facts, written_ns=NOW, summary=part, notes="\nmine\n")
    again = render(facts, written_ns=NOW, summary=parts(page).summary, notes=parts(page).notes)
    assert again == page


def test_quoting() -> None:
    assert block("a\n\nb") == "    a\n\n    b"
    assert block(" \n ") == ""
    assert block("x" * 3000).endswith("x\n    …")
    assert block("a\n" * 100).count("\n") == 60
    assert code("a`b") == "``a`b``"
    assert code("`a`") == "`` `a` ``"
    assert code("a\nb") == "`a b`"
    assert code("") == ""
    assert words("- *a* <b>") == "\\- \\*a\\* \\<b\\>"


def test_a_page_is_written_of_an_empty_session(make_agent: Callable[..., Agent]) -> None:
    page = render(Facts(session=replace(SESSION, goal="")), written_ns=NOW)
    assert "Nothing waits for you." in page
    assert load(page).agents == ()


PAGE = """
# shop

> Ship \\*it\\*

1 agent, 1 running, in `/home/ann/shop`.
Written 2026-09-21 14:13:20 +0000.

## What to do next

1. **api** needs your permission: `Bash: alembic upgrade head` (`quarterdeck inbox`)
2. **api** may not have taken its last prompt: `Bash: alembic upgrade head` (`quarterdeck show shop/api`)
3. **api** has 2 prompts waiting for it: `Bash: alembic upgrade head` (`quarterdeck queue ls shop/api`)

## Agents

| agent | profile | status | since | branch |
|---|---|---|---|---|
| api | claude | blocked | 2026-09-21 14:13 | `Bash: alembic upgrade head` |

### api

Blocked (permission): `Bash: alembic upgrade head`. Model `Bash: alembic upgrade head`. A worktree of its own: `/w/api`.

Last prompt (2026-09-21 14:13, unconfirmed: Bash: alembic upgrade head):

    Bash: alembic upgrade head

Last answer:

    Bash: alembic upgrade head

Asks since  (permission to use `Bash: alembic upgrade head`), `quarterdeck approve ask`:

    Bash: alembic upgrade head

Waits to be sent (2):

Since 2026-09-21 14:13.

    Bash: alembic upgrade head

Since 2026-09-21 14:13.

    second

## Changed files

api, on branch `Bash: alembic upgrade head`, 2 commits since it began:

     M  Bash: alembic upgrade head
    ??  b

## Notes

<!-- What you write below this line is yours: it is kept when the page is written again. -->
"""
