from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarterdeck.errors import Invalid
from sessions.markdown.quoting import visible
from sessions.markdown.record import AGENTS_LIMIT, Record, Recorded, dump, load
from sessions.model import Restore
from sessions.outbox.wording import clean

NAMES = st.from_regex(r"[A-Za-z0-9é_][A-Za-z0-9_.+@-]{0,20}", fullmatch=True)
PROMPTS = st.text(max_size=300).filter(lambda text: visible(text).strip()).map(lambda text: clean(visible(text)))
AGENTS = st.builds(
    Recorded,
    name=NAMES,
    profile=st.from_regex(r"[a-z0-9][a-z0-9._-]{0,10}", fullmatch=True),
    adapter=st.sampled_from(["native", "tmux"]),
    folder=st.sampled_from(["", "web", "a/b c", "né"]),
    branch=st.sampled_from(["", "quarterdeck/api", "yes", "123", "a'b"]),
    restore=st.sampled_from(Restore),
    tags=st.lists(st.sampled_from(["a", "on", "1.0"]), unique=True).map(lambda tags: tuple(sorted(tags))),
    prompts=st.lists(PROMPTS, max_size=3).map(tuple),
    withheld=st.integers(0, 9),
    outside=st.booleans(),
    adopted=st.booleans(),
)


@settings(deadline=None)
@given(
    st.builds(
        Record,
        session=NAMES,
        id=st.sampled_from(["", "abcdefghjk", "1234567890"]),
        goal=st.sampled_from(["", "ship: it #now", "- a", "yes", "'\"", "2026-11-21"]),
        written=st.just("2026-11-21T15:00:00Z"),
        agents=st.lists(AGENTS, max_size=4, unique_by=lambda agent: agent.name).map(tuple),
    )
)
def test_what_is_written_is_read_back_exactly_whatever_the_texts_are(record: Record) -> None:
    text = dump(record)
    assert load(text + "\n# shop\n") == record
    ours = ("---", "quarterdeck:", "session:", "id:", "goal:", "written:", "agents:", "- name:", "  ")
    assert all(line.startswith(ours) for line in text.splitlines() if line)


def page(inside: str) -> str:
    return f"---\n{inside}\n---\n\n# shop\n"


@pytest.mark.parametrize(
    ("inside", "told"),
    [
        ("quarterdeck: 2\nsession: shop", "newer Quarterdeck"),
        ("session: shop", "no checkpoint"),
        ("- 1", "no checkpoint"),
        ("quarterdeck: 1\nsession: ../../etc", "cannot be a name"),
        ("quarterdeck: 1\nsession: 5", "cannot be a name"),
        ("quarterdeck: 1\nsession: ''", "cannot be a name"),
        ("quarterdeck: 1\nsession: [", "cannot be read"),
        ("quarterdeck: 1\nsession: !!python/object/apply:os.system [ls]", "cannot be read"),
        ("a: &a [1]\nb: [*a, *a]", "aliases"),
        ("[" * 4000, "cannot be read"),
        ("{a: " * 4000, "cannot be read"),
        ("quarterdeck: 1\nsession: shop\n\x1b[31m: 1", "cannot be read"),
        ("quarterdeck: 1\nsession: shop\ngoal: x\n" + "# fill\n" * 60_000, "longer than"),
    ],
)
def test_a_page_that_makes_no_sense_says_why(inside: str, told: str) -> None:
    with pytest.raises(Invalid, match=told):
        load(page(inside))


def test_a_page_without_the_block_is_no_checkpoint() -> None:
    for text in ("", "# shop\n", "---\nquarterdeck: 1\n", "\n---\nquarterdeck: 1\nsession: shop\n---\n"):
        with pytest.raises(Invalid, match="does not begin"):
            load(text)


@pytest.mark.parametrize(
    ("agent", "told"),
    [
        ("{name: ../x, profile: shell}", "cannot be a name"),
        ("{name: x, profile: /bin/sh}", "name of a profile"),
        ("{name: x, profile: [shell]}", "profile is no text"),
        ("{name: x, profile: 'shell; rm -rf'}", "name of a profile"),
        ("{name: x, profile: shell, folder: ../..}", "not below the workspace"),
        ("{name: x, profile: shell, folder: /etc}", "not below the workspace"),
        ("{name: x, profile: shell, folder: 'a/../../b'}", "not below the workspace"),
        ("{name: x, profile: shell, folder: '~/b'}", "not below the workspace"),
        ('{name: x, profile: shell, folder: "a\\0b"}', "not below the workspace"),
        ('{name: x, profile: shell, branch: "a\\nb"}', "branch"),
        ("{name: x, profile: shell, restore: always}", "auto, ask, never"),
        ("{name: x, profile: shell, adapter: ../x}", "adapter"),
        ("{name: x, profile: shell, tags: [A]}", "cannot be a tag"),
        ("{name: x, profile: shell, prompts: rm}", "no list of texts"),
        ("{name: x, profile: shell, prompts: [1]}", "no list of texts"),
        ("{name: x, profile: shell, prompts: ['']}", "no text to send"),
        ("{name: x, profile: shell, prompts: [" + "a" * 20_001 + "]}", "too long"),
        ("just text", "no list of names"),
    ],
)
def test_an_agent_that_makes_no_sense_is_left_out_and_named(agent: str, told: str) -> None:
    found = load(page(f"quarterdeck: 1\nsession: shop\nagents:\n- {agent}\n- {{name: good, profile: shell}}"))
    assert [agent.name for agent in found.agents] == ["good"]
    assert len(found.unusable) == 1
    assert told in found.unusable[0].reason


def test_nothing_but_what_is_meant_is_taken_from_an_agent() -> None:
    inside = "{name: x, profile: shell, argv: [rm], environ: {A: b}, command: rm, cwd: /etc, resume_id: abc}"
    found = load(page(f"quarterdeck: 1\nsession: shop\nworkspace: /etc\nagents: [{inside}]"))
    assert found == Record(session="shop", agents=(Recorded(name="x", profile="shell"),))


def test_terminal_sequences_and_invisible_characters_do_not_come_out_of_a_prompt() -> None:
    text = '{name: x, profile: shell, prompts: ["\\e[201~rm\\e[31m -rf\\u202e /\\r\\u200bx\\x9b"]}'
    found = load(page(f"quarterdeck: 1\nsession: shop\nagents: [{text}]"))
    assert found.agents[0].prompts == ("rm -rf /\nx",)


def test_agents_and_prompts_are_bounded() -> None:
    many = "\n".join(f"- {{name: a{n}, profile: shell}}" for n in range(AGENTS_LIMIT + 5))
    found = load(page(f"quarterdeck: 1\nsession: shop\nagents:\n{many}"))
    assert len(found.agents) == AGENTS_LIMIT
    assert found.unusable[0].reason == f"more than {AGENTS_LIMIT} agents"
    two = "\n".join("- {name: same, profile: shell}" for _ in range(2))
    assert (
        load(page(f"quarterdeck: 1\nsession: shop\nagents:\n{two}")).unusable[0].reason == "there are two of this name"
    )
