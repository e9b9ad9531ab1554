"""A new agent that begins from a checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest

from profiles.parts import Prompting
from profiles.profile import Profile
from quarterdeck.errors import Invalid, NotFound, Refused
from sessions.markdown.begin import Opening, manner
from tests.sessions.markdown.conftest import Opener, wish

READER = 'kind = "agent"\nargv = ["cat"]\n'


def profiles(home: Path, **texts: str) -> None:
    folder = home / "user/profiles"
    folder.mkdir()
    for name, text in texts.items():
        (folder / f"{name}.toml").write_text(text)


@pytest.mark.parametrize(
    ("kind", "said", "manner_of"),
    [
        ("agent", "", "file"),
        ("shell", "", "none"),
        ("program", "", "none"),
        ("agent", "prompt", "prompt"),
        ("agent", "none", "none"),
        ("program", "file", "file"),
    ],
)
def test_how_a_kind_is_handed_a_checkpoint(kind: str, said: str, manner_of: str) -> None:
    assert manner(Profile(name="x", title="x", kind=kind, prompt=Prompting(checkpoint=said))) == manner_of


def test_the_first_prompt_names_the_file_from_where_the_agent_is() -> None:
    begins = Opening(name="shop", path="/w/shop/.quarterdeck/sessions/shop/checkpoint.md", text="# shop")
    by_file = Profile(name="x", title="x")
    assert "Read the file .quarterdeck/sessions/shop/checkpoint.md." in begins.prompt(by_file, "/w/shop")
    assert f"Read the file {begins.path}." in begins.prompt(by_file, "/elsewhere")
    by_text = Profile(name="x", title="x", prompt=Prompting(checkpoint="prompt"))
    assert begins.prompt(by_text, "/w/shop").endswith("\n\n=====\n# shop\n=====")
    assert "{" not in Opening(name="{path}", path="/{name}", text="{x}").prompt(by_file, "/").replace(
        "{name}", ""
    ).replace("{path}", "")


async def test_it_is_told_of_what_stands_there_now(home: Path, work: Path, opened: Opener) -> None:
    profiles(home, reader=READER, talker=READER + '[prompt]\ncheckpoint = "prompt"\n')
    async with opened() as deck:
        await deck.groups.create("shop", str(work))
        await deck.groups.set_goal("shop", "ship it")
        page = work / ".quarterdeck/sessions/shop/checkpoint.md"
        reader = await deck.create(wish(work, "reader", from_checkpoint="shop"))
        assert "> ship it" in page.read_text(), "written before it was named"
        assert deck.session(reader.session).name == "shop"
        (told,) = await deck.outbox.prompts(reader.id)
        assert told.text.startswith("Read the file .quarterdeck/sessions/shop/checkpoint.md. It is the checkpoint of")
        page.write_text(page.read_text() + "\nask Bob\n")
        talker = await deck.create(wish(work, "talker", session="other", from_checkpoint="shop"))
        assert deck.session(talker.session).name == "other"
        (told,) = await deck.outbox.prompts(talker.id)
        assert "> ship it" in told.text
        assert "ask Bob" in told.text
        assert "quarterdeck: 1" not in told.text
        await deck.end_all()


async def test_a_page_that_is_left_of_a_session_will_do(home: Path, work: Path, opened: Opener, tmp_path: Path) -> None:
    profiles(home, reader=READER)
    page = work / ".quarterdeck/sessions/gone/checkpoint.md"
    page.parent.mkdir(parents=True)
    page.write_text("---\nquarterdeck: 1\nsession: gone\n---\n\n# gone\n")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "checkpoint.md").write_text(page.read_text())
    (page.parent.parent / "link").symlink_to(outside)
    async with opened() as deck:
        agent = await deck.create(wish(work, "reader", from_checkpoint="gone"))
        (told,) = await deck.outbox.prompts(agent.id)
        assert "sessions/gone/checkpoint.md" in told.text
        for ref, error in (("nobody", NotFound), ("link", NotFound), ("../x", Invalid), ("a/b", Invalid)):
            with pytest.raises(error):
                await deck.create(wish(work, "reader", from_checkpoint=ref))
        with pytest.raises(Refused, match="takes no checkpoint"):
            await deck.create(wish(work, "shell", from_checkpoint="gone"))
        assert len(deck.agents()) == 1, "nothing is left of those"
        await deck.end_all()
