"""Summaries by a model, against a real HTTP server of our own; and that nothing is sent without consent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from quarterdeck import config
from quarterdeck.clock import ManualClock
from quarterdeck.paths import Paths
from sessions.markdown.record import load
from sessions.markdown.summary import ANSWER_TOKENS, KEY, Summaries
from sessions.store import Store
from tests.sessions.markdown.conftest import Opener, happens, wish
from tests.support.messages_api import ANSWER, MessagesApi, serving

SECRET = "sk-ant-" + "test" * 8


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[MessagesApi]:
    with serving() as made:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", made.url)
        monkeypatch.setenv(KEY, SECRET)
        monkeypatch.setenv("NO_PROXY", "*")
        yield made


@pytest.fixture
async def store(paths: Paths, clock: ManualClock) -> AsyncIterator[Store]:
    async with Store.open(paths, clock) as store:
        yield store


@pytest.fixture
def make(store: Store, clock: ManualClock, tmp_path: Path) -> Callable[[str], Summaries]:
    """Summaries of a person with these settings."""

    def with_settings(text: str) -> Summaries:
        (tmp_path / "config.toml").write_text(text)
        return Summaries(store, clock, lambda: config.load(tmp_path).config)

    return with_settings


async def test_a_summary(api: MessagesApi, make: Callable[[str], Summaries]) -> None:
    found = await make('summaries = true\nsummary_model = "claude-test"').of("# shop\n")
    assert found is not None
    assert found.text == "The checkout is half done.\n## Notes\nThe api agent waits."
    assert found.model == "claude-test"
    (request,) = api.requests
    assert (request["path"], request["model"], request["max_tokens"]) == ("/v1/messages", "claude-test", ANSWER_TOKENS)
    assert request["messages"] == [{"role": "user", "content": "<checkpoint>\n# shop\n\n</checkpoint>"}]
    assert api.headers[0]["authorization"] == f"Bearer {SECRET}"


@pytest.mark.parametrize("settings", ["", "summaries = false", "summary_tokens = 5000"])
async def test_nothing_is_sent_without_consent(
    api: MessagesApi, make: Callable[[str], Summaries], settings: str
) -> None:
    assert await make(settings).of("# shop") is None
    assert api.requests == []


async def test_nothing_is_sent_without_a_key(
    api: MessagesApi, make: Callable[[str], Summaries], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(KEY)
    assert await make("summaries = true").of("# shop") is None
    assert api.requests == []


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (429, {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down " + SECRET}}, "RateLimit"),
        (500, {"type": "error", "error": {"type": "api_error", "message": "oh"}}, "InternalServerError"),
        (401, {"type": "error", "error": {"type": "authentication_error", "message": "no"}}, "Authentication"),
        (200, b"{", "Error"),
        (200, b"[]", "Error"),
        (200, {"content": None}, "Error"),
        (200, ANSWER | {"usage": None}, "Error"),
        (200, ANSWER | {"content": [{"type": "text", "text": 5}]}, "Error"),
        (200, ANSWER | {"content": []}, "answered nothing"),
    ],
)
async def test_whatever_goes_wrong_costs_the_summary_alone_and_is_said_once(
    api: MessagesApi,
    make: Callable[[str], Summaries],
    caplog: pytest.LogCaptureFixture,
    status: int,
    body: object,
    told: str,
) -> None:
    api.answers = [(status, body)]
    summaries = make("summaries = true")
    for _ in range(3):
        assert await summaries.of("# shop") is None
    assert len(api.requests) == 3, "each is tried once"
    said = [record.getMessage() for record in caplog.records if "no summary" in record.getMessage()]
    assert len(said) == 1
    assert told in said[0]
    assert SECRET not in caplog.text
    api.answers = [(200, ANSWER)]
    assert await summaries.of("# shop") is not None


async def test_one_that_takes_too_long_is_given_up(api: MessagesApi, make: Callable[[str], Summaries]) -> None:
    api.answers = [(0, b""), (200, ANSWER)]
    summaries = make("summaries = true\nsummary_seconds = 2")
    assert await summaries.of("# shop") is None
    assert len(api.requests) == 1
    make("summaries = true")
    assert await summaries.of("# shop") is not None


async def test_a_server_that_is_not_there(
    api: MessagesApi,
    make: Callable[[str], Summaries],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:1")
    assert await make("summaries = true").of("# shop") is None
    assert "APIConnectionError" in caplog.text


async def test_the_budget_of_one_summary(api: MessagesApi, make: Callable[[str], Summaries]) -> None:
    summaries = make("summaries = true\nsummary_tokens = 3000")
    assert await summaries.of("x" * 10_000) is None
    assert api.requests == []
    assert await summaries.of("x" * 1_000) is not None


async def test_the_budget_of_a_day_outlives_restarts_and_ends_with_the_day(
    api: MessagesApi, make: Callable[[str], Summaries], clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    settings = "summaries = true\nsummary_tokens_per_day = 3600"
    assert await make(settings).of("x" * 1000) is not None
    assert await make(settings).of("x" * 1000) is not None, "1,000 tokens were used of what was reserved"
    assert await make(settings).of("x" * 1000) is not None
    assert await make(settings).of("x" * 1000) is None
    assert "used up" in caplog.text
    assert len(api.requests) == 3
    clock.advance(24 * 3600)
    assert await make(settings).of("x" * 1000) is not None


async def test_what_a_server_may_have_used_is_counted_and_what_it_refused_is_not(
    api: MessagesApi, make: Callable[[str], Summaries]
) -> None:
    settings = "summaries = true\nsummary_tokens_per_day = "
    api.answers = [(429, {}), (500, {}), (200, b"{"), (200, ANSWER)]
    budget = str(2 * 1200)  # enough for one more after one that may have been paid for
    for _ in range(3):
        assert await make(settings + budget).of("x" * 1000) is None
    assert await make(settings + budget).of("x" * 1000) is not None
    assert await make(settings + budget).of("x" * 1000) is None
    assert len(api.requests) == 4


def page_of(work: Path) -> Path:
    return work / ".quarterdeck/sessions/work/checkpoint.md"


async def test_the_page_is_written_first_and_gets_its_summary_after(
    home: Path, work: Path, opened: Opener, api: MessagesApi
) -> None:
    (home / "user/config.toml").write_text("summaries = true")
    api.answers = [(0, b"")]
    async with opened() as deck:
        await deck.groups.create("work", str(work))
        await happens(lambda: api.requests)
        text = page_of(work).read_text()
        assert "# work" in text
        assert "## Summary" not in text
        assert "Notes" not in api.requests[0]["messages"][0]["content"], "a person's notes are not sent"
        await deck.groups.set_goal("work", "meanwhile")
        await happens(lambda: "> meanwhile" in page_of(work).read_text())
    api.release()
    api.answers = [(200, ANSWER)]
    async with opened() as deck:
        await deck.groups.set_goal("work", "again")
        await happens(lambda: "## Summary" in page_of(work).read_text())
        text = page_of(work).read_text()
        assert "    The checkout is half done.\n    ## Notes\n    The api agent waits.\n" in text
        assert load(text).goal == "again"
        page_of(work).write_text(text + "\nmine\n")
        await deck.groups.set_goal("work", "third")
        await happens(lambda: "> third" in page_of(work).read_text())
        text = page_of(work).read_text()
        assert "    The checkout is half done." in text, "it stays until there is another"
        assert text.endswith("\nmine\n")
        assert len(api.requests) == 2, "at most one in ten minutes"


async def test_a_workspace_cannot_consent(home: Path, work: Path, opened: Opener, api: MessagesApi) -> None:
    (work / ".quarterdeck").mkdir()
    (work / ".quarterdeck/config.toml").write_text("summaries = true")
    async with opened() as deck:
        outlook = deck.workspaces.look(str(work))
        await deck.store.trust(str(work), outlook.digest)
        deck.workspaces.trusted = {str(work): outlook.digest}
        await deck.create(wish(work))
        await happens(lambda: page_of(work).exists())
        await happens(lambda: not deck.markdown._to_sum_up)
        await deck.end_all()
    assert api.requests == []
